"""The review at a glance, before its first card: limits and own risk before and after, the ten largest, what passed by rule, what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from credit_review.messages.card import about, asked_briefly
from credit_review.messages.text import Block, Message, cleaned, escaped, header, heading, lines
from credit_review.model.records import Proposal
from credit_review.words import Words, said, said_many


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Limits of one direction: how many proposals, and their sums before and after, minor units of control currency.

    What has no rate on record has a row of its own, in its own currency.
    """

    currency: str
    direction: str
    count: int
    before_minor: int
    after_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSummary:
    """A review's proposals added up. `by_rule` and `waiting` are as `moved`; `own_risk` is (currency, minor units) of all of them."""

    label: str
    as_of: date | None
    moved: Sequence[Moved]
    by_rule: Sequence[Moved]
    own_risk: Sequence[tuple[str, int, int]]
    largest: Sequence[tuple[Proposal, str]]
    waits_for_reader: int | None
    waiting: int


def summary(found: ReviewSummary, words: Words) -> Message:
    """The summary as a message."""
    w = words
    title = w.say(said("Credit review {label}", label=found.label))
    if found.as_of is not None:
        title = w.say(said("Credit review {label} as of {day}", label=found.label, day=found.as_of))
    moved = [*_together(found.moved, w), *((_way(one.direction, w), _sums(one, w)) for one in found.moved)]
    blocks: list[Block] = [header(title), lines(_waiting(found, w)), lines(moved or [("", w.say(said("no limit moves")))])]
    risk = [
        (
            currency,
            w.say(said("{before} to {after} if all were used in full", before=about(before, currency), after=about(after, currency))),
        )
        for currency, before, after in found.own_risk
    ]
    if risk:
        blocks += [heading(w.say(said("Own risk before and after"))), lines(risk)]
    rule = [(_way(one.direction, w), _sums(one, w)) for one in found.by_rule]
    blocks += [heading(w.say(said("Approved automatically by rule"))), lines(rule or [("", w.say(said("none")))])]
    if found.largest:
        shown = [("", cleaned(asked_briefly(p, name, w), 200)) for p, name in found.largest]
        blocks += [heading(w.say(said("The ten largest"))), lines(shown)]
    return Message(escaped(title), tuple(blocks))


def _together(moved: Sequence[Moved], w: Words) -> list[tuple[str, str]]:
    """All limits that move, before and after: a row for each currency, of which there is one unless a rate is missing."""
    found = []
    for currency in dict.fromkeys(one.currency for one in moved):
        mine = [one for one in moved if one.currency == currency]
        sums = {f"{name}_minor": sum(getattr(one, f"{name}_minor") for one in mine) for name in ("before", "after")}
        whole = Moved(currency=currency, direction="", count=sum(one.count for one in mine), **sums)
        found.append((w.say(said("all together")), _sums(whole, w)))
    return found


def _waiting(found: ReviewSummary, w: Words) -> list[tuple[str, str]]:
    """What the reader came for, so it stands first."""
    rows = [("", w.say(said_many("{n} proposal waits for a decision", "{n} proposals wait for a decision", n=found.waiting)))]
    if found.waits_for_reader is not None:
        rows.append((w.say(said_many("{n} of them waits for you", "{n} of them wait for you", n=found.waits_for_reader)), ""))
    return rows


_WAYS: Mapping[str, str] = {"up": said("up"), "down": said("down"), "same": said("terms only"), "new": said("first limits")}


def _way(direction: str, w: Words) -> str:
    return w.say(_WAYS.get(direction, direction))


def _sums(one: Moved, w: Words) -> str:
    before, after = about(one.before_minor, one.currency), about(one.after_minor, one.currency)
    many = said_many("{n} customer: {before} to {after}", "{n} customers: {before} to {after}", n=one.count, before=before, after=after)
    return w.say(many)
