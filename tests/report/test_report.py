from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest
import sample_book as sample
from hypothesis import given
from hypothesis import strategies as st

from credit_review import report
from credit_review.forecasts import Track
from credit_review.model.validation import ERROR, FAIL, Outcome, Verdict
from credit_review.report import ControlTotal, RiskKeptLine, book, headline, movements
from credit_review.report.text import clean, major, money, percent, whole
from credit_review.words import Words
from tasks import reporting
from tasks.answered import as_asked, asked, ended


@cache
def data():
    return sample.data(120, 3)


@cache
def page():
    return report.render(data())


class Text(HTMLParser):
    """Text a reader sees, and the tags and attributes that could do something."""

    def __init__(self):
        super().__init__()
        self.words, self.tags, self.attributes, self._skip = [], set(), set(), 0

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {a for a, _ in attrs}
        self._skip += tag == "style"

    def handle_endtag(self, tag):
        self._skip -= tag == "style"

    def handle_data(self, text):
        if not self._skip:
            self.words.append(text)


def read(html):
    parser = Text()
    parser.feed(html)
    parser.text = " ".join(" ".join(parser.words).split())
    return parser


def test_the_page_fetches_nothing_and_runs_nothing():
    for html in (page(), report.validation_page(sample.verdicts(), facts=data().facts, quarantine=data().quarantine)):
        assert not re.search(r"https?:|//[a-z]|url\(\s*['\"]?(?!#)|@import|<link|<script|<iframe|<img|javascript:", html, re.IGNORECASE)
        assert "default-src 'none'" in html
        parsed = read(html)
        assert not [a for a in parsed.attributes if a.startswith("on") or a in {"src", "action", "formaction", "srcdoc"}]


def test_the_same_data_gives_the_same_bytes_also_in_another_process():
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests/report'); import sample_book; from credit_review import report;"
        "print(hashlib.sha256(report.render(sample_book.data(40, 5)).encode()).hexdigest())"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # another order of sets than here
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
    )
    assert done.stdout.strip() == sha256(report.render(sample.data(40, 5)).encode()).hexdigest()


def test_importing_the_report_is_light():
    code = "import sys, credit_review.report; print([m for m in ('pandas', 'matplotlib', 'jinja2', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "</style></title><svg/onload=alert(1)>",
    "$\\frac{1}{2}$ & co",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_text_others_wrote_is_shown_as_text(name):
    d = data()
    quarantine = d.quarantine.assign(value=name, row_key=name, customer_id="", source_number=name)
    hostile = replace(d, customers=d.customers.assign(name=name), quarantine=quarantine, assumptions=(name,), warnings=(name,))
    parsed = read(report.render(hostile))
    assert parsed.tags == read(page()).tags and parsed.attributes == read(page()).attributes
    assert " ".join(name.split()) in parsed.text


def test_bidirectional_control_and_invisible_characters_never_reach_the_page():
    evil = "Acme\u202egnp.exe\u2066\u200b\x00\x1b[31m\u2028\ufeff Ltd\u0085\U000e0041"
    html = report.render(replace(data(), customers=data().customers.assign(name=evil)))
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\U000e0041]", html)
    assert "Acmegnp.exe[31m Ltd" in html


def test_an_endless_name_is_cut():
    html = report.render(replace(data(), customers=data().customers.assign(name="A" * 100_000)))
    assert "A" * 79 + "…" in html and "A" * 81 not in html


@given(st.text())
def test_clean_text_is_printable_and_clean_again(text):
    once = clean(text)
    assert clean(once) == once and all(c.isprintable() for c in once.replace("\u3000", " ").replace("\xa0", " "))


def test_totals_equal_sums_of_the_frames():
    d = data()
    rows = movements.changes(d.proposals)
    blocks, _ = movements.blocks(d)
    assert sum(len(b.lines) for b in blocks) == len(rows)
    for block in blocks:
        mine = rows[rows["currency"].eq(block.currency)]
        after = int(mine["to_minor"].sum()) - int(mine["from_minor"].sum())
        assert block.totals[3] == whole(int(mine["from_minor"].sum()), block.currency)
        assert block.totals[5] == whole(after, block.currency, signed=True)
    for currency in book.currencies(d):
        mine, steps = d.proposals[d.proposals["currency"].eq(currency)], book.steps(d.proposals, currency)
        assert steps.before == int(mine["from_minor"].sum())
        kept = mine["to_minor"].where(mine["to_minor"].notna(), mine["from_minor"])
        assert steps.after == int(kept.sum())
        grades = book.exposure_by_grade(d.proposals, currency)
        assert sum(grades.own) + sum(grades.covered) == int(mine["exposure_minor"].sum())


def test_the_shared_pool_of_a_group_stands_in_the_report_in_those_words_and_a_book_without_one_has_no_column():
    d = data()
    largest = d.groups.sort_values(["exposure_minor", "group_id"], ascending=[False, True])["group_id"].iloc[0]
    mine = d.features["group_id"] == largest
    table = book.groups_table(
        replace(d, features=d.features.assign(pool_minor=pd.Series(7_500_000_00, d.features.index, dtype="Int64").where(mine)))
    )
    currency = d.features.loc[mine].sort_values("customer_id")["currency"].iloc[0]
    assert table.headings[-1].label == "group limit (shared pool)"
    assert [Words("en").say(row[-1]) for row in table.rows[:2]] == [f"7,500,000 {currency}", "–"]
    assert "their limits may add up to more" in Words("en").say(table.note)
    assert len(book.groups_table(d).headings) == len(table.headings) - 1


def test_concentration_is_shown_with_the_rates_it_was_converted_at():
    found = {
        "currency": "EUR", "exposure_minor": 200_000, "left_out": ["c9"],
        "rates": [{"base": "USD", "quote": "EUR", "rate": "0.91", "rate_date": "2026-09-28", "source": "ECB"}],
        "largest_groups": [{"largest": 5, "customers": 7, "exposure_minor": 150_000, "own_risk_minor": 100_000, "share_fraction": 0.75}],
        "segments": [{"key": "", "customers": 9, "exposure_minor": 200_000, "own_risk_minor": 100_000, "share_fraction": 1.0}],
        "countries": [{"key": "others", "others": 4, "customers": 9, "exposure_minor": 10, "own_risk_minor": 1, "share_fraction": 0.0}],
    }  # fmt: skip
    shown = read(report.render(sample.data(20, 3, concentration=found))).text
    assert "the 5 largest groups 7 1,500 75.0%" in shown and "0.91 EUR for 1 USD" in shown and "Left out for want of a rate: c9." in shown
    assert "not stated 9 2,000 100.0%" in shown and "4 others" in shown


def test_how_right_forecasts_were_is_shown_by_owner_and_customer_and_few_cases_are_said_to_be_few():
    much, few = Track(cases=6, ratio=Decimal("0.8"), less=5, more=1), Track(cases=1, ratio=Decimal("1.2"), less=0, more=1)
    found = (("Ida Voss", "", much), ("Ida Voss", "c-1", much), ("Jon Park", "", few))
    shown = read(report.render(sample.data(20, 3, foreseen=found, least_forecasts=5))).text
    assert "Ida Voss all 6 0.8 5 1 foresees too much, in 6 cases" in shown and "c-1 6 0.8 5 1" in shown
    assert "Jon Park all 1 1.2 0 1 1 case: too few to tell" in shown
    assert "Forecasts of account owners" not in read(report.render(sample.data(20, 3))).text


def test_every_customer_not_reviewed_is_named_with_its_reason():
    text = read(page()).text
    for row in data().proposals[data().proposals["state"].ne("reviewed")].itertuples():
        assert row.customer_id in text and row.state_reason in text


def test_each_proposal_shows_its_reasons_and_its_derivation():
    text = read(page()).text
    rows = movements.changes(data().proposals)
    assert text.count("Why ") >= len(rows)
    assert not re.search(r"\b[RM]\d\d\b", text), "reason codes stand in words"
    first = rows[rows["currency"].eq("EUR") & rows["formula"].ne("")].iloc[0]
    assert first["formula"] in text


def seen_twice(rows):
    """The book of the tests with both views scored: the first proposal by both, the second by behaviour alone."""
    first, second = rows["customer_id"].iloc[:2]
    scores = sample.scores(data().features, 3).assign(views="weighted", view_missing="", behaviour_points=540, behaviour_pd_fraction=0.021)
    scores = scores.assign(financial_points=pd.array([498] * len(scores), dtype="Int64"), financial_pd_fraction=0.064)
    alone = scores["customer_id"].eq(second)
    scores.loc[alone, ["financial_points", "financial_pd_fraction"]] = pd.NA
    scores.loc[alone, "view_missing"] = "financial"
    facts = {"altman_model": "z_private", "altman_score": 1.13, "altman_zone": "distress", "statements_age_days": 214.0}
    features = data().features.assign(average_days_late=11.5, cleared_count=38, external_grade="", external_age_days=float("nan"))
    features.loc[features["customer_id"].eq(first), [*facts]] = [*facts.values()]
    features.loc[features["customer_id"].eq(first), ["external_grade", "external_age_days"]] = ["C", 30.0]
    notes = {first: "payment behaviour (540) and financial standing (498) together", second: "financial standing is not known"}
    proposals = data().proposals.assign(grade_note=data().proposals["customer_id"].map(notes).fillna(""))
    return first, second, replace(data(), scores=scores, features=features, proposals=proposals)


def test_both_views_and_how_they_combined_stand_under_each_proposal_in_both_languages():
    rows = movements.changes(data().proposals)
    first, second, book_of_both = seen_twice(rows)
    lines = {line.customer_id: line for block in movements.blocks(book_of_both)[0] for line in block.lines}
    paying = "540 points, 2.1%; on average 11.5 days late over 38 paid invoices"
    assert str(lines[first].views[0][1]).startswith(paying)
    assert lines[first].views[1][1] == (
        "498 points, 6.4%; Altman Z' 1.13, distress zone, statements 214 days old; external grade C, 30 days old"
    )
    assert str(lines[first].views[2][1]).endswith("; payment behaviour (540) and financial standing (498) together")
    assert lines[second].views[1][1] == "not known, so the other view stands alone"
    steps = [label for label, _ in lines[first].why]
    assert steps and "How the grade came about" not in steps
    (chinese,) = (read(page) for page in report.pages(book_of_both, [Words(language="zh_CN")]))
    assert chinese.text.count("财务状况：") == len(rows) and "Financial standing" not in chinese.text
    assert "Payment behaviour:" not in read(page()).text, "a review without views says nothing of them"


def many(count, exceptional):
    base = data().proposals
    row = base[base["direction"].eq("up")].iloc[[0]]
    rows = pd.concat([row] * count, ignore_index=True)
    rows["customer_id"] = pd.Series([f"N{i:06}" for i in range(count)], dtype="str")
    rows["to_minor"] = (rows["from_minor"] + 1000 * (pd.Series(range(count)) + 1)).astype("Int64")
    rows["exceptional"] = pd.Series(["missing_data" if i < exceptional else "" for i in range(count)], dtype="str")
    return rows


def test_up_to_2000_proposals_are_all_listed():
    assert len(movements.shown(movements.by_size(movements.changes(many(2000, 3)), {}))) == 2000


def test_beyond_2000_the_500_largest_and_every_exceptional_one_are_listed_with_totals_for_all():
    rows = many(2001, 40)
    listed = movements.shown(movements.by_size(movements.changes(rows), {}))
    assert set(listed["customer_id"]) == {f"N{i:06}" for i in (*range(40), *range(1501, 2001))}
    [block], words = movements.blocks(replace(data(), proposals=rows, routes=None))
    assert len(block.lines) == 540 and "540 of 2,001 proposals" in words and "every exceptional one (40)" in words
    assert block.totals[5] == whole(int((rows["to_minor"] - rows["from_minor"]).sum()), block.currency, signed=True)


def test_proposals_of_several_currencies_are_ordered_by_value_where_rates_are_known_and_in_turn_where_not():
    rows = movements.changes(many(6, 0))
    rows["currency"] = pd.Series(["JPY"] * 3 + ["EUR"] * 3, dtype="str")
    rows["change_minor"] = [9_000, 5_000, 1_000, 300, 200, 100]
    assert list(movements.by_size(rows, {"EUR": 1.0, "JPY": 0.006})["change_minor"]) == [9_000, 5_000, 1_000, 300, 200, 100]
    assert list(movements.by_size(rows, {"EUR": 1.0, "JPY": 0.0001})["change_minor"]) == [300, 200, 100, 9_000, 5_000, 1_000]
    turns = movements.by_size(rows, {"EUR": 1.0})
    assert list(turns["currency"]) == ["EUR", "JPY"] * 3


def test_terms_that_change_alone_are_a_proposal_and_unchanged_customers_are_none():
    base = many(3, 0)
    base["to_minor"] = base["from_minor"]
    base["direction"] = "same"
    base["from_terms_days"] = pd.array([30, 30, pd.NA], dtype="Int64")
    base["to_terms_days"] = pd.array([30, 14, pd.NA], dtype="Int64")
    assert list(movements.changes(base)["customer_id"]) == ["N000001"]


def test_amounts_of_different_currencies_never_meet_in_one_sum():
    d = data()
    total = sum(int(d.features.loc[d.features["currency"].eq(c), "exposure_minor"].sum()) for c in book.currencies(d))
    assert whole(total, "EUR") not in page()


def test_a_book_without_limits_says_so_and_a_source_without_totals_is_tied_to_itself_only():
    d = data()
    features = d.features.assign(limit_minor=pd.array([pd.NA] * len(d.features), dtype="Int64"), cleared_count=0)
    features = features.assign(not_computable="average_days_late: no cleared items in source")
    totals = (ControlTotal(dataset="items", currency="EUR", kind="", rows=3, amount_minor=5),)
    text = read(report.render(replace(d, features=features, control_totals=totals))).text
    assert "book of open items without limits in force" in text and "no payment history" in text
    assert "tied to itself only" in text and "not stated" in text and "none on file" in text


def test_mass_lateness_is_called_a_possibly_incomplete_extract():
    late = data().features.assign(overdue_minor=data().features["open_items_minor"])
    assert "may mean an incomplete extract" in read(report.render(replace(data(), features=late))).text
    assert "may mean an incomplete extract" not in page()


def test_a_total_that_does_not_agree_is_never_passed_over():
    wrong = ControlTotal(
        dataset="items", currency="EUR", kind="invoice", rows=9, amount_minor=901, stated_rows=10, stated_minor=1000, tied=False
    )
    text = read(report.render(replace(data(), control_totals=(wrong,)))).text
    assert "1 control total does not agree" in text and "9.01 EUR 10.00 EUR NO" in text


def test_a_certificate_that_does_not_tie_is_said_first_and_shown():
    broken = replace(data().certificate, ties=False, findings=("EUR: 12.50 EUR missing from state reviewed",))
    text = read(report.render(replace(data(), certificate=broken))).text
    assert "does NOT tie: EUR: 12.50 EUR missing" in text and "The certificate does not tie." in text and "The certificate ties" not in text


def test_exceptions_that_stand_name_owner_and_end_and_say_who_left_and_where_no_end_is_on_record():
    line = report.ExceptionLine(
        customer_id="100001", kind="limit above policy", departs="49,750 EUR instead of 46,000 EUR", owner="Mia Holm", left=True,
        reason="order of 40k", until=None, state="in force",
    )  # fmt: skip
    text = read(report.render(replace(data(), exceptions=(line,)))).text
    shown = (
        "Overrides and exceptions that stand",
        "49,750 EUR instead of 46,000 EUR",
        "Mia Holm, who left",
        "none on record",
        "order of 40k",
    )
    assert all(one in text for one in shown)
    assert "Overrides and exceptions that stand" not in read(report.render(data())).text


def test_risk_kept_names_amount_person_reason_and_end():
    line = RiskKeptLine(customer_id="C100001", currency="JPY", amount_minor=1_000, cause="expired")
    text = read(report.render(replace(data(), risk_kept=(line,)))).text
    assert "1,000 JPY expired nobody yet" in text and "the review cannot close" in text


def test_figures_that_are_not_computable_say_why_and_are_never_zero():
    text = read(page()).text
    assert "not computable" in text and "nothing cleared in the last 3 months" in text


def test_digests_of_files_and_inputs_stand_in_the_report():
    text = read(page()).text
    for digest in (*data().manifest.values(), data().manifest_digest, *(f.sha256 for f in data().files), data().certificate.digest):
        assert digest in text


def test_an_empty_review_still_makes_a_page():
    d = data()
    empty = {
        f: getattr(d, f).iloc[:0] for f in ("customers", "features", "proposals", "quarantine", "duplicates", "aliases", "routes", "groups")
    }
    html = report.render(replace(d, **empty, portfolio=(), verdicts=(), sources=(), control_totals=(), risk_kept=(), previous_grades=None))
    assert "Nothing is proposed" in html and "There was no earlier review" in html


def test_stages_that_have_not_run_are_left_open():
    html = report.render(replace(data(), quarantine=None, duplicates=None, aliases=None, groups=None, routes=None))
    assert "Proposals have not been routed yet." in html


def test_a_customer_without_a_known_currency_is_counted_and_warned_about():
    proposals = data().proposals.copy()
    lost = proposals.index[proposals["state"].ne("reviewed")][0]
    proposals.loc[lost, "currency"] = ""
    assert "1 customer has no known currency" in report.render(replace(data(), proposals=proposals))


def test_an_outcome_that_could_not_be_checked_is_told_apart_from_a_broken_promise():
    outcome = Outcome(
        expectation="x", column="c", severity="warning", words="every <b>row</b> is fine", status=ERROR, error="KeyError: 'c'"
    )
    broken = Outcome(
        expectation="y", column="c", severity="critical", words="keys are there", status=FAIL, checked=3, failed=1, examples=("k1",)
    )
    verdict = Verdict(dataset="items", rows=3, kept=2, outcomes=(outcome, broken))
    text = read(report.validation_page([verdict], facts=data().facts, quarantine=data().quarantine)).text
    assert "1 check could not be carried out; the review stopped." in text
    assert (
        "every <b>row</b> is fine stops" not in text
        and "could not be checked" in text
        and "keys are there stops the review 3 1 broken k1" in text
    )


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (money(-125_050, "EUR"), "−1,250.50 EUR"),
        (money(1_000, "JPY"), "1,000 JPY"),
        (money(1_234_567, "BHD"), "1,234.567 BHD"),
        (money(5, "XQQ"), "5 minor units XQQ"),
        (money(pd.NA, "EUR"), "–"),
        (whole(150, "EUR"), "2"),
        (whole(250, "EUR"), "2"),
        (whole(-251, "EUR"), "−3"),
        (whole(-40, "EUR"), "0"),
        (major(100_000, "EUR", signed=True), "+1,000 EUR"),
        (percent(-0.0004), "0.0%"),
        (percent(float("nan")), "–"),
    ],
)
def test_values_are_written_for_people(shown, expected):
    assert shown == expected


def test_the_report_lists_broken_promises_and_counts_the_kept_ones():
    text = read(page()).text
    assert "every invoice and note has a readable due date quarantines the rows 58,214 5 broken" in text
    assert "every row can be named by its key" not in text, "kept promises stand in validation.html"
    assert "items 58,214 58,200 14 5 4 0" in text


def test_numbers_joined_by_a_rule_name_the_mapping():
    assert "rule of mapping 3f1c9a77" in read(page()).text


def test_stored_names_are_written_as_words():
    text = read(page()).text
    assert not re.search(r"\b(not_due|one_off|credit_note|on_account|terms_days|exposure_minor)\b", text)


def test_what_people_answered_stands_with_name_time_and_reason():
    answer = report.DecisionLine(
        customer_id="C-0001",
        currency="EUR",
        from_minor=100_000_00,
        to_minor=150_000_00,
        verdict="reject",
        by="Rosa Controller for Max Manager",
        on="2026-10-08 09:30",
        reason="accounts are missing",
    )
    shown = report.render(replace(data(), decided=(answer,)))
    for text in ("Answered by people", "Rosa Controller for Max Manager", "2026-10-08 09:30", "accounts are missing", "150,000 EUR"):
        assert text in shown
    assert "Nobody has answered yet." in page()


def test_a_review_whose_proposals_have_all_ended_says_so_and_by_whom_in_which_tier():
    asked = [("p1", "a", "applied", "", "T2"), ("p2", "b", "rejected", "excluded", "T1"), ("p3", "c", "applied", "", "")]
    proposals = [
        SimpleNamespace(proposal_id=p, customer_id=c, state=s, outcome_code=o, tier=t) for p, c, s, o, t in asked
    ]  # the third passed by rule
    routed = SimpleNamespace(last_good_state="routed")
    assert reporting.all_ended(routed, proposals) and not reporting.all_ended(SimpleNamespace(last_good_state="proposed"), proposals)
    assert not reporting.all_ended(routed, [*proposals, SimpleNamespace(state="pending")])
    answers = [SimpleNamespace(proposal_id="p1", approver_id="cfo")]
    out = [SimpleNamespace(customer_id="b", owner_id="anna")]
    lines = ended(proposals, answers, out, {"cfo": "Paul Weiss", "anna": "Anna Okafor"}, {"T1": "Controller", "T2": "Manager"})
    shown = [(one.tier, one.how, one.by, one.count) for one in lines]
    assert shown == [("T1 Controller", "excluded", "Anna Okafor", 1), ("T2 Manager", "applied", "Paul Weiss", 1)]
    done = replace(data(), ended=lines, routes=data().routes.iloc[:0])
    told = read(report.render(done)).text
    assert "Nothing waits for a person any more." in told and "T2 Manager applied Paul Weiss 1" in told
    assert "and all have ended" in told and "have not been routed" not in told and " need people" not in told


def _request(customer, layer, had, to, *, engine, way="up"):
    """The proposal of a request for `to`, applied."""
    request = {"by": "sales", "amount_minor": to, "reason": "an order"}
    packet = {"layer": layer, "request": request, "over_limit_minor": 0, "blocked_orders_minor": None}
    return SimpleNamespace(
        proposal_id=f"p-{customer}", created_at=1, customer_id=customer, currency="EUR", from_minor=had, to_minor=to, engine_minor=engine,
        direction=way, terms_days=None, exceptional="requested", state="applied", packet_json=json.dumps(packet),
    )  # fmt: skip


def test_the_totals_of_a_request_are_those_of_what_was_asked_beside_what_the_engine_finds():
    d = data()
    rows = d.proposals[d.proposals["currency"].eq("EUR") & d.proposals["direction"].eq("down")].head(1)
    ((customer, had, found),) = rows[["customer_id", "from_minor", "to_minor"]].itertuples(index=False)
    one = _request(customer, "base", int(had), int(had) + 50_000_00, engine=int(found))
    shown = as_asked(rows, [one])
    assert (book.directions(shown)["up"], book.directions(shown)["down"], book.steps(shown, "EUR").up) == (1, 0, 50_000_00)
    assert rows["to_minor"].iloc[0] == found, "what the engine found is not touched"
    told = replace(d, proposals=shown, asked=asked([one], {"sales": "Sven Sales"}), routes=None)
    sentence = f"Sven Sales asked for {money(one.to_minor, 'EUR')}; the engine finds a limit of {money(int(found), 'EUR')}"
    assert sentence in " ".join(map(str, headline.summary(told))) and "(applied)" in " ".join(map(str, headline.summary(told)))
    ((line,),) = (block.lines for block in movements.blocks(told)[0])
    assert line.after == whole(one.to_minor, "EUR") and str(line.why_title) == f"Why the engine finds {whole(int(found), 'EUR')}"
    assert str(line.reasons).startswith("asked for by a person")


def test_a_temporary_limit_that_was_asked_for_stands_above_the_base_limit_and_a_bound_is_no_limit():
    d = data()
    rows = d.proposals[d.proposals["currency"].eq("EUR") & d.proposals["direction"].eq("down")].head(1)
    customer, had = rows["customer_id"].iloc[0], int(rows["from_minor"].iloc[0])
    higher, lower = (_request(customer, "temporary", None, had + by, engine=1, way="new") for by in (1000, -1000))
    assert as_asked(rows, [higher])[["direction", "to_minor"]].to_numpy().tolist() == [["up", had + 1000]]
    assert as_asked(rows, [lower])[["direction", "to_minor"]].to_numpy().tolist() == [["same", had]]
    assert as_asked(rows, [_request(customer, "ceiling", None, 1000, engine=1)]).equals(rows)
    untouched = _request(customer, "base", had, 7, engine=7)
    assert as_asked(rows, [untouched]).equals(rows) and not asked([untouched], {})


def test_who_must_be_looked_at_stands_with_the_reason_and_the_next_review():
    columns = {
        "customer_id": ["C-0001", "C-0002"],
        "state": ["quarantined", "reviewed"],
        "escalate": ["quarantined twice in a row", ""],
        "next_review": ["2026-12-31", "2026-12-31"],
    }
    shown = report.render(replace(data(), states=sample.frame("states", columns, 2)))
    assert "A person must look at these" in shown and "quarantined twice in a row" in shown and "31 December 2026" in shown
    assert "A person must look at these" not in page()


def _review_with(proposals, *, state):
    """Proposals on record, as (customer, state, rule, exceptions), of a review that got as far as `state`."""
    record = SimpleNamespace(last_good_state=state)
    return record, [SimpleNamespace(customer_id=c, state=s, straight_through_rule=r, exceptional=e) for c, s, r, e in proposals]


def test_what_passed_by_rule_is_what_the_record_says_once_the_review_is_routed():
    rules = ["small"] * 4 + [""]
    engine = pd.DataFrame({"customer_id": list("abcde"), "straight_through": [True] * 4 + [False], "straight_through_rule": rules})
    rows = [("a", "applied", "small", ""), ("b", "draft", "", ""), ("c", "pending", "", "erp_difference"), ("e", "draft", "", "")]
    waiting = [(c, "draft", "small", e) for c, _, _, e in rows]
    assert reporting._as_routed(engine, *_review_with(waiting, state="proposed")).equals(engine)
    found = reporting._as_routed(engine, *_review_with(rows, state="routed"))
    assert found["straight_through"].tolist() == [True, False, False, False, False]
    assert found["straight_through_rule"].tolist() == ["small", "small", "", "", ""]


def test_a_proposal_beyond_the_rule_is_shown_with_those_who_must_approve_it():
    d = data()
    (first, *_) = d.proposals.index[d.proposals["straight_through"]]
    through = d.proposals["straight_through"].copy()
    through[first] = False
    beyond = replace(d, proposals=d.proposals.assign(straight_through=through))
    lines = {line.customer_id: line.route for block in movements.blocks(beyond)[0] for line in block.lines}
    assert lines[d.proposals["customer_id"][first]] == "analyst, then approver; beyond the rule: group sum"
    assert len(movements.automatic(beyond)[1].rows) == len(movements.automatic(d)[1].rows) - 1
    assert f"{int(through.sum())} proposal passes by rule" in " ".join(headline.summary(beyond))


def test_a_change_left_to_a_newer_review_is_said_and_needs_nobody():
    d = data()
    rows = movements.changes(d.proposals)
    mine = rows.loc[~rows["straight_through"], "customer_id"].iloc[0]
    waiting = len(rows) - int(rows["straight_through"].sum())
    left = replace(d, left_to_newer=frozenset({mine}), routes=d.routes[d.routes["customer_id"].ne(mine)])
    lines = {line.customer_id: line.route for block in movements.blocks(left)[0] for line in block.lines}
    assert lines[mine] == "left to a newer review"
    assert f"{waiting} proposals need people" in " ".join(headline.summary(d))
    assert f"{waiting - 1} proposals need people" in " ".join(headline.summary(left))


def test_a_customer_without_a_name_is_printed_once():
    d = data()
    nameless = replace(d, customers=d.customers.assign(name=""))
    assert {line.name for block in movements.blocks(nameless)[0] for line in block.lines} == {""}


def test_no_payment_history_is_said_of_a_source_without_one_only():
    d = data()
    silent = d.features.assign(cleared_count=0, not_computable="average_days_late: no cleared items in source")
    quiet = silent.assign(not_computable="average_days_late: no items cleared in the last 12 months")
    assert any("has no payment history" in text for text in headline.warnings(replace(d, features=silent)))
    told = headline.warnings(replace(d, features=quiet))
    assert not any("has no payment history" in text for text in told) and any("No invoice was cleared" in text for text in told)
