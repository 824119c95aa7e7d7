"""The yardstick: features, scores and limits of a generated book in plain vectorised pandas, and nothing else.

No validation, snapshot, store, audit trail, report or orchestration, no identity rules, no dirt, and no code of the product: only pandas,
numpy, PyYAML. It reads the same CSV files, policy and scorecard as the review, and its limits must equal the review's to the minor unit.
`python -m benchmarks.bare FOLDER --policy policy.yaml --scorecard scorecard.json --out bare.parquet`
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

CENTS, MILLION, NO_CAP = 100, 1_000_000, 2**62  # every currency of the generated book has two decimals
MONTH = 365.25 / 12
LEDGER_DATES = ["posting_date", "due_date", "clearing_date"]
TERMS = {"Z000": 0, "Z014": 14, "Z030": 30, "Z045": 45, "Z060": 60}
STATUS = {"A": "active", "P": "prepayment", "B": "blocked", "L": "legal", "I": "insolvent", "D": "dormant", "N": "new"}
STATUS |= {"O": "one_off", "IC": "intercompany"}


def read(folder):
    """The five tables, amounts as integer cents, customers by number."""
    text = {"customer_number": "str"}
    used = ["customer_number", "document_type", *LEDGER_DATES, "amount", "open_amount", "disputed"]
    items = pd.read_csv(folder / "ledger.csv", usecols=used, parse_dates=LEDGER_DATES, dtype=text)
    for column in ("amount", "open_amount"):
        items[column] = cents(items[column])
    customers = pd.read_csv(
        folder / "customers.csv", parse_dates=["customer_since", "net_worth_date"], dtype=text | {"parent_number": "str"}
    )
    customers = customers.sort_values("customer_number", ignore_index=True)
    bureau = pd.read_csv(folder / "bureau.csv", parse_dates=["report_date"], dtype=text)
    cover = pd.read_csv(folder / "cover.csv", parse_dates=["valid_from", "valid_to"], dtype=text)
    rates = pd.read_csv(folder / "rates.csv", dtype={"rate": "str"})
    return items, customers, bureau, cover, dict(zip(rates["quote"], rates["rate"], strict=True)) | {"EUR": "1"}


def cents(amounts):
    """Major units with two decimals as integers, missing where missing."""
    whole = (amounts * CENTS).round()
    return whole.astype("Int64" if whole.isna().any() else "int64")


def features(items, customers, bureau, cover, as_of, policy):
    """One row a customer, in the order of `customers`; as_of is a month's end."""
    number = pd.Index(customers["customer_number"])
    code = number.get_indexer(items["customer_number"])
    count = len(customers)

    def total(values):
        return values.groupby(code).sum().reindex(range(count), fill_value=0).to_numpy()

    def extreme(values, how):
        return getattr(values.groupby(code), how)().reindex(range(count))

    kind, posted, due, cleared = (items[c] for c in ("document_type", "posting_date", "due_date", "clearing_date"))
    amount, live = items["amount"], items["open_amount"].where(~(cleared <= as_of) & (posted <= as_of), 0)
    invoice, order, delivery = kind == "INV", kind == "ORD", kind == "DLV"
    owed = live.where(~order & ~delivery & (live > 0), 0)
    dpd = (as_of - due).dt.days.clip(lower=0)
    f = pd.DataFrame({"customer_id": number, "currency": customers["currency"], "status": customers["credit_status"].map(STATUS)})
    f["open_items_minor"] = total(owed)
    for name, low, high in (("1_30", 1, 30), ("31_60", 31, 60), ("61_90", 61, 90), ("over_90", 91, 10**6)):
        f[f"dpd_{name}_minor"] = total(owed.where(dpd.between(low, high), 0))
    f["overdue_minor"] = total(owed.where(dpd > 0, 0))
    f["disputed_minor"] = total(owed.where(items["disputed"] == "Y", 0))
    f["unapplied_credits_minor"] = total(live.where(~order & ~delivery & (live < 0), 0))
    f["unbilled_deliveries_minor"] = np.maximum(total(live.where(delivery, 0)), 0)
    soon = due <= as_of + pd.Timedelta(days=policy["exposure"]["order_horizon_days"])
    f["open_orders_minor"] = np.maximum(total(live.where(order & soon, 0)), 0)
    parts = f[["open_items_minor", "unbilled_deliveries_minor", "open_orders_minor", "unapplied_credits_minor"]]
    f["exposure_minor"] = parts.sum(axis=1).clip(lower=0)
    f["oldest_dpd_days"] = extreme(dpd.where(owed > 0), "max").fillna(0).astype("int64")
    f["overdue_fraction"] = (f["overdue_minor"] / f["open_items_minor"].replace(0, np.nan)).round(6)

    year, quarter = as_of - pd.offsets.MonthEnd(12), as_of - pd.offsets.MonthEnd(3)
    paid = invoice & (cleared > year) & (cleared <= as_of)
    days = (cleared - due).dt.days.where(paid, 0).astype("int64")
    weight, late = total(amount.where(paid, 0)), total(amount.where(paid, 0) * days)
    recent = paid & (cleared > quarter)
    recent_weight, recent_late = total(amount.where(recent, 0)), total(amount.where(recent, 0) * days)
    f["average_days_late"] = ratio(late, weight)
    f["days_late_trend"] = (ratio(recent_late, recent_weight) - ratio(late - recent_late, weight - recent_weight)).round(4)
    f["sales_12m_minor"] = total(amount.where((invoice | (kind == "CRN")) & (posted > year) & (posted <= as_of), 0))
    f["peak_balance_minor"] = peak(code, items, ~order & ~delivery, live, as_of).reindex(range(count), fill_value=0).to_numpy()
    f["terms_days"] = customers["payment_terms"].map(TERMS)
    usual = (f["average_days_late"].fillna(0).clip(lower=0) * 10_000).round().astype("int64")
    f["need_minor"] = half_even(f["sales_12m_minor"].clip(lower=0) * (f["terms_days"] * 10_000 + usual), 3_650_000)
    f["limit_minor"] = cents(customers["credit_limit"]).astype("Int64")
    f["utilisation_fraction"] = (f["exposure_minor"] / f["limit_minor"].replace(0, pd.NA).astype("Float64")).astype("float64").round(6)
    f["months_on_book"] = ((as_of - customers["customer_since"]).dt.days / MONTH).round(2)
    f["last_invoice_days"] = (as_of - extreme(posted.where(invoice & (posted <= as_of)), "max")).dt.days
    return outside(f, customers, bureau, cover, as_of)


def peak(code, items, receivable, live, as_of):
    """Highest balance at the end of any day of twelve months; on as_of itself what is still open."""
    first = as_of - pd.offsets.MonthEnd(12) + pd.Timedelta(days=1)
    posted, cleared, amount = items["posting_date"], items["clearing_date"], items["amount"]
    there = receivable & (posted <= as_of) & ~(cleared <= first) & ~(cleared <= posted)
    ended = there & (cleared <= as_of)
    moves = pd.concat([
        pd.DataFrame({"code": code[rows], "day": day[rows], "change": change[rows]})
        for rows, day, change in (
            (there, posted.clip(lower=first), amount),
            (ended, cleared, -amount),
            (there & ~ended, pd.Series(as_of, index=items.index), live - amount),
        )
    ])  # fmt: skip
    days = moves.groupby(["code", "day"])["change"].sum()
    return days.groupby("code").cumsum().groupby("code").max().clip(lower=0)


def outside(f, customers, bureau, cover, as_of):
    """Newest bureau report, net worth, insurance and own risk."""
    newest = bureau[bureau["report_date"] <= as_of].sort_values(["report_date", "provider"], ascending=[False, True])
    newest = newest.drop_duplicates("customer_number").set_index("customer_number").reindex(f["customer_id"]).reset_index()
    f["external_pd_fraction"] = newest["pd"]
    f["external_age_days"] = (as_of - newest["report_date"]).dt.days
    f["recommended_limit_minor"] = cents(newest["recommended_limit"]).astype("Int64")
    f["tangible_net_worth_minor"] = cents(customers["tangible_net_worth"]).astype("Int64")
    f["net_worth_age_days"] = (as_of - customers["net_worth_date"]).dt.days
    insured = cover.set_index("customer_number").reindex(f["customer_id"]).reset_index()  # at most one each in the generated book
    valid = (insured["valid_from"] <= as_of) & ~(insured["valid_to"] <= as_of)
    valid &= insured["max_terms_days"].isna() | (f["terms_days"] <= insured["max_terms_days"])
    covered = cents(insured["amount"].fillna(0)).clip(upper=f["exposure_minor"]).where(valid, 0)
    f["insured_minor"] = covered * (insured["cover_fraction"].fillna(0) * MILLION).round().astype("int64") // MILLION
    f["own_risk_minor"] = (f["exposure_minor"] - f["insured_minor"]).clip(lower=0)
    return f


def ratio(over, under):
    """Amount-weighted days, 4 decimals."""
    return (pd.Series(over) / pd.Series(under).replace(0, np.nan)).round(4)


def half_even(amount, denominator):
    """amount / denominator as an integer, halves to even."""
    whole, rest = amount // denominator, amount % denominator
    return whole + ((2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1)))


def group_exposure(f, customers, rates):
    """Exposure of each group in euros, members converted one by one."""
    group = customers["parent_number"].where(customers["parent_number"].fillna("") != "", customers["customer_number"])
    euros = f["exposure_minor"].copy()
    for currency, rate in rates.items():
        one, rows = Fraction(rate), f["currency"] == currency
        euros[rows] = half_even(f.loc[rows, "exposure_minor"] * one.denominator, one.numerator)
    return euros.groupby(group).sum()


def score(f, card, policy):
    """Points, probability and grade by the scorecard's bins; number factors only, as the expert scorecard has."""
    open_items = f["open_items_minor"]
    derived = {
        "over_30_days_fraction": f[["dpd_31_60_minor", "dpd_61_90_minor", "dpd_over_90_minor"]].sum(axis=1) / open_items.replace(0, np.nan),
        "disputed_fraction": f["disputed_minor"] / np.maximum(open_items, f["disputed_minor"]).replace(0, np.nan),
        "net_worth_to_sales": f["tangible_net_worth_minor"].astype("float64") / f["sales_12m_minor"].where(f["sales_12m_minor"] > 0),
    }
    ages = {"external_pd_fraction": "external_age_days", "net_worth_to_sales": "net_worth_age_days"}
    points = np.full(len(f), card["base"])
    for factor in card["factors"]:
        name = factor["name"]
        stated = derived[name].round(6) if name in derived else f.get(name, pd.Series(np.nan, index=f.index))  # no statements in the book
        value = stated.to_numpy(dtype="float64", na_value=np.nan)
        if factor["max_age_days"] is not None and name in ages:
            value = np.where(f[ages[name]] > factor["max_age_days"], np.nan, value)
        table = np.array([one["points"] for one in factor["bins"]] + [factor["missing"]["points"]])
        place = np.searchsorted([one["below"] for one in factor["bins"][:-1]], value, side="right")
        points += table[np.where(np.isnan(value), len(table) - 1, place)]
    already = card["already"]
    beyond, oldest = f["dpd_over_90_minor"], f["oldest_dpd_days"]
    bad = (oldest > already["days_past_due"]) & (beyond >= int(float(already["material_amount"]) * CENTS)) & (beyond > 0)
    points += already["points"] * (bad | f["status"].isin(already["statuses"])).to_numpy()
    scale = card["scale"]
    factor = scale["double_odds"] / math.log(2)
    offset = scale["base_points"] - factor * math.log(scale["base_odds"])
    totals, place = np.unique(points, return_inverse=True)
    measured = card["calibration"] if isinstance(card["calibration"], dict) else {"slope": 1.0, "shift": card["calibration"]}
    odds = [measured["slope"] * (int(t) - offset) / factor - measured["shift"] for t in totals]
    chance = np.array([round(1 / (1 + math.exp(one)), 6) for one in odds])[place]
    bands = [band["below"] for band in policy["grades"]]
    f["points"], f["pd_fraction"] = points, chance
    f["grade"] = np.array([band["grade"] for band in policy["grades"]])[np.searchsorted(bands, chance, side="right")]
    return f


def limits(f, policy, rates):
    """Proposed limit and terms of every customer that policy does not exclude."""
    classes, rule = policy["classes"], policy["limits"]
    f = f[f["status"].map(lambda s: classes[s]["action"]) != "exclude"].reset_index(drop=True)

    def money(amount):  # an amount of the policy (euros) in each customer's currency
        table = {c: round(Fraction(str(amount)) * CENTS * Fraction(rate)) for c, rate in rates.items()}
        return f["currency"].map(table).to_numpy()

    def by_grade(key, *, amount):
        table = {g: row[key] for g, row in rule["by_grade"].items()}
        if not amount:
            return f["grade"].map({g: ppm(v) for g, v in table.items()}).to_numpy()
        return np.select([f["grade"] == g for g in table], [money(v) for v in table.values()])

    action = f["status"].map(lambda s: classes[s]["action"])
    limit, first = f["limit_minor"].fillna(0).to_numpy("int64"), f["limit_minor"].isna().to_numpy()
    exposure = f["exposure_minor"].to_numpy()
    sleeps, held = (action == "unused_down").to_numpy(), (action == "no_increase").to_numpy()
    zero = (action == "zero").to_numpy() | (first & (held | sleeps))
    starter = (action == "starter").to_numpy() & first
    months = classes["dormant"]["unused_months"]
    unused = sleeps & ~first & ~(f["last_invoice_days"] <= int(months * MONTH)).to_numpy()

    # formula and caps
    f["need_by_terms_minor"] = f["need_minor"]
    if rule["need"]["at_least_peak_balance"]:
        f["need_minor"] = np.maximum(f["need_minor"], f["peak_balance_minor"])
    value = times(f["need_minor"].to_numpy(), by_grade("need_factor", amount=False))
    value = np.where(starter, money(classes["new"]["starter_limit"]), value)
    value = np.where(unused, np.minimum(limit, np.maximum(money(classes["dormant"]["down_to"]), exposure)), value)
    value = np.where(zero, 0, value)
    worth, recommended = (f[c].fillna(0).to_numpy("int64").clip(0) for c in ("tangible_net_worth_minor", "recommended_limit_minor"))
    worth_young = (f["net_worth_age_days"] <= rule["caps"]["net_worth"]["max_age_days"]).to_numpy()
    recommended_young = (f["external_age_days"] <= rule["caps"]["recommendation"]["max_age_days"]).to_numpy()
    worth = times(worth, by_grade("net_worth_fraction", amount=False))
    caps = [
        np.where(worth_young, worth, by_grade("without_net_worth", amount=True)),
        np.where(
            recommended_young,
            times(recommended, ppm(rule["caps"]["recommendation"]["factor"])),
            by_grade("without_recommendation", amount=True),
        ),
        by_grade("ceiling", amount=True),
    ]
    hard = np.where(zero | unused, NO_CAP, np.minimum.reduce(caps))
    after = np.minimum(value, hard)

    # what forbids an increase
    forbid = rule["forbid_increase"]
    forbidden = (f["oldest_dpd_days"] > forbid["overdue_days_over"]).to_numpy() & (
        f["overdue_minor"].to_numpy() > money(forbid["overdue_amount_over"])
    )
    forbidden |= f["grade"].isin(forbid["grades"]).to_numpy() | held | sleeps
    forbidden |= (f["external_age_days"] > forbid["external_age_days_over"]).to_numpy()
    base = np.where(first, exposure, limit)
    target = np.where(forbidden, np.minimum(after, base), after)

    # step, rounding, bounds, smallest change
    step, free = rule["step"], money(rule["step"]["free_amount"])
    unbounded = first | zero | unused
    highest = limit + np.maximum(times(limit, ppm(step["up_fraction"])), free)
    lowest = np.where(unbounded, 0, np.maximum(limit - np.maximum(times(limit, ppm(step["down_fraction"])), free), 0))
    stepped = np.where(unbounded, target, np.clip(target, lowest, highest))
    rounded = round_down(stepped, limit, first, lowest, rule["rounding"])
    most = np.minimum(hard, np.where(forbidden, base, NO_CAP))
    lifted = np.maximum(rounded, np.minimum(money(rule["minimum"]), most))
    bounded = np.minimum(np.where(zero | unused, rounded, lifted), money(rule["maximum"]))
    change, least = np.abs(bounded - limit), rule["smallest_change"]
    small = (change < money(least["amount"])) & (change < -times(-limit, ppm(least["fraction"])))
    small &= ~first & ~zero & ~unused & (limit <= money(rule["maximum"]))
    f["to_minor"] = np.where(small, limit, bounded)

    longest = f["grade"].map(policy["terms"]["by_grade"]).to_numpy()
    tighten = f["grade"].isin(policy["terms"]["tighten_when"]).to_numpy() & (f["terms_days"].to_numpy() > longest)
    start = np.minimum(classes["new"]["starter_terms_days"], longest)
    start_now = starter & (f["terms_days"].to_numpy() > start)
    f["to_terms_days"] = np.where(start_now, start, np.where(tighten, longest, f["terms_days"]))
    return f


def round_down(amount, limit, first, lowest, grid):
    """Down to the grid; a rise stops at the present limit, a fall beyond the step is rounded up instead."""
    bounds = [row["up_to"] for row in grid if row["up_to"] is not None]
    size = np.array([row["step"] for row in grid])[np.searchsorted(bounds, -(-amount // CENTS), side="left")] * CENTS
    down = amount // size * size
    fall = np.where(down < lowest, np.minimum(down + size, limit), down)
    return np.where(first, down, np.where(amount == limit, limit, np.where(amount > limit, np.maximum(down, limit), fall)))


def ppm(factor):
    """A factor in millionths."""
    return int(Fraction(str(factor)) * MILLION)


def times(amount, millionths):
    """amount x millionths, rounded down."""
    return amount // MILLION * millionths + amount % MILLION * millionths // MILLION


def main():
    """Read, compute, write, and print seconds and rows a second."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--scorecard", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    policy, card = yaml.safe_load(given.policy.read_text()), json.loads(given.scorecard.read_text())
    as_of = pd.Timestamp((given.folder / "posted_through.txt").read_text().strip())

    clock = [("start", time.perf_counter())]
    items, customers, bureau, cover, rates = read(given.folder)
    clock.append(("read", time.perf_counter()))
    frame = features(items, customers, bureau, cover, as_of, policy)
    groups = group_exposure(frame, customers, rates)
    clock.append(("features", time.perf_counter()))
    frame = score(frame, card, policy)
    clock.append(("score", time.perf_counter()))
    result = limits(frame, policy, rates)
    clock.append(("limits", time.perf_counter()))
    result.to_parquet(given.out)
    clock.append(("write", time.perf_counter()))

    seconds = {name: round(now - before, 3) for (_, before), (name, now) in itertools.pairwise(clock)}
    whole = clock[-1][1] - clock[0][1]
    moved = int((result["to_minor"] != result["limit_minor"].fillna(-1)).sum())
    print(json.dumps({"stages": seconds, "seconds": round(whole, 3), "items": len(items), "customers": len(customers)}
                     | {"groups": len(groups), "changed": moved, "rows_a_second": round(len(items) / whole)}))  # fmt: skip


if __name__ == "__main__":
    main()
