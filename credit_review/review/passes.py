"""Passes of rehearsals: who holds one on a day. What earns one is in `rehearsing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from credit_review.authority import Matrix
from credit_review.model.records import Decision, Rehearsal
from credit_review.model.states import RehearsalState
from credit_review.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class Passes:
    """Days on which people hold a pass, half-open, by person."""

    held: Mapping[str, Sequence[tuple[date, date]]] = field(default_factory=dict)

    @classmethod
    def read(cls, uow: UnitOfWork, now: datetime) -> Passes:
        """Those earned by `now`."""
        earned = [one for one in uow.find(Rehearsal, state=RehearsalState.PASSED) if one.answered_at is not None and one.answered_at <= now]
        return cls.of(earned)

    @classmethod
    def of(cls, earned: Iterable[Rehearsal]) -> Passes:
        """Those of these rehearsals."""
        held: dict[str, list[tuple[date, date]]] = {}
        for one in earned:
            if one.valid_from is not None and one.valid_until is not None:
                held.setdefault(one.person_id, []).append((one.valid_from, one.valid_until))
        return cls(held)

    def until(self, person_id: str, day: date) -> date | None:
        """The day on which a person's pass of `day` ends; None where he has none then."""
        return max((end for start, end in self.held.get(person_id, ()) if start <= day < end), default=None)

    def holding(self, day: date) -> frozenset[str]:
        """Everybody who holds one on a day."""
        return frozenset(person for person in self.held if self.until(person, day) is not None)

    def then(self, decisions: Iterable[Decision], zone: tzinfo) -> frozenset[str]:
        """Approvers who, with whom they acted for, held one on the company's day of their decision."""
        found = set()
        for one in decisions:
            behind = {one.approver_id, one.on_behalf_of or one.approver_id}
            if behind <= self.holding(one.at.astimezone(zone).date()):
                found.add(one.approver_id)
        return frozenset(found)

    def lacking(self, matrix: Matrix, active: frozenset[str], day: date) -> list[tuple[str, list[str], int]]:
        """Tiers that need a pass and have too few active holders with one on a day: the tier, those who have one, how many it takes."""
        able = self.holding(day) & active
        found = []
        for rank, tier in enumerate(matrix.tiers):
            if matrix.needs_pass(tier.tier):
                people = sorted({h.person for h in matrix.holders if matrix.highest(h.person, day, "") >= rank} & able)
                if len(people) < tier.approvers:
                    found.append((tier.tier, people, tier.approvers))
        return found
