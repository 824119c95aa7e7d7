"""The page's routes. GET shows and never acts; the one POST decides."""

from __future__ import annotations

import logging
from dataclasses import fields as dataclass_fields
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from credit_review.errors import CreditReviewError, Refused
from credit_review.review import step_up
from credit_review.review.directory import person_for
from credit_review.words import Words, said
from deployments.step_up import deciding, identity
from deployments.step_up.desk import Desk
from deployments.step_up.headers import SecurityHeaders
from deployments.step_up.identity import SESSION_LASTS, SignedIn
from deployments.step_up.sheet import Forms, Typed, sheet_of
from deployments.step_up.sign_in import failed

LOG = logging.getLogger("credit_review.step_up")
_LONGEST_FORM = 64_000
_STATUS = {
    "link_unknown": 404,
    "link_used": 410,
    "link_expired": 410,
    "step_up.signed_out": 401,
    "step_up.too_large": 413,
    "sign_in.unavailable": 503,
    "sign_in.provider": 503,
}


def build_app(desk: Desk, session_key: str) -> Starlette:
    """The page as an ASGI app. Cookies are for https alone where the public address is."""
    handlers = _Handlers(desk)
    routes = [
        Route("/health", lambda _: PlainTextResponse("ok")),
        Route("/callback", handlers.callback),
        Route("/d/{token}", handlers.page),
        Route("/d/{token}/sign-in", handlers.sign_in),
        Route("/d/{token}/decide", handlers.decide, methods=["POST"]),
    ]
    secure = desk.chosen.url.startswith("https://")
    session = Middleware(
        SessionMiddleware,
        secret_key=session_key,
        # a name with this prefix is taken by browsers only from this very host, so no neighbour can plant a session
        session_cookie="__Host-credit-review" if secure else "credit-review",
        max_age=int(SESSION_LASTS.total_seconds()),
        same_site="lax",
        https_only=secure,
    )
    return Starlette(
        routes=[Mount(desk.folder, routes=routes)] if desk.folder else routes,
        middleware=[Middleware(SecurityHeaders, policy=desk.pages.policy), session],
        exception_handlers={CreditReviewError: handlers.refused, HTTPException: handlers.no_page, Exception: handlers.broken},
    )


class _Handlers:
    """One method a route."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def page(self, request: Request) -> Response:
        """The proposal for whoever is signed in for the link; for everybody else only the way to sign in. Changes nothing."""
        desk, token = self.desk, str(request.path_params["token"])
        now = desk.services.clock.now()
        with desk.services.store.read() as uow:
            link = step_up.link_for(uow, token, now)
            signed_in = identity.signed_in_for(request.session, token, now)
            if signed_in is None:
                return desk.pages.sign_in(desk.company.words, desk.place_of(token))
            person = desk.require_person(uow, link, signed_in.identity)
            words = desk.company.reader(uow, person.person_id, now)
            return desk.pages.proposal(sheet_of(uow, link, desk.company, self._forms(token, signed_in), now), words)

    async def sign_in(self, request: Request) -> Response:
        """To the identity provider, for a link that can still be used."""
        token = str(request.path_params["token"])
        await run_in_threadpool(self._require_usable, token)
        return await self.desk.sign_in.start(request, self.desk.callback, identity.set_out(request.session, token))

    async def callback(self, request: Request) -> Response:
        """Back from the identity provider: who it is, for certain, and the link's person; then to the link's page."""
        desk, token = self.desk, identity.came_back(request.session, request.query_params.get("state", ""))
        if token is None:
            raise failed()
        request.state.token = token
        claims = await desk.sign_in.finish(request)
        found = await run_in_threadpool(self._identified, token, claims)
        identity.remember(request.session, token, found, desk.services.clock.now())
        return RedirectResponse(desk.place_of(token), status_code=303)

    async def decide(self, request: Request) -> Response:
        """What the form asks for."""
        token = str(request.path_params["token"])
        typed = await _form(request)
        signed_in = identity.signed_in_for(request.session, token, self.desk.services.clock.now())
        if signed_in is None:
            raise Refused("step_up.signed_out", said("your sign-in is over; nothing was decided: sign in again"))
        # browsers say where a form comes from; what only a script or an old browser sends is held to the secret alone
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin" or not signed_in.sent(typed.get("csrf", "")):
            raise Refused("step_up.foreign_form", said("this form was not sent from the page shown to you; nothing was decided"))
        return await run_in_threadpool(self._decided, token, signed_in, typed)

    # --- what waits for the database, in a thread ---------------------------------------------------------------------------------

    def _forms(self, token: str, signed_in: SignedIn, typed: Typed | None = None) -> Forms:
        return Forms(place=f"{self.desk.place_of(token)}/decide", csrf=signed_in.csrf, typed=typed or Typed())

    def _require_usable(self, token: str) -> None:
        with self.desk.services.store.read() as uow:
            step_up.link_for(uow, token, self.desk.services.clock.now())

    def _identified(self, token: str, claims: Any) -> identity.Identity:
        """Who signed in. Refused, and recorded, when he is not certain or not the link's person."""
        desk, now = self.desk, self.desk.services.clock.now()
        found = identity.identity_in(claims, desk.chosen)
        with desk.services.store.read() as uow:
            link = step_up.link_for(uow, token, now)
            try:
                identity.require_sure(claims, found, desk.chosen, now)
                desk.require_person(uow, link, found)
                return found
            except Refused as refusal:
                reason = refusal
        desk.record_refused(token, found, reason)
        raise reason

    def _decided(self, token: str, signed_in: SignedIn, fields: dict[str, str]) -> Response:
        desk = self.desk
        forms = self._forms(token, signed_in, Typed(**{field.name: fields.get(field.name, "") for field in dataclass_fields(Typed)}))
        try:
            answered = deciding.answer(desk, token, signed_in.identity, forms)
        except Refused as refusal:
            if not refusal.code.startswith("link_"):
                desk.record_refused(token, signed_in.identity, refusal)
            raise
        if answered.again is not None:
            return desk.pages.proposal(answered.again, answered.words, status=422)
        assert answered.outcome is not None  # noqa: S101  one of the two
        return desk.pages.outcome(answered.outcome, answered.words)

    # --- when it does not work ----------------------------------------------------------------------------------------------------

    def refused(self, request: Request, error: Exception) -> Response:
        """A refusal in words; what the store or a file says about itself stays here."""
        words = self._words(request)
        if not isinstance(error, Refused):
            LOG.warning("a request could not be answered: %s", str(error).splitlines()[0])
            text = said("this does not answer just now; nothing was decided, try again in a moment")
            return self._told(words, words.say(text), 503)
        token = request.path_params.get("token") or getattr(request.state, "token", None)
        again = str(token) if token and error.code.startswith(("sign_in.", "step_up.")) else ""
        return self._told(words, words.error(error), _STATUS.get(error.code, 403), again=again)

    def no_page(self, _: Request, error: Exception) -> Response:
        """An address or method that does not exist."""
        assert isinstance(error, HTTPException)  # noqa: S101  registered for it
        words = self.desk.company.words
        return self._told(words, words.say(said("there is no such page")), error.status_code)

    def broken(self, _: Request, __: Exception) -> Response:
        """A fault of ours: the person is told so, and the server logs it."""
        words = self.desk.company.words
        return self._told(words, words.say(said("something went wrong here; ask for a new link in Slack")), 500)

    def _told(self, words: Words, text: str, status: int, *, again: str = "") -> Response:
        go = {"href": f"{self.desk.place_of(again)}/sign-in", "text": words.say(said("Sign in again"))} if again else None
        return self.desk.pages.told(words, text, status=status, go=go, mood="bad")

    def _words(self, request: Request) -> Words:
        """How whoever is signed in reads; the company's words for everybody else."""
        desk, now = self.desk, self.desk.services.clock.now()
        signed_in = identity.signed_in_for(request.session, str(request.path_params.get("token", "")), now)
        if signed_in is None:
            return desk.company.words
        try:
            with desk.services.store.read() as uow:
                person = person_for(uow, signed_in.kind, signed_in.account, on=desk.services.today(), known_at=now)
                return desk.company.reader(uow, person.person_id, now)
        except CreditReviewError:
            return desk.company.words


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, the last of each name."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise Refused("step_up.too_large", said("this form is too large; nothing was decided"))
    try:
        found = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Refused("step_up.too_large", said("this form is too large; nothing was decided")) from None
    # browsers send line ends as two characters; and no database keeps a NUL in a text
    return {name: values[-1].replace("\r\n", "\n").replace("\0", "") for name, values in found.items()}
