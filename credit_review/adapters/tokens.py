"""Signed sign-in tokens for people without an operating-system account on the machine that runs the command line."""

from __future__ import annotations

from datetime import datetime, timedelta

import jwt

from credit_review.errors import Refused
from credit_review.words import said

ALGORITHM = "HS256"
_AUDIENCE = "credit-review"


def issue(account: str, *, key: str, now: datetime, valid: timedelta) -> str:
    """A token that signs in the directory account `token:<account>` until `now + valid`. `key` is the secret TOKEN_KEY."""
    claims = {"sub": account, "aud": _AUDIENCE, "iat": int(now.timestamp()), "exp": int((now + valid).timestamp())}
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def account_of(token: str, *, key: str, now: datetime) -> str:
    """The account a token signs in. Raises Refused (code bad_token) when it is forged, expired or not ours."""
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=_AUDIENCE,
            options={"require": ["sub", "exp", "aud"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError as error:
        raise Refused(
            "bad_token", said("the sign-in token is not valid: {error}", error=str(error)), next_step=said("ask for a new token")
        ) from None
    if now.timestamp() >= claims["exp"]:
        raise Refused("bad_token", said("the sign-in token has expired"), next_step=said("ask for a new token"))
    return str(claims["sub"])
