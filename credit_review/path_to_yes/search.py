"""The smallest change that reaches a limit: fewest kinds of effort first, then the fewest invoices and the smallest amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

from credit_review.limits.codes import SEPARATOR, VIEW_NOTES, Cap, Forbids
from credit_review.path_to_yes.changes import Change, Customer, Payable, after, payable
from credit_review.scoring.factors import FACTORS

MOST_NET_WORTH = 100
"""Net worth beyond this many times the limit asked for is no realistic answer."""
ROOM = 2
"""A report or a guarantee for up to this many times the limit asked for is considered: limits are rounded down."""
_AT_ONCE = 24
"""Variants of one customer computed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What it takes. Amounts in minor units of `currency`.

    `now_minor` is the engine's limit as things are; `change` None means that nothing is needed (`now_minor` reaches `asked_minor`) or
    that nothing helps. `reaches_minor` is the limit after `change`: at least `asked_minor`, or the most that can be reached. `stops`
    is the PROPOSALS row that says why it is no more, None where the limit asked for is reached. `pays` are the invoices of the change.
    `statements_days`: statements at most so many days old would add the financial view, which is missing and which policy combines; None
    where it is known, or decides nothing. What they reach is no part of `reaches_minor`: nobody knows their figures.
    """

    currency: str
    asked_minor: int
    now_minor: int | None
    reaches_minor: int | None
    change: Change | None
    pays: tuple[Payable, ...]
    stops: Mapping[str, Any] | None
    statements_days: int | None = None

    @property
    def reached(self) -> bool:
        """Whether the limit asked for is reached."""
        return self.reaches_minor is not None and self.reaches_minor >= self.asked_minor


def find(customer: Customer, asked_minor: int) -> Path:
    """The smallest change that takes the customer's limit to `asked_minor`, or as near as changes can.

    Smallest: no kind of effort could be left out, no invoice could stay unpaid, and no amount could be the next smaller round one.
    """
    bills = payable(customer)
    start = _row(after(customer, [Change()]), 0)
    now = _limit(start)
    largest = _largest(customer, asked_minor, bills, start)
    tries = [chosen for size in range(1, len(largest) + 1) for chosen in combinations(largest, size)]
    made = after(customer, [_joined(largest, chosen) for chosen in tries]) if tries else None
    rows = [_row(made, at) for at in range(len(tries))]
    found = [-1 if (limit := _limit(row)) is None else limit for row in rows]
    target = min(asked_minor, max(found, default=-1))
    if target <= (-1 if now is None else now):
        stops = None if now is not None and now >= asked_minor else (rows or [start])[-1]
        days = None if stops is None else _statements_days(customer, start)
        return Path(
            currency=customer.currency, asked_minor=asked_minor, now_minor=now, reaches_minor=now, change=None, pays=(), stops=stops,
            statements_days=days,
        )  # fmt: skip
    best = next(at for at, limit in enumerate(found) if limit >= target)
    change = _least(customer, target, _joined(largest, tries[best]), bills)
    row = _row(after(customer, [change]), 0)
    return Path(
        currency=customer.currency,
        asked_minor=asked_minor,
        now_minor=now,
        reaches_minor=_limit(row),
        change=change,
        pays=tuple(bill for bill in bills if bill.row_key in {*change.pay, *change.settle}),
        stops=None if target >= asked_minor else row,
        statements_days=_statements_days(customer, start),
    )


def _statements_days(customer: Customer, row: Mapping[str, Any]) -> int | None:
    """How old statements may be that would add the financial view; None where it is known, decides nothing, or looks at no statements."""
    rules, notes = customer.policy.scoring, str(row["grade_note"]).split("; ")
    missing = VIEW_NOTES["financial"] in notes or VIEW_NOTES["both"] in notes
    looked_at = any(FACTORS[factor.name].view == "financial" for factor in customer.scorecard.factors)
    return rules.statements.max_age_days if missing and looked_at and rules.combine != "behaviour" else None


def _largest(customer: Customer, asked: int, bills: Sequence[Payable], start: Mapping[str, Any]) -> dict[str, Change]:
    """The most that each kind of effort could bring, the preferred ones first; kinds that make no sense for this customer are left out.

    Accounts and reports are asked for only where those at hand are missing or too old: a richer customer is not a realistic change.
    """
    lacks = [entry.split(":")[0] for entry in str(start["substitutes"]).split(SEPARATOR)]
    forbidden = str(start["forbids_increase"]).split(SEPARATOR)
    unreported = Cap.RECOMMENDATION in lacks or bool({Forbids.EXTERNAL_STALE, Forbids.EXTERNAL_MISSING} & set(forbidden))
    caps = customer.policy.limits.caps
    paid, settled = (tuple(bill.row_key for bill in bills if bill.disputed is disputed) for disputed in (False, True))
    wide = {
        "pay": Change(pay=paid) if paid else None,
        "settle": Change(settle=settled) if settled else None,
        "accounts": Change(net_worth_minor=_round_up(asked * MOST_NET_WORTH)) if Cap.NET_WORTH in lacks else None,
        "report": Change(recommended_minor=_round_up(int(ROOM * asked / caps.recommendation.factor))) if unreported else None,
        "guarantee": Change(guarantee_minor=_round_up(ROOM * asked)) if caps.security.raises_caps_by > 0 else None,
    }
    return {kind: change for kind, change in wide.items() if change is not None}


def _joined(largest: Mapping[str, Change], kinds: Sequence[str]) -> Change:
    """One change of several efforts."""
    told = {f.name: getattr(largest[kind], f.name) for kind in kinds for f in fields(Change) if getattr(largest[kind], f.name)}
    return Change(**told)


def _least(customer: Customer, target: int, change: Change, bills: Sequence[Payable]) -> Change:
    """`change` made smaller part by part while it still reaches `target`."""

    def reach(changes: Sequence[Change]) -> list[bool]:
        rows = after(customer, changes)
        return [(limit := _limit(_row(rows, at))) is not None and limit >= target for at in range(len(changes))]

    for name in ("pay", "settle"):
        if getattr(change, name):
            change = _fewest(change, name, bills, reach)
    for name in ("net_worth_minor", "recommended_minor", "guarantee_minor"):
        largest = getattr(change, name)
        if largest is not None:
            change = _first([_but(change, name, step) for step in _round_amounts(largest)], reach)
    return change


def _but(change: Change, name: str, value: Any) -> Change:
    return replace(change, **{name: value})


def _fewest(change: Change, name: str, bills: Sequence[Payable], reach: Callable[[Sequence[Change]], list[bool]]) -> Change:
    """As few bills as reach it, those due first ahead; then any of them that is not needed stays open, the largest first."""
    size = {bill.row_key: bill.open_minor for bill in bills}
    keys = getattr(change, name)
    change = _first([_but(change, name, keys[: count + 1]) for count in range(len(keys))], reach)
    while len(kept := getattr(change, name)) > 1:
        larger_first = sorted(kept, key=lambda key: (-size[key], key))
        without = [_but(change, name, tuple(k for k in kept if k != key)) for key in larger_first]
        still = [fits for start in range(0, len(without), _AT_ONCE) for fits in reach(without[start : start + _AT_ONCE])]
        smaller = next((one for one, fits in zip(without, still, strict=True) if fits), None)
        if smaller is None:
            break
        change = smaller
    return change


def _first(ordered: Sequence[Change], reach: Callable[[Sequence[Change]], list[bool]]) -> Change:
    """The first of `ordered` that reaches the target; the last one does. Narrowed down by rounds of evenly spaced tries."""
    low, high = -1, len(ordered) - 1  # ordered[low] does not reach it, ordered[high] does
    while high - low > 1:
        places = sorted({low + 1 + (high - low - 1) * step // _AT_ONCE for step in range(_AT_ONCE)})
        fits = reach([ordered[place] for place in places])
        hit = next((place for place, there in zip(places, fits, strict=True) if there), high)
        low = max([place for place in places if place < hit], default=low)
        high = hit
    return ordered[high]


def _round_amounts(largest: int) -> Iterator[int]:
    """Amounts with two significant digits up to `largest`, smallest first, over the five decades below it."""
    amount = 10 * _unit(largest) // 10**4
    while amount < largest:
        if amount > 0:
            yield amount
        amount += _unit(amount)
    yield largest


def _round_up(amount: int) -> int:
    """The next amount with two significant digits that is no smaller."""
    return -(-amount // _unit(amount)) * _unit(amount)


def _unit(amount: int) -> int:
    """What the second significant digit of an amount counts."""
    return int(10 ** max(len(str(amount)) - 2, 0))


def _row(rows: Any, at: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = rows.iloc[at].to_dict()
    return found


def _limit(row: Mapping[str, Any]) -> int | None:
    value = row["to_minor"]
    return None if row["state"] != "reviewed" or value is None or value != value or str(value) == "<NA>" else int(value)
