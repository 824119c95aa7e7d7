"""Small books of features, scores, groups and states for tests of limits: one customer a call, plain values, schema types."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from credit_review import documents, policy
from credit_review.model.frames import FEATURES, GROUPS, SCORES, STATES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deployments/starter/policy.yaml").read_text()
STARTER = policy.load(documents.parse(TEXT, name="policy.yaml"))

PANDAS = {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]", "bool": "bool"}
EMPTY = {"str": "", "int": 0, "int?": None, "float": float("nan"), "date": None, "bool": False}


def frame(dataset, rows):
    """Rows (dicts; missing fields empty) as a frame of `dataset`."""
    full = [{c.name: row.get(c.name, EMPTY[c.dtype]) for c in dataset.columns} for row in rows]
    return pd.DataFrame(full, columns=list(dataset.names)).astype({c.name: PANDAS[c.dtype] for c in dataset.columns})


def eur(amount):
    """Euros in cents."""
    return round(amount * 100)


def customer(customer_id="c1", *, grade="B", **fields):
    """One customer in good order: need 100,000, limit 100,000, recent statements and bureau report; `fields` override features."""
    plain = {
        "customer_id": customer_id,
        "group_id": customer_id,
        "currency": "EUR",
        "status": "active",
        "need_minor": eur(100_000),
        "peak_balance_minor": None,
        "limit_minor": eur(100_000),
        "terms_days": 30,
        "exposure_minor": eur(40_000),
        "own_risk_minor": eur(40_000),
        "security_minor": 0,
        "tangible_net_worth_minor": eur(10_000_000),
        "net_worth_age_days": 100.0,
        "recommended_limit_minor": eur(1_000_000),
        "external_age_days": 30.0,
        "last_invoice_days": 5.0,
        "grade": grade,
    }
    return plain | fields


def book(*customers, states=(), reasons=""):
    """features, scores, groups and states of the customers; `states` overrides the state row of some by id."""
    features = frame(FEATURES, customers)
    scores = frame(
        SCORES,
        [
            {"customer_id": c["customer_id"], "grade": c["grade"], "points": 500, "pd_fraction": 0.02, "reason_codes": reasons}
            for c in customers
        ],
    )
    exposure = features.groupby("group_id")["exposure_minor"].sum()
    groups = frame(GROUPS, [{"group_id": g, "currency": "EUR", "members": 1, "exposure_minor": int(e)} for g, e in exposure.items()])
    other = {s["customer_id"]: s for s in states}
    rows = [
        {"customer_id": c["customer_id"], "group_id": c["group_id"], "currency": c["currency"], "portfolio": "north", "state": "reviewed"}
        | other.get(c["customer_id"], {})
        for c in customers
    ]
    known = {c["customer_id"] for c in customers}
    rows += [s for i, s in other.items() if i not in known]
    return features, scores, groups, frame(STATES, rows)


def changed(**edits):
    """The starter policy with values replaced: dotted__path=value."""
    data = STARTER.model_dump()
    for path, value in edits.items():
        *parts, last = path.split("__")
        at = data
        for part in parts:
            at = at[int(part) if part.isdigit() else part]
        at[last] = value
    built = policy.Policy.model_validate(data)
    assert policy.problems(built) == ()
    return built
