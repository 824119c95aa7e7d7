"""Whether a policy's segments can be reached, and whether the rules of each fit together as the policy's own must."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from credit_review.documents import Path
from credit_review.model.states import CreditStatus
from credit_review.policy.letters import LetterRule
from credit_review.policy.problems import Found, Problem
from credit_review.policy.segments import SegmentRules, Who
from credit_review.policy.whole import Policy
from credit_review.words import said


def segments(policy: Policy) -> Found:
    """Names that stand twice, conditions nobody can meet, segments that an earlier one leaves nothing, and ones without a rule."""
    for i, segment in enumerate(policy.segments):
        path: Path = ("segments", i)
        earlier = policy.segments[:i]
        if segment.name in [one.name for one in earlier]:
            yield Problem((*path, "name"), said("segment {name} stands twice; expected each name once", name=repr(segment.name)))
        taken = next((one.name for one in earlier if covers(one.who, segment.who)), None)
        if taken is not None:
            text = said("the segment can never fire: {earlier} above it takes every customer it could match", earlier=repr(taken))
            yield Problem((*path, "who"), said("{text}; expected it above that segment, or removed", text=text))
        if not segment.model_fields_set - {"name", "who"}:
            yield Problem(path, said("a segment without a rule of its own changes nothing; expected one, such as cadence_months"))
        yield from _conditions(segment, path)
        yield from _ceilings(policy, segment, path)


def letters(policy: Policy) -> Found:
    """Credit statuses that no customer has, and rules of letters that an earlier one makes needless."""
    for i, rule in enumerate(policy.letters):
        yield from _statuses(rule.statuses, ("letters", i, "statuses"))
        if any(_asks_for_more(one, rule) for one in policy.letters[:i]):
            text = said("the rule can never fire: a rule above it asks for every letter that it could")
            yield Problem(("letters", i), said("{text}; expected it above that rule, or removed", text=text))


def _asks_for_more(wide: LetterRule, narrow: LetterRule) -> bool:
    for field in ("statuses", "segments"):
        most, some = set(getattr(wide, field)), set(getattr(narrow, field))
        if most and not (some and some <= most):
            return False
    return set(narrow.kinds) <= set(wide.kinds) and narrow.minimum_change >= wide.minimum_change


def _statuses(named: Iterable[str], path: Path) -> Found:
    statuses = tuple(s.value for s in CreditStatus)
    for i, status in enumerate(named):
        if status not in statuses:
            unknown = said("unknown credit status {name}; expected one of {statuses}", name=repr(status), statuses=", ".join(statuses))
            yield Problem((*path, i), unknown)


def _conditions(segment: SegmentRules, path: Path) -> Found:
    who = segment.who
    yield from _statuses(who.statuses, (*path, "who", "statuses"))
    if who.exposure_from is not None and who.exposure_below is not None and who.exposure_from >= who.exposure_below:
        text = said("no exposure is {low} or more and below {high}", low=who.exposure_from, high=who.exposure_below)
        yield Problem((*path, "who", "exposure_below"), said("{text}; expected a larger amount", text=text))


def _ceilings(policy: Policy, segment: SegmentRules, path: Path) -> Found:
    """Ceilings that the segment states and its customers never reach. One it takes from the policy may be above its own maximum, which
    then simply holds."""
    most = policy.of_segment(segment.name).limits.maximum
    whose = "limits.maximum" if segment.maximum is None else "maximum"
    for grade, rules in segment.by_grade.items():
        if rules.ceiling > most:
            text = said("{ceiling} is never reached: {whose} is {maximum}", ceiling=rules.ceiling, whose=whose, maximum=most)
            yield Problem((*path, "by_grade", grade, "ceiling"), said("{text}; expected at most that", text=text))


def covers(wide: Who, narrow: Who) -> bool:
    """Whether everybody who meets `narrow` meets `wide`."""
    for field in ("regions", "legal_entities", "segments", "statuses"):
        most, some = set(getattr(wide, field)), set(getattr(narrow, field))
        if most and not (some and some <= most):
            return False
    low, high = (wide.exposure_from or 0), wide.exposure_below
    return (narrow.exposure_from or 0) >= low and (high is None or (narrow.exposure_below is not None and narrow.exposure_below <= high))


def inside(policy: Policy, rules: Iterable[Callable[[Policy], Found]]) -> Found:
    """What is wrong with the policy as each segment has it, and not with the policy itself, at the place of the segment's own field."""
    checks = tuple(rules)
    plain = {(p.path, p.text) for rule in checks for p in rule(policy)}
    for i, segment in enumerate(policy.segments):
        own = policy.of_segment(segment.name)
        for problem in (p for rule in checks for p in rule(own) if (p.path, p.text) not in plain):
            yield Problem(("segments", i, *_place(problem.path, segment)), problem.text, problem.at)


def _place(path: Path, segment: SegmentRules) -> Path:
    """The segment's field for one of the policy: `limits.step` is `step`, `review.cadence_months` is `cadence_months`."""
    rest = path[1:] if path[:1] in (("limits",), ("review",)) else ()
    return rest if rest and rest[0] in segment.model_fields_set else ()
