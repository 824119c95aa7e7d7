"""What must come of each canary: worked out from policy, scorecard and authority matrix as written, one customer at a time.

The second way to every figure: plain numbers and exact fractions, no frame, and no code of the engine, of the scoring or of routing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction as F
from typing import Any

from credit_review.canaries.by_hand import by_hand

FOREIGN_RATE = "1.25"
"""One unit of control currency in units of the canaries' foreign currency."""

Written = Mapping[str, Any]
"""A document as its file has it, numbers exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The documents as written, and how many minor units a major unit of control and of foreign currency has."""

    policy: Written
    scorecard: Written
    matrix: Written
    unit: int
    foreign_unit: int


def answers(canaries: Sequence[Any], rules: Rules) -> dict[str, dict[str, Any]]:
    """By customer id, the figures that must come out (see `result.FIGURES`); amounts in minor units of the account."""
    facts = {c.customer_id: _facts(c, rules) for c in canaries}
    exposures = sorted((-_control(c, rules, facts[c.customer_id]["exposure_minor"]), c.customer_id) for c in canaries)
    most = rules.policy["straight_through"]["never_top_exposures"]
    # the review puts so many larger groups beside them that only the largest canary is among the top
    top = {exposures[0][1]} if most > 0 and exposures[0][0] < 0 else set()
    return {c.customer_id: _answer(c, facts[c.customer_id], rules, top=c.customer_id in top) for c in canaries}


def _rate(c: Any, rules: Rules) -> F:
    """Minor units of the account per minor unit of control."""
    return F(FOREIGN_RATE) * rules.foreign_unit / rules.unit if c.foreign else F(1)


def _control(c: Any, rules: Rules, minor: int) -> int:
    return round(minor / _rate(c, rules))


# --- what it owes and how it pays -----------------------------------------------------------------------------------------------------


def _facts(c: Any, rules: Rules) -> dict[str, Any]:
    """Features by the names that policy and scorecard know them by."""
    policy, rate = rules.policy, _rate(c, rules)
    owed = _owed(c, rules)
    late = None if c.known.late is None else F(c.known.late)
    sales = round(c.known.sales * rate)
    parts = sum(owed[part] for part in policy["exposure"]["parts"])
    exposure = max(0, parts) + owed["quarantined_minor"]
    delay = max(late or F(0), F(0))
    return (
        owed
        | {
            "status": c.status,
            "limit_minor": c.limit,
            "terms_days": c.terms,
            "exposure_minor": exposure,
            "own_risk_minor": max(0, exposure - sum(_covered(one, exposure) for one in c.cover)),
            "security_minor": sum(_covered(one, exposure) for one in c.cover if one.kind == "guarantee"),
            "ceiling_minor": c.ceiling,
            "pool_minor": None if c.pool is None else round(c.pool * rate),
            "others_owe_minor": 0,
            "cover_cap_minor": _cover_cap(c, policy, rules.unit, rate),
            "average_days_late": late,
            "days_late_trend": None if c.known.trend is None else F(c.known.trend),
            "sales_12m_minor": sales,
            "peak_balance_minor": round(c.known.peak * rate),
            "season_peak_minor": _season_peak(c, policy["limits"]["need"].get("season_days", 0), rate),
            "need_minor": round(sales * (c.terms + delay) / 365),
            "last_invoice_days": min(i.posted for i in c.invoices if not i.broken),
            "months_on_book": F(round(F(c.since) / F("30.4375") * 100), 100),
            "tangible_net_worth_minor": c.worth,
            "net_worth_age_days": c.worth_age,
            "external_grade": c.report.grade if c.report else "",
            "external_pd_fraction": F(c.report.pd) if c.report else None,
            "external_age_days": c.report.age if c.report else None,
            "recommended_limit_minor": c.report.recommended if c.report else None,
            "insured_minor": sum(_covered(one, exposure) for one in c.cover if one.kind != "guarantee"),
            "cleared_count": sum(not i.broken and i.cleared is not None and i.cleared < 365 for i in c.invoices),
            "pays": any(not i.broken and (i.cleared is None or i.cleared < 365) for i in c.invoices),
        }
        | _accounts(c)
    )


_WEIGHTS = (F("6.56"), F("3.26"), F("6.72"), F("1.05"))
"""Altman's Z'' for working capital, kept profits and earnings over assets, and equity over what is owed."""


def _accounts(c: Any) -> dict[str, Any]:
    """What the newest accounts come to; nothing of Altman for a financial company."""
    if not c.accounts:
        return dict.fromkeys(("age", "z2", "altman_score", "zone", "trend", "equity", "coverage", "liquid", "margin"))
    new = c.accounts[0]
    scores = [_z2(one) for one in c.accounts]
    z2 = scores[0]
    score, zone = _altman(new, z2)
    return {
        "age": new.age,
        "z2": z2,
        "altman_score": score,
        "zone": zone,
        "trend": _slope(c.accounts, scores) if len(scores) >= 3 and None not in scores else None,
        "equity": _six(new.assets - new.owed, new.assets),
        "coverage": _six(new.earned, new.interest),
        "liquid": _six(new.current, new.due),
        "margin": _six(new.profit, new.sold),
    }


def _six(over: int, under: int) -> F:
    return F(round(F(over, under) * 10**6), 10**6)


def _z2(one: Any) -> F | None:
    parts = (
        _six(one.current - one.due, one.assets), _six(one.kept, one.assets), _six(one.earned, one.assets),
        _six(one.assets - one.owed, one.owed),
    )  # fmt: skip
    return None if one.kind == "financial" else F(round(sum(w * p for w, p in zip(_WEIGHTS, parts, strict=True)) * 10**4), 10**4)


def _altman(one: Any, z2: F | None) -> tuple[F | None, str | None]:
    """Score and zone by the model made for the kind of company; a listed one is worth its assets on the market."""
    liquid, kept, earned, sold = ((F(n, one.assets)) for n in (one.current - one.due, one.kept, one.earned, one.sold))
    book, market = F(one.assets - one.owed, one.owed), F(one.assets, one.owed)
    score, low, high = {
        "listed_manufacturer": (F("1.2") * liquid + F("1.4") * kept + F("3.3") * earned + F("0.6") * market + sold, "1.81", "2.99"),
        "private_manufacturer": (
            F("0.717") * liquid + F("0.847") * kept + F("3.107") * earned + F("0.42") * book + F("0.998") * sold, "1.23", "2.90",
        ),
        "non_manufacturer": (z2, "1.1", "2.6"),
        "emerging_market": (None if z2 is None else z2 + F("3.25"), "4.35", "5.85"),
        "financial": (None, "0", "0"),
    }[one.kind]  # fmt: skip
    if score is None:
        return None, None
    return F(round(score * 10**4), 10**4), "safe" if score > F(high) else "distress" if score < F(low) else "grey"


def _slope(accounts: Sequence[Any], scores: Sequence[Any]) -> F:
    """Least squares over the years of 365.25 days."""
    times = [-F(one.age) / F("365.25") for one in accounts]
    t, y = sum(times) / len(times), sum(scores) / len(scores)
    slope = sum((a - t) * (b - y) for a, b in zip(times, scores, strict=True)) / sum((a - t) ** 2 for a in times)
    return F(round(slope * 10**4), 10**4)


def _owed(c: Any, rules: Rules) -> dict[str, Any]:
    """What is open at the as-of date, and what of it the gate must take out."""
    rate, exposure = _rate(c, rules), rules.policy["exposure"]
    standing = [i for i in c.invoices if i.cleared is None and not i.broken]
    disputed = sum(round(i.amount * rate) for i in standing if i.disputed)
    aged = [(round(i.amount * rate), max(i.due, 0)) for i in standing if not (i.disputed and exposure["hold_out_disputes"])]
    broken = sum(i.amount for i in c.invoices if i.broken)
    small = broken <= F(rules.policy["intake"]["review_quarantined_below"]) * rules.unit
    horizon = exposure["order_horizon_days"]
    others = {kind: sum(round(o.amount * rate) for o in c.others if o.kind == kind and (kind != "order" or -o.due <= horizon))
              for kind in ("credit_note", "delivery", "order", "note")}  # fmt: skip
    return {
        "open_items": sum(amount for amount, _ in aged),
        "open_items_minor": sum(amount for amount, _ in aged),
        "unapplied_credits": others["credit_note"],
        "unbilled_deliveries": max(0, others["delivery"]),
        "unbilled_deliveries_minor": max(0, others["delivery"]),
        "open_orders": max(0, others["order"]),
        "open_orders_minor": max(0, others["order"]),
        "notes": max(0, others["note"]),
        "overdue_minor": sum(amount for amount, days in aged if days > 0),
        "oldest_dpd_days": max((days for _, days in aged), default=0),
        "over_30": sum(amount for amount, days in aged if days > 30),
        "aged": aged,
        "disputed_minor": disputed,
        "quarantined_minor": round(broken * rate) if small else 0,
        "held": not small,
    }


def _covered(one: Any, exposure: int) -> int:
    """Insurance is its share of the exposure under it, a guarantee its share of its amount; rounded down."""
    amount = min(one.amount, exposure) if one.kind == "insured_limit" else one.amount
    return math.floor(F(amount * one.percent, 100))


def _season_peak(c: Any, days: int, rate: F) -> int | None:
    """The highest evening balance of the last so many days, and of as many days from 364 days ago on; day by day."""
    if not days:
        return None
    return max(0, *(_evening(c, back, rate) for back in (*range(days), *range(365 - days, 365))))


def _evening(c: Any, back: int, rate: F) -> int:
    """What was owed at the end of a day so many days ago."""
    there = [i.amount for i in c.invoices if not i.broken and i.posted >= back and (i.cleared is None or i.cleared < back)]
    there += [o.amount for o in c.others if o.kind == "credit_note" and o.posted >= back]
    return sum(round(amount * rate) for amount in there)


def _cover_cap(c: Any, policy: Written, unit: int, rate: F) -> int | None:
    """The largest limit of which, used in full, no more than policy's amount is our own; found by halving."""
    most = (policy.get("insurance") or {}).get("own_risk_up_to")
    if most is None:
        return None
    ours = round(F(most) * unit * rate)
    low, high = 0, ours + sum(one.amount for one in c.cover) + 1
    while high - low > 1:
        tried = (low + high) // 2
        low, high = (tried, high) if tried - sum(_covered(one, tried) for one in c.cover) <= ours else (low, tried)
    return low


# --- its score ------------------------------------------------------------------------------------------------------------------------


def _fraction(over: int, under: int) -> F | None:
    return None if under <= 0 else F(round(F(over, under) * 10**6), 10**6)


def _measures(f: Written) -> dict[str, tuple[Any, Any]]:
    """Every factor's value, and the age of what it rests on."""
    owed = f["open_items"]
    return {
        "overdue_fraction": (_fraction(f["overdue_minor"], owed), None),
        "oldest_dpd_days": (f["oldest_dpd_days"], None),
        "over_30_days_fraction": (_fraction(f["over_30"], owed), None),
        "average_days_late": (f["average_days_late"], None),
        "days_late_trend": (f["days_late_trend"], None),
        "utilisation_fraction": (_fraction(f["exposure_minor"], f["limit_minor"] or 0), None),
        "months_on_book": (f["months_on_book"], None),
        "external_pd_fraction": (f["external_pd_fraction"], f["external_age_days"]),
        "external_grade": (f["external_grade"] or None, f["external_age_days"]),
        "disputed_fraction": (_fraction(f["disputed_minor"], max(owed, f["disputed_minor"])), None),
        "net_worth_to_sales": (
            None if f["tangible_net_worth_minor"] is None else _fraction(f["tangible_net_worth_minor"], f["sales_12m_minor"]),
            f["net_worth_age_days"],
        ),
        "remarks_log_odds": (None, None),  # nobody wrote about them
        "altman_z2": (f["z2"], f["age"]),
        "altman_zone": (f["zone"], f["age"]),
        "altman_z2_trend": (f["trend"], f["age"]),
        "equity_ratio": (f["equity"], f["age"]),
        "interest_coverage": (f["coverage"], f["age"]),
        "current_ratio": (f["liquid"], f["age"]),
        "net_margin": (f["margin"], f["age"]),
        "statements_age_days": (f["age"], None),
    }


_FROM_OUTSIDE = ("external_pd_fraction", "external_grade")
_OF_THE_LEDGER = (
    "overdue_fraction", "oldest_dpd_days", "over_30_days_fraction", "average_days_late", "days_late_trend", "utilisation_fraction",
    "months_on_book", "disputed_fraction", "remarks_log_odds",
)  # fmt: skip


def _earned(f: Written, factor: Written) -> tuple[int, bool]:
    """Points of one factor, and whether its value is known."""
    value, age = _measures(f)[factor["name"]]
    oldest = factor.get("max_age_days")
    if value is None or (oldest is not None and age is not None and age > oldest):
        return factor["missing"]["points"], False
    if factor["kind"] == "category":
        bins = [b["points"] for b in factor["bins"] if value in b["values"]]
        return (bins[0], True) if bins else (factor["missing"]["points"], False)
    return next(b["points"] for b in factor["bins"] if b["below"] is None or value < F(b["below"])), True


def _scored(f: Written, rules: Rules, unit: int) -> dict[str, Any]:
    """Points of each view alone and of both as policy's `scoring` combines them."""
    scorecard, scoring = rules.scorecard, rules.policy.get("scoring") or {}
    sums, known = {"behaviour": 0, "financial": 0}, {"behaviour": f["pays"], "financial": False}
    for factor in scorecard["factors"]:
        points, there = _earned(f, factor)
        outside = factor["name"] in _FROM_OUTSIDE
        view = scoring.get("external", "financial") if outside else "behaviour" if factor["name"] in _OF_THE_LEDGER else "financial"
        sums[view] += points
        known[view] = known[view] or (there and factor["name"] not in _OF_THE_LEDGER)
    base, already = scorecard["base"], _already(f, scorecard["already"], unit)
    counted = _counted(sums, known, scoring)
    lacks = [view for view in sums if not known[view]]
    return {
        "points": int(base + counted + already),
        "behaviour_points": int(base + sums["behaviour"] + already) if known["behaviour"] else None,
        "financial_points": int(base + sums["financial"]) if known["financial"] else None,
        "view_missing": "both" if len(lacks) == 2 else "".join(lacks),
    }


def _counted(sums: Mapping[str, int], known: Mapping[str, bool], scoring: Written) -> int:
    """What counts of the two views' points."""
    way, weights = scoring.get("combine", "weighted"), scoring.get("weights") or {}
    share = {view: F(weights.get(view, 1)) for view in sums}
    there = [view for view in sums if known[view]]
    if not there:
        return sum(sums.values())
    if len(there) == 1:
        absent = next(view for view in sums if not known[view])
        without = (scoring.get(f"without_{absent}") or {}).get("points", "scorecard")
        more = share[absent] * sums[absent] if way == "weighted" and without == "scorecard" else 0
        return round(sums[there[0]] + more)
    if way == "weighted":
        return round(sum(share[view] * sums[view] for view in sums))
    return min(sums.values()) if way == "worse_of" else sums[way]


def _already(f: Written, rule: Written, unit: int) -> int:
    """Points for a customer to whom it has happened: a bucket counts that begins beyond the days, the last one always."""
    days = rule["days_past_due"]
    starts = {1: (1, 30), 31: (31, 60), 61: (61, 90), 91: (91, 10**9)}
    counted = [span for start, span in starts.items() if start > days or start == 91]
    beyond = sum(amount for amount, late in f["aged"] if any(low <= late <= high for low, high in counted))
    happened = f["oldest_dpd_days"] > days and beyond > 0 and beyond >= math.floor(F(rule["material_amount"]) * unit)
    return int(rule["points"]) if happened or f["status"] in rule["statuses"] else 0


def _probability(points: int, scorecard: Written) -> float:
    """The probability that the points stand for."""
    scale = scorecard["scale"]
    factor = float(scale["double_odds"]) / math.log(2)
    log_odds = (points - (float(scale["base_points"]) - factor * math.log(float(scale["base_odds"])))) / factor
    measured = scorecard["calibration"]
    slope, shift = (measured["slope"], measured["shift"]) if isinstance(measured, dict) else (1.0, measured)
    return round(1 / (1 + math.exp(float(slope) * log_odds - float(shift))), 6)


def _grade(probability: float, policy: Written, missing: str, was: int | None) -> tuple[str, str]:
    """The grade, and why it is another than its band's."""
    scoring, bands = policy.get("scoring") or {}, policy["grades"]
    last, margin = len(bands) - 1, F(scoring.get("grade_margin", 0))
    place, why = next(n for n, band in enumerate(bands) if probability < float(band["below"])), ""
    if was is not None and min(was, last) != place:
        before = min(was, last)
        low = 0.0 if before == 0 else float(round(F(bands[before - 1]["below"]) * (1 - margin), 6))
        high = 2.0 if before == last else float(round(F(bands[before]["below"]) * (1 + margin), 6))
        if low <= probability < high:
            place, why = before, "kept"
    lacks = ("behaviour", "financial") if missing == "both" else (missing,)
    best = [(scoring.get(f"without_{view}") or {}).get("best_grade") for view in lacks]
    least = max([place, *(n for n, band in enumerate(bands) if band["grade"] in best)])
    return str(bands[least]["grade"]), "capped" if least > place else why


# --- its limit and its way ------------------------------------------------------------------------------------------------------------


def _answer(c: Any, f: dict[str, Any], rules: Rules, *, top: bool) -> dict[str, Any]:
    unit = rules.foreign_unit if c.foreign else rules.unit
    score = _scored(f, rules, unit)
    probability = _probability(score["points"], rules.scorecard)
    grade, why = _grade(probability, rules.policy, score["view_missing"], c.was)
    measured = {name: value for name, (value, _) in _measures(f).items()}
    scored = {"grade": grade, "view_missing": score["view_missing"], "points": score["points"], "pd_fraction": F(str(probability))}
    hand = by_hand(measured | f | scored, _of_segment(c, f, rules), rate=_rate(c, rules), unit=unit, policy_unit=rules.unit)
    found = {
        "state": _state(c, f, rules, hand),
        "quarantined_rows": sum(i.broken for i in c.invoices),
        "exposure_minor": f["exposure_minor"],
        "own_risk_minor": f["own_risk_minor"],
        "overdue_minor": f["overdue_minor"],
        "need_minor": f["need_minor"],
        **{name: score[name] for name in ("points", "behaviour_points", "financial_points")},
        "grade": grade,
        "grade_rule": why,
    }
    if found["state"] != "reviewed":
        return found
    found |= {
        "to_minor": hand["to"],
        "to_terms_days": hand["terms"],
        "direction": hand["direction"],
        "forbids_increase": "|".join(sorted(hand["forbidden"])),
    }
    return found | _way(c, f, rules, hand, grade, top=top)


def _of_segment(c: Any, f: Written, rules: Rules) -> Written:
    """The policy as the first segment that the canary belongs to has it; a canary has no region and no business segment."""
    policy = rules.policy
    for segment in policy.get("segments") or ():
        if _belongs(c, f, rules, segment["who"]):
            own = {name: segment[name] for name in ("maximum", "step", "caps") if segment.get(name) is not None}
            own["by_grade"] = {**policy["limits"]["by_grade"], **(segment.get("by_grade") or {})}
            given = segment.get("inputs") or {}
            if segment.get("formula"):
                own |= {"formula": segment["formula"], "inputs": given}
            else:
                own["inputs"] = {**(policy["limits"].get("inputs") or {}), **given}
            return {**policy, "limits": {**policy["limits"], **own}}
    return policy


def _belongs(c: Any, f: Written, rules: Rules, who: Written) -> bool:
    exposure = _control(c, rules, f["exposure_minor"])
    low, high = who.get("exposure_from"), who.get("exposure_below")
    in_band = (low is None or exposure >= F(low) * rules.unit) and (high is None or exposure < F(high) * rules.unit)
    lists = (("regions", ""), ("legal_entities", "ALL"), ("segments", ""), ("statuses", c.status))
    return in_band and all(value in who[name] for name, value in lists if who.get(name))


def _state(c: Any, f: Written, rules: Rules, hand: Written) -> str:
    if rules.policy["classes"][c.status]["action"] == "exclude":
        return "excluded"
    return "quarantined" if f["held"] or hand["to"] is None else "reviewed"


def _way(c: Any, f: Written, rules: Rules, hand: Written, grade: str, *, top: bool) -> dict[str, Any]:
    """Route, tier and approvals; all empty where nothing changes."""
    to, now = hand["to"], c.limit
    if to == now and hand["terms"] == c.terms:
        return {"route": "", "tier": "", "approvals": 0}
    more = {"top": top, "data": bool(hand["substitutes"]), "rows": f["quarantined_minor"] > 0}
    exceptional = any(more.values())
    tier = _tier(c, rules, hand, grade, exceptional=exceptional)
    tiers = rules.matrix["tiers"]
    through = rules.policy["straight_through"]
    passes = not exceptional and now is not None and hand["terms"] == c.terms and _passes(c, rules, to, grade)
    if passes and tier == 0:
        return {"route": "by rule", "tier": "", "approvals": 0}
    waits = "approvers" if through["release_untouched"] else "worklist"
    return {"route": waits, "tier": tiers[tier]["tier"], "approvals": tiers[tier]["approvers"]}


def _passes(c: Any, rules: Rules, to: int, grade: str) -> bool:
    through, rate = rules.policy["straight_through"], _rate(c, rules)
    most = {name: round(F(through[name]) * rules.unit * rate) for name in ("up_to_limit", "up_to_increase", "reductions_up_to")}
    raised = to > c.limit and to <= most["up_to_limit"] and to - c.limit <= most["up_to_increase"]
    lowered = to < c.limit and c.limit - to <= most["reductions_up_to"]
    return bool(through["enabled"] and grade in through["grades"] and (raised or lowered))


def _tier(c: Any, rules: Rules, hand: Written, grade: str, *, exceptional: bool) -> int:
    """Position of the tier: the stricter of the two sums, raised by grade, exception and first limit; a reduction has its own."""
    matrix, to, now = rules.matrix, hand["to"], c.limit
    names = [t["tier"] for t in matrix["tiers"]]
    loosens = (to > 0 or (hand["terms"] or 0) > 0) if now is None else (to > now or (hand["terms"] or 0) > (c.terms or 0))
    if not loosens:
        return names.index(matrix["reduction_tier"])
    raised = matrix["raise_tier"]
    asked = [_first_within(matrix, "group_limit_up_to", _control(c, rules, to), rules.unit)]
    asked.append(_first_within(matrix, "increases_12m_up_to", _control(c, rules, max(0, to - (now or 0))), rules.unit))
    if grade in raised.get("grades", {}):
        asked.append(names.index(raised["grades"][grade]))
    if exceptional:
        asked.append(names.index(raised["exceptions"]))
    if now is None:
        asked.append(names.index(raised["first_limit"]))
    return max(asked)


def _first_within(matrix: Written, bound: str, minor: int, unit: int) -> int:
    return next(n for n, tier in enumerate(matrix["tiers"]) if tier[bound] is None or minor <= F(tier[bound]) * unit)
