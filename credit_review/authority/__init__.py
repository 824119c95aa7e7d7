"""Who may approve what: the authority matrix, the evidence about a proposal, and the judgement of both.

`review.standing.gather` collects the evidence into a dated `Standing`; nothing here reads a store or a clock.
"""

from credit_review.authority.committee import COMMITTEE, Carried, Committee, Room, carried
from credit_review.authority.judgement import (
    FIRST_LIMIT,
    Code,
    Judgement,
    approvals,
    asked_first,
    by_rule,
    judge,
    next_asked,
    recheck,
    requirement,
)
from credit_review.authority.matrix import (
    Emergency,
    Matrix,
    Offices,
    Requirement,
    Tier,
    faults,
    load,
    signers,
    signing_tier,
    tier_for,
    tier_of_risk,
)
from credit_review.authority.standing import APPEAL, SYSTEM, Asking, Standing

__all__ = [
    "APPEAL", "COMMITTEE", "FIRST_LIMIT", "SYSTEM", "Asking", "Carried", "Code", "Committee", "Emergency", "Judgement", "Matrix", "Offices",
    "Requirement", "Room", "Standing", "Tier", "approvals", "asked_first", "by_rule", "carried", "faults", "judge", "load", "next_asked",
    "recheck", "requirement", "signers", "signing_tier", "tier_for", "tier_of_risk",
]  # fmt: skip
