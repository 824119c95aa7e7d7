"""Who signed in, by the claims of company sign-in; how sure it is; and how the browser's session keeps it, for one link each."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from credit_review.adapters.settings import StepUpSettings
from credit_review.errors import Refused
from credit_review.review.directory import EMAIL
from credit_review.review.step_up import digest_of_token
from credit_review.words import said
from deployments.step_up.sign_in import FRESH, LEEWAY

SESSION_LASTS = timedelta(minutes=15)
_SIGNED_IN, _ON_ITS_WAY = "signed_in", "on_its_way"
_MOST_LINKS = 4


@dataclass(frozen=True, slots=True)
class Identity:
    """An account as company sign-in names it, of a kind our directory knows: `email`, or `sso`."""

    kind: str
    account: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody signed in for one link: when (seconds of the epoch), and the secret that his forms carry."""

    kind: str
    account: str
    at: int
    csrf: str

    @property
    def identity(self) -> Identity:
        """Who."""
        return Identity(self.kind, self.account)

    def sent(self, csrf: str) -> bool:
        """Whether a form came from the page shown to him."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


def identity_in(claims: Mapping[str, Any], chosen: StepUpSettings) -> Identity:
    """Whom the claims name, verified or not; an empty account when the claim is missing."""
    named = claims.get(chosen.claim)
    return Identity(EMAIL if chosen.claim == "email" else "sso", named if isinstance(named, str) else "")


def require_sure(claims: Mapping[str, Any], identity: Identity, chosen: StepUpSettings, now: datetime) -> None:
    """Refused unless the claims name somebody for certain, with a second factor, just now."""
    if not identity.account:
        text = said("company sign-in does not say who you are: the claim {claim} is missing", claim=chosen.claim)
        raise Refused("sign_in.no_claim", text)
    if identity.kind == EMAIL and claims.get("email_verified") is not True:
        raise Refused("sign_in.unverified", said("company sign-in has not verified your e-mail address"))
    if not _ways(claims) & set(chosen.second_factor):
        raise Refused("sign_in.one_factor", said("you signed in without a second factor; sign in again with one"))
    at = claims.get("auth_time")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise Refused("sign_in.no_time", said("company sign-in does not say when you signed in"))
    age = now.timestamp() - at
    if not -LEEWAY <= age <= FRESH.total_seconds():
        raise Refused("sign_in.old", said("you signed in too long ago; sign in again"))


def _ways(claims: Mapping[str, Any]) -> set[str]:
    """How the person proved who he is."""
    amr = claims.get("amr")
    found = {one for one in amr if isinstance(one, str)} if isinstance(amr, list) else set()
    acr = claims.get("acr")
    return found | ({acr} if isinstance(acr, str) else set())


# --- the session ----------------------------------------------------------------------------------------------------------------------


def set_out(session: MutableMapping[str, Any], token: str) -> str:
    """The state under which the person goes to sign in for a link; of several on their way the newest counts."""
    state = secrets.token_urlsafe(24)
    session[_ON_ITS_WAY] = {"state": state, "token": token}
    return state


def came_back(session: Mapping[str, Any], state: str) -> str | None:
    """The link this browser went to sign in for under a state; None when it did not."""
    stored = session.get(_ON_ITS_WAY)
    return stored["token"] if stored and hmac.compare_digest(stored["state"].encode(), state.encode()) else None


def remember(session: MutableMapping[str, Any], token: str, identity: Identity, now: datetime) -> None:
    """He is signed in for this link; for others he signs in again, so that each decision has its own second factor."""
    session.pop(_ON_ITS_WAY, None)
    kept = dict(list(session.get(_SIGNED_IN, {}).items())[-(_MOST_LINKS - 1) :])
    signed_in = SignedIn(identity.kind, identity.account, int(now.timestamp()), secrets.token_urlsafe(24))
    session[_SIGNED_IN] = {**kept, digest_of_token(token): asdict(signed_in)}


def signed_in_for(session: Mapping[str, Any], token: str, now: datetime) -> SignedIn | None:
    """Who is signed in for this link; None when nobody is, or it was too long ago."""
    stored = session.get(_SIGNED_IN, {}).get(digest_of_token(token))
    found = SignedIn(**stored) if stored else None
    return found if found and timedelta() <= now - datetime.fromtimestamp(found.at, UTC) <= SESSION_LASTS else None
