"""What the sales owner of an account reads when something of its limit changes, or was decided and does not change.

Only what he may see anyway stands in it: limits and terms of his own customer, their days, what is overdue, and what becomes of open
orders. Scores, grades, probabilities, cover, and what insurers or external reports say never do, and neither does what approvers wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_review.adverse import lowers
from credit_review.messages.card import OUTCOMES
from credit_review.messages.text import Block, Message, cleaned, escaped, header, lines, notes, section
from credit_review.model.money import Money
from credit_review.model.records import LimitChange, Proposal
from credit_review.model.states import ChangeKind, CreditStatus, Layer, ProposalState
from credit_review.words import Words, marked, said, said_many

IN_FULL = 15
"""Rows told with everything; Slack takes about 13,000 characters a message."""
IN_BRIEF = 60
"""Rows after those, told with their new limit and day alone; what is left is counted."""

_CLASSES: Mapping[str, str] = {
    CreditStatus.PREPAYMENT: marked("the account is kept on prepayment"),
    CreditStatus.BLOCKED: marked("the account is blocked"),
    CreditStatus.LEGAL: marked("the account is with lawyers"),
    CreditStatus.INSOLVENT: marked("the customer is insolvent"),
    CreditStatus.DORMANT: marked("the customer has stopped buying"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A proposal that ended, with the change it made (None: it made none); or a change alone, such as a temporary limit that ended.

    `name` is the customer's; `currency` and `layer` are those of the account.
    """

    name: str
    currency: str
    layer: str
    proposal: Proposal | None = None
    change: LimitChange | None = None

    @property
    def packet(self) -> dict[str, Any]:
        """What was decided on; empty for a change alone."""
        found: dict[str, Any] = json.loads(self.proposal.packet_json) if self.proposal else {}
        return found

    @property
    def less(self) -> bool:
        """Whether the customer has less from then on."""
        return self.change is not None and lowers(_figures(self.change))

    @property
    def applied(self) -> bool:
        """Whether something changed."""
        return self.change is not None and (self.proposal is None or self.proposal.state in (ProposalState.APPLIED, ProposalState.PENDING))


def owner_news(news: Sequence[News], words: Words, *, pass_on: str = "", ownerless: bool = False) -> Message:
    """One message of all that is new, reductions first, then by amount: old and new limit, terms, days, reason, open orders.

    `pass_on` names the owner where the directory does not know him and the reader is to pass it on; `ownerless`: the ledger names none.
    """
    w = words
    ordered = sorted(news, key=lambda one: (not one.less, -_size(one), one.name))
    title = _title(len(ordered), w, pass_on, ownerless)
    blocks: list[Block] = [header(cleaned(title, 150))]
    if len(ordered) > IN_FULL:
        blocks.append(section(w.say(_counts(ordered))))
    blocks.append(lines([(cleaned(one.name, 80), "; ".join(w.say(part) for part in in_full(one))) for one in ordered[:IN_FULL]]))
    brief = ordered[IN_FULL : IN_FULL + IN_BRIEF]
    if brief:
        blocks.append(lines([(cleaned(one.name, 40), w.say(_what(one))) for one in brief]))
    blocks += [notes(w.say(foot)) for foot in _feet(len(ordered) - IN_FULL - IN_BRIEF, pass_on, ownerless)]
    return Message(escaped(title), tuple(blocks))


def _title(count: int, w: Words, pass_on: str, ownerless: bool) -> str:
    if ownerless:
        return w.say(
            said_many(
                "{n} decision about a customer without an account owner", "{n} decisions about customers without an account owner", n=count
            )
        )
    if pass_on:
        owner = cleaned(pass_on, 80)
        return w.say(said_many("{n} decision to pass on to {owner}", "{n} decisions to pass on to {owner}", n=count, owner=owner))
    return w.say(said_many("{n} decision about your customers", "{n} decisions about your customers", n=count))


def _counts(news: Sequence[News]) -> str:
    less, same = sum(one.less for one in news), sum(not one.applied for one in news)
    return said("{less} with less, {more} with more or the same, {same} where the limit stays as it is",
                less=less, more=len(news) - less - same, same=same)  # fmt: skip


def _feet(left: int, pass_on: str, ownerless: bool) -> Iterator[str]:
    if left > 0:
        yield said_many("and {n} more; `/credit NAME` tells of each", "and {n} more; `/credit NAME` tells of each", n=left)
    if pass_on:
        yield said("The account owner is not in the directory: tell him, and ask the risk team to add him.")
    if ownerless:
        yield said("The ledger names no account owner: tell whoever looks after the customer, and have the owner entered in the ledger.")


def _size(one: News) -> int:
    change = one.change
    return abs((change.new_minor or 0) - (change.old_minor or 0)) if change else 0


def _figures(change: LimitChange) -> dict[str, Any]:
    return {
        "from_minor": change.old_minor,
        "to_minor": change.new_minor or 0,
        "from_terms_days": change.old_terms_days,
        "terms_days": change.new_terms_days,
    }


def in_full(one: News) -> list[str]:
    """One piece of news in sentences."""
    parts = [_what(one)]
    if not one.applied or one.change is None:
        return parts
    parts += _terms(one.change)
    if one.change.effective_to is not None:
        parts.append(said("until {day}, when it ends by itself", day=one.change.effective_to))
    parts.append(said("why: {reason}", reason=_reason(one)))
    if one.proposal is not None:
        parts.append(_orders(one))
    if one.less and one.proposal is not None:
        parts.append(said("the customer can pay open invoices, bring a guarantee, or send newer accounts"))
    return parts


def _what(one: News) -> str:
    """What is in force from when; or that nothing changes."""
    change, proposal = one.change, one.proposal
    if change is None or not one.applied:
        outcome = OUTCOMES[ProposalState(proposal.state)] if proposal else ""
        if change is not None:
            return said("{outcome}; the limit that was raised before its approval is taken back", outcome=outcome)
        return said("{outcome}; the limit stays as it is", outcome=outcome)
    had, day = change.old_minor, change.effective_from
    if change.kind == ChangeKind.REVERSAL:
        return _ended(one, change)
    amount = Money(change.new_minor or 0, one.currency)
    if proposal is not None and proposal.state == ProposalState.PENDING:
        return said("limit raised at once to {amount} on {day}; its approval is still to come", amount=amount, day=day)
    if one.layer == Layer.TEMPORARY:
        return said("temporary limit of {amount} from {day}", amount=amount, day=day)
    if had is None:
        return said("first limit of {amount} from {day}", amount=amount, day=day)
    if had == change.new_minor:
        return said("limit stays at {amount}; new terms from {day}", amount=amount, day=day)
    return said("limit goes from {had} to {amount} on {day}", had=Money(had, one.currency), amount=amount, day=day)


def _ended(one: News, change: LimitChange) -> str:
    had = Money(change.old_minor or 0, one.currency)
    if change.new_minor is None:
        return said("the limit of {had} ended on {day}", had=had, day=change.effective_from)
    again = Money(change.new_minor, one.currency)
    return said("the limit of {had} ended on {day}, and {again} is in force again", had=had, day=change.effective_from, again=again)


def _terms(change: LimitChange) -> list[str]:
    before, after = change.old_terms_days, change.new_terms_days
    if after is None:
        return []
    if before is None or before == after:
        return [said("terms: net {days} days", days=after)]
    return [said("payment terms go from net {before} days to net {after} days", before=before, after=after)]


def _reason(one: News) -> str:
    """Why, in plain words, from what the owner may see: what he asked for, the account's class, what is overdue, else the review."""
    packet = one.packet
    if one.change is not None and one.change.kind == ChangeKind.REVERSAL:
        return said("its last day has come, or it was not approved")
    request = packet.get("request") or {}
    if request:
        return said("it was asked for")
    if (cause := _CLASSES.get(packet.get("status") or "")) is not None:
        return said(cause)
    overdue, oldest = packet.get("overdue_minor") or 0, (packet.get("facts") or {}).get("oldest_dpd_days") or 0
    if one.less and overdue > 0 and oldest > 0:
        return said("{amount} is overdue, the oldest by {days} days", amount=Money(overdue, one.currency), days=oldest)
    return said("credit review {label}", label=(packet.get("review") or {}).get("label", ""))


def _orders(one: News) -> str:
    """What the new limit means for open orders and deliveries, by the figures that were decided on."""
    packet = one.packet
    stops, to = packet.get("blocked_orders_minor"), packet["to_minor"]
    if stops is None:
        return said("open orders: not computable, no orders in source")
    over = max((packet.get("exposure_minor") or 0) - to, 0)
    if to != packet.get("engine_minor"):  # the figure was computed for another limit
        if over:
            return said("open orders and deliveries of at most {amount} are outside it", amount=Money(over, one.currency))
        stops = 0
    if stops:
        return said("open orders and deliveries of {amount} are outside it", amount=Money(stops, one.currency))
    return said("no open order or delivery is outside it")
