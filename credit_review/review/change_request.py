"""A policy change request: what a new policy would do, computed on past reviews, on record before anybody adopts the policy.

Policy may demand one (`review.policy_change_needs_request`): then a policy is adopted only after a request that was computed against the
policy in force, on the newest review. The functions write and append entries; the caller commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from credit_review.audit import Action
from credit_review.errors import BadInput, Refused
from credit_review.model.records import GovernedDocument, PolicyChangeRequest
from credit_review.model.states import DocumentOfRecord
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.book import reviews_of_book
from credit_review.review.directory import active_person
from credit_review.review.governed import in_force
from credit_review.review.naming import actor, short_id
from credit_review.review.standing import policy_in_force
from credit_review.words import said

NEEDED, OUT_OF_DATE = "policy.no_change_request", "policy.old_change_request"
"""Codes of refusals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What a request rests on: reviews by id, and the SHA-256 of report, list and figures."""

    reviews: Sequence[str]
    report_digest: str
    list_digest: str
    figures_digest: str


def request_change(
    uow: UnitOfWork, *, old_digest: str, new_digest: str, computed: Computed, reason: str, by: str, on: date, now: datetime
) -> PolicyChangeRequest:
    """The request, on record. `new_digest` is a submitted policy; the same request twice is one.

    Raises BadInput without a reason, Refused for somebody inactive, for a policy that is not submitted, and when `old_digest` is not the
    policy in force.
    """
    active_person(uow, by, on=on, known_at=now)
    if not reason.strip():
        raise BadInput(said("the request says no reason"), expected=said("why the policy should change, for the committee"))
    current = in_force(uow, DocumentOfRecord.POLICY, now)
    if current is None or current.digest != old_digest:
        raise Refused(
            "policy.not_in_force",
            said("the policy with digest {digest} is not the one in force", digest=old_digest[:12]),
            expected=said("a change of the policy in force"),
            next_step=said("leave out OLD: `credit-review policy diff NEW` compares with the policy in force"),
        )
    document = uow.get(GovernedDocument, digest=new_digest)
    if document is None or document.kind != DocumentOfRecord.POLICY or new_digest == old_digest:
        raise Refused(
            "policy.not_submitted",
            said("no other policy with digest {digest}", digest=new_digest[:12]),
            expected=said("a submitted policy that differs from the one in force"),
        )
    digests = (computed.report_digest, computed.list_digest, computed.figures_digest)
    request = PolicyChangeRequest(
        request_id=short_id("pc", old_digest, new_digest, *computed.reviews, *digests, by),
        old_digest=old_digest,
        new_digest=new_digest,
        reviews="|".join(computed.reviews),
        report_digest=computed.report_digest,
        list_digest=computed.list_digest,
        figures_digest=computed.figures_digest,
        reason=reason.strip(),
        requested_by=by,
        requested_at=now,
    )
    if uow.add_if_absent(request):
        data = {"request": request.request_id, "old": old_digest, "reviews": list(computed.reviews)}
        data |= {"report": computed.report_digest, "list": computed.list_digest, "figures": computed.figures_digest}
        why, entity = {"reason": request.reason}, f"document:{new_digest}"
        uow.append(Entry(action=Action.POLICY_CHANGE_REQUESTED, actor=actor(by), entity=entity, data=data, payload=why))
    return request


def newest_request(uow: UnitOfWork, new_digest: str) -> PolicyChangeRequest | None:
    """The request for this policy made last."""
    found = uow.find(PolicyChangeRequest, new_digest=new_digest, order_by=("requested_at", "request_id"))
    return found[-1] if found else None


def require_request(uow: UnitOfWork, document: GovernedDocument, now: datetime) -> PolicyChangeRequest | None:
    """The request that the adoption of this policy rests on, None where there is none and none is needed.

    Refused where the policy in force needs one and there is none, or only one against an earlier policy or without the newest review:
    what people would adopt on it is not what they read.
    """
    request = newest_request(uow, document.digest)
    current = in_force(uow, DocumentOfRecord.POLICY, now)
    if current is None or current.digest == document.digest or not _demanded(uow, now):
        return request
    reviews = reviews_of_book(uow)
    newest = reviews[-1] if reviews else None
    if newest is None:  # nothing to compute a change on
        return request
    command = f'credit-review policy diff {document.name} --review {newest.label} --request "..."'
    if request is None:
        raise Refused(
            NEEDED,
            said("policy {name} has no change request", name=document.name),
            expected=said("a request computed on the newest review, since the policy in force demands one"),
            next_step=said("run `{command}`, read its report, then adopt", command=command),
        )
    if request.old_digest != current.digest or newest.review_id not in request.reviews.split("|"):
        raise Refused(
            OUT_OF_DATE,
            said("the change request {request} of policy {name} is out of date", request=request.request_id, name=document.name),
            expected=said("a request against the policy in force, computed on review {label}", label=newest.label),
            next_step=said("run `{command}`, read its report, then adopt", command=command),
        )
    return request


def _demanded(uow: UnitOfWork, now: datetime) -> bool:
    """Whether the policy in force demands requests. One that this version cannot read cannot be compared with, only replaced."""
    try:
        return policy_in_force(uow, now).review.policy_change_needs_request
    except BadInput:
        return False
