"""How high a message stands on a phone, so that a card can be drawn to fit one screen of it.

Measured on the sandbox's page at 390 px, whose letters are wider than Slack's own: what fits there fits in Slack.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from credit_review.messages.text import Block

SCREEN = 664
"""Pixels of a phone of 390 x 844 that are left for a message below and above Slack's own bars."""
_FRAME = 54
"""Border, sender and time."""
_ROW, _BUTTON, _GAP = 322, 36, 8


def height_of(blocks: Sequence[Block]) -> int:
    """About how many pixels a message of these blocks takes on a phone: of headers, labelled lines, small print, paragraphs and buttons."""
    return _FRAME + round(sum(_height(block) for block in blocks))


def _height(block: Block) -> float:
    if block["type"] == "header":
        return 10 + 22.1 * _lines(block["text"]["text"], 30)
    if block["type"] == "rich_text":
        shown = ["".join(run["text"] for run in part["elements"]).rstrip("\n") for part in block["elements"]]
        return 6 + 21.75 * sum(_lines(text, 38) for text in shown)
    if block["type"] == "context":
        return 2 + sum(4 + 18.85 * _lines(element["text"], 46) for element in block["elements"])
    if block["type"] == "actions":
        rows = _rows([26 + 9 * _cells(element["text"]["text"]) for element in block["elements"]])
        return 10 + rows * _BUTTON + (rows - 1) * _GAP
    return 6 + 21.75 * _lines(block["text"]["text"], 38)


def _lines(text: str, columns: int) -> int:
    """Lines that a text is broken into: between words, and between any two letters of scripts without blanks."""
    lines, used = 1, 0
    for word in text.split(" "):
        wide = _cells(word)
        if used and used + 1 + wide <= columns:
            used += 1 + wide
        elif _is_dense(word):
            total = used + wide
            lines, used = lines + (total - 1) // columns, (total - 1) % columns + 1
        else:
            lines, used = lines + bool(used) + max(wide - 1, 0) // columns, max(wide - 1, 0) % columns + 1
    return lines


def _rows(widths: Sequence[float]) -> int:
    rows, used = 1, 0.0
    for wide in widths:
        if used and used + _GAP + wide > _ROW:
            rows, used = rows + 1, 0.0
        used += wide + (_GAP if used else 0)
    return rows


def _cells(text: str) -> int:
    """The width in letters of the Latin script."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _is_dense(word: str) -> bool:
    return any(unicodedata.east_asian_width(c) in "WF" for c in word)
