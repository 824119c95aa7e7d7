"""A customer's limit layers from the record: its accounts and its group's, in one currency, with the rate of every converted figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from credit_review.errors import BadInput
from credit_review.fx import MissingRate, RateTable
from credit_review.limits.layers import ALL, LayerLimit
from credit_review.model.money import Money
from credit_review.model.records import LimitAccount, LimitChange
from credit_review.model.states import Layer
from credit_review.ports import UnitOfWork
from credit_review.review.seasons import by_season
from credit_review.review.standing import members_of, no_rate, rates_to
from credit_review.words import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Layers of a customer as the record has them, in `currency`; `group_id` is its own id where it has no group. `others` are the
    group's other members."""

    customer_id: str
    group_id: str
    others: frozenset[str]
    currency: str
    layers: tuple[LayerLimit, ...]
    rates: RateTable
    day: date

    def convert(self, amount: Money) -> tuple[int, str]:
        """An amount in `currency`, and from what, at which rate, of which day and source. Raises Refused `no_rate`."""
        return converted(amount, self.currency, self.rates, self.day)

    def with_pool_taken(self, owed: Mapping[str, Money] | None) -> tuple[LayerLimit, ...]:
        """The layers, the group's limit with what its other members owe; None: not known."""
        taken = None if owed is None else sum(self.convert(owed[m])[0] for m in sorted(self.others) if m in owed)
        return tuple(replace(row, taken_minor=taken) if row.layer == Layer.GROUP else row for row in self.layers)


def converted(amount: Money, currency: str, rates: RateTable, on: date) -> tuple[int, str]:
    """An amount in another currency, rounded half-even once, and the evidence in words; no words in the same currency."""
    if amount.currency == currency:
        return amount.minor, ""
    try:
        found = rates.convert(amount.minor, base=amount.currency, quote=currency, on=on)
    except MissingRate as error:
        raise no_rate(error) from None
    text = said("{amount} at {rate} of {day} ({source})", amount=amount, rate=found.rate, day=found.rate_date, source=found.source)
    return found.minor, text


def recorded(uow: UnitOfWork, customer_id: str, *, on: date, now: datetime, control: str) -> Recorded:
    """The layers of a customer on record at `now`, converted on the day `on` to the currency of its base limit.

    Raises BadInput for a customer without any account, Refused `no_rate` where a figure cannot be converted.
    """
    accounts = uow.find(LimitAccount, subject_kind="customer", subject_id=customer_id)
    if not accounts:
        raise BadInput(
            said("customer {customer_id} has no limit account", customer_id=customer_id),
            expected=said("a customer that a review has met"),
            next_step=said("look up its id with `credit-review report`, or ask for a first limit with `credit-review request`"),
        )
    currency = min(accounts, key=lambda a: (a.layer != Layer.BASE, a.legal_entity != ALL, a.currency)).currency
    group, members = members_of(uow, {customer_id: (customer_id, "")}, on, now)[customer_id]
    accounts += uow.find(LimitAccount, subject_kind="group", subject_id=group)
    codes = {a.currency for a in accounts} | {control}
    rates = rates_to(uow, codes - {currency}, currency, on, now)
    by_id = {a.account_id: a for a in accounts}
    changes = by_season(uow, uow.find(LimitChange, account_id=sorted(by_id), order_by=("account_id", "version")))
    return Recorded(
        customer_id=customer_id,
        group_id=group,
        others=members - {customer_id},
        currency=currency,
        layers=tuple(_layer(by_id[c.account_id], c, currency, rates, on) for c in changes),
        rates=rates,
        day=on,
    )


def _layer(account: LimitAccount, change: LimitChange, currency: str, rates: RateTable, on: date) -> LayerLimit:
    amount, text = None, ""
    if change.new_minor is not None:
        amount, text = converted(Money(change.new_minor, account.currency), currency, rates, on)
    return LayerLimit(
        layer=account.layer,
        key=account.account_id,
        amount_minor=amount,
        effective_from=change.effective_from,
        effective_to=change.effective_to,
        version=change.version,
        scope=account.legal_entity or ALL,
        currency=account.currency,
        taken_minor=None if account.layer == Layer.GROUP else 0,
        converted=text,
    )
