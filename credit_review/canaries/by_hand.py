"""A second, slow way to compute limits: one customer at a time, exact fractions, written from docs/policy-reference.md and nothing else.

It shares no code with the engine and imports nothing of this project but the formula by hand beside it. A customer is a mapping of
features and grade, the policy a mapping as its file has it (numbers exact). Amounts go in and come out as minor units of the account
currency.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction as F
from typing import Any

from credit_review.canaries.own_formula import UNDEFINED, own_formula

Facts = Mapping[str, Any]


@dataclass
class _Sheet:
    """One customer's working sheet. `rate`: minor units of account per minor unit of control; units: minor units of one major unit."""

    c: Facts
    policy: Facts
    rate: F
    unit: int
    policy_unit: int
    caps: dict[str, int] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    substitutes: set[str] = field(default_factory=set)
    refused: bool = False
    bound: int | None = None

    def money(self, amount: Any) -> int:
        """A policy amount in account currency, half-even to the minor unit."""
        return round(F(amount) * self.policy_unit * self.rate)

    @property
    def limits(self) -> Facts:
        found: Facts = self.policy["limits"]
        return found

    @property
    def grade(self) -> str | None:
        return self.c["grade"] or None

    @property
    def table(self) -> Any:
        return self.limits["by_grade"].get(self.grade)

    @property
    def rule(self) -> Facts:
        found: Facts = self.policy["classes"][self.c["status"]]
        return found

    @property
    def first(self) -> bool:
        return self.c["limit_minor"] is None

    @property
    def zero(self) -> bool:
        action = self.rule["action"]
        return bool(action == "zero" or (self.first and action in ("no_increase", "unused_down")))

    @property
    def starter(self) -> bool:
        return bool(self.rule["action"] == "starter" and self.first)

    @property
    def unused(self) -> bool:
        last = self.c["last_invoice_days"]
        idle = last is None or last > int(self.rule.get("unused_months", 0) * 365.25 / 12)
        return bool(self.rule["action"] == "unused_down" and not self.first and idle)

    @property
    def need(self) -> int | None:
        peak = self.c["peak_balance_minor"] if self.limits["need"]["at_least_peak_balance"] else None
        known = (self.c["need_minor"], peak, self.c.get("season_peak_minor"))
        return max((n for n in known if n is not None), default=None)


def by_hand(c: Facts, policy: Facts, *, rate: F = F(1), unit: int = 100, policy_unit: int = 100) -> dict[str, Any]:
    """What the engine must say of customer `c` (features and grade); `to` None: nothing can be proposed."""
    sheet = _Sheet(c, policy, rate, unit, policy_unit)
    formula = _formula(sheet)
    _caps(sheet)
    _layers(sheet)
    start = c["limit_minor"] if formula is None else formula
    after_caps = None if start is None else min([start, *sheet.caps.values()])
    _forbid(sheet)
    if after_caps is None or sheet.refused:
        return {"to": None, "bounded": 0, "after_caps": None, "forbidden": sheet.forbidden, "substitutes": sheet.substitutes}
    stepped, lowest = _step(sheet, after_caps)
    stepped = _within_layers(sheet, stepped)
    rounded = _within_layers(sheet, _round(sheet, stepped, lowest))
    bounded = _bounds(sheet, rounded)
    result = _not_too_small(sheet, bounded)
    limit = c["limit_minor"]
    if limit is not None and _within_band(sheet):
        result = int(limit)
    return {
        "to": result,
        "bounded": bounded,
        "formula": formula,
        "after_caps": after_caps,
        "after_step": stepped,
        "after_rounding": rounded,
        "forbidden": sheet.forbidden,
        "substitutes": sheet.substitutes,
        "terms": _terms(sheet),
        "direction": "new" if sheet.first else "up" if result > limit else "down" if result < limit else "same",
        "over": max(0, c["exposure_minor"] - result),
    }


def _formula(s: _Sheet) -> int | None:
    without = s.limits["without_need"]
    if s.zero:
        return 0
    if s.unused:
        return int(min(s.c["limit_minor"], max(s.money(s.rule["down_to"]), s.c["exposure_minor"])))
    if s.starter:
        return s.money(s.rule["starter_limit"])
    own = _own(s) if s.limits.get("formula") and s.grade else None
    if own is not None:
        return own
    if s.grade and s.need is not None and not s.limits.get("formula"):
        return math.floor(F(s.table["need_factor"]) * max(s.need, 0))
    if s.grade and s.first and without["action"] == "exposure":
        part: int = math.floor(F(without["factor"]) * s.c["exposure_minor"])
        return math.floor(F(s.table["need_factor"]) * part)
    return None


_INPUTS = {
    "need_by_terms": "need_minor", "peak_balance": "peak_balance_minor", "sales_12m": "sales_12m_minor", "exposure": "exposure_minor",
    "own_risk": "own_risk_minor", "overdue": "overdue_minor", "disputed": "disputed_minor", "open_orders": "open_orders_minor",
    "unbilled_deliveries": "unbilled_deliveries_minor", "insured": "insured_minor", "security": "security_minor",
    "limit_in_force": "limit_minor", "recommended_limit": "recommended_limit_minor", "tangible_net_worth": "tangible_net_worth_minor",
}  # fmt: skip
_NUMBERS = {
    "terms": "terms_days", "average_days_late": "average_days_late", "oldest_days_past_due": "oldest_dpd_days",
    "days_since_last_invoice": "last_invoice_days", "external_age": "external_age_days", "net_worth_age": "net_worth_age_days",
    "statements_age": "statements_age_days", "months_on_book": "months_on_book", "cleared_count": "cleared_count",
    "utilisation": "utilisation_fraction", "overdue_fraction": "overdue_fraction", "external_probability": "external_pd_fraction",
    "altman_score": "altman_score", "equity_ratio": "equity_ratio", "interest_coverage": "interest_coverage",
    "current_ratio": "current_ratio", "net_margin": "net_margin", "points": "points", "probability": "pd_fraction",
}  # fmt: skip
_WORDS = {"grade": "grade", "status": "status", "external_grade": "external_grade", "altman_zone": "altman_zone"}
_STATEMENTS = ("altman_score", "equity_ratio", "interest_coverage", "current_ratio", "net_margin", "altman_zone")
_AGES = {
    "recommended_limit": "external_age_days", "external_probability": "external_age_days", "external_grade": "external_age_days",
    "tangible_net_worth": "net_worth_age_days", **dict.fromkeys(_STATEMENTS, "statements_age_days"),
}  # fmt: skip
_CAP_OF = {"recommended_limit": "recommendation", "tangible_net_worth": "net_worth"}
_LETS_NOTHING = ("no_increase", "ask_documents", "quarantine")


def _inputs(s: _Sheet) -> dict[str, Any]:
    """What the policy's formula may use, by name; a missing figure is the set of its own name."""
    table = s.table
    found: dict[str, Any] = {
        **{name: s.c.get(key) for name, key in {**_INPUTS, **_WORDS}.items()},
        **{name: None if s.c.get(key) is None else round(F(s.c[key]) * 10**6) for name, key in _NUMBERS.items()},
        "need": s.need,
        "need_factor": round(F(table["need_factor"]) * 10**6),
        "net_worth_fraction": round(F(table["net_worth_fraction"]) * 10**6),
        "ceiling": s.money(table["ceiling"]),
    }
    return {name: frozenset({name}) if value in (None, "") or _old(s, name) else value for name, value in found.items()}


def _input_rule(s: _Sheet, name: str) -> dict[str, Any]:
    caps = s.limits["caps"]
    usual = {"otherwise": caps["need"]["otherwise"] if name == "need" else "no_increase"}
    if name in _CAP_OF:
        usual["max_age_days"] = caps[_CAP_OF[name]]["max_age_days"]
    own = (s.limits.get("inputs") or {}).get(name)
    return {"otherwise": "no_increase", **own} if own is not None else usual


def _old(s: _Sheet, name: str) -> bool:
    most = _input_rule(s, name).get("max_age_days")
    age = s.c.get(_AGES[name]) if name in _AGES else None
    return most is not None and name in _AGES and (age is None or age > most)


def _own(s: _Sheet) -> int | None:
    """What the policy's own formula gives, and what of it is missing; None where nothing may stand in."""
    steps, facts = s.limits["formula"], _inputs(s)
    used = {word for text in steps.values() for word in re.findall(r"[a-z_0-9]+", re.sub(r"\"[^\"]*\"|'[^']*'", "", text))}
    for name in sorted(used & facts.keys()):
        rule = _input_rule(s, name)
        if rule["otherwise"] == "use" and isinstance(facts[name], frozenset):
            s.substitutes.add(f"{name}:{_why(s, name)}:use")
            facts[name] = own_formula({"limit": rule["use"]}, {}, s.money)
    result = own_formula(steps, facts, s.money)
    if not isinstance(result, frozenset):
        return int(max(result, 0))
    return _stands_in(s, {name: "no_increase" if name == UNDEFINED else _input_rule(s, name)["otherwise"] for name in result})


def _stands_in(s: _Sheet, lacks: Mapping[str, str]) -> int | None:
    s.substitutes |= {f"{name}:{'undefined' if name == UNDEFINED else _why(s, name)}:{action}" for name, action in lacks.items()}
    s.refused = "quarantine" in lacks.values()
    if set(lacks.values()) == {"lower_ceiling"} and s.need is not None:
        most = min(s.money(_input_rule(s, name)["at_most"]) for name in lacks)
        return min(math.floor(F(s.table["need_factor"]) * max(s.need, 0)), most)
    if set(lacks.values()) == {"lower_ceiling"}:
        lacks = {**lacks, "need": s.limits["caps"]["need"]["otherwise"]}
        s.substitutes.add(f"need:missing:{lacks['need']}")
    held = {name for name, action in lacks.items() if action in _LETS_NOTHING}
    s.forbidden |= {"need_unknown" if name == "need" else "input_unknown" for name in held}
    return None


def _why(s: _Sheet, name: str) -> str:
    key = {**_INPUTS, **_WORDS, **_NUMBERS}.get(name, "")
    there = s.need is not None if name == "need" else s.c.get(key) not in (None, "")
    return "stale" if there and _old(s, name) else "missing"


def _caps(s: _Sheet) -> None:
    if not s.grade or s.zero or s.unused:
        return
    s.caps["grade"] = s.money(s.table["ceiling"])
    rules = s.limits["caps"]
    sources = (
        ("net_worth", "tangible_net_worth_minor", "net_worth_age_days", F(s.table["net_worth_fraction"])),
        ("recommendation", "recommended_limit_minor", "external_age_days", F(rules["recommendation"]["factor"])),
    )
    for name, amount, age, factor in sources:
        if s.c[amount] is not None and s.c[age] is not None and s.c[age] <= rules[name]["max_age_days"]:
            s.caps[name] = math.floor(max(s.c[amount], 0) * factor)
            continue
        otherwise = rules[name]["otherwise"]
        s.substitutes.add(f"{name}:{'missing' if s.c[amount] is None else 'stale'}:{otherwise}")
        if otherwise == "lower_ceiling":
            s.caps[name] = s.money(s.table[f"without_{name}"])
        elif not s.starter:
            s.forbidden.add(f"{name}_unknown")
    secured = math.floor(max(s.c["security_minor"], 0) * F(rules.get("security", {}).get("raises_caps_by", 0)))
    s.caps = {name: cap + secured for name, cap in s.caps.items()}
    if s.c.get("cover_cap_minor") is not None:
        s.caps["cover"] = s.c["cover_cap_minor"]
    if not s.starter and s.need is None and not s.limits.get("formula"):
        s.substitutes.add(f"need:missing:{rules['need']['otherwise']}")
        s.forbidden.add("need_unknown")


def _layers(s: _Sheet) -> None:
    """What stands in force beside the account; of a shared pool what the others leave, but no less than the limit in force within it."""
    found = {name: s.c.get(f"{name}_minor") for name in ("entity_limit", "ceiling", "segment_limit")}
    pool, others = s.c.get("pool_minor"), s.c.get("others_owe_minor")
    if pool is not None:
        left = 0 if others is None else min(max(pool - others, 0), pool)
        found["pool"] = max(left, min(s.c["limit_minor"] or 0, pool))
    there = {name: minor for name, minor in found.items() if minor is not None}
    s.caps |= there
    s.bound = min(there.values(), default=None)


def _within_layers(s: _Sheet, amount: int) -> int:
    return amount if s.bound is None else min(amount, s.bound)


def _view_forbids(s: _Sheet) -> bool:
    """Whether a view is missing without which policy forbids an increase."""
    missing = s.c.get("view_missing", "")
    lacks = {"": (), "both": ("behaviour", "financial")}.get(missing, (missing,))
    scoring = s.policy.get("scoring") or {}
    return any((scoring.get(f"without_{view}") or {}).get("no_increase", False) for view in lacks)


def _forbid(s: _Sheet) -> None:
    rules, c = s.limits["forbid_increase"], s.c
    oldest, age = rules["external_age_days_over"], c["external_age_days"]
    reasons = {
        "overdue": c["oldest_dpd_days"] > rules["overdue_days_over"] and c["overdue_minor"] > s.money(rules["overdue_amount_over"]),
        "grade": s.grade in rules["grades"],
        "external_stale": oldest is not None and age is not None and age > oldest,
        "external_missing": rules["external_missing"] and age is None and not s.starter,
        "quarantined_rows": rules["on_quarantined_rows"] and c["quarantined_minor"] > 0,
        "class_no_increase": s.rule["action"] in ("no_increase", "unused_down"),
        "not_graded": not s.grade and not s.starter,
        "view_missing": _view_forbids(s) and not s.starter,
    }
    s.forbidden |= {name for name, holds in reasons.items() if holds}


def _base(s: _Sheet) -> int:
    found: int = s.c["exposure_minor"] if s.first else s.c["limit_minor"]
    return found


def _step(s: _Sheet, after_caps: int) -> tuple[int, int]:
    """The target within one cycle's step, and the lowest the step allows."""
    target = min(after_caps, _base(s)) if s.forbidden else after_caps
    if s.first or s.zero or s.unused:
        return target, 0
    limit, step = s.c["limit_minor"], s.limits["step"]
    free = s.money(step["free_amount"])
    highest = limit + max(math.floor(limit * F(step["up_fraction"])), free)
    lowest = max(0, limit - max(math.floor(limit * F(step["down_fraction"])), free))
    kept = {"open_items": "open_items_minor", "exposure": "exposure_minor"}.get(step.get("run_off", "none"))
    lowest = max(lowest, min(limit, s.c[kept])) if kept else lowest
    return min(max(target, lowest), highest), lowest


def _round(s: _Sheet, target: int, lowest: int) -> int:
    limit = s.c["limit_minor"]
    size = next(r["step"] for r in s.limits["rounding"] if r["up_to"] is None or target <= r["up_to"] * s.unit) * s.unit
    down: int = target // size * size
    if s.first:
        return down
    if target == limit:
        return int(limit)
    if target > limit:
        return max(down, int(limit))
    return min(down + size, int(limit)) if down < lowest else down


def _bounds(s: _Sheet, rounded: int) -> int:
    rules, result = s.limits, rounded
    hard = min(s.caps.values(), default=None)
    most = s.money(rules["maximum"])
    if not s.zero and not s.unused:
        floors = [s.money(rules["minimum"]), *([hard] if hard is not None else []), *([_base(s)] if s.forbidden else [])]
        result = max(rounded, min(floors))
    return min(result, most)


def _not_too_small(s: _Sheet, result: int) -> int:
    limit = s.c["limit_minor"]
    if not s.first and not s.zero and not s.unused and limit <= _within_layers(s, s.money(s.limits["maximum"])):
        change, smallest = abs(result - limit), s.limits["smallest_change"]
        if change < s.money(smallest["amount"]) and change < limit * F(smallest["fraction"]):
            return int(limit)
    return result


def _within_band(s: _Sheet) -> bool:
    """Whether a rate within policy's band would leave the limit in force of an account in another currency as it is."""
    band = F(s.limits.get("currency_band") or 0)
    if not band or s.rate == 1:
        return False
    without = {**s.policy, "limits": {**s.limits, "currency_band": 0}}
    rates = (s.rate / (1 + band), s.rate / (1 - band))
    found = [by_hand(s.c, without, rate=rate, unit=s.unit, policy_unit=s.policy_unit)["bounded"] for rate in rates]
    limit: int = s.c["limit_minor"]
    nearest = min(max(limit, min(found)), max(found))
    at_highest = _Sheet(s.c, without, rates[1], s.unit, s.policy_unit)
    at_highest.bound = s.bound
    if _within_layers(s, limit) < limit:
        return False
    return _not_too_small(at_highest, nearest) == limit


def _offered(rules: Facts, days: Any) -> Any:
    """The longest of the ranked terms that is not longer."""
    within = [r for r in rules.get("ranked") or () if days is not None and r <= days]
    return max(within) if within else days


def _terms(s: _Sheet) -> int | None:
    """Proposed payment terms."""
    now, rules = s.c["terms_days"], s.policy["terms"]
    longest = _offered(rules, rules["by_grade"].get(s.grade))
    if s.starter:
        days: int = _offered(rules, s.rule["starter_terms_days"])
        days = days if longest is None else min(days, longest)
        return days if now is None else min(now, days)
    if s.grade and now is not None and s.grade in rules["tighten_when"]:
        return int(min(now, longest))
    if s.first and not s.zero and now is None and s.grade:
        return int(longest)
    found: int | None = now
    return found
