"""The PROPOSALS frame: the engine's columns, directions, exceptions, the straight-through rule, and the words beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from credit_review import need
from credit_review.errors import ReviewStopped
from credit_review.fx import RateTable
from credit_review.limits import codes, engine
from credit_review.limits.arrays import Flags, Ints, Maybe, among, amount_texts, any_of, joined, pick
from credit_review.limits.bounds import owed_by_others
from credit_review.limits.codes import CLASS_PREFIX, SEPARATOR, Exceptional
from credit_review.limits.formula import shown
from credit_review.limits.rows import Rows, aligned, gather
from credit_review.limits.rules import Rules, compile_rules
from credit_review.model.frames import PANDAS, PROPOSALS
from credit_review.model.money import format_minor
from credit_review.model.states import CustomerState, Direction
from credit_review.policy import Policy
from credit_review.policy.formula.vocabulary import INPUTS
from credit_review.words import marked

_EMPTY: dict[str, Any] = {"str": "", "int": 0, "int?": pd.NA, "float": np.nan, "bool": False}
MISSING_RATE = "missing_rate"
BY_GROUP = "group"
"""Why a grade is another than the customer's own, beside SCORES.grade_rule: a member of its group is bad for it."""
NO_PROPOSAL = marked("no proposal possible: {reason}")
_MOST_REASONS = 4


def proposals(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    groups: pd.DataFrame,
    states: pd.DataFrame,
    *,
    policy: Policy,
    as_of: date,
    rates: RateTable | None = None,
    others_owe: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """See `credit_review.limits.propose`."""
    rows = gather(features, scores, states, policy=policy)
    rows = replace(rows, others_owe=_others_owe(rows, groups, policy, rates, as_of, others_owe))
    top, bad = _top_groups(groups, rows, policy), _bad_members(groups, rows)
    rows = _graded_with_group(rows, bad, policy)
    parts = []
    for name, mine in rows.of_segments([one.name for one in policy.segments]):
        own, some = policy.of_segment(name), rows.only(mine)
        rules, moved = compile_rules(own, rows.currencies, rates=rates, as_of=as_of), _moved(own, rows, rates, as_of)
        found = _reviewed(some, rules, top[mine], bad[mine].reset_index(drop=True), moved)
        parts.append(found.assign(policy_segment=name))
    if not parts:
        rules, moved = compile_rules(policy, rows.currencies, rates=rates, as_of=as_of), _moved(policy, rows, rates, as_of)
        parts.append(_reviewed(rows, rules, top, bad, moved))
    return _complete(pd.concat(parts, ignore_index=True), features, states)


def _graded_with_group(rows: Rows, bad: pd.Series[str], policy: Policy) -> Rows:
    """The rows, those with a bad member in their group at no better a grade than policy allows them."""
    best = policy.groups.best_grade
    if best is None:
        return rows
    least = policy.grade_names.index(best)
    worse = rows.graded & (bad != "").to_numpy(dtype=bool) & (rows.grade < least)
    scores = rows.scores.assign(
        grade=rows.scores["grade"].where(~worse, best), grade_rule=rows.scores["grade_rule"].where(~worse, BY_GROUP)
    )
    return replace(rows, grade=np.where(worse, least, rows.grade), scores=scores)


def _others_owe(
    rows: Rows, groups: pd.DataFrame, policy: Policy, rates: RateTable | None, as_of: date, told: Mapping[str, int] | None
) -> Maybe:
    if told is None:
        return owed_by_others(rows.features, groups, control=policy.control_currency, as_of=as_of, rates=rates)
    return Maybe.of(rows.ids.map(told).astype("Int64"))


def changed(proposals: pd.DataFrame) -> pd.Series[bool]:
    """Rows of PROPOSALS that change limit or terms of a reviewed customer: these become proposals."""
    limit = proposals["to_minor"].ne(proposals["from_minor"]).fillna(True)
    terms = proposals["to_terms_days"].ne(proposals["from_terms_days"]).fillna(False)
    moved: pd.Series[bool] = ((proposals["state"] == CustomerState.REVIEWED) & (limit | terms)).astype(bool)
    return moved


def _moved(policy: Policy, rows: Rows, rates: RateTable | None, as_of: date) -> tuple[Rules, ...]:
    """The rules at the lowest and the highest rate from which today's is within policy's band; none without a band."""
    band = Fraction(policy.limits.currency_band)
    scales = (1 / (1 + band), 1 / (1 - band)) if band else ()
    return tuple(compile_rules(policy, rows.currencies, rates=rates, as_of=as_of, moved=scale) for scale in scales)


def _kept(rows: Rows, classes: engine.Classes, caps: engine.Caps, bad: pd.Series[str], moved: Sequence[Rules]) -> Flags:
    """Accounts in another currency than control whose limit a rate within policy's band would leave as it is."""
    if not moved:
        return np.zeros(len(rows), dtype=bool)
    lowest, highest = (_at(rows, rules, classes, bad).bounded for rules in moved)
    policy = moved[0].policy
    foreign = np.array([code != policy.control_currency for code in rows.currencies], dtype=bool)[rows.currency]
    return foreign & engine.within_band(rows, classes, caps, lowest, highest, moved[1])


def _need_at_terms(rows: Rows, rules: Rules, result: engine.Result) -> pd.Series[Any]:
    """Need by sales at the proposed terms where they are others than those in force; said where policy ranks terms."""
    sales, then = rows.amounts("sales_12m_minor"), result.terms
    changed = rows.terms.known & then.known & (rows.terms.value != then.value) & sales.known & bool(rules.policy.terms.ranked)
    sold = np.where(changed, sales.value, 0)  # figures nobody is shown are none that could be too large
    return Maybe.where(changed, need.by_terms(sold, then.value, rows.floats("average_days_late"))).column()


def _rates_used(rows: Rows, rules: Rules) -> pd.Series[str]:
    """At which rate policy's amounts were converted for each account; said where policy has a currency band."""
    said = "currency_band" in rules.policy.limits.model_fields_set
    texts = np.array([text if said else "" for text in rules.rates_used], dtype=object)
    return pd.Series(texts[rows.currency], dtype="str")


def _at(rows: Rows, rules: Rules, classes: engine.Classes, bad: pd.Series[str]) -> engine.Result:
    caps = engine.caps(rows, rules, classes)
    forbids = engine.forbids(rows, rules, classes, caps, (bad != "").to_numpy(dtype=bool))
    return engine.amounts(rows, rules, classes, caps, any_of(len(rows), *forbids.values()))


def _reviewed(rows: Rows, rules: Rules, top: Flags, bad: pd.Series[str], moved: Sequence[Rules]) -> pd.DataFrame:
    classes = engine.classify(rows, rules)
    caps = engine.caps(rows, rules, classes)
    forbids = engine.forbids(rows, rules, classes, caps, (bad != "").to_numpy(dtype=bool))
    forbidden = any_of(len(rows), *forbids.values())
    result = engine.amounts(rows, rules, classes, caps, forbidden)
    kept = _kept(rows, classes, caps, bad, moved)
    result = replace(result, to=Maybe.where(result.to.known, np.where(kept, rows.limit.value, result.to.value)))
    columns = (
        _facts(rows, rules.policy)
        | _layers(rows, caps)
        | _figures(rows, rules, classes, caps, result)
        | {"forbids_increase": joined({str(k): v for k, v in forbids.items()})}
        | _effects(rows, rules, result)
        | {"reason_codes": _reasons(rows, rules, classes), "bad_members": bad}
        | {"need_at_terms_minor": _need_at_terms(rows, rules, result), "season_peak_minor": rows.season_peak.column()}
        | {"forecast_minor": rows.forecast.column(), "forecast_note": rows.features["forecast_note"]}
        | {"rate_used": _rates_used(rows, rules)}
        | {"kept_by": pd.Series(np.where(kept & (result.bounded != rows.limit.value), codes.CURRENCY_BAND, ""), dtype="str")}
    )
    frame = pd.DataFrame(columns)
    _judge(frame, rows, rules, _exceptional(rows, caps, top), result)
    return _refused(frame, rows, rules, caps, result)


def _facts(rows: Rows, policy: Policy) -> dict[str, Any]:
    same = ("group_id", "currency", "own_risk_minor", "overdue_minor", "exposure_minor")
    return {
        "customer_id": rows.ids,
        **{name: rows.features[name] for name in same},
        "grade": rows.scores["grade"],
        "points": rows.scores["points"],
        "pd_fraction": rows.scores["pd_fraction"],
        "from_minor": rows.limit.column(),
        "from_terms_days": rows.terms.column(),
        "need_by_terms_minor": rows.need_by_terms.column(),
        "peak_balance_minor": rows.peak_balance.column(),
        "need_minor": rows.need.column(),
        "grade_name": pd.Series(np.array([*(band.name for band in policy.grades), ""], dtype=object)[rows.grade], dtype="str"),
        "grade_note": grade_notes(rows.scores, policy),
    }


def grade_notes(scores: pd.DataFrame, policy: Policy) -> pd.Series[str]:
    """How each grade came about, as sentences joined by `; `; of views and margins nothing where policy says nothing of them."""
    if "scoring" not in policy.model_fields_set:
        capped = [
            codes.GRADE_BY_GROUP.format(grade=g) if rule == BY_GROUP else "" for g, rule in scores[["grade", "grade_rule"]].to_numpy()
        ]
        return pd.Series(capped, index=scores.index, dtype="str")
    columns = ["views", "view_missing", "behaviour_points", "financial_points", "grade", "grade_rule"]
    code = scores.groupby(columns, dropna=False, sort=False).ngroup().to_numpy(dtype=np.int64)
    first = np.unique(code, return_index=True)[1]
    notes = ["; ".join(_notes(*row)) for row in scores[columns].iloc[first].itertuples(index=False, name=None)]
    return pd.Series(pd.array(notes, dtype="str").take(code), index=scores.index)


def _notes(views: str, missing: str, behaviour: Any, financial: Any, grade: str, rule: str) -> Iterator[str]:
    if missing in codes.VIEW_NOTES:
        yield codes.VIEW_NOTES[missing]
    elif views in codes.COMBINED_NOTES:
        yield codes.COMBINED_NOTES[views].format(behaviour=behaviour, financial=financial)
    sentence = {"kept": codes.GRADE_KEPT, "capped": codes.GRADE_CAPPED, BY_GROUP: codes.GRADE_BY_GROUP}.get(rule)
    if sentence:
        yield sentence.format(grade=grade)


def _figures(rows: Rows, rules: Rules, classes: engine.Classes, caps: engine.Caps, result: engine.Result) -> dict[str, Any]:
    return {
        "formula_minor": caps.formula.column(),
        "formula": _formula_texts(rows, rules, classes, caps),
        "cap_net_worth_minor": caps.net_worth.column(),
        "cap_recommended_minor": caps.recommendation.column(),
        "cap_grade_minor": caps.grade.column(),
        "cap_need_minor": caps.need.column(),
        "derivation": _derivation(caps, len(rows)),
        "secured_minor": caps.secured,
        "cap_cover_minor": caps.cover.column(),
        "cover_caps": rows.features["cover_caps"],
        "cover_notes": rows.features["cover_notes"],
        "binding_cap": caps.binding,
        "substitutes": joined(caps.substitutes),
        "after_caps_minor": caps.after.column(),
        "after_step_minor": result.after_step.column(),
        "after_rounding_minor": result.after_rounding.column(),
        "to_minor": result.to.column(),
        "to_terms_days": result.terms.column(),
    }


def _layers(rows: Rows, caps: engine.Caps) -> dict[str, Any]:
    """What layers in force let each limit be."""
    names = zip(("cap_entity_minor", "cap_ceiling_minor", "cap_segment_minor", "cap_pool_minor"), caps.layers.values(), strict=True)
    found: dict[str, Any] = {name: cap.column() for name, cap in names}
    beside = {"pool_minor": rows.features["pool_minor"], "layers_converted": rows.features["layers_converted"]}
    return found | {"pool_free_minor": caps.free.column()} | beside


def _derivation(caps: engine.Caps, size: int) -> pd.Series[Any]:
    """Inputs and steps of the policy's own formula with their figures, `name=figure:unit` joined by |; the loop only writes text."""
    if caps.own is None:
        return pd.Series([""] * size, dtype="str")
    parts = []
    for name, (kind, found) in caps.own.figures.items():
        start, end = f"{name}=", f":{shown(kind)}"
        known = found.known.tolist()
        parts.append([f"{start}{v}{end}" if k else f"{start}{end}" for v, k in zip(found.value.tolist(), known, strict=True)])
    texts = np.array([SEPARATOR.join(one) for one in zip(*parts, strict=True)], dtype=object)
    return pd.Series(np.where(caps.own.asked, texts, ""), dtype="str")


def _effects(rows: Rows, rules: Rules, result: engine.Result) -> dict[str, Any]:
    """Exposure over the new limit, and the counted orders and deliveries that would stop; unknown where the source has neither."""
    over = Maybe.where(result.to.known, np.maximum(rows.exposure - result.to.value, 0))
    counted = [rows.amounts(f"{p}_minor") for p in ("open_orders", "unbilled_deliveries") if p in rules.policy.exposure.parts]
    none = np.zeros(len(rows), dtype=np.int64)
    stopping = Maybe.where(
        any_of(len(rows), *(part.known for part in counted)),
        np.add.reduce([none, *(np.maximum(part.value, 0) for part in counted)]),
    )
    blocked = Maybe.where(over.known & stopping.known, np.minimum(over.value, stopping.value))
    return {"over_limit_minor": over.column(), "blocked_orders_minor": blocked.column()}


def _reasons(rows: Rows, rules: Rules, classes: engine.Classes) -> pd.Series[Any]:
    """The score's codes, after the class rule's own where one decided; at most four."""
    names = pd.Series([f"{CLASS_PREFIX}{name}" for name in rules.statuses], dtype="str").iloc[rows.status].reset_index(drop=True)
    decided = classes.zero | classes.starter | classes.unused | classes.no_increase
    scored = rows.scores["reason_codes"]
    both = names.where(scored == "", names + SEPARATOR + scored)
    text = scored.where(~decided, both)
    code, unique = pd.factorize(text)
    cut = [SEPARATOR.join(str(t).split(SEPARATOR)[:_MOST_REASONS]) for t in unique]
    return pd.Series(np.array([*cut, ""], dtype=object)[code], dtype="str")


def _exceptional(rows: Rows, caps: engine.Caps, top: Flags) -> dict[str, Flags]:
    missing = any_of(len(rows), ~rows.graded, *caps.substitutes.values())
    return {
        Exceptional.FIRST_LIMIT: ~rows.limit.known,
        Exceptional.TOP_EXPOSURE: top,
        Exceptional.MISSING_DATA: missing,
        Exceptional.QUARANTINED_ROWS: rows.amounts("quarantined_minor").value > 0,
    }


def _judge(frame: pd.DataFrame, rows: Rows, rules: Rules, exceptional: Mapping[str, Flags], result: engine.Result) -> None:
    """Adds state, direction, exceptions and the straight-through decision."""
    to, now = result.to.value, rows.limit.value
    up, down = rows.limit.known & (to > now), rows.limit.known & (to < now)
    first = ~rows.limit.known
    frame["state"] = CustomerState.REVIEWED.value
    frame["state_reason"] = ""
    frame["direction"] = pick(
        {Direction.NEW: first, Direction.UP: up, Direction.DOWN: down, Direction.SAME: ~first & (to == now)}, len(rows)
    )
    frame["exceptional"] = joined({str(k): v for k, v in exceptional.items()})
    c, through = rows.currency, rules.policy.straight_through
    same_terms = (rows.terms.known == result.terms.known) & (rows.terms.value == result.terms.value)
    plain = ~any_of(len(rows), *exceptional.values()) & rows.graded & rules.passes[rows.grade] & same_terms
    raised = plain & up & (to <= rules.pass_limit[c]) & (to - now <= rules.pass_increase[c])
    lowered = plain & down & (now - to <= rules.pass_reduction[c])
    frame["straight_through"] = raised | lowered
    policy, grades = rules.policy, ", ".join(through.grades)
    most = [
        format_minor(policy.minor(a), policy.control_currency)
        for a in (through.up_to_increase, through.up_to_limit, through.reductions_up_to)
    ]
    shown = {"version": policy.version, "grades": grades}
    raise_text = _RAISES.format(increase=most[0], limit=most[1], **shown)
    lower_text = _LOWERS.format(reduction=most[2], **shown)
    frame["straight_through_rule"] = pick({raise_text: raised, lower_text: lowered}, len(rows))


_RAISES = marked("policy {version}: increase of at most {increase} to at most {limit}, grades {grades}")
_LOWERS = marked("policy {version}: reduction of at most {reduction}, grades {grades}")


def _refused(frame: pd.DataFrame, rows: Rows, rules: Rules, caps: engine.Caps, result: engine.Result) -> pd.DataFrame:
    """Customers for whom nothing can be proposed become quarantined and keep what they have: no rate, neither need nor limit, or a figure
    of the policy's formula without which policy proposes nothing."""
    for c, reason in rules.without_rate.items():
        _quarantine(frame, rows.currency == c, f"{MISSING_RATE}: {_INCOMPARABLE.format(reason=reason)}")
    unknown = rows.features["layers_unknown"]
    for reason in unknown[unknown != ""].unique():
        why = NO_LAYER_RATE.format(reason=reason)
        reviewed = (frame["state"] == CustomerState.REVIEWED).to_numpy()
        _quarantine(frame, (unknown == reason).to_numpy(dtype=bool) & reviewed, f"{MISSING_RATE}: {why}")
    for entry, flags in caps.substitutes.items():
        name, _, action = entry.split(":")
        if action == "quarantine":
            without = _WITHOUT.format(figure=INPUTS[name].words)
            _quarantine(frame, flags & (frame["state"] == CustomerState.REVIEWED).to_numpy(), NO_PROPOSAL.format(reason=without))
    text = NO_PROPOSAL.format(reason=_NO_FIGURE)
    _quarantine(frame, ~result.to.known & (frame["state"] == CustomerState.REVIEWED).to_numpy(), text)
    return frame


_INCOMPARABLE = marked("{reason}, so policy amounts cannot be compared with this account; add the rate and review again")
NO_LAYER_RATE = marked("{reason}, so a layer in force cannot be compared with this account; add the rate and review again")
_NO_FIGURE = marked("no limit on file, and need cannot be computed (neither sales with terms nor cleared items in source, or no grade)")

_WITHOUT = marked("policy proposes nothing without this figure, which is missing or too old: {figure}")

_KEPT = {
    "customer_id", "group_id", "currency", "grade", "points", "pd_fraction", "from_minor", "from_terms_days", "exposure_minor",
    "own_risk_minor", "overdue_minor", "need_by_terms_minor", "peak_balance_minor", "need_minor",
}  # fmt: skip


def _quarantine(frame: pd.DataFrame, rows: Flags, reason: str) -> None:
    if not rows.any():
        return
    for column in PROPOSALS.columns:
        if column.name in frame and column.name not in _KEPT:
            frame.loc[rows, column.name] = _EMPTY[column.dtype]
    frame.loc[rows, "state"] = CustomerState.QUARANTINED.value
    frame.loc[rows, "state_reason"] = reason


_FACTS = {
    "from_minor": "limit_minor",
    "from_terms_days": "terms_days",
    "need_by_terms_minor": "need_minor",
    "peak_balance_minor": "peak_balance_minor",
}
"""Facts of customers that are not reviewed, and the features they come from."""


def _complete(reviewed: pd.DataFrame, features: pd.DataFrame, states: pd.DataFrame) -> pd.DataFrame:
    """All customers of `states` in PROPOSALS columns: the reviewed ones, and the others with the facts known of them."""
    rest = states[states["state"] != CustomerState.REVIEWED].reset_index(drop=True)
    found, there = aligned(features, rest["customer_id"])
    others: dict[str, Any] = {name: rest[name] for name in ("customer_id", "group_id", "currency", "state", "state_reason")}
    if there.any():
        for name, source in _FACTS.items():
            others[name] = found[source].where(there)
        for name in ("exposure_minor", "own_risk_minor", "overdue_minor"):
            others[name] = found[name].where(there, 0)
    portfolio = states.set_index("customer_id")["portfolio"]
    parts = [_shaped(part) for part in (reviewed, pd.DataFrame(others)) if len(part)] or [_shaped(reviewed)]
    frame = pd.concat(parts, ignore_index=True).sort_values("customer_id", kind="stable", ignore_index=True)
    frame["analyst"] = portfolio.reindex(frame["customer_id"]).to_numpy()
    return frame.astype({"analyst": "str"})


def _shaped(frame: pd.DataFrame) -> pd.DataFrame:
    size = len(frame)
    columns = {c.name: frame[c.name] if c.name in frame else pd.Series([_EMPTY[c.dtype]] * size) for c in PROPOSALS.columns}
    return pd.DataFrame({c.name: columns[c.name].astype(PANDAS[c.dtype]) for c in PROPOSALS.columns})


def _top_groups(groups: pd.DataFrame, rows: Rows, policy: Policy) -> Flags:
    """Members of the groups with the largest exposure of the whole book, in control currency; equal ones by group id."""
    unknown = rows.ids[~among(rows.features["group_id"], groups["group_id"])]
    if len(unknown):
        raise ReviewStopped(
            f"groups: no row for the group of {', '.join(unknown.tolist()[:5])} ({len(unknown)} in all)",
            expected="one row for each group of a reviewed customer",
            next_step="resume the review; when it stops here again, the group roll-up lost these rows",
        )
    largest = groups[groups["exposure_minor"] > 0].sort_values(["exposure_minor", "group_id"], ascending=[False, True])
    top = largest["group_id"].head(policy.straight_through.never_top_exposures)
    return among(rows.features["group_id"], top)


def _bad_members(groups: pd.DataFrame, rows: Rows) -> pd.Series[str]:
    """The other members of each customer's group that policy calls bad for it, joined by |."""
    named = groups.loc[groups["bad_members"] != ""].set_index("group_id")["bad_members"]
    found = named.reindex(rows.features["group_id"]).fillna("").to_numpy(dtype=object)
    ids = rows.ids.to_numpy(dtype=object)
    for n in np.flatnonzero(found != "").tolist():
        found[n] = SEPARATOR.join(one for one in found[n].split(SEPARATOR) if one != ids[n])
    return pd.Series(found, dtype="str")


def _formula_texts(rows: Rows, rules: Rules, classes: engine.Classes, caps: engine.Caps) -> pd.Series[Any]:
    """The formula in words with its figures. The one loop over customers here only writes text."""
    unit = rules.unit[rows.currency]
    policy = rules.policy
    names = list(policy.grade_names)
    factors = [f"{policy.limits.by_grade[g].need_factor:.2f}" for g in policy.grade_names]
    needed = caps.need.known
    shown = np.where(needed, np.maximum(rows.need.value, 0), np.where(caps.from_exposure, rows.exposure, caps.formula.value))
    kinds = _kind(classes, caps, needed)
    extra = policy.limits.without_need.factor
    by_exposure = codes.RULE_BY_EXPOSURE if rules.formula else codes.BY_PART if extra != 1 else codes.BY_EXPOSURE
    may_fall = codes.RULE_MAY_FALL if rules.formula else codes.MAY_FALL
    by_peak = (rows.need.value > rows.need_by_terms.otherwise(-1)).tolist()
    own = rules.formula
    rule = codes.BY_RULE.format(expression=" ".join(own.steps[-1].text.split())) if own else ""
    by_season = rows.season_peak.known & (rows.season_peak.value == rows.need.value)
    by_forecast = rows.forecast.known & (rows.forecast.value == rows.need.value)
    above = np.select([by_forecast, by_season], [codes.BY_FORECAST, codes.BY_SEASON], codes.BY_PEAK).tolist()
    said: list[str] = []
    texts, places = amount_texts(shown, unit), (rows.currency.tolist(), rows.grade.tolist(), rows.status.tolist())
    for kind, text, c, g, s, peak, by_balance in zip(kinds.tolist(), texts, *places, by_peak, above, strict=True):
        amount = f"{text} {rows.currencies[c]}"
        if kind == _NEED and own:
            said.append(rule)
        elif kind == _NEED:
            by_need = by_balance if peak else codes.BY_NEED
            said.append(by_need.format(amount=amount, factor=factors[g], grade=names[g]))
        elif kind == _EXPOSURE:
            said.append(by_exposure.format(amount=amount, part=f"{extra:.2f}", factor=factors[g], grade=names[g]))
        elif kind == _STARTER:
            said.append(codes.STARTS.format(amount=amount, status=rules.statuses[s]))
        elif kind == _UNUSED:
            said.append(codes.FALLS.format(amount=amount, status=rules.statuses[s]))
        elif kind == _ZERO:
            said.append(codes.NOTHING.format(status=rules.statuses[s]))
        else:
            said.append(may_fall if g >= 0 else codes.STAYS)
    return pd.Series(said, dtype="str")


_NEED, _EXPOSURE, _STARTER, _UNUSED, _ZERO, _KEEP = range(6)


def _kind(classes: engine.Classes, caps: engine.Caps, by_need: Flags) -> Ints:
    flags = [classes.zero, classes.unused, classes.starter, caps.from_exposure, by_need]
    return np.select(flags, [_ZERO, _UNUSED, _STARTER, _EXPOSURE, _NEED], _KEEP)
