"""A second, slow way to compute limits: one customer at a time, exact fractions, written from docs/policy-reference.md and nothing else.

It shares no code with the engine. Amounts go in and come out as minor units of the account currency.
"""

from __future__ import annotations

import math
from fractions import Fraction as F


def by_hand(c, policy, *, rate=F(1), unit=100):
    """What the engine must say of customer `c` (a dict of features and grade); `rate`: minor units of account per minor of control."""

    def money(amount):
        """A policy amount in account currency, half-even to the minor unit."""
        return round(F(amount) * policy_unit * rate)

    policy_unit = 100
    grade, limits = c["grade"] or None, policy["limits"]
    rule = policy["classes"][c["status"]]
    action, limit, exposure = rule["action"], c["limit_minor"], c["exposure_minor"]
    table = limits["by_grade"].get(grade)
    first = limit is None
    zero = action == "zero" or (first and action in ("no_increase", "unused_down"))
    starter = action == "starter" and first
    idle = c["last_invoice_days"] is None or c["last_invoice_days"] > int(rule.get("unused_months", 0) * 365.25 / 12)
    unused = action == "unused_down" and not first and idle
    figures = (c["need_minor"], c["peak_balance_minor"] if limits["need"]["at_least_peak_balance"] else None)
    need = max((n for n in figures if n is not None), default=None)
    substitutes, forbidden = set(), set()
    caps = {}

    if zero:
        formula = 0
    elif unused:
        formula = min(limit, max(money(rule["down_to"]), exposure))
    elif starter:
        formula = money(rule["starter_limit"])
    elif grade and need is not None:
        formula = math.floor(max(need, 0) * F(table["need_factor"]))
    elif grade and first and limits["without_need"]["action"] == "exposure":
        formula = math.floor(math.floor(exposure * F(limits["without_need"]["factor"])) * F(table["need_factor"]))
    else:
        formula = None

    if grade and not zero and not unused:
        caps["grade"] = money(table["ceiling"])
        sources = (
            ("net_worth", "tangible_net_worth_minor", "net_worth_age_days", F(table["net_worth_fraction"]), "without_net_worth"),
            (
                "recommendation",
                "recommended_limit_minor",
                "external_age_days",
                F(limits["caps"]["recommendation"]["factor"]),
                "without_recommendation",
            ),
        )
        for name, amount, age, factor, lower in sources:
            cap = limits["caps"][name]
            if c[amount] is not None and c[age] is not None and c[age] <= cap["max_age_days"]:
                caps[name] = math.floor(max(c[amount], 0) * factor)
                continue
            substitutes.add(f"{name}:{'missing' if c[amount] is None else 'stale'}:{cap['otherwise']}")
            if cap["otherwise"] == "lower_ceiling":
                caps[name] = money(table[lower])
            elif not starter:
                forbidden.add(f"{name}_unknown")
        if not starter and need is None:
            substitutes.add(f"need:missing:{limits['caps']['need']['otherwise']}")
            forbidden.add("need_unknown")
    hard = min(caps.values(), default=None)
    start = limit if formula is None else formula
    after_caps = None if start is None else min([start, *caps.values()])

    rules = limits["forbid_increase"]
    if c["oldest_dpd_days"] > rules["overdue_days_over"] and c["overdue_minor"] > money(rules["overdue_amount_over"]):
        forbidden.add("overdue")
    if grade in rules["grades"]:
        forbidden.add("grade")
    if (
        rules["external_age_days_over"] is not None
        and c["external_age_days"] is not None
        and c["external_age_days"] > rules["external_age_days_over"]
    ):
        forbidden.add("external_stale")
    if rules["external_missing"] and c["external_age_days"] is None and not starter:
        forbidden.add("external_missing")
    if rules["on_quarantined_rows"] and c["quarantined_minor"] > 0:
        forbidden.add("quarantined_rows")
    if action in ("no_increase", "unused_down"):
        forbidden.add("class_no_increase")
    if not grade and not starter:
        forbidden.add("not_graded")

    if after_caps is None:
        return {"to": None, "after_caps": None, "forbidden": forbidden, "substitutes": substitutes}
    base = exposure if first else limit
    target = min(after_caps, base) if forbidden else after_caps
    lowest = 0
    if not (first or zero or unused):
        free, step = money(limits["step"]["free_amount"]), limits["step"]
        highest = limit + max(math.floor(limit * F(step["up_fraction"])), free)
        lowest = max(0, limit - max(math.floor(limit * F(step["down_fraction"])), free))
        target = min(max(target, lowest), highest)
    stepped = target

    size = next(r["step"] for r in limits["rounding"] if r["up_to"] is None or target <= r["up_to"] * unit) * unit
    down = target // size * size
    if first:
        rounded = down
    elif target == limit:
        rounded = limit
    elif target > limit:
        rounded = max(down, limit)
    else:
        rounded = min(down + size, limit) if down < lowest else down

    result = rounded
    if not zero and not unused:
        floors = [money(limits["minimum"]), *([hard] if hard is not None else []), *([base] if forbidden else [])]
        result = max(rounded, min(floors))
    result = min(result, money(limits["maximum"]))
    if not first and not zero and not unused and limit <= money(limits["maximum"]):
        change, smallest = abs(result - limit), limits["smallest_change"]
        if change < money(smallest["amount"]) and change < limit * F(smallest["fraction"]):
            result = limit

    return {
        "to": result,
        "formula": formula,
        "after_caps": after_caps,
        "after_step": stepped,
        "after_rounding": rounded,
        "forbidden": forbidden,
        "substitutes": substitutes,
        "terms": terms(c, policy, first=first, zero=zero, starter=starter),
        "direction": "new" if first else "up" if result > limit else "down" if result < limit else "same",
        "over": max(0, exposure - result),
    }


def terms(c, policy, *, first, zero, starter):
    """Proposed payment terms."""
    grade, now = c["grade"], c["terms_days"]
    longest = policy["terms"]["by_grade"].get(grade)
    if starter:
        days = policy["classes"][c["status"]]["starter_terms_days"]
        days = days if longest is None else min(days, longest)
        return days if now is None else min(now, days)
    if grade and now is not None and grade in policy["terms"]["tighten_when"]:
        return min(now, longest)
    if first and not zero and now is None and grade:
        return longest
    return now
