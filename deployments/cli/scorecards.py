"""`scorecard …`: a model's life, from fit to retirement, and what people read on the way."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review.adapters import settings as configuration
from credit_review.adapters.model_files import REPORT, ModelFiles
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput, Refused
from credit_review.hearing import heard
from credit_review.model.money import Money
from credit_review.model.records import GovernedDocument, ModelVersion, Person
from credit_review.model.states import DocumentOfRecord, ModelKind, ModelStatus, ModelVerdict
from credit_review.ports import UnitOfWork
from credit_review.review import adopt as adoption
from credit_review.review import models, publishing
from credit_review.review.models import Described
from credit_review.review.working import Company
from credit_review.words import marked, said
from deployments.cli import governing
from deployments.cli.frame import joined, names_of, services, show_json, show_pairs, show_table, tell
from deployments.cli.watching import watched

if TYPE_CHECKING:
    from credit_review.replay.cards import Moves
    from credit_review.scoring import Scorecard
    from credit_review.scoring.scorecard import Factor
    from tasks.examining import Written
    from tasks.training import Fitted

MOST_MOVERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A model that a person named: its version where the inventory has it, and its text where it is a scorecard."""

    digest: str
    text: str
    version: ModelVersion | None


def named(opened: Services, uow: UnitOfWork, wanted: str, *, text: bool = True) -> Named:
    """The model behind a file name, a digest or `scorecard/3`; nothing named: the scorecard that the settings name."""
    path = Path(wanted) if wanted and Path(wanted).is_file() else opened.settings.path(wanted or opened.settings.scorecard)
    if path.is_file():
        raw = path.read_bytes()
        digest = sha256(raw).hexdigest()
        return Named(
            digest=digest,
            text=configuration.read_text(path, known_as=wanted) if text else "",
            version=uow.get(ModelVersion, digest=digest),
        )
    version = models.find(uow, wanted)
    document = uow.get(GovernedDocument, digest=version.digest)
    if document is None and text:
        raise BadInput(said("{model} is no scorecard", model=models.named(version)), expected=said("a version of a scorecard"))
    return Named(digest=version.digest, text=document.content if document else "", version=version)


def _version(opened: Services, wanted: str) -> ModelVersion:
    """The version that a person names. Raises BadInput when the file is not in the inventory."""
    with opened.store.read() as uow:
        found = named(opened, uow, wanted, text=False)
    if found.version is None:
        raise BadInput(
            said("the model with digest {digest} is not in the inventory", digest=found.digest[:12]),
            expected=said("a version that `credit-review scorecard inventory` lists"),
            next_step=said("record it with `credit-review scorecard register FILE`"),
        )
    return found.version


# --- fit and register -----------------------------------------------------------------------------------------------------------------


def fit(
    config: Path, *, as_of: date | None, out: Path | None, expert: bool, described: Described, developers: Sequence[str], as_person: str
) -> None:
    """Fit a scorecard, write it with its model card, and record it as a draft of whoever acts."""
    opened = services(config)
    with watched():
        from tasks import training

        fitted = training.fit(str(config), as_of=as_of, expert=expert)
    path = out or opened.settings.path(opened.settings.scorecard)
    path.write_text(fitted.text, encoding="utf-8")
    for line in fitted.lines:
        tell(line)
    tell(said("wrote {path}", path=path))
    version = _draft_of(opened, path, fitted.text, described, developers, as_person)
    written = with_card(opened, fitted, version, as_of=as_of or opened.today())
    if written is not None:
        tell(said("model card: {path}", path=written.card))
    if version is None:
        sentence = marked("nobody in the directory wrote it; somebody who is records it with `credit-review scorecard register {name}`")
        tell(said(sentence, name=path.name))
        return
    tell(said("recorded as {model}, a draft", model=models.named(version)))
    _next_for(version, path.name)


def with_card(opened: Services, fitted: Fitted, version: ModelVersion | None, *, as_of: date) -> Written | None:
    """The card and the examination of a fitted scorecard, written, and the card's digest on record; None where no history was looked at."""
    from credit_review import policy
    from tasks import examining

    if fitted.rows is None:
        return None
    rules = policy.load(opened.settings.document(opened.settings.policy))
    with watched():
        written = examining.write(opened, fitted.text, fitted.rows, rules, as_of=as_of)
    if version is not None and version.status == ModelStatus.DRAFT:
        with opened.store.begin() as uow:
            models.carded(uow, version.digest, written.card_digest, by=version.registered_by)
            uow.commit()
    return written


def _draft_of(opened: Services, path: Path, text: str, about: Described, developers: Sequence[str], as_person: str) -> ModelVersion | None:
    """The draft recorded by whoever acts; None where this account is nobody's in the directory: the file is there all the same."""
    with opened.store.begin() as uow:
        try:
            person = governing.me(opened, uow, as_person)
        except Refused as refused:
            if as_person or not refused.code.startswith("login."):
                raise
            return None
        version = _recorded(opened, uow, person, path, text, about, developers)
        uow.commit()
    return version


def _recorded(
    opened: Services, uow: UnitOfWork, person: Person, path: Path, text: str, about: Described, developers: Sequence[str]
) -> ModelVersion:
    name, now = governing.known_name(opened.settings, path), opened.clock.now()
    document = adoption.submit(
        uow, kind=DocumentOfRecord.SCORECARD, name=name, content=text, authors=list(developers) or [person.person_id],
        by=person.person_id, now=now, described=about,
    )  # fmt: skip
    return models.known(uow, document.digest)


def _next_for(version: ModelVersion, name: str) -> None:
    if version.kind == ModelKind.CHALLENGER:
        tell(said("next: somebody who did not make it signs it with `credit-review scorecard publish {name} --key KEY`", name=name))
    elif version.tier in models.VALIDATED_FIRST and not version.validated_by:
        tell(said("next: somebody who did not make it runs `credit-review scorecard validate {name}`", name=name))
    else:
        tell(said("next: two people run `credit-review adopt {name}`", name=name))


def register(
    config: Path, file: Path, *, kind: str, described: Described, developers: Sequence[str], as_person: str, as_json: bool
) -> None:
    """Record a file as a draft, or describe a draft anew."""
    opened = services(config)
    chosen = _kind(kind)
    path = file if file.exists() else opened.settings.path(str(file))
    if not path.is_file():
        raise BadInput(said("{known_as} is missing", known_as=str(file)), expected=said("a file at {path}", path=path))
    content = _challenger(path, str(file)) if chosen == ModelKind.CHALLENGER else {}
    with opened.store.begin() as uow:
        person = governing.me(opened, uow, as_person)
        by, now = person.person_id, opened.clock.now()
        digest = sha256(path.read_bytes()).hexdigest()
        there = uow.get(ModelVersion, digest=digest) is not None
        if there:
            version = models.describe(uow, digest, described, by=by, on=opened.today(), now=now)
        elif chosen == ModelKind.SCORECARD:
            text = configuration.read_text(path, known_as=str(file))
            governing.check(DocumentOfRecord.SCORECARD, path.name, text)
            version = _recorded(opened, uow, person, path, text, described, developers)
        else:
            version = models.register(
                uow, digest=digest, kind=chosen, content=content, developers=list(developers) or [by], by=by, now=now,
                described=described,
            )  # fmt: skip
        uow.commit()
    if as_json:
        show_json(plain(version))
        return
    tell(said("{model} is on record as {status}", model=models.named(version), status=said(models.STATUSES[ModelStatus(version.status)])))
    if version.status == ModelStatus.DRAFT:
        _next_for(version, path.name)


def _challenger(path: Path, known_as: str) -> dict[str, Any]:
    """What a challenger's description says of itself, once a process apart has read its model and asked it. Raises BadInput otherwise."""
    from credit_review.adapters import challengers

    held = challengers.read(path, known_as=known_as)
    challengers.require_readable(held)
    return held.card.model_dump(mode="json", include={"kind", "name", "trained_on"})


def _kind(name: str) -> ModelKind:
    with suppress(ValueError):
        return ModelKind(name)
    raise BadInput(said("unknown kind {named}", named=repr(name)), expected=", ".join(ModelKind))


# --- validate -------------------------------------------------------------------------------------------------------------------------


def validate(config: Path, wanted: str, *, as_of: date | None, as_json: bool) -> None:
    """Write the validation report and the card of a model, and say what they show."""
    opened = services(config)
    with opened.store.read() as uow:
        found = named(opened, uow, wanted)
    with watched():
        from tasks import examining

        written = examining.examine(str(config), found.text, as_of=as_of)
    if as_json:
        import json

        show_json(
            {"model": found.digest, "report": written.report_digest, "report_file": str(written.report), "card": written.card_digest}
            | {"card_file": str(written.card), "figures": json.loads(written.examined.text())}
        )
        return
    _tell_examined(written)
    model = f"{found.version.model_id}/{found.version.version}" if found.version else (wanted or opened.settings.scorecard)
    sentence = marked(
        'next: read both; then sign with `credit-review scorecard validate {model} --report {report} --accept --reason "…"`, or --reject'
    )
    tell(said(sentence, model=model, report=written.report_digest[:16]))


def _tell_examined(written: Written) -> None:
    from credit_review.report import model_card

    for title, columns, rows in model_card.in_terminal(written.examined):
        show_table(title, columns, rows, right=columns[1:])
    if not written.examined.concerns:
        tell(said("nothing in these figures speaks against it"))
    for one in written.examined.concerns:
        tell(said("against it: {concern}", concern=one))
    tell(said("report: {path}", path=written.report))
    tell(said("model card: {path}", path=written.card))


def answer(config: Path, wanted: str, *, accept: bool, reject: bool, report: str, reason: str, as_person: str, as_json: bool) -> None:
    """Sign a validation report that was read: accepted or rejected."""
    verdict = _verdict(accept=accept, reject=reject, report=report)
    opened = services(config)
    version = _version(opened, wanted)
    with governing.signing_as(opened, as_person, f"model:{version.digest}") as (uow, person):
        files = ModelFiles(opened.settings.data)
        _, whole = files.read(version.digest, REPORT, report)
        done = models.validate(
            uow, version.digest, verdict=verdict, report_digest=whole, comment=reason, by=person.person_id, on=opened.today(),
            now=opened.clock.now(), company=_company(opened), card_digest=files.card_with(version.digest, whole),
        )  # fmt: skip
        uow.commit()
    if as_json:
        show_json(plain(done))
        return
    about = {"model": models.named(done), "report": whole[:16], "status": said(models.STATUSES[ModelStatus(done.status)])}
    if verdict == ModelVerdict.ACCEPTED:
        tell(said("{model}: report {report} accepted; it is {status}", **about))
        if done.status == ModelStatus.VALIDATED:
            tell(said("next: two people run `credit-review adopt {name}`", name=opened.settings.scorecard))
    else:
        tell(said("{model}: report {report} rejected; it is {status}", **about))
        if done.status == ModelStatus.IN_FORCE:
            tell(said("a finding stands until its owner retires it or remedies what speaks against it: `credit-review finding list`"))


def _company(opened: Services) -> Company:
    return Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)


def examined_and_accepted(opened: Services, fitted: Fitted, *, developer: str, validator: str, reason: str) -> Written | None:
    """A fitted card recorded by its developer and accepted by somebody else on its own report: what a demo does in one go.

    None where no history was looked at, or the card needs no validation.
    """
    if fitted.rows is None or models.tier_asked(ModelKind.SCORECARD, models.written(fitted.text)) not in models.VALIDATED_FIRST:
        return None
    now = opened.clock.now()
    with opened.store.begin() as uow:
        document = adoption.submit(
            uow, kind=DocumentOfRecord.SCORECARD, name=opened.settings.scorecard, content=fitted.text, authors=[developer], by=developer,
            now=now,
        )  # fmt: skip
        version = models.known(uow, document.digest)
        uow.commit()
    written = with_card(opened, fitted, version, as_of=opened.today())
    if written is not None:
        with opened.store.begin() as uow:
            models.validate(
                uow, version.digest, verdict=ModelVerdict.ACCEPTED, report_digest=written.report_digest, comment=reason, by=validator,
                on=opened.today(), now=opened.clock.now(), company=_company(opened), card_digest=written.card_digest,
            )  # fmt: skip
            uow.commit()
    return written


def _verdict(*, accept: bool, reject: bool, report: str) -> ModelVerdict:
    if accept and reject:
        raise BadInput(said("one answer only"), expected=said("--accept or --reject"))
    if not report:
        raise BadInput(
            said("an answer names the report that was read"),
            expected=said("--report with the digest that `credit-review scorecard validate` printed"),
            next_step=said("run `credit-review scorecard validate` without an answer first, and read its report"),
        )
    return ModelVerdict.ACCEPTED if accept else ModelVerdict.REJECTED


# --- publish and retire ---------------------------------------------------------------------------------------------------------------


def publish(config: Path, wanted: str, *, key_file: Path | None, as_person: str, as_json: bool) -> None:
    """Sign the publication of a version."""
    from credit_review.audit.notes import SigningKey

    opened = services(config)
    chosen = opened.settings.models
    text = configuration.read_text(key_file, known_as=str(key_file)) if key_file else configuration.require_secret(chosen.key_secret)
    key = SigningKey.read(text)
    version = _version(opened, wanted)
    with governing.signing_as(opened, as_person, f"model:{version.digest}") as (uow, person):
        done = models.publish(
            uow, version.digest, key=key, keys=chosen.trusted(), by=person.person_id, on=opened.today(), now=opened.clock.now()
        )
        uow.commit()
    if as_json:
        show_json(plain(done))
        return
    tell(said("{model} is published, signed by {key}", model=models.named(done), key=key.key.name))


def retire(config: Path, wanted: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """Take a version out of use from today."""
    opened = services(config)
    version = _version(opened, wanted)
    with governing.signing_as(opened, as_person, f"model:{version.digest}") as (uow, person):
        done = models.retire(uow, version.digest, reason=reason, by=person.person_id, on=opened.today(), now=opened.clock.now())
        uow.commit()
    if as_json:
        show_json(plain(done))
        return
    tell(said("{model} is retired; no review starts with it from {day} on", model=models.named(done), day=done.valid_to or opened.today()))


# --- look -----------------------------------------------------------------------------------------------------------------------------


def inventory(config: Path, *, as_json: bool) -> None:
    """Every version of every model."""
    opened = services(config)
    today = opened.today()
    with opened.store.read() as uow:
        every = uow.find(ModelVersion, order_by=("model_id", "version"))
        doubted = {one.digest for one in every if models.doubted(uow, one.digest)}
        names = names_of(uow)
    if as_json:
        show_json(
            [plain(one) | {"last_validation_rejected": one.digest in doubted, "used_today": models.holds_on(one, today)} for one in every]
        )
        return
    if not every:
        tell(said("no model is on record"))
        return
    rows = [
        [
            f"{one.model_id}/{one.version}",
            _stands(one, today),
            one.title,
            one.tier,
            names.get(one.owner_id, one.owner_id) or said("nobody yet"),
            _validated(one, names, doubted=one.digest in doubted),
            publishing.published_by(one)[0] or said("no"),
            one.digest[:12],
        ]
        for one in every
    ]
    columns = [
        said("model"), said("stands"), said("title"), said("tier"), said("owner"), said("validated by"), said("published by"),
        said("digest"),
    ]  # fmt: skip
    show_table(said("Model inventory"), columns, rows)


def _stands(one: ModelVersion, today: date) -> str:
    status = said(models.STATUSES[ModelStatus(one.status)])
    if one.status == ModelStatus.IN_FORCE and one.valid_from is not None and one.valid_from > today:
        return said("in force from {day}", day=one.valid_from)
    if one.status == ModelStatus.IN_FORCE and one.valid_to is not None:
        return said("in force until {day}", day=one.valid_to)
    return status


def _validated(one: ModelVersion, names: Any, *, doubted: bool) -> str:
    who = names.get(one.validated_by, one.validated_by) or said("nobody")
    return said("{who}; rejected since", who=who) if doubted else who


def plain(version: ModelVersion) -> dict[str, Any]:
    """A version for scripts: its fields, the developers as a list, the signature as who, when and by which note."""
    by, at = publishing.published_by(version)
    fields = {**asdict(version), "developers": version.developers.split("|")}
    signature = fields.pop("signature")
    return {**fields, "published": {"by": by, "at": at, "note": signature} if signature else None}


def show(config: Path, wanted: str, *, as_json: bool) -> None:
    """A model in a terminal: what it is, where it stands, who answered for it, and its points."""
    from credit_review import scoring

    opened = services(config)
    with opened.store.read() as uow:
        found = named(opened, uow, wanted, text=False)
        document = uow.get(GovernedDocument, digest=found.digest)
        answers = models.validations(uow, found.digest)
        names = names_of(uow)
        signed = publishing.signed_by(found.version, opened.settings.models.trusted()) if found.version else ""
        if not found.text:
            found = named(opened, uow, wanted) if document or found.version is None else found
    card = scoring.load(found.text) if found.text else None
    if as_json:
        answered = [asdict(one) for one in answers]
        content = card.model_dump(mode="json") if card else None
        show_json(
            {"digest": found.digest, "version": plain(found.version) if found.version else None, "validations": answered}
            | {"signature_holds": bool(signed), "scorecard": content}
        )
        return
    show_pairs(_life(opened, found, names, signed) | ({} if card is None else _about(card)))
    for one in answers:
        verdict = said(models.VERDICTS[ModelVerdict(one.verdict)])
        sentence = marked("validation of {at}: {verdict} by {who}: {comment} (report {report})")
        tell(
            said(
                sentence,
                at=one.at,
                verdict=verdict,
                who=names.get(one.person_id, one.person_id),
                comment=one.comment,
                report=one.report_digest[:16],
            )
        )
    for factor in card.factors if card else ():
        _show_factor(factor)


def _life(opened: Services, found: Named, names: Any, signed: str) -> dict[str, Any]:
    version = found.version
    if version is None:
        return {said("Digest"): found.digest, said("Stands"): said("not in the inventory: `credit-review scorecard register` records it")}
    by, at = publishing.published_by(version)
    publication: str = said("no")
    if version.signature:
        held = said("holds, by {key}", key=signed) if signed else said("does not hold under the keys of settings.yaml")
        publication = said("by {who} at {at}; the signature {holds}", who=names.get(by, by), at=at, holds=held)
    return {
        said("Model"): f"{version.model_id}/{version.version}",
        said("Digest"): found.digest,
        said("Stands"): _stands(version, opened.today()),
        said("Tier"): version.tier,
        said("Owner"): names.get(version.owner_id, version.owner_id) or said("nobody yet"),
        said("Developers"): joined([names.get(one, one) for one in version.developers.split("|")]),
        said("Purpose"): said(version.purpose or "-"),
        said("Data"): heard(version.data) or "-",
        said("Limits of use"): version.limits_of_use or "-",
        said("Validated by"): names.get(version.validated_by, version.validated_by) or said("nobody"),
        said("Published"): publication,
        said("Model card (SHA-256)"): version.card_digest or "-",
    } | ({said("Retired because"): version.retired_reason} if version.retired_reason else {})


def _about(card: Scorecard) -> dict[str, Any]:
    return {
        said("Title"): said(card.name),
        said("Predicts"): said(card.outcome),
        said("How it was made"): said(card.why),
        said("Scale"): said(
            "{base} points for everybody; {points} at {odds} to one, {double} double the odds",
            base=card.base, points=card.scale.base_points, odds=f"{card.scale.base_odds:g}", double=card.scale.double_odds,
        ),
    }  # fmt: skip


def _show_factor(factor: Factor) -> None:
    from credit_review.monitoring.examination import labels

    each = zip(labels(factor), factor.places, strict=True)
    rows = [[said(label), f"{one.points:+d}", _counted(one.rows), _counted(one.bad)] for label, one in each]
    columns = [said("bin"), said("points"), said("rows"), said("with the outcome")]
    show_table(factor.name, columns, rows, right=columns[1:])


def _counted(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


# --- compare --------------------------------------------------------------------------------------------------------------------------


def compare(config: Path, before: str, after: str, *, review_id: str, as_json: bool) -> None:
    """What a scorecard would change against another on a review's snapshot."""
    opened = services(config)
    with opened.store.read() as uow:
        texts = [named(opened, uow, one).text for one in (before, after)]
    with watched():
        from tasks import comparing

        plan, moves = comparing.compare(str(config), *texts, review_id=review_id)
    if as_json:
        grades = [{"before": one, "after": other, "customers": n} for (one, other), n in moves.grades.items()]
        show_json({"review": plan.review_id, "as_of": plan.as_of} | asdict(moves) | {"grades": grades})
        return
    tell(said("On review {review}, as of {day}: {n} customers reviewed", review=plan.review_id, day=plan.as_of, n=moves.customers))
    _tell_moves(moves)


def _tell_moves(moves: Moves) -> None:
    tell(said("{better} would get a better grade, {worse} a worse one", better=moves.better, worse=moves.worse))
    rows = [
        [
            one.currency, one.customers, Money(one.before_minor, one.currency), Money(one.after_minor, one.currency), one.up,
            Money(one.up_minor, one.currency), one.down, Money(one.down_minor, one.currency),
        ]
        for one in moves.money
    ]  # fmt: skip
    columns = [
        said("currency"), said("customers"), said("limits proposed before"), said("after"), said("higher"), said("by"), said("lower"),
        said("lower by"),
    ]  # fmt: skip
    show_table(said("Limits the engine would propose"), columns, rows, right=columns[1:])
    names = sorted({one for pair in moves.grades for one in pair})
    table = [[one, *(moves.grades.get((one, other), 0) for other in names)] for one in names]
    show_table(said("Customers by grade before (rows) and after (columns)"), [said("grade"), *names], table, right=names)
    shown = [
        [
            one.customer_id, one.grade_before or "-", one.grade_after or "-", Money(one.before_minor, one.currency),
            Money(one.after_minor, one.currency),
        ]
        for one in moves.movers[:MOST_MOVERS]
    ]  # fmt: skip
    if shown:
        columns = [said("customer"), said("grade before"), said("grade after"), said("limit before"), said("limit after")]
        show_table(said("Whose limit would differ most"), columns, shown, right=columns[3:])
    if len(moves.movers) > MOST_MOVERS:
        tell(said("{n} more differ; --json lists all", n=len(moves.movers) - MOST_MOVERS))
