"""What Slack refuses in messages and views, and what it fills in where the app left something out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deployments.slack_sandbox.block_schema import BLOCKS, HOLDS_STATE, IDENTIFIER, PLAIN, Shape, boolean, one_of, string, text, told

MOST_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MOST_TEXT = 40_000
_ONLY_IN_MODALS = frozenset({"number_input"})
_ONLY_IN_MESSAGES = frozenset({"table"})

_VIEW_FIELDS = {
    "type": one_of("modal", "home"),
    "blocks": lambda _value, _at: iter(()),
    "private_metadata": string(3000),
    "callback_id": IDENTIFIER,
    "external_id": IDENTIFIER,
}
_VIEWS = {
    "home": Shape({"type": _VIEW_FIELDS["type"], "blocks": _VIEW_FIELDS["blocks"]}, _VIEW_FIELDS),
    "modal": Shape(
        {"type": _VIEW_FIELDS["type"], "blocks": _VIEW_FIELDS["blocks"], "title": text(24, PLAIN)},
        {
            **_VIEW_FIELDS,
            "submit": text(24, PLAIN),
            "close": text(24, PLAIN),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        },
    ),
}


def problems_of_blocks(blocks: Any, surface: str = "message", at: str = "/blocks") -> list[str]:
    """What Slack would refuse about a list of blocks on a surface (message, modal or home); empty when it would take them."""
    if not isinstance(blocks, list):
        return [told("must be an array", at)]
    found = [told(f"no more than {MOST_BLOCKS[surface]} items allowed", at)] if len(blocks) > MOST_BLOCKS[surface] else []
    for number, block in enumerate(blocks):
        found += _problems_of_block(block, surface, f"{at}/{number}")
    return found or list(_repeated_ids(blocks, at))


def problems_of_view(view: Any, *, kinds: tuple[str, ...]) -> list[str]:
    """What Slack would refuse about a view of one of the kinds (modal, home); empty when it would take it."""
    if not isinstance(view, dict):
        return [told("must be an object", "/view")]
    kind = view.get("type")
    if kind not in kinds:
        return [told(f"must be one of: {', '.join(kinds)}", "/view/type")]
    found = list(_VIEWS[kind](view, "/view"))
    if "blocks" in view:
        found += problems_of_blocks(view["blocks"], kind, "/view/blocks")
    if not found and kind == "modal" and "submit" not in view:
        asking = [number for number, block in enumerate(view["blocks"]) if block["type"] == "input"]
        found = [told("must define `submit` to use an `input` block in modals", f"/view/blocks/{number}/input") for number in asking[:1]]
    return found


def _problems_of_block(block: Any, surface: str, at: str) -> list[str]:
    if not isinstance(block, dict):
        return [told("must be an object", at)]
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in BLOCKS or (kind in _ONLY_IN_MESSAGES and surface != "message"):
        return [told(f"unsupported type: {kind}" if "type" in block else "missing required field: type", f"{at}/type")]
    found = list(BLOCKS[kind](block, at))
    if not found and kind == "input" and surface != "modal" and block["element"]["type"] in _ONLY_IN_MODALS:
        found = [told(f"unsupported type: {block['element']['type']}", f"{at}/element/type")]
    return found


def _repeated_ids(blocks: list[dict[str, Any]], at: str) -> Iterator[str]:
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id and block_id in seen:
            yield told(f'`block_id` "{block_id}" already exists', f"{at}/{number}/block_id")
        seen.add(block_id or "")
        acting: set[str] = set()
        for index, element in enumerate(block.get("elements", []) if block["type"] == "actions" else []):
            action_id = element.get("action_id")
            if action_id and action_id in acting:
                where = f"{at}/{number}/elements/{index}/action_id"
                yield told(f'`action_id` "{action_id}" already exists for block with `block_id` "{block_id or ""}"', where)
            acting.add(action_id or "")


def filled(blocks: list[dict[str, Any]], next_id: Callable[[str], str]) -> list[dict[str, Any]]:
    """A copy of valid blocks with the ids and flags that Slack adds: block_id, action_id, emoji of plain_text, verbatim of mrkdwn."""
    made = copy.deepcopy(blocks)
    for block in made:
        if not block.get("block_id"):
            block["block_id"] = next_id("blk")
        for element in elements_of(block):
            if element["type"] != "image" and not element.get("action_id"):
                element["action_id"] = next_id("act")
        _fill_texts(block)
    return made


def _fill_texts(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _fill_texts(item)
    elif isinstance(value, dict):
        if value.get("type") == "plain_text":
            value.setdefault("emoji", True)
        elif value.get("type") == "mrkdwn":
            value.setdefault("verbatim", False)
        for item in value.values():
            _fill_texts(item)


def elements_of(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The elements of a block that a person can act on, and its accessory image."""
    if block["type"] == "actions":
        return list(block["elements"])
    single = block.get("accessory") if block["type"] == "section" else block.get("element") if block["type"] == "input" else None
    return [single] if single else []


def find_element(blocks: list[dict[str, Any]], action_id: str, block_id: str = "") -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The block and element with an action id (of a block, when named), or None."""
    for block in blocks:
        if block_id in ("", block["block_id"]):
            for element in elements_of(block):
                if element.get("action_id") == action_id:
                    return block, element
    return None


def state_of(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """An element's entry in state.values, from what a person chose: text, an option's value, a list of them, a day or a user id.

    Raises ValueError for an option that is not offered.
    """
    kind = element["type"]
    if kind in ("plain_text_input", "number_input"):
        return {"type": kind, "value": None if value in (None, "") else str(value)}
    if kind == "datepicker":
        return {"type": kind, "selected_date": value or None}
    if kind == "users_select":
        return {"type": kind, "selected_user": value or None}
    if kind in ("checkboxes", "multi_static_select"):
        return {"type": kind, "selected_options": [_offered(element, one) for one in value or []]}
    return {"type": kind, "selected_option": _offered(element, value) if value else None}


def _offered(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    for option in element["options"]:
        if option["value"] == value:
            return dict(option)
    raise ValueError(f"{value!r} is not among the options of {element['action_id']}")


def _initial(element: Mapping[str, Any]) -> dict[str, Any]:
    chosen = element.get("initial_options", [])
    single = element.get("initial_option", {}).get("value")
    plain = element.get("initial_value", element.get("initial_date", element.get("initial_user")))
    many = element["type"] in ("checkboxes", "multi_static_select")
    return state_of(element, [option["value"] for option in chosen] if many else single or plain)


def values_of(blocks: list[dict[str, Any]], entered: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """state.values of blocks: what was entered under the same block and action id and kind, else the initial value."""
    found: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for element in elements_of(block):
            if element["type"] in HOLDS_STATE:
                kept = (entered or {}).get(block["block_id"], {}).get(element["action_id"])
                same = kept is not None and kept["type"] == element["type"]
                found.setdefault(block["block_id"], {})[element["action_id"]] = kept if same else _initial(element)
    return found
