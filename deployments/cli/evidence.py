"""`evidence pack` and `audit special`: what an auditor asks for, in one signed folder; `people reviewed`: the access list signed off."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.adapters import files
from credit_review.adapters import pack as packing
from credit_review.adapters.settings import require_secret
from credit_review.adapters.store.evidence import SqlRecord
from credit_review.adapters.wiring import Services
from credit_review.audit import MAX_INT, timestamp
from credit_review.audit.notes import SigningKey
from credit_review.errors import BadInput
from credit_review.evidence import pack, subject
from credit_review.evidence.artefact import Telling, days_of
from credit_review.evidence.pack import INDEX, Made
from credit_review.evidence.people import ACCESS, access_of
from credit_review.evidence.registry import REGISTRY
from credit_review.evidence.rules import in_force
from credit_review.review import access, keeping
from credit_review.review.sampled import Period
from credit_review.sampling.drawing import Method, Plan
from credit_review.words import said, said_many
from deployments.cli import language
from deployments.cli.frame import services, show_json, tell
from deployments.cli.governing import me, signing_as
from deployments.cli.watching import watched

if TYPE_CHECKING:
    from credit_review.adapters.pack import Work
    from credit_review.replay import Found

KEY_SECRET = "EVIDENCE_KEY"  # noqa: S105 - the name of a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for, as typed."""

    period: str
    first_day: date | None
    last_day: date | None
    size: int | None
    seed: str = ""
    replays: bool = False
    customer: str = ""
    approver: str = ""

    def days(self) -> tuple[date, date]:
        """First and last day. Raises BadInput unless either a period or both days are given."""
        if (self.period and (self.first_day or self.last_day)) or (not self.period and not (self.first_day and self.last_day)):
            raise BadInput(said("give either --period, or --from and --to"), expected=said("such as --period 2026Q4"))
        return days_of(self.period) if self.period else (self.first_day or date.min, self.last_day or date.min)

    def plan(self) -> Plan:
        """How the sample is drawn: an attribute sample for 95% and 10%, 29 of a large population."""
        return Plan(method=Method.ATTRIBUTE, seed=self.seed or secrets.token_hex(16), tolerable=Decimal("0.10"))


def make_pack(config: Path, wanted: Wanted, out: Path, *, as_person: str, as_json: bool) -> None:
    """Write the folder, record that it was taken, and say what is in it."""
    opened, by = _ready(config, out, as_person)
    period = Period.of(*wanted.days(), opened.settings.zone)
    plan = wanted.plan()
    asked = packing.Asked(
        period=period, artefacts=REGISTRY, size=wanted.size, plan=plan, parameters={"seed": plan.seed, "replays": wanted.replays}
    )
    replays = _replays(config) if wanted.replays else _no_replays

    def fill(work: Work) -> None:
        packing.checkpoints(work)
        packing.artefacts(work, REGISTRY)
        packing.sample(work, plan)
        start, end = (timestamp(at) for at in (period.start, period.end))
        used = [in_force(work.record, before=at).values() for at in (start, end)]
        packing.documents(work, [one.subject for some in used for one in some])
        packing.log_export(work)

    _write(opened, asked, out, fill, replays, by=by, as_json=as_json)


def make_special(config: Path, wanted: Wanted, out: Path, *, as_person: str, as_json: bool) -> None:
    """Write everything about one customer or approver as a pack; about a period alone it is the pack of E1 to E18."""
    if wanted.customer and wanted.approver:
        raise BadInput(said("give either --customer or --approver"), expected=said("the id of one of them"))
    if not wanted.customer and not wanted.approver:
        make_pack(config, replace(wanted, replays=True), out, as_person=as_person, as_json=as_json)
        return
    opened, by = _ready(config, out, as_person)
    period = Period.of(*wanted.days(), opened.settings.zone)
    name = f"customer:{wanted.customer}" if wanted.customer else f"person:{wanted.approver}"
    asked = packing.Asked(period=period, artefacts=(), size=wanted.size, subject=name)

    def fill(work: Work) -> None:
        about = subject.of_customer(work.record, wanted.customer) if wanted.customer else subject.of_approver(work.record, wanted.approver)
        if next(subject.selected(work.record, about), None) is None:
            raise BadInput(
                said("the log says nothing of {subject} in the period", subject=name), expected=said("an id, as reports and lists show it")
            )
        packing.artefacts(work, subject.special(about))
        packing.proofs(work, "", subject.selected(work.record, about))
        packing.payloads(work, subject.selected(work.record, about))

    _write(opened, asked, out, fill, _no_replays, by=by, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes the pack, and the key that signs it."""

    person_id: str
    key: SigningKey


def _ready(config: Path, out: Path, as_person: str) -> tuple[Services, Taker]:
    """The installation and who takes the pack, once it is clear that he may act and that the folder is free."""
    files.require_free(out)
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
    return opened, Taker(person.person_id, SigningKey.read(_secret()))


def _secret() -> str:
    try:
        return require_secret(KEY_SECRET)
    except BadInput as error:
        step = said("`credit-review audit key company.example/evidence --out FILE` makes one; docs/audit/evidence.md says who keeps it")
        raise BadInput(error.what, expected=error.expected, next_step=step) from None


def _no_replays(_: str) -> Found | None:
    return None


def _replays(config: Path) -> Callable[[str], Found | None]:
    """Each review computed again at most once."""

    @cache
    def replay(review_id: str) -> Found | None:
        with watched():
            from tasks import replaying

            return replaying.replay(str(config), review_id)

    return replay


def _write(
    opened: Services,
    asked: packing.Asked,
    out: Path,
    fill: Callable[[Work], None],
    replays: Callable[[str], Found | None],
    *,
    by: Taker,
    as_json: bool,
) -> None:
    """The folder whole or not at all; that it was taken is committed before it appears."""
    with files.whole_folder(out) as part, packing.at_work(opened, asked, packing.Folder(part), language.words(), replays) as work:
        fill(work)
        facts = packing.facts(opened, asked, work, by=by.person_id)
        digest = packing.finish(work, facts, by.key)
        about = {
            "from": facts.first_day,
            "to": facts.last_day,
            "subject": facts.subject or None,
            "entries": facts.entries,
            "root": facts.root,
        }
        with opened.store.begin() as uow:
            keeping.read(uow, "evidence", {**about, "manifest": digest, "key": by.key.key.text()}, by=by.person_id)
            (seq,) = uow.commit()
    if as_json:
        show_json({"folder": str(out), "entry": seq, "manifest": digest, "artefacts": [_plain(one) for one in work.made]})
    else:
        _tell(work, out, digest, seq)


def _plain(one: Made) -> dict[str, object]:
    return {"number": one.number, "file": one.file, "rows": one.rows, "exceptions": one.exceptions, "sha256": one.sha256}


def _tell(work: Work, out: Path, digest: str, seq: int) -> None:
    for one in work.made:
        if one.exceptions:
            tell(said("{file}: {n} to look at", file=one.file, n=one.exceptions))
    empty = [one.file for one in work.made if not one.rows]
    if empty:
        tell(said("none recorded: {files}", files=", ".join(empty)))
    tell(work.verdict.finding)
    tell(
        said(
            "wrote {count} files to {folder}; its manifest has SHA-256 {digest}, and that it was taken is audit entry {seq}",
            count=len(work.folder.files),
            folder=str(out),
            digest=digest,
            seq=seq,
        )
    )
    tell(said("next: open {file} in a browser; its last part says what to run", file=str(out / INDEX)))


# --- the access list ------------------------------------------------------------------------------------------------------------------


def sign_off_access(config: Path, persons: Sequence[str], *, statement: str, as_person: str) -> None:
    """Record that the acting person looked at what these people (none named: everybody) may do today."""
    opened = services(config)
    today = opened.today()
    with opened.store.engine.connect() as connection, connection.begin():
        record = SqlRecord(connection, Period.of(today, today, opened.settings.zone), MAX_INT, opened.settings.data)
        known = sorted(access_of(record))
        rows = [pack.cells(row) for row in ACCESS.rows(record, Telling())]
    unknown = sorted(set(persons) - set(known))
    if unknown:
        raise BadInput(said("nobody is called {person_id}", person_id=unknown[0]), expected=said("an id of `credit-review people list`"))
    digest = sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
    with signing_as(opened, as_person, "log") as (uow, person):
        now, whom = opened.clock.now(), list(persons) or known
        about = access.sign_off(uow, person.person_id, whom, listing=digest, statement=statement, on=today, now=now)
        (seq,) = uow.commit()
    tell(
        said_many(
            "access of {n} person reviewed, audit entry {seq}", "access of {n} people reviewed, audit entry {seq}", len(about), seq=seq
        )
    )
