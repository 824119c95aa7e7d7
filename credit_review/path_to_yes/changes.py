"""What a change does to a customer's ledger, statements, reports and security, and the limit that the engine then finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from credit_review import exposure, fx, limits, scoring
from credit_review.limits.codes import SEPARATOR
from credit_review.model.states import DocumentKind
from credit_review.policy import Policy
from credit_review.scoring import Scorecard

_V = TypeVar("_V", bound=Hashable)
_DEBTS = (DocumentKind.INVOICE, DocumentKind.NOTE)
ASSUMED = "path-to-yes"
"""Provider and reference of reports and guarantees that do not exist yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer as its review read it, and the rules of that review.

    Its rows of ITEMS, CUSTOMERS (with the limit in force), EXTERNAL, STATEMENTS, REMARKS, COVER and QUARANTINE after validation, its STATES
    row, the book's GROUPS and FORECASTS, and the grade of its last review (empty where there is none). `layers` are its features
    LAYER_AMOUNTS and LAYER_TEXTS, and `others_owe` what the other members of its group owe of a shared pool; nothing of these changes.
    """

    items: pd.DataFrame
    customers: pd.DataFrame
    external: pd.DataFrame
    statements: pd.DataFrame
    remarks: pd.DataFrame
    cover: pd.DataFrame
    quarantine: pd.DataFrame
    states: pd.DataFrame
    groups: pd.DataFrame
    previous: str
    as_of: date
    policy: Policy
    scorecard: Scorecard
    rates: fx.RateTable
    capabilities: Collection[str]
    layers: Mapping[str, Any] = field(default_factory=dict)
    others_owe: int | None = None
    forecasts: pd.DataFrame | None = None

    @property
    def currency(self) -> str:
        """Currency of the account, in which all amounts of a change are."""
        return str(self.customers["currency"].iloc[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would be different on the as-of date. Amounts in minor units of the account's currency; None: as it is.

    `pay` and `settle` are row keys of open invoices and notes: paid in full, and disputes ended by payment or credit note.
    `net_worth_minor` is the tangible net worth that new accounts show,
    `recommended_minor` the limit that a new external report recommends (grade and probability as in the last one), `guarantee_minor`
    a guarantee valid from that day.
    """

    pay: tuple[str, ...] = ()
    settle: tuple[str, ...] = ()
    net_worth_minor: int | None = None
    recommended_minor: int | None = None
    guarantee_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Payable:
    """An open invoice or note: row key, document number, due date, what is open of it in its own currency, and whether it is disputed."""

    row_key: str
    document: str
    due: date
    open_minor: int
    currency: str
    disputed: bool


def payable(customer: Customer) -> tuple[Payable, ...]:
    """Open invoices and notes, the one due first ahead: the order in which they would be paid."""
    items = customer.items
    owed = items[
        items["kind"].isin(list(_DEBTS)) & (items["open_minor"] > 0) & ~items["written_off"]
        & (items["clearing_date"].isna() | (items["clearing_date"] > pd.Timestamp(customer.as_of))) & items["due_date"].notna()
        & (items["posting_date"] <= pd.Timestamp(customer.as_of))
    ].sort_values(["due_date", "row_key"], kind="stable")  # fmt: skip
    columns = zip(owed["row_key"], owed["document"], owed["due_date"], owed["open_minor"], owed["currency"], owed["disputed"], strict=True)
    return tuple(Payable(str(k), str(d), due.date(), int(m), str(c), bool(q)) for k, d, due, m, c, q in columns)


def after(customer: Customer, changes: Sequence[Change]) -> pd.DataFrame:
    """The PROPOSALS row of the customer under each change, in their order, by features, scorecard and limits as in a review."""
    names = [f"{number:06d}" for number in range(len(changes))]
    as_is = [None] * len(changes)
    features = exposure.features(
        _each(customer.items, names, [one.pay + one.settle or None for one in changes], lambda rows, keys: _paid(rows, keys, customer)),
        _each(customer.customers, names, [one.net_worth_minor for one in changes], lambda rows, minor: _worth(rows, minor, customer)),
        _each(customer.external, names, [one.recommended_minor for one in changes], lambda rows, minor: _reported(rows, minor, customer)),
        _each(customer.cover, names, [one.guarantee_minor for one in changes], lambda rows, minor: _guaranteed(rows, minor, customer)),
        as_of=customer.as_of,
        policy=customer.policy,
        rates=customer.rates,
        capabilities=customer.capabilities,
        statements=_each(customer.statements, names, as_is, lambda rows, _: rows),
        remarks=_each(customer.remarks, names, as_is, lambda rows, _: rows),
        quarantine=_each(customer.quarantine, names, as_is, lambda rows, _: rows),
        forecasts=_foreseen(customer, names),
    ).frame
    features = features.assign(**customer.layers).astype(features.dtypes.to_dict())
    previous = pd.Series(customer.previous, index=names, dtype="str")
    scores = scoring.score(features, customer.scorecard, customer.policy, previous=previous)
    states = _each(customer.states, names, as_is, lambda rows, _: rows)
    owed = {} if customer.others_owe is None else dict.fromkeys(names, customer.others_owe)
    rules: dict[str, Any] = {"policy": customer.policy, "as_of": customer.as_of, "rates": customer.rates, "others_owe": owed}
    found = limits.propose(features, scores, _of_others(customer), states, **rules)
    return found.sort_values("customer_id", ignore_index=True)


def _each(
    rows: pd.DataFrame, names: Sequence[str], values: Sequence[_V | None], changed: Callable[[pd.DataFrame, _V], pd.DataFrame]
) -> pd.DataFrame:
    """The rows once for each value, under a customer id of its own, changed where there is a value."""
    made: dict[_V | None, pd.DataFrame] = {None: rows}
    for value in values:
        if value is not None and value not in made:
            made[value] = changed(rows, value)
    parts = [made[value] for value in values]
    ids = np.repeat(np.array(names, dtype=object), [len(part) for part in parts])
    return pd.concat(parts, ignore_index=True).assign(customer_id=pd.Series(ids, dtype="str"))


def _of_others(customer: Customer) -> pd.DataFrame:
    """The book's GROUPS without the customer among the bad members, as which it bears on others only: here it goes by other ids."""
    own = str(customer.customers["customer_id"].iloc[0])
    named = customer.groups["bad_members"].map(lambda ids: SEPARATOR.join(one for one in ids.split(SEPARATOR) if one != own))
    return customer.groups.assign(bad_members=named.astype("str"))


def _foreseen(customer: Customer, names: Sequence[str]) -> pd.DataFrame | None:
    """The forecasts, and those of the customer that are not over once more under each id; who is right how often stays the same."""
    known = customer.forecasts
    if known is None or known.empty:
        return known
    mine = known[(known["customer_id"] == str(customer.customers["customer_id"].iloc[0])) & known["actual_minor"].isna()]
    return pd.concat([known, _each(mine, names, [None] * len(names), lambda rows, _: rows)], ignore_index=True)


def _paid(items: pd.DataFrame, keys: tuple[str, ...], customer: Customer) -> pd.DataFrame:
    """What is paid is cleared on the as-of date; where a source shows open items only, it is gone."""
    gone = items["row_key"].isin(list(keys))
    if "cleared_items" not in customer.capabilities:
        return items[~gone]
    day = pd.Timestamp(customer.as_of)
    return items.assign(open_minor=items["open_minor"].mask(gone, 0), clearing_date=items["clearing_date"].mask(gone, day))


def _worth(master: pd.DataFrame, minor: int, customer: Customer) -> pd.DataFrame:
    return _with(master, {"tangible_net_worth_minor": minor, "net_worth_date": pd.Timestamp(customer.as_of)})


def _reported(reports: pd.DataFrame, minor: int, customer: Customer) -> pd.DataFrame:
    last = reports.sort_values(["report_date", "provider"], kind="stable").tail(1)
    told: dict[str, Any] = {"recommended_limit_minor": minor, "report_date": pd.Timestamp(customer.as_of)}
    told |= {"currency": customer.currency, "provider": ASSUMED}
    return pd.concat([reports, _with(last, told) if len(last) else _row(reports, told)], ignore_index=True)


def _guaranteed(cover: pd.DataFrame, minor: int, customer: Customer) -> pd.DataFrame:
    told: dict[str, Any] = {"kind": "guarantee", "reference": ASSUMED, "amount_minor": minor, "currency": customer.currency}
    return pd.concat([cover, _row(cover, told | {"cover_fraction": 1.0, "valid_from": pd.Timestamp(customer.as_of)})], ignore_index=True)


def _with(rows: pd.DataFrame, told: Mapping[str, Any]) -> pd.DataFrame:
    return rows.assign(**{name: pd.Series(value, index=rows.index).astype(rows[name].dtype) for name, value in told.items()})


def _row(like: pd.DataFrame, told: Mapping[str, Any]) -> pd.DataFrame:
    """One row of the columns and types of `like`; text that is not told is empty, everything else missing."""
    empty = {str(name): pd.Series([told.get(str(name), "" if str(kind) == "str" else None)]) for name, kind in like.dtypes.items()}
    return pd.DataFrame(empty).astype(like.dtypes.to_dict())
