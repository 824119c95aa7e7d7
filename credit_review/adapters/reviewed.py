"""What controls read from the folders of reviews: certificates, coverage of the newest review, and balances around earlier review days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.adapters.snapshot import Snapshot, open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.controls import dips
from credit_review.controls.history import empty, typed
from credit_review.errors import CreditReviewError, Tampered
from credit_review.limits import lowered
from credit_review.model.records import Review
from credit_review.model.states import DocumentKind
from credit_review.policy import Policy
from credit_review.review import manifest as manifests
from credit_review.review.book import WITH_RESULTS

_ACTIVE_DAYS = 365
_RECEIVABLE = [str(kind) for kind in (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE, DocumentKind.PAYMENT, DocumentKind.ON_ACCOUNT)]
_NEVER = 2**62


def reviews(workspaces: Sequence[tuple[Review, Workspace]]) -> pd.DataFrame:
    """The frame `reviews`: each review with the state of its certificate."""
    rows = [(r.review_id, pd.Timestamp(r.as_of), r.state, _certificate(r, w) if r.state in WITH_RESULTS else "") for r, w in workspaces]
    return typed("reviews", pd.DataFrame(rows, columns=["review_id", "as_of", "state", "certificate"])) if rows else empty("reviews")


def _certificate(review: Review, workspace: Workspace) -> str:
    """`whole` when the kept certificate is the review's own, as written, and its lines add up to its total, by currency."""
    if not workspace.has("certificate.json"):
        return "missing"
    try:
        stated = workspace.read_json("certificate.json")
    except Tampered:
        return "altered"
    total = stated["total"]
    sums: dict[str, int] = {}
    for line in stated["lines"]:
        for currency, minor in line["amounts"].items():
            sums[currency] = sums.get(currency, 0) + minor
    customers = sum(line["customers"] or 0 for line in stated["lines"])
    ties = sums == total["amounts"] and customers == total["customers"] and stated["review_id"] == review.review_id
    return "whole" if ties else "altered"


def coverage(review: Review, workspace: Workspace, begun: date) -> pd.DataFrame:
    """The frame `coverage` of a review: every customer with its state, and whether it owes, has a limit, or bought within a year.

    No customer is with us longer than the record, which begins with the review as of `begun`: what was before nobody can say.
    """
    fixed = manifests.from_json(review.manifest_json)
    snapshot = open_snapshot(workspace.snapshots / fixed.snapshot)
    parts = [_covered(review, workspace, snapshot, bucket, begun) for bucket in range(fixed.bucket_count)]
    return pd.concat(parts, ignore_index=True)


def shares_lowered(data: Path, review_id: str) -> Mapping[str, float]:
    """By lowered customer of a review, the fraction of its class lowered for the same cause; empty where its files are not here."""
    folder = Workspace(data, review_id).folder / "proposals"
    buckets = len(list(folder.glob("*.parquet"))) if folder.is_dir() else 0
    if not buckets:
        return {}
    try:
        return lowered.shares_lowered(Workspace(data, review_id).read_all("proposals", buckets))
    except Tampered:
        return {}


def _covered(review: Review, workspace: Workspace, snapshot: Snapshot, bucket: int, begun: date) -> pd.DataFrame:
    features = workspace.read("features", bucket)[["customer_id", "exposure_minor", "limit_minor", "last_invoice_days"]]
    since = snapshot.frame("customers", bucket)[["customer_id", "customer_since"]]
    rows = workspace.read("states", bucket)[["customer_id", "state", "last_review"]]
    rows = rows.merge(features, on="customer_id", how="left").merge(since, on="customer_id", how="left")
    active = (rows["exposure_minor"].fillna(0) > 0) | (rows["limit_minor"].fillna(0) > 0) | (rows["last_invoice_days"] <= _ACTIVE_DAYS)
    rows = rows.assign(active=active.fillna(False).astype(bool), review_id=review.review_id, as_of=pd.Timestamp(review.as_of))
    first = pd.Timestamp(begun).as_unit("s")
    rows["since"] = rows["customer_since"].where(rows["customer_since"] > first, first)
    return typed("coverage", rows)


def dips_around(review: Review, workspace: Workspace, days: Sequence[date], policy: Policy) -> pd.DataFrame:
    """The frame `dips` for these earlier review days, from the ledger of this review, a bucket at a time.

    Receivables in the currency of the customer's account; no customers whose currency has no rate to the control currency.
    """
    if not dips.judged(days, review.as_of):
        return empty("dips")
    fixed = manifests.from_json(review.manifest_json)
    snapshot = open_snapshot(workspace.snapshots / fixed.snapshot)
    rates = policy.rates.table(snapshot.whole("rates"))
    parts = [_dips(review, snapshot, bucket, days, policy, rates) for bucket in range(fixed.bucket_count)]
    return pd.concat(parts, ignore_index=True)


def _dips(review: Review, snapshot: Snapshot, bucket: int, days: Sequence[date], policy: Policy, rates: fx.RateTable) -> pd.DataFrame:
    customers = snapshot.frame("customers", bucket)[["customer_id", "currency"]].drop_duplicates("customer_id")
    items = snapshot.frame("items", bucket)
    items = items[items["kind"].isin(_RECEIVABLE) & ~items["written_off"]].merge(customers, on=["customer_id", "currency"])
    ids = pd.Index(customers["customer_id"])
    floors = {currency: _floor(policy, str(currency), rates, review.as_of) for currency in customers["currency"].unique()}
    floor = customers["currency"].map(floors).to_numpy(dtype=np.int64)
    of = dips.balances(items, ids, review.as_of)
    return dips.dips(of, ids.tolist(), review.as_of, days, percent=policy.controls.dip_percent, floor=floor)


def _floor(policy: Policy, currency: str, rates: fx.RateTable, on: date) -> int:
    """The least that must be owed, in minor units of `currency`; more than anybody owes when no rate tells."""
    try:
        return rates.convert(policy.minor(policy.controls.dip_from), base=policy.control_currency, quote=currency, on=on).minor
    except CreditReviewError:
        return _NEVER
