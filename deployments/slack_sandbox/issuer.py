"""The protocol half of the sandbox's company sign-in: OpenID Connect, authorization code flow with PKCE, keys made at the start.

It vouches for whoever it is told to: a stand-in for rehearsals and tests, no identity provider.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID = "credit-review"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  public: it opens nothing but this stand-in
_LASTS_SECONDS = 300
_KEY_ID = "one"


class Issuer:
    """An issuer at `url`, for one client. `clock` returns seconds since 1970."""

    def __init__(self, url: str, *, secret: str = CLIENT_SECRET, clock: Callable[[], float] = time.time) -> None:
        self.url, self.secret, self.clock = url, secret, clock
        self.codes: dict[str, tuple[Mapping[str, str], Mapping[str, Any]]] = {}

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        """What it signs with, made when it is needed first."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def configuration(self) -> dict[str, Any]:
        """The discovery document."""
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return {
            "issuer": self.url,
            **{name: f"{self.url}/{path}" for name, path in places.items()},
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        """The public keys by which its tokens are checked."""
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}

    def code_for(self, asked: Mapping[str, str], claims: Mapping[str, Any]) -> str:
        """A code, good once, for an authorization request and what is then claimed of the person."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = (dict(asked), dict(claims))
        return code

    def redeem(self, form: Mapping[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens for a code; None when code, verifier, address or client is not the one it was given for."""
        asked, claims = self.codes.pop(form.get("code", ""), (None, {}))
        if asked is None or not self.is_client(form, authorization):
            return None
        if _challenge(form.get("code_verifier", "")) != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
            return None
        token = self.signed(self.claims_of(asked, claims))
        return {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": _LASTS_SECONDS, "id_token": token}

    def claims_of(self, asked: Mapping[str, str], claims: Mapping[str, Any]) -> dict[str, Any]:
        """What an id_token says for an authorization request: who signed in just now, for the next minutes."""
        now = int(self.clock())
        known = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + _LASTS_SECONDS, "auth_time": now, "nonce": asked["nonce"]}
        return {**known, **claims}

    def signed(self, claims: Mapping[str, Any]) -> str:
        """The claims as a token."""
        return jwt.encode(dict(claims), self.key, algorithm="RS256", headers={"kid": _KEY_ID})

    def is_client(self, form: Mapping[str, str], authorization: str) -> bool:
        """Whether a token request comes from the one client there is; `form` is for providers that take the secret there."""
        return authorization == "Basic " + base64.b64encode(f"{CLIENT_ID}:{self.secret}".encode()).decode()


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
