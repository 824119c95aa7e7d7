"""What stands beside limits on record: what customers owe and which cover they have, from the files of the newest review of the book."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from credit_review.adapters.snapshot import Snapshot, open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.exposure import backing, insurance
from credit_review.exposure.insurance_tasks import Task, tasks
from credit_review.fx import MissingRate, RateTable
from credit_review.limits.layers import MILLION, SECURITY, LayerLimit
from credit_review.model.frames import bucket_of
from credit_review.model.money import Money
from credit_review.model.records import Review
from credit_review.model.states import Layer
from credit_review.ports import UnitOfWork
from credit_review.review.book import reviews_of_book
from credit_review.review.manifest import Manifest, from_json
from credit_review.words import said

_KINDS = {"insured_limit": Layer.INSURED, "discretionary_limit": Layer.INSURED, "guarantee": SECURITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Of a review: its label and day, what customers owe by id, and the cover of the one asked about, in its account's currency."""

    label: str
    as_of: date
    owed: Mapping[str, Money]
    cover: tuple[LayerLimit, ...]


def newest_of_book(uow: UnitOfWork, on: date) -> Review | None:
    """The newest review of the book with results, as of a day not after `on`."""
    found = [r for r in reviews_of_book(uow) if r.as_of <= on]
    return found[-1] if found else None


def owners(data: Path, uow: UnitOfWork, customers: Collection[str], on: date) -> dict[str, tuple[str, str]]:
    """Account owner, as the ledger names him, and currency of the account of those customers whom the newest review of the book knows.

    Raises Tampered where its files are missing.
    """
    review = newest_of_book(uow, on)
    if review is None:
        return {}
    manifest = from_json(review.manifest_json)
    snapshot = open_snapshot(Workspace(data, review.review_id).snapshots / manifest.snapshot)
    found: dict[str, tuple[str, str]] = {}
    for bucket in sorted({bucket_of(one, manifest.bucket_count) for one in customers}):
        rows = snapshot.frame("customers", bucket)
        rows = rows[rows["customer_id"].isin(list(customers))]
        columns = (rows[name].tolist() for name in ("customer_id", "account_owner", "currency"))
        found |= {customer: (owner, currency) for customer, owner, currency in zip(*columns, strict=True)}
    return found


def beside(data: Path, review: Review, customer_id: str, others: Collection[str], currency: str) -> Beside:
    """Exposures of a customer and the others of its group, and its cover in `currency`. Raises Tampered where files are missing."""
    workspace, manifest = Workspace(data, review.review_id), from_json(review.manifest_json)
    snapshot = open_snapshot(workspace.snapshots / manifest.snapshot)
    return Beside(
        label=review.label,
        as_of=review.as_of,
        owed=_owed(workspace, manifest, {customer_id, *others}),
        cover=_cover(workspace, snapshot, bucket_of(customer_id, manifest.bucket_count), customer_id, currency, review.as_of),
    )


def _owed(workspace: Workspace, manifest: Manifest, customers: Collection[str]) -> dict[str, Money]:
    by_bucket: dict[int, list[str]] = defaultdict(list)
    for customer in customers:
        by_bucket[bucket_of(customer, manifest.bucket_count)].append(customer)
    found: dict[str, Money] = {}
    for bucket, ids in by_bucket.items():
        rows = workspace.read("features", bucket)
        rows = rows[rows["customer_id"].isin(ids)]
        columns = (rows[name].tolist() for name in ("customer_id", "exposure_minor", "currency"))
        found |= {customer: Money(int(minor), currency) for customer, minor, currency in zip(*columns, strict=True)}
    return found


def _cover(workspace: Workspace, snapshot: Snapshot, bucket: int, customer_id: str, currency: str, as_of: date) -> tuple[LayerLimit, ...]:
    rows = snapshot.frame("cover", bucket)
    rows = rows[(rows["customer_id"] == customer_id) & rows["valid_from"].notna()].reset_index(drop=True)
    if not len(rows):
        return ()
    master, features = snapshot.frame("customers", bucket), workspace.read("features", bucket)
    own, figures = (f[f["customer_id"] == customer_id].reset_index(drop=True) for f in (master, features))
    stopped = backing.why_not(rows, own, figures, as_of=as_of)
    records = zip(rows.to_dict("records"), stopped.tolist(), strict=True)
    policy = workspace.policy()
    rates = policy.rates.table(snapshot.whole("rates"))
    begins = insurance.effective_withdrawal(rows, policy.insurance.notice_days).tolist()
    return tuple(one for (row, why), day in zip(records, begins, strict=True) for one in _layers(row, why, day, currency, rates, as_of))


def _layers(row: Mapping[Any, Any], stopped: str, withdrawn: int, currency: str, rates: RateTable, as_of: date) -> list[LayerLimit]:
    """The dated layers that one row of cover is: one, or one until a withdrawal takes effect and what stays after it."""
    stated, kept = (Money(_int(row[name]), str(row["currency"])) for name in ("amount_minor", "reduced_to_minor"))
    minor, text = 0, ""
    try:
        minor, text = _converted(stated, currency, rates, as_of)
        rest, rest_text = _converted(kept, currency, rates, as_of)
    except MissingRate as error:
        stopped, rest, rest_text = stopped or error.what, 0, ""
    fraction = row["cover_fraction"]
    whole = LayerLimit(
        layer=_KINDS[row["kind"]],
        key=f"{row['kind']}:{row['reference']}",
        amount_minor=minor,
        effective_from=row["valid_from"].date(),
        effective_to=None if row["valid_to"] != row["valid_to"] else row["valid_to"].date(),
        currency=stated.currency,
        covered_ppm=0 if fraction != fraction else round(min(max(fraction, 0), 1) * MILLION),
        stopped=stopped,
        converted=text,
    )
    if row["withdrawn_on"] != row["withdrawn_on"]:
        return [whole]
    day = date(1970, 1, 1) + timedelta(days=withdrawn)
    return [whole, replace(whole, version=2, effective_from=day, amount_minor=min(rest, minor), converted=rest_text)]


def _converted(amount: Money, currency: str, rates: RateTable, on: date) -> tuple[int, str]:
    found = rates.convert(amount.minor, base=amount.currency, quote=currency, on=on)
    if amount.currency == currency:
        return found.minor, ""
    return found.minor, said(
        "{amount} at {rate} of {day} ({source})", amount=amount, rate=found.rate, day=found.rate_date, source=found.source
    )


def _int(value: Any) -> int:
    return 0 if value is None or value != value else int(value)


def insurance_tasks(data: Path, review: Review) -> list[Task]:
    """The calendar of insurance as the review's files know it, as far ahead as its policy looks."""
    workspace, manifest = Workspace(data, review.review_id), from_json(review.manifest_json)
    snapshot, rules = open_snapshot(workspace.snapshots / manifest.snapshot), workspace.policy().insurance
    found: list[Task] = []
    for bucket in range(manifest.bucket_count):
        rows = snapshot.frame("cover", bucket)
        if len(rows):
            figures = workspace.read("features", bucket)
            found += tasks(rows, figures, as_of=review.as_of, ahead_days=rules.tasks_ahead_days, notice_days=rules.notice_days)
    return sorted(found)
