"""The end of a review: settled when every proposal has ended, closed by a person who signs what is listed.

The functions write and append entries; the caller commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Deferral, ErpDifference, Exclusion, LimitChange, OutboxEntry, Proposal, Review, RiskKept
from credit_review.model.states import OPEN_PROPOSAL_STATES, ExceptionKind, OutboxState, ProposalState, ReviewState
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import called
from credit_review.review.exceptions import begin, last_day, risk_source
from credit_review.review.lifecycle import advance, change_review, entity, require_state, review_of
from credit_review.review.manifest import digest_of
from credit_review.review.naming import SYSTEM, actor
from credit_review.review.outbox import ERP, SLACK_POST, SLACK_UPDATE, subject_of
from credit_review.review.signing import require_closer, require_keeper
from credit_review.words import listed, marked, said

_AUTOMATIC = (ProposalState.APPROVED, ProposalState.APPLIED)
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What the completeness certificate says: its digest, customers by state, and quarantined rows."""

    digest: str
    customers: Mapping[str, int]
    quarantined_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """What a person signs to close a review. Amounts are minor units per currency; ids are ours.

    `automatic`: approved by rule, per currency (count, limits before, limits after). `risks_kept`: reductions that did not happen and
    were accepted, as (proposal, customer, currency, amount, by, until). Open items: differences to the ERP, whoever's limits they are
    about, and parked deliveries of this review.
    """

    review_id: str
    manifest: str
    certificate: str
    customers: Mapping[str, int]
    quarantined_rows: int
    proposals: Mapping[str, int]
    automatic: Mapping[str, tuple[int, int, int]]
    risks_kept: tuple[tuple[str, str, str, int, str, str], ...]
    deferrals: tuple[tuple[str, str, str], ...]
    exclusions: tuple[tuple[str, str], ...]
    erp_differences: tuple[tuple[str, str, str], ...]
    parked: tuple[str, ...]

    def to_json(self) -> str:
        """Canonical text, whose digest stands in the entry."""
        return canonical(asdict(self))


def settle(uow: UnitOfWork, review_id: str, *, by: str = SYSTEM) -> Review:
    """The review in state settled, once each of its proposals has ended. Refused, naming some, while one is open."""
    _nothing_open(uow, review_id)
    return advance(uow, review_id, ReviewState.SETTLED, by=by, data={"proposals": _states(uow, review_id)})


def sign_off(uow: UnitOfWork, review_id: str, certified: Certified) -> SignOff:
    """What the review would be closed on, as it stands now."""
    review = review_of(uow, review_id)
    by_rule = uow.tally(
        Proposal, by=("currency", "straight_through_rule"), total=("from_minor", "to_minor"), review_id=review_id, state=_AUTOMATIC
    )
    automatic: dict[str, tuple[int, int, int]] = {}
    for currency, rule, count, before, after in by_rule:
        if rule:
            had = automatic.get(currency, (0, 0, 0))
            automatic[currency] = (had[0] + count, had[1] + before, had[2] + after)
    risks = [r for r in uow.find(RiskKept, review_id=review_id) if r.decided_by]
    return SignOff(
        review_id=review_id,
        manifest=review.manifest_digest,
        certificate=certified.digest,
        customers=dict(certified.customers),
        quarantined_rows=certified.quarantined_rows,
        proposals=_states(uow, review_id),
        automatic=automatic,
        risks_kept=tuple((r.proposal_id, r.customer_id, r.currency, r.amount_minor, r.decided_by, _day(r.until)) for r in risks),
        deferrals=tuple((d.customer_id, d.owner_id, _day(d.until)) for d in uow.find(Deferral, review_id=review_id)),
        exclusions=tuple((e.customer_id, e.rule) for e in uow.find(Exclusion, review_id=review_id)),
        erp_differences=tuple((d.difference_id, d.account_id, d.owner_id) for d in uow.find(ErpDifference, settled_at=None)),
        parked=_parked(uow, review_id),
    )


def close(uow: UnitOfWork, review_id: str, *, person_id: str, statement: str, certified: Certified, on: date, now: datetime) -> SignOff:
    """What the person signed; the review is closed. Signing a closed review changes nothing.

    Refused to a person without the tier, while a proposal is open, a risk kept is undecided, or the review is not settled.
    """
    review = review_of(uow, review_id, lock=True)
    signed = sign_off(uow, review_id, certified)
    if review.state == ReviewState.CLOSED:
        return signed
    if not statement.strip():
        raise BadInput(
            said("a sign-off needs a statement"), expected=said("what you confirm in closing the review"), next_step=said("add --statement")
        )
    require_closer(uow, review, person_id, on=on, now=now)
    _nothing_open(uow, review_id)
    _nothing_undecided(uow, review_id)
    require_state(review, ReviewState.SETTLED)
    change_review(uow, review, state=ReviewState.CLOSED, last_good_state=ReviewState.CLOSED, closed_by=person_id, closed_at=now)
    text = signed.to_json()
    data: dict[str, Any] = {
        "from": review.state,
        "to": ReviewState.CLOSED,
        "manifest": signed.manifest,
        "certificate": signed.certificate,
        "sign_off": digest_of(text),
        "customers": dict(signed.customers),
        "proposals": dict(signed.proposals),
        "quarantined_rows": signed.quarantined_rows,
        "automatic": sum(count for count, _, _ in signed.automatic.values()),
        "deferrals": len(signed.deferrals),
        "exclusions": len(signed.exclusions),
        "risks_kept": len(signed.risks_kept),
        "erp_differences": len(signed.erp_differences),
        "parked": len(signed.parked),
    }
    payload = {"statement": statement, "sign_off": text}
    uow.append(Entry(action=Action.REVIEW_CLOSED, actor=actor(person_id), entity=entity(review_id), data=data, payload=payload))
    return signed


def decide_risk_kept(uow: UnitOfWork, proposal_id: str, *, person_id: str, reason: str, until: date, on: date, now: datetime) -> RiskKept:
    """The risk that a reduction did not remove, accepted for a reason until a day by somebody who may (`signing.require_keeper`).

    Refused when it is decided already.
    """
    if not reason.strip():
        raise BadInput(
            said("keeping a risk needs a reason"), expected=said("why the limit stays where it is"), next_step=said("add --reason")
        )
    if until <= on:
        raise BadInput(said("a risk kept until {until}", until=until), expected=said("a day after today, {on}", on=on))
    to = {"decided_by": person_id, "reason": reason, "until": until, "decided_at": now}
    risk = uow.get(RiskKept, proposal_id=proposal_id, lock=True)
    if risk is not None and not risk.decided_by:
        require_keeper(uow, risk, person_id, on=on, now=now)
        last_day(uow, ExceptionKind.RISK_KEPT, on, now, asked=until)
    if risk is None or uow.change(RiskKept, where={"proposal_id": proposal_id, "decided_by": ""}, to=to) != 1:
        what = said("decided by {who}", who=called(uow, risk.decided_by)) if risk else said("unknown")
        raise Refused(
            "risk.not_open",
            said("the risk kept by proposal {proposal_id} is {what}", proposal_id=proposal_id, what=what),
            expected=said("one that is undecided"),
        )
    data = {
        "customer": risk.customer_id,
        "currency": risk.currency,
        "amount_minor": risk.amount_minor,
        "cause": risk.cause,
        "until": until.isoformat(),
    }
    who = f"proposal:{proposal_id}"
    uow.append(Entry(action=Action.RISK_KEPT, actor=actor(person_id), entity=who, data=data, payload={"reason": reason}))
    decided = uow.get(RiskKept, proposal_id=proposal_id)
    proposal = uow.get(Proposal, proposal_id=proposal_id)
    assert decided is not None and proposal is not None  # noqa: S101  changed above, and a foreign key holds the other
    begin(uow, proposal, risk_source(decided, on), now, by=person_id)
    return decided


def _parked(uow: UnitOfWork, review_id: str) -> tuple[str, ...]:
    """Dedup keys of deliveries given up that this review caused: applications and changes of its proposals, and messages about them."""
    rows = uow.find(OutboxEntry, state=OutboxState.PARKED)
    of_change = _proposals_behind(uow, [_about(r) for r in rows if r.kind == ERP])
    about = {r.dedup_key: of_change.get(_about(r), "") if r.kind == ERP else _about(r) for r in rows}
    ids = sorted(set(about.values()) - {""})
    mine = {review_id, *(p.proposal_id for p in uow.find(Proposal, review_id=review_id, proposal_id=ids))} if ids else set()
    return tuple(key for key, one in about.items() if one in mine)


def _about(row: OutboxEntry) -> str:
    """The id that a delivery's key names: a proposal, a change, or of a message what it shows."""
    subject = subject_of(row.dedup_key) if row.kind in (SLACK_POST, SLACK_UPDATE) else row.dedup_key
    return subject.partition(":")[2]


def _proposals_behind(uow: UnitOfWork, change_ids: Sequence[str]) -> dict[str, str]:
    """By change, the proposal that decided it, or the change that it ends."""
    changes = uow.find(LimitChange, change_id=list(change_ids)) if change_ids else []
    ended = [c.reverses_id for c in changes if c.reverses_id]
    decided = {c.change_id: c.proposal_id or "" for c in (*changes, *(uow.find(LimitChange, change_id=ended) if ended else ()))}
    return decided | {c.change_id: decided.get(c.reverses_id, "") for c in changes if c.reverses_id}


def _states(uow: UnitOfWork, review_id: str) -> dict[str, int]:
    return dict(uow.tally(Proposal, by=("state",), review_id=review_id))


_OPEN = marked("review {review_id} has open proposals: {named}")
_MORE_OPEN = marked("review {review_id} has open proposals: {named} and more")


def _nothing_open(uow: UnitOfWork, review_id: str) -> None:
    open_ones = uow.find(Proposal, review_id=review_id, state=OPEN_PROPOSAL_STATES, limit=_SHOWN)
    if open_ones:
        named = listed([said("{proposal} ({state})", proposal=p.proposal_id, state=said(p.state)) for p in open_ones])
        raise Refused(
            "review.open_proposals",
            said(_MORE_OPEN if len(open_ones) == _SHOWN else _OPEN, review_id=review_id, named=named),
            expected=said("every proposal ended: applied, rejected, returned, expired or superseded"),
            next_step=said("have them decided and applied, then try again"),
        )


def _nothing_undecided(uow: UnitOfWork, review_id: str) -> None:
    undecided = uow.find(RiskKept, review_id=review_id, decided_by="", limit=_SHOWN)
    if undecided:
        kept = marked("{proposal} (customer {customer}, {cause})")
        named = listed([said(kept, proposal=r.proposal_id, customer=r.customer_id, cause=r.cause) for r in undecided])
        raise Refused(
            "review.undecided_risks",
            said("review {review_id} has reductions that did not happen and nobody answered: {named}", review_id=review_id, named=named),
            expected=said("a person's decision to keep the risk, with reason and end"),
            next_step=said("`credit-review risk-kept PROPOSAL --reason ... --until ...`"),
        )


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
