"""E1 to E18, in order. E2 (how each was made) and E3 (sample) are made by the pack itself."""

from __future__ import annotations

from credit_review.evidence.artefact import Artefact
from credit_review.evidence.inventory import MODELS
from credit_review.evidence.limits import APPROVALS, AUTHORITY, POPULATION, REFUSED
from credit_review.evidence.log import KEEPING, RESTORES
from credit_review.evidence.people import ACCESS, DUTIES, REVIEWS
from credit_review.evidence.rules import BASELINE, EXCEPTIONS_LIST, OVERRIDE_RATE, OVERRIDES, RULES
from credit_review.evidence.runs import COMPLETENESS, EXTERNAL_DATA, REPLAYS, RUNS
from credit_review.evidence.watched import ALARMS, CANARIES, CONTROLS, FINDINGS

REGISTRY: tuple[Artefact, ...] = (
    POPULATION, REPLAYS, APPROVALS, AUTHORITY, DUTIES, ALARMS, FINDINGS, EXCEPTIONS_LIST, ACCESS, REVIEWS, RULES, REFUSED, COMPLETENESS,
    EXTERNAL_DATA, RUNS, KEEPING, RESTORES, OVERRIDES, BASELINE, CANARIES, CONTROLS, MODELS, OVERRIDE_RATE,
)  # fmt: skip
"""What a query makes, one file each."""
