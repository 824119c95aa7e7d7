"""The fields of Slack's blocks and elements, as checks. Each yields what is wrong, in Slack's words, with a pointer to the place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Check = Callable[[Any, str], Iterator[str]]


def told(what: str, at: str) -> str:
    """One complaint as Slack words it."""
    return f"{what} [json-pointer:{at}]"


def string(most: int | None = None, *, least: int = 0) -> Check:
    """A string of `least` to `most` characters."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield told("must be a string", at)
        elif len(value) < least:
            yield told(f"must be more than {least - 1} characters", at)
        elif most is not None and len(value) > most:
            yield told(f"must be less than {most + 1} characters", at)

    return check


def boolean(value: Any, at: str) -> Iterator[str]:
    """True or False, nothing that merely looks like it."""
    if not isinstance(value, bool):
        yield told("must be a boolean", at)


def whole(least: int, most: int | None = None) -> Check:
    """A whole number from `least` to `most`."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield told("must be an integer", at)
        elif value < least:
            yield told(f"must be greater than or equal to {least}", at)
        elif most is not None and value > most:
            yield told(f"must be less than or equal to {most}", at)

    return check


def one_of(*values: str) -> Check:
    """One of a few words."""

    def check(value: Any, at: str) -> Iterator[str]:
        if value not in values:
            yield told(f"must be one of: {', '.join(values)}", at)

    return check


def day(value: Any, at: str) -> Iterator[str]:
    """A calendar day as YYYY-MM-DD."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            raise ValueError
        date.fromisoformat(value)
    except (TypeError, ValueError):
        yield told("must be a date in YYYY-MM-DD format", at)


def mapping(value: Any, at: str) -> Iterator[str]:
    """Any object."""
    if not isinstance(value, dict):
        yield told("must be an object", at)


def array(check: Check, *, least: int = 1, most: int) -> Check:
    """A list of `least` to `most` items that each pass `check`."""

    def check_all(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield told("must be an array", at)
            return
        if len(value) < least:
            yield told(f"no fewer than {least} items required", at)
        if len(value) > most:
            yield told(f"no more than {most} items allowed", at)
        for number, item in enumerate(value):
            yield from check(item, f"{at}/{number}")

    return check_all


@dataclass(frozen=True)
class Shape:
    """An object with named fields and no others; `rules` look at several fields at once."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    rules: tuple[Check, ...] = ()

    def __call__(self, value: Any, at: str) -> Iterator[str]:
        """Complaints about an object: missing, unknown and wrong fields, and the rules once every field is right."""
        if not isinstance(value, dict):
            yield told("must be an object", at)
            return
        missing = [name for name in self.required if name not in value]
        yield from (told(f"missing required field: {name}", at) for name in missing)
        found = bool(missing)
        for name, given in value.items():
            check = self.required.get(name) or self.optional.get(name)
            problems = [told(f"invalid additional property: {name}", at)] if check is None else list(check(given, f"{at}/{name}"))
            found = found or bool(problems)
            yield from problems
        if not found:
            for rule in self.rules:
                yield from rule(value, at)


def union(shapes: Mapping[str, Shape]) -> Check:
    """An object whose `type` names its shape."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield told("must be an object", at)
        elif "type" not in value:
            yield told("missing required field: type", at)
        elif not isinstance(value["type"], str) or value["type"] not in shapes:
            yield told(f"unsupported type: {value['type']}", f"{at}/type")
        else:
            yield from shapes[value["type"]](value, at)

    return check


def _typed(required: Mapping[str, Check], optional: Mapping[str, Check], *rules: Check) -> Shape:
    return Shape({"type": string(), **required}, optional, rules)


def text(most: int, *kinds: str) -> Check:
    """A text object of one of the kinds, of 1 to `most` characters. `emoji` belongs to plain_text only, `verbatim` to mrkdwn only."""
    shapes = {
        "plain_text": _typed({"text": string(most, least=1)}, {"emoji": boolean}),
        "mrkdwn": _typed({"text": string(most, least=1)}, {"verbatim": boolean}),
    }
    return union({kind: shapes[kind] for kind in kinds})


PLAIN, MRKDWN = "plain_text", "mrkdwn"
IDENTIFIER = string(255)


def _option(*kinds: str, url: bool = False) -> Shape:
    extra = {"url": string(3000)} if url else {}
    return Shape({"text": text(75, *kinds), "value": string(150)}, {"description": text(75, *kinds), **extra})


def _initial_offered(value: Any, at: str) -> Iterator[str]:
    chosen = value.get("initial_options", [value["initial_option"]] if "initial_option" in value else [])
    if any(option not in value["options"] for option in chosen):
        yield told("initial options must be among the options", at)


def _lengths_in_order(value: Any, at: str) -> Iterator[str]:
    if value.get("min_length", 0) > value.get("max_length", 3000):
        yield told("min_length must not be above max_length", f"{at}/min_length")
    if len(value.get("initial_value", "")) > value.get("max_length", 3000):
        yield told(f"must be less than {value.get('max_length', 3000) + 1} characters", f"{at}/initial_value")


def _numbers(value: Any, at: str) -> Iterator[str]:
    pattern = r"-?\d+(\.\d+)?" if value["is_decimal_allowed"] else r"-?\d+"
    for name in ("initial_value", "min_value", "max_value"):
        if name in value and not re.fullmatch(pattern, value[name]):
            yield told(f"failed to match schema: {name} must be a number{'' if value['is_decimal_allowed'] else ' without decimals'}", at)
            return
    least, most = value.get("min_value"), value.get("max_value")
    if least is not None and most is not None and float(least) > float(most):
        yield told("min_value must not be above max_value", f"{at}/min_value")


def _image_source(value: Any, at: str) -> Iterator[str]:
    if ("image_url" in value) == ("slack_file" in value):
        yield told("missing required field: image_url" if "image_url" not in value else "only one of image_url and slack_file", at)


CONFIRM = Shape(
    {"title": text(100, PLAIN), "text": text(300, PLAIN, MRKDWN), "confirm": text(30, PLAIN), "deny": text(30, PLAIN)},
    {"style": one_of("primary", "danger")},
)
DISPATCH = Shape({}, {"trigger_actions_on": array(one_of("on_enter_pressed", "on_character_entered"), most=2)})
_ACTING: dict[str, Check] = {"action_id": IDENTIFIER, "confirm": CONFIRM}
_ASKING: dict[str, Check] = {"action_id": IDENTIFIER, "focus_on_load": boolean}
_PLACEHOLDER: dict[str, Check] = {"placeholder": text(150, PLAIN)}
_SELECT_OPTION, _TICK_OPTION = _option(PLAIN), _option(PLAIN, MRKDWN)
_IMAGE_FIELDS: dict[str, Check] = {"image_url": string(3000, least=1), "slack_file": mapping}

ELEMENTS: Mapping[str, Shape] = {
    "button": _typed(
        {"text": text(75, PLAIN)},
        {
            **_ACTING,
            "url": string(3000),
            "value": string(2000),
            "style": one_of("primary", "danger"),
            "accessibility_label": string(75),
        },
    ),
    "static_select": _typed(
        {"options": array(_SELECT_OPTION, most=100)},
        {**_ACTING, **_ASKING, **_PLACEHOLDER, "initial_option": _SELECT_OPTION},
        _initial_offered,
    ),
    "multi_static_select": _typed(
        {"options": array(_SELECT_OPTION, most=100)},
        {**_ACTING, **_ASKING, **_PLACEHOLDER, "initial_options": array(_SELECT_OPTION, most=100), "max_selected_items": whole(1)},
        _initial_offered,
    ),
    "users_select": _typed({}, {**_ACTING, **_ASKING, **_PLACEHOLDER, "initial_user": string()}),
    "datepicker": _typed({}, {**_ACTING, **_ASKING, **_PLACEHOLDER, "initial_date": day}),
    "plain_text_input": _typed(
        {},
        {
            **_ASKING,
            **_PLACEHOLDER,
            "initial_value": string(3000),
            "multiline": boolean,
            "min_length": whole(0, 3000),
            "max_length": whole(1, 3000),
            "dispatch_action_config": DISPATCH,
        },
        _lengths_in_order,
    ),
    "number_input": _typed(
        {"is_decimal_allowed": boolean},
        {
            **_ASKING,
            **_PLACEHOLDER,
            "initial_value": string(),
            "min_value": string(),
            "max_value": string(),
            "dispatch_action_config": DISPATCH,
        },
        _numbers,
    ),
    "checkboxes": _typed(
        {"options": array(_TICK_OPTION, most=10)},
        {**_ACTING, **_ASKING, "initial_options": array(_TICK_OPTION, most=10)},
        _initial_offered,
    ),
    "radio_buttons": _typed(
        {"options": array(_TICK_OPTION, most=10)}, {**_ACTING, **_ASKING, "initial_option": _TICK_OPTION}, _initial_offered
    ),
    "overflow": _typed({"options": array(_option(PLAIN, url=True), most=5)}, _ACTING),
    "image": _typed({"alt_text": string(2000, least=1)}, _IMAGE_FIELDS, _image_source),
}
_PICKING = ("static_select", "multi_static_select", "users_select", "datepicker", "checkboxes", "radio_buttons")
IN_ACTIONS = ("button", "overflow", *_PICKING)
IN_SECTION = (*IN_ACTIONS, "image")
IN_INPUT = ("plain_text_input", "number_input", *_PICKING)
HOLDS_STATE = frozenset(IN_INPUT)


def _some(names: tuple[str, ...]) -> Check:
    return union({name: ELEMENTS[name] for name in names})


def _text_or_fields(value: Any, at: str) -> Iterator[str]:
    if "text" not in value and "fields" not in value:
        yield told("must define either `text` or `fields`", f"{at}/type")


def _block(required: Mapping[str, Check], optional: Mapping[str, Check], *rules: Check) -> Shape:
    return _typed(required, {"block_id": IDENTIFIER, **optional}, *rules)


_RICH = union({f"rich_text_{kind}": _typed({"elements": array(mapping, least=0, most=1000)}, {"style": string(), "indent": whole(0, 8),
    "offset": whole(0), "border": whole(0, 1)}) for kind in ("section", "list", "preformatted", "quote")})  # fmt: skip
_RICH_TEXT = _block({"elements": array(_RICH, least=0, most=1000)}, {})
_CELL = union({
    "raw_text": _typed({"text": string(least=1)}, {}),
    "rich_text": _typed({"elements": array(_RICH, most=100)}, {}),
})  # fmt: skip
_COLUMN = Shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": boolean})

BLOCKS: Mapping[str, Shape] = {
    "header": _block({"text": text(150, PLAIN)}, {}),
    "section": _block(
        {},
        {
            "text": text(3000, PLAIN, MRKDWN),
            "fields": array(text(2000, PLAIN, MRKDWN), most=10),
            "accessory": _some(IN_SECTION),
            "expand": boolean,
        },
        _text_or_fields,
    ),
    "context": _block(
        {
            "elements": array(
                union(
                    {
                        "image": ELEMENTS["image"],
                        **{
                            kind: _typed({"text": string(3000, least=1)}, {flag: boolean})
                            for kind, flag in ((PLAIN, "emoji"), (MRKDWN, "verbatim"))
                        },
                    }
                ),
                most=10,
            )
        },
        {},
    ),
    "actions": _block({"elements": array(_some(IN_ACTIONS), most=25)}, {}),
    "divider": _block({}, {}),
    "image": _block({"alt_text": string(2000, least=1)}, {**_IMAGE_FIELDS, "title": text(2000, PLAIN)}, _image_source),
    "input": _block(
        {"label": text(2000, PLAIN), "element": _some(IN_INPUT)},
        {"hint": text(2000, PLAIN), "optional": boolean, "dispatch_action": boolean},
    ),
    "rich_text": _RICH_TEXT,
    "table": _block({"rows": array(array(_CELL, most=20), most=100)}, {"column_settings": array(_COLUMN, most=20)}),
}
