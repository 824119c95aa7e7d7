"""A review's own life: start, one state after the other, failure and resumption, the hold, and the results of its buckets.

The functions write and append entries; the caller commits. Every one may run again after a crash: what is done already is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.audit.notes import VerificationKey
from credit_review.canaries import Result
from credit_review.errors import BadInput, Conflict, Refused, ReviewStopped
from credit_review.model.records import Adoption, AuditRow, OutboxEntry, Proposal, Review, ReviewBatch
from credit_review.model.states import OPEN_PROPOSAL_STATES, DocumentOfRecord, OutboxState, ProposalState, ReviewKind, ReviewState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review import manifest as manifests
from credit_review.review import models
from credit_review.review.adopt import require_adopted
from credit_review.review.manifest import Manifest
from credit_review.review.naming import SYSTEM, actor, review_id
from credit_review.review.outbox import apply_key, owe_card_updates, owe_request_update, shown_among
from credit_review.review.signing import require_confirmer
from credit_review.words import listed, marked, said

_ORDER = (
    ReviewState.DRAFT,
    ReviewState.SNAPSHOTTED,
    ReviewState.VALIDATED,
    ReviewState.SCORED,
    ReviewState.PROPOSED,
    ReviewState.ROUTED,
    ReviewState.SETTLED,
    ReviewState.CLOSED,
)
NEXT: Mapping[ReviewState, ReviewState] = MappingProxyType(dict(pairwise(_ORDER)))
"""The one way forward. Besides it: any but closed -> failed -> the last good state; any -> superseded."""

BATCH = 500
"""Proposals written in one transaction at the most."""
AT_ONCE = 200
"""Rows that bulk steps write in one: a person's click, which waits its turn behind it, still ends within half a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A governed document that a review uses: kind, file name, and digest of its text."""

    kind: DocumentOfRecord
    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What starts a review. `today` is the company's day; `manifest` has no snapshot yet and its review_id may be empty.

    `supersede` is the reason for replacing a live review of the same scope and as-of date; empty: do not. `model_keys` are the keys under
    which models are published (`models.require_usable`).
    """

    manifest: Manifest
    documents: Sequence[Used]
    started_by: str
    today: date
    supersede: str = ""
    model_keys: Sequence[VerificationKey] = ()


def start(uow: UnitOfWork, command: Start, now: datetime) -> Review:
    """The new review, in state draft.

    Refused: an as-of date in the future, a document that is not adopted, and a second live review of the same scope and as-of date
    unless `supersede` gives the reason; then that one and its open proposals are superseded in the same transaction.
    """
    _usable(uow, command, now)
    scope, as_of = command.manifest.scope, command.manifest.as_of
    earlier = uow.find(Review, scope=scope, as_of=as_of, lock=True)
    live = _live(earlier, command.supersede)
    if live is not None:
        while retire_open(uow, live.review_id, outcome="review_superseded", by=command.started_by, now=now):
            pass
        _supersede(uow, live, command, now)
    attempt = 1 + len(earlier)
    manifest = replace(command.manifest, review_id=review_id(installation(uow), scope, as_of, attempt))
    review = _draft(manifest, command, attempt, now)
    uow.add(review)
    data = {
        "as_of": as_of.isoformat(),
        "attempt": attempt,
        "kind": review.kind,
        "label": review.label,
        "manifest": review.manifest_digest,
        "supersedes": live.review_id if live else None,
    }
    uow.append(Entry(action=Action.RUN_STARTED, actor=actor(command.started_by), entity=entity(review.review_id), data=data))
    return review


def installation(uow: UnitOfWork) -> str:
    """What tells this database from every other one, for good: its first adoption, to the microsecond. Adoptions are never changed."""
    first = uow.find(Adoption, order_by=("at", "person_id"), limit=1)
    return canonical([f"{one.at.isoformat()} {one.person_id} {one.digest}" for one in first])


def start_in_batches(store: Store, command: Start, clock: Clock) -> Review:
    """As `start`, with its transaction kept short: the open proposals of a superseded review are retired before it, batch by batch."""
    with store.read() as uow:
        _usable(uow, command, clock.now())
        live = _live(uow.find(Review, scope=command.manifest.scope, as_of=command.manifest.as_of), command.supersede)
    while live is not None:
        with store.begin(interactive=False) as uow:
            retired = retire_open(uow, live.review_id, outcome="review_superseded", by=command.started_by, now=clock.now())
            uow.commit()
        if not retired:
            break
    with store.begin(interactive=False) as uow:
        review = start(uow, command, clock.now())
        uow.commit()
    return review


def _usable(uow: UnitOfWork, command: Start, now: datetime) -> None:
    manifest = command.manifest
    if manifest.as_of > command.today:
        raise Refused(
            "review.future",
            said("as-of date {as_of} is in the future", as_of=manifest.as_of),
            expected=said("a day up to today, {today}", today=command.today),
            next_step=said("run again with --as-of"),
        )
    if manifest.complete:
        raise BadInput(said("a review starts before its snapshot"), expected=said("a manifest without digests of the snapshot"))
    ReviewKind(manifest.kind)
    named = {(d.kind, d.digest) for d in command.documents}
    wanted = [
        (DocumentOfRecord.POLICY, manifest.policy),
        (DocumentOfRecord.AUTHORITY, manifest.authority),
        (DocumentOfRecord.SCORECARD, manifest.scorecard),
        *((DocumentOfRecord.MAPPING, digest) for digest in manifest.mappings.values()),
    ]
    if not manifest.mappings or set(wanted) != named:
        raise BadInput(
            said("documents and manifest differ"), expected=said("the policy, authority, scorecard and mappings of the manifest, no others")
        )
    for document in command.documents:
        require_adopted(uow, document.kind, document.name, document.digest, at=now)
    models.require_usable(uow, manifest.scorecard, on=command.today, keys=command.model_keys)


def _live(earlier: Sequence[Review], supersede: str) -> Review | None:
    live = next((r for r in earlier if r.state != ReviewState.SUPERSEDED), None)
    if live is not None and not supersede.strip():
        next_step = _go_on_with(live)
        raise Refused(
            "review.exists",
            said(
                "review {review_id} ({label}, {state}) of scope {scope} as of {as_of} exists",
                review_id=live.review_id,
                label=live.label,
                state=said(live.state),
                scope=live.scope,
                as_of=live.as_of,
            ),
            expected=said("one live review per scope and as-of date"),
            next_step=next_step,
        )
    return live


def _go_on_with(live: Review) -> str:
    """What is left to do in a review that is there already, or to start another in its place."""
    if live.state == ReviewState.CLOSED:
        return said('start another with --supersede "REASON"')
    if live.state in (ReviewState.ROUTED, ReviewState.SETTLED):
        settled = marked(
            "see what awaits you with `credit-review inbox`, sign it off with `credit-review review close {review}`, "
            'or start another with --supersede "REASON"'
        )
        return said(settled, review=live.review_id)
    return said(
        'continue it with `credit-review review resume {review}`, or start another with --supersede "REASON"', review=live.review_id
    )


def _supersede(uow: UnitOfWork, live: Review, command: Start, now: datetime) -> None:
    reason = command.supersede.strip()
    change_review(uow, live, state=ReviewState.SUPERSEDED, supersede_reason=reason)
    uow.append(
        Entry(
            action=Action.REVIEW_SUPERSEDED,
            actor=actor(command.started_by),
            entity=entity(live.review_id),
            data={"from": live.state, "to": ReviewState.SUPERSEDED},
            payload={"reason": reason},
        )
    )


def _draft(manifest: Manifest, command: Start, attempt: int, now: datetime) -> Review:
    return Review(
        review_id=manifest.review_id,
        label=manifest.label,
        kind=manifest.kind,
        scope=manifest.scope,
        as_of=manifest.as_of,
        attempt=attempt,
        state=ReviewState.DRAFT,
        last_good_state=ReviewState.DRAFT,
        failure="",
        manifest_digest=manifest.digest(),
        manifest_json=manifest.to_json(),
        started_by=command.started_by,
        started_at=now,
        supersede_reason="",
        hold="",
        hold_released_by="",
        closed_by="",
        closed_at=None,
    )


def retire_open(uow: UnitOfWork, review: str, *, outcome: str, by: str, now: datetime, limit: int = BATCH) -> int:
    """How many open proposals of a review this call superseded, at most `limit`; 0 when none is left."""
    open_ones = uow.find(Proposal, review_id=review, state=OPEN_PROPOSAL_STATES, limit=limit, lock=True)
    supersede_proposals(uow, open_ones, outcome=outcome, by=by, now=now, successors={})
    return len(open_ones)


def supersede_proposals(
    uow: UnitOfWork, proposals: Sequence[Proposal], *, outcome: str, by: str, now: datetime, successors: Mapping[str, str]
) -> None:
    """Ends open proposals, which this unit of work has locked, as superseded, with an entry each.

    `successors` maps a proposal's id to the one that takes its place.
    """
    if not proposals:
        return
    where = {"proposal_id": [p.proposal_id for p in proposals]}
    changed = uow.change(Proposal, where=where, to={"state": ProposalState.SUPERSEDED, "decided_at": now, "outcome_code": outcome})
    if changed != len(proposals):
        raise Conflict(
            said("{proposals} of {proposals2} proposals changed meanwhile", proposals=len(proposals) - changed, proposals2=len(proposals)),
            next_step=said("run the command again"),
        )
    withdrawn = [apply_key(p.proposal_id) for p in proposals if p.state == ProposalState.APPROVED]
    if withdrawn:
        done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": outcome})}
        uow.change(OutboxEntry, where={"dedup_key": withdrawn}, to=done)
    for shown in shown_among(uow, [p.proposal_id for p in proposals]):
        owe_card_updates(uow, shown, now)
    for proposal in proposals:
        owe_request_update(uow, proposal, now)
    uow.append(
        *(
            Entry(
                action=Action.PROPOSAL_SUPERSEDED,
                actor=actor(by),
                entity=f"proposal:{p.proposal_id}",
                data={"from": p.state, "digest": p.digest, "outcome": outcome, "successor": successors.get(p.proposal_id)},
            )
            for p in proposals
        )
    )


def review_of(uow: UnitOfWork, review: str, *, lock: bool = False) -> Review:
    """The review, locked if asked. BadInput when there is none."""
    found = uow.get(Review, review_id=review, lock=lock)
    if found is None:
        raise BadInput(
            said("no review {review}", review=review),
            expected=said("the id of a review"),
            next_step=said("see `credit-review review list`"),
        )
    return found


def require_state(review: Review, *states: ReviewState) -> None:
    """Returns if the review is in one of `states`. Refused otherwise."""
    if review.state not in states:
        raise Refused(
            "review.state",
            said("review {review_id} is {state}", review_id=review.review_id, state=said(review.state)),
            expected=said("a review that is {states}", states=listed([said(state) for state in states], by=marked("{first} or {rest}"))),
            next_step=said("see `credit-review review show {review_id}`", review_id=review.review_id),
        )


def entity(review: str) -> str:
    """The entity of a review's audit entries."""
    return f"review:{review}"


def advance(uow: UnitOfWork, review: str, to: ReviewState, *, by: str = SYSTEM, data: Mapping[str, object] | None = None) -> Review:
    """The review in state `to`; unchanged, and without an entry, when it is there already.

    Only the next state of DESIGN is reached, and none beyond draft without a complete manifest. `data` (ids, counts, digests) goes
    into the entry. Closing is `close.close`, because it is a person's sign-off.
    """
    found = review_of(uow, review, lock=True)
    if found.state == to:
        return found
    if to == ReviewState.CLOSED or NEXT.get(ReviewState(found.state)) != to:
        allowed = NEXT.get(ReviewState(found.state))
        nameable = allowed and allowed != ReviewState.CLOSED
        raise Refused(
            "review.state",
            said("review {review} is {state} and cannot become {to}", review=review, state=said(found.state), to=said(to)),
            expected=said("the next state, {state}", state=said(str(allowed))) if nameable else said("a state of its own command"),
            next_step=said("see `credit-review review show {review}`", review=review),
        )
    if not manifests.from_json(found.manifest_json).complete:
        raise Refused(
            "review.manifest",
            said("manifest of review {review} is incomplete", review=review),
            expected=said("the digests of its snapshot"),
        )
    return _enter(uow, found, to, by=by, data=data or {})


def _enter(uow: UnitOfWork, found: Review, to: ReviewState, *, by: str, data: Mapping[str, object]) -> Review:
    about = {**data, "from": found.state, "to": to, "manifest": found.manifest_digest}
    uow.append(Entry(action=Action.RUN_STATE_CHANGED, actor=actor(by), entity=entity(found.review_id), data=about))
    return change_review(uow, found, state=to, last_good_state=to)


def complete_manifest(uow: UnitOfWork, review: str, manifest: Manifest, *, by: str = SYSTEM, limits_before: int | None = None) -> Review:
    """The review in state snapshotted, its manifest completed for good; the entry carries the digest.

    `limits_before` is the entry before which the limits in force were read.

    The same manifest again changes nothing. Raises ReviewStopped when another one is there, or when what was fixed at the start differs.
    """
    found = review_of(uow, review, lock=True)
    present = manifests.from_json(found.manifest_json)
    if present == manifest and present.complete:
        return found
    if present.complete or manifest.opening() != present:
        raise ReviewStopped(
            said("manifest of review {review} is fixed", review=review),
            expected=said(
                "digest {manifest_digest}, got {digest}", manifest_digest=found.manifest_digest[:12], digest=manifest.digest()[:12]
            ),
            next_step=said("the inputs changed while the review ran: start another with --supersede"),
        )
    require_state(found, ReviewState.DRAFT)
    changed = change_review(uow, found, manifest_json=manifest.completed().to_json(), manifest_digest=manifest.digest())
    data = {} if limits_before is None else {"limits_before": limits_before}
    return _enter(uow, changed, ReviewState.SNAPSHOTTED, by=by, data=data)


def fail(uow: UnitOfWork, review: str, *, code: str, text: str, by: str = SYSTEM) -> Review:
    """The review in state failed with what went wrong; `text` goes into the erasable part of the entry. Failing twice changes nothing."""
    found = review_of(uow, review, lock=True)
    if found.state == ReviewState.FAILED:
        return found
    if found.state in (ReviewState.CLOSED, ReviewState.SUPERSEDED):
        require_state(found, *_ORDER[:-1])
    data = {"from": found.state, "to": ReviewState.FAILED, "code": code}
    uow.append(Entry(action=Action.RUN_FAILED, actor=actor(by), entity=entity(review), data=data, payload={"text": text}))
    return change_review(uow, found, state=ReviewState.FAILED, failure=text)


def resume(uow: UnitOfWork, review: str, *, by: str = SYSTEM, reported: bool = True) -> Review:
    """The review where work goes on: a failed one back in its last good state, one whose process died where it stands.

    Each resumption has its entry. Refused for a review that is superseded, or routed (unless it is not `reported` yet) or beyond:
    nothing is left to run.
    """
    found = review_of(uow, review, lock=True)
    require_state(found, ReviewState.FAILED, *_ORDER[: _ORDER.index(ReviewState.ROUTED) + (not reported)])
    data = {"from": found.state, "to": found.last_good_state}
    uow.append(Entry(action=Action.RUN_RESUMED, actor=actor(by), entity=entity(review), data=data))
    return change_review(uow, found, state=found.last_good_state, failure="")


def change_review(uow: UnitOfWork, found: Review, **to: Any) -> Review:
    """The review with the fields of `to` stored. Conflict when its state is no longer the one found."""
    if uow.change(Review, where={"review_id": found.review_id, "state": found.state}, to=to) != 1:
        raise Conflict(said("review {review_id} changed meanwhile", review_id=found.review_id), next_step=said("run the command again"))
    return replace(found, **to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A bucket's result of one stage: file and its SHA-256, Merkle root over one canonical line per customer, and what it counts.

    `states` counts customers by state, `totals` are minor units per currency.
    """

    stage: str
    bucket: int
    path: str
    sha256: str
    root: str
    customers: int
    states: Mapping[str, int]
    totals: Mapping[str, int]

    def counts_json(self) -> str:
        """Canonical text of the counts, as stored."""
        return canonical({"customers": self.customers, "states": dict(self.states), "totals": dict(self.totals)})


def record_canaries(uow: UnitOfWork, review: str, result: Result, *, by: str = SYSTEM) -> None:
    """Append the `validation.result` of the canaries' ride: how many rode, how many came out as they must, and every figure that differs.

    `answers` is the digest of what must come of them, the same in every review under the same policy, scorecard and matrix. Nothing is
    appended where the ride before, of the same review, came to the same: a run resumed after a crash sends them again.
    """
    data = {
        "what": "canaries",
        "of": result.of,
        "as_expected": result.as_expected,
        "answers": result.answers,
        "differences": [d.plain() for d in result.differences],
    }
    entries = uow.find(AuditRow, action=Action.VALIDATION_RESULT, entity=entity(review), order_by=("seq",))
    rides = [told for told in (json.loads(one.body)["data"] for one in entries) if told.get("what") == data["what"]]
    if rides and canonical(rides[-1]) == canonical(data):
        return
    uow.append(Entry(action=Action.VALIDATION_RESULT, actor=actor(by), entity=entity(review), data=data))


def record_batch(uow: UnitOfWork, review: str, batch: Batch, *, by: str = SYSTEM) -> bool:
    """Whether this call recorded the bucket, with its `score.batch` entry; False when the same result is there already.

    Raises ReviewStopped when another result is there: the same inputs must give the same result.
    """
    row = ReviewBatch(
        review_id=review,
        stage=batch.stage,
        bucket=batch.bucket,
        path=batch.path,
        sha256=batch.sha256,
        root=batch.root,
        counts_json=batch.counts_json(),
    )
    known = uow.get(ReviewBatch, review_id=review, stage=batch.stage, bucket=batch.bucket)
    if known is not None:
        if (known.root, known.counts_json) != (row.root, row.counts_json):
            raise ReviewStopped(
                said(
                    "bucket {bucket} of stage {stage} of review {review} gave another result",
                    bucket=batch.bucket,
                    stage=batch.stage,
                    review=review,
                ),
                expected=said("root {root}, got {root2}", root=known.root[:12], root2=batch.root[:12]),
                next_step=said("an input or the code changed while the review ran: start another with --supersede"),
            )
        return False
    uow.add(row)
    data = {
        "stage": batch.stage,
        "bucket": batch.bucket,
        "customers": batch.customers,
        "states": dict(batch.states),
        "totals": dict(batch.totals),
        "root": batch.root,
        "sha256": batch.sha256,
    }
    uow.append(Entry(action=Action.SCORE_BATCH, actor=actor(by), entity=entity(review), data=data))
    return True


def hold(uow: UnitOfWork, review: str, reason: str, *, by: str = SYSTEM) -> Review:
    """The review held back from routing until somebody confirms that the extract is complete. Holding twice changes nothing."""
    found = review_of(uow, review, lock=True)
    if found.hold:
        return found
    require_state(found, ReviewState.SNAPSHOTTED, ReviewState.VALIDATED, ReviewState.SCORED, ReviewState.PROPOSED)
    data = {"state": found.state}
    uow.append(Entry(action=Action.REVIEW_HELD, actor=actor(by), entity=entity(review), data=data, payload={"reason": reason}))
    return change_review(uow, found, hold=reason)


def confirm_extract(uow: UnitOfWork, review: str, *, person_id: str, reason: str, on: date, now: datetime) -> Review:
    """The review freed by somebody with the tier who confirms that the extract is complete. Confirming twice changes nothing."""
    found = review_of(uow, review, lock=True)
    if found.hold_released_by:
        return found
    if not found.hold:
        raise Refused(
            "review.not_held", said("review {review} is not held", review=review), expected=said("a review that waits for a confirmation")
        )
    if not reason.strip():
        raise BadInput(
            said("a confirmation needs a reason"),
            expected=said("how you know that the extract is complete"),
            next_step=said("add --reason"),
        )
    require_confirmer(uow, found, person_id, on=on, now=now)
    entry = Entry(
        action=Action.REVIEW_HOLD_RELEASED,
        actor=actor(person_id),
        entity=entity(review),
        data={"state": found.state},
        payload={"hold": found.hold, "reason": reason},
    )
    uow.append(entry)
    return change_review(uow, found, hold_released_by=person_id)


def require_free(review: Review) -> None:
    """Returns if the review may be routed. Refused while it is held."""
    if review.hold and not review.hold_released_by:
        raise Refused(
            "review.held",
            said("review {review_id} is held: {hold}", review_id=review.review_id, hold=review.hold),
            expected=said("a person's confirmation that the extract is complete"),
            next_step=said(
                '`credit-review review confirm {review_id} --reason "..."`, or correct the extract and start again',
                review_id=review.review_id,
            ),
        )
