"""The Slack side: one slack-bolt app over our decision function. Run it with `credit-review slack`; several may run side by side.

A deciding interaction is one commit and then the acknowledgement: on a time-out nothing is stored and nothing is acknowledged, so the
person sees an error and clicks again. Every click is answered to the person who clicked.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from slack_bolt import Ack, App, Respond

from credit_review import messages
from credit_review.adapters import settings as configuration
from credit_review.adapters.slack_chat import SlackChat, web_client
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.states import Verdict
from credit_review.review.decide import DecideCommand, Outcome, decide
from credit_review.review.relay import Outside, relay

if TYPE_CHECKING:
    from slack_sdk import WebClient

LOG = logging.getLogger("credit_review.slack")
PATH = "/slack/events"


def build_app(services: Services) -> App:
    """The bolt app of an installation, for Socket Mode or HTTP. Raises BadInput when a token or the signing secret is missing."""
    chosen = services.settings.slack
    client = web_client(configuration.require_secret("SLACK_BOT_TOKEN"), chosen.api_url)
    signing_secret = configuration.require_secret("SLACK_SIGNING_SECRET") if chosen.mode == "http" else None
    app = App(client=client, signing_secret=signing_secret, token_verification_enabled=False, logger=_quiet_logger())
    app.action(messages.APPROVE)(lambda ack, body, respond: approve(services, client, ack, body, respond))
    app.action(messages.REJECT)(lambda ack, body, respond: ask_reason(services, client, ack, body, respond))
    app.view(messages.REJECT_FORM)(lambda ack, body: reject(services, client, ack, body))
    return app


def approve(services: Services, client: WebClient, ack: Ack, body: Mapping[str, Any], respond: Respond) -> None:
    """Decide at once; acknowledge after the commit; show the outcome on the card and to the person."""
    try:
        proposal_id, digest = messages.read_button(body["actions"][0]["value"])
        command = _command(services, body, proposal_id, digest, Verdict.APPROVE, _action_key(body))
        outcome = _decide(services, command)
    except BadInput as error:
        ack()
        _tell(respond, error.text())
        return
    except CreditReviewError:
        LOG.exception("an approval could not be stored; it is not acknowledged, so that the person clicks again")
        raise
    ack()
    _tell(respond, outcome.text)
    refresh(services, client)


def ask_reason(services: Services, client: WebClient, ack: Ack, body: Mapping[str, Any], respond: Respond) -> None:
    """Open the form that asks why; nothing is decided yet, so it is acknowledged first."""
    ack()
    try:
        proposal_id, digest = messages.read_button(body["actions"][0]["value"])
        _team(services, body)
    except BadInput as error:
        _tell(respond, error.text())
        return
    title = str(body.get("message", {}).get("text", "")) or proposal_id
    client.views_open(trigger_id=body["trigger_id"], view=messages.reject_form(proposal_id, digest, title))


def reject(services: Services, client: WebClient, ack: Ack, body: Mapping[str, Any]) -> None:
    """Decide with the reason given; a refusal stays in the form, where the person reads it."""
    view = body["view"]
    reason = str(view["state"]["values"][messages.REASON_BLOCK][messages.REASON_INPUT]["value"] or "")
    try:
        proposal_id, digest = messages.read_button(view["private_metadata"])
        command = _command(services, body, proposal_id, digest, Verdict.REJECT, f"{view['id']}|{view['hash']}", reason)
        outcome = _decide(services, command)
    except BadInput as error:
        ack(response_action="errors", errors={messages.REASON_BLOCK: messages.cleaned(error.text(), 150)})
        return
    if not outcome.accepted:
        ack(response_action="errors", errors={messages.REASON_BLOCK: messages.cleaned(outcome.text, 150)})
        return
    ack()
    refresh(services, client)


def refresh(services: Services, client: WebClient) -> None:
    """Send the cards that are owed; what fails here is sent by the next apply_limits run."""
    outside = Outside(chat=SlackChat(client), render=messages.renderer(services.clock, services.settings.zone))
    try:
        relay(services.store, outside, services.clock, worker="slack_listener")
    except CreditReviewError:
        LOG.exception("cards could not be refreshed; the next run of apply_limits sends them")


def _decide(services: Services, command: DecideCommand) -> Outcome:
    with services.store.begin(interactive=True) as uow:
        return decide(command, uow, services.clock.now(), zone=services.settings.zone)


def _command(
    services: Services, body: Mapping[str, Any], proposal_id: str, digest: str, verdict: Verdict, about: str, reason: str = ""
) -> DecideCommand:
    team, user = _team(services, body), str(body["user"]["id"])
    key = sha256("|".join((team, user, about)).encode()).hexdigest()
    return DecideCommand(
        delivery_key=f"slack:{key}",
        proposal_id=proposal_id,
        digest=digest,
        verdict=verdict,
        account_kind="slack",
        account=f"{team}|{user}",
        channel="slack",
        reason=reason,
    )


def _team(services: Services, body: Mapping[str, Any]) -> str:
    """The workspace of the person who clicked. Raises BadInput unless it is one of ours: guests of shared channels come from others."""
    team = str((body.get("user") or {}).get("team_id") or (body.get("team") or {}).get("id") or "")
    if team not in services.settings.slack.team_ids:
        raise BadInput("your Slack workspace may not decide here", next_step="ask the risk team to add your workspace")
    return team


def _action_key(body: Mapping[str, Any]) -> str:
    action = body["actions"][0]
    message_ts = (body.get("container") or {}).get("message_ts", "")
    return json.dumps([action["action_id"], action["action_ts"], message_ts, action["value"]])


def _tell(respond: Respond, text: str) -> None:
    message = messages.answer(text)
    try:
        respond(text=message.text, blocks=list(message.blocks), response_type="ephemeral", replace_original=False)
    except Exception:  # the decision stands; only its echo was lost
        LOG.warning("the person who clicked could not be answered", exc_info=True)


def _quiet_logger() -> logging.Logger:
    """Bolt's log without request bodies: it writes rejected ones, signatures included, at INFO."""
    logger = logging.getLogger("credit_review.slack.bolt")
    logger.setLevel(logging.WARNING)
    return logger


def asgi(app: App) -> Callable[..., Any]:
    """The app over HTTP. What Slack's verifier cannot even read (it raises on such headers and bodies) is answered 401 here."""
    from slack_bolt.adapter.asgi import SlackRequestHandler
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Mount, Route

    handler = SlackRequestHandler(app, path=PATH)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        if not _readable(request.headers.get("x-slack-request-timestamp", ""), request.headers.get("x-slack-signature", ""), body):
            await PlainTextResponse("invalid request", status_code=401)(scope, receive, send)
            return
        sent = False

        async def replay() -> Mapping[str, Any]:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await handler(scope, replay, send)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/health", healthy), Mount("/", app=guarded)])


def _readable(timestamp: str, signature: str, body: bytes) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12 or not signature.isascii():
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def serve(services: Services, *, host: str = "127.0.0.1", port: int = 3000) -> None:
    """Listen until stopped, in the mode the settings name. Raises BadInput when Slack is off."""
    mode = services.settings.slack.mode
    if mode == "none":
        raise BadInput("Slack is off in settings.yaml", expected="slack.mode socket or http", next_step="see README, Slack")
    app = build_app(services)
    if mode == "socket":
        from slack_bolt.adapter.socket_mode import SocketModeHandler

        SocketModeHandler(app, configuration.require_secret("SLACK_APP_TOKEN")).start()  # type: ignore[no-untyped-call]
        return
    import uvicorn

    uvicorn.run(asgi(app), host=host, port=port, log_level="warning")
