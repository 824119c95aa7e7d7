"""What people read: every sentence has its translation, with the same figures and the field's terms; figures are as people write them."""

from __future__ import annotations

import pickle
import re
import string
import tomllib
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from credit_review import words
from credit_review.errors import BadInput, Refused
from credit_review.hearing import heard, heard_as
from credit_review.model.money import Money
from credit_review.words import (
    CATALOGUES,
    ENGLISH,
    LANGUAGES,
    Said,
    Words,
    listed,
    packed,
    recalled,
    said,
    said_many,
    templates,
    unpacked,
    words_for,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
KEYWORDS = {"said": (1,), "Said": (1,), "said_many": (1, 2), "marked": (1,), "stage": (1,)}
MAPPINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
CHINESE = words_for(language="zh_CN", zone="Asia/Shanghai")


def sentences():
    """Every sentence the code can say to people, command help included; a plural is the pair of its English forms."""
    found = set()
    for room in ("credit_review", "deployments", "expectations", "tasks"):
        method = [(one["pattern"], one["method"]) for one in MAPPINGS]
        found |= {message for _, _, message, _, _ in extract_from_dir(str(ROOT / room), method_map=method, keywords=KEYWORDS)}
    return found


def catalogue(language):
    with (CATALOGUES / language / "LC_MESSAGES" / "credit_review.po").open("rb") as file:
        return {m.id: m for m in read_po(file, locale=language) if m.id}


@cache
def catalogue_templates():
    return sorted(templates())


def fields(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_sentence_is_translated_and_no_translation_is_left_over(language):
    known = catalogue(language)
    assert sentences() - set(known) == set(), "run `make words` and translate what is new"
    assert set(known) - sentences() == set(), "run `make words`"
    untranslated = [m.id for m in known.values() if m.fuzzy or not (m.string if isinstance(m.string, str) else all(m.string))]
    assert untranslated == []


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_translation_names_the_figures_of_its_sentence_and_no_other(language):
    for message in catalogue(language).values():
        source = message.id if isinstance(message.id, str) else message.id[1]
        shown = (message.string,) if isinstance(message.string, str) else message.string
        wanted = fields(source) if isinstance(message.id, str) else fields(source) | {"n"}
        for text in shown:
            assert fields(text) <= wanted and fields(source) - fields(text) <= {"n"}, (source, text)


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_catalogue_is_read_as_its_own_tools_read_it_and_has_one_form_for_every_number(language):
    for message in catalogue(language).values():
        one, forms = (message.id, [message.string]) if isinstance(message.id, str) else (message.id[0], message.string)
        assert [words._catalogue(language).counted(one, "", 2)] == list(forms), message.id


@given(n=st.integers(0, 999), name=st.text(st.characters(exclude_characters=":"), min_size=1, max_size=20))
def test_a_sentence_that_became_plain_text_is_known_again_by_its_template(n, name):
    template = "{name}: {n} [waiting]. (*)"
    again = recalled(str(said(template, name=name, n=n)), template)
    assert again is not None and (again.template, again.args) == (template, {"name": name, "n": str(n)})
    assert recalled("something else", template) is None


def test_a_sentence_kept_as_plain_english_is_known_again_by_its_template():
    for text, chinese in (
        ("deferred by p-analyst until 2026-11-15", "由 p-analyst 延期至 2026年11月15日"),
        ("the posting date is missing", "过账日期缺失"),
        ("10 ledger rows quarantined", "10 行台账数据：已隔离"),
        ("overdue", "逾期"),
    ):
        again = heard(text)
        assert again == text and CHINESE.say(again) == chinese
    assert type(heard("Müller draft GmbH")) is str, "what is no sentence of ours stays plain text"


@given(figures=st.fixed_dictionaries(dict.fromkeys("abcdefgh", st.text(min_size=1, max_size=8))))
def test_what_is_heard_is_the_same_english_text_whatever_it_holds(figures):
    known = [one for one in catalogue_templates() if fields(one)]
    for template in known[:: max(1, len(known) // 25)]:
        values = dict(zip(sorted(fields(template)), figures.values(), strict=False))
        if len(values) == len(fields(template)):
            text = template.format(**values)
            assert heard(text) == text and heard_as(text, [template]) == text
            assert isinstance(heard_as(text, [template]), Said)


def test_the_catalogue_uses_the_glossarys_terms():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", (ROOT / "docs/glossary.md").read_text(), re.M)[2:]
    assert len(rows) > 20
    no_prose = re.compile(r"\{\w+\}|`[^`]*`|\(credit-review [^)]*\)")  # figures, and commands as they are typed
    for message in catalogue("zh_CN").values():
        source = message.id if isinstance(message.id, str) else message.id[1]
        shown = message.string if isinstance(message.string, str) else message.string[0]
        for english, chinese in rows:
            said_in_full = re.search(rf"\b{re.escape(english)}\b", no_prose.sub("", source), re.IGNORECASE)
            assert not said_in_full or chinese in shown, (source, shown, chinese)


def test_a_sentence_is_english_text_everywhere_and_said_again_in_the_readers_language():
    text = said("{who}: first limit {to}", who="Müller {x}", to=Money(60_000_00, "EUR"))
    assert text == "Müller {x}: first limit 60,000 EUR" and isinstance(text, str) and text.upper().startswith("MÜLLER")
    assert CHINESE.say(text) == "Müller {x}：首次额度 60,000 EUR"
    assert words_for(locale="de-DE").say(text) == "Müller {x}: first limit 60.000 EUR"
    assert pickle.loads(pickle.dumps(text)).args == text.args


def test_counts_take_the_form_the_language_has():
    one, two = (said_many("{n} day", "{n} days", n=n) for n in (1, 2))
    assert (one, two) == ("1 day", "2 days") and (CHINESE.say(one), CHINESE.say(two)) == ("1 天", "2 天")


def test_sentences_within_sentences_and_lists_are_translated_too():
    text = said("Not done: {refusal}.", refusal=listed([said("overdue"), said("in dispute"), "X AG"]))
    assert text == "Not done: overdue, in dispute, X AG." and CHINESE.say(text) == "未执行：逾期、争议金额、X AG。"


def test_amounts_percentages_days_and_moments_are_written_as_the_reader_writes_them():
    german = Words("en", "de_DE", UTC)
    moment = datetime(2026, 9, 30, 14, 5, 59, tzinfo=UTC)
    assert [w.money(1_234_567_89, "EUR") for w in (ENGLISH, german)] == ["1,234,567.89 EUR", "1.234.567,89 EUR"]
    assert [w.money(-5_000_00, "EUR", signed=True) for w in (ENGLISH, german)] == ["-5,000 EUR", "-5.000 EUR"]
    assert ENGLISH.money(1_500, "JPY") == "1,500 JPY" and ENGLISH.money(1_500, "BHD") == "1.500 BHD"
    assert (ENGLISH.percent(0.2, signed=True), german.percent(0.255, decimals=1)) == ("+20%", "25,5%")
    assert (ENGLISH.day(date(2026, 9, 30)), CHINESE.day(date(2026, 9, 30))) == ("30 Sept 2026", "2026年9月30日")
    assert "22:05 UTC+8" in CHINESE.moment(moment) and ENGLISH.moment(moment) == "30 Sept 2026, 14:05 UTC"


def test_an_error_is_said_in_the_readers_language_with_its_next_step():
    error = Refused("x", said("name a customer"), next_step=said("say the id"))
    assert CHINESE.error(error) == "请输入客户 · 请给出编号"


@pytest.mark.parametrize(
    ("locale", "language"), [("zh-CN", "zh_CN"), ("zh-SG", "zh_CN"), ("zh-TW", "en"), ("en-US", "en"), ("de-DE", "en"), ("", "en")]
)
def test_who_chose_no_language_reads_that_of_his_locale(locale, language):
    assert words_for(locale=locale).language == language


@pytest.mark.parametrize("wrong", [{"language": "xx"}, {"locale": "not a locale"}, {"zone": "Mars/Base"}, {"zone": "../etc/passwd"}])
def test_what_nobody_knows_is_refused(wrong):
    with pytest.raises(BadInput):
        words_for(**wrong)


plain = st.one_of(st.text(max_size=20), st.integers(-(10**9), 10**9), st.dates(), st.builds(Money, st.integers(0, 10**9), st.just("EUR")))


@given(figures=st.dictionaries(st.sampled_from(["a", "b"]), plain, min_size=2))
def test_a_sentence_kept_as_json_is_said_again_the_same(figures):
    text = said("{a} and {b}", **figures)
    again = unpacked(packed(text))
    assert again == text and CHINESE.say(again) == CHINESE.say(text)
