import enum
import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from credit_review import documents
from credit_review.adapters.settings import Settings
from credit_review.errors import BadInput
from credit_review.words import said, words_for


class Band(BaseModel):
    model_config = ConfigDict(extra="forbid")
    grade: str
    below: float


class Policy(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    grades: list[Band] = []
    by_grade: dict[str, int] = {}


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        documents.parse(text, name="policy.yaml")
    return str(caught.value)


def test_a_document_keeps_its_text_digest_and_lines() -> None:
    text = 'version: "1"\ngrades:\n  - {grade: A, below: 0.01}\n  - grade: B\n    below: 0.5\n'
    document = documents.parse(text, name="policy.yaml")
    assert document.data == {"version": "1", "grades": [{"grade": "A", "below": 0.01}, {"grade": "B", "below": 0.5}]}
    assert document.lines[("grades", 1, "below")] == 5
    assert len(document.digest) == 64
    assert documents.check(document, Policy).grades[1].below == 0.5


def test_scalars_are_what_a_reader_takes_them_for() -> None:
    text = "a: NO\nb: 0012\nc: 12:30\nd: true\ne: 2026-03-31\nf: -1.5\ng: 7\nh: null\ni:\nj: yes\nk: .nan\nl: '7'\n"
    text += "'': empty\nm: 1e3\n0010: x\nNO: y\n"
    assert documents.parse(text, name="x").data == {
        "a": "NO", "b": "0012", "c": "12:30", "d": True, "e": date(2026, 3, 31), "f": -1.5, "g": 7, "h": None, "i": None,
        "j": "yes", "k": ".nan", "l": "7", "": "empty", "m": "1e3", "0010": "x", "NO": "y",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max: 100\nother: 1\nmax: 100000000\n", "line 3: the key 'max' stands twice, first on line 1"),
        ("a:\n  b: 1\n  b: 2\n", "line 3: the key 'b' stands twice"),
        ("a: &x [1]\nb: 2\n", "line 1: an anchor"),
        ("a: 1\nb: *x\n", "line 2: an alias"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", "line 2: the tag"),
        ("a: ! x\n", "line 1: the tag"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("- 1\n- 2\n", "not a mapping"),
        ("", "not a mapping"),
        ("just text", "not a mapping"),
        ("a: {<<: {b: 1}}\n", "merge key"),
        ("? [a]\n: 1\n", "key that is not plain text"),
        ("a: [1\n", "line"),
        ("a: 2026-02-30\n", "line 1, a: no such day 2026-02-30"),
        ("a: \x07\n", "policy.yaml"),
        ("a: \ud800\n", "UTF-8"),
        ("a: " + "[" * 30 + "]" * 30, "nesting deeper than 20"),
        ("a: '" + "x" * 1_000_001 + "'", "at most 1000000 bytes"),
    ],
)
def test_what_hides_content_is_refused_with_its_place(text: str, says: str) -> None:
    assert says in refusal(text)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
    )
    assert "an anchor" in refusal(bomb)


def test_a_model_error_names_file_line_field_expected_and_got() -> None:
    text = (
        'version: "1"\ngrades:\n  - {grade: A, below: 0.01}\n  - grade: B\n    below: high\n    extra: 1\n'
        "max_amuont: 5\nby_grade:\n  A: many\n"
    )
    document = documents.parse(text, name="policy.yaml")
    with pytest.raises(BadInput) as caught:
        documents.check(document, Policy)
    lines = str(caught.value).splitlines()
    assert "policy.yaml line 5, grades[1].below: expected a valid number" in lines[0] and "got 'high'" in lines[0]
    assert lines[1].startswith("policy.yaml line 6, grades[1].extra: unknown field")
    assert lines[2].startswith("policy.yaml line 9, by_grade.A: expected a valid integer")
    assert lines[3].startswith("policy.yaml line 7, max_amuont: unknown field")


def test_a_missing_field_is_named_with_the_line_of_its_parent() -> None:
    document = documents.parse("version: x\ngrades:\n  - {grade: A}\n", name="p.yaml")
    with pytest.raises(BadInput, match=r"p\.yaml line 3, grades\[0\]\.below: missing"):
        documents.check(document, Policy)


class Grade(enum.StrEnum):
    A = "A"
    B = "B"


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")

    flag: Annotated[bool, Field(strict=True)] = True
    loose_flag: bool = True
    day: date = date(2026, 3, 31)
    only_day: Annotated[date, Field(strict=True)] = date(2026, 3, 31)
    share: Annotated[Decimal, Field(decimal_places=2)] = Decimal(0)
    amount: Decimal = Decimal(0)
    ratio: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    only_ratio: Annotated[float, Field(strict=True)] = 0.5
    loose_ratio: float = 0.5
    above: Annotated[int, Field(gt=3)] = 4
    at_least: Annotated[int, Field(ge=3)] = 3
    below: Annotated[int, Field(lt=3)] = 2
    at_most: Annotated[int, Field(le=3)] = 3
    whole: int = 1
    only_whole: Annotated[int, Field(strict=True)] = 1
    mode: Literal["none", "socket"] = "none"
    only_mode: Literal["none"] = "none"
    grade: Grade = Grade.A
    names: list[str] = []
    pair: Annotated[tuple[str, ...], Field(strict=True)] = ()
    few: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    text: str = ""
    word: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    code: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "DE"
    keyed: dict[str, int] = {}
    part: Policy | None = None
    chosen: str = ""

    @field_validator("chosen")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            raise ValueError(said("expected a number"))
        return value


FAULTS = [
    ("flag: 1", "expected true or false; got 1"),
    ("loose_flag: maybe", "expected true or false; got 'maybe'"),
    ("day: someday", "expected a date such as 2026-03-31; got 'someday'"),
    ("only_day: 2026-13", "expected a date such as 2026-03-31; got '2026-13'"),
    ("share: 0.125", "expected no more than 2 decimals; got 0.125"),
    ("amount: much", "expected a valid number; got 'much'"),
    ("amount: [1]", "expected a valid number; got [1]"),
    ("ratio: inf", "expected a finite number; got 'inf'"),
    ("only_ratio: '1'", "expected a valid number; got '1'"),
    ("loose_ratio: high", "expected a valid number; got 'high'"),
    ("above: 3", "expected more than 3; got 3"),
    ("at_least: 2", "expected 3 or more; got 2"),
    ("below: 3", "expected less than 3; got 3"),
    ("at_most: 4", "expected 3 or less; got 4"),
    ("whole: 1.5", "expected a valid integer, without decimals; got 1.5"),
    ("whole: many", "expected a valid integer; got 'many'"),
    ("only_whole: '1'", "expected a valid integer; got '1'"),
    ("mode: https", "expected one of 'none', 'socket'; got 'https'"),
    ("only_mode: x", "expected 'none'; got 'x'"),
    ("grade: Z", "expected one of 'A', 'B'; got 'Z'"),
    ("names: x", "expected a list; got 'x'"),
    ("pair: x", "expected a list; got 'x'"),
    ("few: []", "expected 1 or more entries; got []"),
    ("few: [1, 2, 3]", "expected 2 or fewer entries; got [1, 2, 3]"),
    ("text: 5", "expected text; got 5"),
    ("word: a", "expected text of 2 or more characters; got 'a'"),
    ("word: abcd", "expected text of 3 or fewer characters; got 'abcd'"),
    ("code: de", "expected text of the pattern ^[A-Z]{2}$; got 'de'"),
    ("keyed: x", "expected `key: value` lines; got 'x'"),
    ("part: x", "expected `key: value` lines; got 'x'"),
    ("chosen: x", "expected a number; got 'x'"),
    ("unknown: 1", "unknown field; expected only the documented fields (check the spelling)"),
    ("part: {}", "missing; expected this field to be set"),
]


@pytest.mark.parametrize(("text", "says"), FAULTS, ids=[text for text, _ in FAULTS])
def test_what_was_expected_is_said_in_the_readers_language_not_in_that_of_the_library(text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        documents.check(documents.parse(text, name="p.yaml"), Everything)
    (line,) = {one for one in caught.value.what.splitlines() if says in one} or {caught.value.what}
    assert line.endswith(says)
    chinese = words_for(language="zh_CN").say(caught.value.what)
    assert not re.search("expected|missing|unknown field", chinese) and re.search("[\u4e00-\u9fff]", chinese), chinese


def test_an_error_that_nobody_met_keeps_the_words_of_the_library() -> None:
    class Timed(BaseModel):
        at: Annotated[int, Field(multiple_of=5)]

    with pytest.raises(BadInput, match="expected a multiple of 5; got 3"):
        documents.check(documents.parse("at: 3", name="p.yaml"), Timed)


def test_settings_and_policy_say_what_they_expected_in_chinese() -> None:
    text = "data: data\ncompany: C\ncontrol_currency: EUR\ntime_zone: Nowhere\nlimits_owner: p-1\nslack: {mode: https}\n"
    with pytest.raises(BadInput) as caught:
        documents.check(documents.parse(text, name="settings.yaml"), Settings)
    chinese = words_for(language="zh_CN").say(caught.value.what)
    assert "time_zone" in chinese and "slack.mode" in chinese and "expected" not in chinese and "missing" not in chinese


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_named_refusal(text: str) -> None:
    try:
        document = documents.parse(text, name="any.yaml")
    except BadInput as refused:
        assert str(refused).startswith("any.yaml")
    else:
        assert isinstance(document.data, dict)
