"""From features to probability, grade and reasons: a points scorecard, fitted on our own history or set by experts.

Scorecard files and reason words load at once; whatever needs pandas loads on first use, scikit-learn only when a scorecard is fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.scoring.plans import FactorPlan, SpecialValue
from credit_review.scoring.reasons import ALREADY, REASONS
from credit_review.scoring.scorecard import Card, Scorecard, digest, dump, load, load_card

if TYPE_CHECKING:
    from credit_review.scoring.estimator import ScorecardClassifier
    from credit_review.scoring.evaluation import auc, interval
    from credit_review.scoring.experts import expert
    from credit_review.scoring.factors import FACTORS, not_available
    from credit_review.scoring.fitting import FitReport, FitResult, fit
    from credit_review.scoring.outcomes import cut_offs, outcome, training_set
    from credit_review.scoring.scores import score

__all__ = [
    "ALREADY",
    "FACTORS",
    "REASONS",
    "Card",
    "FactorPlan",
    "FitReport",
    "FitResult",
    "Scorecard",
    "ScorecardClassifier",
    "SpecialValue",
    "auc",
    "cut_offs",
    "digest",
    "dump",
    "expert",
    "fit",
    "interval",
    "load",
    "load_card",
    "not_available",
    "outcome",
    "score",
    "training_set",
]

_HOMES = {
    "FACTORS": "factors",
    "FitReport": "fitting",
    "FitResult": "fitting",
    "ScorecardClassifier": "estimator",
    "auc": "evaluation",
    "cut_offs": "outcomes",
    "expert": "experts",
    "fit": "fitting",
    "interval": "evaluation",
    "not_available": "factors",
    "outcome": "outcomes",
    "score": "scores",
    "training_set": "outcomes",
}


def __getattr__(name: str) -> Any:
    """Loads what needs pandas when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
