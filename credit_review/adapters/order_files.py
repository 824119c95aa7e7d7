"""Makes lists of open orders from the files of the newest review of the book, and keeps them in the data folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from credit_review.adapters.snapshot import open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.errors import CreditReviewError
from credit_review.exposure.order_list import RELEASE, UNKNOWN, Bucket, not_computable, order_list
from credit_review.fx import RateTable
from credit_review.limits.layers import limit_on
from credit_review.model.frames import bucket_of
from credit_review.model.money import Money
from credit_review.report.spreadsheet import safe_csv
from credit_review.review.layers import Recorded
from credit_review.review.manifest import from_json
from credit_review.review.order_hand_off import Asked, Listed

if TYPE_CHECKING:
    from credit_review.model.records import Review

NO_REVIEW = "no review of the book has results"


def list_orders(data: Path, review: Review | None, asked: Sequence[Asked]) -> Listed:
    """The list for these customers from the files of the review (None: nothing can be said of them), a bucket at a time.

    Raises Tampered where files are missing or not what was written.
    """
    if review is None:
        return _listed(not_computable(pd.DataFrame([_limits(one, None, None, NO_REVIEW) for one in asked]), None))
    book = _Book(data, review)
    limits = [book.limits_of(one) for one in asked]
    whole = pd.concat([order_list(bucket, rows) for bucket, rows in book.buckets(limits)], ignore_index=True)
    whole = whole.sort_values(["list", "customer_id"], kind="stable", ignore_index=True)
    return _listed(whole, review_id=review.review_id, snapshot=book.snapshot.digest, as_of=review.as_of)


def _listed(frame: pd.DataFrame, **about: Any) -> Listed:
    """The list with its totals: of orders to release their amounts, of those outside the part that is."""
    lines = {str(name): int(count) for name, count in frame["list"].value_counts().items()}
    known = frame[frame["list"] != UNKNOWN]
    moved = known["amount_minor"].where(known["list"] == RELEASE, known["outside_minor"])
    sums = moved.groupby(known["list"] + " " + known["currency"]).sum()
    return Listed(text=safe_csv(frame), lines=lines, amounts={str(name): int(minor) for name, minor in sums.items()}, **about)


def _limits(asked: Asked, before: int | None, after: int | None, reason: str, currency: str = "") -> dict[str, Any]:
    figures = {"before_minor": before, "after_minor": after, "effective_from": asked.effective_from, "reason": reason}
    return {"customer_id": asked.customer_id, "currency": currency, **figures}


class _Book:
    """The files of a review, each bucket's read once."""

    def __init__(self, data: Path, review: Review) -> None:
        self.review = review
        self._workspace, self._manifest = Workspace(data, review.review_id), from_json(review.manifest_json)
        self.snapshot = open_snapshot(self._workspace.snapshots / self._manifest.snapshot)
        self._features: dict[int, pd.DataFrame] = {}

    def limits_of(self, asked: Asked) -> dict[str, Any]:
        """The effective limits of a customer before and after its changes, or the reason why they cannot be said.

        Before is today without the new changes; where one of them ends a limit, the day before the first of them.
        """
        found = asked.recorded
        if isinstance(found, CreditReviewError):
            return _limits(asked, None, None, str(found.what))
        try:
            layers = found.with_pool_taken(self._owed(found))
        except CreditReviewError as error:
            return _limits(asked, None, None, str(error.what))
        after = limit_on(layers, found.day).amount_minor
        if asked.ended:
            before = limit_on(layers, asked.effective_from - timedelta(days=1)).amount_minor
        else:
            before = limit_on([one for one in layers if (one.key, one.version) not in asked.changes], found.day).amount_minor
        return _limits(asked, before, after, "", found.currency)

    def _owed(self, found: Recorded) -> dict[str, Money]:
        """What the other members of its group owe."""
        by_bucket: dict[int, set[str]] = defaultdict(set)
        for other in found.others:
            by_bucket[bucket_of(other, self._manifest.bucket_count)].add(other)
        owed: dict[str, Money] = {}
        for bucket, ids in by_bucket.items():
            rows = self._of(bucket)
            rows = rows[rows["customer_id"].isin(ids)]
            columns = (rows[name].tolist() for name in ("customer_id", "exposure_minor", "currency"))
            owed |= {customer: Money(int(minor), currency) for customer, minor, currency in zip(*columns, strict=True)}
        return owed

    def _of(self, bucket: int) -> pd.DataFrame:
        if bucket not in self._features:
            self._features[bucket] = self._workspace.read("features", bucket)
        return self._features[bucket]

    def buckets(self, limits: Sequence[dict[str, Any]]) -> Iterator[tuple[Bucket, pd.DataFrame]]:
        """What each bucket has of the customers asked about, with their limits."""
        by_bucket: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in limits:
            by_bucket[bucket_of(row["customer_id"], self._manifest.bucket_count)].append(row)
        states = self._workspace.read_all("states", self._manifest.bucket_count)
        segments = dict(zip(states["customer_id"].tolist(), states["policy_segment"].fillna("").tolist(), strict=True))
        rates, policy = RateTable.from_frame(self.snapshot.whole("rates")), self._workspace.policy()
        has = self._workspace.capabilities()
        for bucket, rows in sorted(by_bucket.items()):
            frame = pd.DataFrame(rows)
            frame[["before_minor", "after_minor"]] = frame[["before_minor", "after_minor"]].astype("Int64")
            found = Bucket(
                items=self.snapshot.frame("items", bucket),
                customers=self.snapshot.frame("customers", bucket),
                features=self._of(bucket),
                segments=segments,
                as_of=self.review.as_of,
                rates=rates,
                policy=policy,
                has=has,
            )
            yield found, frame
