from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from credit_review import documents
from credit_review.errors import BadInput


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


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_named_refusal(text: str) -> None:
    try:
        document = documents.parse(text, name="any.yaml")
    except BadInput as refused:
        assert str(refused).startswith("any.yaml")
    else:
        assert isinstance(document.data, dict)
