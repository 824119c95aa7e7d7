"""How a promise about data is written down, without importing Great Expectations (its import costs seconds)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review.model.money import EXPONENTS
from credit_review.model.states import Severity
from credit_review.words import marked

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What promises may refer to besides the row itself.

    `master` holds the customer ids of the customer master; None where the source has none, and then nothing is held against it.
    `grades` are the policy's grades; empty means any.
    """

    as_of: date
    master: frozenset[str] | None = None
    grades: tuple[str, ...] = ()


Condition = Callable[["pd.DataFrame", Context], "pd.Series[bool]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One expectation on one dataset.

    `kind` is the Great Expectations class; with `holds` the gate computes that condition as a boolean column first and the
    expectation is that it is true in every row. `words` tells an auditor what is promised, `reason` tells the credit manager, in
    one sentence, what is wrong with a row that breaks it.
    """

    name: str
    column: str
    severity: Severity
    words: str
    reason: str
    kind: str = "ExpectColumnValuesToBeInSet"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    holds: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The promises of one dataset in the order in which an auditor reads them."""

    dataset: str
    promises: tuple[Promise, ...]
    could_raise: Callable[[pd.DataFrame], pd.Series[bool]]
    amount: str = ""


def holds(name: str, column: str, severity: Severity, words: str, reason: str, condition: Condition) -> Promise:
    """A promise that a condition over the row is true."""
    return Promise(name=name, column=column, severity=severity, words=words, reason=reason, holds=condition)


def one_of(name: str, column: str, severity: Severity, words: str, reason: str, values: tuple[str, ...]) -> Promise:
    """A promise that a column holds one of a closed list of values."""
    return Promise(name=name, column=column, severity=severity, words=words, reason=reason, arguments={"value_set": list(values)})


def unique(name: str, column: str, severity: Severity, words: str, reason: str) -> Promise:
    """A promise that no value of a column occurs twice."""
    return Promise(name=name, column=column, severity=severity, words=words, reason=reason, kind="ExpectColumnValuesToBeUnique")


def between(name: str, column: str, severity: Severity, words: str, reason: str, low: float | None, high: float | None) -> Promise:
    """A promise that the values a column has lie within bounds, both included; a missing value keeps the promise."""
    bounds = {"min_value": low, "max_value": high}
    return Promise(
        name=name, column=column, severity=severity, words=words, reason=reason, kind="ExpectColumnValuesToBeBetween", arguments=bounds
    )


def filled(column: str) -> Condition:
    """The condition that a text column is not empty."""
    return lambda frame, _: frame[column].ne("")


def among(column: pd.Series[str], ids: frozenset[str]) -> pd.Series[bool]:
    """Whether each text is one of `ids`: as `isin`, which looks at each id in Python and takes four times as long."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(column, type=pa.large_string(), from_pandas=True)
    return pd.Series(pc.is_in(texts, value_set=pa.array(list(ids), pa.large_string())).to_numpy(zero_copy_only=False), index=column.index)


def known_currency(severity: Severity = Severity.WARNING, column: str = "currency") -> Promise:
    """The promise that every currency is an ISO 4217 code whose decimals are known; a missing one keeps it.

    A condition, not a list for Great Expectations: that writes each list down dozens of times a check, and there are 160 codes.
    """
    return holds(
        f"{column}_is_iso4217",
        column,
        severity,
        marked("every amount carries an ISO 4217 currency code"),
        marked("the currency is unknown, so the amount cannot be read"),
        lambda frame, _: frame[column].isin(list(EXPONENTS)) | frame[column].isna(),
    )


def never(frame: pd.DataFrame) -> pd.Series[bool]:
    """False for every row: leaving such a row out never makes a customer look better."""
    return frame.iloc[:, 0].ne(frame.iloc[:, 0])


def always(frame: pd.DataFrame) -> pd.Series[bool]:
    """True for every row: the customer cannot be judged without it."""
    return frame.iloc[:, 0].eq(frame.iloc[:, 0])
