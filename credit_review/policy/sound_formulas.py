"""Whether a policy's own limit formula can be read, mixes units that fit, and says what holds where its inputs are missing."""

from __future__ import annotations

from decimal import Decimal

from credit_review.documents import Path
from credit_review.policy.amounts import InputRule
from credit_review.policy.formula.checking import nearest
from credit_review.policy.formula.compiled import StepFault, constant
from credit_review.policy.formula.tree import Fault
from credit_review.policy.formula.units import Unit
from credit_review.policy.formula.vocabulary import INPUTS
from credit_review.policy.problems import Found, Problem
from credit_review.policy.whole import Policy
from credit_review.words import said

_FORMULA: Path = ("limits", "formula")
_INPUTS: Path = ("limits", "inputs")


def formula(policy: Policy) -> Found:
    """The first fault of the policy's own formula, with its place."""
    try:
        policy.formula()
    except StepFault as fault:
        yield Problem((*_FORMULA, fault.step), fault.text, fault.at)


def inputs(policy: Policy) -> Found:
    """Rules for inputs that are not known, not used, have no age, or say half of what they need."""
    try:
        used = policy.formula()
    except StepFault:
        used = None
    for name, rule in policy.limits.inputs.items():
        path = (*_INPUTS, name)
        if name not in INPUTS:
            yield Problem(path, said("unknown input {name}; {hint}", name=repr(name), hint=nearest(name, INPUTS)))
            continue
        if not policy.limits.formula or (used is not None and name not in used.inputs):
            yield Problem(path, said("the rule can never fire: no step of limits.formula uses {name}; expected it removed", name=name))
        if rule.max_age_days is not None and not INPUTS[name].age:
            yield Problem((*path, "max_age_days"), said("{name} is of the as-of date and has no age; expected it left out", name=name))
        yield from _means(policy, name, rule)


def _means(policy: Policy, name: str, rule: InputRule) -> Found:
    path = (*_INPUTS, name)
    for field, action in (("use", "use"), ("at_most", "lower_ceiling")):
        given = getattr(rule, field) is not None
        if given != (rule.otherwise == action):
            text = said("expected with otherwise: {action}, and only there", action=action)
            yield Problem((*path, field) if given else (*path, "otherwise"), said("{field}: {text}", field=field, text=text))
    if rule.otherwise == "use" and rule.use is not None:
        kind = INPUTS[name].kind
        if not isinstance(kind, Unit):
            yield Problem((*path, "use"), said("{name} is a word, for which nothing can stand in; expected another otherwise", name=name))
            return
        try:
            constant(rule.use, kind, currency=policy.control_currency)
        except Fault as fault:
            yield Problem((*path, "use"), fault.text, fault.at)
    if rule.at_most is not None and rule.at_most > max((g.ceiling for g in policy.limits.by_grade.values()), default=Decimal(0)):
        text = said("{amount} is above the ceiling of every grade, so missing data would cost nothing", amount=rule.at_most)
        yield Problem((*path, "at_most"), said("{text}; expected less", text=text))
