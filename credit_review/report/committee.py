"""Pages of a committee's sitting: the agenda pack its members read before, and the minutes of what they decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from credit_review.report.table import Table
from credit_review.words import listed, said


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaCase:
    """A case as the agenda shows it, ready texts in the reader's language or to be said in it.

    `figures` and `path` are labelled: what an approver reads first, and the steps to the amount. `rules` led to the committee;
    `exceptions` are those to policy; `makers` are people who may not vote.
    """

    proposal_id: str
    title: str
    figures: Sequence[tuple[str, str]]
    path: Sequence[tuple[str, str]]
    group: str
    rules: Sequence[str]
    exceptions: Sequence[str]
    makers: Sequence[str]
    notes: Sequence[tuple[str, str]]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """One member's vote as the minutes give it."""

    who: str
    vote: str
    reason: str
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutedCase:
    """A case as the minutes show it: what the sitting made of it, by which numbers, and every vote with its reason."""

    proposal_id: str
    title: str
    outcome: str
    numbers: str
    votes: Sequence[Ballot]
    barred: Sequence[tuple[str, str]]
    entry: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """What both pages say of the sitting. `members` are names with what else is said of each; `facts` stand at its head."""

    name: str
    sitting_id: str
    company: str
    day: Any
    facts: Sequence[str]
    rule: str
    pack_digest: str = ""


def agenda(sitting: Sitting, cases: Sequence[AgendaCase], members: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Everything the agenda's template shows."""
    listed_cases = [[str(n), case.title, case.proposal_id] for n, case in enumerate(cases, start=1)]
    return {
        "sitting": sitting,
        "members": Table([said("Member"), said("Role")], [list(one) for one in members]),
        "list": Table(["#", said("Case"), said("Proposal")], listed_cases),
        "cases": [_agenda_case(case) for case in cases],
    }


def _agenda_case(case: AgendaCase) -> dict[str, Any]:
    none = said("none")
    facts = [
        (said("Group"), case.group),
        (said("Comes here because of"), listed(list(case.rules)) or none),
        (said("Exceptions to policy"), listed(list(case.exceptions)) or none),
        (said("May not vote, having had a hand in it"), listed(list(case.makers)) or none),
    ]
    return {
        "case": case,
        "figures": Table([said("Figure"), said("Value")], [[label, text] for label, text in (*case.figures, *facts)]),
        "path": Table([said("Step to the amount"), said("Value")], [[label.strip(), text] for label, text in case.path]),
        "notes": Table([said("Who"), said("What was said")], [list(one) for one in case.notes]),
    }


def minutes(sitting: Sitting, cases: Sequence[MinutedCase], attendance: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Everything the minutes' template shows; `attendance` is name, role, and whether and how he was there."""
    rows = [[str(n), case.title, case.outcome] for n, case in enumerate(cases, start=1)]
    return {
        "sitting": sitting,
        "attendance": Table([said("Member"), said("Role"), said("Attendance")], [list(one) for one in attendance]),
        "list": Table(["#", said("Case"), said("Outcome")], rows),
        "cases": [_minuted(case) for case in cases],
    }


def _minuted(case: MinutedCase) -> dict[str, Any]:
    votes = [[one.who, one.vote, one.reason or "-", one.when] for one in case.votes]
    headings = [said("Member"), said("Vote"), said("Reason"), said("Time")]
    return {
        "case": case,
        "votes": Table(headings, votes, empty=said("Nobody voted.")),
        "barred": Table([said("Member"), said("Why the member has no vote")], [list(one) for one in case.barred]) if case.barred else None,
    }
