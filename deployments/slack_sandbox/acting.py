"""What a person does in the sandbox, and what comes of it: clicks, input, submissions, commands, words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from credit_review.errors import BadInput
from deployments.slack_sandbox import payloads
from deployments.slack_sandbox.block_kit import find_element, state_of
from deployments.slack_sandbox.block_schema import HOLDS_STATE
from deployments.slack_sandbox.calls import Refusal
from deployments.slack_sandbox.chat_methods import read_content
from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.delivery import COMMANDS, INTERACTIVE, Delivered, Delivery
from deployments.slack_sandbox.state import Channel, Message, View
from deployments.slack_sandbox.view_methods import add_view, read_view, replace_view

TROUBLE = "We had some trouble connecting. Try again?"
NO_ANSWER = "This app did not respond in time. Try again?"
_EMPTY: tuple[Any, ...] = (None, "", [])


class Acting:
    """The people's side. Every method returns what the person is told: `ok`, and `reason` or `errors` when it went wrong."""

    def __init__(self, core: Core, delivery: Delivery) -> None:
        self.core, self.delivery = core, delivery

    async def act(self, key: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Click or change an element of a message (`channel`, `ts`) or of a view (`view_id`); `value` is what was chosen or typed.

        Whether the app hears of it is decided as in Slack: an input block is silent unless it has dispatch_action, and text in it waits
        for `pressed_enter` unless it asks for every character. Raises BadInput when the person sees no such element.
        """
        if wanted.get("view_id"):
            return await self._act_on_view(key, self.view(key, str(wanted["view_id"])), wanted)
        channel, message = self._message(key, wanted)
        block, element = _found(find_element(message.blocks, str(wanted.get("action_id")), str(wanted.get("block_id") or "")), wanted)
        if element["type"] in HOLDS_STATE:
            kept = self.core.workspace.entered.setdefault((key, channel.id, message.ts), {})
            kept.setdefault(block["block_id"], {})[element["action_id"]] = _state(element, wanted.get("value"))
        if not _dispatches(block, element, wanted):
            return {"ok": True, "dispatched": False}
        action = _refusing(lambda: payloads.action_json(self.core, block, element, wanted.get("value")))
        payload = payloads.message_action(self.core, key, channel, message, action)
        result = await self.delivery.send(INTERACTIVE, payload, kind="block_actions")
        if not result.acked and result.reason != "held":
            self.core.workspace.notice(key, NO_ANSWER, channel=channel.id, ts=message.ts)
        return self._told(result)

    async def _act_on_view(self, key: str, view: View, wanted: Mapping[str, Any]) -> dict[str, Any]:
        found = find_element(view.definition["blocks"], str(wanted.get("action_id")), str(wanted.get("block_id") or ""))
        block, element = _found(found, wanted)
        if element["type"] in HOLDS_STATE:
            view.values.setdefault(block["block_id"], {})[element["action_id"]] = _state(element, wanted.get("value"))
        if not _dispatches(block, element, wanted):
            return {"ok": True, "dispatched": False}
        action = _refusing(lambda: payloads.action_json(self.core, block, element, wanted.get("value")))
        view.trouble = ""
        result = await self.delivery.send(INTERACTIVE, payloads.view_action(self.core, key, view, action), kind="block_actions")
        if not result.acked and result.reason != "held":
            view.trouble = TROUBLE
        return self._told(result)

    async def submit(self, key: str, view_id: str, values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Fill in what `values` says (block id, action id, value) and press the submit button of a modal."""
        view = self.view(key, view_id)
        for block_id, entries in values.items():
            for action_id, value in entries.items():
                _, element = _found(find_element(view.definition["blocks"], action_id, block_id), {"action_id": action_id})
                if element["type"] not in HOLDS_STATE:
                    raise BadInput(f"{action_id} is a {element['type']}: it is clicked, not filled in")
                view.values[block_id][action_id] = _state(element, value)
        view.trouble, view.errors = "", complaints(view)
        if view.errors:
            self.core.changes.tell()
            return {"ok": False, "reason": "incomplete", "errors": view.errors}
        result = await self.delivery.send(INTERACTIVE, payloads.view_submission(self.core, key, view), kind="view_submission")
        if result.reason != "held":
            self._after_submission(key, view, result)
        return {**self._told(result), "errors": view.errors, "trouble": view.trouble}

    async def close(self, key: str, view_id: str, *, everything: bool = False) -> dict[str, Any]:
        """Press Cancel, or the cross (`everything`), on the topmost modal."""
        view = self.view(key, view_id)
        stack = self.core.workspace.modals.get(key, [])
        gone = list(stack) if everything or view.definition.get("clear_on_close") else [view]
        self.core.workspace.modals[key] = [one for one in stack if one not in gone]
        for one in reversed(gone):
            if one.definition.get("notify_on_close"):
                payload = payloads.view_closed(self.core, key, one, is_cleared=len(gone) > 1)
                await self.delivery.send(INTERACTIVE, payload, kind="view_closed")
        self.core.changes.tell()
        return {"ok": True}

    async def command(self, key: str, command: str, text: str, channel_id: str) -> dict[str, Any]:
        """Type a slash command in a channel, or in the direct conversation with the app."""
        channel = self._channel(key, channel_id) if channel_id else self.core.workspace.direct_channel(key)
        if command not in self.core.settings.app.commands:
            self.core.workspace.notice(key, f"{command} is not a valid command.", channel=channel.id)
            return self._told(Delivered(False, "unknown_command"))
        payload = payloads.slash_command(self.core, key, channel, command, text)
        result = await self.delivery.send(COMMANDS, payload, kind="slash_command")
        if not result.acked and result.reason != "held":
            why = "operation_timeout" if "timeout" in result.reason else "dispatch_failed"
            self.core.workspace.notice(key, f'{command} failed with the error "{why}"', channel=channel.id)
        if result.acked and isinstance(result.body, dict) and result.body:
            self._answer_command(key, channel, result.body)
        return self._told(result)

    async def say(self, key: str, channel_id: str, text: str, thread_ts: str | None, *, broadcast: bool = False) -> dict[str, Any]:
        """Write in a channel or, with `thread_ts`, in a thread (`broadcast`: and send it to the channel too); the app, where it is a
        member, hears of it.
        """
        channel = self._channel(key, channel_id)
        if not text or channel.is_archived:
            raise BadInput("nothing can be written here", expected="some text, and a channel that is not archived")
        parent = self.core.workspace.message(channel.id, thread_ts) if thread_ts else None
        if thread_ts and parent is None:
            raise BadInput(f"there is no message {thread_ts} to reply to")
        text = payloads.escaped(text)
        message = Message(channel.id, self.core.workspace.next_ts(), key, text, by_app=False)
        if parent is not None:  # a thread has no threads of its own
            message.thread_ts, message.broadcast = parent.thread_ts or parent.ts, broadcast
        self.core.workspace.add_message(message)
        bot = self.core.workspace.app.bot_user
        if bot in channel.members:
            self.delivery.send_event(payloads.said(self.core, key, channel, message), kind="message")
            if f"<@{bot}>" in text and not channel.is_im:
                self.delivery.send_event(payloads.said(self.core, key, channel, message, mention=True), kind="app_mention")
        self.core.changes.tell()
        return {"ok": True, "ts": message.ts}

    async def open_home(self, key: str, tab: str = "home") -> dict[str, Any]:
        """Open the app's Home (or Messages) tab; the app hears of it and may publish."""
        self.delivery.send_event(payloads.home_opened(self.core, key, tab), kind="app_home_opened")
        return {"ok": True}

    def view(self, key: str, view_id: str) -> View:
        """An open modal of the person, or the person's Home tab. Raises BadInput when there is no such view."""
        found = [*self.core.workspace.modals.get(key, []), *filter(None, [self.core.workspace.homes.get(key)])]
        for view in found:
            if view.id == view_id:
                return view
        raise BadInput(f"{key} has no open view {view_id}", expected=f"one of {', '.join(v.id for v in found) or 'none'}")

    def _after_submission(self, key: str, view: View, result: Delivered) -> None:
        body = result.body if isinstance(result.body, dict) else {}
        stack = self.core.workspace.modals.get(key, [])
        asked = body.get("response_action")
        if not result.acked or asked not in (None, "errors", "clear", "update", "push"):
            view.trouble = TROUBLE
        elif asked is None:
            self.core.workspace.modals[key] = [one for one in stack if one is not view]
        elif asked == "clear":
            self.core.workspace.modals[key] = []
        elif asked == "errors":
            asking = {block["block_id"] for block in view.definition["blocks"] if block["type"] == "input"}
            known = isinstance(body.get("errors"), dict) and bool(body["errors"]) and set(body["errors"]) <= asking
            view.errors, view.trouble = (dict(body["errors"]), "") if known else ({}, TROUBLE)
        else:
            self._follow_up(key, view, asked, body.get("view"))

    def _follow_up(self, key: str, view: View, asked: str, wanted: Any) -> None:
        space = self.core.workspace
        try:
            definition = read_view(space, wanted, "modal", replacing=view if asked == "update" else None)
            if asked == "update":
                replace_view(space, view, definition)
            else:
                add_view(space, key, definition, on_top=True)
        except Refusal as refusal:
            view.trouble = TROUBLE
            self.core.log_call(f"response_action {asked}", {"view": wanted}, 200, {"ok": False, "error": refusal.code, **refusal.extra})

    def _answer_command(self, key: str, channel: Channel, body: Mapping[str, Any]) -> None:
        space = self.core.workspace
        try:
            text, blocks = read_content(space, {"text": body.get("text") or ""}, body.get("blocks"))
        except Refusal as refusal:
            self.core.log_call("answer to a command", dict(body), 200, {"ok": False, "error": refusal.code, **refusal.extra})
            return
        alone = None if body.get("response_type") == "in_channel" else key
        space.add_message(Message(channel.id, space.next_ts(), space.app.bot_user, text, blocks=blocks, ephemeral_for=alone))

    def _channel(self, key: str, channel_id: str) -> Channel:
        channel = self.core.workspace.channels.get(channel_id)
        if channel is None or key not in channel.members:
            raise BadInput(f"{key} is in no channel {channel_id}")
        return channel

    def _message(self, key: str, wanted: Mapping[str, Any]) -> tuple[Channel, Message]:
        channel, ts = self._channel(key, str(wanted.get("channel"))), str(wanted.get("ts"))
        message = self.core.workspace.message(channel.id, ts)
        if message is None or message.ephemeral_for not in (None, key):
            raise BadInput(f"{key} sees no message {ts} in {channel.id}")
        return channel, message

    def _told(self, result: Delivered) -> dict[str, Any]:
        self.core.changes.tell()
        return {"ok": result.acked, "dispatched": True, "reason": result.reason}


def complaints(view: View) -> dict[str, str]:
    """What Slack's client says before anything is sent: required input left out, text too short or long, numbers out of bounds."""
    found: dict[str, str] = {}
    for block in view.definition["blocks"]:
        if block["type"] == "input":
            entry = view.values[block["block_id"]][block["element"]["action_id"]]
            given = next((value for name, value in entry.items() if name != "type"), None)
            if given in _EMPTY:
                said = "" if block.get("optional") else "Please complete this required field."
            else:
                said = _complaint(block["element"], given)
            found |= {block["block_id"]: said} if said else {}
    return found


def _complaint(element: Mapping[str, Any], given: Any) -> str:
    if element["type"] == "plain_text_input":
        if len(given) < element.get("min_length", 0):
            return f"Please enter at least {element['min_length']} characters."
        return f"Please enter at most {element['max_length']} characters." if len(given) > element.get("max_length", 3000) else ""
    if element["type"] == "number_input":
        return _number_complaint(element, given)
    return ""


def _number_complaint(element: Mapping[str, Any], given: str) -> str:
    if not re.fullmatch(r"-?\d+(\.\d+)?" if element["is_decimal_allowed"] else r"-?\d+", given):
        return "Please enter a number." if element["is_decimal_allowed"] else "Please enter a whole number."
    try:
        number = Decimal(given)
    except InvalidOperation:
        return "Please enter a number."
    if "min_value" in element and number < Decimal(element["min_value"]):
        return f"Please enter a number of at least {element['min_value']}."
    return f"Please enter a number of at most {element['max_value']}." if number > Decimal(element.get("max_value", "Infinity")) else ""


def _dispatches(block: Mapping[str, Any], element: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if block["type"] != "input":
        return True
    if not block.get("dispatch_action"):
        return False
    if element["type"] not in ("plain_text_input", "number_input"):
        return True
    asked = element.get("dispatch_action_config", {}).get("trigger_actions_on", ["on_enter_pressed"])
    return ("on_enter_pressed" if wanted.get("pressed_enter") else "on_character_entered") in asked


def _found(found: tuple[dict[str, Any], dict[str, Any]] | None, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    if found is None or found[1]["type"] == "image":
        raise BadInput(f"there is no element {wanted.get('action_id')} here (any more)", next_step="look again at what is shown")
    return found


def _state(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    return _refusing(lambda: state_of(element, value))


def _refusing(make: Any) -> dict[str, Any]:
    try:
        made: dict[str, Any] = make()
    except (ValueError, TypeError) as error:
        raise BadInput(str(error)) from None
    return made
