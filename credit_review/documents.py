"""Strict YAML for governed documents: what a reviewer reads in the file is exactly what the program gets.

PyYAML alone takes the last of two equal keys, expands a 271-byte alias bomb, turns `NO` into false and `0012` into 10. Here a document
is one plain tree of mappings, lists and scalars; keys are text as written; anything cleverer is refused with its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.events import AliasEvent, NodeEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from credit_review.errors import BadInput
from credit_review.words import Said, listed, marked, said

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
_SHOWN_ERRORS = 10

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_INK = re.compile(r"\S")
_NULL = re.compile(r"(?:~|null|)\Z")
_BOOL = re.compile(r"(?:true|false)\Z")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})\Z")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its text, its plain data, the 1-based line of each path, and the SHA-256 (hex) of the UTF-8 text.

    `starts` is where in the text each text value begins, counted in characters from 0.

    Equal texts share their data, so nobody changes it.
    """

    name: str
    text: str = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    lines: Mapping[Path, int] = field(repr=False)
    digest: str
    starts: Mapping[Path, int] = field(repr=False)


class _Composer(yaml.SafeLoader):
    """Composes nodes and refuses what hides content: aliases, anchors, explicit tags, nesting past MAX_DEPTH."""

    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """The next node. Raises _Trap at what hides content, with what was expected."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            raise _Trap(event, "an alias", "the value written out; aliases can hide and multiply content")
        if isinstance(event, NodeEvent) and event.anchor is not None:
            raise _Trap(event, said("an anchor"), said("the value written out where it is needed"))
        if getattr(event, "tag", None) is not None:
            raise _Trap(event, said("the tag {tag}", tag=event.tag), said("plain values without tags"))
        if self.depth >= MAX_DEPTH:
            raise _Trap(event, said("nesting deeper than {depth}", depth=MAX_DEPTH), said("at most {depth} levels", depth=MAX_DEPTH))
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Trap(Exception):  # carries a line to the one place that words the message
    def __init__(self, event: Any, got: str, expected: str) -> None:
        super().__init__(got)
        self.line = event.start_mark.line + 1
        self.got = got
        self.expected = expected


def parse(text: str, *, name: str) -> Document:
    """The document in `text`, as plain dicts, lists, str, int, float, bool, None and dates; `name` stands in every message.

    Keys are always text as written. Numbers with leading zeros, `yes`, `no`, `on`, `off` and times stay text.
    Raises BadInput with the line for duplicate keys, aliases, anchors, tags, several documents, a root that is no mapping,
    depth over MAX_DEPTH, over MAX_BYTES, or text that is not YAML.
    """
    return _parsed(text, name)


@lru_cache(maxsize=16)
def _parsed(text: str, name: str) -> Document:
    """One review, request or decision reads the same few texts several times, each for 5 to 20 ms."""
    raw = _encoded(text, name)
    lines: dict[Path, int] = {(): 1}
    root = _compose(text, name)
    if not isinstance(root, MappingNode):
        raise BadInput(said("{name}: the document is not a mapping", name=name), expected=said("`key: value` lines at the top level"))
    starts: dict[Path, int] = {}
    data = _value(root, (), lines, starts, name)
    return Document(name, text, data, lines, sha256(raw).hexdigest(), starts)


def check(document: Document, model: type[M]) -> M:
    """The document as an instance of `model`. Raises BadInput naming file, line and field of each error, what was expected and got."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
    shown: list[str] = [_describe(document, model, one) for one in found[:_SHOWN_ERRORS]]
    if len(found) > _SHOWN_ERRORS:
        shown.append(said("... and {more} more", more=len(found) - _SHOWN_ERRORS))
    raise BadInput(listed(shown, by=ONE_A_LINE), next_step=said("correct {name} and run the command again", name=document.name))


ONE_A_LINE = marked("{first}\n{rest}")
"""How several faults of a document are listed."""


def field_path(path: Path) -> str:
    """A path as people write it: `grades[1].below`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out or "(top level)"


def where(document: Document, path: Path, *, at: int | None = None) -> str:
    """`policy.yaml line 12, grades[1].below`, with the line of the nearest part that exists.

    With `at`, a character of the text there counted from 0, line and column are those of that character.
    """
    if at is not None and path in document.starts:
        line, column = _position(document, path, at)
        return said("{name} line {line} column {column}, {field}", name=document.name, line=line, column=column, field=field_path(path))
    return said("{name} line {line}, {field}", name=document.name, line=line_of(document, path), field=field_path(path))


def line_of(document: Document, path: Path) -> int:
    """The line, from 1, of the nearest part of a path that exists."""
    known = path
    while known not in document.lines:
        known = known[:-1]
    return document.lines[known]


def _position(document: Document, path: Path, at: int) -> tuple[int, int]:
    """Line and column, from 1, of a character of a text value: folding moves and drops white space only, so all else is counted."""
    text, index = document.text, document.starts[path]
    if text[index] in "|>":
        index = text.index("\n", index)
    elif text[index] in "\"'":
        index += 1
    value: Any = document.data
    for part in path:
        value = value[part]
    for _ in range(len("".join(value[:at].split()))):
        index = _inked(text, index) + 1
    found = _inked(text, index) if value[at:].strip() else index
    return text.count("\n", 0, found) + 1, found - text.rfind("\n", 0, found)


def _inked(text: str, index: int) -> int:
    """The first place from `index` on that is not white space."""
    found = _INK.search(text, index)
    return found.start() if found else len(text)


def _encoded(text: str, name: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise BadInput(said("{name}: the text cannot be written as UTF-8", name=name), expected=said("a UTF-8 file")) from None
    if len(raw) > MAX_BYTES:
        raise BadInput(
            said("{name}: {raw} bytes", name=name, raw=len(raw)), expected=said("at most {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    return raw


def _compose(text: str, name: str) -> Node | None:
    try:
        loader = _Composer(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except _Trap as trap:
        raise BadInput(said("{name} line {line}: {got}", name=name, line=trap.line, got=trap.got), expected=trap.expected) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInput(
            said("{name} line {line}: {problem}", name=name, line=mark.line + 1 if mark else 1, problem=error.problem or error.context),
            expected=said("one YAML document of mappings, lists and plain values"),
        ) from None
    except yaml.YAMLError as error:
        raise BadInput(
            said("{name}: {problem}", name=name, problem=" ".join(str(error).split())), expected=said("a YAML document in UTF-8")
        ) from None


def _value(node: Node, path: Path, lines: dict[Path, int], starts: dict[Path, int], name: str) -> Any:
    if isinstance(node, MappingNode):
        return _mapping(node, path, lines, starts, name)
    if isinstance(node, SequenceNode):
        out = []
        for i, child in enumerate(node.value):
            lines[(*path, i)] = child.start_mark.line + 1
            out.append(_value(child, (*path, i), lines, starts, name))
        return out
    value = _scalar(node, path, name)
    if isinstance(value, str):
        starts[path] = node.start_mark.index
    return value


def _mapping(node: MappingNode, path: Path, lines: dict[Path, int], starts: dict[Path, int], name: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _key(key_node, line, name)
        if key in out:
            raise BadInput(
                said(
                    "{name} line {line}: the key {key} stands twice, first on line {first}",
                    name=name,
                    line=line,
                    key=repr(key),
                    first=lines[*path, key],
                ),
                expected=said("each key once"),
                next_step=said("remove one of the two; nobody can tell which one was meant"),
            )
        lines[(*path, key)] = line
        out[key] = _value(value_node, (*path, key), lines, starts, name)
    return out


def _key(node: Node, line: int, name: str) -> str:
    if not isinstance(node, ScalarNode) or (node.style is None and not node.value):
        raise BadInput(
            said("{name} line {line}: a key that is not plain text", name=name, line=line), expected=said("keys such as `currency:`")
        )
    if node.value == "<<" and node.style is None:
        raise BadInput(said("{name} line {line}: a merge key `<<`", name=name, line=line), expected=said("the values written out"))
    return str(node.value)


def _scalar(node: Node, path: Path, name: str) -> Any:
    text = str(node.value)
    if not isinstance(node, ScalarNode) or node.style is not None:
        return text
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text == "true"
    if _INT.match(text):
        return int(text)
    try:
        if _FLOAT.match(text) and math.isfinite(number := float(text)):
            return number
        return date.fromisoformat(text) if _DATE.match(text) else text
    except ValueError:
        line = node.start_mark.line + 1
        raise BadInput(
            said("{name} line {line}, {field_path}: no such day {text}", name=name, line=line, field_path=field_path(path), text=text),
            expected=said("a date such as 2026-03-31"),
        ) from None


def _describe(document: Document, model: type[BaseModel], error: ErrorDetails) -> str:
    path = _document_path(document, tuple(error["loc"]))
    place = where(document, path)
    if error["type"] == "missing":
        return said("{where}: missing; expected this field to be set", where=place)
    if error["type"] == "extra_forbidden":
        close = get_close_matches(str(path[-1]), _fields(model, path[:-1]), n=1)
        if close:
            return said("{where}: unknown field; did you mean {nearest}?", where=place, nearest=close[0])
        return said("{where}: unknown field; expected only the documented fields (check the spelling)", where=place)
    got = repr(error["input"])
    return said("{where}: {message}; got {got}", where=place, message=_expected(error), got=got if len(got) <= 80 else got[:77] + "...")


def _fields(kind: Any, path: Path) -> list[str]:
    """Names of the fields that a model has at a path, whatever lists, tables and alternatives lead there."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not path:
            return [info.alias or name for name, info in kind.model_fields.items()]
        info = kind.model_fields.get(str(path[0]))
        return _fields(info.annotation, path[1:]) if info else []
    inner = get_args(kind)
    if get_origin(kind) in (dict, list, tuple, Mapping):
        return _fields(inner[-1] if get_origin(kind) in (dict, Mapping) else inner[0], path[1:]) if path and inner else []
    return [name for one in inner for name in _fields(one, path)]


_EXPECTED = {
    "bool_parsing": marked("expected true or false"),
    "bool_type": marked("expected true or false"),
    "date_from_datetime_parsing": marked("expected a date such as 2026-03-31"),
    "date_parsing": marked("expected a date such as 2026-03-31"),
    "date_type": marked("expected a date such as 2026-03-31"),
    "decimal_max_places": marked("expected no more than {decimal_places} decimals"),
    "decimal_parsing": marked("expected a valid number"),
    "decimal_type": marked("expected a valid number"),
    "dict_type": marked("expected `key: value` lines"),
    "enum": marked("expected one of {expected}"),
    "finite_number": marked("expected a finite number"),
    "float_parsing": marked("expected a valid number"),
    "float_type": marked("expected a valid number"),
    "greater_than": marked("expected more than {gt}"),
    "greater_than_equal": marked("expected {ge} or more"),
    "int_from_float": marked("expected a valid integer, without decimals"),
    "int_parsing": marked("expected a valid integer"),
    "int_type": marked("expected a valid integer"),
    "less_than": marked("expected less than {lt}"),
    "less_than_equal": marked("expected {le} or less"),
    "list_type": marked("expected a list"),
    "literal_error": marked("expected one of {expected}"),
    "model_attributes_type": marked("expected `key: value` lines"),
    "model_type": marked("expected `key: value` lines"),
    "string_pattern_mismatch": marked("expected text of the pattern {pattern}"),
    "string_too_long": marked("expected text of {max_length} or fewer characters"),
    "string_too_short": marked("expected text of {min_length} or more characters"),
    "string_type": marked("expected text"),
    "too_long": marked("expected {max_length} or fewer entries"),
    "too_short": marked("expected {min_length} or more entries"),
    "tuple_type": marked("expected a list"),
    "union_tag_invalid": marked("expected one of {expected_tags}"),
}
"""What pydantic's types of errors mean for who wrote the document; `{}` are names of its contexts."""


def _expected(error: ErrorDetails) -> str:
    """What was expected: a validator's own sentence, or ours for the type of the error; pydantic's words for the types nobody met."""
    context = error.get("ctx", {})
    own = context.get("error")
    if isinstance(own, Exception) and own.args:
        return own.args[0] if isinstance(own.args[0], Said) else str(own.args[0])
    sentence = _EXPECTED.get(error["type"])
    if error["type"] == "literal_error" and " or " not in context["expected"]:
        sentence = marked("expected {expected}")
    if sentence is None:
        return error["msg"].replace("Input should be", "expected", 1)
    # pydantic writes the values of a choice as English does: 'a', 'b' or 'c'
    return said(sentence, **{name: str(value).replace("' or '", "', '") for name, value in context.items()})


def _document_path(document: Document, loc: Path) -> Path:
    """pydantic's location without the parts it adds itself (union members, `[key]`), which the document does not have."""
    path: Path = ()
    for i, part in enumerate(loc):
        step = (*path, str(part) if (*path, part) not in document.lines and (*path, str(part)) in document.lines else part)
        if step in document.lines or i == len(loc) - 1:
            path = step
    return path if loc[-1:] != ("[key]",) else path[:-1]
