"""What is wrong with the committees of an authority matrix, as (path in the document, sentence)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import combinations
from typing import TYPE_CHECKING

from credit_review.authority.committee import Committee, Member
from credit_review.words import marked, said

if TYPE_CHECKING:
    from credit_review.authority.matrix import Matrix

Fault = tuple[tuple[str | int, ...], str]


def committee_faults(matrix: Matrix) -> Iterator[Fault]:
    """Names that do not fit, members who sit twice or backwards, and committees of which one member could decide alone."""
    yield from _tier_faults(matrix)
    names = [one.committee for one in matrix.committees]
    for n, one in enumerate(matrix.committees):
        at = ("committees", n)
        if one.committee in names[:n]:
            yield (*at, "committee"), said("committee {name} stands twice", name=one.committee)
        yield from _member_faults(one, at)
        yield from _quorum_sense(one, at)


def _tier_faults(matrix: Matrix) -> Iterator[Fault]:
    known = ", ".join(one.committee for one in matrix.committees) or "committees"
    for n, tier in enumerate(matrix.tiers):
        if tier.committee is None:
            continue
        at = ("tiers", n, "committee")
        if matrix.committee(tier.committee) is None:
            yield at, said("unknown committee {name}; expected one of {known}", name=repr(tier.committee), known=known)
        if n == 0:
            yield at, said("{tier} is the lowest tier, which rules and single approvers decide; expected a higher one", tier=tier.tier)
        if tier.approvers < 2:
            alone = marked("one member of committee {name} could approve {tier} alone; expected at least 2 approvers")
            yield ("tiers", n, "approvers"), said(alone, name=tier.committee, tier=tier.tier)


def _member_faults(one: Committee, at: tuple[str | int, ...]) -> Iterator[Fault]:
    sitting = {member.person for member in one.members}
    for field in ("chair", "deputy"):
        person = getattr(one, field)
        if person is not None and person not in sitting:
            yield (*at, field), said("{person} is no member of committee {name}", person=person, name=one.committee)
    for n, member in enumerate(one.members):
        if member.until is not None and member.until <= member.since:
            backwards = marked("{person} sits until {until}, not after {since}")
            yield (*at, "members", n, "until"), said(backwards, person=member.person, until=member.until, since=member.since)
    for (_, first), (n, other) in combinations(enumerate(one.members), 2):
        if first.person == other.person and _overlap(first, other):
            yield (*at, "members", n), said("{person} sits twice on the same days", person=other.person)


def _overlap(one: Member, other: Member) -> bool:
    return (one.until is None or other.since < one.until) and (other.until is None or one.since < other.until)


def _quorum_sense(one: Committee, at: tuple[str | int, ...]) -> Iterator[Fault]:
    quorum = one.quorum
    if quorum.present < 2:
        yield (*at, "quorum", "present"), said("one member of committee {name} could decide alone; expected at least 2", name=one.committee)
    if quorum.voters > quorum.present:
        more = marked("{voters} who may vote cannot be among {present} present; expected at most that")
        yield (*at, "quorum", "not_makers"), said(more, voters=quorum.voters, present=quorum.present)
    if quorum.role is not None and quorum.role not in {member.role for member in one.members}:
        yield (*at, "quorum", "role"), said("no member of committee {name} has the role {role}", name=one.committee, role=quorum.role)


def quorum_faults(matrix: Matrix, day: date) -> Iterator[Fault]:
    """Committees that decide a tier and can reach no quorum, no votes enough or no chair with those who sit on a day."""
    for n, one in enumerate(matrix.committees):
        least = max((tier.approvers for tier in matrix.tiers if tier.committee == one.committee), default=0)
        if not least:
            continue
        members, at = one.on(day), ("committees", n)
        needed = max(one.quorum.present, least)
        about = {"name": one.committee, "day": day}
        if len(members) < needed:
            few = marked("committee {name} needs {needed} members to decide and from {day} only {n} sit on it")
            yield (*at, "quorum"), said(few, needed=needed, n=len(members), **about)
        if one.quorum.role is not None and one.quorum.role not in members.values():
            yield (*at, "quorum", "role"), said("from {day} nobody on committee {name} is {role}", role=one.quorum.role, **about)
        if not any(person in members for person in one.chairs):
            yield (*at, "chair"), said("from {day} neither chair nor deputy of committee {name} sits on it", **about)
