"""From features to probability, grade and reasons: a points scorecard, fitted on our own history or set by experts."""

from __future__ import annotations

from credit_review.scoring.expert import expert
from credit_review.scoring.factors import FACTORS, REASONS
from credit_review.scoring.score import score
from credit_review.scoring.scorecard import Scorecard, digest, dump, load

__all__ = ["FACTORS", "REASONS", "Scorecard", "digest", "dump", "expert", "load", "score"]
