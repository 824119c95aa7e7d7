"""`policy …`: what a change of the policy would do before it is published, and the request that puts it before the committee."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import authority, policy
from credit_review.adapters import settings as configuration
from credit_review.adapters.wiring import Services
from credit_review.documents import Document, parse
from credit_review.errors import BadInput
from credit_review.model.records import GovernedDocument, PolicyChangeRequest
from credit_review.model.states import DocumentOfRecord
from credit_review.review import adopt as adoption
from credit_review.review import change_request
from credit_review.review.change_request import Computed
from credit_review.review.governed import in_force
from credit_review.words import said
from deployments.cli import governing
from deployments.cli.frame import services, show_json, show_table, tell
from deployments.cli.watching import watched

if TYPE_CHECKING:
    from credit_review.report.table import Table
    from tasks.policy_change import Written
    from tasks.policy_diff import Asked

POLICY, AUTHORITY = DocumentOfRecord.POLICY, DocumentOfRecord.AUTHORITY
MOST_REVIEWS = 40


def diff(
    config: Path, documents: Sequence[str], *, review: str, reviews: int, matrix: tuple[str, str] | None, out: Path | None, request: str,
    authors: Sequence[str], as_person: str, as_json: bool,
) -> None:  # fmt: skip
    """What a policy would change against another on past reviews; with a reason, put on record as a change request."""
    opened = services(config)
    asked, new = _asked(opened, documents, matrix)
    with watched():
        from tasks import policy_change

        written = policy_change.compute(str(config), asked, review=review, reviews=reviews, out=out)
    made = _requested(opened, written, new, request, authors, as_person) if request else None
    if as_json:
        _show_plain(written, made)
    else:
        _tell(written, made, new)


def _asked(opened: Services, documents: Sequence[str], matrix: tuple[str, str] | None) -> tuple[Asked, Path]:
    from tasks.policy_diff import Asked

    if len(documents) not in (1, 2):
        raise BadInput(
            said("{n} policies are named", n=len(documents)), expected=said("NEW, or OLD and NEW"),
            next_step=said("run `credit-review policy diff NEW` to compare with the policy in force"),
        )  # fmt: skip
    old = _policy(opened, documents[0]) if len(documents) == 2 else _adopted_policy(opened)
    new = _policy(opened, documents[-1])
    before, after = (_matrix(opened, one) for one in matrix) if matrix else (_adopted_matrix(opened),) * 2
    return Asked(before=old, after=new, matrix_before=before, matrix_after=after), _path(opened, documents[-1])


def _path(opened: Services, wanted: str) -> Path:
    return Path(wanted) if Path(wanted).is_file() else opened.settings.path(wanted)


def _document(opened: Services, wanted: str, kind: DocumentOfRecord) -> Document:
    """A file, or a document on record by the beginning of its digest. Raises BadInput when it is neither."""
    path = _path(opened, wanted)
    if path.is_file():
        return parse(configuration.read_text(path, known_as=wanted), name=governing.known_name(opened.settings, path))
    with opened.store.read() as uow:
        found = [d for d in uow.find(GovernedDocument, kind=kind) if len(wanted) >= 8 and d.digest.startswith(wanted)]
    if len(found) != 1:
        raise BadInput(
            said("{wanted} is neither a file nor the digest of a {kind} on record", wanted=wanted, kind=said(kind)),
            expected=said("a file, or at least 8 characters of a digest"),
            next_step=said("leave out OLD to compare with the policy in force"),
        )
    return parse(found[0].content, name=found[0].name)


def _policy(opened: Services, wanted: str) -> tuple[Document, policy.Policy]:
    document = _document(opened, wanted, POLICY)
    return document, policy.load(document)


def _matrix(opened: Services, wanted: str) -> tuple[Document, authority.Matrix]:
    document = _document(opened, wanted, AUTHORITY)
    return document, authority.load(document)


def _adopted(opened: Services, kind: DocumentOfRecord) -> Document:
    with opened.store.read() as uow:
        found = in_force(uow, kind, opened.clock.now())
    if found is None:
        raise BadInput(
            said("no {kind} is in force", kind=said(kind)),
            expected=said("one that two people adopted, to compare with"),
            next_step=said("name both: `credit-review policy diff OLD NEW`; or two people run `credit-review adopt`"),
        )
    return parse(found.content, name=found.name)


def _adopted_policy(opened: Services) -> tuple[Document, policy.Policy]:
    document = _adopted(opened, POLICY)
    try:
        return document, policy.load(document)
    except BadInput as error:
        raise BadInput(
            said("the policy in force cannot be read by this version: {error}", error=error.what),
            expected=said("a policy of this version"),
            next_step=said("name a corrected copy as OLD: `credit-review policy diff OLD NEW`"),
        ) from error


def _adopted_matrix(opened: Services) -> tuple[Document, authority.Matrix]:
    document = _adopted(opened, AUTHORITY)
    return document, authority.load(document)


# --- the request ----------------------------------------------------------------------------------------------------------------------


def _requested(
    opened: Services, written: Written, new: Path, reason: str, authors: Sequence[str], as_person: str
) -> PolicyChangeRequest:  # fmt: skip
    """The request on record, its policy submitted by whoever acts."""
    if not new.is_file():
        raise BadInput(said("{name} is no file", name=new.name), expected=said("the new policy as a file, so that it can be submitted"))
    found, now = written.found, opened.clock.now()
    text = configuration.read_text(new, known_as=new.name)
    computed = Computed(
        reviews=[one.review_id for one in found.reviews],
        report_digest=written.page_digest,
        list_digest=written.list_digest,
        figures_digest=written.figures_digest,
    )
    with opened.store.begin() as uow:
        person = governing.me(opened, uow, as_person).person_id
        name, written_by = governing.known_name(opened.settings, new), list(authors) or [person]
        document = adoption.submit(uow, kind=POLICY, name=name, content=text, authors=written_by, by=person, now=now)
        made = change_request.request_change(
            uow, old_digest=found.before.digest, new_digest=document.digest, computed=computed, reason=reason, by=person,
            on=opened.today(), now=now,
        )  # fmt: skip
        uow.commit()
    return made


# --- what people read -----------------------------------------------------------------------------------------------------------------


def _show_plain(written: Written, made: PolicyChangeRequest | None) -> None:
    from credit_review.policy_effect.result import plain

    files: dict[str, Any] = {"report": str(written.page), "list": str(written.folder / "customers.csv"), "request": None}
    if made is not None:
        files["request"] = made.request_id
    show_json(plain(written.found) | files)


def _tell(written: Written, made: PolicyChangeRequest | None, new: Path) -> None:
    from credit_review.report import policy_diff as views

    found = written.found
    tell(said("old: {name}, version {version}, digest {digest}", **_named(found.before)))
    tell(said("new: {name}, version {version}, digest {digest}", **_named(found.after)))
    for sentence in views.summary(found):
        tell(sentence)
    newest, label = found.reviews[-1], found.reviews[-1].label
    _table(said("Review {label}: limits in money", label=label), views.money_table(found, newest))
    _table(said("Review {label}: customers by grade", label=label), views.grades_table(found, newest))
    _table(said("Review {label}: which way proposals go", label=label), views.ways_table(newest))
    _table(said("Review {label}: notices of reductions", label=label), views.notices_table(found, newest))
    _table(said("Review {label}: rules that fired otherwise", label=label), views.rules_table(found, newest))
    for one in reversed(found.reviews):
        tell(said("Review {label}: {sentence}", label=one.label, sentence=views.later_words(one)))
        if (later := views.later_table(one)) is not None:
            _table("", later)
    tell(said("report: {path}", path=written.page))
    tell(said("all customers that differ: {path}", path=written.folder / "customers.csv"))
    _tell_next(made, new.name)


def _named(text: Any) -> dict[str, str]:
    return {"name": text.name, "version": text.version, "digest": text.digest[:12]}


def _table(title: str, table: Table) -> None:
    """A table of the report in the terminal."""
    rows = [*table.rows, *table.totals]
    if not rows:
        tell(table.empty)
        return
    headings = [column.label for column in table.columns]
    show_table(title, headings, rows, right=[column.label for column in table.columns if column.style == "num"])


def _tell_next(made: PolicyChangeRequest | None, name: str) -> None:
    if made is None:
        tell(said('nothing is on record yet; the same command with --request "REASON" puts it before the committee'))
    else:
        tell(said("recorded as change request {request}", request=made.request_id))
        tell(said("next: two people read the report, then run `credit-review adopt {name}`; its author alone cannot", name=name))


# --- how a policy did -----------------------------------------------------------------------------------------------------------------


def effectiveness(config: Path, *, year: int, as_json: bool) -> None:
    """How the policy in force did over a year."""
    services(config)
    with watched():
        from tasks import effectiveness as reporting

        done = reporting.effectiveness.fn(str(config), year)
    if as_json:
        show_json({"headline": done.headline, "report": str(done.page) if done.page else None, **done.figures})
        return
    for line in done.lines or (done.headline,):
        tell(line)
    if done.page is not None:
        tell(said("report: {path}", path=done.page))
