"""From features to probability, grade and reasons: a points scorecard, fitted on our own history or set by experts."""

from __future__ import annotations

from credit_review.scoring.evaluation import auc, interval
from credit_review.scoring.expert import expert
from credit_review.scoring.factors import ALREADY, FACTORS, REASONS, not_available
from credit_review.scoring.fitting import FitReport, FitResult, fit
from credit_review.scoring.outcome import cut_offs, outcome, training_set
from credit_review.scoring.score import score
from credit_review.scoring.scorecard import Scorecard, digest, dump, load

__all__ = [
    "ALREADY",
    "FACTORS",
    "REASONS",
    "FitReport",
    "FitResult",
    "Scorecard",
    "auc",
    "cut_offs",
    "digest",
    "dump",
    "expert",
    "fit",
    "interval",
    "load",
    "not_available",
    "outcome",
    "score",
    "training_set",
]
