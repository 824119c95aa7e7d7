"""The scorecard used when our own history is too thin to fit one: points set by judgement, and said to be so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from credit_review.policy import Policy
from credit_review.scoring.factors import FACTORS, STATEMENTS
from credit_review.scoring.reasons import REASONS
from credit_review.scoring.scorecard import (
    AlreadyRule,
    MissingBin,
    NumberBin,
    NumberFactor,
    Outcome,
    Scale,
    Scorecard,
)
from credit_review.words import marked

SCALE = Scale(base_points=600, base_odds=50.0, double_odds=20)
"""600 points at 50 good to one bad, twice the odds every 20 points."""

ALREADY_POINTS = -200
"""Beyond any good history: with these the probability of every customer is above one half."""

_Bins = tuple[tuple[float | None, int], ...]
_BASE = 566  # a customer of whom nothing is known: 6 in 100
_TABLE: Mapping[str, tuple[int, _Bins]] = {  # points where missing; (below, points) of each bin
    "overdue_fraction": (0, ((0.01, 8), (0.1, 4), (0.25, 0), (0.5, -8), (None, -16))),
    "oldest_dpd_days": (0, ((1, 8), (8, 4), (31, 0), (61, -12), (91, -25), (None, -40))),
    "average_days_late": (0, ((0, 14), (5, 9), (15, 0), (30, -10), (60, -20), (None, -30))),
    "days_late_trend": (0, ((-5, 4), (5, 2), (15, -4), (None, -10))),
    "utilisation_fraction": (0, ((0.3, 4), (0.8, 2), (1, 0), (1.25, -6), (None, -12))),
    "months_on_book": (0, ((6, -10), (12, -5), (36, 0), (120, 6), (None, 10))),
    "external_pd_fraction": (0, ((0.005, 18), (0.01, 12), (0.02, 6), (0.05, -2), (0.1, -12), (None, -25))),
    "disputed_fraction": (0, ((0.02, 2), (0.1, 0), (0.25, -3), (None, -6))),
    "net_worth_to_sales": (0, ((0, -15), (0.25, -6), (1, 0), (3, 4), (None, 8))),
    "altman_z2": (0, ((0, -20), (1.1, -12), (2.6, 0), (5.85, 6), (None, 10))),
    "altman_z2_trend": (0, ((-1, -6), (-0.3, -2), (0.3, 0), (None, 3))),
    "equity_ratio": (0, ((0, -12), (0.1, -6), (0.2, 0), (0.4, 3), (None, 6))),
    "interest_coverage": (0, ((1, -8), (2, -3), (5, 1), (None, 4))),
    "current_ratio": (0, ((0.8, -4), (1, -2), (1.5, 0), (None, 2))),
    "net_margin": (0, ((-0.05, -5), (0, -2), (0.03, 0), (None, 2))),
}


def expert(
    policy: Policy,
    *,
    why: str = marked("chosen instead of a fitted scorecard"),
    only_lateness: bool | None = None,
    not_available: Mapping[str, str] | None = None,
    valid_from: date | None = None,
) -> Scorecard:
    """The expert scorecard: transparent points nobody fitted; `why` says openly what it stands in for.

    `not_available` names factors the source cannot feed, with the reason (see `not_available`): they earn 0 points for everyone.
    `only_lateness` (default: whether policy names no status as outcome) calls the figure probability of serious lateness.
    """
    absent = not_available or {}
    # a source without statements has the card it had before there were any: nothing in it to explain away
    used = [name for name in _TABLE if not (FACTORS[name].needs == STATEMENTS and name in absent)]
    lateness = not policy.outcome.statuses if only_lateness is None else only_lateness
    return Scorecard(
        format=1,
        name=marked("Expert scorecard"),
        kind="expert",
        outcome=outcome_name(only_lateness=lateness),
        outcome_words=outcome_words(policy, only_lateness=lateness),
        why=why,
        valid_from=valid_from,
        scale=SCALE,
        base=_BASE,
        calibration=0.0,
        factors=tuple(_factor(name, policy) for name in used),
        already=already_rule(policy, ALREADY_POINTS),
        not_available={name: reason for name, reason in sorted(absent.items()) if name in used},
        left_out={},
        trained_on=None,
        evaluation=(),
    )


def outcome_name(*, only_lateness: bool) -> Outcome:
    """What the figure is called everywhere: not a probability of default where all we can see is lateness."""
    return "probability of serious lateness" if only_lateness else "probability of default"


def outcome_words(policy: Policy, *, only_lateness: bool) -> str:
    """The outcome in one sentence, with policy's figures."""
    rules = policy.outcome
    late = f"an invoice of at least {rules.material_amount} more than {rules.days_past_due} days past due"
    other = "" if only_lateness else f", a write-off{''.join(f', status {s}' for s in rules.statuses)}"
    disputes = "; disputed invoices left out" if rules.exclude_disputed else ""
    return f"within {rules.window_months} months: {late}{other}{disputes}"


def already_rule(policy: Policy, points: int) -> AlreadyRule:
    """Policy's outcome as a rule on the figures of the as-of date."""
    return AlreadyRule(
        points=points,
        reason="R20",
        words=REASONS["R20"],
        days_past_due=policy.outcome.days_past_due,
        material_amount=f"{Decimal(policy.outcome.material_amount):f}",
        statuses=policy.outcome.statuses,
    )


def max_age_days(name: str, policy: Policy) -> int | None:
    """Days after which the source of a factor is too old to count, by policy; None where its age does not matter."""
    ages = {
        "external_age_days": policy.limits.forbid_increase.external_age_days_over,
        "net_worth_age_days": policy.limits.caps.net_worth.max_age_days,
        "statements_age_days": policy.scoring.statements.max_age_days,
    }
    return ages.get(FACTORS[name].age)


def _factor(name: str, policy: Policy) -> NumberFactor:
    spec, (missing, bins) = FACTORS[name], _TABLE[name]
    return NumberFactor(
        name=name,
        kind="number",
        direction=spec.direction,
        max_age_days=max_age_days(name, policy),
        reason=spec.reason,
        words=spec.words,
        missing=MissingBin(points=missing, reason=spec.missing_reason, words=spec.missing_words),
        bins=tuple(NumberBin(below=None if below is None else float(below), points=points) for below, points in bins),
    )
