"""Company sign-in: OpenID Connect, authorization code flow with PKCE, state and nonce, through Authlib."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
from authlib.integrations.starlette_client import OAuth, OAuthError
from authlib.oidc.core import CodeIDToken
from starlette.requests import Request
from starlette.responses import Response

from credit_review.adapters.settings import StepUpSettings
from credit_review.errors import Refused
from credit_review.ports import Clock
from credit_review.words import said

LOG = logging.getLogger("credit_review.step_up")
FRESH = timedelta(minutes=15)
"""How long ago the person may have proved who he is: an old session at the identity provider is not enough."""
LEEWAY = 60
"""Seconds by which the provider's clock and ours may differ."""
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_KNOWN_FOR = timedelta(hours=1)


class CompanySignIn:
    """The identity provider, as its discovery document describes it; asked for again every hour, so that withdrawn keys lapse."""

    def __init__(self, chosen: StepUpSettings, client_secret: str, clock: Clock) -> None:
        self._chosen, self._clock = chosen, clock
        self._asked_at: datetime | None = None
        self._client: Any = OAuth().register(
            "company",
            client_id=chosen.client_id,
            client_secret=client_secret,
            server_metadata_url=f"{chosen.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email" if chosen.claim == "email" else "openid profile",
                "code_challenge_method": "S256",
                "timeout": 10.0,
                "verify": httpx.create_ssl_context(),  # one for all requests: loading the certificates takes longer than asking
            },
        )

    async def start(self, request: Request, redirect_uri: str, state: str) -> Response:
        """The redirect to the provider. It asks for a sign-in here and now, and for a second factor; `require_sure` checks both."""
        asked = self._chosen.second_factor if self._chosen.acr_values is None else self._chosen.acr_values
        wishes: dict[str, Any] = {"prompt": "login", "max_age": int(FRESH.total_seconds())}
        wishes |= {"acr_values": " ".join(asked)} if asked else {}
        with _in_words():
            await self._know_provider()
            answer: Response = await self._client.authorize_redirect(request, redirect_uri, state=state, **wishes)
            return answer

    async def finish(self, request: Request) -> Mapping[str, Any]:
        """The claims of the id_token that the code stands for: state, nonce, signature, issuer, audience and times checked. Or Refused."""
        wanted = {
            "iss": {"essential": True, "value": self._chosen.issuer},
            "aud": {"essential": True, "value": self._chosen.client_id},
            "nonce": {"essential": True},
        }
        with _in_words():
            await self._know_provider()
            claims_cls = _claims_at(self._clock.now())
            token = await self._client.authorize_access_token(request, claims_cls=claims_cls, claims_options=wanted, leeway=LEEWAY)
            claims: Mapping[str, Any] = token["userinfo"]
            return claims

    async def _know_provider(self) -> None:
        now = self._clock.now()
        if self._asked_at is None or not timedelta() <= now - self._asked_at < _KNOWN_FOR:
            for name in ("_loaded_at", "jwks"):
                self._client.server_metadata.pop(name, None)
            self._asked_at = now
        metadata = await self._client.load_server_metadata()
        if metadata.get("issuer") != self._chosen.issuer:
            self._asked_at = None
            raise Refused("sign_in.provider", said("the identity provider calls itself otherwise than our settings do"))
        # Authlib accepts whatever the provider lists, and some list `none`
        offered = metadata.get("id_token_signing_alg_values_supported") or ()
        metadata["id_token_signing_alg_values_supported"] = [name for name in offered if name in _SIGNATURES] or ["RS256"]
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" not in methods and "client_secret_post" in methods:
            self._client.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"  # noqa: S105  the method's name


def _claims_at(now: datetime) -> type[Any]:
    """Claims that are judged by our clock, not by the machine's."""

    class Claims(CodeIDToken):  # type: ignore[misc, unused-ignore]  # the library has no types
        def validate(self, now_: int | None = None, leeway: int = 0) -> None:
            super().validate(now_ or int(now.timestamp()), leeway)

    return Claims


@contextmanager
def _in_words() -> Iterator[None]:
    """Whatever the provider does wrong is Refused in words. Only the error's kind is logged: its text may carry codes and tokens."""
    try:
        yield
    except Refused:
        raise
    except httpx.HTTPError as error:
        LOG.warning("the identity provider does not answer (%s)", type(error).__name__)
        text = said("company sign-in does not answer just now; nothing was decided, try again in a moment")
        raise Refused("sign_in.unavailable", text) from None
    except OAuthError as error:
        LOG.warning("company sign-in failed (%s)", type(error).__name__)
        if error.error in ("access_denied", "login_required", "interaction_required", "consent_required"):
            raise Refused("sign_in.denied", said("company sign-in was refused or cancelled; nothing was decided")) from None
        raise failed() from None
    except Exception as error:  # what a provider sends is no program of ours: any shape of it may raise anything
        LOG.warning("company sign-in failed (%s)", type(error).__name__)
        raise failed() from None


def failed() -> Refused:
    """What a person is told of a sign-in that cannot be relied on, whatever the cause."""
    return Refused("sign_in.failed", said("company sign-in did not succeed, or was not started on this page; nothing was decided"))
