"""The sandbox's stand-in for company sign-in: one chooses who one is and types a number that stands beside it. No password, no account.

It is there so that the page outside Slack can be rehearsed from the card to the decision.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.guard import LOOPBACK, POLICY
from deployments.slack_sandbox.issuer import CLIENT_ID, Issuer
from deployments.slack_sandbox.state import Person

PATH = "/sign-in"
_ASKED = ("redirect_uri", "state", "nonce", "code_challenge")
_MOST_UNDER_WAY, _LONGEST_FORM = 200, 4_000
# after the form the browser goes back to the page outside Slack, which has a port of its own
_POLICY = POLICY.replace("form-action 'none'", "form-action 'self' http://127.0.0.1:* http://localhost:*")


def subject_of(name: str) -> str:
    """What the stand-in calls a person, so that no real provider's answer can ever be taken for its own."""
    return f"rehearsal:{name}"


@dataclass
class _UnderWay:
    """A sign-in between the request and its code."""

    asked: dict[str, str]
    number: str
    person: Person | None = None


class SignIn:
    """Its routes. People are those of the sandbox's own workspace."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.issuer = Issuer(f"{core.base_url}{PATH}", clock=core.settings.clock)
        self._under_way: OrderedDict[str, _UnderWay] = OrderedDict()
        self._page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True).get_template("sign_in.html")

    def routes(self) -> list[Route]:
        """What Starlette serves of it."""
        return [
            Route(f"{PATH}/.well-known/openid-configuration", lambda _: JSONResponse(self.issuer.configuration())),
            Route(f"{PATH}/jwks", lambda _: JSONResponse(self.issuer.keys())),
            Route(f"{PATH}/authorize", self.authorize),
            Route(f"{PATH}/person", self.person, methods=["POST"]),
            Route(f"{PATH}/factor", self.factor, methods=["POST"]),
            Route(f"{PATH}/token", self.token, methods=["POST"]),
        ]

    async def authorize(self, request: Request) -> Response:
        """Who are you? For a request of the page outside Slack, which must be on this machine."""
        asked = {name: value for name, value in request.query_params.items() if name in _ASKED}
        kind = (request.query_params.get("client_id"), request.query_params.get("code_challenge_method"))
        back = urlsplit(asked.get("redirect_uri", ""))
        if kind != (CLIENT_ID, "S256") or len(asked) < len(_ASKED) or back.scheme != "http" or back.hostname not in LOOPBACK:
            return self._shown(status=400, wrong="This is no request of the page outside Slack. Open your link in the sandbox again.")
        ticket = secrets.token_urlsafe(16)
        self._under_way[ticket] = _UnderWay(asked, number=f"{secrets.randbelow(1_000_000):06d}")
        while len(self._under_way) > _MOST_UNDER_WAY:
            self._under_way.popitem(last=False)
        return self._shown(ticket=ticket, people=self._people())

    async def person(self, request: Request) -> Response:
        """The person that was chosen, who is asked for a second factor."""
        form = await _form(request)
        under_way = self._under_way.get(form.get("ticket", ""))
        chosen = next((one for one in self._people() if one.name == form.get("person")), None)
        if under_way is None or chosen is None:
            return self._over()
        under_way.person = chosen
        return self._second(form["ticket"], under_way)

    async def factor(self, request: Request) -> Response:
        """Back to the page outside Slack with a code, once the number is right, or the person goes on without it."""
        form = await _form(request)
        ticket = form.get("ticket", "")
        under_way = self._under_way.get(ticket)
        if under_way is None or under_way.person is None:
            return self._over()
        second = form.get("way") != "pwd"
        if second and form.get("typed", "").replace(" ", "") != under_way.number:
            return self._second(ticket, under_way, wrong="That is not the number your phone shows.")
        del self._under_way[ticket]
        ways = ["pwd", "otp"] if second else ["pwd"]
        claims = {"sub": subject_of(under_way.person.name), "name": under_way.person.real_name, "amr": ways}
        answer = {"code": self.issuer.code_for(under_way.asked, claims), "state": under_way.asked["state"]}
        return RedirectResponse(f"{under_way.asked['redirect_uri']}?{urlencode(answer)}", status_code=303)

    async def token(self, request: Request) -> Response:
        """The tokens for a code."""
        answer = self.issuer.redeem(await _form(request), request.headers.get("authorization", ""))
        return JSONResponse({"error": "invalid_grant"}, status_code=400) if answer is None else JSONResponse(answer)

    def _people(self) -> list[Person]:
        space = self.core.workspace
        ours = (one for one in space.people.values() if one.team_id == space.home_team.id)
        return [one for one in ours if not (one.deleted or one.is_bot or one.is_restricted or one.is_ultra_restricted)]

    def _second(self, ticket: str, under_way: _UnderWay, *, wrong: str = "") -> Response:
        return self._shown(ticket=ticket, person=under_way.person, number=under_way.number, wrong=wrong)

    def _over(self) -> Response:
        return self._shown(status=400, wrong="This sign-in is over. Open your link in the sandbox again.")

    def _shown(self, *, status: int = 200, **known: Any) -> Response:
        headers = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "cache-control": "no-store"}
        return HTMLResponse(self._page.render(**known), status_code=status, headers=headers | {"referrer-policy": "no-referrer"})


async def _form(request: Request) -> dict[str, str]:
    body = await request.body()
    found = parse_qs(body[:_LONGEST_FORM].decode("utf-8", "replace"), max_num_fields=20)
    return {name: values[-1] for name, values in found.items()}
