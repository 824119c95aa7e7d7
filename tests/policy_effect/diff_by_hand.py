"""A second, slow way to say what a policy change does: a customer at a time, nothing of `policy_effect`, `limits` or `authority`.

Limits come from `canaries.by_hand`, which shares no code with the engine; everything else is written here from docs/policy-reference.md.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from credit_review.canaries.by_hand import by_hand

LOWEST = "reduction"


def grade_of(probability, policy):
    return next(band["grade"] for band in policy["grades"] if probability < band["below"])


class Answer:
    """What one policy makes of one customer. `rate`: minor units of the account a minor unit of control; `top`: never straight through."""

    def __init__(self, customer, policy, matrix, *, rate, unit, group_limits, group_increases, top):
        self.c, self.policy, self.matrix, self.rate, self.unit = customer, policy, matrix, rate, unit
        self.grade = customer["grade"] = grade_of(customer["pd"], policy)
        self.hand = by_hand(customer, policy, rate=rate, unit=unit)
        self.to, self.now, self.terms, self.had = self.hand["to"], customer["limit_minor"], self.hand["terms"], customer["terms_days"]
        self.top, self.group_limits, self.group_increases = top, group_limits, group_increases

    def control(self, minor):
        return round(Fraction(minor) / self.rate)

    def money(self, amount):
        return round(Fraction(str(amount)) * 100 * self.rate)

    @property
    def moves(self):
        return self.to != self.now or (self.terms is not None and self.had is not None and self.terms != self.had)

    @property
    def exceptional(self):
        names = {"first_limit": self.now is None, "top_exposure": self.top, "missing_data": bool(self.hand["substitutes"])}
        return {name for name, there in names.items() if there}

    @property
    def passes(self):
        rule, change = self.policy["straight_through"], self.to - (self.now or 0)
        if self.exceptional or self.grade not in rule["grades"] or self.terms != self.had or change == 0:
            return False
        if change < 0:
            return -change <= self.money(rule["reductions_up_to"])
        return self.to <= self.money(rule["up_to_limit"]) and change <= self.money(rule["up_to_increase"])

    @property
    def tier(self):
        """Position of the tier the proposal asks for."""
        names = [tier["tier"] for tier in self.matrix["tiers"]]
        more_terms = (self.terms or 0) > (self.had or 0) or (self.terms is None and self.had is not None)
        first = self.now is None
        loosens = (self.to > 0 or (self.terms or 0) > 0) if first else (self.to > self.now or more_terms)
        if not loosens:
            return names.index(self.matrix["reduction_tier"])
        group = self.group_limits - self.control(self.now or 0) + self.control(self.to)
        increases = self.group_increases + self.control(max(0, self.to - (self.now or 0)))
        raised = self.matrix["raise_tier"]
        asked = [self._within("group_limit_up_to", group), self._within("increases_12m_up_to", increases)]
        asked += [names.index(raised["grades"][self.grade])] if self.grade in raised["grades"] else []
        asked += [names.index(raised["exceptions"])] if self.exceptional - {"first_limit"} else []
        asked += [names.index(raised["first_limit"])] if first else []
        return max(asked)

    def _within(self, bound, minor):
        return next(n for n, tier in enumerate(self.matrix["tiers"]) if tier[bound] is None or minor <= tier[bound] * 100)

    @property
    def way(self):
        if not self.moves:
            return ""
        return "by_rule" if self.passes and self.tier == 0 else self.matrix["tiers"][self.tier]["tier"]

    @property
    def people(self):
        if self.way in ("", "by_rule"):
            return ""
        found = []
        for tier in self.matrix["tiers"][self.tier :]:
            found += [h["person"] for h in self.matrix["holders"] if h["tier"] == tier["tier"]]
            if len(found) >= self.matrix["tiers"][self.tier]["approvers"]:
                break
        return "|".join(sorted(found))

    @property
    def notice(self):
        if self.now is None or self.to >= self.now:
            return None
        rule = self.policy["review"]["reduction_notice"]
        return 0 if self.c["status"] in rule["at_once"] else rule["working_days"]

    @property
    def fired(self):
        """Codes of the rules that decided, but which cap held."""
        hand, limits = self.hand, self.policy["limits"]
        codes = {f"forbids:{one}" for one in hand["forbidden"]} | {f"lacks:{one}" for one in hand["substitutes"]}
        codes |= {f"exceptional:{one}" for one in self.exceptional}
        base = self.c["exposure_minor"] if self.now is None else self.now
        target = min(hand["after_caps"], base) if hand["forbidden"] else hand["after_caps"]
        codes |= {"step"} if hand["after_step"] != target else set()
        rounded = hand["after_rounding"]
        if self.to > rounded and self.to == self.money(limits["minimum"]):
            codes.add("minimum")
        elif self.to < rounded and self.to == self.money(limits["maximum"]):
            codes.add("maximum")
        elif self.now is not None and self.to == self.now != rounded:
            codes.add("smallest_change")
        if self.terms is not None and self.had is not None and self.terms < self.had:
            codes.add("terms")
        return codes | ({"straight_through"} if self.passes else set())


def told(pairs):
    """Counts and sums of (old Answer, new Answer), named as a tally names them."""
    size, money, grades, ways, people, notices, rules = (Counter() for _ in range(7))
    for old, new in pairs:
        change = new.to - old.to
        control = old.control(change)
        size["moved"] += old.to != new.to
        size["up"] += change > 0
        size["down"] += change < 0
        size["better"] += new.grade < old.grade
        size["worse"] += new.grade > old.grade
        size["tier"] += old.way != new.way
        size["approver"] += old.people != new.people
        size["terms"] += old.terms != new.terms
        size["notice"] += old.notice != new.notice
        for code, amount in ((old.c["currency"], lambda x: x), ("control", old.control)):
            money[(code, "customers")] += 1
            money[(code, "before")] += amount(old.to)
            money[(code, "after")] += amount(new.to)
            way = "up" if change > 0 else "down" if change < 0 else ""
            if way:
                money[(code, way)] += 1
                money[(code, f"{way}_minor")] += abs(amount(change))
        grades[(old.grade, new.grade)] += 1
        if old.way != new.way:
            ways[(old.way, new.way)] += 1
        if old.people != new.people:
            people[(old.people, new.people)] += 1
        for side, one in (("before", old), ("after", new)):
            if one.notice is not None:
                notices[(side, one.notice, "count")] += 1
                notices[(side, one.notice, "minor")] += one.control(one.now - one.to)
            for code in one.fired:
                rules[(code, side)] += 1
        for what, codes in (("gone", old.fired - new.fired), ("new", new.fired - old.fired)):
            for code in codes:
                rules[(code, what)] += 1
                rules[(code, "up_minor")] += max(control, 0)
                rules[(code, "down_minor")] += max(-control, 0)
    return {"size": size, "money": money, "grades": grades, "ways": ways, "approvers": people, "notices": notices, "rules": rules}
