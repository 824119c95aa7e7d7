"""What a sound policy still says in vain, against itself, or against the authority matrix: findings for who writes it, not refusals."""

from __future__ import annotations

from datetime import date

from credit_review.authority.matrix import Matrix
from credit_review.policy import Policy
from credit_review.policy_lint import alone, own
from credit_review.policy_lint.finding import Finding, Kind

__all__ = ["Finding", "Kind", "lint"]


def lint(policy: Policy, matrix: Matrix | None, *, on: date) -> tuple[Finding, ...]:
    """Every finding, those of the policy alone first; `on` is the day whose holders of tiers count."""
    beside = alone.findings(policy, matrix, on=on) if matrix is not None else ()
    return (*own.findings(policy), *beside)
