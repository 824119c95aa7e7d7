"""Adverse action: what a reduction or a refusal is to the customer, when notice is due, and the letter. Data, not legal advice.

US Regulation B, 12 CFR 1002.2(c), 1002.9 and 1002.12, as far as they bear on trade credit; sources in docs/adverse-action.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from credit_review.adverse_reasons import IN_FORCE, figures_of, minor_in
from credit_review.hearing import heard
from credit_review.letters import Letter
from credit_review.model.money import Money
from credit_review.model.states import AdverseClass, CreditStatus, Layer, Unwelcome
from credit_review.policy import AdverseRules
from credit_review.words import Words, said

_IN_DEFAULT = (CreditStatus.LEGAL, CreditStatus.INSOLVENT)


@dataclass(frozen=True, slots=True)
class Clock:
    """Days of one jurisdiction: to give notice, in which the customer may ask for reasons, to give them, and to keep the file.

    `retention_if_asked` holds where the customer asked.
    """

    notice: int
    may_ask: int
    reasons: int
    retention: int
    retention_if_asked: int


CLOCKS: Mapping[str, Clock] = MappingProxyType(
    {"us_trade_credit": Clock(notice=30, may_ask=60, reasons=30, retention=60, retention_if_asked=365)}
)
"""By profile of the policy. 30 days satisfy "a reasonable time" (comment 9(a)(3)-1); 1002.9(a)(3)(ii); 1002.12(b)(4)."""

CLASS_WORDS: Mapping[str, str] = MappingProxyType(
    {
        AdverseClass.ADVERSE: said("adverse action"),
        AdverseClass.DELINQUENCY: said("connected with current delinquency"),
        AdverseClass.INACTIVITY: said("inactivity"),
        AdverseClass.AGREED: said("agreed by the customer"),
        AdverseClass.WHOLE_CLASS: said("change to substantially all of a class"),
        AdverseClass.NOT_APPLICABLE: said("not applicable"),
    }
)
KIND_WORDS: Mapping[str, str] = MappingProxyType({Unwelcome.REDUCTION: said("reduction"), Unwelcome.REFUSAL: said("refusal")})

NEED_A_REASON = (AdverseClass.AGREED, AdverseClass.WHOLE_CLASS, AdverseClass.NOT_APPLICABLE)
"""Classes that rest on something which is not on record here, so whoever chooses them says what."""


def clock_of(rules: AdverseRules) -> Clock | None:
    """The clock of a policy's profile with the days that the policy sets itself; None where no notice is owed."""
    given = CLOCKS.get(rules.profile)
    if given is None:
        return None
    kept = rules.retention_days or given.retention
    return Clock(
        notice=rules.notice_days or given.notice,
        may_ask=given.may_ask,
        reasons=rules.reasons_days or given.reasons,
        retention=kept,
        retention_if_asked=max(kept, given.retention_if_asked),
    )


def had_minor(packet: Mapping[str, Any]) -> int | None:
    """The limit in force before, minor units; None where there was none. A temporary limit stands instead of the base limit: before it was
    the larger of the earlier temporary one and the limit in force that the card shows."""
    own = packet.get("from_minor")
    if packet.get("layer") != Layer.TEMPORARY:
        return own
    shown = minor_in(figures_of(packet).get(IN_FORCE))
    return max((minor for minor in (own, shown) if minor is not None), default=None)


def lowers(packet: Mapping[str, Any]) -> bool:
    """Whether what a packet (or a proposal's fields) asks for lowers the amount, or tightens terms without raising it."""
    had, to = had_minor(packet), packet["to_minor"]
    if had is None or to > had:
        return False
    before, after = packet.get("from_terms_days"), packet.get("terms_days")
    return to < had or (before is not None and after is not None and after < before)


def unwelcome(packet: Mapping[str, Any], *, applied: bool) -> Unwelcome | None:
    """What a decided packet was to the customer: applied with less than before, or asked for and not (fully) given; None otherwise."""
    request = packet.get("request") or {}
    asked = None if request.get("layer") else request.get("amount_minor")  # nobody is refused a bound
    if asked is not None and asked > (had_minor(packet) or 0):
        return None if applied and packet["to_minor"] >= asked else Unwelcome.REFUSAL
    return Unwelcome.REDUCTION if applied and lowers(packet) else None


def first_bound(packet: Mapping[str, Any]) -> bool:
    """Whether a packet asks for a ceiling, segment limit or shared pool where none was: it may lower the limit in force."""
    return bool((packet.get("request") or {}).get("layer")) and packet.get("from_minor") is None


def suggested(packet: Mapping[str, Any], kind: Unwelcome, rules: AdverseRules, *, of_class: float = 0.0) -> AdverseClass:
    """What the record lets one think it is. Delinquency is current delinquency of this account (comment 2(c)(2)(ii)-2), and a refusal of
    what was asked for is adverse whatever is overdue. `of_class` is the fraction of its class that the review lowered by the same rule
    (1002.2(c)(1)(ii)). Agreement is never on record here."""
    if kind == Unwelcome.REFUSAL:
        return AdverseClass.ADVERSE
    if packet["status"] == CreditStatus.DORMANT:
        return AdverseClass.INACTIVITY
    oldest = packet["facts"].get("oldest_dpd_days") or 0
    late = (packet["overdue_minor"] or 0) > 0 and oldest >= rules.delinquent_days
    if late or packet["status"] in _IN_DEFAULT:
        return AdverseClass.DELINQUENCY
    whole = rules.whole_class_from is not None and of_class >= rules.whole_class_from
    return AdverseClass.WHOLE_CLASS if whole else AdverseClass.ADVERSE


# --- the clock ------------------------------------------------------------------------------------------------------------------------


def notice_due(classified: AdverseClass, clock: Clock | None, decided: date) -> date | None:
    """The last day of the notice; None where none is owed."""
    return decided + timedelta(days=clock.notice) if clock and classified == AdverseClass.ADVERSE else None


def retained_until(clock: Clock | None, since: date, *, asked: bool) -> date | None:
    """How long the file is kept, counted from the notice, or from the decision while there is none."""
    return since + timedelta(days=clock.retention_if_asked if asked else clock.retention) if clock else None


def may_ask_until(clock: Clock, notified: date) -> date:
    """The last day on which the customer may ask for the reasons in writing."""
    return notified + timedelta(days=clock.may_ask)


def reasons_due(clock: Clock, asked: date) -> date:
    """The last day of the answer to a customer who asked for the reasons in writing."""
    return asked + timedelta(days=clock.reasons)


# --- the letter -----------------------------------------------------------------------------------------------------------------------


def letter(
    packet: Mapping[str, Any], kind: Unwelcome, reasons: Sequence[str], words: Words, *, company: str, on: date, clock: Clock | None
) -> Letter:
    """A draft of the notice in the reader's language; `reasons` as `adverse_reasons.principal_reasons` gives them."""
    w = words
    until = may_ask_until(clock, on) if clock else None
    asks = [w.say(said("If you ask us in writing by {day}, we send you the reasons in writing.", day=until))] if until else []
    return Letter(
        company=company,
        day=w.day(on),
        to=str(packet["customer_name"] or packet["customer_id"]),
        paragraphs=(" ".join(_what(packet, kind, w)),),
        points_title=w.say(said("The principal reasons are:")),
        points=tuple(w.say(heard(one)) for one in reasons),
        closing=tuple(asks),
        foot=w.say(said("Draft of a notice: read it, and sign it, before it is sent.")),
    )


def _what(packet: Mapping[str, Any], kind: Unwelcome, w: Words) -> list[str]:
    currency, had, to = packet["currency"], packet.get("from_minor"), packet["to_minor"]
    if kind == Unwelcome.REFUSAL:
        asked = Money(packet["request"]["amount_minor"], currency)
        told = [said("We cannot grant the credit limit of {asked} that was asked for.", asked=asked)]
        if had is not None:
            told.append(said("Your limit before was {amount}.", amount=Money(had, currency)))
    elif (packet.get("request") or {}).get("layer") == Layer.GROUP:
        told = [said("Your group may owe us {to} together: a limit that its members share.", to=Money(to, currency))]
        if had is not None:
            told.append(said("Your limit before was {amount}.", amount=Money(had, currency)))
    else:
        amounts = {"to": Money(to, currency), "had": Money(had or 0, currency)}
        told = [said("We have reviewed your credit limit: it is {to} instead of {had}.", **amounts)] if to != had else []
        if packet.get("terms_days") is not None and packet.get("terms_days") != packet.get("from_terms_days"):
            told.append(said("Invoices are payable within {days} days.", days=packet["terms_days"]))
    return [w.say(one) for one in told]
