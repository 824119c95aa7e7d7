"""What Slack refuses about blocks and views: every limit at the limit and one beyond, and every rule once."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.slack_sandbox.block_kit import filled, problems_of_blocks, problems_of_view, values_of
from tests.sandbox.sandbox_office import button, card, form, plain


def _mrkdwn(text):
    return {"type": "mrkdwn", "text": text}


def _option(number=0, *, text="t", value=None, **more):
    return {"text": plain(text), "value": value if value is not None else str(number), **more}


def _section(**fields):
    return {"type": "section", **fields}


def _input(element, **more):
    return {"type": "input", "label": plain("L"), "element": {"action_id": "a", **element}, **more}


def _text_input(**more):
    return _input({"type": "plain_text_input", **more})


def _select(kind="static_select", **fields):
    return [_section(text=plain("x"), accessory={"type": kind, "action_id": "a", **fields})]


def _confirm(**more):
    asked = {"title": plain("t"), "text": plain("x"), "confirm": plain("y"), "deny": plain("n"), **more}
    return card(button(confirm=asked))


def _image(**more):
    return {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a", **more}


def _table(rows, columns):
    return [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * columns] * rows}]


MESSAGE_LIMITS = {
    "blocks": (50, lambda n: [{"type": "divider"}] * n),
    "section text": (3000, lambda n: [_section(text=plain("x" * n))]),
    "mrkdwn text": (3000, lambda n: [_section(text=_mrkdwn("x" * n))]),
    "fields": (10, lambda n: [_section(fields=[plain("x")] * n)]),
    "field text": (2000, lambda n: [_section(fields=[plain("x" * n)])]),
    "header": (150, lambda n: [{"type": "header", "text": plain("x" * n)}]),
    "block id": (255, lambda n: [{"type": "divider", "block_id": "x" * n}]),
    "actions": (25, lambda n: card(*(button(f"a{i}") for i in range(n)))),
    "action id": (255, lambda n: card(button("x" * n))),
    "button text": (75, lambda n: card(button(text=plain("x" * n)))),
    "button value": (2000, lambda n: card(button(value="x" * n))),
    "button url": (3000, lambda n: card(button(url="x" * n))),
    "accessibility label": (75, lambda n: card(button(accessibility_label="x" * n))),
    "context": (10, lambda n: [{"type": "context", "elements": [plain("x")] * n}]),
    "context text": (3000, lambda n: [{"type": "context", "elements": [_mrkdwn("x" * n)]}]),
    "alt text": (2000, lambda n: [_image(alt_text="x" * n)]),
    "image title": (2000, lambda n: [_image(title=plain("x" * n))]),
    "image url": (3000, lambda n: [_image(image_url="x" * n)]),
    "options": (100, lambda n: _select(options=[_option(i) for i in range(n)])),
    "options of a multiple choice": (100, lambda n: _select("multi_static_select", options=[_option(i) for i in range(n)])),
    "option text": (75, lambda n: _select(options=[_option(text="x" * n)])),
    "option value": (150, lambda n: _select(options=[_option(value="x" * n)])),
    "option description": (75, lambda n: _select(options=[_option(description=plain("x" * n))])),
    "placeholder": (150, lambda n: _select(options=[_option()], placeholder=plain("x" * n))),
    "checkboxes": (10, lambda n: _select("checkboxes", options=[_option(i) for i in range(n)])),
    "radio buttons": (10, lambda n: _select("radio_buttons", options=[_option(i) for i in range(n)])),
    "overflow": (5, lambda n: _select("overflow", options=[_option(i) for i in range(n)])),
    "confirm title": (100, lambda n: _confirm(title=plain("x" * n))),
    "confirm text": (300, lambda n: _confirm(text=_mrkdwn("x" * n))),
    "confirm button": (30, lambda n: _confirm(confirm=plain("x" * n))),
    "deny button": (30, lambda n: _confirm(deny=plain("x" * n))),
    "table rows": (100, lambda n: _table(n, 1)),
    "table columns": (20, lambda n: _table(1, n)),
}
MODAL_LIMITS = {
    "blocks": (100, lambda n: form(*[{"type": "divider"}] * n)),
    "title": (24, lambda n: form(title=plain("x" * n))),
    "submit": (24, lambda n: form(submit=plain("x" * n))),
    "close": (24, lambda n: form(close=plain("x" * n))),
    "private metadata": (3000, lambda n: form(private_metadata="x" * n)),
    "callback id": (255, lambda n: form(callback_id="x" * n)),
    "external id": (255, lambda n: form(external_id="x" * n)),
    "label": (2000, lambda n: form({**_text_input(), "label": plain("x" * n)})),
    "hint": (2000, lambda n: form({**_text_input(), "hint": plain("x" * n)})),
    "placeholder": (150, lambda n: form(_text_input(placeholder=plain("x" * n)))),
    "longest input": (3000, lambda n: form(_text_input(max_length=n))),
    "shortest input": (3000, lambda n: form(_text_input(min_length=n))),
    "initial value": (3000, lambda n: form(_text_input(initial_value="x" * n))),
}


@pytest.mark.parametrize("name", MESSAGE_LIMITS)
def test_a_message_is_taken_at_each_limit_and_refused_one_beyond(name):
    limit, make = MESSAGE_LIMITS[name]
    assert problems_of_blocks(make(limit)) == []
    told = problems_of_blocks(make(limit + 1))
    assert told and (f"less than {limit + 1} characters" in told[0] or f"no more than {limit} items" in told[0]), told


@pytest.mark.parametrize("name", MODAL_LIMITS)
def test_a_modal_is_taken_at_each_limit_and_refused_one_beyond(name):
    limit, make = MODAL_LIMITS[name]
    assert problems_of_view(make(limit), kinds=("modal",)) == []
    assert problems_of_view(make(limit + 1), kinds=("modal",))


def test_a_home_tab_holds_a_hundred_blocks():
    home = {"type": "home", "blocks": [{"type": "divider"}] * 100}
    assert problems_of_view(home, kinds=("home",)) == []
    assert problems_of_view({**home, "blocks": [{"type": "divider"}] * 101}, kinds=("home",))


REFUSED = {
    "no list": ({}, "must be an array"),
    "no object": (["x"], "must be an object"),
    "no type": ([{}], "missing required field: type"),
    "an unknown block": ([{"type": "bogus"}], "unsupported type: bogus [json-pointer:/blocks/0/type]"),
    "a type that is no string": ([{"type": ["section"]}], "unsupported type"),
    "an unknown field": ([{"type": "divider", "colour": "red"}], "invalid additional property: colour"),
    "a section of nothing": ([_section()], "must define either `text` or `fields`"),
    "an empty section": ([_section(text=plain(""))], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "no fields": ([_section(fields=[])], "no fewer than 1 items"),
    "text that is no string": ([_section(text=plain(3))], "must be a string"),
    "text that is no object": ([_section(text="x")], "must be an object"),
    "mrkdwn in a header": ([{"type": "header", "text": _mrkdwn("x")}], "unsupported type: mrkdwn"),
    "mrkdwn on a button": (card(button(text=_mrkdwn("x"))), "unsupported type: mrkdwn"),
    "verbatim of plain text": ([_section(text={**plain("x"), "verbatim": True})], "invalid additional property: verbatim"),
    "emoji of mrkdwn": ([_section(text={**_mrkdwn("x"), "emoji": True})], "invalid additional property: emoji"),
    "emoji that is no boolean": ([_section(text={**plain("x"), "emoji": "yes"})], "must be a boolean"),
    "a strange style": (card(button(style="default")), "must be one of: primary, danger"),
    "no actions": ([{"type": "actions", "elements": []}], "no fewer than 1 items"),
    "text as an action": (card(plain("x")), "unsupported type: plain_text"),
    "an image as an action": (card(_image()), "unsupported type: image"),
    "a text input as an action": (card({"type": "plain_text_input", "action_id": "a"}), "unsupported type: plain_text_input"),
    "a button in an input": ([_input(button())], "unsupported type: button"),
    "a number input in a message": ([_input({"type": "number_input", "is_decimal_allowed": True})], "unsupported type: number_input"),
    "a repeated action id": (card(button("a"), button("a")), "already exists for block"),
    "a repeated block id": ([{"type": "divider", "block_id": "b"}] * 2, '`block_id` "b" already exists'),
    "an image without alt text": ([{"type": "image", "image_url": "u"}], "missing required field: alt_text"),
    "an image without a source": ([{"type": "image", "alt_text": "u"}], "missing required field: image_url"),
    "an image with two sources": ([_image(slack_file={"id": "F"})], "only one of"),
    "a select without options": (_select(options=[]), "no fewer than 1 items"),
    "an overflow without options": (_select("overflow", options=[]), "no fewer than 1 items"),
    "an initial option that is not offered": (_select(options=[_option(1)], initial_option=_option(2)), "among the options"),
    "a day that is none": (_select("datepicker", initial_date="2026-02-30"), "YYYY-MM-DD"),
    "a day written otherwise": (_select("datepicker", initial_date="20260228"), "YYYY-MM-DD"),
    "a confirmation without text": (card(button(confirm={"title": plain("t")})), "missing required field: text"),
    "an empty table": ([{"type": "table", "rows": []}], "no fewer than 1 items"),
    "a cell of no known kind": ([{"type": "table", "rows": [[{"type": "html", "text": "x"}]]}], "unsupported type: html"),
    "a rich text of no known kind": ([{"type": "rich_text", "elements": [{"type": "rich", "elements": []}]}], "unsupported type: rich"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_is_refused_for_each_rule(name):
    blocks, why = REFUSED[name]
    told = problems_of_blocks(blocks)
    assert any(why in problem for problem in told), told


_NUMBER = {"type": "number_input", "is_decimal_allowed": False}
REFUSED_VIEWS = {
    "no title": ({"type": "modal", "blocks": []}, "missing required field: title"),
    "input without submit": ({k: v for k, v in form().items() if k != "submit"}, "must define `submit` to use an `input` block in modals"),
    "a home tab": ({"type": "home", "blocks": []}, "must be one of: modal"),
    "a table": (form(*_table(1, 1)), "unsupported type: table"),
    "decimals where whole numbers are asked": (form(_input({**_NUMBER, "initial_value": "1.5"})), "without decimals"),
    "a number without is_decimal_allowed": (form(_input({"type": "number_input"})), "missing required field: is_decimal_allowed"),
    "bounds the wrong way round": (form(_input({**_NUMBER, "min_value": "5", "max_value": "4"})), "min_value"),
    "lengths the wrong way round": (form(_text_input(min_length=5, max_length=4)), "min_length"),
    "an unknown trigger": (form(_text_input(dispatch_action_config={"trigger_actions_on": ["on_blur"]})), "must be one of"),
}


@pytest.mark.parametrize("name", REFUSED_VIEWS)
def test_a_modal_is_refused_for_each_rule(name):
    view, why = REFUSED_VIEWS[name]
    told = problems_of_view(view, kinds=("modal",))
    assert any(why in problem for problem in told), told


def test_every_supported_block_and_element_is_taken():
    ticks = [_option(1, description=plain("d")), {"text": _mrkdwn("*x*"), "value": "2"}]
    picks = [{"type": "checkboxes", "options": ticks}, {"type": "radio_buttons", "options": ticks, "initial_option": ticks[0]}]
    picks += [{"type": "users_select", "initial_user": "U1"}, {"type": "datepicker", "initial_date": "2028-02-29"}]
    picks += [{"type": "static_select", "options": [_option(1)], "initial_option": _option(1)}]
    picks += [{"type": "multi_static_select", "options": [_option(1)], "initial_options": [_option(1)], "max_selected_items": 1}]
    asking = [_input({**one, "action_id": f"a{n}"}, block_id=f"b{n}") for n, one in enumerate(picks)]
    acting = [{"type": "actions", "elements": [*({**one, "action_id": f"c{n}"} for n, one in enumerate(picks)), button(style="danger")]}]
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}
    shown = [{"type": "context", "elements": [_image(), _mrkdwn("x")]}, _section(text=_mrkdwn("x"), accessory=_image()), rich]
    assert problems_of_blocks([*asking, *acting, *shown, *_table(2, 2)]) == []
    assert problems_of_view(form(*asking, *acting, *shown, _input({**_NUMBER, "initial_value": "-3"})), kinds=("modal",)) == []
    assert problems_of_view({"type": "home", "blocks": [*asking, *acting, *shown], "private_metadata": "x"}, kinds=("home",)) == []


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)
                     | st.dictionaries(st.sampled_from(["type", "text", "elements", "options", "value"]), inner, max_size=3))  # fmt: skip


def _places(value, path=()):
    """The path to everything inside a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield from _places(item, (*path, name))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_place_of_a_part_is_refused_or_can_be_shown(data):
    ticks = {"type": "checkboxes", "action_id": "c", "options": [_option(1)], "initial_options": [_option(1)]}
    view = form(_input({**_NUMBER, "initial_value": "3", "min_value": "1"}), _text_input(min_length=1), *card(ticks, button()), _image())
    path = data.draw(st.sampled_from([path for path in _places(view) if path]))
    spoiled = copy.deepcopy(view)
    at = spoiled
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = data.draw(_JSON)
    if not problems_of_view(spoiled, kinds=("modal",)):
        assert values_of(filled(spoiled["blocks"], lambda prefix: prefix)) is not None
