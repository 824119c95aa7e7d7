"""What each customer owes, how late it pays and how much of it is our own risk: one FEATURES row a customer, and figures of the book."""

from __future__ import annotations

from credit_review.exposure.assemble import FeatureResult, features
from credit_review.exposure.book import PortfolioFigures, best_possible_dso, countback_dso, dso, portfolio
from credit_review.exposure.ledger import CAPABILITIES

__all__ = [
    "CAPABILITIES",
    "FeatureResult",
    "PortfolioFigures",
    "best_possible_dso",
    "countback_dso",
    "dso",
    "features",
    "portfolio",
]
