"""What is promised about ledger items before anything is computed from them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from credit_review.model.money import MAX_MINOR
from credit_review.model.states import DocumentKind, Severity
from credit_review.words import marked
from expectations.promise import Context, Promise, Suite, among, between, filled, holds, known_currency, one_of, unique

if TYPE_CHECKING:
    import pandas as pd

RAISES = (DocumentKind.INVOICE, DocumentKind.NOTE, DocumentKind.ORDER, DocumentKind.DELIVERY)
LOWERS = (DocumentKind.CREDIT_NOTE, DocumentKind.PAYMENT, DocumentKind.ON_ACCOUNT)
FIRST_YEAR = "1970-01-01"
LATEST_DUE = timedelta(days=3650)
"""A due date further ahead of the as-of date than this is a typing error: it would hide an overdue item for ever."""


def _day(value: object) -> pd.Timestamp:
    import pandas as pd

    return pd.Timestamp(str(value))


def _in_master(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    known = frame["customer_id"].eq("")  # rows that name nobody are another promise
    return known | True if context.master is None else known | among(frame["customer_id"], context.master)


def _due_where_needed(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["due_date"].notna() | ~frame["kind"].isin([DocumentKind.INVOICE, DocumentKind.NOTE])


def _begins(frame: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """The earlier of document and posting date: a document posted late may be due before its posting."""
    earlier = frame["document_date"] < frame["posting_date"]
    return frame["posting_date"].mask(earlier, frame["document_date"])


def _due_after_document(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return ~(frame["due_date"] < _begins(frame))


def _cleared_after_posting(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return ~(frame["clearing_date"] < _begins(frame)) | frame["kind"].isin(LOWERS)


def _credit_cleared_after_posting(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return ~(frame["clearing_date"] < _begins(frame)) | ~frame["kind"].isin(LOWERS)


def _dates_plausible(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    early, late = _day(FIRST_YEAR), _day(context.as_of + LATEST_DUE)
    wrong = (frame["posting_date"] < early) | (frame["due_date"] < early) | (frame["due_date"] > late)
    return ~wrong


def _sign_fits(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    amount = frame["amount_minor"]
    return ~((frame["kind"].isin(RAISES) & (amount < 0)) | (frame["kind"].isin(LOWERS) & (amount > 0)))


def _open_within(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    opened, amount = frame["open_minor"], frame["amount_minor"]
    return opened.between(amount.clip(upper=0), amount.clip(lower=0))


def _cleared_is_closed(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    return ~((frame["clearing_date"] <= _day(context.as_of)) & frame["open_minor"].ne(0))


def _posted_by_as_of(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    return ~(frame["posting_date"] > _day(context.as_of))


def _written_off_is_closed(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return ~(frame["written_off"] & frame["open_minor"].ne(0))


def _could_raise(frame: pd.DataFrame) -> pd.Series[bool]:
    """False only for rows that are credits or cash beyond doubt: leaving one out makes the customer look worse, never better."""
    lowers = frame["kind"].isin(LOWERS) & (frame["amount_minor"] <= 0) & (frame["open_minor"] <= 0)
    return ~lowers


_W, _C, _I = Severity.WARNING, Severity.CRITICAL, Severity.INFO

PROMISES: tuple[Promise, ...] = (
    holds("row_has_a_key", "row_key", _C, marked("every row can be named by its key"), marked("the row has no key"), filled("row_key")),
    unique("row_key_is_unique", "row_key", _W, marked("no two rows share a key"), marked("another row of the ledger has the same key")),
    holds(
        "customer_is_named",
        "customer_id",
        _W,
        marked("every row names a customer we can tell"),
        marked("no customer could be told"),
        filled("customer_id"),
    ),
    holds(
        "customer_is_in_master",
        "customer_id",
        _W,
        marked("every customer of the ledger is in the customer master"),
        marked("the customer is not in the customer master, so its currency, terms and limit are unknown"),
        _in_master,
    ),
    known_currency(),
    one_of(
        "kind_is_known",
        "kind",
        _W,
        marked("every row is an invoice, credit note, payment, payment on account, note, order or delivery"),
        marked("the kind of document is unknown, so it cannot be told whether it raises or lowers exposure"),
        tuple(DocumentKind),
    ),
    Promise(
        name="posting_date_is_present",
        column="posting_date",
        severity=_W,
        words=marked("every row has a readable posting date"),
        reason=marked("the posting date is missing or unreadable, so it cannot be told whether the row counts at the as-of date"),
        kind="ExpectColumnValuesToNotBeNull",
    ),
    holds(
        "due_date_is_present",
        "due_date",
        _W,
        marked("every invoice and note has a readable due date"),
        marked("the due date is missing or unreadable, so lateness cannot be told"),
        _due_where_needed,
    ),
    holds(
        "due_not_before_document",
        "due_date",
        _W,
        marked("no document is due before it exists"),
        marked("the due date lies before the document and posting dates"),
        _due_after_document,
    ),
    holds(
        "clearing_not_before_document",
        "clearing_date",
        _W,
        marked("no invoice, note, order or delivery is cleared before it exists"),
        marked("the clearing date lies before the document and posting dates"),
        _cleared_after_posting,
    ),
    holds(
        "credit_cleared_after_it_exists",
        "clearing_date",
        _I,
        marked("no credit or cash is cleared before it exists; lateness and exposure do not depend on it"),
        marked("the clearing date of the credit or payment lies before its document and posting dates"),
        _credit_cleared_after_posting,
    ),
    holds(
        "dates_are_plausible",
        "due_date",
        _W,
        marked("dates lie after 1970, and no due date lies more than ten years ahead"),
        marked("a date lies so far off that it must be a typing error"),
        _dates_plausible,
    ),
    holds(
        "sign_fits_kind",
        "amount_minor",
        _W,
        marked("invoices, notes, orders and deliveries are not negative; credit notes and cash are not positive"),
        marked("the sign contradicts the kind of document"),
        _sign_fits,
    ),
    holds(
        "open_within_amount",
        "open_minor",
        _W,
        marked("the open amount has the sign of the original amount and is not larger"),
        marked("the open amount is larger than the document, or has the other sign"),
        _open_within,
    ),
    holds(
        "cleared_is_closed",
        "clearing_date",
        _W,
        marked("an item cleared by the as-of date has nothing open"),
        marked("the item has a clearing date and still an open amount"),
        _cleared_is_closed,
    ),
    between(
        "amount_in_range",
        "amount_minor",
        _C,
        marked("amounts can be added without overflow"),
        marked("the amount is too large to be true"),
        -MAX_MINOR,
        MAX_MINOR,
    ),
    holds(
        "posted_by_as_of",
        "posting_date",
        _I,
        marked("rows were posted by the as-of date; later ones are read but do not count"),
        marked("posted after the as-of date, so it does not count"),
        _posted_by_as_of,
    ),
    holds(
        "written_off_is_closed",
        "written_off",
        _I,
        marked("items written off have nothing open"),
        marked("written off and still open in the ledger"),
        _written_off_is_closed,
    ),
)

SUITE = Suite(dataset="items", promises=PROMISES, could_raise=_could_raise, amount="open_minor")
