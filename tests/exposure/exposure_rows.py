"""Rows for the exposure tests: plain dicts with defaults, turned into frames of the project's schemas."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd

from credit_review import documents, fx
from credit_review import policy as policies
from credit_review.exposure import CAPABILITIES, features
from credit_review.model.frames import COVER, CUSTOMERS, EXTERNAL, FEATURES, ITEMS, QUARANTINE

AS_OF = date(2026, 9, 30)
EMPTY = {"str": "", "int": 0, "int?": None, "float": None, "date": None, "bool": False}
PANDAS = {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]", "bool": "bool"}
RATES = fx.RateTable.from_rows([(date(2026, 9, 28), "USD", "EUR", "0.9137", "ECB"), (date(2026, 9, 29), "EUR", "JPY", "161.07", "ECB")])


def frame(dataset, rows):
    columns = {c.name: [row.get(c.name, EMPTY[c.dtype]) for row in rows] for c in dataset.columns}
    unknown = {name for row in rows for name in row} - set(dataset.names)
    assert not unknown, unknown
    return pd.DataFrame(columns).astype({c.name: PANDAS[c.dtype] for c in dataset.columns})


def item(customer_id="C1", kind="invoice", amount=10_000, **given):
    row = {
        "customer_id": customer_id,
        "kind": kind,
        "currency": "EUR",
        "document_date": date(2026, 9, 1),
        "posting_date": date(2026, 9, 1),
        "due_date": date(2026, 10, 1),
        "amount_minor": amount,
        "open_minor": amount,
        "source_number": customer_id,
    }
    return row | given


def customer(customer_id="C1", **given):
    row = {"customer_id": customer_id, "source_number": customer_id, "group_id": customer_id, "currency": "EUR", "status": "active"}
    return row | {"terms_days": 30} | given


def numbered(items):
    return [{"row_key": f"r{number:04}"} | row for number, row in enumerate(items)]


@cache
def starter():
    path = Path(__file__).parents[2] / "deployments" / "starter" / "policy.yaml"
    return policies.load(documents.parse(path.read_text(encoding="utf-8"), name="policy.yaml"))


def with_exposure(**changes):
    policy = starter()
    return policy.model_copy(update={"exposure": policy.exposure.model_copy(update=changes)})


def run(
    items=(), customers=None, external=(), cover=(), *, as_of=AS_OF, policy=None, rates=RATES, capabilities=CAPABILITIES, quarantine=None
):
    return features(
        frame(ITEMS, numbered(items)),
        frame(CUSTOMERS, [customer()] if customers is None else customers),
        frame(EXTERNAL, external),
        frame(COVER, cover),
        as_of=as_of,
        policy=policy or starter(),
        rates=rates,
        capabilities=capabilities,
        quarantine=None if quarantine is None else frame(QUARANTINE, quarantine),
    )


def one(*args, **kwargs):
    """The figures of the only customer, missing as None."""
    found = run(*args, **kwargs).frame
    assert len(found) == 1
    row = found.iloc[0]
    return {name: None if pd.isna(row[name]) else row[name] for name in FEATURES.names}


def as_bytes(result):
    """A frame's content, exactly, for comparing runs."""
    return result.to_csv(index=False).encode(), [str(d) for d in result.dtypes]


def fresh_rates(as_of):
    """The rates of RATES as if published on as_of."""
    return fx.RateTable.from_rows([(as_of, "USD", "EUR", "0.9137", "ECB"), (as_of, "EUR", "JPY", "161.07", "ECB")])


def features_of(frames, *, as_of):
    return features(*frames, as_of=as_of, policy=starter(), rates=fresh_rates(as_of), capabilities=CAPABILITIES)
