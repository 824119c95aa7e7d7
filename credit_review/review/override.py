"""Emergency: a person raises a limit at once, for a while and up to a cap, and others approve it afterwards.

It is a request like any other, with a temporary limit, except that the change stands before the approval. Until that is given the proposal
is pending and its change in force; rejected, or not approved in time, the limit is taken back and a finding says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from credit_review.audit import Action, timestamp
from credit_review.authority import Emergency, Matrix, Standing, requirement
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.fx import MissingRate
from credit_review.model.money import Money, to_minor
from credit_review.model.records import AuditRow, CreditLimit, Finding, LimitAccount, LimitChange, Proposal
from credit_review.model.states import Layer, ProposalState
from credit_review.ports import Clock, Entry, Since, Store, UnitOfWork
from credit_review.review.addressing import Destinations, put_before
from credit_review.review.apply import change_data, change_of, store_change, take_back
from credit_review.review.directory import active_person
from credit_review.review.exceptions import begin_of_change
from credit_review.review.findings import open_for
from credit_review.review.naming import actor
from credit_review.review.outbox import owe_request_update
from credit_review.review.owners import owe_owner_change
from credit_review.review.standing import gather, lock_group, matrix_in_force, no_rate, rates_to
from credit_review.review.working import Company, Habits
from credit_review.words import said

CONTROL = "emergency_override"
"""Control of the findings of overrides that were not approved."""
NOT_YOURS, BEYOND = "override.not_yours", "override.beyond"
"""Codes of overrides refused for want of the right, or for their size."""

LOOK_BACK = timedelta(days=400)
"""How old an override may be that a sweep still takes back: every emergency limit has ended by then, and the control
`applied_without_approvals` has named it every night since its approval was due."""

_ENDED = (ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.SUPERSEDED, ProposalState.RETURNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who overrides, at which moment, by whose working days, and where those who approve are asked."""

    person_id: str
    now: datetime
    company: Company
    to: Destinations

    @property
    def today(self) -> date:
        """The company's day."""
        return self.now.astimezone(self.company.zone).date()


def require_right(uow: UnitOfWork, by: Caller, until: date) -> tuple[Matrix, Emergency, datetime]:
    """The matrix, its rule for emergencies, and when the approval is due. Refused to who may not, and for too short or long a limit."""
    matrix = matrix_in_force(uow, by.now)
    rule = matrix.emergency
    person = active_person(uow, by.person_id, on=by.today, known_at=by.now)
    if rule is None:
        raise Refused(
            NOT_YOURS, said("the authority matrix has no `emergency` section: nobody raises a limit before its approval"),
            next_step=said("ask for it with `credit-review request`"),
        )  # fmt: skip
    holds = rule.tier is not None and matrix.highest(by.person_id, by.today, "") >= matrix.rank(rule.tier)
    if by.person_id not in rule.people and not holds:
        raise Refused(
            NOT_YOURS, said("{name} may not raise a limit before its approval", name=person.name),
            expected=said("somebody whom `emergency` of the authority matrix names"),
            next_step=said("ask for it with `credit-review request`"),
        )  # fmt: skip
    due = Habits.read(uow, by.company, by.now).closing(by.now, rule.approve_within_working_days, ())
    first, last = due.astimezone(by.company.zone).date() + timedelta(days=1), by.today + timedelta(days=rule.days)
    if not first <= until <= last:
        raise Refused(
            BEYOND, said("an emergency limit until {until}", until=until),
            expected=said("a day from {first}, after its approval is due, to {last}", first=first, last=last),
        )  # fmt: skip
    return matrix, rule, due


def put_in_force(uow: UnitOfWork, proposal_id: str, by: Caller) -> LimitChange:
    """The change that puts an emergency request in force, exactly once; the proposal is pending for those who approve it afterwards.

    Only whoever made the request may, while it is a draft. Refused beyond the cap, and where the limit changed. The caller commits.
    """
    proposal = _locked(uow, proposal_id, by)
    done = uow.find(LimitChange, proposal_id=proposal_id)
    if done:
        return done[0]
    assert proposal.effective_to is not None  # noqa: S101  _locked
    matrix, rule, due = require_right(uow, by, proposal.effective_to)
    standing = gather(uow, proposal_id, matrix, by.now, zone=by.company.zone)
    _require_within(uow, standing, matrix, rule, by)
    try:
        need = requirement(standing, matrix)
    except MissingRate as error:
        raise no_rate(error) from None
    to = {"state": ProposalState.PENDING, "tier": need.tier, "required_approvals": need.approvals, "expires_at": due}
    if uow.change(Proposal, where={"proposal_id": proposal_id, "state": ProposalState.DRAFT, "digest": proposal.digest}, to=to) != 1:
        raise Conflict(said("proposal {proposal_id} changed meanwhile", proposal_id=proposal_id), next_step=said("read it again"))
    about = {"tier": need.tier, "approvals": need.approvals, "because": list(need.because), "expires_at": due.isoformat()}
    states = {"from": proposal.state, "to": ProposalState.PENDING, "digest": proposal.digest}
    who = actor(by.person_id)
    uow.append(Entry(action=Action.PROPOSAL_RELEASED, actor=who, entity=f"proposal:{proposal_id}", data={**states, **about}))
    change = change_of(standing, by.today, by.now, by.person_id)
    store_change(uow, change, by.now, by.company.zone)
    owe_owner_change(uow, change, by.now)
    data = {
        **change_data(change),
        "proposal": proposal_id,
        "review": proposal.review_id,
        "customer": proposal.customer_id,
        "currency": proposal.currency,
        "digest": proposal.digest,
        "tier": need.tier,
        "approvals": need.approvals,
        "approve_by": due.isoformat(),
        "approvers": [],
        "rule": None,
        "policy": proposal.policy_digest,
        "authority": standing.authority_in_force,
    }
    why = {"reason": json.loads(proposal.packet_json)["request"].get("reason", "")}
    uow.append(Entry(action=Action.LIMIT_OVERRIDE, actor=who, entity=f"account:{proposal.account_id}", data=data, payload=why))
    begin_of_change(uow, proposal, change, by.now)
    pending = replace(proposal, state=ProposalState.PENDING, tier=need.tier, required_approvals=need.approvals, expires_at=due)
    put_before(uow, [replace(standing, proposal=pending)], matrix, by.to, by.now)
    owe_request_update(uow, pending, by.now)
    return change


def _locked(uow: UnitOfWork, proposal_id: str, by: Caller) -> Proposal:
    seen = uow.get(Proposal, proposal_id=proposal_id)
    if seen is None:
        raise BadInput(said("there is no proposal {proposal_id}", proposal_id=proposal_id), expected=said("the id of a proposal"))
    proposal = lock_group(uow, seen, by.now, zone=by.company.zone)
    asked = json.loads(proposal.packet_json).get("request") or {}
    mine = proposal.proposer_id == by.person_id and asked.get("emergency") and proposal.effective_to is not None
    if not mine or proposal.state not in (ProposalState.DRAFT, ProposalState.PENDING):
        raise Refused(
            "override.no_request", said("proposal {proposal_id} is no emergency request of yours that waits", proposal_id=proposal_id),
            next_step=said("`credit-review override CUSTOMER` makes one"),
        )  # fmt: skip
    return proposal


def _require_within(uow: UnitOfWork, standing: Standing, matrix: Matrix, rule: Emergency, by: Caller) -> None:
    """Returns if the increase is within the cap, no conflict of interest is declared, and the limit is still what it was."""
    proposal = standing.proposal
    if by.person_id in standing.conflicted:
        raise Refused(NOT_YOURS, said("you declared a conflict of interest about this customer"))
    if (standing.in_force.version if standing.in_force else 0) != proposal.base_version:
        raise Conflict(said("proposal {proposal_id} changed meanwhile", proposal_id=proposal.proposal_id), next_step=said("ask again"))
    require_room(uow, matrix, rule, by, proposal.customer_id, proposal.to_minor, proposal.currency)


def require_room(uow: UnitOfWork, matrix: Matrix, rule: Emergency, by: Caller, customer_id: str, minor: int, currency: str) -> None:
    """Returns if a temporary limit of `minor` would raise what is in force for a customer by the cap at most. Refused otherwise."""
    of_it = uow.find(LimitAccount, subject_kind="customer", subject_id=customer_id, layer=(Layer.BASE, Layer.TEMPORARY), currency=currency)
    limits = uow.find(CreditLimit, account_id=[a.account_id for a in of_it]) if of_it else []
    control = matrix.control_currency
    cap, added = to_minor(rule.cap, control), max(0, minor - max((one.amount_minor or 0 for one in limits), default=0))
    try:
        rates = rates_to(uow, {currency} - {control}, control, by.today, by.now)
        added = rates.convert(added, base=currency, quote=control, on=by.today).minor
    except MissingRate as error:
        raise no_rate(error) from None
    if added > cap:
        raise Refused(
            BEYOND,
            said("the limit in force would rise by {added}", added=Money(added, control)),
            expected=said("at most {cap} in an emergency", cap=Money(cap, control)),
            next_step=said("a smaller amount, or `credit-review request` and its approval first"),
        )


def record_refusal(uow: UnitOfWork, refusal: Refused, *, person_id: str, customer_id: str) -> None:
    """Appends the entry of an override that was refused to this person. The caller commits."""
    data = {"code": refusal.code, "channel": "cli"}
    entity = f"customer:{customer_id}"
    uow.append(Entry(action=Action.DECISION_REFUSED, actor=actor(person_id), entity=entity, data=data, payload={"text": refusal.what}))


def watch(store: Store, clock: Clock, company: Company) -> tuple[str, ...]:
    """Ids of the findings opened for overrides that ended without their approval; one still in force is taken back first."""
    now = clock.now()
    with store.read() as uow:
        ended = _not_approved(uow, now)
    if not ended:
        return ()
    with store.begin(interactive=False) as uow:
        for proposal in ended:
            take_back(uow, proposal, now, zone=company.zone, by="system:sweep")
        alarms = [_alarm(one) for one in ended]
        opened = open_for(uow, alarms, company, now, by="system:sweep").opened
        uow.commit()
    return opened


def _not_approved(uow: UnitOfWork, now: datetime) -> list[Proposal]:
    """Overrides of LOOK_BACK that ended otherwise than approved and have no finding yet."""
    recent = uow.find(AuditRow, action=Action.LIMIT_OVERRIDE, ts=Since(timestamp(now - LOOK_BACK)))
    ids = [json.loads(row.body)["data"]["proposal"] for row in recent]
    ended = {_alarm(one).key: one for one in uow.find(Proposal, proposal_id=ids, state=_ENDED)} if ids else {}
    known = {f.alarm_key for f in uow.find(Finding, alarm_key=sorted(ended))} if ended else set()
    return [one for key, one in ended.items() if key not in known]


def _alarm(proposal: Proposal) -> Alarm:
    facts: dict[str, str | int] = {"account": proposal.account_id, "currency": proposal.currency, "amount_minor": proposal.to_minor}
    return Alarm(
        control=CONTROL, subject=f"proposal:{proposal.proposal_id}", severity=Severity.HIGH, facts={**facts, "outcome": proposal.state}
    )
