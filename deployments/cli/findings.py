"""`finding …`: what controls, audit samples and people found, until somebody else closes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from credit_review.adapters.wiring import Services
from credit_review.audit.actions import Action
from credit_review.controls.alarm import Severity
from credit_review.errors import BadInput
from credit_review.model.records import AuditPayload, AuditRow, Finding
from credit_review.model.states import ExceptionEnd, FindingState
from credit_review.review import findings, sampled
from credit_review.review.exceptions import ENDS
from credit_review.review.findings import SEVERITIES, STATES
from credit_review.review.working import Company
from credit_review.words import marked, said
from deployments.cli.frame import joined, names_of, services, show_json, show_pairs, show_table, tell
from deployments.cli.governing import me, signing_as


def list_findings(config: Path, *, everything: bool, late: bool, owner: str, as_json: bool) -> None:
    """Findings that are not closed, those due first first."""
    opened = services(config)
    with opened.store.read() as uow:
        found = uow.find(Finding, order_by=("due", "finding_id"), **({} if everything else {"state": findings.STILL}))
        names = names_of(uow)
    today = opened.today()
    found = [one for one in found if (not late or findings.overdue(one, today)) and owner in ("", one.owner_id)]
    if as_json:
        show_json([_plain(one) | {"overdue": findings.overdue(one, today)} for one in found])
    elif found:
        columns = [
            said("finding"), said("severity"), said("control"), said("about"), said("state"), said("due"), said("owner")
        ]  # fmt: skip
        rows = [_row(one, names, late=findings.overdue(one, today)) for one in found]
        show_table(said("Findings (credit-review finding show FINDING)"), columns, rows)
    else:
        tell(said("no finding"))


def _row(one: Finding, names: Mapping[str, str], *, late: bool) -> list[Any]:
    state = said(STATES[FindingState(one.state)])
    shown = said("{state}, overdue", state=state) if late else state
    return [one.finding_id, said(SEVERITIES[Severity(one.severity)]), one.control, one.subject, shown, one.due, _owner(one, names)]


def _owner(one: Finding, names: Mapping[str, str]) -> str:
    return names.get(one.owner_id, one.owner_id) or said("nobody")


def _plain(one: Finding) -> dict[str, Any]:
    known = {name: value for name, value in asdict(one).items() if name != "facts_json"}
    return known | {"facts": json.loads(one.facts_json), "about": findings.about_of(one), "evidence": _evidence(one)}


def _evidence(one: Finding) -> list[str]:
    return one.evidence.split("|") if one.evidence else []


def show(config: Path, finding_id: str, *, as_json: bool) -> None:
    """One finding with its history from the audit log."""
    opened = services(config)
    with opened.store.read() as uow:
        one = uow.get(Finding, finding_id=finding_id)
        if one is None:
            raise BadInput(said("no finding {finding}", finding=finding_id), expected=said("an id that `credit-review finding list` shows"))
        rows = uow.find(AuditRow, entity=f"finding:{finding_id}", order_by=("seq",))
        said_then = {p.seq: p.payload for p in uow.find(AuditPayload, seq=[row.seq for row in rows])}
        names = names_of(uow)
    if as_json:
        show_json(_plain(one) | {"history": history_of(rows, said_then)})
        return
    facts = [f"{name}={value}" for name, value in json.loads(one.facts_json).items()]
    pairs = {
        said("finding"): one.finding_id,
        said("severity"): said(SEVERITIES[Severity(one.severity)]),
        said("control"): one.control,
        said("about"): joined([one.subject, *(names.get(p, p) for p in findings.about_of(one))]),
        said("facts"): joined(facts, said("none")),
        said("text"): one.text or said("none"),
        said("state"): said(STATES[FindingState(one.state)]),
        said("due"): one.due,
        said("owner"): _owner(one, names),
        said("remedy"): one.remedy or said("none"),
        said("evidence"): joined(_evidence(one), said("none")),
    }
    show_pairs(pairs)
    show_history(rows, said_then, names)


def history_of(rows: Sequence[AuditRow], told: Mapping[int, str | None]) -> list[dict[str, Any]]:
    """Entries with what was said in them, as data."""
    return [_step(row, told.get(row.seq)) for row in rows]


def show_history(rows: Sequence[AuditRow], told: Mapping[int, str | None], names: Mapping[str, str]) -> None:
    """Entries with what was said in them, as a table."""
    columns = [said("entry"), said("time"), said("what"), said("who"), said("words")]
    history = [[row.seq, row.ts, row.action, _who(row, names), _words(told.get(row.seq)) or _ended(row)] for row in rows]
    show_table(said("History"), columns, history)


def _step(row: AuditRow, payload: str | None) -> dict[str, Any]:
    body = json.loads(row.body)
    said_then = json.loads(payload) if payload else None
    return {"entry": row.seq, "at": row.ts, "action": row.action, "actor": row.actor, "data": body["data"], "payload": said_then}


def _who(row: AuditRow, names: Mapping[str, str]) -> str:
    person = row.actor.removeprefix("person:")
    return names.get(person, row.actor)


def _ended(row: AuditRow) -> str:
    """How an exception ended, where nobody gave a reason: its day came, say."""
    if row.action != Action.EXCEPTION_ENDED:
        return ""
    return said(ENDS[ExceptionEnd(json.loads(row.body)["data"]["how"])])


def _words(payload: str | None) -> str:
    found = json.loads(payload) if payload else {}
    return next((str(found[name]) for name in ("text", "remedy", "reason") if name in found), "")


# --- acts ------------------------------------------------------------------------------------------------------------------------------


def open_one(config: Path, subject: str, *, severity: str, text: str, owner: str, as_person: str, as_json: bool) -> None:
    """A finding of what I saw."""
    opened, grave = services(config), _severity(severity)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        given: Any = {"severity": grave, "text": text, "by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = findings.open_by_hand(uow, subject, owner_id=owner, **given)
        names = names_of(uow)
        uow.commit()
    _tell(done, names, as_json=as_json)


def open_sample(config: Path, folder: Path, *, severity: str, as_person: str, as_json: bool) -> None:
    """A finding for each deviation that an auditor concluded in the folder of a sample."""
    from deployments.cli.sampling import concluded_sample

    opened, grave = services(config), _severity(severity)
    of, sample, concluded, entry = concluded_sample(folder)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        found = sampled.deviations(uow, of, sample, concluded, entry=entry, severity=grave)
        texts = {alarm.key: remark for alarm, remark in found}
        alarms = [alarm for alarm, _ in found]
        done = findings.open_for(uow, alarms, _company(opened), opened.clock.now(), by=person.person_id, texts=texts)
        uow.commit()
    if as_json:
        show_json(asdict(done))
        return
    counts = Counter({name: len(ids) for name, ids in asdict(done).items()})
    tell(said("findings: {opened} opened, {reopened} opened again, {known} known already", **counts))
    for one in (*done.opened, *done.reopened):
        tell(one)


def _severity(text: str) -> Severity:
    try:
        return Severity(text)
    except ValueError:
        raise BadInput(
            said("{option}: unknown value {value}", option="--severity", value=repr(text)), expected=", ".join(Severity)
        ) from None


def _company(opened: Services) -> Company:
    return Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)


def assign(config: Path, finding_id: str, *, to: str, reason: str, as_person: str, as_json: bool) -> None:
    """Give a finding another owner."""
    opened = services(config)
    with signing_as(opened, as_person, f"finding:{finding_id}") as (uow, person):
        given: Any = {"by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = findings.assign(uow, finding_id, owner_id=to, reason=reason, **given)
        names = names_of(uow)
        uow.commit()
    _tell(done, names, as_json=as_json)


def remedy(config: Path, finding_id: str, *, text: str, files: Sequence[Path], as_person: str, as_json: bool) -> None:
    """Say what was done, with files that show it."""
    opened = services(config)
    hashes = {sha256(path.read_bytes()).hexdigest(): path.name for path in files}
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        given: Any = {"by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = findings.remedy(uow, finding_id, text=text, files=hashes, **given)
        names = names_of(uow)
        uow.commit()
    _tell(done, names, as_json=as_json)


def close(config: Path, finding_id: str, *, reason: str, past: bool, as_person: str, as_json: bool) -> None:
    """Close a finding that somebody else remedied."""
    opened = services(config)
    with signing_as(opened, as_person, f"finding:{finding_id}") as (uow, person):
        given: Any = {"by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = findings.close(uow, finding_id, reason=reason, past=past, **given)
        names = names_of(uow)
        uow.commit()
    _tell(done, names, as_json=as_json)


def reopen(config: Path, finding_id: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """Open a finding again."""
    opened = services(config)
    with signing_as(opened, as_person, f"finding:{finding_id}") as (uow, person):
        given: Any = {"by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = findings.reopen(uow, finding_id, reason=reason, **given)
        names = names_of(uow)
        uow.commit()
    _tell(done, names, as_json=as_json)


_OPEN = marked("finding {finding} is open, due {day}, owner {owner}")
_REMEDIED = marked("finding {finding} is remedied; internal audit or a control owner without a part in it closes it")
_CLOSED = marked("finding {finding} is closed")


def _tell(done: Finding, names: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        show_json(_plain(done))
        return
    sentence = {FindingState.OPEN: _OPEN, FindingState.REMEDIED: _REMEDIED, FindingState.CLOSED: _CLOSED}[FindingState(done.state)]
    tell(said(sentence, finding=done.finding_id, day=done.due, owner=_owner(done, names)))
    if not done.owner_id:
        tell(
            said(
                "nobody owns it: name `control_owner` in authority.yaml, or `credit-review finding assign {finding}`",
                finding=done.finding_id,
            )
        )
