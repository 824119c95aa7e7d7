"""A path in sentences, for the customer's analyst and through them for the customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credit_review.hearing import heard
from credit_review.limits.codes import CAP_WORDS, CLASS_PREFIX, Cap, words
from credit_review.model.money import Money
from credit_review.path_to_yes.changes import Change, Payable
from credit_review.path_to_yes.search import Path
from credit_review.words import listed, marked, said, said_many

MOST_NAMED = 12
"""Invoices that are named; the rest is counted."""


def sentences(path: Path, *, accounts_max_age_days: int, licensed: bool = True) -> list[str]:
    """What it takes, the first sentence saying whether the limit asked for is reached, one sentence for each thing to do after it.

    The last one names statements that would add a missing view, of which no limit can be promised.

    Where figures of external reports may not be shown (`licensed`), a cap by them is named without its amount.
    """
    return [*_reached(path, accounts_max_age_days, licensed=licensed), *_besides(path)]


def _besides(path: Path) -> list[str]:
    if path.statements_days is None:
        return []
    sentence = marked(
        "besides, statements not older than {days} days would add the financial standing, which is not known; their figures decide whether "
        "the limit rises or falls, so that no amount can be promised before they are here"
    )
    return [said(sentence, days=path.statements_days)]


def _reached(path: Path, accounts_max_age_days: int, *, licensed: bool) -> list[str]:
    asked = Money(path.asked_minor, path.currency)
    now = said("no limit") if path.now_minor is None else said("{amount}", amount=Money(path.now_minor, path.currency))
    if path.stops is None and path.change is None:
        return [said("{asked} needs no change: the engine finds {now}.", asked=asked, now=now)]
    stops = "" if path.stops is None else _stops(path.stops, path.currency, licensed=licensed)
    if path.change is None:
        sentence = marked("Nothing the customer or we can do now reaches {asked}. The engine finds {now}; what holds it: {stops}.")
        return [said(sentence, asked=asked, now=now, stops=stops)]
    steps = _steps(path, path.change, accounts_max_age_days)
    if path.stops is None:
        return [said("{asked} is reached instead of {now} when this is done:", asked=asked, now=now), *steps]
    most = Money(path.reaches_minor or 0, path.currency)
    sentence = marked("{asked} cannot be reached in one review; what holds it: {stops}. {most} instead of {now} is reached by this:")
    return [said(sentence, asked=asked, stops=stops, most=most, now=now), *steps]


def _steps(path: Path, change: Change, accounts_max_age_days: int) -> list[str]:
    found: list[str] = []
    paid, settled = ([bill for bill in path.pays if bill.disputed is disputed] for disputed in (False, True))
    if paid:
        found.append(
            said_many(
                "{n} invoice is paid, {amount}: {names}",
                "{n} invoices are paid, {amount} in all: {names}",
                n=len(paid),
                amount=_sums(paid),
                names=_names(paid),
            )
        )
    if settled:
        found.append(
            said_many(
                "the dispute over {n} invoice is settled, {amount}: {names}",
                "the disputes over {n} invoices are settled, {amount} in all: {names}",
                n=len(settled),
                amount=_sums(settled),
                names=_names(settled),
            )
        )
    if change.net_worth_minor is not None:
        sentence = marked("accounts not older than {days} days are sent that show a tangible net worth of at least {amount}")
        found.append(said(sentence, days=accounts_max_age_days, amount=Money(change.net_worth_minor, path.currency)))
    if change.recommended_minor is not None:
        sentence = marked("a new external report recommends a limit of at least {amount}")
        found.append(said(sentence, amount=Money(change.recommended_minor, path.currency)))
    if change.guarantee_minor is not None:
        sentence = marked("a guarantee of at least {amount} is brought")
        found.append(said(sentence, amount=Money(change.guarantee_minor, path.currency)))
    return found


def _sums(bills: Sequence[Payable]) -> str:
    sums: dict[str, int] = {}
    for bill in bills:
        sums[bill.currency] = sums.get(bill.currency, 0) + bill.open_minor
    return listed([said("{amount}", amount=Money(minor, currency)) for currency, minor in sorted(sums.items())])


def _names(bills: Sequence[Payable]) -> str:
    names = [bill.document or bill.row_key for bill in bills]
    if len(names) > MOST_NAMED:
        names = [*names[:MOST_NAMED], said_many("{n} more", "{n} more", n=len(names) - MOST_NAMED)]
    return listed(names)


def _stops(row: Mapping[str, Any], currency: str, *, licensed: bool) -> str:
    """What keeps a limit from rising further, from its PROPOSALS row."""
    if row["state"] != "reviewed":
        return heard(str(row["state_reason"]))
    if row["forbids_increase"]:
        return words(str(row["forbids_increase"]))
    if int(row["after_step_minor"]) < int(row["after_caps_minor"]):
        return said("the most that one review may raise a limit by")
    cap = str(row["binding_cap"])
    if cap == Cap.RECOMMENDATION and not licensed:
        return said("{cap}", cap=CAP_WORDS[cap])
    if cap:
        return said("{cap} ({amount})", cap=CAP_WORDS[cap], amount=Money(int(row["after_caps_minor"]), currency))
    if str(row["reason_codes"]).startswith(CLASS_PREFIX):
        return said("the rule for its credit status")
    return said("rounding, or the smallest change that is proposed")
