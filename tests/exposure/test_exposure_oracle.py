"""The vectorised features against a slow recomputation, one customer at a time, in Python integers, fractions and dates."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from fractions import Fraction

import exposure_rows as rows
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_review.model.frames import COVER, CUSTOMERS, EXTERNAL, FEATURES, ITEMS
from credit_review.model.money import EXPONENTS

RATES = {("USD", "EUR"): Fraction("0.9137"), ("EUR", "USD"): 1 / Fraction("0.9137")}
RATES |= {("EUR", "JPY"): Fraction("161.07"), ("JPY", "EUR"): 1 / Fraction("161.07")}
RECEIVABLE = ("invoice", "credit_note", "payment", "on_account")


def back(day, months):
    year, month0 = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    at_end = day.day == calendar.monthrange(day.year, day.month)[1]
    return date(year, month0 + 1, last if at_end else min(day.day, last))


def convert(minor, base, quote):
    if base == quote:
        return minor
    if (base, quote) not in RATES:
        return None
    return round(minor * RATES[base, quote] * Fraction(10) ** (EXPONENTS[quote] - EXPONENTS[base]))


def prepare(items, customer, as_of):
    """The customer's items in account currency, as (kind, posted, document, due, cleared, amount, open, disputed)."""
    found = []
    for i in items:
        if i["customer_id"] != customer["customer_id"]:
            continue
        posted = i["posting_date"] or i["document_date"] or i["due_date"]
        if posted is None or posted > as_of:
            continue
        document = i["document_date"] or posted
        due = i["due_date"] or document + timedelta(days=customer["terms_days"] or 0)
        cleared = i["clearing_date"]
        still = 0 if cleared and cleared <= as_of else i["open_minor"]
        year = back(as_of, 12)
        amount = i["amount_minor"]
        if still or cleared is None or cleared > year or posted > year:
            amount = convert(amount, i["currency"], customer["currency"])
            still = convert(still, i["currency"], customer["currency"])
            if amount is None:
                continue
        found.append((i["kind"], posted, document, due, cleared, amount, still, i["disputed"]))
    return found


def late(cleared):
    weight = sum(i[5] for i in cleared)
    return round(sum(i[5] * (i[4] - i[3]).days for i in cleared) / weight, 4) if weight else None


def slow(items, customer, external, covers, as_of, rules):
    own = prepare(items, customer, as_of)
    owed = [i for i in own if i[0] in RECEIVABLE and i[6] > 0]
    aged = [i for i in owed if not (i[7] and rules.hold_out_disputes)]
    dpd = [max((as_of - i[3]).days, 0) for i in aged]
    bands = [0] * 5
    for i, days in zip(aged, dpd, strict=True):
        bands[0 if days < 1 else 1 if days <= 30 else 2 if days <= 60 else 3 if days <= 90 else 4] += i[6]
    part = {
        "open_items": sum(bands),
        "unapplied_credits": sum(i[6] for i in own if i[0] in RECEIVABLE and i[6] < 0),
        "unbilled_deliveries": max(sum(i[6] for i in own if i[0] == "delivery"), 0),
        "open_orders": max(sum(i[6] for i in own if i[0] == "order" and i[3] <= as_of + timedelta(days=rules.order_horizon_days)), 0),
        "notes": max(sum(i[6] for i in own if i[0] == "note"), 0),
    }
    exposure = max(sum(part[name] for name in rules.parts), 0)
    year, quarter = back(as_of, 12), back(as_of, 3)
    cleared = [i for i in own if i[0] == "invoice" and i[5] > 0 and i[4] and year < i[4] <= as_of]
    recent, before = late([i for i in cleared if i[4] > quarter]), late([i for i in cleared if i[4] <= quarter])
    average = late(cleared)
    sales = sum(i[5] for i in own if i[0] in ("invoice", "credit_note") and i[1] > year)
    usual = round(Fraction(str(max(average or 0, 0))) * 10_000)
    terms = customer["terms_days"]
    need = None if terms is None else round(Fraction(max(sales, 0) * (terms * 10_000 + usual), 3_650_000))
    insured, security = cover_of(covers, customer, exposure, as_of)
    first = min((i[2] for i in own), default=None)
    invoices = [i[1] for i in own if i[0] == "invoice"]
    since = (
        customer["customer_since"] if customer["customer_since"] and customer["customer_since"] <= as_of else first and min(first, as_of)
    )
    limit = customer["limit_minor"]
    report = max(
        (r for r in external if r["customer_id"] == customer["customer_id"] and r["report_date"] <= as_of),
        key=lambda r: (r["report_date"], [-ord(c) for c in r["provider"]]),
        default=None,
    )
    return {
        "open_items_minor": sum(bands),
        "not_due_minor": bands[0],
        "dpd_1_30_minor": bands[1],
        "dpd_31_60_minor": bands[2],
        "dpd_61_90_minor": bands[3],
        "dpd_over_90_minor": bands[4],
        "overdue_minor": sum(bands[1:]),
        "disputed_minor": sum(i[6] for i in owed if i[7]),
        "unapplied_credits_minor": part["unapplied_credits"],
        "unbilled_deliveries_minor": part["unbilled_deliveries"],
        "open_orders_minor": part["open_orders"],
        "notes_minor": part["notes"],
        "exposure_minor": exposure,
        "quarantined_minor": 0,
        "insured_minor": insured,
        "security_minor": security,
        "own_risk_minor": max(exposure - insured - security, 0),
        "oldest_dpd_days": max(dpd, default=0),
        "average_days_late": average,
        "days_late_trend": None if recent is None or before is None else round(recent - before, 4),
        "cleared_count": len(cleared),
        "sales_12m_minor": sales,
        "peak_balance_minor": peak(own, as_of),
        "need_minor": need,
        "utilisation_fraction": round(exposure / limit, 6) if limit else None,
        "overdue_fraction": round(sum(bands[1:]) / sum(bands), 6) if sum(bands) else None,
        "months_on_book": round((as_of - since).days / (365.25 / 12), 2) if since else None,
        "last_invoice_days": (as_of - max(invoices)).days if invoices else None,
        "external_grade": report["grade"] if report else "",
        "external_age_days": (as_of - report["report_date"]).days if report else None,
        "recommended_limit_minor": report and convert(report["recommended_limit_minor"], report["currency"], customer["currency"]),
        "limit_minor": limit,
        "open_item_count": len(owed),
    }


def peak(own, as_of):
    highest = 0
    for days in range((as_of - back(as_of, 12)).days):
        end = as_of - timedelta(days=days)
        balance = 0
        for kind, posted, _, _, cleared, amount, still, _ in own:
            if kind not in RECEIVABLE or posted > end or (cleared and cleared <= end) or (not still and not cleared):
                continue
            balance += still if end == as_of else amount
        highest = max(highest, balance)
    return highest


def cover_of(covers, customer, exposure, as_of):
    insured = security = 0
    left, terms = exposure, customer["terms_days"]
    for c in sorted(covers, key=lambda c: (c["cover_fraction"], c["reference"])):
        if c["customer_id"] != customer["customer_id"] or c["valid_from"] > as_of or (c["valid_to"] and c["valid_to"] <= as_of):
            continue
        if c["max_terms_days"] is not None and (terms is None or terms > c["max_terms_days"]):
            continue
        amount = convert(c["amount_minor"], c["currency"], customer["currency"])
        if amount is None:
            continue
        fraction = Fraction(str(c["cover_fraction"]))
        if c["kind"] == "guarantee":
            security += int(amount * fraction)
        else:
            used = min(amount, left)
            left -= used
            insured += int(used * fraction)
    return insured, security


currencies = st.sampled_from(["EUR", "EUR", "USD", "JPY", "GBP"])
as_ofs = st.sampled_from([date(2026, 9, 30), date(2024, 2, 29), date(2025, 2, 28), date(2026, 8, 17), date(2026, 3, 31)])
names = [f"C{n}" for n in range(1, 10)]
maybe_terms = st.sampled_from([None, 0, 14, 30, 60])


@st.composite
def books(draw):
    """Nine customers at a time: computing features of a frame costs the same for three."""
    as_of = draw(as_ofs)
    edges = st.sampled_from([-61, -60, -1, 0, 1, 28, 29, 30, 31, 60, 61, 90, 91, 92, 365, 366])
    day = st.one_of(st.integers(-30, 800), edges).map(lambda n: as_of - timedelta(days=n))
    maybe = st.one_of(st.none(), day)
    amount = st.one_of(st.integers(-5_000_000, 5_000_000), st.sampled_from([0, 1, -1, 10**11]))
    item = st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(names),
            "kind": st.sampled_from([*RECEIVABLE, "invoice", "invoice", "note", "order", "delivery"]),
            "posting_date": st.one_of(day, day, st.none()),
            "document_date": maybe,
            "due_date": maybe,
            "clearing_date": maybe,
            "currency": currencies,
            "amount_minor": amount,
            "open_minor": amount,
            "disputed": st.booleans(),
        }
    )
    customers = [
        rows.customer(
            name,
            terms_days=draw(maybe_terms),
            currency=draw(currencies),
            customer_since=draw(maybe),
            limit_minor=draw(st.sampled_from([None, 0, 5_000_000])),
        )
        for name in names
    ]
    cover = st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(names),
            "kind": st.sampled_from(["insured_limit", "guarantee"]),
            "amount_minor": st.integers(0, 10_000_000),
            "currency": currencies,
            "cover_fraction": st.sampled_from([0.0, 0.333333, 0.9, 1.0]),
            "valid_from": day,
            "valid_to": maybe,
            "max_terms_days": st.sampled_from([None, 30]),
        }
    )
    report = st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(names),
            "provider": st.sampled_from(["a", "b"]),
            "report_date": day,
            "grade": st.sampled_from(["1", "2"]),
            "recommended_limit_minor": st.integers(0, 10**8),
            "currency": currencies,
        }
    )
    covers = [c | {"reference": f"p{n}"} for n, c in enumerate(draw(st.lists(cover, max_size=12)))]
    reports = draw(st.lists(report, max_size=12, unique_by=lambda r: (r["customer_id"], r["provider"], r["report_date"])))
    return as_of, draw(st.lists(item, min_size=12, max_size=42)), customers, reports, covers


policies = st.sampled_from(
    [rows.starter(), rows.with_exposure(hold_out_disputes=True), rows.with_exposure(parts=("open_items", "notes"), order_horizon_days=0)]
)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
FEW = settings(max_examples=settings().max_examples // 6, suppress_health_check=SLOW)
"""A sixth of the examples of other properties, each with three times the customers."""


@settings(max_examples=settings().max_examples // 2, suppress_health_check=SLOW)
@given(books(), policies)
def test_every_figure_agrees_with_a_slow_recomputation_to_the_minor_unit(book, policy):
    as_of, items, customers, reports, covers = book
    result = rows.run(items, customers, reports, covers, as_of=as_of, policy=policy, rates=rows.fresh_rates(as_of)).frame
    for found, customer in zip(result.to_dict("records"), customers, strict=True):
        expected = slow(items, customer, reports, covers, as_of, policy.exposure)
        got = {name: None if pd.isna(found[name]) else found[name] for name in expected}
        assert got == expected


@FEW
@given(books(), st.randoms(use_true_random=False))
def test_the_order_of_rows_never_changes_a_byte(book, random):
    as_of, items, customers, reports, covers = book
    kinds = ((ITEMS, rows.numbered(items)), (CUSTOMERS, customers), (EXTERNAL, reports), (COVER, covers))
    given_rows = [rows.frame(dataset, found) for dataset, found in kinds]
    mixed = [f.sample(frac=1, random_state=random.randrange(2**31)) for f in given_rows]
    first, second = (rows.features_of(frames, as_of=as_of) for frames in (given_rows, mixed))
    assert rows.as_bytes(first.frame) == rows.as_bytes(second.frame)
    assert rows.as_bytes(first.quarantine) == rows.as_bytes(second.quarantine)
    assert rows.as_bytes(first.rates_used) == rows.as_bytes(second.rates_used)
    assert rows.as_bytes(first.sales_by_month) == rows.as_bytes(second.sales_by_month)


@FEW
@given(books())
def test_buckets_give_what_the_whole_gives(book):
    as_of, items, customers, reports, covers = book
    whole = rows.run(items, customers, reports, covers, as_of=as_of, rates=rows.fresh_rates(as_of))
    buckets = []
    for bucket in (names[:4], names[4:]):
        items_of, customers_of, reports_of, covers_of = (
            [r for r in found if r["customer_id"] in bucket] for found in (items, customers, reports, covers)
        )
        buckets.append(rows.run(items_of, customers_of, reports_of, covers_of, as_of=as_of, rates=rows.fresh_rates(as_of)))
    assert rows.as_bytes(whole.frame) == rows.as_bytes(pd.concat([b.frame for b in buckets]))
    assert len(whole.quarantine) == sum(len(b.quarantine) for b in buckets)
    assert whole.frame.columns.tolist() == list(FEATURES.names)


@FEW
@given(books(), st.sampled_from(["credit_note", "payment", "on_account"]), st.integers(1, 10**9))
def test_a_credit_never_raises_an_exposure_and_never_touches_another_customer(book, kind, size):
    as_of, items, customers, reports, covers = book
    credit = rows.item("C1", kind, -size, posting_date=as_of, document_date=as_of, due_date=as_of, currency=customers[0]["currency"])
    before = rows.run(items, customers, reports, covers, as_of=as_of, rates=rows.fresh_rates(as_of)).frame
    after = rows.run([*items, credit], customers, reports, covers, as_of=as_of, rates=rows.fresh_rates(as_of)).frame
    assert after["exposure_minor"][0] <= before["exposure_minor"][0]
    assert (after["exposure_minor"] >= 0).all() and (after["own_risk_minor"] >= 0).all()
    assert rows.as_bytes(after.iloc[1:]) == rows.as_bytes(before.iloc[1:])
    assert (after["overdue_minor"] == before["overdue_minor"]).all()
