"""Committees of the authority matrix: who sits when, when enough are present, and what follows from their votes. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

COMMITTEE = "committee"
"""Channel of the decisions that a committee's sitting made; where a committee decides, no other approval counts."""

Count = Annotated[int, Field(strict=True, ge=1, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(StrEnum):
    """How votes carry a case. All count those members who may vote on it and are present, whether they vote or not.

    `majority`: more than half in favour. `unanimous`: all in favour. `no_votes_against`: nobody against.
    """

    MAJORITY = "majority"
    UNANIMOUS = "unanimous"
    NO_VOTES_AGAINST = "no_votes_against"


class Member(_Part):
    """A person who sits from a day until another (exclusive), in a role where the quorum asks for one."""

    person: Annotated[str, Field(min_length=1)]
    since: date = Field(alias="from")
    until: date | None = None
    role: str = ""

    def on(self, day: date) -> bool:
        """Whether the person sits on `day`."""
        return self.since <= day and (self.until is None or day < self.until)


class Quorum(_Part):
    """When a sitting may decide a case: `present`, members in the room who are not recused from it, its makers among them; `not_makers`,
    those of them who may vote on it (None: as many as `present`); `role`, which one of those must have."""

    present: Count
    not_makers: Count | None = None
    role: str | None = None

    @property
    def voters(self) -> int:
        """Least number of those who may vote on a case."""
        return self.present if self.not_makers is None else self.not_makers


class Committee(_Part):
    """Members who decide together. Chair or deputy opens and closes a sitting; votes in favour must be the tier's `approvers` at least."""

    committee: Annotated[str, Field(min_length=1, max_length=40)]
    name: Annotated[str, Field(min_length=1)]
    chair: str
    deputy: str | None = None
    members: tuple[Member, ...]
    quorum: Quorum
    rule: Rule

    def on(self, day: date) -> dict[str, str]:
        """Who sits on a day, with the role."""
        return {one.person: one.role for one in self.members if one.on(day)}

    @property
    def chairs(self) -> tuple[str, ...]:
        """Who may open and close a sitting."""
        return tuple(person for person in (self.chair, self.deputy) if person)


class Carried(StrEnum):
    """What a sitting made of a case; stored. The last two decide nothing: it waits for the next sitting, or left the committee's hands."""

    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    NO_QUORUM = "no_quorum"
    NOT_DECIDED = "not_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The people of a sitting as one case sees them: `present` without the recused; `voters`, those of them who may vote on it;
    `approve` and `reject`, whose votes say so. `least` is the least number of votes in favour."""

    present: Collection[str]
    voters: Collection[str]
    approve: Collection[str]
    reject: Collection[str]
    least: int


def lacks_quorum(committee: Committee, room: Room, day: date) -> bool:
    """Whether too few are present, too few of them may vote, or the role is not among those who may."""
    quorum, roles = committee.quorum, committee.on(day)
    role = quorum.role is not None and all(roles.get(person) != quorum.role for person in room.voters)
    return len(room.present) < quorum.present or len(room.voters) < quorum.voters or role


def carried(committee: Committee, room: Room, day: date) -> Carried:
    """What follows from the votes. Without quorum nothing does; where neither side carries, the case is returned with the reasons."""
    if lacks_quorum(committee, room, day):
        return Carried.NO_QUORUM
    voters, yes, no = len(room.voters), len(room.approve), len(room.reject)
    enough, against = {
        Rule.MAJORITY: (2 * yes > voters, 2 * no > voters),
        Rule.UNANIMOUS: (yes == voters, no > 0),
        Rule.NO_VOTES_AGAINST: (no == 0, no > 0),
    }[committee.rule]
    if against:
        return Carried.REJECTED
    return Carried.APPROVED if enough and yes >= room.least else Carried.RETURNED
