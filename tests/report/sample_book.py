"""A made-up book of customers as the frames a report is filled from; proposals come from the real engine."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_review import documents, limits, policy
from credit_review.exposure.book import portfolio
from credit_review.fx import RateTable
from credit_review.model.frames import DATASETS
from credit_review.model.validation import FAIL, PASS, Outcome, Verdict
from credit_review.report import (
    Certificate,
    CertificateLine,
    ControlTotal,
    OutputFile,
    ReportData,
    ReviewFacts,
    RiskKeptLine,
    Source,
)

AS_OF = date(2026, 9, 30)
DTYPES = {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]", "bool": "bool"}
EMPTY: dict[str, Any] = {"str": "", "int": 0, "int?": pd.NA, "float": np.nan, "date": pd.NaT, "bool": False}
FIRST = [
    "Alder",
    "Birch",
    "Cedar",
    "Dorn",
    "Elm",
    "Falk",
    "Gorse",
    "Hazel",
    "Iris",
    "Juniper",
    "Kestrel",
    "Linden",
    "Maple",
    "Nordahl",
    "Oak",
    "Pine",
    "Quarz",
    "Rowan",
    "Sorrel",
    "Tamm",
    "Ulme",
]
SECOND = [
    "Components",
    "Foods",
    "Pumps & Valves",
    "Logistics",
    "Apotheken",
    "Bâtiment",
    "Electric",
    "Papier",
    "Textiles",
    "Møbler",
    "Farm Supply",
]
FORMS = ["GmbH", "Ltd", "S.A.", "AG", "B.V.", "Inc.", "A/S", "KG"]


def frame(dataset: str, columns: dict[str, Any], length: int) -> pd.DataFrame:
    found = {}
    for column in DATASETS[dataset].columns:
        values = columns.get(column.name, EMPTY[column.dtype])
        series = pd.Series(values if pd.api.types.is_list_like(values) else [values] * length, index=range(length))
        found[column.name] = (pd.to_datetime(series) if column.dtype == "date" else series).astype(DTYPES[column.dtype])
    return pd.DataFrame(found)


def features(count: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(11.2, 1.3, count)) * 100
    parts = rng.dirichlet([8, 0.9, 0.25, 0.1, 0.12], count) * (size * rng.uniform(0.2, 1.0, count))[:, None]
    buckets = parts.round().astype("int64") * (rng.random(count) > 0.06)[:, None]
    open_items = buckets.sum(axis=1)
    credits = -(open_items * (rng.random(count) < 0.15) * rng.uniform(0, 0.1, count)).astype("int64")
    orders = (size * rng.uniform(0, 0.3, count)).astype("int64")
    exposure = np.maximum(open_items + credits + orders, 0)
    insured = (exposure * (rng.random(count) < 0.25) * rng.uniform(0.3, 0.9, count)).astype("int64")
    limit = (np.ceil(size * rng.uniform(0.5, 1.4, count) / 500_000) * 500_000).astype("int64")
    overdue = buckets[:, 1:].sum(axis=1)
    oldest = np.where(buckets[:, 4] > 0, 91 + rng.integers(0, 200, count), np.where(overdue > 0, rng.integers(1, 90, count), 0))
    ids = [f"C{100001 + i}" for i in range(count)]
    statuses = rng.choice(
        ["active", "new", "prepayment", "blocked", "legal", "insolvent", "dormant", "intercompany", "one_off"],
        count,
        p=[0.87, 0.03, 0.02, 0.015, 0.01, 0.01, 0.02, 0.015, 0.01],
    )
    nullable = lambda values, missing: pd.Series(values).astype("Int64").mask(pd.Series(rng.random(count) < missing))  # noqa: E731
    columns = {
        "customer_id": ids,
        "group_id": [ids[i - i % 4] if rng.random() < 0.2 else ids[i] for i in range(count)],
        "currency": rng.choice(["EUR", "USD", "GBP"], count, p=[0.6, 0.25, 0.15]),
        "open_items_minor": open_items,
        "not_due_minor": buckets[:, 0],
        "dpd_1_30_minor": buckets[:, 1],
        "dpd_31_60_minor": buckets[:, 2],
        "dpd_61_90_minor": buckets[:, 3],
        "dpd_over_90_minor": buckets[:, 4],
        "overdue_minor": overdue,
        "disputed_minor": (overdue * (rng.random(count) < 0.08)).astype("int64"),
        "unapplied_credits_minor": credits,
        "unbilled_deliveries_minor": nullable(np.zeros(count, dtype="int64"), 0),
        "open_orders_minor": nullable(orders, 0),
        "exposure_minor": exposure,
        "insured_minor": insured,
        "own_risk_minor": exposure - insured,
        "oldest_dpd_days": oldest,
        "average_days_late": rng.normal(7, 9, count).round(1),
        "cleared_count": rng.integers(0, 80, count),
        "sales_12m_minor": nullable((size * rng.uniform(4, 9, count)).astype("int64"), 0.02),
        "need_minor": nullable((size * rng.uniform(0.8, 2.6, count)).astype("int64"), 0.02),
        "external_grade": rng.choice(["A", "B", "C", "D", ""], count),
        "external_age_days": np.where(rng.random(count) < 0.1, np.nan, rng.integers(10, 600, count)),
        "recommended_limit_minor": nullable((size * rng.uniform(0.6, 2, count)).astype("int64"), 0.15),
        "tangible_net_worth_minor": nullable((size * rng.uniform(5, 60, count)).astype("int64"), 0.2),
        "net_worth_age_days": rng.integers(60, 700, count).astype("float64"),
        "limit_minor": nullable(limit, 0.03),
        "terms_days": nullable(rng.choice([14, 30, 45, 60], count), 0),
        "status": statuses,
        "open_item_count": rng.integers(0, 60, count),
        "not_computable": rng.choice(["", "days_late_trend: nothing cleared in the last 3 months or in the 9 before"], count, p=[0.9, 0.1]),
    }
    return frame("features", columns, count)


def scores(book: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed + 1)
    late = (book["overdue_minor"] / book["open_items_minor"].replace(0, 1)).to_numpy()
    pd_fraction = np.clip(np.exp(rng.normal(-4.6, 0.9, len(book)) + 2.5 * late), 0.0005, 0.99).round(6)
    reasons = ["R01|R02|R06", "R04|R05", "R08|R11|M10", "R06|M08", "R02|R03|R01|R10"]
    columns = {
        "customer_id": book["customer_id"],
        "scorecard": "5d41402abc4b2a76b9719d911017c592",
        "points": (600 - 28.85 * np.log(pd_fraction / (1 - pd_fraction) * 50)).round().astype("int64"),
        "pd_fraction": pd_fraction,
        "grade": np.select([pd_fraction < 0.01, pd_fraction < 0.03, pd_fraction < 0.08, pd_fraction < 0.20], ["A", "B", "C", "D"], "E"),
        "reason_codes": rng.choice(reasons, len(book)),
    }
    return frame("scores", columns, len(book))


def states(book: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed + 2)
    drawn = rng.choice(["reviewed", "not_due", "quarantined", "deferred"], len(book), p=[0.86, 0.1, 0.025, 0.015])
    why = {
        "reviewed": "",
        "not_due": "last review 2026-03-31, next 2027-03-31 (grade A: every 12 months)",
        "quarantined": "quarantined rows: items RE-88210/1 (due_date_is_present), items RE-88213/1 (due_date_is_present)",
        "deferred": "deferred by p-analyst until 2026-11-15",
    }
    excluded = book["status"].isin(["intercompany", "one_off"]).to_numpy()
    state = np.where(excluded, "excluded", drawn)
    reason = np.where(excluded, "intercompany: settled by netting", [why[s] for s in drawn])
    return pd.DataFrame(
        {
            "customer_id": book["customer_id"],
            "group_id": book["group_id"],
            "currency": book["currency"],
            "portfolio": "north",
            "state": pd.Series(state, dtype="str"),
            "state_reason": pd.Series(reason, dtype="str"),
            "policy_segment": "",
        }
    )


def rates() -> RateTable:
    rows = [("USD", "0.92"), ("GBP", "1.17")]
    columns = {"rate_date": ["2026-09-30"] * 2, "base": [r[0] for r in rows], "quote": "EUR", "rate": [r[1] for r in rows], "source": "ECB"}
    back = {**columns, "base": "EUR", "quote": [r[0] for r in rows], "rate": ["1.086957", "0.854701"]}
    return RateTable.from_frame(pd.concat([frame("rates", columns, 2), frame("rates", back, 2)], ignore_index=True))


def groups(book: pd.DataFrame) -> pd.DataFrame:
    sums = book.groupby("group_id", as_index=False).agg(members=("customer_id", "size"), exposure_minor=("exposure_minor", "sum"))
    return frame("groups", {c: sums[c] for c in sums} | {"currency": "EUR"}, len(sums))


def customers(book: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed + 3)
    names = [f"{rng.choice(FIRST)} {rng.choice(SECOND)} {rng.choice(FORMS)}" for _ in range(len(book))]
    columns = {"customer_id": book["customer_id"], "name": names, "currency": book["currency"], "status": book["status"]}
    return frame("customers", columns, len(book))


def quarantine(book: pd.DataFrame) -> pd.DataFrame:
    rules = [
        ("due_date_is_present", "due_date", "", "the due date is missing or unreadable, so lateness cannot be told"),
        ("currency_is_iso4217", "currency", "EUO", "the currency is unknown, so the amount cannot be read"),
        ("sign_fits_kind", "amount_minor", "-412050", "the sign contradicts the kind of document"),
    ]
    rows = [
        (
            "items",
            f"RE-{88210 + i}/1",
            book["customer_id"][i * 7 % len(book)],
            *rules[i % 3],
            "EUR" if i % 3 != 1 else "",
            41_205_0 + i if i % 3 != 1 else pd.NA,
        )
        for i in range(14)
    ]
    columns = {
        "dataset": [r[0] for r in rows],
        "row_key": [r[1] for r in rows],
        "customer_id": [r[2] for r in rows],
        "expectation": [r[3] for r in rows],
        "column": [r[4] for r in rows],
        "value": [r[5] for r in rows],
        "reason": [r[6] for r in rows],
        "currency": [r[7] for r in rows],
        "amount_minor": pd.array([r[8] for r in rows], dtype="Int64"),
        "severity": "warning",
        "could_raise": True,
    }
    return frame("quarantine", columns, len(rows))


def routes(proposals: pd.DataFrame) -> pd.DataFrame:
    asked = proposals[(proposals["direction"].isin(["up", "down", "new"])) & ~proposals["straight_through"]]
    tier = np.select([asked["to_minor"].fillna(0) <= 10_000_000, asked["to_minor"].fillna(0) <= 50_000_000], ["T1", "T2"], "T3")
    names = {"T1": "Credit controller", "T2": "Credit manager", "T3": "CFO"}
    people = {"T1": "Anna Okafor, Jens Lind", "T2": "Maria Duarte", "T3": "Paul Weiss, Li Chen"}
    return pd.DataFrame(
        {
            "customer_id": asked["customer_id"].to_numpy(),
            "proposal_id": [f"P-{i:05}" for i in range(len(asked))],
            "tier": tier,
            "tier_name": [names[t] for t in tier],
            "approvals": [2 if t == "T3" else 1 for t in tier],
            "holders": [people[t] for t in tier],
            "state": np.where(np.arange(len(asked)) % 3 == 0, "pending", "draft"),
        }
    )


def verdicts() -> tuple[Verdict, ...]:
    def outcome(name: str, words: str, failed: int = 0, severity: str = "warning") -> Outcome:
        keys = tuple(f"RE-{88210 + i}/1" for i in range(failed))[:20]
        return Outcome(
            expectation=name,
            column="x",
            severity=severity,
            words=words,
            status=FAIL if failed else PASS,
            checked=58_214,
            failed=failed,
            examples=keys,
        )

    items = (
        outcome("row_has_a_key", "every row can be named by its key", severity="critical"),
        outcome("due_date_is_present", "every invoice and note has a readable due date", 5),
        outcome("currency_is_iso4217", "every amount carries an ISO 4217 currency code", 5),
        outcome("sign_fits_kind", "invoices, notes, orders and deliveries are not negative; credit notes and cash are not positive", 4),
        outcome("posted_by_as_of", "rows were posted by the as-of date; later ones are read but do not count", 31, "info"),
    )
    return (
        Verdict(dataset="items", rows=58_214, kept=58_200, outcomes=items),
        Verdict(dataset="customers", rows=500, kept=500, outcomes=(outcome("customer_is_listed_once", "one row a customer"),)),
    )


def certificate(proposals: pd.DataFrame) -> Certificate:
    def line(name: str, rows: pd.DataFrame) -> CertificateLine:
        return CertificateLine(
            line=name, customers=len(rows), amounts={str(k): int(v) for k, v in rows.groupby("currency")["exposure_minor"].sum().items()}
        )

    lines = [line(s, proposals[proposals["state"].eq(s)]) for s in ("reviewed", "not_due", "quarantined", "excluded", "deferred")]
    lines += [
        CertificateLine(line="duplicates removed", customers=None, rows=12, amounts={}),
        CertificateLine(line="unattributed", customers=None, rows=0, amounts={}),
    ]
    return Certificate(lines=tuple(lines), total=line("control total", proposals), ties=True, digest="9f" * 32)


def data(count: int = 500, seed: int = 7, **changes: Any) -> ReportData:
    root = Path(__file__).parents[2]
    text = (root / "deployments/starter/policy.yaml").read_text()
    book = features(count, seed)
    rules = policy.load(documents.parse(text, name="policy.yaml"))
    proposals = limits.propose(book, scores(book, seed), groups(book), states(book, seed), policy=rules, as_of=AS_OF, rates=rates())
    rng = np.random.default_rng(seed + 4)
    previous = {
        c: str(np.clip(ord(g) + rng.integers(-1, 2), 65, 69).astype("uint8").tobytes().decode())
        for c, g in zip(proposals["customer_id"], proposals["grade"], strict=True)
        if g and rng.random() < 0.9
    }
    months = pd.DataFrame(
        [(c, pd.Timestamp(2026, m, 1) + pd.offsets.MonthEnd(0), 30, 9_000_000_00) for c in ("EUR", "USD") for m in range(1, 10)],
        columns=["currency", "period_end", "days", "sales_minor"],
    )
    down = proposals[proposals["direction"].eq("down")].head(2)
    values: dict[str, Any] = {
        "facts": ReviewFacts(
            company="Nordwerk Industries",
            review_id="rv-2026Q3-01",
            label="2026Q3",
            as_of=AS_OF,
            state="routed",
            control_currency="EUR",
            policy="Starter policy 2026.1",
            outcome="probability of serious lateness",
            produced_at="7 October 2026, 06:12 UTC",
            scorecard="Scored with the company's own scorecard, fitted on 412 customers of whom 37 became seriously late; AUC on later "
            "periods 0.81 (0.74 to 0.87). It predicts serious lateness, not default.",
        ),
        "customers": customers(book, seed),
        "features": book,
        "proposals": proposals,
        "portfolio": tuple(portfolio(book, months, as_of=AS_OF, capabilities=("sales",))),
        "certificate": certificate(proposals),
        "verdicts": verdicts(),
        "quarantine": quarantine(book),
        "duplicates": frame(
            "duplicates",
            {
                "row_key": ["RE-88001/1", "RE-88002/1"],
                "kept_row_key": ["RE-88001/1a", "RE-88002/1a"],
                "customer_id": "C100003",
                "kind": "invoice",
                "currency": "EUR",
                "amount_minor": 125_000,
                "open_minor": 125_000,
            },
            2,
        ),
        "aliases": frame(
            "aliases",
            {
                "source": "erp",
                "legal_entity": "1000",
                "source_number": ["0000004711", "4711"],
                "customer_id": "C100007",
                "decided_by": "mapping:3f1c9a77",
            },
            2,
        ),
        "groups": groups(book),
        "routes": routes(proposals),
        "previous_grades": previous,
        "sources": (
            Source(name="erp", what="sqlite table ar_items", dataset="items", rows=58_214, digest="ab12" * 16),
            Source(name="master", what="customers.csv", dataset="customers", rows=500, digest="cd34" * 16),
            Source(
                name="bureau", what="bureau.csv", dataset="external", rows=402, digest="ef56" * 16, note="98 customers without a report"
            ),
        ),
        "control_totals": (
            ControlTotal(
                dataset="items",
                currency="EUR",
                kind="invoice",
                rows=31_022,
                amount_minor=412_338_120_55,
                stated_rows=31_022,
                stated_minor=412_338_120_55,
                tied=True,
            ),
            ControlTotal(
                dataset="items",
                currency="USD",
                kind="invoice",
                rows=12_900,
                amount_minor=98_120_440_10,
                stated_rows=12_900,
                stated_minor=98_120_440_10,
                tied=True,
            ),
            ControlTotal(dataset="customers", currency="", kind="", rows=500, amount_minor=0),
        ),
        "risk_kept": tuple(
            RiskKeptLine(
                customer_id=r.customer_id,
                currency=r.currency,
                amount_minor=r.from_minor - r.to_minor,
                cause="rejected",
                by="Maria Duarte",
                reason="Payment plan agreed, two instalments received",
                until=date(2026, 12, 31),
            )
            for r in down.itertuples()
        ),
        "order_rates": {"EUR": 1.0, "USD": 0.92, "GBP": 1.17},
        "lateness_hold": 0.6,
        "assumptions": ("Cash is taken as posted through 30 September 2026, as the source states.",),
        "files": (
            OutputFile(name="proposals.csv", sha256="11" * 32, what="all 500 customers"),
            OutputFile(name="proposals.parquet", sha256="22" * 32),
        ),
        "manifest": {"ledger": "aa" * 32, "customer_master": "bb" * 32, "policy": "cc" * 32, "authority": "dd" * 32, "rates": "ee" * 32},
        "manifest_digest": "f0" * 32,
        "run_facts": (("Buckets", "8"), ("Seed", "20260930"), ("Code", "credit-review 0.1.0, commit 1f40129")),
    }
    return ReportData(**{**values, **changes})
