"""Limits and terms: from need and grade to a proposal with every figure in between. `codes` holds the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from credit_review.limits.explain import explain

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.fx import RateTable
    from credit_review.policy import Policy

__all__ = ["explain", "propose"]


def propose(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    groups: pd.DataFrame,
    states: pd.DataFrame,
    *,
    policy: Policy,
    as_of: date,
    rates: RateTable | None = None,
    others_owe: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """PROPOSALS of every customer in `states` (a STATES frame), sorted by customer id; `groups` covers the whole book.

    Amounts are minor units of the account currency. Policy amounts are in control currency and converted at the as_of rate where the
    account has another; without such a rate the customer comes back quarantined with reason `missing_rate: ...`, and so does one with
    neither a limit on file nor a computable figure (`no proposal possible: ...`). All others keep the state they came with.
    No limit exceeds the layers in force beside it (columns LAYER_AMOUNTS of the features). `others_owe` says by customer what the other
    members of its group owe of a shared pool, where that is not the group's exposure less its own.
    Raises ReviewStopped naming customers that were lost, doubled or invented between stages.
    """
    from credit_review.limits.frame import proposals  # pandas is slow to start and cards need only `explain`

    return proposals(features, scores, groups, states, policy=policy, as_of=as_of, rates=rates, others_owe=others_owe)
