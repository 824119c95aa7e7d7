"""Changes of limits: their population counted three ways, who approved each and with which authority, what was refused or ran out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from credit_review.audit import Action
from credit_review.evidence.artefact import Artefact, Event, Record, Row, Telling
from credit_review.words import said, said_many

CHUNK = 500
"""Changes whose approvals are looked up at once."""

DECISIONS = (Action.DECISION_APPROVE, Action.DECISION_REJECT, Action.DECISION_RETURN, Action.DECISION_COUNTER)
APPLIED = (Action.LIMIT_APPLIED, Action.LIMIT_OVERRIDE)
"""Entries that put a limit of a proposal in force: after its approvals, or (an emergency) before them."""
MOVES = (Action.LIMIT_OPENED, Action.LIMIT_APPLIED, Action.LIMIT_REVERTED, Action.LIMIT_OVERRIDE)


# --- E1 -------------------------------------------------------------------------------------------------------------------------------


def population(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an approved change that was applied, and the three counts: entries, rows of the table, versions that limits moved by."""
    logged: dict[str, _Move] = {}
    ends: list[int] = []
    totals: dict[str, int] = defaultdict(int)
    for one in record.history(*MOVES):
        move = _Move(one)
        logged[move.change] = move
        if one.action in APPLIED and record.period.has(one.at):
            ends.append(one.seq)
            totals[str(one.data["currency"])] += int(one.data["to_minor"] or 0)
            yield _population_row(one)
    rows, versions, wrong = _counted(record, logged)
    telling.exceptions = len(wrong) + (rows != len(ends)) + (versions != len(ends))
    telling.figures |= {
        "entries": len(ends), "rows": rows, "versions": versions, "first_seq": min(ends, default=None), "last_seq": max(ends, default=None),
        "control_total_minor": dict(sorted(totals.items())), "differences": wrong[:100],
    }  # fmt: skip
    telling.notes.append(
        said("counted three ways: {entries} audit entries, {rows} rows of the table, {versions} versions that limits moved by",
             entries=len(ends), rows=rows, versions=versions)
    )  # fmt: skip
    if wrong:
        telling.notes.append(
            said_many("{n} change is not the same in log and table", "{n} changes are not the same in log and table", len(wrong))
        )


class _Move:
    """What is remembered of a change's entry, to compare it with its row."""

    __slots__ = ("action", "at", "change", "says")

    def __init__(self, one: Event) -> None:
        data = one.data
        self.action, self.at, self.change = one.action, one.at, str(data["change"])
        self.says = tuple(data.get(name) for name in ("version", "from_minor", "to_minor", "to_terms_days", "proposal"))


def _counted(record: Record, logged: dict[str, _Move]) -> tuple[int, int, list[str]]:
    """Rows of approved changes in the period; versions that approvals moved limits by; ids of changes that differ between log and table."""
    rows, others = 0, 0
    moved: dict[str, list[int]] = {}
    wrong, seen = [], set()
    later = {str(one.data["change"]) for one in record.later(*MOVES)}
    columns = "account_id version change_id kind old_minor new_minor new_terms_days proposal_id applied_at"
    for account, version, change, kind, old, new, terms, proposal, applied_at in record.table("limit_change", columns):
        move = logged.get(change)
        if change in later or not record.period.has(move.at if move else applied_at):
            continue
        if kind == "decision":
            rows += 1
            seen.add(change)
        else:
            others += 1
        low, high = moved.get(account, (version, version))
        moved[account] = [min(low, version), max(high, version)]
        if move is None or move.says != (version, old, new, terms, proposal):
            wrong.append(change)
    applied = {m.change for m in logged.values() if m.action in APPLIED and record.period.has(m.at)}
    wrong += sorted(applied - seen)
    return rows, sum(high - low + 1 for low, high in moved.values()) - others, wrong


_POPULATION = (
    "entry", "leaf", "at", "action", "change", "account", "customer", "currency", "from_minor", "to_minor", "from_terms_days",
    "to_terms_days", "version", "effective_from", "effective_to", "proposal", "review", "rule", "approvers",
)  # fmt: skip


def _population_row(one: Event) -> Row:
    named = _POPULATION[4:18]
    who = "|".join(given["approver"] for given in one.data["approvers"])
    return [one.seq, one.leaf, one.at, one.action, *(one.data.get(name) for name in named), who]


# --- E5, E6 ---------------------------------------------------------------------------------------------------------------------------


def with_decisions(record: Record, *also: str) -> Iterator[tuple[Event, list[Event]]]:
    """Each applied change of the period with the answers given to its proposal, and other entries about it, looked up some at a time."""
    applied = record.entries(*APPLIED)
    while some := list(islice(applied, CHUNK)):
        given: dict[str, list[Event]] = defaultdict(list)
        for one in record.about([f"proposal:{change.data['proposal']}" for change in some], *DECISIONS, *also):
            given[one.subject].append(one)
        for change in some:
            yield change, given[str(change.data["proposal"])]


def approvals(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a change and approval: who did what when, before and after, through which channel, on which packet."""
    without = 0
    for change, given in with_decisions(record):
        data = change.data
        head = [change.seq, change.at, data["change"], data["customer"], data["account"], data["currency"]]
        moved = [data["from_minor"], data["to_minor"], data["from_terms_days"], data["to_terms_days"]]
        answers = [one for one in given if one.action == Action.DECISION_APPROVE]
        for one in answers:
            said_there = [one.data.get(name) for name in ("on_behalf_of", "tier", "channel", "assurance", "digest")]
            yield [*head, *moved, "", one.by, one.seq, one.at, *said_there, str(one.data["digest"] == data["digest"]).lower()]
        if not answers:
            without += not data["rule"]
            yield [*head, *moved, data["rule"] or "", *[""] * 9]
    telling.exceptions = without
    if without:
        telling.notes.append(said_many("{n} change has no approval and no rule", "{n} changes have no approval and no rule", without))


def authority(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an approval of an applied change: its tier, the matrix it was judged by, and whether that was the one in force then."""
    adopted = list(record.history(Action.AUTHORITY_CHANGED))
    stale = 0
    for change, given in with_decisions(record):
        for one in given:
            if one.action != Action.DECISION_APPROVE:
                continue
            force = newest_before(adopted, one.seq)
            named = str(one.data["authority"])
            holds = force is not None and force.subject == named
            stale += not holds
            facts = [one.data.get(name) for name in ("tier", "group_limit_minor", "increases_12m_minor", "control_currency")]
            by = "|".join(force.data["adopters"]) if force else ""
            about = [force.seq if force else "", force.at if force else "", by]
            yield [
                change.seq,
                change.data["change"],
                one.seq,
                one.at,
                one.by,
                one.data["on_behalf_of"],
                *facts,
                named,
                str(holds).lower(),
                *about,
            ]
    telling.exceptions = stale
    if stale:
        telling.notes.append(
            said_many(
                "{n} approval was judged by a matrix not in force then", "{n} approvals were judged by a matrix not in force then", stale
            )
        )


def newest_before(changes: Iterable[Event], seq: int) -> Event | None:
    """The newest of some entries before an entry; they come in order."""
    found = None
    for one in changes:
        if one.seq >= seq:
            break
        found = one
    return found


# --- E10 ------------------------------------------------------------------------------------------------------------------------------

ENDED = (
    Action.DECISION_REFUSED, Action.DECISION_REJECT, Action.DECISION_RETURN, Action.PROPOSAL_EXPIRED, Action.PROPOSAL_REJECTED,
    Action.PROPOSAL_RETURNED, Action.PROPOSAL_REVOKED, Action.CONDITION_LAPSED, Action.LOGIN_REFUSED,
)  # fmt: skip


def refused(record: Record, _: Telling) -> Iterator[Row]:
    """One row an answer that a rule refused, a rejection, a return, an expiry."""
    for one in record.entries(*ENDED):
        code = next((one.data[name] for name in ("code", "outcome", "reason_code") if one.data.get(name)), "")
        yield [one.seq, one.at, one.action, one.entity, one.by, code, reason(one)]


def reason(one: Event) -> str:
    """The reason that a person wrote, or the sentence of the refusal; says so where it was erased."""
    return next((text for name in ("reason", "text", "question", "answer") if (text := one.text(name))), "")


def values(found: Any) -> str:
    """A list or an object of the log as one cell."""
    if isinstance(found, dict):
        return "; ".join(f"{name} {value}" for name, value in sorted(found.items()))
    return "|".join(map(str, found)) if isinstance(found, list) else "" if found is None else str(found)


POPULATION = Artefact(
    number="E01",
    name="population",
    title=said("Limit changes: the population"),
    shows=said("Every approved change that was applied in the period, as the audit log has it; counted against the tables in two ways."),
    columns=_POPULATION,
    rows=population,
    none=said("no approved change was applied in the period"),
    lacks=said("Limits changed in the ERP beside this system are no entries: E13 lists those that a read-back found."),
)
APPROVALS = Artefact(
    number="E05",
    name="who-what-when",
    title=said("Who changed what, when, from what to what"),
    shows=said(
        "Each applied change with each approval: person, time, channel, how the person was known, and the digest of the "
        "packet seen."
    ),
    columns=(
        "entry", "applied_at", "change", "customer", "account", "currency", "from_minor", "to_minor", "from_terms_days", "to_terms_days",
        "rule",
        "approver", "decision_entry", "decided_at", "on_behalf_of", "tier", "channel", "assurance", "packet_digest", "same_packet",
    ),
    rows=approvals,
    none=said("no approved change was applied in the period"),
    lacks=said("Whether what people read in the packet was true is for inquiry."),
)  # fmt: skip
AUTHORITY = Artefact(
    number="E06",
    name="authority",
    title=said("Authority at that time"),
    shows=said(
        "Each approval with the tier asked for, the authority matrix it was judged by, who adopted that matrix, and whether "
        "it was in force."
    ),
    columns=(
        "entry", "change", "decision_entry", "decided_at", "approver", "on_behalf_of", "tier", "group_limit_minor", "increases_12m_minor",
        "control_currency", "matrix", "in_force", "matrix_entry", "matrix_adopted_at", "matrix_adopters",
    ),
    rows=authority,
    none=said("no change was approved by people in the period: see E05 for those that a rule approved"),
    lacks=said("Whether the matrix is what the board resolved: compare its text, beside E09, with the minutes."),
)  # fmt: skip
REFUSED = Artefact(
    number="E10",
    name="refused-and-expired",
    title=said("Refused, rejected, returned and expired"),
    shows=said("Every answer that a rule refused, every rejection and return, every expiry and revocation, with its code and reason."),
    columns=("entry", "at", "action", "entity", "by", "code", "reason"),
    rows=refused,
    none=said("nothing was refused, rejected, returned or left to expire in the period"),
    lacks=said("What somebody wanted and did not type into this system leaves no trace here."),
)
