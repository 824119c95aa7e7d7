"""The card of a proposal: what is asked, what it changes, the worst fact, what is recommended, who may decide. One phone screen."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from credit_review.authority import Judgement, Standing
from credit_review.limits.codes import EXCEPTIONAL_WORDS
from credit_review.limits.layer_words import LAYER_WORDS
from credit_review.limits.own_risk import own_risk_if_used
from credit_review.messages.effect import effect_line, tells_when
from credit_review.messages.screen import SCREEN, height_of
from credit_review.messages.text import LONGEST_RUN, Block, Message, button, buttons, cleaned, escaped, header, lines, notes, value_of
from credit_review.model.money import Money, exponent
from credit_review.model.records import ApprovalCondition, AuditRow, Decision, Proposal
from credit_review.model.states import Asked, Assurance, ConditionKind, ConditionState, Layer, ProposalState, ReasonCode, Verdict
from credit_review.words import Words, listed, marked, said, said_many

APPROVE, APPROVE_TYPED, APPROVE_OUTSIDE = "credit_review_approve", "credit_review_approve_typed", "credit_review_approve_outside"
REJECT, RETURN, COUNTER, WHY = "credit_review_reject", "credit_review_return", "credit_review_counter", "credit_review_why"
APPROVE_IF, CONFIRM = "credit_review_approve_if", "credit_review_confirm"

OUTCOMES = {
    ProposalState.APPROVED: said("Approved, waiting to be applied"),
    ProposalState.APPLIED: said("Approved and applied"),
    ProposalState.REJECTED: said("Rejected"),
    ProposalState.RETURNED: said("Returned with a question"),
    ProposalState.EXPIRED: said("Expired: nobody decided in time"),
    ProposalState.SUPERSEDED: said("Replaced by a newer proposal"),
    ProposalState.PENDING: said("Waiting for a decision"),
}
LIMIT_CHANGED = said("The limit in force changed meanwhile; the next review, or a request, proposes anew")
"""The outcome of what was superseded without a successor."""
REASON_CODES = {
    ReasonCode.RISK_TOO_HIGH: said("the risk is too high"),
    ReasonCode.NOT_JUSTIFIED: said("the need is not shown"),
    ReasonCode.OVERDUE: said("overdue must be paid first"),
    ReasonCode.DATA_DOUBTED: said("the data is doubted"),
    ReasonCode.INFORMATION_MISSING: said("information is missing"),
    ReasonCode.OTHER: said("another reason"),
}
CONDITIONS = {
    ConditionKind.GUARANTEE_RECEIVED: said("guarantee received"),
    ConditionKind.OVERDUE_PAID: said("overdue paid"),
    ConditionKind.ACCOUNTS_SENT: said("accounts sent"),
    ConditionKind.OTHER: said("another condition"),
}
DONE = {
    Verdict.APPROVE: said("approved"),
    Verdict.REJECT: said("rejected"),
    Verdict.RETURN: said("returned with a question"),
    Verdict.COUNTER: said("made a counter-offer"),
}
_OLD_DPD_DAYS = 90
_CLAUSES = marked("{first} · {rest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much a card says of what Why says as well: of the newest `voices` so many `letters` each, of reasons and names so many.

    Without `spread`, small print is one paragraph without ids and rules, and what changed stands by its name only. Without `all`, there is
    no DSO, cover and cause of an exception either.
    """

    voices: int = 3
    letters: int = 400
    reasons: int = 4
    names: int = 3
    spread: bool = True
    all: bool = True


_ROOMS = (
    _Room(),
    _Room(voices=1, letters=160),
    _Room(voices=1, letters=160, names=1, spread=False),
    _Room(voices=1, letters=100, names=1, reasons=2, spread=False),
    _Room(voices=1, letters=100, names=1, reasons=2, spread=False, all=False),
    _Room(voices=1, letters=60, names=1, reasons=0, spread=False, all=False),
)
"""From the roomiest to the narrowest; a card takes the first in which it fits one screen of a phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a card is drawn from: the evidence and its judgement, the reader, and what stands on record around the proposal.

    `names` are people by id, `entries` the log's rows of the decisions by approver, `before` the packet of the card this one replaces,
    `offer` the counter-offer it came from, whose reason stands in no packet, so that it can be erased. `successor` is what replaced it and
    who may decide that, `confirmers` who may confirm its conditions, `begins` the day of effect once it is applied. `collective` says that
    a committee decides it and when, empty where none does.
    """

    standing: Standing
    judgement: Judgement
    words: Words
    assurance: Assurance
    names: Mapping[str, str]
    reader: str = ""
    why_asked: str = ""
    conditions: Sequence[ApprovalCondition] = ()
    entries: Mapping[str, AuditRow] | None = None
    before: Mapping[str, Any] | None = None
    offer: Decision | None = None
    successor: tuple[Proposal, Sequence[str]] | None = None
    confirmers: Collection[str] = ()
    begins: date | None = None
    collective: str = ""

    @property
    def proposal(self) -> Proposal:
        """The proposal."""
        return self.standing.proposal

    def name(self, person_id: str) -> str:
        """A person's name, the id where it is unknown."""
        return self.names.get(person_id, person_id)

    @property
    def decided(self) -> bool:
        """Whether the reader stands behind a decision of it."""
        return any(self.reader in (d.approver_id, d.on_behalf_of) for d in self.standing.decisions)


def card(view: View) -> Message:
    """The card of a proposal: with buttons, on one screen of a phone, while it is pending; with its outcome in their place afterwards."""
    if view.proposal.state != ProposalState.PENDING:
        return _drawn(view, _ROOMS[0])  # a record, with no Why beside it
    drawn = (_drawn(view, room) for room in _ROOMS)
    return next((message for message in drawn if height_of(message.blocks) <= SCREEN), _drawn(view, _ROOMS[-1]))


def _drawn(view: View, room: _Room) -> Message:
    packet = json.loads(view.proposal.packet_json)
    ask = asked(view.proposal, packet["customer_name"], view.words)
    small = list(_small_print(view, packet, room))
    blocks: list[Block] = [header(ask), lines(list(_first_look(view, packet, room)))]
    blocks.append(notes(*small) if room.spread else notes(" · ".join(small)))
    if changed := _changed(view, packet, room):
        blocks.insert(1, lines(changed))
    if view.proposal.state != ProposalState.PENDING:
        blocks.append(lines([_outcome(view), *_decisions(view)]))
    else:
        if view.standing.decisions:
            blocks.append(lines(list(_decisions(view))))
        blocks.append(_buttons(view))
    blocks += _condition_blocks(view)
    return Message(escaped(cleaned(ask, 300)), tuple(blocks))


def in_full(view: View) -> list[tuple[str, str]]:
    """All that a card may say, labelled, for Why: a card leaves out what its screen has no room for."""
    packet = json.loads(view.proposal.packet_json)
    voices = _voices(view, packet, _Room(letters=LONGEST_RUN))
    who = (view.words.say(said("Who decides")), view.words.say(_who(view, packet, _Room(names=len(view.judgement.who_may)))))
    return [*_changed(view, packet, _Room()), *figures(packet, view.words), *voices, who]


def asked(proposal: Proposal, name: str, words: Words) -> str:
    """What is asked in one line: customer, from, to, change in percent and amount, and terms where they change."""
    who = f"{cleaned(name, 60) or proposal.customer_id} ({proposal.customer_id})" if name else proposal.customer_id
    to = Money(proposal.to_minor, proposal.currency)
    had = None if proposal.from_minor is None else Money(proposal.from_minor, proposal.currency)
    return words.say(_asked(who, to, had, proposal, words))


def asked_briefly(proposal: Proposal, name: str, words: Words) -> str:
    """What is asked as a list shows it, one of many: as `asked`, without the amount of the change and with the currency once."""
    had, to = proposal.from_minor, Money(proposal.to_minor, proposal.currency)
    before, after = in_days(proposal.from_terms_days), in_days(proposal.terms_days)
    if proposal.effective_to is not None or had is None or (had == proposal.to_minor and before != after):
        return asked(proposal, name, words)
    who = f"{cleaned(name, 60) or proposal.customer_id} ({proposal.customer_id})" if name else proposal.customer_id
    text: str = said("{who}: {had} to {to}", who=who, had=words.money(had, proposal.currency).rpartition(" ")[0], to=to)
    if had:
        text = said("{text} ({percent})", text=text, percent=words.percent((proposal.to_minor - had) / had, signed=True))
    if before != after:
        text = said("{text}, terms {before} to {after}", text=text, before=before, after=after)
    return words.say(text)


def _asked(who: str, to: Money, had: Money | None, proposal: Proposal, words: Words) -> str:
    layer = json.loads(proposal.packet_json).get("layer", Layer.BASE)
    if layer not in (Layer.BASE, Layer.TEMPORARY):
        return _asked_bound(who, to, had, LAYER_WORDS[layer], proposal.effective_to)
    if (end := proposal.effective_to) is not None:
        if (later := _dated(proposal, end)) is not None:
            return said("{who}: temporary limit {to} {when}", who=who, to=to, when=later)
        if had is None:
            return said("{who}: temporary limit {to} until {day}", who=who, to=to, day=end)
        return said("{who}: temporary limit {to} until {day} (now {had})", who=who, to=to, day=end, had=had)
    if had is None:
        return said("{who}: first limit {to}", who=who, to=to)
    before, after = in_days(proposal.from_terms_days), in_days(proposal.terms_days)
    if had == to and before != after:
        return said("{who}: terms {before} to {after}, limit stays {to}", who=who, before=before, after=after, to=to)
    change: str = words.money(to.minor - had.minor, proposal.currency, signed=True)
    if had.minor:
        percent = words.percent((to.minor - had.minor) / had.minor, signed=True)
        change = said("{percent}, {amount}", percent=percent, amount=change)
    if before != after:
        text = marked("{who}: {had} to {to} ({change}), terms {before} to {after}")
        return said(text, who=who, had=had, to=to, change=change, before=before, after=after)
    return said("{who}: {had} to {to} ({change})", who=who, had=had, to=to, change=change)


def _dated(proposal: Proposal, end: date) -> str | None:
    """From when until when a temporary limit holds, where it was asked for from a day on, and how long it recurs; None for any other."""
    request = json.loads(proposal.packet_json).get("request") or {}
    days = {"since": proposal.effective_from, "day": end}
    if request.get("recurs_until"):
        until = date.fromisoformat(request["recurs_until"])
        return said("from {since} until {day}, and on the same days of each year until {until}", **days, until=until)
    return said("from {since} until {day}", **days) if request.get("begins") else None


def _asked_bound(who: str, to: Money, had: Money | None, kind: str, end: date | None) -> str:
    now = said("none") if had is None else said("{amount}", amount=had)
    if end is not None:
        return said("{who}: {kind} {to} until {day} (now {had})", who=who, kind=kind, to=to, day=end, had=now)
    return said("{who}: {kind} {to} (now {had})", who=who, kind=kind, to=to, had=now)


def figures(packet: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """What an approver reads first, labelled, for a terminal: the same figures as on the card."""
    w = words
    found = [
        (w.say(said("Own risk")), w.say(own_risk(packet))),
        (w.say(said("Worst fact")), w.say(worst_fact(packet))),
        (w.say(said("Recommended")), w.say(recommended(packet))),
        (w.say(said("Exposure")), w.say(_exposure(packet, w))),
        (w.say(said("Risk")), w.say(_risk(packet, w))),
        (w.say(said("Grade")), w.say(grade_line(packet))),
    ]
    if packet["terms_days"] != packet["from_terms_days"]:
        terms = said("{before} to {after}", before=in_days(packet["from_terms_days"]), after=in_days(packet["terms_days"]))
        found.append((w.say(said("Terms")), w.say(terms)))
    if tells_when(packet):
        found.append((w.say(said("Effect")), w.say(effect_line(packet))))
    if packet["exceptional"]:
        found.append((w.say(said("Needs a person")), w.say(_exceptions(packet))))
    return [*found, *_request(packet, w)]


def _request(packet: Mapping[str, Any], w: Words, *, letters: int = 0) -> list[tuple[str, str]]:
    """What the person who asked gave: why, the order at stake, documents by name and the first digits of their SHA-256."""
    request = packet.get("request")
    if not request:
        return []
    cut = (lambda text: cleaned(text, letters)) if letters else str
    found = [(w.say(said("Asked because")), cut(request["reason"]))]
    if request.get("order_minor") is not None:
        found.append((w.say(said("Order at stake")), w.money(request["order_minor"], packet["currency"])))
    if request.get("documents"):
        names = [f"{name} ({sha256[:12]})" for name, sha256 in request["documents"]]
        found.append((w.say(said("Documents")), cut(w.say(listed(names)))))
    return found


def _exceptions(packet: Mapping[str, Any], told: Collection[str] = ()) -> str:
    codes = (code for code in packet["exceptional"] if code not in told)
    return listed([said(EXCEPTIONAL_WORDS.get(code, code.replace("_", " "))) for code in codes])


def _first_look(view: View, packet: Mapping[str, Any], room: _Room) -> Iterator[tuple[str, str]]:
    """What an approver reads first."""
    w = view.words
    yield w.say(said("Own risk")), w.say(own_risk(packet))
    yield w.say(said("Worst fact")), w.say(worst_fact(packet))
    yield w.say(said("Recommended")), w.say(recommended(packet))
    if view.begins is not None and view.proposal.state in (ProposalState.PENDING, ProposalState.APPROVED):
        override = said("in force since {day}, before its approval; rejected, or not approved in time, it is taken back", day=view.begins)
        yield w.say(said("Emergency")), w.say(override)
    asked_for = _request(packet, w, letters=room.letters)
    yield from asked_for[1:]
    yield from [*asked_for[:1], *_voices(view, packet, room)][-room.voices :]


def _voices(view: View, packet: Mapping[str, Any], room: _Room) -> list[tuple[str, str]]:
    """What people said about it, the newest last."""
    said_by = [(note["by"], note["text"]) for note in packet["notes"] if note["kind"] in ("comment", "question")]
    if view.offer is not None and view.offer.reason:
        said_by.append((view.offer.approver_id, view.offer.reason))
    return [(view.name(person), f"“{cleaned(text, room.letters)}”") for person, text in said_by]


def own_risk(packet: Mapping[str, Any]) -> str:
    """What is at our own risk when the limit is used in full, before and after, with the cover of today."""
    currency, today = packet["currency"], {name: packet[name] for name in ("exposure_minor", "own_risk_minor")}
    after = own_risk_if_used(packet["to_minor"], **today)
    before = own_risk_if_used(packet.get("from_minor"), **today)
    now = about(packet["own_risk_minor"], currency)
    if after == before:
        return said("{now} today, {after} if used in full, as before", now=now, after=about(after, currency))
    return said(
        "{now} today, {after} if used in full, before {before}", now=now, after=about(after, currency), before=about(before, currency)
    )


def about(minor: int, currency: str) -> Money:
    """An amount in whole major units, half to even: a card is read, not added up; Why has the cents."""
    unit = 10 ** exponent(currency)
    whole, rest = divmod(abs(minor), unit)
    whole += rest * 2 > unit or (rest * 2 == unit and whole % 2 == 1)
    return Money(whole * unit if minor >= 0 else -whole * unit, currency)


def worst_fact(packet: Mapping[str, Any]) -> str:
    """The one fact against the customer that weighs most, in a fixed order of weight; or that there is none."""
    currency, facts = packet["currency"], packet.get("facts", {})
    oldest, overdue = facts.get("oldest_dpd_days") or 0, about(packet["overdue_minor"], currency)
    limit, exposure = packet.get("from_minor"), packet["exposure_minor"]
    if packet.get("status") not in ("", "active", "new", None):
        status = packet["status"].replace("_", " ")
        return said("credit status: {status}", status=said(status))
    if oldest > _OLD_DPD_DAYS:
        return said("{days} days past due, {amount} overdue", days=oldest, amount=overdue)
    if limit is not None and exposure > limit:
        return said("exposure is {amount} above the limit in force", amount=about(exposure - limit, currency))
    if packet["to_minor"] and exposure > packet["to_minor"]:
        return said("exposure is {amount} above the limit asked for", amount=about(exposure - packet["to_minor"], currency))
    if facts.get("grade_before") and packet["grade"] > facts["grade_before"]:
        return said("grade fell from {before} to {after}", before=facts["grade_before"], after=packet["grade"])
    if overdue.minor > 0:
        return said("{amount} overdue, the oldest by {days} days", amount=overdue, days=oldest)
    if "missing_data" in packet["exceptional"]:
        return said("rests on missing or outdated data")
    reasons = packet["reasons"]
    if reasons:
        first: str = reasons[0]
        return said(first)
    return said("none found")


def recommended(packet: Mapping[str, Any]) -> str:
    """What the engine found, and what it means for orders."""
    currency = packet["currency"]
    engine = packet.get("engine_minor")
    if engine is None:
        text: str = said("the engine found no figure")
    elif engine == packet["to_minor"]:
        text = said("{amount}, as asked", amount=Money(engine, currency))
    else:
        text = said("{amount}, not what is asked", amount=Money(engine, currency))
    if packet.get("blocked_orders_minor"):
        text = said("{text}; orders of {amount} would stop", text=text, amount=about(packet["blocked_orders_minor"], currency))
    return text


def _small_print(view: View, packet: Mapping[str, Any], room: _Room) -> Iterator[str]:
    w, proposal = view.words, view.proposal
    yield w.say(_exposure(packet, w))
    if room.all:
        yield w.say(_risk(packet, w))
    yield w.say(grade_line(packet, room.reasons))
    if packet["terms_days"] != packet["from_terms_days"] and proposal.effective_to is not None:  # else the title says so
        yield w.say(said("Terms: {before} to {after}", before=in_days(packet["from_terms_days"]), after=in_days(packet["terms_days"])))
    if room.all and (why := _exceptions(packet, told=("first_limit",))):  # the title says so
        yield w.say(said("Needs a person: {why}", why=why))
    if tells_when(packet):
        yield w.say(effect_line(packet, view.begins))
    yield w.say(_who(view, packet, room))
    pending = proposal.state == ProposalState.PENDING
    shown = [w.say(said("Expires {moment}", moment=proposal.expires_at))] if pending and proposal.expires_at else []
    if room.spread or not shown:
        shown += [proposal.proposal_id, proposal.digest[:12]]
    yield " · ".join(shown)


def _exposure(packet: Mapping[str, Any], w: Words) -> str:
    currency, exposure = packet["currency"], packet["exposure_minor"]
    shown = about(exposure, currency)
    parts = [said("Exposure {amount}", amount=shown)]
    if packet["to_minor"]:
        after = w.percent(exposure / packet["to_minor"])
        if packet.get("from_minor"):
            parts.append(said("used {before}, then {after}", before=w.percent(exposure / packet["from_minor"]), after=after))
        else:
            parts.append(said("used {after} of the new limit", after=after))
    parts.append(said("overdue {amount}", amount=about(packet["overdue_minor"], currency)))
    return listed(list(parts), by=_CLAUSES)


def _risk(packet: Mapping[str, Any], w: Words) -> str:
    currency, facts = packet["currency"], packet.get("facts", {})
    now, before = facts.get("dso_days"), facts.get("dso_before_days")
    if now is None:
        dso: str = said("DSO not computable: no sales in source")
    elif before is None:
        dso = said("DSO {now} days", now=w.number(float(now)))
    else:
        dso = said("DSO {now} days, {before} at the last review", now=w.number(float(now)), before=w.number(float(before)))
    insured = about((facts.get("insured_minor") or 0) + (facts.get("security_minor") or 0), currency)
    return listed([dso, said("insured and secured {amount}", amount=insured)], by=_CLAUSES)


def grade_line(packet: Mapping[str, Any], most: int = 4) -> str:
    """Grade before and after, with up to four reasons in words, or `most`: what lost most points."""
    before, after = packet.get("facts", {}).get("grade_before"), packet["grade"] or said("none")
    grade = said("Grade {before} to {after}", before=before, after=after) if before else said("Grade {after}", after=after)
    reasons = [said(reason) for reason in packet["reasons"][:most]]
    return said("{grade}; against it: {reasons}", grade=grade, reasons=listed(list(reasons))) if reasons else grade


def _who(view: View, packet: Mapping[str, Any], room: _Room) -> str:
    """Who asks, who may approve, and why the reader is asked."""
    judgement, review = view.judgement, packet.get("review", {}).get("label", "")
    asks = view.name(view.proposal.proposer_id) if view.proposal.proposer_id != "system" else said("review {label}", label=review)
    if view.proposal.state != ProposalState.PENDING:
        return said("Asked by {asks}; {tier}", asks=asks, tier=view.proposal.tier or judgement.tier)
    text: str
    if view.collective:
        text = said("Asked by {asks}; {tier}: {collective}", asks=asks, tier=judgement.tier, collective=view.collective)
    else:
        text = said(
            "Asked by {asks}; {tier}, {given} of {needed} approvals; may approve: {names}",
            asks=asks,
            tier=judgement.tier,
            given=judgement.approvals_given,
            needed=judgement.approvals_needed,
            names=_some([view.name(p) for p in judgement.who_may], room.names),
        )
    mine = why_me(view, rules=room.spread)
    return said("{text}. {mine}", text=text, mine=mine) if mine else text


def _some(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    if len(names) <= most:
        return listed(list(names)) or said("nobody")
    return said_many("{names} and {n} more", "{names} and {n} more", n=len(names) - most, names=listed(list(names[:most])))


def why_me(view: View, *, rules: bool = True) -> str:
    """Why the reader sees the card, and by which rules of the matrix; empty where it stands in a channel."""
    if not view.reader or view.proposal.state != ProposalState.PENDING:
        return ""
    if view.reader in view.standing.conflicted:
        return said("You declared a conflict of interest: others decide")
    if view.decided:
        return said("You have decided it; others decide now")
    if view.reader not in view.judgement.who_may:
        return said("You may not decide it")
    because = _because(view)
    if not rules:
        return because
    return said("{because} ({rules})", because=because, rules=listed([_rule(rule) for rule in view.judgement.because]))


def _because(view: View) -> str:
    principals = [d.principal_id for d in view.standing.delegations if d.delegate_id == view.reader]
    if view.why_asked == Asked.DELEGATE and principals:
        return said("You, because you stand in for {names}", names=listed([view.name(p) for p in principals]))
    if view.why_asked == Asked.ESCALATION:
        return said("You, because nobody asked before has decided")
    if view.collective:
        return said("You, because you sit on it: your buttons are a vote")
    return said("You, because you hold {tier} or more", tier=view.judgement.tier)


_RULES = {
    "reduction": said("a reduction"),
    "group_limit": said("sum of the group's limits"),
    "increases_12m": said("increases of 12 months"),
    "exceptional": said("an exception"),
    "first_limit": said("a first limit"),
    "as_routed": said("as it was routed"),
    "no_rate": said("a rate is missing"),
}


def _rule(rule: str) -> str:
    kind, _, grade = rule.partition(":")
    return said("grade {grade}", grade=grade) if kind == "grade" else _RULES.get(kind, kind)


def in_days(days: int | None) -> str:
    """Payment terms in words."""
    return said("no terms") if days is None else said_many("{n} day", "{n} days", n=days)


def _changed(view: View, packet: Mapping[str, Any], room: _Room) -> list[tuple[str, str]]:
    """What differs from the card this one replaces, in one line; none where it replaces none."""
    found = list(_changes(view, packet, room))
    label = said("Changed since the card before") if room.spread else said("Changed")
    return [(view.words.say(label), "; ".join(found))] if found else []


def _changes(view: View, packet: Mapping[str, Any], room: _Room) -> Iterator[str]:
    before, w, currency = view.before, view.words, packet["currency"]
    if before is None:
        return
    if before["to_minor"] != packet["to_minor"]:
        old, new = Money(before["to_minor"], currency), Money(packet["to_minor"], currency)
        yield w.say(said("limit asked for {old} to {new}", old=old, new=new))
    if before["terms_days"] != packet["terms_days"]:
        yield w.say(said("terms {old} to {new}", old=in_days(before["terms_days"]), new=in_days(packet["terms_days"])))
    if before["effective_to"] != packet["effective_to"]:
        yield w.say(said("end {old} to {new}", old=before["effective_to"] or said("none"), new=packet["effective_to"] or said("none")))
    for name, text in (("policy", said("policy")), ("authority", said("authority matrix"))):
        if before[name] != packet[name]:
            versions = said("{document} changed ({old} to {new})", document=text, old=before[name][:8], new=packet[name][:8])
            yield w.say(versions if room.spread else text)
    if room.spread and len(packet["notes"]) > len(before["notes"]):  # what was said stands below
        yield w.say(said("answer or comment added"))
    if before["exposure_minor"] != packet["exposure_minor"]:
        old, new = about(before["exposure_minor"], currency), about(packet["exposure_minor"], currency)
        yield w.say(said("exposure {old} to {new}", old=old, new=new))


def _buttons(view: View) -> Block:
    value = value_of(proposal=view.proposal.proposal_id, digest=view.proposal.digest)
    w = view.words
    block_id = f"decide:{view.proposal.proposal_id}:{view.proposal.digest[:12]}"
    reasons = button(WHY, w.say(said("Why")), value)
    if view.reader and (view.decided or view.reader in view.standing.conflicted):
        return buttons(block_id, reasons)
    first = {
        Assurance.CLICK: [
            button(APPROVE, w.say(said("Approve")), value, style="primary"),
            button(APPROVE_IF, w.say(said("Approve on condition")), value),
        ],
        Assurance.TYPED: [button(APPROVE_TYPED, w.say(said("Approve …")), value, style="primary")],
        Assurance.SIGNED_IN: [button(APPROVE_OUTSIDE, w.say(said("Approve outside Slack")), value, style="primary")],
    }[view.assurance]
    no = button(REJECT, w.say(said("Reject")), value, style="danger")
    if view.collective:  # a member votes; nothing else is his alone
        return buttons(block_id, first[0], no, reasons)
    if view.begins is not None:  # an override's limit is in force already: approved as it is, or rejected and taken back
        return buttons(block_id, first[0], no, reasons)
    other, ask = button(COUNTER, w.say(said("Counter-offer")), value), button(RETURN, w.say(said("Return with a question")), value)
    return buttons(block_id, *first, no, other, ask, reasons)


def _outcome(view: View) -> tuple[str, str]:
    """What became of it; of one that was replaced also by what, and who has that now."""
    w, proposal = view.words, view.proposal
    outcome = w.say(outcome_of(proposal, view.conditions))
    if view.successor is None:
        code = "by_rule" if proposal.straight_through_rule else proposal.outcome_code
        untold = code != proposal.state and not view.standing.decisions
        return outcome, w.say(said(code.replace("_", " "))) if untold else ""
    new, who_may = view.successor
    shown = offered(new.to_minor, new.currency, new.terms_days, new.effective_to)
    if new.state == ProposalState.PENDING:
        return outcome, w.say(said("{offer}; waits for {who}", offer=shown, who=_some([view.name(p) for p in who_may])))
    return outcome, w.say(said("{offer}; {state}", offer=shown, state=said(new.state)))


def offered(to_minor: int, currency: str, terms_days: int | None, effective_to: date | None) -> str:
    """The figures of an offer: amount, terms and end."""
    amount, terms = Money(to_minor, currency), in_days(terms_days)
    if effective_to is None:
        return said("{amount}, {terms}, no end", amount=amount, terms=terms)
    return said("{amount}, {terms}, until {day}", amount=amount, terms=terms, day=effective_to)


def outcome_of(proposal: Proposal, conditions: Sequence[ApprovalCondition] = ()) -> str:
    """What became of a proposal, in words."""
    if proposal.outcome_code == "base_changed":
        return LIMIT_CHANGED
    if proposal.state == ProposalState.APPROVED and any(c.state == ConditionState.OPEN for c in conditions):
        return said("Approved on condition, not applied yet")
    return OUTCOMES[ProposalState(proposal.state)]


def _decisions(view: View) -> Iterator[tuple[str, str]]:
    """Each decision with actor, time and the log's entry."""
    w = view.words
    for one in sorted(view.standing.decisions, key=lambda d: (d.at, d.approver_id)):
        who = view.name(one.approver_id)
        if one.on_behalf_of:
            who = w.say(said("{who} for {principal}", who=who, principal=view.name(one.on_behalf_of)))
        text = w.say(said("{done} {moment}", done=DONE[Verdict(one.verdict)], moment=one.at))
        if one.reason_code:
            text += f": {w.say(REASON_CODES[ReasonCode(one.reason_code)])}"
        if one.reason:
            text += f", “{cleaned(one.reason, 300)}”"
        entry = (view.entries or {}).get(one.approver_id)
        if entry is not None:
            text += w.say(said(" · audit entry {seq}, {hash}", seq=entry.seq, hash=entry.leaf[:12]))
        yield who, text


def condition_in_words(condition: ApprovalCondition) -> str:
    """What must come true."""
    kind = CONDITIONS[ConditionKind(condition.kind)]
    return said("{kind}: {text}", kind=kind, text=cleaned(condition.text, 300)) if condition.text else kind


def _condition_blocks(view: View) -> list[Block]:
    """The conditions of an approval, each open one with a button for the second person."""
    found: list[Block] = []
    w = view.words
    for one in view.conditions:
        what = w.say(condition_in_words(one))
        if one.state == ConditionState.OPEN:
            due = w.say(said("due {day}, set by {name}", day=one.due, name=view.name(one.asked_by)))
            others = sorted(view.name(p) for p in set(view.confirmers) - {one.asked_by})
            who = w.say(said("may be confirmed by {names}", names=_some(others)))
            found.append(lines([(w.say(said("Condition")), f"{what} ({due}); {who}")]))
            mine = not view.reader or (view.reader in view.confirmers and view.reader != one.asked_by)
            if mine and view.proposal.state in (ProposalState.APPROVED, ProposalState.PENDING):
                value = value_of(condition=one.condition_id)
                found.append(buttons(f"condition:{one.condition_id}", button(CONFIRM, w.say(said("Confirm with evidence")), value)))
        else:
            state = said("met, confirmed by {name}", name=view.name(one.settled_by)) if one.state == ConditionState.MET else said("lapsed")
            found.append(lines([(w.say(said("Condition")), f"{what}: {w.say(state)}")]))
    return found
