"""A customer's limit layers from the record: its accounts and its group's, in one currency, with the rate of every converted figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from credit_review.errors import BadInput, CreditReviewError, Refused
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
        """The layers, the group's limit with what its other members owe; None: not known. Nothing is converted where there is no pool."""
        if not any(row.layer == Layer.GROUP for row in self.layers):
            return self.layers
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
    found = recorded_many(uow, [customer_id], on=on, now=now, control=control)[customer_id]
    if isinstance(found, CreditReviewError):
        raise found
    return found


def recorded_many(
    uow: UnitOfWork, customer_ids: Collection[str], *, on: date, now: datetime, control: str
) -> dict[str, Recorded | CreditReviewError]:
    """The same of each of several customers; in the place of one that has none the error that `recorded` raises for it."""
    ids = sorted(set(customer_ids))
    together = members_of(uow, {i: (i, "") for i in ids}, on, now)
    own, shared = defaultdict(list), defaultdict(list)
    for account in uow.find(LimitAccount, subject_kind="customer", subject_id=ids) if ids else []:
        own[account.subject_id].append(account)
    groups = sorted({group for group, _ in together.values()})
    for account in uow.find(LimitAccount, subject_kind="group", subject_id=groups) if groups else []:
        shared[account.subject_id].append(account)
    others = sorted({m for group, members in together.values() if shared[group] for m in members})
    owing: dict[str, set[str]] = defaultdict(set)
    for account in uow.find(LimitAccount, subject_kind="customer", subject_id=others) if others else []:
        owing[account.subject_id].add(account.currency)
    every = sorted({a.account_id for some in (*own.values(), *shared.values()) for a in some})
    changes = defaultdict(list)
    for change in by_season(uow, uow.find(LimitChange, account_id=every, order_by=("account_id", "version"))) if every else []:
        changes[change.account_id].append(change)
    known: dict[tuple[str, frozenset[str]], RateTable] = {}
    found: dict[str, Recorded | CreditReviewError] = {}
    for customer in ids:
        if not own[customer]:
            found[customer] = _no_account(customer)
            continue
        currency = min(own[customer], key=lambda a: (a.layer != Layer.BASE, a.legal_entity != ALL, a.currency)).currency
        group, members = together[customer]
        accounts = [*own[customer], *shared[group]]
        pooled = {code for m in members for code in owing[m]} if shared[group] else set()
        codes = frozenset({a.currency for a in accounts} | pooled | {control}) - {currency}
        if (currency, codes) not in known:
            known[currency, codes] = rates_to(uow, codes, currency, on, now)
        rates = known[currency, codes]
        try:
            layers = tuple(_layer(a, c, currency, rates, on) for a in accounts for c in changes[a.account_id])
        except Refused as error:
            found[customer] = error
            continue
        found[customer] = Recorded(
            customer_id=customer,
            group_id=group,
            others=members - {customer},
            currency=currency,
            layers=layers,
            rates=rates,
            day=on,
        )
    return found


def _no_account(customer_id: str) -> BadInput:
    return BadInput(
        said("customer {customer_id} has no limit account", customer_id=customer_id),
        expected=said("a customer that a review has met"),
        next_step=said("look up its id with `credit-review report`, or ask for a first limit with `credit-review request`"),
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
