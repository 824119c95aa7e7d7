"""The Web API: who calls, which method, may it, what goes wrong on purpose, and the answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.slack_sandbox import chat_methods, directory_methods, file_methods, view_methods
from deployments.slack_sandbox.calls import MAX_BODY, Arguments, Call, Method, Refusal
from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.delivery import Delivery
from deployments.slack_sandbox.faults import ApiFault

_HISTORY = ("channels:history", "groups:history", "im:history")
_READ = ("channels:read", "groups:read", "im:read")
# A method and the scopes that open it: any one of them does.
METHODS: dict[str, tuple[Method, tuple[str, ...]]] = {
    "auth.test": (directory_methods.auth_test, ()),
    "team.info": (directory_methods.team_info, ("team:read",)),
    "users.info": (directory_methods.users_info, ("users:read",)),
    "users.list": (directory_methods.users_list, ("users:read",)),
    "users.lookupByEmail": (directory_methods.lookup_by_email, ("users:read.email",)),
    "conversations.open": (directory_methods.open_conversation, ("im:write", "mpim:write")),
    "conversations.info": (directory_methods.conversation_info, _READ),
    "conversations.members": (directory_methods.conversation_members, _READ),
    "conversations.history": (directory_methods.history, _HISTORY),
    "conversations.replies": (directory_methods.replies, _HISTORY),
    "chat.postMessage": (chat_methods.post_message, ("chat:write",)),
    "chat.postEphemeral": (chat_methods.post_ephemeral, ("chat:write",)),
    "chat.update": (chat_methods.update, ("chat:write",)),
    "chat.delete": (chat_methods.delete, ("chat:write",)),
    "chat.getPermalink": (chat_methods.permalink, ()),
    "reactions.add": (chat_methods.add_reaction, ("reactions:write",)),
    "views.open": (view_methods.open_view, ()),
    "views.push": (view_methods.push_view, ()),
    "views.update": (view_methods.update_view, ()),
    "views.publish": (view_methods.publish_view, ()),
    "files.getUploadURLExternal": (file_methods.get_upload_url, ("files:write",)),
    "files.completeUploadExternal": (file_methods.complete_upload, ("files:write",)),
}
CONNECT = "apps.connections.open"


@dataclass
class _Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class WebApi:
    """The methods over HTTP, under /api/, and the upload URLs."""

    def __init__(self, core: Core, delivery: Delivery) -> None:
        self.core, self.delivery = core, delivery

    def routes(self) -> list[Route]:
        """What Starlette serves of it."""
        return [
            Route("/api/{method}", self.call, methods=["POST", "GET"]),
            Route("/upload/v1/{file_id}", self.upload, methods=["POST"]),
            Route("/files/{file_id}/{name}", self.download),
        ]

    async def call(self, request: Request) -> Response:
        """One call of one method, with the fault that is due for it."""
        method, body = request.path_params["method"], await request.body()
        fault = self.core.faults.of_call(method)
        if fault is not None and not fault.after and not fault.silent:
            answer, given = _failed(fault), self._arguments_to_log(request, body)
        else:
            answer, given = self._answer(method, request, body)
            answer = _failed(fault) if fault is not None and fault.after and not fault.silent else answer
        silent = fault is not None and fault.silent
        self.core.log_call(method, given, 0 if silent else answer.status, None if silent else answer.body)
        if silent:
            await self._until_given_up(request)
        return JSONResponse(answer.body, status_code=answer.status, headers=answer.headers)

    async def upload(self, request: Request) -> Response:
        """The bytes of a file, at the URL that files.getUploadURLExternal gave out."""
        file = self.core.workspace.files.get(request.path_params["file_id"])
        content = await request.body()
        if file is None or file.content is not None:
            return Response("no such upload", status_code=404)
        if len(content) != file.length:
            return Response(f"expected {file.length} bytes, got {len(content)}", status_code=400)
        file.content = content
        return Response(f"OK - {len(content)}", media_type="text/plain")

    async def download(self, request: Request) -> Response:
        """A shared file, always as a download: an uploaded page must not run in the sandbox's name."""
        file = self.core.workspace.files.get(request.path_params["file_id"])
        if file is None or file.content is None or not file.shared:
            return Response("no such file", status_code=404)
        headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
        return Response(file.content, media_type="application/octet-stream", headers=headers)

    async def _until_given_up(self, request: Request) -> None:
        """Wait until the caller closes the connection, as when an answer is lost on its way."""
        while not self.core.changes.closing and not await request.is_disconnected():
            await asyncio.sleep(0.05)

    def _arguments_to_log(self, request: Request, body: bytes) -> dict[str, Any]:
        try:
            return Arguments.read(body, request.headers.get("content-type", ""), request.url.query).given
        except Refusal:
            return {}

    def _answer(self, method: str, request: Request, body: bytes) -> tuple[_Answer, dict[str, Any]]:
        given: dict[str, Any] = {}
        headers = {"x-oauth-scopes": ",".join(sorted(self.core.scopes)), "x-slack-req-id": self.core.workspace.next_id("req")}
        try:
            if len(body) > MAX_BODY:
                raise Refusal("request_too_large")
            arguments = Arguments.read(body, request.headers.get("content-type", ""), request.url.query)
            given = dict(arguments.given)
            result = self._perform(method, arguments, _token(request, arguments), headers)
            return _Answer(200, {"ok": True, **result}, headers), given
        except Refusal as refusal:
            wait = refusal.extra.pop("retry_after", None)
            if wait is not None:
                headers["retry-after"] = str(wait)
            return _Answer(200 if wait is None else 429, {"ok": False, "error": refusal.code, **refusal.extra}, headers), given

    def _perform(self, method: str, arguments: Arguments, token: str, headers: dict[str, str]) -> dict[str, Any]:
        app = self.core.settings.app
        if method != CONNECT and method not in METHODS:
            raise Refusal("unknown_method", req_method=method)
        if not token:
            raise Refusal("not_authed")
        if token not in (app.bot_token, app.app_token):
            raise Refusal("invalid_auth")
        if (token == app.app_token) != (method == CONNECT):
            raise Refusal("not_allowed_token_type")
        if method == CONNECT:
            return {"url": self.delivery.new_link_url()}
        handler, scopes = METHODS[method]
        headers["x-accepted-oauth-scopes"] = ",".join(scopes)
        if scopes and not self.core.scopes.intersection(scopes):
            raise Refusal("missing_scope", needed=scopes[0], provided=",".join(sorted(self.core.scopes)))
        return handler(Call(self.core.workspace, arguments, self.core.faults, self.core.scopes, self.core.base_url))


def _token(request: Request, arguments: Arguments) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else arguments.text("token")


def _failed(fault: ApiFault) -> _Answer:
    if fault.error:
        return _Answer(200, {"ok": False, "error": fault.error}, {})
    if fault.status == 429:
        return _Answer(429, {"ok": False, "error": "ratelimited"}, {"retry-after": str(fault.retry_after)})
    return _Answer(fault.status, {"ok": False, "error": "internal_error"}, {})
