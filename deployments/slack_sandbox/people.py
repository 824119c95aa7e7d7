"""The sandbox's own interface, under /sandbox/: what a person sees and does. The page and the tests both use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from credit_review.errors import BadInput
from deployments.slack_sandbox.acting import Acting
from deployments.slack_sandbox.calls import read_json
from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.delivery import Delivery
from deployments.slack_sandbox.shapes import message_json, view_json
from deployments.slack_sandbox.state import Person, View

LONGEST_WAIT = 25.0
PNG = b"\x89PNG\r\n\x1a\n"


class People:
    """Routes of the sandbox itself. A person is named by user id, or by `TEAM:ID` when from another workspace."""

    def __init__(self, core: Core, delivery: Delivery) -> None:
        self.core, self.delivery, self.acting = core, delivery, Acting(core, delivery)

    def routes(self) -> list[Route]:
        """What Starlette serves of it."""
        return [
            Route("/sandbox/people", self.list_people),
            Route("/sandbox/people/{key}", self.sees),
            Route("/sandbox/people/{key}/{deed}", self.does, methods=["POST"]),
            Route("/sandbox/version", self.version),
            Route("/sandbox/calls", self.calls),
            Route("/sandbox/deliveries", self.deliveries),
            Route("/sandbox/files/{key}", self.file),
            Route("/sandbox/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/sandbox/links/refresh", self.refresh_links, methods=["POST"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
        ]

    async def list_people(self, _: Request) -> Response:
        """Everybody, and the app."""
        space = self.core.workspace
        listed = [{"key": key, **person_json(person)} for key, person in space.people.items()]
        app = {"bot_user": space.app.bot_user, "name": space.app.bot_name, "commands": list(space.app.commands)}
        teams = {team.id: team.name for team in space.teams.values()}
        return JSONResponse({"people": listed, "app": app, "teams": teams, "home_team": space.home_team.id})

    async def sees(self, request: Request) -> Response:
        """All that one person sees now."""
        return _answered(lambda: self._seen(self._key(request)))

    async def does(self, request: Request) -> Response:
        """One deed of a person: act, submit, close, command, say or home."""
        deeds: dict[str, Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "act": self.acting.act,
            "submit": lambda key, given: self.acting.submit(key, str(given.get("view_id")), given.get("values") or {}),
            "close": lambda key, given: self.acting.close(key, str(given.get("view_id")), everything=bool(given.get("everything"))),
            "command": lambda key, given: self.acting.command(
                key, str(given.get("command")), str(given.get("text") or ""), str(given.get("channel") or "")
            ),
            "say": lambda key, given: self.acting.say(
                key,
                str(given.get("channel")),
                str(given.get("text") or ""),
                given.get("thread_ts") or None,
                broadcast=bool(given.get("broadcast")),
            ),
            "home": lambda key, given: self.acting.open_home(key, str(given.get("tab") or "home")),
        }
        deed = deeds.get(request.path_params["deed"])
        if deed is None:
            return JSONResponse({"ok": False, "reason": "no such deed"}, status_code=404)
        try:
            key = self._key(request)
            if self.core.workspace.people[key].deleted:
                raise BadInput(f"{key} is deactivated and can do nothing in Slack")
            return JSONResponse(await deed(key, await _given(request)))
        except BadInput as error:
            return JSONResponse({"ok": False, "reason": error.text()}, status_code=400)

    async def version(self, request: Request) -> Response:
        """The number of the latest change; with `after`, once there is a later one or after `wait` seconds."""
        after = int(request.query_params.get("after", "0") or 0)
        wait = min(float(request.query_params.get("wait", LONGEST_WAIT)), LONGEST_WAIT)
        waiting = asyncio.ensure_future(self.core.changes.after(after, wait))
        return JSONResponse({"version": await waiting, "connections": self._connections(), "under_way": self.delivery.under_way})

    async def calls(self, request: Request) -> Response:
        """The app's calls of the Web API (of one method, when named), oldest first, with their answers."""
        method = request.query_params.get("method", "")
        return JSONResponse({"calls": [call for call in self.core.calls if method in ("", call["method"])]})

    async def deliveries(self, _: Request) -> Response:
        """What was delivered to the app, oldest first, and whether it acknowledged."""
        return JSONResponse({"deliveries": list(self.core.deliveries)})

    async def faults(self, request: Request) -> Response:
        """List, add or clear what goes wrong on purpose."""
        if request.method == "DELETE":
            self.core.faults.clear()
        elif request.method == "POST":
            try:
                self.core.faults.add(await _given(request))
            except BadInput as error:
                return JSONResponse({"ok": False, "reason": error.text()}, status_code=400)
        return JSONResponse({"ok": True, **self.core.faults.listed()})

    async def file(self, request: Request) -> Response:
        """A picture that the app uploaded, for the page; anything else is not shown."""
        found = self.core.workspace.files.get(request.path_params["key"])
        if found is None or not found.content or not found.content.startswith(PNG):
            return Response("not found", status_code=404)
        headers = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
        return Response(found.content, media_type="image/png", headers=headers)

    async def refresh_links(self, _: Request) -> Response:
        """Ask the app's Socket Mode connections to be renewed."""
        await self.delivery.refresh_links()
        return JSONResponse({"ok": True})

    async def reset(self, _: Request) -> Response:
        """Forget everything that happened."""
        self.delivery.forget()
        self.core.reset()
        return JSONResponse({"ok": True})

    def _key(self, request: Request) -> str:
        key = request.path_params["key"]
        if key not in self.core.workspace.people:
            raise BadInput(f"nobody here is called {key}", expected=", ".join(self.core.workspace.people))
        return str(key)

    def _connections(self) -> str:
        if self.core.settings.request_url:
            return f"HTTP to {self.core.settings.request_url}"
        return f"{len(self.delivery.links)} Socket Mode connection(s)"

    def _seen(self, key: str) -> dict[str, Any]:
        space = self.core.workspace
        channels = []
        for channel in space.visible_channels(key):
            messages = []
            for message in space.visible_messages(key, channel.id):
                shown = message_json(space, message, base_url=self.core.base_url, metadata=True)
                shown["only_you"] = message.ephemeral_for is not None
                entered = space.entered.get((key, channel.id, message.ts))
                messages.append({**shown, "by_app": message.by_app, "entered": entered or {}})
            name = space.app.bot_name if channel.is_im else channel.name
            flags = {"is_archived": channel.is_archived, "is_ext_shared": channel.is_ext_shared}
            channels.append({"id": channel.id, "name": name, "kind": channel.kind(), **flags, "messages": messages})
        home = space.homes.get(key)
        return {
            "version": self.core.changes.version,
            "connections": self._connections(),
            "person": {"key": key, **person_json(space.people[key])},
            "channels": channels,
            "home": self._shown_view(home) if home else None,
            "modals": [self._shown_view(view) for view in space.modals.get(key, [])],
            "notices": space.notices.get(key, []),
        }

    def _shown_view(self, view: View) -> dict[str, Any]:
        return {**view_json(self.core.workspace, view), "errors": view.errors, "trouble": view.trouble}


def person_json(person: Person) -> dict[str, Any]:
    """A person as the chooser shows them."""
    flags = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
    marks = [name for name in flags if getattr(person, name)]
    return {"id": person.id, "name": person.name, "real_name": person.real_name, "team_id": person.team_id, "marks": marks}


async def _given(request: Request) -> dict[str, Any]:
    try:
        found = read_json(await request.body() or b"{}")
    except ValueError:
        raise BadInput("the body is no JSON") from None
    if not isinstance(found, dict):
        raise BadInput("the body is no JSON object")
    return found


def _answered(make: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(make())
    except BadInput as error:
        return JSONResponse({"ok": False, "reason": error.text()}, status_code=400)
