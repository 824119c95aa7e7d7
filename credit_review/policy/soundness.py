"""Whether the rules of a policy fit together: gaps, overlaps, unknown names, rules that can never fire."""

from __future__ import annotations

from collections.abc import Callable

from credit_review.documents import ONE_A_LINE, Document, check, where
from credit_review.errors import BadInput
from credit_review.policy import sound_amounts, sound_formulas, sound_names, sound_segments
from credit_review.policy.problems import Found, Problem
from credit_review.policy.whole import Policy
from credit_review.words import listed, said


def load(document: Document) -> Policy:
    """The policy in `document`, proven consistent. Raises BadInput with file, line, field and what was expected, for every fault found."""
    policy = check(document, Policy)
    found = problems(policy)
    if found:
        raise BadInput(
            listed([said("{where}: {fault}", where=where(document, p.path, at=p.at), fault=p.text) for p in found], by=ONE_A_LINE),
            next_step=said("correct {name}, then run `credit-review check policy.yaml` again", name=document.name),
        )
    return policy


def problems(policy: Policy) -> tuple[Problem, ...]:
    """Every inconsistency of a policy whose shape is right: gaps, overlaps, unknown names, rules that can never fire. Empty when sound."""
    own = [problem for rule in _RULES for problem in rule(policy)]
    return (*own, *sound_segments.inside(policy, [rule for rule in _RULES if rule not in _ONLY_LOWERED]))


_RULES: tuple[Callable[[Policy], Found], ...] = (
    sound_amounts.currency,
    sound_names.grades,
    sound_names.every_grade,
    sound_names.scoring,
    sound_names.classes,
    sound_names.class_amounts,
    sound_names.cadence,
    sound_amounts.rounding,
    sound_amounts.amount_rules,
    sound_amounts.ceilings,
    sound_formulas.formula,
    sound_formulas.inputs,
    sound_amounts.forbid,
    sound_amounts.straight_through,
    sound_names.exposure,
    sound_names.worklists,
    sound_amounts.ranked_terms,
    sound_names.group_rules,
    sound_names.approvals,
    sound_names.findings,
    sound_segments.segments,
    sound_segments.letters,
)

_ONLY_LOWERED = (sound_amounts.ceilings, sound_names.class_amounts)
"""What a segment's own maximum may be below: an amount it takes from the policy is no fault, for the maximum holds."""
