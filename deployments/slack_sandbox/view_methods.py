"""views.*: modals on a stack of at most three, and the Home tab."""

from __future__ import annotations

import json
from typing import Any

from deployments.slack_sandbox.block_kit import filled, problems_of_view, values_of
from deployments.slack_sandbox.calls import Call, Refusal
from deployments.slack_sandbox.shapes import view_json
from deployments.slack_sandbox.state import MOST_STACKED_VIEWS, TRIGGER_SECONDS, Trigger, View, Workspace

MOST_VIEW_BYTES = 250_000


def open_view(call: Call) -> dict[str, Any]:
    """views.open: a new stack for the person behind the trigger."""
    definition = _definition(call, "modal")
    trigger = _exchange(call)
    view = add_view(call.workspace, trigger.person, definition, on_top=False)
    return {"view": view_json(call.workspace, view)}


def push_view(call: Call) -> dict[str, Any]:
    """views.push: onto the stack the trigger came from."""
    definition = _definition(call, "modal")
    trigger = _exchange(call)
    if trigger.view_id is None or not call.workspace.modals.get(trigger.person):
        raise Refusal("not_found")
    view = add_view(call.workspace, trigger.person, definition, on_top=True)
    return {"view": view_json(call.workspace, view)}


def update_view(call: Call) -> dict[str, Any]:
    """views.update, by view_id or external_id; with a hash only if nothing changed the view since."""
    view_id, external_id = call.arguments.text("view_id"), call.arguments.text("external_id")
    if bool(view_id) == bool(external_id):
        what = "Cannot provide both `view_id` and `external_id`" if view_id else "Must provide either `view_id` or `external_id`"
        raise Refusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] {what}"]})
    view = call.workspace.find_view(view_id, external_id)
    if view is None:
        raise Refusal("not_found")
    definition = _definition(call, view.definition["type"], replacing=view)
    _same_hash(call, view)
    replace_view(call.workspace, view, definition)
    return {"view": view_json(call.workspace, view)}


def publish_view(call: Call) -> dict[str, Any]:
    """views.publish: a person's Home tab."""
    key = call.person("user_id")
    before = call.workspace.homes.get(key)
    definition = _definition(call, "home", replacing=before)
    if before is None:
        view_id = call.workspace.next_id("V")
        before = View(view_id, "", key, definition, root_id=view_id)
        call.workspace.homes[key] = before
    else:
        _same_hash(call, before)
    replace_view(call.workspace, before, definition)
    return {"view": view_json(call.workspace, before)}


def read_view(space: Workspace, definition: Any, kind: str, *, replacing: View | None = None) -> dict[str, Any]:
    """A view's definition, filled in as Slack fills it. Raises Refusal for what Slack refuses."""
    problems = problems_of_view(definition, kinds=(kind,))
    if problems:
        raise Refusal.of_schema("invalid_arguments", problems)
    if len(json.dumps(definition)) > MOST_VIEW_BYTES:
        raise Refusal("view_too_large")
    taken = space.find_view(external_id=str(definition.get("external_id", "")))
    if taken is not None and taken is not replacing:
        raise Refusal("duplicate_external_id")
    return {**definition, "blocks": filled(definition["blocks"], space.next_id)}


def add_view(space: Workspace, key: str, definition: dict[str, Any], *, on_top: bool) -> View:
    """A new modal of a person: on top of the stack (Refusal when it holds three), or in place of it."""
    stack = space.modals.get(key, []) if on_top else []
    if len(stack) >= MOST_STACKED_VIEWS:
        raise Refusal("push_limit_reached")
    view_id = space.next_id("V")
    view = View(view_id, "", key, definition, root_id=stack[0].id if stack else view_id, previous_id=stack[-1].id if stack else None)
    replace_view(space, view, definition)
    space.modals[key] = [*stack, view]
    return view


def replace_view(space: Workspace, view: View, definition: dict[str, Any]) -> None:
    """Give a view new content and a new hash; what was entered under the same block and action id stays."""
    view.definition, view.errors, view.trouble = definition, {}, ""
    view.values = values_of(definition["blocks"], view.values)
    view.hash = f"{int(space.clock())}.{space.next_id('h')}"


def _definition(call: Call, kind: str, *, replacing: View | None = None) -> dict[str, Any]:
    if "view" not in call.arguments:
        raise Refusal("invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: view"]})
    return read_view(call.workspace, call.arguments.structured("view", "invalid_arguments"), kind, replacing=replacing)


def _exchange(call: Call) -> Trigger:
    """The trigger of a call, used up. A refused view does not use it up: Slack checks the view first."""
    trigger = call.workspace.triggers.get(call.arguments.text("trigger_id"))
    if trigger is None:
        raise Refusal("invalid_trigger_id")
    if trigger.used:
        raise Refusal("exchanged_trigger_id")
    if call.workspace.clock() - trigger.at > TRIGGER_SECONDS:
        raise Refusal("expired_trigger_id")
    trigger.used = True
    return trigger


def _same_hash(call: Call, view: View) -> None:
    if "hash" in call.arguments and call.arguments.text("hash") != view.hash:
        raise Refusal("hash_conflict")
