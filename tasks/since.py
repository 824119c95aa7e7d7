"""What came of the customers of past reviews, read from the newest ledger on record, bucket by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review.policy import Policy
from credit_review.words import marked
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan


class Since:
    """By review, what came of its customers by policy's outcome, and what was written off; `newest` is the review whose ledger says it."""

    def __init__(self, plans: Sequence[Plan], newest: Plan, policy: Policy) -> None:
        self._policy, self._newest = policy, newest
        self._lacks = "cleared_items" not in newest.workspace.capabilities()
        self._found: dict[str, pd.Series[Any]] = {}
        self._lost: dict[str, pd.DataFrame] = {}
        wanted = [] if self._lacks else [plan for plan in plans if plan.as_of < newest.as_of]
        if wanted:
            with stage("Reading what came later"):
                self._read(wanted)

    def _read(self, plans: Sequence[Plan]) -> None:
        import pandas as pd

        from credit_review.policy_effect.later import later, written_off

        parts: dict[str, list[Any]] = {plan.review_id: [] for plan in plans}
        losses: dict[str, list[Any]] = {plan.review_id: [] for plan in plans}
        for bucket in range(self._newest.buckets):
            items, customers = (self._newest.snapshot.frame(name, bucket) for name in ("items", "customers"))
            for plan in plans:
                days = {"as_of": plan.as_of, "known": self._newest.as_of, "policy": self._policy}
                parts[plan.review_id].append(later(items, customers, **days))
                losses[plan.review_id].append(written_off(items, **days))
        self._found = {review: pd.concat(found) for review, found in parts.items()}
        self._lost = {review: pd.concat(found, ignore_index=True) for review, found in losses.items()}

    def of(self, plan: Plan) -> pd.Series[Any]:
        """What came of each customer (`policy_effect.later.Later`) by id; empty where nothing is known."""
        import pandas as pd

        return self._found.get(plan.review_id, pd.Series(dtype="str"))

    def lost(self, plan: Plan) -> pd.DataFrame:
        """What was written off within the window: customer_id, currency, minor; empty where nothing is known."""
        import pandas as pd

        return self._lost.get(plan.review_id, pd.DataFrame({"customer_id": [], "currency": [], "minor": []}))

    def known(self, plan: Plan) -> date | None:
        """The day of the ledger that says it."""
        return self._newest.as_of if plan.review_id in self._found else None

    def why_unknown(self, plan: Plan) -> str:
        """Why nothing is known, or empty."""
        if plan.review_id in self._found:
            return ""
        if self._lacks:
            return marked("the source states no cleared items, so what became of customers is not known")
        return marked("no later ledger is on record")
