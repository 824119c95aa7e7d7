"""One FEATURES row a customer from the items, master data, external reports and cover of a bucket."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx, need
from credit_review import statements as financial
from credit_review.errors import BadInput
from credit_review.exposure import backing, balances, quarantined
from credit_review.exposure import forecasts as foreseen
from credit_review.exposure.arrays import NO_DAY, Flags, Floats, Ints, day_number, day_numbers, nullable, ratio
from credit_review.exposure.ledger import CAPABILITIES, NEVER, Ledger, merge_quarantine, read
from credit_review.exposure.reasons import Reasons
from credit_review.model.frames import FEATURES, LAYER_AMOUNTS, LAYER_TEXTS, PANDAS, STATEMENTS
from credit_review.model.money import MAX_MINOR
from credit_review.model.states import Severity
from credit_review.policy import Policy
from credit_review.words import marked

FRACTION_DECIMALS = 6
DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class FeatureResult:
    """Features of a bucket and what a reader needs beside them.

    `frame` is FEATURES sorted by customer. `quarantine` holds the rows left out here (missing_rate, customer_in_master, item_is_dated).
    `sales_by_month` has currency, period_end, days, sales_minor for `portfolio`. `rates_used` is the evidence of conversions of items:
    base, quote, rate, rate_date, source, amounts.
    """

    frame: pd.DataFrame
    quarantine: pd.DataFrame
    sales_by_month: pd.DataFrame
    rates_used: pd.DataFrame


def features(
    items: pd.DataFrame,
    customers: pd.DataFrame,
    external: pd.DataFrame,
    cover: pd.DataFrame,
    *,
    as_of: date,
    policy: Policy,
    rates: fx.RateTable,
    capabilities: Collection[str],
    statements: pd.DataFrame | None = None,
    remarks: pd.DataFrame | None = None,
    quarantine: pd.DataFrame | None = None,
    forecasts: pd.DataFrame | None = None,
) -> FeatureResult:
    """FEATURES of every customer of `customers`, in account currency, whatever the order of the input rows.

    `capabilities` names what the source states (CAPABILITIES); figures that need something else read not computable. `statements` are
    STATEMENTS; of customers that have a row of them in quarantine none count. `remarks` are REMARKS, which count where policy says so.
    `quarantine` is the QUARANTINE frame of validation: rows that could raise exposure are added at their absolute amount where policy
    allows it. `forecasts` are FORECASTS of the whole book, which count as need where policy says so.
    Amounts in another currency than the account's are converted at the as_of rate, half-even once an amount; a row without a rate is
    quarantined and left out, and its customer's `not_computable` says so. Fractions are rounded to 6 decimals, days late to 4.
    Raises BadInput on an unknown capability, an unknown document kind, a customer that stands twice or an amount out of range.
    """
    master = _master(customers, capabilities)
    count = len(master)
    found = read(items, master, as_of=as_of, rates=rates)
    rules = policy.exposure
    open_now = balances.balances(found.ledger, count, as_of=as_of, rules=rules)
    held = quarantined.added(quarantine, master, as_of=as_of, policy=policy, rates=rates)
    exposure = balances.parts_sum(rules.parts, open_now, capabilities) + held
    backed = backing.cover(
        cover, master, exposure, as_of=as_of, rates=rates, oldest=open_now.oldest_dpd, ledger=found.ledger, policy=policy
    )
    past = balances.behaviour(found.ledger, count, as_of=as_of)
    peak, rule = past.peak if "cleared_items" in capabilities else np.zeros(count, dtype=np.int64), policy.limits.need.forecast
    bucket = _Bucket(
        as_of=as_of,
        has=frozenset(capabilities),
        master=master,
        open_now=open_now,
        past=past,
        foreseen=foreseen.needed(forecasts, master, peak, as_of=as_of, rule=rule, rates=rates),
        season=_season(found.ledger, count, as_of, policy),
        exposure=exposure,
        held=held,
        backed=backed,
        reports=backing.reports(external, master, as_of=as_of, rates=rates),
        condition=_condition(statements, master, quarantine, as_of, policy) if "statements" in capabilities else None,
        written=_written(remarks, master, as_of, policy),
        unpriced=found.unpriced,
    )
    left_out = merge_quarantine([found.quarantine, *backed.quarantine, *bucket.reports.quarantine])
    return FeatureResult(_frame(bucket), left_out, _sales(found.ledger, bucket), fx.evidence(found.used))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bucket:
    """Everything known about the customers of a bucket; arrays are by position in `master`."""

    as_of: date
    has: frozenset[str]
    master: pd.DataFrame
    open_now: balances.Balances
    past: balances.Behaviour
    season: Ints | None
    foreseen: foreseen.Forecasts
    exposure: Ints
    held: Ints
    backed: backing.Cover
    reports: backing.Reports
    condition: financial.Condition | None
    written: Any
    unpriced: list[tuple[int, str, str]]


def _season(ledger: Ledger, count: int, as_of: date, policy: Policy) -> Ints | None:
    """The season's peak where policy goes by one."""
    days = policy.limits.need.season_days
    return balances.season_peak(ledger, count, as_of=as_of, days=days) if days else None


def _master(customers: pd.DataFrame, capabilities: Collection[str]) -> pd.DataFrame:
    unknown = sorted(set(capabilities) - CAPABILITIES)
    if unknown:
        raise BadInput(
            f"unknown capability {unknown[0]!r} of a source",
            expected=", ".join(sorted(CAPABILITIES)),
            next_step="correct `has` in the mapping",
        )
    master = customers.sort_values("customer_id", kind="stable", ignore_index=True)
    twice = master["customer_id"].duplicated()
    if twice.any():
        raise BadInput(
            f"customers: {master.loc[twice, 'customer_id'].iloc[0]!r} stands more than once",
            expected="one row a customer",
            next_step="remove the duplicate from the customer master, or join the numbers in the mapping",
        )
    return master


def _sales(ledger: Ledger, bucket: _Bucket) -> pd.DataFrame:
    found = balances.sales_by_month(ledger, bucket.master["currency"], as_of=bucket.as_of)
    return found if "sales" in bucket.has else found.iloc[:0]


def _frame(b: _Bucket) -> pd.DataFrame:
    reasons = Reasons(len(b.master))
    columns = _open_columns(b) | _past_columns(b, reasons) | _outside_columns(b, reasons) | _master_columns(b, reasons)
    _lacking(b, reasons)
    columns |= _financial_columns(b) | {"remarks": b.written} | _layer_columns(len(b.master))
    columns["not_computable"] = _with_condition(reasons.texts(b.unpriced), b.condition)
    frame = pd.DataFrame({name: columns[name] for name in FEATURES.names}).astype({c.name: PANDAS[c.dtype] for c in FEATURES.columns})
    _check_range(frame)
    return frame


def _layer_columns(count: int) -> dict[str, Any]:
    """Layers in force, which no ledger knows: empty until `limits.bounds.layers_beside` fills them in."""
    none = {name: pd.array([pd.NA] * count, dtype="Int64") for name in LAYER_AMOUNTS}
    return none | {name: np.full(count, "", dtype=object) for name in LAYER_TEXTS}


def _open_columns(b: _Bucket) -> dict[str, Any]:
    now, count = b.open_now, len(b.master)
    ageing = dict(zip(("not_due", "dpd_1_30", "dpd_31_60", "dpd_61_90", "dpd_over_90"), now.ageing.T, strict=True))
    lacks = {part: np.full(count, part not in b.has) for part in ("deliveries", "orders", "notes")}
    return {f"{name}_minor": amount for name, amount in ageing.items()} | {
        "open_items_minor": now.open_items,
        "overdue_minor": now.overdue,
        "disputed_minor": now.disputed if "disputes" in b.has else np.zeros(count, dtype=np.int64),
        "unapplied_credits_minor": now.credits,
        "unbilled_deliveries_minor": nullable(now.deliveries, lacks["deliveries"]),
        "open_orders_minor": nullable(now.orders, lacks["orders"]),
        "notes_minor": nullable(now.notes, lacks["notes"]),
        "exposure_minor": b.exposure,
        "quarantined_minor": b.held,
        "insured_minor": b.backed.insured,
        "security_minor": b.backed.security,
        "own_risk_minor": np.maximum(b.exposure - b.backed.insured - b.backed.security, 0),
        "cover_cap_minor": nullable(b.backed.cap, b.backed.cap < 0),
        "cover_caps": b.backed.caps,
        "cover_notes": b.backed.notes,
        "oldest_dpd_days": now.oldest_dpd,
        "overdue_fraction": ratio(now.overdue, now.open_items, FRACTION_DECIMALS),
        "open_item_count": now.items,
    }


def _past_columns(b: _Bucket, reasons: Reasons) -> dict[str, Any]:
    past, count, today = b.past, len(b.master), day_number(b.as_of)
    sells, clears = "sales" in b.has, "cleared_items" in b.has
    terms = b.master["terms_days"]
    no_terms = terms.isna().to_numpy(dtype=bool)
    late = past.average_days_late if clears else np.full(count, np.nan)
    needed = need.by_terms(past.sales, terms.fillna(0).to_numpy(dtype=np.int64), late)
    since = day_numbers(b.master["customer_since"])
    known_since = (since != NO_DAY) & (since <= today)
    no_start = ~known_since & ((past.first_document == NEVER) | (not sells))
    start = np.where(known_since, since, np.minimum(past.first_document, today))
    never_bought = past.last_invoice == -NEVER
    if clears:
        reasons.add(past.cleared == 0, "average_days_late", marked("no items cleared in the last 12 months"))
        reasons.add(np.isnan(past.days_late_trend), "days_late_trend", marked("nothing cleared in the last 3 months or in the 9 before"))
    if sells:
        reasons.add(no_terms, "need_minor", marked("no payment terms"))
        reasons.add(never_bought, "last_invoice_days", marked("no invoice"))
    reasons.add(b.open_now.open_items == 0, "overdue_fraction", marked("no open items"))
    no_since = marked("no customer_since and no document") if sells else marked("no customer_since, and no full history in source")
    reasons.add(no_start, "months_on_book", no_since)
    return {
        "average_days_late": late,
        "days_late_trend": past.days_late_trend if clears else np.full(count, np.nan),
        "cleared_count": past.cleared if clears else np.zeros(count, dtype=np.int64),
        "sales_12m_minor": nullable(past.sales, np.full(count, not sells)),
        "peak_balance_minor": nullable(past.peak, np.full(count, not clears)),
        "season_peak_minor": nullable(past.peak if b.season is None else b.season, np.full(count, b.season is None or not clears)),
        "forecast_minor": nullable(b.foreseen.minor, ~b.foreseen.known),
        "forecast_note": pd.Series(b.foreseen.notes, dtype="str"),
        "need_minor": nullable(needed, no_terms | (not sells)),
        "months_on_book": np.where(no_start, np.nan, np.round((today - start) / DAYS_A_MONTH, 2)),
        "last_invoice_days": np.where(never_bought | (not sells), np.nan, today - past.last_invoice),
    }


def _outside_columns(b: _Bucket, reasons: Reasons) -> dict[str, Any]:
    found = b.reports
    none = marked("no external report on or before {day}").format(day=b.as_of)
    for name in ("external_grade", "external_pd_fraction", "external_age_days", "recommended_limit_minor"):
        reasons.add(~found.found, name, none)
    reasons.add(found.found & found.pd_fraction.isna().to_numpy(dtype=bool), "external_pd_fraction", marked("not in the newest report"))
    reasons.add(found.without_rate, "recommended_limit_minor", marked("no exchange rate to the account currency"))
    unstated = found.found & ~found.without_rate & found.recommended.isna().to_numpy(dtype=bool)
    reasons.add(unstated, "recommended_limit_minor", marked("not in the newest report"))
    return {
        "external_grade": found.grade,
        "external_pd_fraction": found.pd_fraction,
        "external_age_days": np.where(found.found, found.age_days, np.nan),
        "recommended_limit_minor": found.recommended,
    }


def _master_columns(b: _Bucket, reasons: Reasons) -> dict[str, Any]:
    master, today = b.master, day_number(b.as_of)
    stated = day_numbers(master["net_worth_date"])
    worth = master["tangible_net_worth_minor"]
    no_worth, undated = worth.isna().to_numpy(dtype=bool), stated == NO_DAY
    later = ~no_worth & ~undated & (stated > today)
    limit = master["limit_minor"]
    utilisation = _utilisation(b.exposure, limit)
    reasons.add(no_worth, "tangible_net_worth_minor", marked("no statements"))
    reasons.add(later, "tangible_net_worth_minor", marked("statements dated after {day}").format(day=b.as_of))
    reasons.add(~no_worth & undated, "net_worth_age_days", marked("statements without a date"))
    if "limits" in b.has:
        reasons.add(limit.isna().to_numpy(dtype=bool), "utilisation_fraction", marked("no limit on file"))
        reasons.add((limit == 0).fillna(False).to_numpy(dtype=bool), "utilisation_fraction", marked("the limit is 0"))
    copied = {name: master[name] for name in ("customer_id", "group_id", "currency", "limit_minor", "terms_days", "status")}
    return copied | {
        "utilisation_fraction": utilisation,
        "tangible_net_worth_minor": worth.mask(later),
        "net_worth_age_days": np.where(no_worth | undated | later, np.nan, today - stated),
    }


_FED_BY_STATEMENTS = FEATURES.names[FEATURES.names.index("not_computable") + 1 : FEATURES.names.index("remarks")]


def _written(remarks: pd.DataFrame | None, master: pd.DataFrame, as_of: date, policy: Policy) -> Any:
    """What was written about each customer in policy's months up to as_of, oldest first, a line each; empty where policy has it off."""
    rules = policy.scoring.text
    if remarks is None or not rules.use:
        return np.full(len(master), "", dtype=object)
    start = pd.Timestamp(as_of) - pd.DateOffset(months=rules.months)
    recent = remarks[(remarks["remark_date"] > start) & (remarks["remark_date"] <= pd.Timestamp(as_of))]
    ordered = recent.sort_values(["customer_id", "remark_date", "row_key"], kind="stable")
    lines = ordered.groupby("customer_id", sort=True)["remark"].agg("\n".join)
    return lines.reindex(master["customer_id"]).fillna("").to_numpy(dtype=object)


def _condition(
    statements: pd.DataFrame | None, master: pd.DataFrame, quarantine: pd.DataFrame | None, as_of: date, policy: Policy
) -> financial.Condition:
    rules, held = policy.scoring.statements, frozenset[str]()
    if quarantine is not None:
        refused = (quarantine["dataset"] == STATEMENTS.name) & (quarantine["severity"] != Severity.INFO.value)
        held = frozenset(quarantine.loc[refused, "customer_id"])
    return financial.condition(
        pd.DataFrame(columns=list(STATEMENTS.names)).astype({c.name: PANDAS[c.dtype] for c in STATEMENTS.columns})
        if statements is None
        else statements,
        master["customer_id"],
        as_of=as_of,
        unknown_receipt_days=rules.unknown_receipt_days,
        prefer=rules.prefer,
        years=rules.trend_years,
        held=held,
    )


def _financial_columns(b: _Bucket) -> dict[str, Any]:
    """Figures of the statements; all missing, and no word about it, where the sources have none: the scorecard says that once for all."""
    if b.condition is not None:
        return {name: b.condition.frame[name].to_numpy() for name in _FED_BY_STATEMENTS}
    return {c.name: np.full(len(b.master), "" if c.dtype == "str" else np.nan) for c in FEATURES.columns if c.name in _FED_BY_STATEMENTS}


def _with_condition(texts: pd.Series[str], condition: financial.Condition | None) -> pd.Series[str]:
    if condition is None:
        return texts
    more = pd.Series(condition.why, dtype="str")
    return texts.where(more == "", texts.where(texts == "", texts + "; ") + more)


def _utilisation(exposure: Ints, limit: pd.Series[Any]) -> Floats:
    in_force = limit.fillna(0).to_numpy(dtype=np.int64)
    return ratio(exposure, np.maximum(in_force, 0), FRACTION_DECIMALS)


_NEEDS = {
    "sales": ("sales_12m_minor", "need_minor", "last_invoice_days"),
    "cleared items": ("average_days_late", "days_late_trend", "cleared_count", "peak_balance_minor"),
    "orders": ("open_orders_minor",),
    "deliveries": ("unbilled_deliveries_minor",),
    "notes": ("notes_minor",),
    "limits": ("limit_minor", "utilisation_fraction"),
    "disputes": ("disputed_minor",),
}


def _lacking(b: _Bucket, reasons: Reasons) -> None:
    everyone: Flags = np.ones(len(b.master), dtype=bool)
    for what, names in _NEEDS.items():
        if what.replace(" ", "_") not in b.has:
            for name in names:
                reasons.add(everyone, name, marked("no {what} in source").format(what=what))


def _check_range(frame: pd.DataFrame) -> None:
    for column in FEATURES.columns:
        if column.name.endswith("_minor"):
            large = (frame[column.name].abs() > MAX_MINOR).fillna(False).to_numpy(dtype=bool)
            if large.any():
                raise BadInput(
                    f"{column.name} of customer {frame['customer_id'][large].iloc[0]} is out of range",
                    expected=f"at most {MAX_MINOR} minor units",
                    next_step="look for an amount with a wrong scale in the source",
                )
