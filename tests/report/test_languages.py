"""The report in every language: one set of figures, no sentence left in English, and what others wrote as they wrote it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
import sample_book as sample

from credit_review import report
from credit_review.report.charts import translated
from credit_review.words import ENGLISH, words_for

CHINESE = words_for(language="zh_CN", zone="Asia/Shanghai")
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


@cache
def data():
    return sample.data(120, 3)


@cache
def pages():
    return report.pages(data(), [ENGLISH, CHINESE])


@cache
def validation_pages():
    return report.validation_pages(sample.verdicts(), [ENGLISH, CHINESE], facts=data().facts, quarantine=data().quarantine)


class Seen(HTMLParser):
    """Everything a reader sees or hears: texts, also of drawings, and labels; and the style sheet apart."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.style, self.links, self.language, self._styling = [], "", [], "", False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._styling = tag == "style"
        self.language = found.get("lang", self.language)
        self.texts += [found[name] for name in ("aria-label", "title", "alt") if name in found]
        self.links += [found["href"]] if "href" in found else []

    def handle_endtag(self, tag):
        self._styling = False

    def handle_data(self, text):
        if self._styling:
            self.style += text
        else:
            self.texts.append(text)


def numbers(texts):
    """Every number, however often; months are numbers too, for Chinese writes them so."""
    whole = " ".join(texts)
    for number, month in enumerate(MONTHS, 1):
        whole = re.sub(rf"\b{month}\b", str(number), whole)
    whole = re.sub(r"\b(\d{4})-(\d\d)-(\d\d)\b", r"\1 \2 \3", whole)
    return Counter(re.sub(r"^0+(?=\d)", "", one) for one in re.findall(r"\d+(?:[.,]\d+)*", whole))


@pytest.mark.parametrize("both", [pages, validation_pages])
def test_both_languages_show_the_same_figures(both):
    english, chinese = (numbers(Seen(html).texts) for html in both())
    assert english == chinese and english.total() > 50


def written_by_others(d):
    """Texts that stay as they are in every language."""
    f = d.facts
    yield from (f.company, f.review_id, f.label, f.policy, f.produced_at, f.scorecard, *d.assumptions, "English")
    yield from (word for source in d.sources for word in (source.name, source.what, source.note))
    yield from (file.what for file in d.files)
    yield from (text for fact in d.run_facts for text in fact)
    yield from (line.reason for line in d.risk_kept)
    yield from (line.by for line in d.risk_kept)
    yield from d.customers["name"]
    yield from d.routes["tier_name"]
    yield from (f"{grade} {name}" for grade, name in zip(d.proposals["grade"], d.proposals["grade_name"], strict=True) if name)
    yield from d.routes["holders"]
    yield from (str(one).replace("_", " ") for name in ("expectation", "column") for one in d.quarantine[name].unique())
    yield from (str(one) for one in d.quarantine["expectation"].unique())
    yield from d.quarantine["value"].unique()
    yield from d.aliases["source"]
    yield from ("settled by netting", "p-analyst", "customer master", "items RE", "SHA-256", "ISO 4217")


def leftover(html, d):
    """Words in Latin letters that are none of the data's: sentences somebody forgot."""
    known = sorted({text for text in written_by_others(d) if text}, key=len, reverse=True)
    codes = re.compile(r"\b(EUR|USD|GBP|DSO|ECB|[0-9a-f]{40,}|RE-\d+/\w+|[\w-]+\.(csv|parquet|html|json)|C\d{6}|T\d|\d[\w|/]*)\b")
    found = []
    for text in Seen(html).texts:
        rest = " ".join(text.split())
        for one in known:
            rest = rest.replace(" ".join(one.split()), "")
        if re.search(r"[A-Za-z]{2,}", codes.sub("", rest)):
            found.append(" ".join(text.split()))
    return found


@pytest.mark.parametrize("both", [pages, validation_pages])
def test_no_sentence_of_a_chinese_page_is_left_in_english(both):
    english, chinese = both()
    assert leftover(chinese, data()) == []
    assert len(leftover(english, data())) > 40, "the check finds sentences where there are some"
    assert "counter(page)" in Seen(chinese).style and "Page" not in Seen(chinese).style


STATES = {
    "not_due": "outside scope segment:retail; never reviewed, due now",
    "quarantined": "missing_rate: no rate from EUR to CHF on 2026-09-30, so policy amounts cannot be compared with this account; "
    "add the rate and review again",
    "deferred": "quarantined rows: items RE-88210/1 (sign_fits_kind), items RE-88211/1 (sign_fits_kind) and 4 more",
}


def test_reasons_kept_in_english_by_earlier_steps_are_said_in_the_readers_language():
    proposals = data().proposals.copy()
    for state, reason in STATES.items():
        at = proposals.index[proposals["state"].eq(state)][0]
        proposals["state_reason"] = proposals["state_reason"].where(proposals.index != at, reason)
    states = sample.frame(
        "states",
        {
            "customer_id": ["C100001"],
            "state": ["quarantined"],
            "escalate": ["quarantined or deferred 2 reviews in a row; never reviewed, longest is 12 months; p-analyst to resolve"],
            "next_review": ["2026-12-31"],
        },
        1,
    )
    d = replace(data(), proposals=proposals, states=states, notes=("10 ledger rows quarantined", "7 ledger rows out: small balances"))
    english, chinese = report.pages(d, [ENGLISH, CHINESE])
    for text in (*STATES.values(), "2 reviews in a row; never reviewed, longest is 12 months; p-analyst to resolve"):
        assert text in " ".join(Seen(english).texts)
    shown = " ".join(Seen(chinese).texts)
    said_in_chinese = (
        "不在范围 segment:retail 内",
        "2026年9月30日 没有从 EUR 到 CHF 的汇率",
        "另有 4 行",
        "连续 2 次复核被隔离或延期；从未复核",
        "10 行台账数据：已隔离",
        "7 行台账数据按规则剔除：small balances",
    )
    for text in said_in_chinese:
        assert text in shown


@pytest.mark.parametrize("name", ["draft", "None.", "{count} row", "overdue", "首次额度", "<b>Customers</b>"])
def test_a_customer_whose_name_is_one_of_our_words_keeps_it(name):
    d = data()
    shown = Seen(report.render(replace(d, customers=d.customers.assign(name=name)), CHINESE)).texts
    assert any(text.startswith(name) for text in shown)


def test_every_page_says_its_language_and_leads_to_the_others():
    for html, language, other in zip(pages(), ("en", "zh-CN"), ("report.zh_CN.html", "report.html"), strict=True):
        seen = Seen(html)
        assert seen.language == language and [link for link in seen.links if not link.startswith("#")] == [other]
    for html, other in zip(validation_pages(), ("validation.zh_CN.html", "validation.html"), strict=True):
        assert Seen(html).links == [other]
    chinese, english = report.pages(data(), [CHINESE, ENGLISH])
    assert "report.en.html" in chinese and 'href="report.html"' in english, "the company's language has the plain name"
    assert "languages" not in " ".join(Seen(report.render(data())).texts) and 'class="languages"' not in report.render(data())


def test_a_page_is_the_same_alone_and_beside_another():
    alone = report.render(data(), CHINESE)
    beside = re.sub(r'<div class="languages">.*?</div>\n', "", pages()[1])
    assert alone == beside and report.render(data(), CHINESE) == alone


def test_chinese_pages_name_fonts_and_draw_text_as_text():
    html = pages()[1]
    assert '"Noto Sans CJK SC"' in html and "<text" in html and "font-family: inherit" in html
    assert "DejaVu" not in html, "labels take the page's font, which has the characters"


def test_a_drawing_is_said_again_by_its_own_labels_only():
    svg = '<svg><text x="1">In force</text><text>EUR, millions</text><text>B</text><text>ACME &amp; Co, millions</text></svg>'
    assert translated(svg, CHINESE.say) == (
        '<svg><text x="1">现行</text><text>EUR，百万</text><text>B</text><text>ACME &amp; Co, millions</text></svg>'
    )
