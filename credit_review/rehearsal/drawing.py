"""Draws the cases of a rehearsal from packets of a past review and a seed, and scores what an approver answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from credit_review.model.states import Verdict
from credit_review.rehearsal.mistakes import HARMLESS, MISTAKES, Given, Mistake, Packet, Tell, money_of, with_note, with_report

_QUIET_DAYS = 30
"""A case without a mistake has nothing older past due: otherwise rejecting it would be no false alarm."""
FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: its number from 1, the packet shown, and, where a mistake is in it, which and what gives it away."""

    number: int
    packet: Packet
    mistake: Mistake | None = None
    tell: Tell | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the approver answered to a case, and why."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many cases had a mistake, how many of those were not approved, and how many sound ones were rejected or returned."""

    cases: int
    seeded: int
    caught: int
    false_alarms: int

    def passes(self, *, caught_percent: int, false_alarms_up_to: int) -> bool:
        """Whether enough mistakes were caught and few enough sound cases refused."""
        return self.caught * 100 >= self.seeded * caught_percent and self.false_alarms <= false_alarms_up_to


def fit(packet: Mapping[str, Any]) -> bool:
    """Whether a packet can be a case: an increase of a base limit as the engine proposed it, of a quiet customer, without missing data."""
    facts = packet.get("facts", {})
    raised = packet.get("from_minor") is not None and packet["to_minor"] > packet["from_minor"]
    own = packet.get("engine_minor") == packet["to_minor"] and not packet.get("request") and not packet.get("amendments")
    cap = money_of(packet, "After caps")
    quiet = packet.get("status") in ("", "active") and (facts.get("oldest_dpd_days") or 0) <= _QUIET_DAYS
    sound = packet["exposure_minor"] <= packet["to_minor"] and cap is not None and packet["to_minor"] <= cap
    return raised and own and quiet and sound and packet.get("layer", "base") == "base" and "missing_data" not in packet["exceptional"]


def draw(packets: Mapping[str, Packet], *, seed: str, cases: int, given: Given) -> tuple[Case, ...]:
    """The same cases for the same packets (by proposal id) and seed. At most as many as are `fit`; the caller asks for enough.

    Between two fifths and three fifths of them have a mistake, of as many kinds as there are. Names and ids are taken away.
    """
    able = sorted((key for key, packet in packets.items() if fit(packet)), key=lambda key: _hash(seed, "case", key))[:cases]
    least, most = max(1, 2 * len(able) // 5), max(1, 3 * len(able) // 5)
    count = least + int(_hash(seed, "count")[:8], 16) % (most - least + 1)
    seeded = set(sorted(able, key=lambda key: _hash(seed, "seeded", key))[:count])
    kinds = sorted(MISTAKES, key=lambda kind: _hash(seed, "kind", kind))
    found, used = [], 0
    for number, key in enumerate(able, start=1):
        packet = _anonymous(packets[key], number)
        with_report(packet, _fresh(packet, seed, key, given))
        if int(_hash(seed, "note", key)[:4], 16) % 2:
            with_note(packet, given.say(HARMLESS[int(_hash(seed, "which", key)[:4], 16) % len(HARMLESS)]))
        case = Case(number=number, packet=packet)
        if key in seeded:
            case, used = _with_mistake(case, kinds, used, given)
        found.append(case)
    return tuple(found)


def score(cases: Sequence[Case], answers: Mapping[int, Answer]) -> Score:
    """What the answers are worth. Raises KeyError where a case has none."""
    refused = {case.number for case in cases if answers[case.number].verdict != Verdict.APPROVE}
    seeded = {case.number for case in cases if case.mistake is not None}
    return Score(cases=len(cases), seeded=len(seeded), caught=len(seeded & refused), false_alarms=len(refused - seeded))


def _with_mistake(case: Case, kinds: Sequence[Mistake], used: int, given: Given) -> tuple[Case, int]:
    """The case with the next kind of mistake that can be made in it."""
    for step in range(len(kinds)):
        kind = kinds[(used + step) % len(kinds)]
        made = MISTAKES[kind](case.packet, given)
        if made is not None:
            return Case(number=case.number, packet=made[0], mistake=kind, tell=made[1]), used + step + 1
    return case, used  # no mistake can be made in it: it is a sound one


def _anonymous(packet: Packet, number: int) -> Packet:
    """A copy that names nobody, so that it cannot be looked up beside the original."""
    taken: Packet = {"proposal_id": f"case-{number}", "customer_id": f"case-{number}", "customer_name": f"Case {number}"}
    taken |= {"group_id": f"case-{number}", "account_id": f"case-{number}", "account_owner": "", "notes": [], "supersedes": None}
    return deepcopy(packet) | taken


def _fresh(packet: Packet, seed: str, key: str, given: Given) -> date:
    days = 10 + int(_hash(seed, "report", key)[:6], 16) % max(1, given.report_days - 20)
    return date.fromisoformat(packet["review"]["as_of"]) - timedelta(days=days)


def _hash(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()
