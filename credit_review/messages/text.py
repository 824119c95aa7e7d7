"""Text that others wrote, made fit to be shown in Slack, and the small Block Kit parts everything is built of.

Data only ever stands in plain-text objects or in literal rich-text runs, which Slack shows as they are; the fall-back text, which Slack
does read as markup, is escaped.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_review.errors import BadInput
from credit_review.words import said

Block = Mapping[str, Any]

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARKUP = str.maketrans(dict.fromkeys("*_~`|", " "))
LONGEST_RUN = 2_900
"""Characters of a section's or run's text, below Slack's 3,000."""


@dataclass(frozen=True, slots=True)
class Message:
    """A Slack message: fall-back text (escaped) and Block Kit blocks."""

    text: str
    blocks: tuple[Block, ...]


def cleaned(text: str, longest: int) -> str:
    """`text` without control, invisible and bidirectional characters, on one line, at most `longest` characters."""
    kept = "".join(" " if unicodedata.category(c) in _HIDDEN else c for c in text)
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def escaped(text: str) -> str:
    """`text` for fall-back text: no mention, channel, link or markup of Slack's survives."""
    plain = " ".join(text.translate(_MARKUP).replace("://", ": //").split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_written(text: str) -> str:
    """Text of a message or a slash command as the person wrote it: Slack escapes three characters in what it delivers."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def plain(text: str, longest: int = LONGEST_RUN) -> Block:
    """A plain-text object; never empty, since Slack refuses that."""
    return {"type": "plain_text", "text": cleaned(text, longest) or "-", "emoji": False}


def header(text: str) -> Block:
    """A headline of at most 150 characters."""
    return {"type": "header", "text": plain(text, 150)}


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": plain(text)}


def notes(*texts: str) -> Block:
    """Small print: up to ten lines."""
    return {"type": "context", "elements": [plain(text, 1_000) for text in texts if text][:10] or [plain("-")]}


def lines(rows: Sequence[tuple[str, str]]) -> Block:
    """Labelled lines, the label bold: literal text that Slack never reads as markup."""
    return {"type": "rich_text", "elements": [_labelled(label, text, n < len(rows) - 1) for n, (label, text) in enumerate(rows)]}


def _labelled(label: str, text: str, more: bool) -> Block:
    runs: list[Block] = []
    if label:
        runs.append({"type": "text", "text": f"{cleaned(label, 200)}  ", "style": {"bold": True}})
    shown = cleaned(text, LONGEST_RUN) or ("" if label else "-")
    if shown or more:
        runs.append({"type": "text", "text": shown + ("\n" if more else "")})
    return {"type": "rich_text_section", "elements": runs}


def heading(text: str) -> Block:
    """A bold line inside a modal."""
    run = {"type": "text", "text": cleaned(text, 300) or "-", "style": {"bold": True}}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [run]}]}


def button(action_id: str, text: str, value: str, *, style: str = "") -> Block:
    """A button; `style` primary or danger."""
    shown = {"type": "button", "action_id": action_id, "text": plain(text, 75), "value": value}
    return {**shown, "style": style} if style else shown


def buttons(block_id: str, *parts: Block) -> Block:
    """A row of buttons and menus."""
    return {"type": "actions", "block_id": block_id[:255], "elements": list(parts)}


def select(action_id: str, options: Sequence[tuple[str, str]], *, placeholder: str, chosen: str = "") -> Block:
    """A menu of (value, text)."""
    shown = [{"text": plain(text, 75), "value": value} for value, text in options]
    menu = {"type": "static_select", "action_id": action_id, "placeholder": plain(placeholder, 150), "options": shown}
    initial = [one for one in shown if one["value"] == chosen]
    return {**menu, "initial_option": initial[0]} if initial else menu


def field(block_id: str, label: str, element: Block, *, optional: bool = False, hint: str = "", dispatches: bool = False) -> Block:
    """A labelled input of a form. `dispatches`: a change is sent at once."""
    shown: dict[str, Any] = {"type": "input", "block_id": block_id, "label": plain(label, 2_000), "element": element}
    shown |= {"optional": True} if optional else {}
    shown |= {"hint": plain(hint, 2_000)} if hint else {}
    return shown | ({"dispatch_action": True} if dispatches else {})


def text_input(action_id: str, *, multiline: bool = False, initial: str = "", longest: int = 1_000, shortest: int = 0) -> Block:
    """A text field."""
    shown: dict[str, Any] = {"type": "plain_text_input", "action_id": action_id, "multiline": multiline, "max_length": longest}
    shown |= {"initial_value": initial} if initial else {}
    return shown | ({"min_length": shortest} if shortest else {})


def modal(callback_id: str, title: str, blocks: Sequence[Block], *, close: str, submit: str = "", metadata: str = "") -> Block:
    """A modal of at most 100 blocks."""
    shown: dict[str, Any] = {"type": "modal", "callback_id": callback_id, "title": plain(title, 24), "close": plain(close, 24)}
    shown |= {"blocks": list(blocks)[:100], "private_metadata": metadata}
    return shown | ({"submit": plain(submit, 24)} if submit else {})


def value_of(**fields: Any) -> str:
    """What a button or form carries, as canonical JSON."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def read_value(value: str, *names: str) -> tuple[str, ...]:
    """Fields of a button's or form's value. Raises BadInput when the value is none of ours."""
    try:
        found = json.loads(value)
        return tuple(str(found[name]) for name in names)
    except (ValueError, KeyError, TypeError):
        raise BadInput(said("this button is not one of ours"), next_step=said("open the newest card of the proposal")) from None
