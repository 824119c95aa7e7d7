"""Where the app answers an interaction: a new message, or the replacement or removal of the one that was acted on."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.slack_sandbox.calls import Refusal, read_json
from deployments.slack_sandbox.chat_methods import read_content
from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.state import RESPONSE_URL_SECONDS, RESPONSE_URL_USES, Message, ResponseUrl


class ResponseUrls:
    """The response URLs that were given out. Failures of `response_url` can be set like those of a method."""

    def __init__(self, core: Core) -> None:
        self.core = core

    async def answer(self, request: Request) -> Response:
        """One use of a response URL."""
        fault = self.core.faults.of_call("response_url")
        if fault is not None and fault.status >= 400:
            self.core.log_call("response_url", {}, fault.status, None)
            return Response("internal_error", status_code=fault.status, headers={"retry-after": str(fault.retry_after)})
        given: dict[str, Any] = {}
        try:
            given = _read(await request.body())
            self._apply(self._use(request.path_params["token"]), given)
        except Refusal as refusal:
            status = 404 if refusal.code in ("used_url", "expired_url", "no_such_url") else 400
            answer = {"ok": False, "error": refusal.code, **refusal.extra}
            self.core.log_call("response_url", given, status, answer)
            return JSONResponse(answer, status_code=status)
        self.core.log_call("response_url", given, 200, "ok")
        return Response("ok", media_type="text/plain")

    def _use(self, token: str) -> ResponseUrl:
        found = self.core.workspace.response_urls.get(token)
        if found is None:
            raise Refusal("no_such_url")
        if self.core.workspace.clock() - found.at > RESPONSE_URL_SECONDS:
            raise Refusal("expired_url")
        if found.uses >= RESPONSE_URL_USES:
            raise Refusal("used_url")
        found.uses += 1
        return found

    def _apply(self, url: ResponseUrl, given: dict[str, Any]) -> None:
        space = self.core.workspace
        original = space.message(url.channel, url.ts) if url.ts else None
        if given.get("delete_original"):
            if original is not None:
                space.messages[url.channel].remove(original)
            return
        text, blocks = read_content(space, {"text": given.get("text") or ""}, given.get("blocks"))
        if given.get("replace_original") and original is not None:
            original.text, original.blocks, original.edited_ts = text, blocks, space.next_ts()
            return
        alone = None if given.get("response_type") == "in_channel" else url.person
        message = Message(url.channel, space.next_ts(), space.app.bot_user, text, blocks=blocks, ephemeral_for=alone)
        message.thread_ts = given.get("thread_ts") or url.thread_ts
        space.add_message(message)


def _read(body: bytes) -> dict[str, Any]:
    try:
        given = read_json(body)
    except ValueError:
        raise Refusal("invalid_payload") from None
    if not isinstance(given, dict):
        raise Refusal("invalid_payload")
    return given
