"""The log's format: canonical bytes, hashes, tree, and what verification accepts and refuses."""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review import audit
from credit_review.audit import Action, Frontier, NotCanonical, TamperedEntry, checking
from credit_review.audit.checking import ACTION_FORM
from credit_review.errors import BadInput
from credit_review.ports import Entry

SALT = bytes(range(32)).hex()
NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)

GOLDEN = [
    (
        '{"action":"run.started","actor":"system:periodic_review","data":{"as_of":"2026-09-30","manifest":'
        '"abababababababababababababababababababababababababababababababab"},"entity":"review:2026Q3","prev":'
        '"0000000000000000000000000000000000000000000000000000000000000000","seq":0,"ts":"2026-10-01T06:00:00.000000Z","v":1}',
        "c70be8b3947b0c20932f95f2f8582d9f9a8c46b2947e566ae0a3c80eb2bce1eb",
        "c70be8b3947b0c20932f95f2f8582d9f9a8c46b2947e566ae0a3c80eb2bce1eb",
    ),
    (
        '{"action":"proposal.created","actor":"system:periodic_review","data":{"account":"acc-1","currency":"EUR","from_minor":10000000,'
        '"to_minor":12000000},"entity":"proposal:1","pay":"0ecd7b571c2070b84c4985cfa5676106f1a4ab783ba30800cee1d181f6d417c7","prev":'
        '"c70be8b3947b0c20932f95f2f8582d9f9a8c46b2947e566ae0a3c80eb2bce1eb","seq":1,"ts":"2026-10-01T06:00:01.000000Z","v":1}',
        "eaa369bd6d5591461ce265d829fc113c12d8c35c33eae18e26d7d3ed914f07cb",
        "87458fa2bd31cdfff914d7eb13cbfc82e8a2a7b282a07f9c986f64a741f609df",
    ),
    (
        '{"action":"decision.approve","actor":"person:p-7","data":{"digest":'
        '"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","on_behalf_of":null},"entity":"proposal:1","prev":'
        '"eaa369bd6d5591461ce265d829fc113c12d8c35c33eae18e26d7d3ed914f07cb","seq":2,"ts":"2026-10-01T06:00:02.000000Z","v":1}',
        "7875bf766672dcee99dbe0fd99155a99f95ce62b42e63eb5bafa941a31638150",
        "2cca00ad21731acd56bc0c2c85b62c5809a8aa6906ab8f6e5fccfd1a81015d3e",
    ),
]
ENTRIES = [
    Entry(
        action="run.started", actor="system:periodic_review", entity="review:2026Q3", data={"as_of": "2026-09-30", "manifest": "ab" * 32}
    ),
    Entry(
        action="proposal.created",
        actor="system:periodic_review",
        entity="proposal:1",
        data={"account": "acc-1", "currency": "EUR", "from_minor": 10000000, "to_minor": 12000000},
        payload={"name": "Müller & Söhne GmbH", "note": "信用额度"},
    ),
    Entry(action="decision.approve", actor="person:p-7", entity="proposal:1", data={"digest": "cd" * 32, "on_behalf_of": None}),
]


def log_of(entries, *, head=None, step=timedelta(seconds=1), now=NOW):
    """Rows, payloads and head of entries appended one by one, a second apart."""
    head = head or audit.genesis()
    rows, payloads = [], []
    for number, entry in enumerate(entries):
        built = audit.build(head, [entry], now=now + number * step, salt=lambda: SALT)
        rows += built.rows
        payloads += built.payloads
        head = built.head
    return rows, payloads, head


# --- golden values ------------------------------------------------------------------------------------------------------------------


def test_golden_entries_have_the_published_bytes_leaves_and_roots():
    head = audit.genesis()
    for number, (entry, (body, leaf, root)) in enumerate(zip(ENTRIES, GOLDEN, strict=True)):
        built = audit.build(head, [entry], now=NOW + timedelta(seconds=number), salt=lambda: SALT)
        assert built.rows[0].body == body
        assert built.rows[0].leaf == leaf
        head = built.head
        assert Frontier.from_json(head.size, head.frontier).root() == root
    assert audit.verify_rows(*log_of(ENTRIES)).root == GOLDEN[-1][2]


def test_the_empty_log_has_the_hash_of_nothing_as_root():
    assert Frontier().root() == hashlib.sha256(b"").hexdigest()
    assert audit.verify_rows([], [], audit.genesis()).size == 0


def test_one_append_of_many_equals_many_appends_of_one():
    together = audit.build(audit.genesis(), ENTRIES, now=NOW, salt=lambda: SALT)
    assert (list(together.rows), list(together.payloads), together.head) == log_of(ENTRIES, step=timedelta())


# --- canonical bytes ----------------------------------------------------------------------------------------------------------------

INTEGERS = st.integers(-audit.MAX_INT, audit.MAX_INT)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_text_reads_back_to_the_same_value_and_bytes(value):
    text = audit.canonical(value)
    assert audit.parse_canonical(text) == json.loads(text) == value
    assert audit.canonical(json.loads(text)) == text


@given(VALUES, VALUES)
def test_different_values_have_different_texts(one, other):
    def typed(value):
        if isinstance(value, list):
            return [typed(inner) for inner in value]
        return {key: typed(inner) for key, inner in value.items()} if isinstance(value, dict) else (type(value), value)

    assert (audit.canonical(one) == audit.canonical(other)) == (typed(one) == typed(other))


def jcs(value):
    """RFC 8785 written from its text, for the types of the profile."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
        return '"' + "".join(short.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 0x20 else c) for c in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(jcs(inner) for inner in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{jcs(key)}:{jcs(value[key])}" for key in keys) + "}"


@given(VALUES)
def test_canonical_text_is_rfc_8785_on_the_profile(value):
    assert audit.canonical(value) == jcs(value)


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("value", [
    1.0, 0.5, math.nan, math.inf, Decimal("1"), b"x", {1: 2}, {"ü": 1}, {None: 1}, {1, 2}, NOW, object(), 2**53, -(2**53), 10**400,
    "\ud800", {"a": ["\udfff"]}, {"\ud800": 1}, nested(33), {"a": {"b": [1.5]}},
], ids=lambda value: f"{value!r:.20}")  # fmt: skip
def test_a_value_outside_the_profile_is_refused_at_writing(value):
    with pytest.raises(NotCanonical):
        audit.canonical(value)


def test_the_edges_of_the_profile_are_accepted():
    assert audit.canonical([2**53 - 1, -(2**53 - 1), True, (1, 2)]) == "[9007199254740991,-9007199254740991,true,[1,2]]"
    assert audit.canonical({"b": "\x7f\u2028é😀", "a": "\x00\n", "B": {}}) == '{"B":{},"a":"\\u0000\\n","b":"\x7f\u2028é😀"}'
    assert audit.canonical(nested(32)) == "[" * 32 + "]" * 32


class Four(IntEnum):
    FOUR = 4


class Sentence(str):
    __slots__ = ("meant",)


class Pair(NamedTuple):
    one: object
    other: object


def test_values_of_derived_types_have_the_text_of_what_they_derive_from():
    value = {Action.RUN_STARTED: [Action.RUN_FAILED, Four.FOUR, Pair("a", 1)], "k": OrderedDict(b=1, a=Sentence("é"))}
    assert audit.canonical(value) == '{"k":{"a":"é","b":1},"run.started":["run.failed",4,["a",1]]}'
    assert audit.canonical({"a": Sentence("é"), "b": (1, (Sentence("x"),))}) == '{"a":"é","b":[1,["x"]]}'
    with pytest.raises(NotCanonical):
        audit.canonical({"a": Pair("a", 1.0)})
    with pytest.raises(NotCanonical):
        audit.canonical({"a": {Sentence("é"): 1}})


@pytest.mark.parametrize("text", [
    '{"a":1,"a":1}', '{"a":1, "b":2}', '{"b":1,"a":2}', '{"a":1.0}', '{"a":1e2}', '{"a":-0}', '{"a":01}', '{"a":"\\u0041"}', '{"a":"\\/"}',
    '{"a":"\\u00E9"}', '{"a":"\\ud83d\\ude00"}', '{"a":NaN}', '{"a":Infinity}', '{"a":9007199254740992}', '{"a":' + "9" * 5000 + "}",
    '{"a":1}\n', " {}", "\ufeff{}", "", "{", '{"é":1}', '{"a":"\\ud800"}',
    "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000, '{"a":"\t"}', "nul",
    '{"a":"\x1f"}', '{"a":"\\u001F"}',
], ids=lambda text: f"{text:.24}")  # fmt: skip
def test_a_text_that_is_not_the_canonical_one_is_refused_at_reading(text):
    with pytest.raises(NotCanonical):
        audit.parse_canonical(text)


# --- tree ---------------------------------------------------------------------------------------------------------------------------


def tree_root(leaves):
    """Merkle tree hash by the recursive definition of RFC 6962 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


@given(st.integers(0, 200), st.data())
@settings(max_examples=60)
def test_a_frontier_has_the_recursive_root_wherever_it_was_saved_and_resumed(size, data):
    leaves = [hashlib.sha256(str(number).encode()).digest() for number in range(size)]
    stop = data.draw(st.integers(0, size))
    frontier = Frontier()
    for leaf in leaves[:stop]:
        frontier.append(leaf.hex())
    assert frontier.root() == tree_root(leaves[:stop]).hex()
    frontier = Frontier.from_json(stop, frontier.to_json())
    for leaf in leaves[stop:]:
        frontier.append(leaf.hex())
    assert frontier.root() == tree_root(leaves).hex() == audit.merkle_root(leaf.hex() for leaf in leaves)
    assert len(frontier.roots) == size.bit_count()


@pytest.mark.parametrize(
    ("size", "text"), [(1, "[]"), (0, f'["{"a" * 64}"]'), (1, '["xx"]'), (1, "{}"), (1, "no"), (-1, "[]"), (1, f'["{"A" * 64}"]')]
)
def test_a_damaged_frontier_is_refused(size, text):
    with pytest.raises(TamperedEntry):
        Frontier.from_json(size, text)


# --- writing ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [
    {"action": "run.dreamt"}, {"action": ""}, {"actor": ""}, {"actor": "x" * 129}, {"entity": "x" * 161}, {"entity": "a\nb"},
    {"actor": "\ud800"}, {"data": {"wall": "x"}}, {"data": {"rate": 0.1}}, {"payload": {"x": 1.5}},
])  # fmt: skip
def test_an_entry_outside_the_format_is_refused(change):
    with pytest.raises(BadInput):
        audit.build(audit.genesis(), [replace(ENTRIES[0], **change)], now=NOW, salt=lambda: SALT)


def test_time_is_clamped_and_the_raw_reading_kept():
    _, _, head = log_of(ENTRIES)
    back = audit.build(head, ENTRIES[:1], now=NOW - timedelta(days=1), salt=lambda: SALT).rows[0]
    assert back.ts == head.ts
    assert json.loads(back.body)["data"]["wall"] == "2026-09-30T06:00:00.000000Z"


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_timestamps_have_27_characters_sort_like_time_and_read_back(at):
    text = audit.timestamp(at)
    assert len(text) == 27 and audit.parse_timestamp(text) == at
    later = at + timedelta(microseconds=1)
    assert audit.timestamp(later) > text


@pytest.mark.parametrize("text", [
    "2026-13-01T00:00:00.000000Z", "2026-01-01 00:00:00.000000Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000+00:00",
    "2026-02-30T00:00:00.000000Z", "２026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z\n", "2026-01-01T24:00:00.000000Z",
])  # fmt: skip
def test_a_timestamp_of_another_form_is_refused(text):
    with pytest.raises(NotCanonical):
        audit.parse_timestamp(text)


def test_actions_are_well_formed_and_unique():
    assert all(ACTION_FORM.fullmatch(action) for action in Action)
    assert len({action.name for action in Action}) == len(Action.__members__)
    assert all(action.name == action.value.replace(".", "_").upper() for action in Action)


def test_the_documented_actions_are_those_of_the_code():
    text = (Path(__file__).parents[2] / "docs" / "audit-log.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in text.split("## Actions")[1].split("\n## ")[0].splitlines() if line.startswith("| `")]
    assert listed == [action.value for action in Action]


def test_the_documented_golden_entries_are_those_of_the_code():
    text = (Path(__file__).parents[2] / "docs" / "audit-log.md").read_text(encoding="utf-8")
    for body, leaf, root in GOLDEN:
        assert body in text and leaf in text and root in text


# --- verification -------------------------------------------------------------------------------------------------------------------

LONGER = [*ENTRIES, ENTRIES[0], ENTRIES[1], ENTRIES[2]]


def forged(row, *, rehash=True, **changes):
    """The row with fields of its body changed (None removes), hashed and copied again as a forger would."""
    body = {name: value for name, value in (json.loads(row.body) | changes).items() if value is not ...}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    copies = {name: body[name] for name in ("seq", "prev", "action", "actor", "entity", "ts") if name in body}
    return replace(row, body=text, leaf=audit.leaf_hash(text) if rehash else row.leaf, **copies)


def verdict(rows, payloads, head):
    with pytest.raises(TamperedEntry) as caught:
        audit.verify_rows(rows, payloads, head)
    return caught.value.seq


@pytest.mark.parametrize("field", ["seq", "prev", "leaf", "action", "actor", "entity", "ts", "body"])
def test_every_edited_column_is_found_at_its_entry(field):
    rows, payloads, head = log_of(LONGER)
    value = 9 if field == "seq" else getattr(rows[2], field)[:-1] + "x"
    rows[2] = replace(rows[2], **{field: value})
    assert verdict(rows, payloads, head) == 2


@pytest.mark.parametrize("change", [
    {"data": {"x": 1}}, {"actor": "person:p-8"}, {"action": "decision.reject"}, {"entity": "proposal:2"},
    {"ts": "2026-10-01T05:00:00.000000Z"},
    {"prev": "ab" * 32}, {"v": 2}, {"v": True}, {"seq": 7}, {"extra": 1}, {"data": ...}, {"data": []}, {"pay": None}, {"pay": "ab" * 32},
    {"actor": 5}, {"action": "Decision.approve"}, {"ts": "yesterday"}, {"data": {"x": 1.5}}, {"data": nested(40)},
])  # fmt: skip
def test_an_entry_forged_with_a_fresh_hash_is_found_at_the_latest_by_the_next(change):
    rows, payloads, head = log_of(LONGER)
    rows[2] = forged(rows[2], **change)
    assert verdict(rows, payloads, head) in (2, 3)


@pytest.mark.parametrize("change", [
    {"v": 2}, {"v": True}, {"extra": 1}, {"data": []}, {"pay": None}, {"actor": 5}, {"ts": "2026-10-01T05:00:00.000000Z"},
    {"action": "Decision.approve"}, {"action": "decision.approve2"},
])  # fmt: skip
def test_a_last_entry_of_another_form_is_refused_even_when_chain_and_head_agree(change):
    rows, payloads, _ = log_of(LONGER)
    rows[5] = forged(rows[5], **change)
    frontier = Frontier()
    for row in rows:
        frontier.append(row.leaf)
    head = replace(audit.genesis(), size=6, leaf=rows[5].leaf, ts=str(rows[5].ts), frontier=frontier.to_json())
    assert verdict(rows, payloads, head) == 5


def test_a_last_entry_with_a_duplicate_key_is_refused_even_when_chain_and_head_agree():
    rows, payloads, _ = log_of(ENTRIES[:1])
    body = rows[0].body.replace('"seq":0', '"seq":0,"seq":0')
    rows[0] = replace(rows[0], body=body, leaf=audit.leaf_hash(body))
    frontier = Frontier()
    frontier.append(rows[0].leaf)
    assert verdict(rows, payloads, replace(audit.genesis(), size=1, leaf=rows[0].leaf, ts=rows[0].ts, frontier=frontier.to_json())) == 0


def test_removed_inserted_swapped_and_cut_entries_are_found():
    rows, payloads, head = log_of(LONGER)
    with pytest.raises(TamperedEntry, match="audit entry 2: missing: the next entry stored is 3"):
        audit.verify_rows(rows[:2] + rows[3:], payloads, head)
    assert verdict(rows[:2] + rows[3:], payloads, head) == 2
    assert verdict([*rows[:3], rows[2], *rows[3:]], payloads, head) == 3
    assert verdict([rows[0], rows[2], rows[1], *rows[3:]], payloads, head) == 1
    assert verdict(rows[:5], payloads[:2], head) is None
    assert verdict(rows, payloads, None) is None
    swapped = [*rows[:1], replace(rows[2], seq=1), replace(rows[1], seq=2), *rows[3:]]
    assert verdict(swapped, payloads, head) == 1


@pytest.mark.parametrize("change", [{"size": 5}, {"leaf": "ab" * 32}, {"ts": "2027-10-01T06:00:00.000000Z"}, {"frontier": "[]"}])
def test_a_head_that_is_not_the_end_of_the_log_is_found(change):
    rows, payloads, head = log_of(LONGER)
    assert verdict(rows, payloads, replace(head, **change)) is None


def erasure(*seqs):
    return Entry(action=Action.PAYLOAD_ERASED, actor="person:dpo", entity="log", data={"seqs": list(seqs), "basis": "GDPR 17"})


def test_a_payload_must_be_the_one_committed_to():
    rows, payloads, head = log_of(LONGER)
    for edit in (
        {"payload": '{"name":"x"}'},
        {"salt": "00" * 32},
        {"salt": None},
        {"payload": None},
        {"salt": "zz"},
        {"payload": "\ud800"},
    ):
        assert verdict(rows, [replace(payloads[0], **edit), payloads[1]], head) == 1
    assert verdict(rows, [*payloads, replace(payloads[0], seq=5)], head) == 5
    assert verdict(rows, [*payloads, replace(payloads[0], seq=9)], head) is None
    assert verdict(rows, [replace(payloads[0], seq=-1), *payloads], head) is None


def test_an_erased_payload_needs_an_entry_that_says_so():
    rows, payloads, head = log_of([*LONGER, erasure(1)])
    erased = replace(payloads[0], salt=None, payload=None)
    assert audit.verify_rows(rows, [erased, payloads[1]], head).erased == 1
    assert audit.verify_rows(rows, payloads[1:], head).erased == 1
    assert verdict(rows, payloads, head) == 6, "said to be erased, but still there"
    rows, payloads, head = log_of(LONGER)
    assert verdict(rows, payloads[1:], head) == 1


@pytest.mark.parametrize("seqs", [[7], [6], ["1"], [-1], [True], [0]])
def test_an_erasure_names_earlier_entries_that_had_a_payload(seqs):
    rows, payloads, head = log_of([*LONGER, erasure(*seqs)])
    assert verdict(rows, payloads, head) == 6


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_single_change_of_a_character_is_found(data):
    rows, payloads, head = log_of(LONGER)
    place = data.draw(st.sampled_from([("row", n) for n in range(6)] + [("payload", 0), ("payload", 1), ("head", 0)]))
    target = {"row": rows, "payload": payloads, "head": [head]}[place[0]][place[1]]
    names = [name for name in type(target).__dataclass_fields__ if isinstance(getattr(target, name), str)]
    name = data.draw(st.sampled_from(names))
    text = getattr(target, name)
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.characters().filter(lambda c: c != text[at]))
    changed = replace(target, **{name: text[:at] + new + text[at + 1 :]})
    if place[0] == "row":
        rows[place[1]] = changed
    elif place[0] == "payload":
        payloads[place[1]] = changed
    else:
        head = changed
    with pytest.raises(TamperedEntry):
        audit.verify_rows(rows, payloads, head)


PIECES = [
    "",
    '"',
    "\\",
    "\\u0041",
    " ",
    "0",
    "1.0",
    "-0",
    "1e3",
    ",",
    "{",
    "}",
    "[]",
    ":",
    "é",
    "\x00",
    '"seq":5,',
    '"pay":"' + "ab" * 32 + '",',
    "null",
]


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_an_entry_hashed_again_gets_the_same_verdict_quickly_and_after_a_closer_look(data):
    rows, payloads, head = log_of(LONGER[: data.draw(st.sampled_from([2, 3, 6]), label="entries")])
    body, last = rows[-1].body, len(rows) - 1
    at, piece = data.draw(st.integers(0, len(body)), label="at"), data.draw(st.sampled_from(PIECES), label="piece")
    body = body[:at] + piece + body[at + data.draw(st.integers(0, 3), label="taken") :]
    column = data.draw(
        st.sampled_from([{}, {"actor": "person:p-é"}, {"entity": 'a"b'}, {"ts": "yesterday"}, {"action": "Run.x"}]), label="column"
    )
    rows[last] = replace(rows[last], body=body, leaf=audit.leaf_hash(body), **column)
    frontier = Frontier()
    for row in rows:
        frontier.append(row.leaf)
    head = replace(head, leaf=rows[last].leaf, frontier=frontier.to_json())

    def found():
        try:
            return audit.verify_rows(rows, payloads, head)
        except TamperedEntry as error:
            return error.seq, error.text()

    quickly = found()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking._Verifier, "_as_written", lambda *_: None)
        assert found() == quickly


def test_a_sound_log_needs_no_closer_look_but_at_its_first_entry(monkeypatch):
    rows, payloads, head = log_of(LONGER)
    looked = []
    monkeypatch.setattr(checking, "_sound_body", lambda seq, row, look=checking._sound_body: looked.append(seq) or look(seq, row))
    audit.verify_rows(rows, payloads, head)
    assert looked == [0]


def test_data_nests_one_level_less_than_the_entry_around_it():
    deepest = replace(LONGER[0], data={"x": nested(30)})
    audit.verify_rows(*log_of([*LONGER, deepest]))
    with pytest.raises(NotCanonical, match="deeply"):
        log_of([replace(LONGER[0], data={"x": nested(31)})])
