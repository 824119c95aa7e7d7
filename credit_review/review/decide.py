"""The one way a person answers a proposal, from Slack, the command line or a test: one transaction for the whole click.

Inbox key, authorisation, decision, state, effects owed, audit entries and the outcome are one commit. A refusal is an outcome too: it
is audited and repeated to a second delivery. Whatever raises before the commit leaves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.authority import Asking, Code, Judgement, Matrix, Standing, judge, requirement
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.records import Decision, InboxEntry, Note, Person, Proposal
from credit_review.model.states import Assurance, ProposalState, ReasonCode, Verdict
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.addressing import NOWHERE, Destinations, put_before
from credit_review.review.apply import overridden, take_back
from credit_review.review.committee import Ballot, vote
from credit_review.review.conditions import (
    ConditionAsked,
    check_conditions,
    condition_data,
    open_conditions,
    record_conditions,
    told,
)
from credit_review.review.counter import CounterOffer, Figures, figures_of, stricter, with_figures
from credit_review.review.directory import person_for
from credit_review.review.ending import created_data, end, end_outdated, move, put_in_place, scorecard_of, successor_of
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import card_of, owe_apply, owe_card_updates, owe_messages, to_person
from credit_review.review.questions import ask_analyst
from credit_review.review.standing import gather, lock_group, matrix_in_force, no_rate
from credit_review.words import Said, marked, packed, said, said_many, unpacked

_ACTIONS = {
    Verdict.APPROVE: Action.DECISION_APPROVE,
    Verdict.REJECT: Action.DECISION_REJECT,
    Verdict.RETURN: Action.DECISION_RETURN,
    Verdict.COUNTER: Action.DECISION_COUNTER,
}
_ANOTHER_MAY_STILL_FIT = (Code.ALLOWED, Code.LACKS_TIER, Code.NOT_REHEARSED, Code.CHOOSE_PRINCIPAL)
LONGEST_REASON = 4000
"""Characters of a reason that are kept; a longer one is refused."""
_CARD_IS_OLD = (Code.STALE, Code.NOT_PENDING)
_OUTDATED = {Code.EXPIRED: ProposalState.EXPIRED, Code.BASE_CHANGED: ProposalState.SUPERSEDED}
"""What nobody can decide any more ends with the click that finds it so: its cards say what became of it, not only the next sweep."""
DECIDER = "system:decide"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideCommand:
    """One answer as it arrived: which delivery, who is authenticated by which account, and the digest of the packet he was shown.

    `typed_minor` is the amount the person typed to confirm it, `signed_in` that he is signed in to the company itself (command line,
    page outside Slack); both are asked for by the matrix's `step_up`. `conditions` go with an approval.
    """

    delivery_key: str
    proposal_id: str
    digest: str
    verdict: Verdict
    account_kind: str
    account: str
    channel: str
    reason: str = ""
    reason_code: str = ""
    on_behalf_of: str | None = None
    counter: CounterOffer | None = None
    conditions: tuple[ConditionAsked, ...] = ()
    typed_minor: int | None = None
    signed_in: bool = False

    @property
    def approves(self) -> bool:
        """Whether the answer would put a limit in force."""
        return self.verdict in (Verdict.APPROVE, Verdict.COUNTER)

    @property
    def assurance(self) -> Assurance:
        """How sure we are that the person himself decides."""
        if self.signed_in:
            return Assurance.SIGNED_IN
        return Assurance.TYPED if self.typed_minor is not None and self.reason.strip() else Assurance.CLICK


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an answer. `text` is for the person who answered; `repeated` marks the stored outcome of an earlier delivery."""

    delivery_key: str
    proposal_id: str
    verdict: str
    accepted: bool
    code: str
    text: str
    state: str = ""
    person_id: str = ""
    on_behalf_of: str | None = None
    tier: str = ""
    approvals_given: int = 0
    approvals_needed: int = 0
    who_may: tuple[str, ...] = ()
    successor_id: str | None = None
    repeated: bool = field(default=False, compare=False)

    def to_json(self) -> str:
        """The canonical text stored in the inbox."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("repeated", "text")}
        return canonical({**plain, "text": packed(self.text)})

    @classmethod
    def repeat(cls, text: str) -> Outcome:
        """The stored outcome, for a second delivery."""
        stored: dict[str, Any] = json.loads(text)
        return cls(**{**stored, "text": unpacked(stored["text"]), "who_may": tuple(stored["who_may"]), "repeated": True})


def decide(command: DecideCommand, uow: UnitOfWork, now: datetime, *, zone: tzinfo = UTC, to: Destinations = NOWHERE) -> Outcome:
    """The outcome of the answer, committed; a delivery key seen before gives its first outcome again and does nothing.

    `zone` is the company's time zone; `to` says where people are asked about what follows. Raises Conflict or Unavailable from the
    store: then nothing is stored and nothing must be acknowledged, so that the person sees an error and answers again.
    """
    if not uow.add_if_absent(InboxEntry(delivery_key=command.delivery_key, outcome_json="", at=now)):
        stored = uow.get(InboxEntry, delivery_key=command.delivery_key)
        assert stored is not None  # noqa: S101  inbox entries are never deleted
        return Outcome.repeat(stored.outcome_json)
    outcome = _answered(command, uow, now, zone, to)
    uow.change(InboxEntry, where={"delivery_key": command.delivery_key}, to={"outcome_json": outcome.to_json()})
    uow.commit()
    return outcome


def decide_listed(
    listed: Callable[[], Sequence[DecideCommand]],
    uow: UnitOfWork,
    now: datetime,
    *,
    delivery_key: str,
    zone: tzinfo = UTC,
    to: Destinations = NOWHERE,
) -> list[Outcome]:
    """The outcomes of several answers given with one click, each with a decision and an entry of its own, all in one commit.

    `listed` says which answers, and may refuse; a click seen before gives its first outcomes again without asking it.
    """
    if not uow.add_if_absent(InboxEntry(delivery_key=delivery_key, outcome_json="", at=now)):
        stored = uow.get(InboxEntry, delivery_key=delivery_key)
        assert stored is not None  # noqa: S101  inbox entries are never deleted
        return [Outcome.repeat(one) for one in json.loads(stored.outcome_json)]
    outcomes = [_answered(command, uow, now, zone, to) for command in listed()]
    uow.change(InboxEntry, where={"delivery_key": delivery_key}, to={"outcome_json": canonical([o.to_json() for o in outcomes])})
    uow.commit()
    return outcomes


def refused_login(uow: UnitOfWork, kind: str, account: str, refusal: Refused) -> None:
    """Appends the entry of somebody who tried and is nobody of ours; his account stands in it as a digest."""
    data = {"code": refusal.code, "kind": kind}
    uow.append(Entry(action=Action.LOGIN_REFUSED, actor=f"account:{short_id(kind, account)}", entity=f"login:{kind}", data=data))


def refused_early(uow: UnitOfWork, refusal: Refused, *, person_id: str, proposal_id: str, channel: str, delivery_key: str) -> None:
    """Appends the entry of a person whom a rule refused before there was anything to decide: about a proposal, or else himself."""
    known = uow.get(Proposal, proposal_id=proposal_id) if proposal_id else None
    entity = f"proposal:{known.proposal_id}" if known else f"person:{person_id}"
    data = {
        "code": refusal.code,
        "channel": channel,
        "delivery": sha256(delivery_key.encode()).hexdigest(),
        "state": known.state if known else None,
    }
    text = {"text": refusal.what}
    uow.append(Entry(action=Action.DECISION_REFUSED, actor=actor(person_id), entity=entity, data=data, payload=text))


@dataclass(frozen=True, slots=True)
class _Click:
    """The answer with all that was read for it."""

    command: DecideCommand
    uow: UnitOfWork
    now: datetime
    matrix: Matrix
    standing: Standing
    person: Person
    to: Destinations
    zone: tzinfo

    @property
    def proposal(self) -> Proposal:
        """The proposal that was answered, as it was locked."""
        return self.standing.proposal


def _answered(command: DecideCommand, uow: UnitOfWork, now: datetime, zone: tzinfo, to: Destinations) -> Outcome:
    """The outcome with everything written and nothing committed. What refuses by raising does so before the first write."""
    person: Person | None = None
    try:
        person = person_for(uow, command.account_kind, command.account, on=now.astimezone(zone).date(), known_at=now)
        _require_complete(command)
        click = _read(command, uow, now, zone, person, to)
        _check(click)
        return _counter(click) if command.verdict == Verdict.COUNTER else _plain(click)
    except Refused as refusal:
        return _refuse(command, uow, person, refusal.code, refusal.what)
    except MissingRate as error:
        return _refuse(command, uow, person, "no_rate", no_rate(error).what)


def _require_complete(command: DecideCommand) -> None:
    if not command.reason.strip() and command.verdict == Verdict.REJECT:
        raise Refused("reason_needed", said("say why: a rejection needs a text"))
    if not command.reason.strip() and command.verdict == Verdict.RETURN:
        raise Refused("reason_needed", said("say what you want to know: a question needs a text"))
    if command.reason_code and command.reason_code not in tuple(ReasonCode):
        raise Refused("unknown_reason_code", said("there is no reason {code}", code=command.reason_code))
    if not command.reason.strip() and command.verdict == Verdict.ABSTAIN:
        raise Refused("reason_needed", said("say why: the minutes give the reason of a vote"))
    if len(command.reason) > LONGEST_REASON:
        text = marked("the text has {length} characters; at most {most} are kept")
        raise Refused("reason_too_long", Said(text, {"length": len(command.reason), "most": LONGEST_REASON}))
    if (command.verdict == Verdict.COUNTER) != (command.counter is not None):
        raise Refused("no_counter", said("a counter-offer states at least one figure, and nothing else does"))
    if command.conditions and not command.approves:
        raise Refused("no_approval", said("only an approval can have conditions"))


def _read(command: DecideCommand, uow: UnitOfWork, now: datetime, zone: tzinfo, person: Person, to: Destinations) -> _Click:
    proposal = uow.get(Proposal, proposal_id=command.proposal_id)
    if proposal is None:
        raise Refused("unknown_proposal", said("there is no such proposal"))
    lock_group(uow, proposal, now, zone=zone)
    matrix = matrix_in_force(uow, now)
    standing = gather(uow, command.proposal_id, matrix, now, zone=zone, asking=_asking(command, person, command.digest))
    return _Click(command, uow, now, matrix, standing, person, to, zone)


def _asking(command: DecideCommand, person: Person, digest: str) -> Asking:
    return Asking(
        person_id=person.person_id,
        digest=digest,
        on_behalf_of=command.on_behalf_of,
        assurance=command.assurance,
        approves=command.approves,
    )


def _check(click: _Click) -> None:
    """Refused when the amount typed is not the one decided on, a condition could never be met in time, or a limit that is in force
    already (an override) would be neither approved nor taken back."""
    command, proposal = click.command, click.proposal
    if (command.verdict in (Verdict.RETURN, Verdict.COUNTER) or command.conditions) and overridden(click.uow, proposal.proposal_id):
        raise Refused("override.in_force", said("the limit is in force already: approve it as it is, or reject it and it is taken back"))
    check_conditions(command.conditions, proposal, click.standing.today)
    offered = command.counter.to_minor if command.counter else None
    amount = proposal.to_minor if offered is None else offered
    if command.typed_minor is not None and command.typed_minor != amount:
        raise Refused("typed_otherwise", said("the amount you typed is not the one you would approve; nothing was decided"))


def _plain(click: _Click) -> Outcome:
    judgement = judge(click.standing, click.matrix, click.now)
    if not judgement.allowed:
        return _not_allowed(click, judgement)
    if judgement.committee:
        return _voted(click, judgement)
    command, proposal, uow, now = click.command, click.proposal, click.uow, click.now
    if command.verdict == Verdict.ABSTAIN:
        raise Refused("no_committee", said("no committee decides this: approve, reject or return it"))
    _record(click, proposal, judgement, command.verdict, command.delivery_key)
    if command.verdict == Verdict.APPROVE:
        return _approved(click, proposal, judgement)
    if command.verdict == Verdict.RETURN:
        _ask(click)
    state = ProposalState.REJECTED if command.verdict == Verdict.REJECT else ProposalState.RETURNED
    end(uow, proposal, state, code=state, now=now)
    take_back(uow, proposal, now, zone=click.zone, by=actor(click.person.person_id))
    rejected, returned = said("Rejected."), said("Returned with your question; the answer comes as a new proposal.")
    text = rejected if state == ProposalState.REJECTED else returned
    return _outcome(click, judgement, code=state, text=text, state=state)


def _voted(click: _Click, judgement: Judgement) -> Outcome:
    """The outcome of a member's vote on what a committee decides: recorded, and nothing decided before the chair closes the sitting."""
    command, committee = click.command, click.matrix.committee(judgement.committee)
    assert committee is not None  # noqa: S101  the matrix names it
    if command.conditions:
        raise Refused("no_approval", said("a vote carries no condition: write it as the reason"))
    ballot = Ballot(
        person_id=click.person.person_id, verdict=command.verdict, reason=command.reason, digest=command.digest, channel=command.channel,
        assurance=command.assurance, delivery_key=command.delivery_key,
    )  # fmt: skip
    text = vote(click.uow, click.proposal, committee, ballot, tier=judgement.tier, now=click.now)
    return _outcome(click, judgement, code="voted", text=text, state=click.proposal.state)


def _approved(click: _Click, proposal: Proposal, judgement: Judgement, **told: Any) -> Outcome:
    """The outcome of an approval already recorded: enough, or one of several."""
    uow, now = click.uow, click.now
    needs = {"tier": judgement.tier, "required_approvals": judgement.approvals_needed}
    given = judgement.approvals_given + 1
    _condition(click, replace(proposal, tier=judgement.tier))
    figures = {"given": given, "needed": judgement.approvals_needed, "tier": judgement.tier}
    if judgement.completes:
        move(uow, proposal, ProposalState.APPROVED, now=now, decided_at=now, **needs)
        state, waits = ProposalState.APPROVED, len(open_conditions(uow, [proposal.proposal_id]))
        if not waits:
            owe_apply(uow, proposal.proposal_id, now)
        text = Said("Approved ({given} of {needed}); it is applied next.", figures) if not waits else _on_condition(figures, waits)
    else:
        uow.change(Proposal, where={"proposal_id": proposal.proposal_id}, to=needs)
        owe_card_updates(uow, proposal.proposal_id, now)
        state = ProposalState.PENDING
        text = Said("Your approval counts: {given} of {needed} that {tier} asks for.", figures)
    if judgement.on_behalf_of:
        text = said("{text} You decided on behalf of {principal}.", text=text, principal=judgement.on_behalf_of)
    return _outcome(click, judgement, **{"code": state, "text": text, "state": state, "given": given, **told})


def _condition(click: _Click, proposal: Proposal) -> None:
    """Keeps the approval's conditions, and tells in Slack who may confirm them."""
    asked, person_id, uow = click.command.conditions, click.person.person_id, click.uow
    if not asked:
        return
    people = told(uow, proposal, click.matrix, person_id, today=click.standing.today, now=click.now) if click.to.direct else frozenset()
    record_conditions(uow, proposal, asked, person_id, click.now, tell=people)


def _on_condition(figures: Mapping[str, Any], waits: int) -> Said:
    return said_many(
        "Approved ({given} of {needed}); it is applied once somebody else confirms the condition.",
        "Approved ({given} of {needed}); it is applied once somebody else confirms the {n} conditions.",
        n=waits,
        **figures,
    )


def _counter(click: _Click) -> Outcome:
    """A counter-offer: stricter in every respect it is an approval for less; otherwise its maker is this person."""
    assert click.standing.asking is not None  # noqa: S101  whoever clicks is asking
    # how sure we must be of the person is asked of the figures he would approve, and an offer that others decide approves nothing
    asking = replace(click.standing.asking, approves=False)
    first = judge(replace(click.standing, asking=asking), click.matrix, click.now)
    if first.code not in _ANOTHER_MAY_STILL_FIT:
        return _not_allowed(click, first)
    if first.committee:
        return _voted(click, first)
    assert click.command.counter is not None  # noqa: S101  _require_complete
    figures = figures_of(click.command.counter, click.standing)
    if stricter(figures, click.standing):
        return _approve_for_less(click, figures)
    return _offer_more(click, figures, first) if first.allowed else _not_allowed(click, first)


def _approve_for_less(click: _Click, figures: Figures) -> Outcome:
    """The successor keeps its makers and carries this decision, when the lower figures are within the person's own authority."""
    command, old, new = click.command, click.proposal, _successor(click, figures)
    asking = _asking(command, click.person, new.digest)
    ahead = replace(click.standing, proposal=new, decisions=(), asking=asking)
    judgement = judge(ahead, click.matrix, click.now)
    if not judgement.allowed:
        return _not_allowed(click, judgement)
    new = replace(new, tier=judgement.tier, required_approvals=judgement.approvals_needed)
    _record(click, old, judgement, Verdict.COUNTER, command.delivery_key, successor=new, stricter=True)
    _put(click, old, new, {}, code="counter_stricter")
    _record(click, new, judgement, Verdict.APPROVE, f"{command.delivery_key}:carried")
    _show_successor(click, new, judgement)
    return _approved(click, new, judgement, successor_id=new.proposal_id)


def _offer_more(click: _Click, figures: Figures, judgement: Judgement) -> Outcome:
    """The successor's maker is this person (and his principal), and somebody else must approve it."""
    person_id, old = click.person.person_id, click.proposal
    if click.command.conditions:
        raise Refused("no_approval", said("others decide this offer, so it carries no condition of yours: write it as the reason"))
    makers = {p: "counter_offer" for p in (person_id, judgement.on_behalf_of) if p}
    new = replace(_successor(click, figures), proposer_id=person_id)
    ahead = replace(click.standing, proposal=new, decisions=(), makers=click.standing.makers | makers.keys(), asking=None)
    need = requirement(ahead, click.matrix)
    new = replace(new, tier=need.tier, required_approvals=need.approvals)
    after = judge(replace(ahead, proposal=new), click.matrix, click.now)
    _record(click, old, judgement, Verdict.COUNTER, click.command.delivery_key, successor=new, stricter=False)
    _put(click, old, new, makers, code="counter_looser")
    text = said_many(
        "Your offer replaces the proposal; you made it, so it awaits {n} approval of {tier} from others.",
        "Your offer replaces the proposal; you made it, so it awaits {n} approvals of {tier} from others.",
        n=need.approvals,
        tier=need.tier,
    )
    return _outcome(click, after, code="countered", text=text, state=new.state, given=0, successor_id=new.proposal_id)


def _successor(click: _Click, figures: Figures) -> Proposal:
    # The offer's text stays out of the packet: it is in the decision, and in the erasable part of the entry.
    old, shown = click.proposal, {"countered_by": click.person.person_id}
    fields = {**asdict(figures), "direction": with_figures(old, figures).direction}
    return successor_of(old, key=click.command.delivery_key, now=click.now, shown=shown, **fields)


def _put(click: _Click, old: Proposal, new: Proposal, makers: dict[str, str], *, code: str) -> None:
    put_in_place(click.uow, old, new, makers, code=code, now=click.now)
    entity = f"proposal:{new.proposal_id}"
    by = actor(click.person.person_id)
    click.uow.append(Entry(action=Action.PROPOSAL_CREATED, actor=by, entity=entity, data={**created_data(new), "cause": code}))
    if code != "counter_stricter":  # which is put before others once this person's own approval counts
        ahead = replace(click.standing, proposal=new, decisions=(), makers=click.standing.makers | makers.keys(), asking=None)
        put_before(click.uow, [ahead], click.matrix, replace(click.to, channel=""), click.now)


def _show_successor(click: _Click, new: Proposal, judgement: Judgement) -> None:
    """Puts an approval for less before the others it still needs, and shows the person what his own became."""
    if not judgement.completes:
        given = tuple(click.uow.find(Decision, proposal_id=new.proposal_id))
        still = replace(click.standing, proposal=new, decisions=given, asking=None)
        put_before(click.uow, [still], click.matrix, replace(click.to, channel=""), click.now)
    if click.to.direct:
        owe_messages(click.uow, [(card_of(new.proposal_id), to_person(click.person.person_id))], click.now)


def renew(uow: UnitOfWork, standing: Standing, matrix: Matrix, now: datetime, *, by: str, to: Destinations) -> Proposal:
    """The successor shown under the policy and authority now in force, in the place of one shown under others; `by` is whose act showed
    that it was. The proposal is locked; the caller commits."""
    old = standing.proposal
    digests = {"policy_digest": standing.policy_in_force, "authority_digest": standing.authority_in_force}
    changed = {name: [getattr(old, name), digest] for name, digest in digests.items() if getattr(old, name) != digest}
    new = successor_of(old, key=canonical(digests), now=now, shown={"rules_changed": changed}, **digests)
    need = requirement(replace(standing, proposal=new, decisions=()), matrix)
    new = replace(new, tier=need.tier, required_approvals=need.approvals)
    about = {"code": "rules_changed", "successor": new.proposal_id, "changed": changed}
    uow.append(Entry(action=Action.PROPOSAL_SUPERSEDED, actor=DECIDER, entity=f"proposal:{old.proposal_id}", data=about))
    put_in_place(uow, old, new, {}, code="rules_changed", now=now)
    data = {**created_data(new), "cause": "rules_changed"}
    uow.append(Entry(action=Action.PROPOSAL_CREATED, actor=actor(by), entity=f"proposal:{new.proposal_id}", data=data))
    put_before(uow, [replace(standing, proposal=new, decisions=(), asking=None)], matrix, replace(to, channel=""), now)
    return new


def _renew(click: _Click) -> Proposal:
    return renew(click.uow, click.standing, click.matrix, click.now, by=click.person.person_id, to=click.to)


def _record(
    click: _Click,
    proposal: Proposal,
    judgement: Judgement,
    verdict: Verdict,
    delivery_key: str,
    *,
    successor: Proposal | None = None,
    stricter: bool | None = None,
) -> None:
    """The decision and its entry. The entry carries the proposal's change of state too: one change, one entry."""
    command, standing = click.command, click.standing
    click.uow.add(
        Decision(
            proposal_id=proposal.proposal_id,
            approver_id=click.person.person_id,
            on_behalf_of=judgement.on_behalf_of,
            proposer_id=proposal.proposer_id,
            verdict=verdict,
            digest=proposal.digest,
            tier=judgement.tier,
            reason=command.reason,
            channel=command.channel,
            delivery_key=delivery_key,
            at=click.now,
            reason_code=command.reason_code,
            assurance=command.assurance,
        )
    )
    seen = replace(standing, proposal=proposal)
    counted = 1 if verdict == Verdict.APPROVE else 0
    data: dict[str, Any] = {
        "digest": proposal.digest,
        "on_behalf_of": judgement.on_behalf_of,
        "tier": judgement.tier,
        "because": list(judgement.because),
        "approvals_needed": judgement.approvals_needed,
        "approvals_given": judgement.approvals_given + counted,
        "group_limit_minor": seen.group_limit_minor,
        "increases_12m_minor": seen.increases_12m_minor,
        "control_currency": standing.control_currency,
        "policy": proposal.policy_digest,
        "authority": proposal.authority_digest,
        "scorecard": scorecard_of(proposal),
        "channel": command.channel,
        "assurance": command.assurance,
        "reason_code": command.reason_code or None,
        "conditions": [condition_data(c) for c in command.conditions],
        "delivery": sha256(delivery_key.encode()).hexdigest(),
        "from": ProposalState.PENDING,
        "to": _state_after(verdict, judgement),
    }
    if successor is not None:
        data |= {"successor": successor.proposal_id, "stricter": bool(stricter)}
    payload = {"reason": command.reason} if command.reason else None
    by = actor(click.person.person_id)
    click.uow.append(Entry(action=_ACTIONS[verdict], actor=by, entity=f"proposal:{proposal.proposal_id}", data=data, payload=payload))


def _state_after(verdict: Verdict, judgement: Judgement) -> ProposalState:
    if verdict == Verdict.APPROVE:
        return ProposalState.APPROVED if judgement.completes else ProposalState.PENDING
    ends = {Verdict.REJECT: ProposalState.REJECTED, Verdict.RETURN: ProposalState.RETURNED, Verdict.COUNTER: ProposalState.SUPERSEDED}
    return ends[verdict]


def _ask(click: _Click) -> None:
    command, proposal = click.command, click.proposal
    note = Note(
        note_id=short_id("n", command.delivery_key),
        proposal_id=proposal.proposal_id,
        person_id=click.person.person_id,
        kind="question",
        text=command.reason,
        sha256=sha256(command.reason.encode()).hexdigest(),
        at=click.now,
    )
    click.uow.add(note)
    ask_analyst(click.uow, proposal, click.to, click.now)


def _not_allowed(click: _Click, judgement: Judgement) -> Outcome:
    successor = _renew(click).proposal_id if judgement.code == Code.CHANGED else None
    ended = (
        end_outdated(click.uow, click.proposal, _OUTDATED[judgement.code], click.now, by=DECIDER) if judgement.code in _OUTDATED else None
    )
    if judgement.code in _CARD_IS_OLD:
        owe_card_updates(click.uow, click.proposal.proposal_id, click.now)
    refused = _refuse(click.command, click.uow, click.person, judgement.code, judgement.text)
    return replace(
        refused,
        state=ProposalState.SUPERSEDED if successor else ended or click.proposal.state,
        tier=judgement.tier,
        approvals_given=judgement.approvals_given,
        approvals_needed=judgement.approvals_needed,
        who_may=judgement.who_may,
        successor_id=successor,
    )


def _refuse(command: DecideCommand, uow: UnitOfWork, person: Person | None, code: str, text: str) -> Outcome:
    """A refusal, audited. What an outsider may have written (account, proposal id) enters the entry as a digest only."""
    known = uow.get(Proposal, proposal_id=command.proposal_id)
    by = actor(person.person_id) if person else f"account:{short_id(command.account_kind, command.account)}"
    entity = f"proposal:{known.proposal_id}" if known else f"proposal:{short_id('unknown', command.proposal_id)}"
    data = {
        "code": str(code),
        "verdict": command.verdict,
        "digest": command.digest if known and command.digest == known.digest else short_id("other", command.digest),
        "on_behalf_of": short_id("principal", command.on_behalf_of) if command.on_behalf_of else None,
        "channel": command.channel,
        "delivery": sha256(command.delivery_key.encode()).hexdigest(),
        "state": known.state if known else None,
    }
    uow.append(Entry(action=Action.DECISION_REFUSED, actor=by, entity=entity, data=data, payload={"text": text}))
    return Outcome(
        delivery_key=command.delivery_key,
        proposal_id=command.proposal_id,
        verdict=command.verdict,
        accepted=False,
        code=str(code),
        text=said("Not done: {refusal}.", refusal=text),
        state=known.state if known else "",
        person_id=person.person_id if person else "",
        on_behalf_of=command.on_behalf_of,
    )


def _outcome(
    click: _Click,
    judgement: Judgement,
    *,
    code: str,
    text: str,
    state: str,
    given: int | None = None,
    successor_id: str | None = None,
) -> Outcome:
    return Outcome(
        delivery_key=click.command.delivery_key,
        proposal_id=click.command.proposal_id,
        verdict=click.command.verdict,
        accepted=True,
        code=str(code),
        text=text,
        state=str(state),
        person_id=click.person.person_id,
        on_behalf_of=judgement.on_behalf_of,
        tier=judgement.tier,
        approvals_given=judgement.approvals_given if given is None else given,
        approvals_needed=judgement.approvals_needed,
        who_may=judgement.who_may,
        successor_id=successor_id,
    )


def delivery_key(*parts: str) -> str:
    """The delivery key of an interaction: SHA-256 (hex) of its identifying parts joined by `|`."""
    return sha256("|".join(parts).encode()).hexdigest()
