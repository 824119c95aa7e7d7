"""Rules and code: what changed and for how long, what was overridden, whether the control is the one tested, how often people disagreed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import chain
from typing import Any

from credit_review.audit import Action, parse_timestamp, timestamp
from credit_review.authority import Matrix
from credit_review.evidence.artefact import Artefact, Event, Record, Row, Telling
from credit_review.evidence.limits import reason, values
from credit_review.evidence.people import matrix_of
from credit_review.review.exceptions import OWNER_LEFT
from credit_review.review.override import CONTROL
from credit_review.words import said, said_many

IN_FORCE = (Action.POLICY_CHANGED, Action.AUTHORITY_CHANGED, Action.MAPPING_CHANGED, Action.MODEL_REGISTERED)
CHANGES = (
    *IN_FORCE,
    Action.MODEL_VALIDATED,
    Action.MODEL_REJECTED,
    Action.MODEL_PUBLISHED,
    Action.MODEL_RETIRED,
    Action.DOCUMENT_SUBMITTED,
    Action.DOCUMENT_ADOPTED,
    Action.CONFIG_LOADED,
    Action.DELEGATION_CHANGED,
)
EXCEPTIONS = (Action.EXCEPTION_STARTED, Action.EXCEPTION_DUE, Action.EXCEPTION_ENDED, Action.EXCEPTION_HANDED_OVER)
SHORT_LIVED = timedelta(days=7)
"""A rule in force for less than this is flagged."""


# --- E9 -------------------------------------------------------------------------------------------------------------------------------


def changes(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a change of policy, matrix, mapping, scorecard, settings or delegation, with how long it was in force."""
    replaced = followed(list(record.history(*IN_FORCE)))
    authors = {one.subject: one.data["authors"] for one in record.history(Action.DOCUMENT_SUBMITTED)}
    short = 0
    for one in record.entries(*CHANGES):
        after = replaced.get(one.seq)
        lasted = parse_timestamp(after.at) - parse_timestamp(one.at) if after else None
        brief = lasted is not None and lasted < SHORT_LIVED
        short += brief
        data = one.data
        yield [
            one.seq, one.at, one.action, data.get("kind"), data.get("name"), data.get("replaces"), one.subject, one.by,
            values(data.get("adopters")), values(authors.get(one.subject)), after.seq if after else "", after.at if after else "",
            "" if lasted is None else str(Decimal(lasted // timedelta(hours=1)) / 24)[:8], "yes" if brief else "no",
            values({name: data[name] for name in ("principal", "delegate", "valid_from", "valid_to") if name in data}),
        ]  # fmt: skip
    telling.exceptions = short
    telling.figures["short_lived_below_days"] = SHORT_LIVED.days
    if short:
        telling.notes.append(
            said_many(
                "{n} change was in force for less than {days} days",
                "{n} changes were in force for less than {days} days",
                short,
                days=SHORT_LIVED.days,
            )
        )


def followed(adopted: Sequence[Event]) -> dict[int, Event]:
    """By entry the one that replaced it, among changes of the same kind (and name, for mappings and scorecards)."""
    newest: dict[tuple[str, str], Event] = {}
    found = {}
    for one in adopted:
        key = _place(one)
        if key in newest:
            found[newest[key].seq] = one
        newest[key] = one
    return found


def _place(one: Event) -> tuple[str, str]:
    """Which rule it is: there is one policy and one matrix; mappings and scorecards stand side by side by name."""
    alone = one.action in (Action.POLICY_CHANGED, Action.AUTHORITY_CHANGED)
    return str(one.data["kind"]), "" if alone else str(one.data["name"])


def in_force(record: Record, *, before: str) -> dict[tuple[str, str], Event]:
    """The rules in force at a time of the log (timestamp), by kind and name."""
    return {_place(one): one for one in record.history(*IN_FORCE) if one.at < before}


# --- E16 ------------------------------------------------------------------------------------------------------------------------------


def overrides(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an emergency change: by whom, the cap of the matrix then, until when it had to be approved, when and by whom it was, or which
    entry took it back and which finding says so."""
    findings = {str(f.data["subject"]): f.subject for f in record.history(Action.FINDING_OPENED) if f.data["control"] == CONTROL}
    matrix = cache(partial(matrix_of, record))
    approved = {one.subject: one for one in record.history(Action.OVERRIDE_APPROVED)}
    ended = {str(one.data["reverses"]): one for one in record.history(Action.LIMIT_REVERTED)}
    found, late = 0, 0
    for one in record.entries(Action.LIMIT_OVERRIDE):
        data = one.data
        after, end = approved.get(str(data.get("proposal"))), ended.get(str(data.get("change")))
        due = str(data.get("approve_by") or "")
        in_time = after is not None and bool(due) and parse_timestamp(after.at) <= datetime.fromisoformat(due)
        found, late = found + 1, late + (not in_time)
        named = (
            "change", "proposal", "account", "customer", "currency", "from_minor", "to_minor", "effective_from", "effective_to", "tier",
        )  # fmt: skip
        who = "|".join(given["approver"] for given in after.data.get("approvers", ())) if after else ""
        answer = [after.seq, after.at, who] if after else ["", "", ""]
        yield [
            one.seq,
            one.at,
            one.by,
            *(data.get(name) for name in named),
            *_cap(matrix(str(data.get("authority") or ""))),
            reason(one),
            due,
            *answer,
            _yes(in_time),
            end.seq if end else "",
            findings.get(f"proposal:{data.get('proposal')}", ""),
        ]
    telling.exceptions = late
    telling.notes.append(
        said("{n} emergency changes, {late} of them without an approval in time up to the end of the period", n=found, late=late)
    )


def _cap(matrix: Matrix | None) -> list[int | str]:
    """What an emergency may raise a limit by (whole major units) and its currency; empty where the matrix cannot be read any more."""
    return ["", ""] if matrix is None or matrix.emergency is None else [matrix.emergency.cap, matrix.control_currency]


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


# --- E7 -------------------------------------------------------------------------------------------------------------------------------


def exceptions(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a departure from policy that stood in the period: what, whose, why, until when, and how it was at the period's end."""
    found: dict[str, dict[str, Any]] = {}
    start, endless, orphans = timestamp(record.period.start), 0, 0
    for one in record.history(*EXCEPTIONS):
        if one.action == Action.EXCEPTION_STARTED:
            found[one.subject] = {**one.data, "entry": one.seq, "why": reason(one), "state": one.data["to"], "last": one.seq, "over": ""}
        elif one.subject in found:
            known = found[one.subject]
            known |= {"last": one.seq, "state": one.data.get("to", known["state"]), "owner": one.data.get("owner", known["owner"])}
            known |= {"how": one.data.get("how", ""), "due": one.data.get("due_on") or known.get("due", "")}
            known["over"] = one.at if one.action == Action.EXCEPTION_ENDED else known["over"]
    left = {one.data["subject"].partition(":")[2] for one in record.history(Action.FINDING_OPENED) if one.data["control"] == OWNER_LEFT}
    for key, at in found.items():
        if at["over"] and at["over"] < start:
            continue
        endless, orphans = endless + (at["ends"] is None), orphans + (key in left)
        named = ("kind", "proposal", "customer", "account", "currency", "policy_minor", "granted_minor", "policy_terms_days")
        rest = ("granted_terms_days", "owner")
        yield [
            at["entry"], key, *(at.get(name) for name in (*named, *rest)), at["why"], at["starts"], at["ends"],
            _yes(at["ends"] is not None),
            at.get("renews"), at["state"], at.get("due", ""), at.get("how", ""), at["over"], at["last"], _yes(key in left),
        ]  # fmt: skip
    telling.exceptions = endless + orphans
    telling.notes.append(said("{endless} without an end on record, {left} whose owner left", endless=endless, left=orphans))


# --- E17 ------------------------------------------------------------------------------------------------------------------------------


def baseline(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a part of the automated control: what it was at the beginning and at the end of the period, and how often it changed."""
    other = 0
    for row in chain(_rules_kept(record), _code_kept(record)):
        other += row[4] == "no"
        yield row
    telling.exceptions = other
    telling.notes.append(said_many("{n} part is another than at the beginning", "{n} parts are others than at the beginning", other))


def _rules_kept(record: Record) -> Iterator[Row]:
    start, end = (timestamp(at) for at in (record.period.start, record.period.end))
    before, after = in_force(record, before=start), in_force(record, before=end)
    between = Counter(_place(one) for one in record.entries(*IN_FORCE))
    for (kind, name), now in sorted(after.items()):
        was = before.get((kind, name))
        same = was is not None and was.subject == now.subject and not between[kind, name]
        at_start = was.subject if was else ""
        yield [kind, name or now.data["name"], at_start, now.subject, "yes" if same else "no", between[kind, name]]


def _code_kept(record: Record) -> Iterator[Row]:
    for label, name in (("code", "code_commit"), ("libraries", "lock_sha256")):
        seen = _ran_with(record, name)
        if seen:
            yield [label, name, seen[0], seen[-1], "yes" if len(set(seen)) == 1 else "no", len(set(seen)) - 1]


def _ran_with(record: Record, name: str) -> list[str]:
    """A field of the manifests of the period's reviews, in the order they began."""
    ids = [one.subject for one in record.entries(Action.RUN_STARTED)]
    known = {key: json.loads(text).get(name, "") for key, text in record.table("review", "review_id manifest_json", review_id=ids)}
    return [str(known[key]) for key in ids if key in known]


# --- E18 ------------------------------------------------------------------------------------------------------------------------------


def override_rate(record: Record, _: Telling) -> Iterator[Row]:
    """One row a review: how many proposals the engine made, and how many of them people changed."""
    made, changed, countered = Counter[str](), Counter[str](), Counter[str]()
    review_of: dict[str, str] = {}
    for one in record.entries(Action.PROPOSAL_CREATED, Action.PROPOSAL_AMENDED, Action.DECISION_COUNTER):
        if one.action == Action.PROPOSAL_CREATED:
            if one.data["proposer"] == "system" and not one.data.get("supersedes"):
                review_of[one.subject] = str(one.data["review"])
                made[str(one.data["review"])] += 1
        elif one.subject in review_of:
            (changed if one.action == Action.PROPOSAL_AMENDED else countered)[review_of[one.subject]] += 1
    for review, count in sorted(made.items()):
        share = (Decimal(changed[review] + countered[review]) / count).quantize(Decimal("0.0001"))
        yield [review, count, changed[review], countered[review], str(share)]


RULES = Artefact(
    number="E09",
    name="changes-of-rules",
    title=said("Changes of policy, authority, model, mapping and settings"),
    shows=said(
        "Every change with what it replaced, who wrote and who adopted it, and for how long it was in force. The texts are "
        "in documents/."
    ),
    columns=(
        "entry", "at", "action", "kind", "name", "before", "after", "by", "adopters", "authors", "replaced_entry", "replaced_at",
        "days_in_force",
        "short_lived", "delegation",
    ),
    rows=changes,
    none=said("no rule was changed in the period"),
    lacks=said(
        "Settings of the installation and changes of the code are not entries of this log: E17 has the commits that reviews "
        "ran with; ask for the repository's own history."
    ),
)  # fmt: skip
EXCEPTIONS_LIST = Artefact(
    number="E07",
    name="exceptions",
    title=said("Overrides and exceptions"),
    shows=said(
        "Every departure from policy that stood in the period: limit above the engine's, looser terms, emergency override, exclusion, "
        "deferral, risk kept; with owner, reason, end, and how it was at the end of the period."
    ),
    columns=(
        "entry", "exception", "kind", "proposal", "customer", "account", "currency", "policy_minor", "granted_minor", "policy_terms_days",
        "granted_terms_days", "owner", "reason", "starts", "ends", "has_end", "renews", "state", "due_on", "how", "ended_at", "last_entry",
        "owner_left",
    ),
    rows=exceptions,
    none=said("nothing departed from policy in the period"),
    lacks=said("What policy itself excludes is no exception: E09 has the policies in force. What stood before the register was begun has "
               "the end that was on record then, or none."),
)  # fmt: skip
OVERRIDES = Artefact(
    number="E16",
    name="emergency-changes",
    title=said("Emergency changes"),
    shows=said(
        "Every limit put in force before its approval: by whom, the cap and its end, until when it had to be approved, when it "
        "was, or which entry took it back and which finding says so."
    ),
    columns=(
        "entry", "at", "by", "change", "proposal", "account", "customer", "currency", "from_minor", "to_minor", "effective_from",
        "effective_to",
        "tier", "cap", "cap_currency", "reason", "approve_by", "approved_entry", "approved_at", "approvers", "in_time", "ended_by_entry",
        "finding",
    ),
    rows=overrides,
    none=said("none recorded in the period"),
    lacks=said("A limit changed directly in the ERP is no emergency change of this system: E13 lists differences that a read-back found."),
)  # fmt: skip
BASELINE = Artefact(
    number="E17",
    name="control-baseline",
    title=said("The automated control: is it still the one that was tested?"),
    shows=said("Policy, matrix, mappings, scorecard, code and libraries at the beginning and at the end of the period."),
    columns=("part", "name", "at_beginning", "at_end", "unchanged", "changes"),
    rows=baseline,
    none=said("no rule is on record"),
    lacks=said(
        "The tests with planted faults are not run by this pack: run `make test` of the commit named, or ask the developers "
        "for their last run."
    ),
)
OVERRIDE_RATE = Artefact(
    number="E18",
    name="override-rate",
    title=said("How often people changed the model's figure"),
    shows=said("Per review: proposals the engine made in the period, amended by analysts, countered by approvers, and their share."),
    columns=("review", "proposals", "amended", "countered", "share"),
    rows=override_rate,
    none=said("the engine proposed nothing in the period"),
    lacks=said("Whether people or the engine were right shows in later defaults, not here."),
)
