"""Replay: compute a review again from its manifest with the review's own functions, and compare all of it with what is on record.

Works in a temporary folder; writes nothing to the store or to the review's folder.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import audit
from credit_review.adapters import build_info
from credit_review.adapters.store.log import SqlLog
from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.records import Proposal, Review
from credit_review.replay import Difference, Found, History
from credit_review.review import lifecycle
from credit_review.review import manifest as manifests
from credit_review.review.naming import proposal_id
from credit_review.words import said
from tasks import assess, prepare, replay_inputs, replay_record, validate
from tasks.progress import stage

if TYPE_CHECKING:
    from credit_review.ports import UnitOfWork
    from tasks.plan import Plan


def replay(config: str, subject: str, *, anyway: bool = False) -> Found:
    """What comes out another when a review, or the review of one proposal, is computed again; `anyway` goes on after a changed input.

    Raises BadInput for an id that names neither, and TamperedEntry when the audit log itself does not hold.
    """
    opened = prepare.services(config)
    with opened.store.read() as uow, tempfile.TemporaryDirectory(prefix="credit-review-replay-") as folder:
        review, only = _subject(uow, subject)
        plan = prepare.plan_of(config, review.review_id)
        history = _history(opened.store.engine, review.review_id)
        with stage("Checking the inputs"):
            again, checked = _laid_out(plan, uow, review, history, Path(folder))
        found = Found(
            review_id=review.review_id,
            proposal_id=only.proposal_id if only else "",
            checked=checked.count,
            inputs=tuple(checked.unlike),
            missing=tuple(checked.missing),
            notes=_code(review),
        )
        if again is None or ((checked.unlike or checked.missing) and not anyway):
            return found
        return _compared(replay_record.Replay(plan, again, uow, review, history, only), found)


def _subject(uow: UnitOfWork, subject: str) -> tuple[Review, Proposal | None]:
    """The review, and the proposal asked for as its engine made it (the first of those that followed one another)."""
    proposal = uow.get(Proposal, proposal_id=subject)
    if proposal is None:
        review = uow.get(Review, review_id=subject)
        if review is None:
            raise BadInput(
                said("{subject} is neither a review nor a proposal", subject=subject),
                expected=said("an id as `credit-review review list` or a card shows it"),
            )
        return review, None
    while proposal.proposal_id != proposal_id(proposal.review_id, proposal.account_id):
        before = uow.get(Proposal, proposal_id=proposal.supersedes_id or "")
        if before is None:
            break
        proposal = before
    return lifecycle.review_of(uow, proposal.review_id), proposal


def _history(engine: Any, review_id: str) -> History:
    history = History(review_id=review_id)
    with SqlLog(engine).reading() as view:
        audit.verify_rows(view.rows, view.payloads, view.head, each=history.take)
    return history


def _laid_out(plan: Plan, uow: UnitOfWork, review: Review, history: History, root: Path) -> tuple[Plan | None, replay_inputs.Checked]:
    if not history.batches:
        none = replay_inputs.Checked()
        none.missing.append(
            said("review {review} has no results on record: it is {state}", review=review.review_id, state=said(review.state))
        )
        return None, none
    return replay_inputs.lay_out(plan, uow, review, history, root)


def _code(review: Review) -> tuple[str, ...]:
    """What explains a difference and is none: another code than the review's."""
    fixed = manifests.from_json(review.manifest_json)
    notes = []
    for name, then, now in (
        (said("code"), fixed.code_commit, build_info.code_commit()),
        (said("lock file"), fixed.lock_sha256, build_info.lock_hash()),
    ):
        if then != now:
            notes.append(said("the review ran with {name} {then}, this is {now}", name=name, then=then[:12], now=now[:12]))
    return tuple(notes)


def _compared(run: replay_record.Replay, found: Found) -> Found:
    try:
        with stage("Computing again"):
            compute(run.again)
        with stage("Comparing"):
            customers = replay_record.compare_results(run)
            proposals = replay_record.compare_proposals(run)
    except CreditReviewError as error:
        run.others.append(Difference(said("the review cannot be computed again: {error}", error=error.what)))
        return replace(found, differences=run.differences())
    return replace(
        found,
        customers=1 if run.only else customers,
        proposals=1 if run.only else proposals,
        routes=run.routes,
        differences=run.differences(),
        missing=(*found.missing, *run.missing),
        people=tuple(replay_record.by_people(run)),
        notes=(*found.notes, *run.notes),
    )


def compute(plan: Plan) -> None:
    """Everything the review computes, from snapshot to proposals, in the plan's folder, bucket after bucket."""
    for bucket in range(plan.buckets):
        validate.validate_bucket.fn(plan, bucket)
        assess.assess_bucket.fn(plan, bucket)
    assess.roll_up_groups.fn(plan)
    assess.assign_states.fn(plan)
    for bucket in range(plan.buckets):
        assess.propose_bucket.fn(plan, bucket)
