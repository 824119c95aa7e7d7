"""Puts approved proposals in force, each exactly once, and ends temporary limits on their day.

An application is one transaction: the proposal still approved, its approvers still entitled, the limit still the version that was
decided on; then the change, the limit, the delivery owed to the ERP, the state and the entry together. Applying again returns the change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from credit_review.audit import Action
from credit_review.authority import Code, Judgement, Standing, approvals, by_rule, recheck, requirement
from credit_review.calendar import WEEKDAYS, WorkingCalendar
from credit_review.errors import BadInput, Conflict, CreditReviewError, Refused
from credit_review.fx import MissingRate
from credit_review.model.records import CreditLimit, LimitAccount, LimitChange, OutboxEntry, Proposal, RiskKept
from credit_review.model.states import ChangeKind, OutboxState, ProposalState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.conditions import open_conditions
from credit_review.review.customer_letters import owe_letter
from credit_review.review.deliveries import owe_delivery
from credit_review.review.ending import end, scorecard_of, withdraw_apply
from credit_review.review.exceptions import begin_of_change, end_of_change
from credit_review.review.naming import short_id
from credit_review.review.order_hand_off import owe_orders
from credit_review.review.outbox import APPLY, apply_key
from credit_review.review.owners import notice_days, owe_owner_change, takes_effect
from credit_review.review.seasons import RECURS_UNTIL, lies_under, recurs_until
from credit_review.review.standing import gather, lock_group, matrix_in_force, no_rate
from credit_review.words import said

APPLIER = "system:apply"
BATCH = 500
TRY_AGAIN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of an approved proposal: its state, and the change when it is in force. `repeated`: it was so before."""

    proposal_id: str
    state: str
    code: str
    text: str
    change_id: str | None = None
    repeated: bool = field(default=False, compare=False)


def apply(
    proposal_id: str, uow: UnitOfWork, now: datetime, *, zone: tzinfo = UTC, calendar: WorkingCalendar = WEEKDAYS, by: str = APPLIER
) -> Applied:
    """What became of the proposal, committed: applied, or expired, rejected or superseded when it may not be applied any more.

    `calendar` has the company's working days: a reduction takes effect after the notice it was signed with, counted from today.
    Raises Refused `unknown_proposal`, `no_authority`, `no_rate` or `conditions_open` and leaves it approved; Conflict or Unavailable
    from the store.
    """
    seen = uow.get(Proposal, proposal_id=proposal_id)
    if seen is None:
        raise Refused("unknown_proposal", said("there is no proposal {proposal_id}", proposal_id=proposal_id))
    proposal = lock_group(uow, seen, now, zone=zone)
    if proposal.state != ProposalState.APPROVED:
        return _nothing_to_apply(uow, proposal)
    matrix = matrix_in_force(uow, now)
    standing = gather(uow, proposal_id, matrix, now, zone=zone)
    try:
        judgement = recheck(standing, matrix, now)
        approvers = [(d.approver_id, d.on_behalf_of) for d in approvals(standing, matrix, requirement(standing, matrix))]
    except MissingRate as error:
        raise no_rate(error) from None
    version = standing.in_force.version if standing.in_force else 0
    begins = takes_effect(proposal, standing.today, calendar)
    if judgement.code == Code.EXPIRED:
        outcome = _ended(uow, proposal, ProposalState.EXPIRED, Action.PROPOSAL_EXPIRED, judgement, by, now)
    elif version != proposal.base_version:
        stale = replace(judgement, code=Code.BASE_CHANGED, text=f"the limit in force is version {version}, not {proposal.base_version}")
        outcome = _ended(uow, proposal, ProposalState.SUPERSEDED, Action.PROPOSAL_SUPERSEDED, stale, by, now)
    elif judgement.allowed and (waits := open_conditions(uow, [proposal_id])):
        raise Refused(
            "conditions_open",
            said("proposal {proposal_id} waits for {waits} condition(s) to be confirmed", proposal_id=proposal_id, waits=len(waits)),
        )
    elif not judgement.allowed:
        outcome = _ended(uow, proposal, ProposalState.REJECTED, Action.PROPOSAL_REVOKED, judgement, by, now)
    elif proposal.effective_to is not None and begins >= proposal.effective_to:
        never = replace(judgement, code=Code.ENDS_BEFORE_EFFECT, text=f"it ends on {proposal.effective_to} and takes effect on {begins}")
        outcome = _ended(uow, proposal, ProposalState.EXPIRED, Action.PROPOSAL_EXPIRED, never, by, now)
    elif own := uow.find(LimitChange, proposal_id=proposal_id):
        outcome = _approved_afterwards(uow, standing, own[0], approvers, now, by)
    else:
        outcome = _put_in_force(uow, standing, approvers, begins, now, zone, by)
    if outcome.state != ProposalState.APPLIED:
        take_back(uow, proposal, now, zone=zone, by=by)
    uow.commit()
    return outcome


def _approved_afterwards(
    uow: UnitOfWork, standing: Standing, change: LimitChange, approvers: Sequence[tuple[str, str | None]], now: datetime, by: str
) -> Applied:
    """The limit is in force since its override; now it has its approvals."""
    proposal = standing.proposal
    end(uow, proposal, ProposalState.APPLIED, code="approved_afterwards", now=now)
    data = {
        "from": proposal.state,
        "to": ProposalState.APPLIED,
        "change": change.change_id,
        "account": proposal.account_id,
        "proposal": proposal.proposal_id,
        "version": change.version,
        "rule": None,
        "digest": proposal.digest,
        "approvers": _named(approvers),
        "policy": proposal.policy_digest,
        "authority": standing.authority_in_force,
    }
    uow.append(Entry(action=Action.OVERRIDE_APPROVED, actor=by, entity=f"proposal:{proposal.proposal_id}", data=data))
    return Applied(
        proposal_id=proposal.proposal_id, state=ProposalState.APPLIED, code="applied", text="Applied.", change_id=change.change_id
    )


def _named(approvers: Sequence[tuple[str, str | None]]) -> list[dict[str, str | None]]:
    return [{"approver": approver, "on_behalf_of": principal} for approver, principal in approvers]


def _nothing_to_apply(uow: UnitOfWork, proposal: Proposal) -> Applied:
    """The change of a proposal applied before; otherwise the state that leaves nothing to apply."""
    changes = uow.find(LimitChange, proposal_id=proposal.proposal_id)
    if uow.find(OutboxEntry, dedup_key=apply_key(proposal.proposal_id), state=(OutboxState.QUEUED, OutboxState.LEASED)):
        withdraw_apply(uow, proposal.proposal_id, proposal.state)
        uow.commit()
    return Applied(
        proposal_id=proposal.proposal_id,
        state=proposal.state,
        code=str(proposal.state),
        text=f"The proposal is {proposal.state}.",
        change_id=changes[0].change_id if changes else None,
        repeated=True,
    )


def _ended(
    uow: UnitOfWork, proposal: Proposal, state: ProposalState, action: Action, judgement: Judgement, by: str, now: datetime
) -> Applied:
    end(uow, proposal, state, code=judgement.code, now=now)
    data = {
        "code": str(judgement.code),
        "from": proposal.state,
        "to": state,
        "digest": proposal.digest,
        "tier": judgement.tier,
        "approvals_needed": judgement.approvals_needed,
        "approvals_given": judgement.approvals_given,
        "base_version": proposal.base_version,
    }
    uow.append(Entry(action=action, actor=by, entity=f"proposal:{proposal.proposal_id}", data=data))
    return Applied(proposal_id=proposal.proposal_id, state=state, code=str(judgement.code), text=f"Not applied: {judgement.text}.")


def _put_in_force(
    uow: UnitOfWork, standing: Standing, approvers: Sequence[tuple[str, str | None]], begins: date, now: datetime, zone: tzinfo, by: str
) -> Applied:
    proposal = standing.proposal
    packet = json.loads(proposal.packet_json)
    change = change_of(standing, begins, now, by)
    end(uow, proposal, ProposalState.APPLIED, code="applied", now=now)
    store_change(uow, change, now, zone)
    recurs = recurs_until(packet)
    data = {
        **change_data(change),
        **({RECURS_UNTIL: recurs.isoformat()} if recurs else {}),
        "proposal": proposal.proposal_id,
        "review": proposal.review_id,
        "customer": proposal.customer_id,
        "currency": proposal.currency,
        "digest": proposal.digest,
        "notice_working_days": notice_days(packet),
        "approvers": _named(approvers),
        "rule": proposal.straight_through_rule if by_rule(standing) else None,
        "policy": proposal.policy_digest,
        "authority": standing.authority_in_force,
        "scorecard": scorecard_of(proposal),
        "settles_risk": _settle_risks(uow, proposal, now),
    }
    uow.append(Entry(action=Action.LIMIT_APPLIED, actor=by, entity=f"account:{proposal.account_id}", data=data))
    begin_of_change(uow, proposal, change, now)
    return Applied(
        proposal_id=proposal.proposal_id, state=ProposalState.APPLIED, code="applied", text="Applied.", change_id=change.change_id
    )


def change_of(standing: Standing, begins: date, now: datetime, by: str) -> LimitChange:
    """The change that a proposal makes of the limit it starts from, not yet stored."""
    proposal, before = standing.proposal, standing.in_force
    return LimitChange(
        change_id=short_id("c", proposal.proposal_id),
        account_id=proposal.account_id,
        version=proposal.base_version + 1,
        kind=ChangeKind.DECISION,
        proposal_id=proposal.proposal_id,
        reverses_id=None,
        snapshot_digest=None,
        old_minor=before.amount_minor if before else None,
        new_minor=proposal.to_minor,
        old_terms_days=before.terms_days if before else None,
        new_terms_days=proposal.terms_days,
        effective_from=begins,
        effective_to=proposal.effective_to,
        applied_by=by,
        applied_at=now,
    )


def store_change(uow: UnitOfWork, change: LimitChange, now: datetime, zone: tzinfo) -> None:
    """Stores the change, the limit it makes, and what it owes: its delivery, a look at open orders, a letter.

    Raises Conflict when the limit is not the version before it.
    """
    account = uow.get(LimitAccount, account_id=change.account_id)
    assert account is not None  # noqa: S101  a foreign key holds it
    uow.add(change)
    limit = CreditLimit(
        account_id=change.account_id,
        version=change.version,
        amount_minor=change.new_minor,
        terms_days=change.new_terms_days,
        effective_from=change.effective_from,
        effective_to=change.effective_to,
    )
    if change.version == 1:
        uow.add(limit)
    else:
        to = {name: getattr(limit, name) for name in ("version", "amount_minor", "terms_days", "effective_from", "effective_to")}
        if uow.change(CreditLimit, where={"account_id": change.account_id, "version": change.version - 1}, to=to) != 1:
            raise Conflict(
                said(
                    "the limit of account {account_id} is no longer version {version}",
                    account_id=change.account_id,
                    version=change.version - 1,
                ),
                next_step=said("apply it again"),
            )
    owe_delivery(uow, account, change, now, zone=zone)
    end_of_change(uow, change, now)
    owe_orders(uow, change, now, zone=zone)
    owe_letter(uow, change, now)


def change_data(change: LimitChange) -> dict[str, object]:
    """What an entry says of a change."""
    return {
        "change": change.change_id,
        "account": change.account_id,
        "version": change.version,
        "from_minor": change.old_minor,
        "to_minor": change.new_minor,
        "from_terms_days": change.old_terms_days,
        "to_terms_days": change.new_terms_days,
        "effective_from": change.effective_from.isoformat(),
        "effective_to": change.effective_to.isoformat() if change.effective_to else None,
    }


def _settle_risks(uow: UnitOfWork, proposal: Proposal, now: datetime) -> list[str]:
    """Answers the risks kept by the proposals this one follows (returned, then answered): what was applied is the answer."""
    settled, before = [], proposal.supersedes_id
    while before is not None:
        done = {"decided_by": APPLIER, "reason": f"answered by proposal {proposal.proposal_id}", "decided_at": now}
        if uow.change(RiskKept, where={"proposal_id": before, "decided_by": ""}, to=done):
            settled.append(before)
        older = uow.get(Proposal, proposal_id=before)
        before = older.supersedes_id if older else None
    return settled


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What a run over all approved proposals did, and which it could not apply and why (proposal id: sentence)."""

    outcomes: tuple[Applied, ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()

    def count(self, state: ProposalState) -> int:
        """How many proposals this run put in a state."""
        return sum(o.state == state and not o.repeated for o in self.outcomes)


def apply_due(store: Store, clock: Clock, *, zone: tzinfo = UTC, calendar: WorkingCalendar = WEEKDAYS, by: str = APPLIER) -> ApplyReport:
    """Applies everything approved, each in a transaction of its own; what cannot be applied now waits ten minutes and is named.

    Safe to run twice at once: the second finds each proposal applied.
    """
    outcomes: list[Applied] = []
    waiting: list[tuple[str, str]] = []
    while due := _due(store, clock.now()):
        for entry in due:
            proposal_id = entry.dedup_key.removeprefix(f"{APPLY}:")
            try:
                with store.begin(interactive=False) as uow:
                    outcomes.append(apply(proposal_id, uow, clock.now(), zone=zone, calendar=calendar, by=by))
            except (Refused, Conflict, BadInput) as error:
                waiting.append((proposal_id, error.what))
                _put_off(store, entry, error, clock.now())
    return ApplyReport(tuple(outcomes), tuple(waiting))


def _due(store: Store, now: datetime) -> list[OutboxEntry]:
    with store.read() as uow:
        queued = uow.find(OutboxEntry, kind=APPLY, state=OutboxState.QUEUED, order_by=("not_before", "outbox_id"), limit=BATCH)
    return [e for e in queued if e.not_before <= now]


def _put_off(store: Store, entry: OutboxEntry, error: CreditReviewError, now: datetime) -> None:
    to = {"attempts": entry.attempts + 1, "last_error": error.what, "not_before": now + TRY_AGAIN_AFTER}
    with store.begin(interactive=False) as uow:
        uow.change(OutboxEntry, where={"outbox_id": entry.outbox_id, "state": OutboxState.QUEUED}, to=to)
        uow.commit()


def revert(uow: UnitOfWork, account_id: str, now: datetime, *, zone: tzinfo = UTC, by: str = APPLIER) -> LimitChange | None:
    """The reversal, not committed, of a limit whose end has come; None when the limit in force has none or it has not come.

    It restores what lies under it: the newest earlier change that still holds on that day, the season of a limit that recurs included,
    or no limit on file, until the next season begins.
    """
    today = now.astimezone(zone).date()
    account = uow.get(LimitAccount, account_id=account_id, lock=True)
    limit = uow.get(CreditLimit, account_id=account_id, lock=True)
    if account is None or limit is None or limit.effective_to is None or limit.effective_to > today:
        return None
    return _ended_change(uow, account, {}, now, today, zone, by)


def overridden(uow: UnitOfWork, proposal_id: str) -> bool:
    """Whether a proposal that is still open is in force already, to be approved afterwards."""
    return bool(uow.find(LimitChange, proposal_id=proposal_id, limit=1))


def take_back(uow: UnitOfWork, proposal: Proposal, now: datetime, *, zone: tzinfo = UTC, by: str = APPLIER) -> LimitChange | None:
    """The reversal, not committed, of a limit that was put in force before its approval, which it did not get; None when it is over."""
    own = uow.find(LimitChange, proposal_id=proposal.proposal_id)
    if not own:
        return None
    account = uow.get(LimitAccount, account_id=proposal.account_id, lock=True)
    limit = uow.get(CreditLimit, account_id=proposal.account_id, lock=True)
    if account is None or limit is None or limit.version != own[0].version:
        return None
    return _ended_change(uow, account, {"proposal": proposal.proposal_id}, now, now.astimezone(zone).date(), zone, by)


def _ended_change(
    uow: UnitOfWork, account: LimitAccount, why: Mapping[str, str], now: datetime, today: date, zone: tzinfo, by: str
) -> LimitChange:
    """Ends the newest change of an account: what lies under it is in force again, until it ends or a season begins."""
    changes = uow.find(LimitChange, account_id=account.account_id, order_by=("version",))
    under, until = lies_under(uow, changes, today)
    change = _reversal(changes[-1], under, until, today, now, by)
    store_change(uow, change, now, zone)
    owe_owner_change(uow, change, now)
    data = {**change_data(change), "reverses": changes[-1].change_id, "restores": under.change_id if under else None, **why}
    about = {**data, "customer": account.subject_id, "currency": account.currency}
    uow.append(Entry(action=Action.LIMIT_REVERTED, actor=by, entity=f"account:{account.account_id}", data=about))
    return change


def _reversal(ended: LimitChange, under: LimitChange | None, until: date | None, today: date, now: datetime, by: str) -> LimitChange:
    return LimitChange(
        change_id=short_id("c", "reversal", ended.change_id),
        account_id=ended.account_id,
        version=ended.version + 1,
        kind=ChangeKind.REVERSAL,
        proposal_id=None,
        reverses_id=ended.change_id,
        snapshot_digest=None,
        old_minor=ended.new_minor,
        new_minor=under.new_minor if under else None,
        old_terms_days=ended.new_terms_days,
        new_terms_days=under.new_terms_days if under else None,
        effective_from=today,
        effective_to=until,
        applied_by=by,
        applied_at=now,
    )
