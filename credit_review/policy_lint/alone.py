"""Policy against authority matrix: what nobody can approve, what one person could approve alone though two are asked for, and rules of one
document that the other leaves nothing."""

from __future__ import annotations

from datetime import date

from credit_review.authority.matrix import Matrix, Tier
from credit_review.documents import Path
from credit_review.model.states import DocumentOfRecord
from credit_review.policy import Policy
from credit_review.policy_lint.finding import Finding, Found, Kind
from credit_review.words import marked, said

_MATRIX = DocumentOfRecord.AUTHORITY


def findings(policy: Policy, matrix: Matrix, *, on: date) -> tuple[Finding, ...]:
    """Every finding of the two documents together."""
    return (
        *_currency(policy, matrix), *_grades(policy, matrix), *_by_rule(policy, matrix), *_fewer_approvers(matrix), *_in_steps(matrix),
        *_emergency(matrix), *_makers(policy, matrix, on), *_committees(matrix),
    )  # fmt: skip


def _currency(policy: Policy, matrix: Matrix) -> Found:
    if policy.control_currency != matrix.control_currency:
        more = marked("policy counts in {one}, the matrix in {other}; expected one currency")
        text = said(more, one=policy.control_currency, other=matrix.control_currency)
        yield Finding(Kind.CONTRADICTION, ("control_currency",), text, _MATRIX)


def _grades(policy: Policy, matrix: Matrix) -> Found:
    """Tiers by grade for grades nobody gets, and grades that pass by rule though the matrix asks for a higher tier."""
    for grade, tier in matrix.raise_tier.grades.items():
        path: Path = ("raise_tier", "grades", grade)
        if grade not in policy.grade_names:
            known = ", ".join(policy.grade_names)
            text = said("policy gives no grade {grade}; expected one of {known}", grade=grade, known=known)
            yield Finding(Kind.NEVER_FIRES, path, text, _MATRIX)
        elif policy.straight_through.enabled and grade in policy.straight_through.grades and matrix.rank(tier) > 0:
            text = said(
                "no proposal of grade {grade} passes by rule: the matrix asks for {tier}; expected it left out", grade=grade, tier=tier
            )
            at = policy.straight_through.grades.index(grade)
            yield Finding(Kind.NEVER_FIRES, ("straight_through", "grades", at), text)


def _by_rule(policy: Policy, matrix: Matrix) -> Found:
    """Bounds of the straight-through rule above those of the lowest tier: what lies between never passes."""
    rule, lowest = policy.straight_through, matrix.tiers[0]
    bounds = (
        ("up_to_limit", rule.up_to_limit, lowest.group_limit_up_to),
        ("up_to_increase", rule.up_to_increase, lowest.increases_12m_up_to),
    )
    for field, most, bound in bounds:
        if rule.enabled and bound is not None and most > bound:
            more = marked("above {bound} the matrix asks for more than {tier}, so nothing passes by rule there; expected at most that")
            text = said(more, bound=bound, tier=lowest.tier)
            yield Finding(Kind.NEVER_FIRES, ("straight_through", field), text)


def _fewer_approvers(matrix: Matrix) -> Found:
    """A higher tier that asks for fewer approvals than a lower one."""
    for n, upper in enumerate(matrix.tiers):
        lower = next((one for one in matrix.tiers[:n] if one.approvers > upper.approvers), None)
        if lower is not None:
            more = marked("{tier} asks for {few} approvals and {lower} below it for {many}; expected at least as many for more")
            text = said(more, tier=upper.tier, few=upper.approvers, lower=lower.tier, many=lower.approvers)
            yield Finding(Kind.ALONE, ("tiers", n, "approvers"), text, _MATRIX)


def _in_steps(matrix: Matrix) -> Found:
    """A tier of one approver without a bound on the increases of 12 months: in steps one person raises past what needs two."""
    two = next((tier for tier in matrix.tiers if tier.approvers > 1), None)
    for n, tier in enumerate(matrix.tiers):
        if two is not None and tier.approvers == 1 and tier.increases_12m_up_to is None:
            more = marked("{tier} bounds no increases of 12 months, so one person raises by any sum in steps; expected less than {two} has")
            text = said(more, tier=tier.tier, two=two.tier)
            yield Finding(Kind.ALONE, ("tiers", n, "increases_12m_up_to"), text, _MATRIX)


def _emergency(matrix: Matrix) -> Found:
    """An emergency cap above the increases that one approver may decide."""
    single = [tier for tier in matrix.tiers if tier.approvers == 1 and tier.increases_12m_up_to is not None]
    if matrix.emergency is None or all(tier.approvers == 1 for tier in matrix.tiers):
        return
    most = max((tier.increases_12m_up_to or 0 for tier in single), default=0)
    if matrix.emergency.cap > most:
        more = marked("one person could raise by {cap} at once, and above {most} two must approve; expected at most that")
        text = said(more, cap=matrix.emergency.cap, most=most)
        yield Finding(Kind.ALONE, ("emergency", "cap"), text, _MATRIX)


def _makers(policy: Policy, matrix: Matrix, on: date) -> Found:
    """Worklists whose analyst, as maker of what he releases, leaves a tier with too few approvers; by region, and elsewhere."""
    regions = sorted({region for holder in matrix.holders for region in holder.regions} | {""})
    for i, worklist in enumerate(policy.worklists):
        short = [
            (tier.tier, region, _needed(matrix, tier))
            for n, tier in enumerate(matrix.tiers)
            for region in regions
            if len(_able(matrix, n, on, region) - {worklist.analyst}) < _needed(matrix, tier)
        ]
        if short:
            tier, region, needed = short[0]
            place = said("in region {region}", region=repr(region)) if region else said("where no region is named")
            more = marked("without {analyst}, a maker of what he releases, {tier} {place} lacks approvers: expected {needed}")
            text = said(more, analyst=worklist.analyst, tier=tier, place=place, needed=needed)
            yield Finding(Kind.NOBODY, ("worklists", i, "analyst"), text)


def _needed(matrix: Matrix, tier: Tier) -> int:
    """How many people who did not make it a tier takes: approvers, or those who must be able to vote in its committee."""
    committee = matrix.committee(tier.committee)
    return max(tier.approvers, committee.quorum.voters) if committee else tier.approvers


def _committees(matrix: Matrix) -> Found:
    """Committees that decide no tier."""
    decide = {tier.committee for tier in matrix.tiers}
    for n, one in enumerate(matrix.committees):
        if one.committee not in decide:
            text = said("committee {name} decides no tier; expected a tier with `committee: {name}`", name=one.committee)
            yield Finding(Kind.NEVER_FIRES, ("committees", n), text, _MATRIX)


def _able(matrix: Matrix, rank: int, on: date, region: str) -> set[str]:
    """Who may approve a tier on a day for customers of a region."""
    return set(matrix.able(rank, on, region))
