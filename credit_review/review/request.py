"""A person asks for a limit: for a new customer, for a while, or before the next review is due.

A request is a review of one customer (kind ad hoc): the same snapshot rules, scoring, tiers and audit. What is special is that the
person who asks is its proposer and maker, and that it never goes straight through. The caller commits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from credit_review.audit import canonical
from credit_review.authority import APPEAL
from credit_review.errors import BadInput, Refused
from credit_review.limits.layers import ALL
from credit_review.limits.seasons import MOST_YEARS, years_on
from credit_review.model.money import format_minor
from credit_review.model.records import CreditLimit, Decision, InboxEntry, LimitAccount, Maker, OutboxEntry, Proposal, Review
from credit_review.model.states import OPEN_PROPOSAL_STATES, Layer, ProposalState, ReviewKind, ReviewState, Verdict
from credit_review.policy import Policy
from credit_review.ports import UnitOfWork
from credit_review.review.addressing import Destinations
from credit_review.review.directory import active_person
from credit_review.review.lifecycle import require_state, review_of
from credit_review.review.manifest import from_json
from credit_review.review.naming import proposal_id
from credit_review.review.outbox import REQUEST, message_key, owe_messages, owe_updates, to_person
from credit_review.review.propose import ProposalDraft, account_entry, account_of, created_entry, direction_of, proposal_record, unchanged
from credit_review.review.seasons import RECURS_UNTIL
from credit_review.words import packed, said, unpacked

STOPPED = said("it stopped; the risk team finds the cause in the run")
"""What a person is told whose request met a fault of ours."""
REQUESTED = "requested"
"""Exception: a person asked for it."""

REFUSED_BEFORE = "refused_before"
"""How those who refused a request came to be makers of its appeal, which they may not decide for that."""

BOUNDS = (Layer.CEILING, Layer.SEGMENT, Layer.GROUP)
"""Layers that a person may ask for beside the limit itself: they only lower it."""

_SCOPE = "customer:"
_PROPOSED = (ReviewState.PROPOSED, ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)
_BEFORE_PROPOSAL = (ReviewState.DRAFT, ReviewState.SNAPSHOTTED, ReviewState.VALIDATED, ReviewState.SCORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks for. `amount_minor` None: what the engine finds; `until`: a temporary limit that ends on that day.

    `terms_days` None keeps the terms. `today` is the company's day. `emergency`: it is put in force before it is approved. `layer` is
    empty for the limit itself (base, or temporary with an end), else a bound: ceiling, segment or group, whose shared pool it is.
    `appeals` is the refused request that this one appeals against, decided by others than those who refused it.

    `begins` is the first day of a temporary limit (None: today), `recurs_until` says that it comes again on the same days of each year,
    and before which day its last season begins. `order_minor` is the order at stake, in the currency of the account; `documents` are
    names and SHA-256 of what supports it.
    """

    customer_id: str
    person_id: str
    amount_minor: int | None
    reason: str
    today: date
    until: date | None = None
    terms_days: int | None = None
    emergency: bool = False
    layer: str = ""
    appeals: str = ""
    begins: date | None = None
    recurs_until: date | None = None
    order_minor: int | None = None
    documents: tuple[tuple[str, str], ...] = ()

    @property
    def of_layer(self) -> str:
        """The layer asked for."""
        return self.layer or (Layer.BASE if self.until is None else Layer.TEMPORARY)

    def kept(self) -> dict[str, Any]:
        """What the packet keeps of it, and so who approves signs; what was not asked for is left out."""
        return {
            "by": self.person_id,
            "amount_minor": self.amount_minor,
            "until": _day(self.until),
            "terms_days": self.terms_days,
            "reason": self.reason,
            **({"emergency": 1} if self.emergency else {}),
            **({"layer": self.layer} if self.layer else {}),
            **({"appeals": self.appeals} if self.appeals else {}),
            **({"begins": _day(self.begins)} if self.begins else {}),
            **({RECURS_UNTIL: _day(self.recurs_until)} if self.recurs_until else {}),
            **({"order_minor": self.order_minor} if self.order_minor is not None else {}),
            **({"documents": [list(one) for one in self.documents]} if self.documents else {}),
        }


def as_kept(kept: Mapping[str, Any], customer_id: str, today: date) -> Request:
    """The request of which a packet keeps that, asked on a day."""
    return Request(
        customer_id=customer_id,
        person_id=kept["by"],
        amount_minor=kept["amount_minor"],
        reason=kept["reason"],
        today=today,
        until=_of(kept["until"]),
        terms_days=kept["terms_days"],
        emergency=bool(kept.get("emergency")),
        layer=kept.get("layer", ""),
        appeals=kept.get("appeals", ""),
        begins=_of(kept.get("begins")),
        recurs_until=_of(kept.get(RECURS_UNTIL)),
        order_minor=kept.get("order_minor"),
        documents=tuple((name, sha256) for name, sha256 in kept.get("documents", ())),
    )


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _of(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def request_scope(uow: UnitOfWork, customer_id: str, as_of: date) -> str:
    """The scope of the next review of one customer on a day: `customer:<id>#<n>`, so that a customer may ask twice.

    A request that failed before it became a proposal gives its scope to the next, which takes its place.
    """
    prefix = f"{_SCOPE}{customer_id}#"
    asked = [r for r in uow.find(Review, kind=ReviewKind.AD_HOC, as_of=as_of) if r.scope.startswith(prefix)]
    failed = [r.scope for r in asked if r.state == ReviewState.FAILED and unfinished_request(r)]
    return failed[0] if failed else f"{prefix}{len({r.scope for r in asked}) + 1}"


def unfinished_request(review: Review) -> bool:
    """Whether a review is a request that stopped before anything was proposed: what was asked is lost with it, so it is asked again."""
    return is_request(review.scope) and review.last_good_state in _BEFORE_PROPOSAL


def is_request(scope: str) -> bool:
    """Whether a review of that scope is a person's request for one customer."""
    return scope.startswith(_SCOPE) and "#" in scope


def later_reviews(uow: UnitOfWork, as_of: date) -> list[Review]:
    """Reviews as of a later day that have come to their proposals, newest first; requests are none of them."""
    found = uow.find(Review, state=_PROPOSED)
    later = [r for r in found if r.as_of > as_of and not (r.scope.startswith(_SCOPE) and "#" in r.scope)]
    return sorted(later, key=lambda r: (r.as_of, r.started_at), reverse=True)


def owe_status(uow: UnitOfWork, review_id: str, person_id: str, to: Destinations, now: datetime) -> None:
    """Owes the person who asks a message that follows his request from now on, and shows it as it stands when it is there already."""
    if to.direct:
        owe_messages(uow, [(status_of(review_id), to_person(person_id))], now)
        owe_updates(uow, [status_of(review_id)], now)


def owe_status_again(uow: UnitOfWork, customer_id: str, person_id: str, to: Destinations, now: datetime) -> None:
    """Owes the status of a person's newest request for a customer; for whoever passed it on and may know a Slack its review did not."""
    by = ("started_at", "review_id", "scope")
    mine = uow.tally(Review, by=by, kind=ReviewKind.AD_HOC, started_by=person_id)
    found = sorted(row for row in mine if row[2].startswith(f"{_SCOPE}{customer_id}#"))
    if found:
        owe_status(uow, found[-1][1], person_id, to, now)


def status_of(review_id: str) -> str:
    """The subject of the message that follows a request, which is a review of its own."""
    return f"{REQUEST}:{review_id}"


def owe_refusal(uow: UnitOfWork, review_id: str, why: str, now: datetime) -> None:
    """Lets the message that follows a request say why it came to nothing; does nothing for a review that is no request.

    The sentence is kept with the message, so that it is said in the reader's language.
    """
    review = review_of(uow, review_id)
    key = message_key(status_of(review_id), to_person(review.started_by))
    for row in uow.find(OutboxEntry, dedup_key=key, lock=True):
        payload = {**json.loads(row.payload_json), "why": packed(why)}
        uow.change(OutboxEntry, where={"outbox_id": row.outbox_id}, to={"payload_json": canonical(payload)})
        owe_updates(uow, [status_of(review_id)], now)


def refusal_of(uow: UnitOfWork, review_id: str, person_id: str) -> str:
    """Why a request came to nothing, as `owe_refusal` kept it; empty when it did not."""
    found = uow.find(OutboxEntry, dedup_key=message_key(status_of(review_id), to_person(person_id)))
    return unpacked(json.loads(found[0].payload_json).get("why", "")) if found else ""


def check_possible(uow: UnitOfWork, request: Request) -> None:
    """Returns unless the record already shows that the request would be refused in the end; meant to spare the work.

    Refused while the limit asked for has an open proposal, and for a temporary limit that is not above the base limit in force.
    """
    accounts = {a.account_id: a for a in uow.find(LimitAccount, subject_kind="customer", subject_id=request.customer_id)}
    if not accounts:
        return
    if request.appeals:
        refused_request(uow, request)
    _nothing_open(uow, request.customer_id, sorted(i for i, a in accounts.items() if a.layer == request.of_layer))
    base = [limit for limit in uow.find(CreditLimit, account_id=sorted(accounts)) if accounts[limit.account_id].layer == Layer.BASE]
    if request.of_layer == Layer.TEMPORARY and request.amount_minor is not None and len(base) == 1:
        _above_base(request.amount_minor, base[0].amount_minor, accounts[base[0].account_id].currency)


def check_request(uow: UnitOfWork, request: Request, now: datetime) -> None:
    """Returns if the request makes sense and its person may ask. Meant to be called before any work is done for it."""
    if not request.reason.strip():
        raise BadInput(said("a request needs a reason"), expected=said("why the customer needs it"), next_step=said("add --reason"))
    if request.amount_minor is not None and request.amount_minor < 0:
        raise BadInput(said("the limit asked for is negative"), expected=said("0 or more"), next_step=said("change --amount"))
    if request.until is not None and request.until <= (request.begins or request.today):
        raise BadInput(
            said("a temporary limit until {until}", until=request.until),
            expected=said("a day after it begins, {day}", day=request.begins)
            if request.begins
            else said("a day after today, {today}", today=request.today),
            next_step=said("change --until"),
        )
    if request.until is not None and request.amount_minor is None:
        raise BadInput(said("a temporary limit without an amount"), expected=said("--amount with --until"))
    _check_season(request)
    _check_bound(request)
    active_person(uow, request.person_id, on=request.today, known_at=now)


def require_offered(request: Request, policy: Policy) -> None:
    """Returns unless policy ranks the payment terms we offer and those asked for are none of them."""
    ranked = policy.terms.ranked
    if request.terms_days is not None and ranked and request.terms_days not in ranked:
        raise BadInput(
            said("payment terms of {days} net days are not offered", days=request.terms_days),
            expected=said("one of {ranked} (terms.ranked of the policy)", ranked=", ".join(str(days) for days in ranked)),
            next_step=said("change --terms"),
        )


def _check_season(request: Request) -> None:
    """A first day belongs to a temporary limit; one that recurs lasts less than a year, and begins for the last time within some years."""
    first = request.begins or request.today
    if request.order_minor is not None and request.order_minor < 1:
        raise BadInput(said("the order at stake is not above 0"), next_step=said("change --order"))
    if request.begins is not None and (request.until is None or request.begins < request.today or request.emergency):
        raise BadInput(
            said("a limit from {day} on", day=request.begins),
            expected=said("a temporary limit (--until) that begins today, {today}, or later, and no emergency", today=request.today),
            next_step=said("change --from"),
        )
    if request.recurs_until is None:
        return
    if request.until is None or request.of_layer != Layer.TEMPORARY or request.emergency:
        raise BadInput(said("only a temporary limit recurs each year"), expected=said("--until with --every-year-until, no --layer"))
    if request.until > years_on(first, 1):
        raise BadInput(said("a season from {begins} until {ends}", begins=first, ends=request.until), expected=said("at most a year"))
    if not years_on(first, 1) < request.recurs_until <= years_on(first, MOST_YEARS):
        raise BadInput(
            said("a limit that recurs until {day}", day=request.recurs_until),
            expected=said("a day after {first} and not after {last}", first=years_on(first, 1), last=years_on(first, MOST_YEARS)),
            next_step=said("change --every-year-until"),
        )


def _check_bound(request: Request) -> None:
    """A ceiling, segment or group limit has an amount of its own, and no payment terms: those belong to the limit itself."""
    if not request.layer:
        return
    if request.layer not in BOUNDS:
        raise BadInput(
            said("layer {layer}", layer=request.layer),
            expected=said("one of {layers}, or none for the limit itself", layers=", ".join(BOUNDS)),
            next_step=said("change --layer"),
        )
    if request.amount_minor is None:
        raise BadInput(said("a limit of layer {layer} without an amount", layer=request.layer), expected=said("--amount with --layer"))
    if request.terms_days is not None or request.emergency:
        raise BadInput(
            said("a limit of layer {layer} has no payment terms and no emergency", layer=request.layer),
            next_step=said("leave --layer out to change the limit itself"),
        )


def propose_request(uow: UnitOfWork, review_id: str, engine: ProposalDraft, request: Request, now: datetime) -> Proposal:
    """The proposal of a scored ad hoc review, in state draft, made by the person who asked; the same one when it is there already.

    `engine` is what the engine found for the customer's base limit; its figures stand beside what is asked. Refused while the account
    has an open proposal, when nothing would change, and for a temporary limit that is not above the base limit in force.
    """
    check_request(uow, request, now)
    if engine.customer_id != request.customer_id:
        raise BadInput(
            said("figures of customer {customer_id}", customer_id=engine.customer_id),
            expected=said("those of {customer_id}, who asks", customer_id=request.customer_id),
        )
    review = review_of(uow, review_id, lock=True)
    require_state(review, ReviewState.SCORED)
    if review.kind != ReviewKind.AD_HOC:
        raise BadInput(
            said("review {review_id} is {kind}", review_id=review_id, kind=review.kind), expected=said("an ad hoc review of one customer")
        )
    draft = _asked(engine, request, uow)
    known = uow.get(Proposal, proposal_id=proposal_id(review_id, draft.account_id))
    if known is not None:
        return known
    _free(uow, draft)
    return _store(uow, review, draft, engine, request, now)


def requested(uow: UnitOfWork, review: Review, engine: ProposalDraft, request: Request, now: datetime) -> Proposal:
    """What `propose_request` would store, as the record stands in `uow`."""
    return _record(uow, review, _asked(engine, request, uow), engine, request, now)


def _record(uow: UnitOfWork, review: Review, draft: ProposalDraft, engine: ProposalDraft, request: Request, now: datetime) -> Proposal:
    limit = uow.get(CreditLimit, account_id=draft.account_id)
    return proposal_record(
        review,
        from_json(review.manifest_json),
        draft,
        base_version=limit.version if limit else 0,
        proposer_id=request.person_id,
        supersedes_id=None,
        now=now,
        engine_minor=engine.to_minor,
    )


def _asked(engine: ProposalDraft, request: Request, uow: UnitOfWork) -> ProposalDraft:
    base = uow.get(CreditLimit, account_id=engine.account_id)
    present = base.amount_minor if base else None
    terms = base.terms_days if base else engine.from_terms_days
    to = engine.to_minor if request.amount_minor is None else request.amount_minor
    wanted = terms if request.terms_days is None else request.terms_days
    draft = replace(
        engine,
        to_minor=to,
        from_minor=present,
        from_terms_days=terms,
        terms_days=wanted,
        effective_from=request.begins or request.today,
        direction=direction_of(from_minor=present, to_minor=to, from_terms_days=terms, terms_days=wanted),
        exceptional=(*engine.exceptional, REQUESTED, *((APPEAL,) if request.appeals else ())),
        straight_through_rule="",
        request=request.kept(),
    )
    if request.of_layer == Layer.BASE:
        return draft
    if request.of_layer == Layer.TEMPORARY:
        _above_base(draft.to_minor, present, draft.currency)
        return _of_layer(replace(draft, layer=Layer.TEMPORARY, effective_to=request.until), uow)
    bound = replace(draft, layer=request.layer, legal_entity=ALL, effective_to=request.until, terms_days=None, from_terms_days=None)
    return _of_layer(bound, uow)


def _of_layer(draft: ProposalDraft, uow: UnitOfWork) -> ProposalDraft:
    """The draft against what its own account has in force."""
    limit = uow.get(CreditLimit, account_id=draft.account_id)
    amount, terms = (limit.amount_minor, limit.terms_days) if limit else (None, None)
    way = direction_of(from_minor=amount, to_minor=draft.to_minor, from_terms_days=terms, terms_days=draft.terms_days)
    return replace(draft, from_minor=amount, from_terms_days=terms, direction=way)


def _above_base(minor: int, base_minor: int | None, currency: str) -> None:
    if base_minor is not None and minor <= base_minor:
        raise Refused(
            "request.not_above_base",
            said(
                "a temporary limit of {minor} is not above the {base_minor} in force",
                minor=format_minor(minor, currency),
                base_minor=format_minor(base_minor, currency),
            ),
            expected=said("a larger amount: it stands instead of the base limit while it lasts"),
            next_step=said("raise --amount, or leave --until out to change the base limit"),
        )


def _one_pool(uow: UnitOfWork, draft: ProposalDraft) -> None:
    """A group has one pool: a second one in another currency would only hide which of them holds."""
    other = [a for a in uow.find(LimitAccount, subject_kind="group", subject_id=draft.subject[1]) if a.account_id != draft.account_id]
    if draft.layer == Layer.GROUP and other:
        raise Refused(
            "request.other_pool",
            said("group {group} has its shared pool in {currency}", group=draft.subject[1], currency=other[0].currency),
            expected=said("a customer of the group whose account is in {currency}", currency=other[0].currency),
        )


def _free(uow: UnitOfWork, draft: ProposalDraft) -> None:
    _one_pool(uow, draft)
    if unchanged(draft):
        raise Refused(
            "request.no_change",
            said("customer {customer_id} already has that limit and those terms", customer_id=draft.customer_id),
            expected=said("another amount or other terms"),
        )
    _nothing_open(uow, draft.customer_id, [draft.account_id])


def asked_already(uow: UnitOfWork, request: Request) -> Proposal | None:
    """The open proposal that this very request became, when it was made before; None otherwise."""
    mine = uow.find(Proposal, customer_id=request.customer_id, proposer_id=request.person_id, state=OPEN_PROPOSAL_STATES)
    return next((p for p in mine if json.loads(p.packet_json).get("request") == request.kept()), None)


def _nothing_open(uow: UnitOfWork, customer_id: str, account_ids: Sequence[str]) -> None:
    waiting = uow.find(Proposal, account_id=account_ids, state=OPEN_PROPOSAL_STATES) if account_ids else []
    if waiting:
        raise Refused(
            "request.open_proposal",
            said(
                "customer {customer_id} has the open proposal {proposal_id} ({state})",
                customer_id=customer_id,
                proposal_id=waiting[0].proposal_id,
                state=said(waiting[0].state),
            ),
            expected=said("no open proposal for this limit"),
            next_step=said("have that one decided, or ask its analyst to amend it"),
        )


def _store(uow: UnitOfWork, review: Review, draft: ProposalDraft, engine: ProposalDraft, request: Request, now: datetime) -> Proposal:
    if uow.get(LimitAccount, account_id=draft.account_id, lock=True) is None:
        uow.add(account_of(draft))
        uow.append(account_entry(account_of(draft), request.person_id))
    proposal = _record(uow, review, draft, engine, request, now)
    uow.add(proposal)
    uow.add(Maker(proposal_id=proposal.proposal_id, person_id=request.person_id, how=REQUESTED, at=now))
    if request.appeals:
        _appeal(uow, proposal, request, now)
    uow.append(created_entry(proposal, review.manifest_digest, request.person_id))
    return proposal


def refused_request(uow: UnitOfWork, request: Request) -> Proposal:
    """What is appealed against: a request for the same customer that people rejected, no appeal itself, never appealed against before.

    Refused otherwise.
    """
    old = uow.get(Proposal, proposal_id=request.appeals)
    asked = (json.loads(old.packet_json).get("request") or {}) if old is not None and old.customer_id == request.customer_id else {}
    if old is None or not asked or old.state != ProposalState.REJECTED or not _refusers(uow, old):
        raise Refused(
            "request.nothing_refused",
            said("{proposal} is no refused request for customer {customer}", proposal=request.appeals, customer=request.customer_id),
            expected=said("the id of a request that somebody rejected"),
        )
    if asked.get("appeals") or uow.get(InboxEntry, delivery_key=_appeal_key(old.proposal_id)) is not None:
        raise Refused(
            "request.appealed",
            said("{proposal} was appealed against before, or is an appeal itself", proposal=old.proposal_id),
            expected=said("one appeal for each refused request"),
            next_step=said("ask anew with `credit-review request` once something has changed"),
        )
    return old


def _appeal(uow: UnitOfWork, proposal: Proposal, request: Request, now: datetime) -> None:
    """Takes the one appeal there is, and keeps those who refused from deciding it."""
    old = refused_request(uow, request)
    uow.add(InboxEntry(delivery_key=_appeal_key(old.proposal_id), outcome_json=canonical({"appeal": proposal.proposal_id}), at=now))
    others = _refusers(uow, old) - {request.person_id}
    uow.add(*(Maker(proposal_id=proposal.proposal_id, person_id=one, how=REFUSED_BEFORE, at=now) for one in sorted(others)))


def _appeal_key(proposal_id: str) -> str:
    return f"appeal:{proposal_id}"


def _refusers(uow: UnitOfWork, proposal: Proposal) -> set[str]:
    """The people who rejected a proposal, and those in whose name they did."""
    found = uow.find(Decision, proposal_id=proposal.proposal_id, verdict=Verdict.REJECT)
    return {person for one in found for person in (one.approver_id, one.on_behalf_of) if person}
