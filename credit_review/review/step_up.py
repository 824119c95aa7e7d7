"""Single-use links to the page outside Slack: one person, one packet, a short time. The token itself is never kept."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from credit_review.errors import Refused
from credit_review.model.records import Proposal, StepUpLink
from credit_review.ports import UnitOfWork
from credit_review.words import said

LASTS = timedelta(minutes=30)


def new_link(proposal: Proposal, person_id: str, now: datetime) -> tuple[str, StepUpLink]:
    """A token for the address, and the record that knows it; not stored yet."""
    token = secrets.token_urlsafe(32)
    link = StepUpLink(
        token_sha256=digest_of_token(token),
        proposal_id=proposal.proposal_id,
        person_id=person_id,
        digest=proposal.digest,
        created_at=now,
        expires_at=now + LASTS,
        used_at=None,
    )
    return token, link


def digest_of_token(token: str) -> str:
    """What is kept of a token."""
    return sha256(token.encode()).hexdigest()


def known_link(uow: UnitOfWork, token: str, *, lock: bool = False) -> StepUpLink:
    """The link a token belongs to, whatever became of it. Refused when there is none."""
    link = uow.get(StepUpLink, token_sha256=digest_of_token(token), lock=lock)
    if link is None:
        raise Refused("link_unknown", said("this link is not one of ours; ask for a new one in Slack"))
    return link


def require_usable(link: StepUpLink, now: datetime) -> None:
    """Refused when a link was used, and when its time is over."""
    if link.used_at is not None:
        raise Refused("link_used", said("this link was used already; ask for a new one in Slack"))
    if now >= link.expires_at:
        raise Refused("link_expired", said("this link expired; ask for a new one in Slack"))


def link_for(uow: UnitOfWork, token: str, now: datetime, *, lock: bool = False) -> StepUpLink:
    """The link a token belongs to. Refused when there is none, when it was used, and when its time is over."""
    link = known_link(uow, token, lock=lock)
    require_usable(link, now)
    return link


def delivery_key(link: StepUpLink) -> str:
    """The key under which a link's answer is handled: one link, one outcome, however often the form is sent."""
    return f"step_up:{link.token_sha256}"


def use(uow: UnitOfWork, link: StepUpLink, now: datetime) -> None:
    """Marks a link as used, in the transaction that decides. Refused when another request was faster."""
    where = {"token_sha256": link.token_sha256, "used_at": None}
    if uow.change(StepUpLink, where=where, to={"used_at": now}) != 1:
        raise Refused("link_used", said("this link was used already; ask for a new one in Slack"))
