"""Two scorecards on the snapshot of a review: scored and proposed again by the review's own functions. Nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review import limits, scoring
from credit_review.model.frames import STATES
from credit_review.replay import cards
from tasks import assess, prepare
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.replay.cards import Moves
    from credit_review.scoring import Scorecard
    from tasks.plan import Plan


def compare(config: str, before: str, after: str, *, review_id: str = "") -> tuple[Plan, Moves]:
    """What the second scorecard's text would change against the first on the newest review's snapshot, or on the one named."""
    plan = prepare.plan_of(config, review_id) if review_id else prepare.newest_plan(config)
    found = []
    for text in (before, after):
        card = scoring.load(text)
        with stage("Proposing limits and terms"):
            found.append(_proposed(plan, card))
    return plan, cards.compare(found[0], found[1], plan.workspace.policy().grade_names)


def _proposed(plan: Plan, card: Scorecard) -> pd.DataFrame:
    """PROPOSALS of the whole book under a scorecard; features, groups and states are the review's."""
    import pandas as pd

    workspace, policy = plan.workspace, plan.workspace.policy()
    groups, rates = workspace.read("groups"), assess.rates(plan)
    parts = []
    for bucket in range(plan.buckets):
        features = workspace.read("features", bucket)
        scores = scoring.score(features, card, policy)
        states = workspace.read("states", bucket, of=STATES)
        parts.append(limits.propose(features, scores, groups, states, policy=policy, as_of=plan.as_of, rates=rates))
    return pd.concat(parts, ignore_index=True)
