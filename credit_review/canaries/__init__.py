"""Synthetic customers with known right answers. They ride in every review, and a review whose rules give another answer stops.

`customers` states what each of them is, `by_hand` and `answers` work out what must come of it, from the policy, the scorecard and the
authority matrix as written. Neither shares any code with the engine.
"""

from credit_review.canaries.customers import CANARIES, PREFIX, Canary
from credit_review.canaries.result import Difference, Result, compared

__all__ = ["CANARIES", "PREFIX", "Canary", "Difference", "Result", "compared"]
