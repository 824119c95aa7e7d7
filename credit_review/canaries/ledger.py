"""The canaries as a snapshot has customers: rows of items, customers, external reports, cover, rates and aliases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from credit_review.canaries.answers import FOREIGN_RATE
from credit_review.canaries.customers import CANARIES, Canary
from credit_review.model.frames import (
    ALIASES,
    COVER,
    CUSTOMERS,
    DUPLICATES,
    EXTERNAL,
    ITEMS,
    PANDAS,
    QUARANTINE,
    RATES,
    STATEMENTS,
    Dataset,
)

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "canaries"
ENTITY = "ALL"


def foreign(control: str) -> str:
    """The currency that is not the control currency."""
    return "USD" if control != "USD" else "EUR"


def currencies(control: str, canaries: Sequence[Canary] = CANARIES) -> dict[str, str]:
    """The account currency of each canary, by customer id."""
    return {c.customer_id: foreign(control) if c.foreign else control for c in canaries}


def frames(as_of: date, control: str, canaries: Sequence[Canary] = CANARIES) -> dict[str, pd.DataFrame]:
    """Every dataset of their snapshot, in its columns and types."""
    currency = currencies(control, canaries)
    rate = {"rate_date": as_of, "base": control, "quote": foreign(control), "rate": FOREIGN_RATE, "source": SOURCE}
    rows: dict[Dataset, Iterable[dict[str, Any]]] = {
        ITEMS: [row for c in canaries for row in _items(c, as_of, control)],
        CUSTOMERS: [_customer(c, as_of, currency[c.customer_id]) for c in canaries],
        EXTERNAL: [_report(c, as_of, currency[c.customer_id]) for c in canaries if c.report],
        STATEMENTS: [row for c in canaries for row in _accounts(c, as_of)],
        COVER: [row for c in canaries for row in _cover(c, as_of, currency[c.customer_id])],
        RATES: [rate],
        ALIASES: [_named(c) | {"legal_entity": ENTITY, "decided_by": "source"} for c in canaries],
        QUARANTINE: [],
        DUPLICATES: [],
    }
    return {dataset.name: _frame(dataset, found) for dataset, found in rows.items()}


def _named(c: Canary) -> dict[str, Any]:
    return {"customer_id": c.customer_id, "source": SOURCE, "source_number": c.customer_id}


def _items(c: Canary, as_of: date, control: str) -> Iterable[dict[str, Any]]:
    """Invoices, then everything else, each with a key of its own; all in control currency."""
    same = _named(c) | {"legal_entity": ENTITY, "currency": control, "written_off": False}
    for n, one in enumerate(c.invoices):
        standing = one.amount if one.cleared is None else 0
        days = {"posting_date": one.posted, "document_date": one.posted, "due_date": one.due, "clearing_date": one.cleared}
        yield same | _document(c, n, "invoice", one.amount, standing, days, as_of) | {"disputed": one.disputed}
    for n, other in enumerate(c.others, start=len(c.invoices)):
        days = {"posting_date": other.posted, "document_date": other.posted, "due_date": other.due, "clearing_date": None}
        yield same | _document(c, n, other.kind, other.amount, other.amount, days, as_of) | {"disputed": False}


def _document(c: Canary, n: int, kind: str, amount: int, standing: int, days: dict[str, int | None], as_of: date) -> dict[str, Any]:
    key = f"{c.customer_id}:{n:02}"
    dated = {name: None if back is None else as_of - timedelta(days=back) for name, back in days.items()}
    return {"row_key": key, "document": key, "kind": kind, "amount_minor": amount, "open_minor": standing} | dated


def _customer(c: Canary, as_of: date, currency: str) -> dict[str, Any]:
    return _named(c) | {
        "name": c.customer_id,
        "group_id": c.customer_id,
        "legal_entity": ENTITY,
        "currency": currency,
        "status": c.status,
        "customer_since": as_of - timedelta(days=c.since),
        "terms_days": c.terms,
        "limit_minor": c.limit,
        "tangible_net_worth_minor": c.worth,
        "net_worth_date": None if c.worth_age is None else as_of - timedelta(days=c.worth_age),
    }


def _report(c: Canary, as_of: date, currency: str) -> dict[str, Any]:
    assert c.report is not None  # noqa: S101  asked only of those that have one
    return _named(c) | {
        "provider": SOURCE,
        "report_date": as_of - timedelta(days=c.report.age),
        "grade": c.report.grade,
        "pd_fraction": float(c.report.pd),
        "recommended_limit_minor": c.report.recommended,
        "currency": currency,
    }


def layers(control: str, canaries: Sequence[Canary] = CANARIES) -> list[tuple[str, str, str, str, int]]:
    """Layers in force, as LAYERS_IN_FORCE has them: ceilings in account currency, shared pools in control currency."""
    currency = currencies(control, canaries)
    ceilings = [(c.customer_id, "ceiling", ENTITY, currency[c.customer_id], c.ceiling) for c in canaries if c.ceiling is not None]
    return [*ceilings, *((c.customer_id, "group", ENTITY, control, c.pool) for c in canaries if c.pool is not None)]


_RECEIVED_DAYS = 120
_CENTS = 100


def _accounts(c: Canary, as_of: date) -> Iterable[dict[str, Any]]:
    """Statements in euros, whatever the account's currency: only their ratios count."""
    for one in c.accounts:
        end = as_of - timedelta(days=one.age)
        amounts = {
            "total_assets": one.assets, "current_assets": one.current, "current_liabilities": one.due, "total_liabilities": one.owed,
            "equity": one.assets - one.owed, "retained_earnings": one.kept, "ebit": one.earned, "interest_expense": one.interest,
            "net_income": one.profit, "sales": one.sold, "market_equity": one.assets,
        }  # fmt: skip
        yield (
            _named(c)
            | {"period_end": end, "received_date": end + timedelta(days=_RECEIVED_DAYS), "months": 12, "currency": "EUR"}
            | {"basis": "individual", "audited": "audited", "company_kind": one.kind}
            | {f"{name}_minor": amount * _CENTS for name, amount in amounts.items()}
        )


def earlier(as_of: date, grades: Sequence[str], canaries: Sequence[Canary] = CANARIES) -> list[dict[str, Any]]:
    """The last grade of the canaries that have one, from a review so long ago that all are due again."""
    day = as_of - timedelta(days=400)
    return [
        {"customer_id": c.customer_id, "as_of": day, "state": "reviewed", "grade": grades[min(c.was, len(grades) - 1)], "dso_days": None}
        for c in canaries
        if c.was is not None
    ]


def _cover(c: Canary, as_of: date, currency: str) -> Iterable[dict[str, Any]]:
    for n, one in enumerate(c.cover):
        yield _named(c) | {
            "kind": one.kind,
            "reference": f"{c.customer_id}:{n}",
            "amount_minor": one.amount,
            "currency": currency,
            "cover_fraction": one.percent / 100,
            "valid_from": as_of - timedelta(days=100),
            "valid_to": as_of + timedelta(days=100),
        }


_EMPTY: dict[str, Any] = {"str": "", "int": 0, "int?": None, "float": float("nan"), "date": None, "bool": False}


def _frame(dataset: Dataset, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    full = [{c.name: row.get(c.name, _EMPTY[c.dtype]) for c in dataset.columns} for row in rows]
    return pd.DataFrame(full, columns=list(dataset.names)).astype({c.name: PANDAS[c.dtype] for c in dataset.columns})
