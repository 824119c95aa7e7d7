"""What a validator reads: the same history gives the same bytes, tests are told from what the fit saw, and what is wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from credit_review.monitoring.examination import AtCutoff, concerns, examine, labels
from credit_review.monitoring.ranking import ranking
from credit_review.report.model_card import Presented, model_card
from credit_review.scoring import evaluation, fit
from credit_review.words import Words, words_for
from tests.scoring.scoring_rows import simulated, starter_policy

POLICY = starter_policy()
FITTED_ON = (date(2023, 12, 31), date(2024, 3, 31))
LATER = (date(2024, 9, 30), date(2025, 3, 31), date(2025, 9, 30), date(2026, 3, 31))
AS_OF = date(2027, 3, 31)


@pytest.fixture(scope="module")
def rows():
    return simulated(240, seed=3, cutoffs=(*FITTED_ON, *LATER))


@pytest.fixture(scope="module")
def card(rows):
    return fit(rows[rows["cutoff"] <= pd.Timestamp(FITTED_ON[-1])], policy=POLICY, seed=1, valid_from=AS_OF).scorecard


@pytest.fixture(scope="module")
def found(card, rows):
    return looked(card, rows)


def looked(card, rows, leaks=()):
    return examine(card, rows, POLICY, as_of=AS_OF, seed=1, leaks=leaks)


def test_the_same_history_gives_the_same_bytes_whatever_the_order_of_rows(card, rows, found):
    again = looked(card, rows.sample(frac=1, random_state=2))
    assert again.text() == found.text() and json.loads(found.text())["card"] == found.card


def test_outcomes_that_overlap_those_of_the_fit_do_not_test_it(found):
    """The fit saw outcomes up to twelve months after its last cut-off, 2025-03-31: what begins before is no test."""
    assert [one.seen for one in found.by_cutoff] == [True, True, True, False, False, False]
    assert found.test.name == "later" and {part.name for part in found.parts} == {"seen", "later"}


def test_no_outcome_counts_twice(found, rows):
    """Windows of the cut-offs counted do not overlap, and the newest is among them."""
    assert found.test.cutoffs == ("2025-03-31", "2026-03-31")
    assert found.test.rows == int(rows["cutoff"].isin([pd.Timestamp(day) for day in found.test.cutoffs]).sum())
    assert all(one.of <= found.test.rows for part in found.parts for one in (band.found for band in part.bands))


def test_figures_of_ranking_are_those_of_an_own_calculation(card, rows, found):
    part = found.parts[0]
    assert part.name == "seen" and 0.5 < part.ranking.low < part.ranking.auc < part.ranking.high
    at = next(one for one in found.by_cutoff if one.cutoff == "2026-03-31")
    assert isinstance(at, AtCutoff) and at.ranking.customers == 240
    good = sum(one[1] for one in found.histogram)
    bad = sum(one[2] for one in found.histogram)
    assert good + bad == found.test.rows and bad == found.test.bad


def test_where_the_fit_saw_everything_it_is_said(card, rows):
    only = looked(card, rows[rows["cutoff"] <= pd.Timestamp(FITTED_ON[-1])])
    assert only.test.name == "seen" and any("the fit saw every outcome" in one for one in only.concerns)


def test_no_history_is_nothing_to_validate_on(card, rows):
    none = looked(card, rows.iloc[:0])
    assert none.test is None and list(none.concerns) == ["no outcome is known yet: there is nothing to validate on"]
    assert "no outcome is known yet" in page(card, none)


def test_what_is_wrong_is_named(card, rows, found):
    leaky = looked(card, rows, leaks=[("overdue_fraction", "it was known only later")])
    assert any("overdue_fraction may know" in one for one in leaky.concerns)
    shuffled = rows.assign(outcome=np.random.default_rng(5).permutation(rows["outcome"].to_numpy()))
    assert any("no better than chance" in one or "too few" in one for one in looked(card, shuffled).concerns)
    turned = tuple(replace(one, against=(("a", "b"),)) for one in found.factors[:1])
    assert any("did worse than b" in one for one in concerns(replace(found, factors=turned)))


def test_a_bin_that_pays_for_hiding_the_value_is_named(card, rows):
    factor = card.factors[0]
    paid = factor.model_copy(update={"missing": factor.missing.model_copy(update={"points": 500})})
    hiding = card.model_copy(update={"factors": (paid, *card.factors[1:])})
    assert any("hiding the value earns more" in one for one in looked(hiding, rows).concerns)


def test_a_card_for_people_says_what_the_figures_say_and_needs_nothing_from_outside(card, found):
    shown = page(card, found)
    assert shown == page(card, found)
    assert "http://" not in shown and "https://" not in shown and "<script" not in shown and shown.count("<svg") == 4
    assert f"{found.test.ranking.auc:.3f}" in shown and found.card in shown and "not consumers" in shown
    chinese = page(card, found, words_for(language="zh_CN"))
    assert "模型卡" in chinese and "如何得出" in chinese and f"{found.test.ranking.auc:.3f}" in chinese


def page(card, examined, words=None):
    about = Presented(company="Example", card=card, digest=examined.card, examined=examined, report_digest="ab" * 32)
    return model_card(about, words or Words())


def test_bins_are_labelled_as_people_read_them(card):
    first = next(one for one in card.factors if one.kind == "number")
    said = labels(first)
    assert said[0].startswith("< ") and said[len(first.bins) - 1].startswith(">= ") and said[len(first.bins)] == "missing"


def test_ranking_agrees_with_a_count_of_pairs():
    rng = np.random.default_rng(7)
    outcome, risk = rng.integers(0, 2, 60), rng.integers(0, 9, 60)
    pairs = [(b > g) + 0.5 * (b == g) for b in risk[outcome == 1] for g in risk[outcome == 0]]
    assert ranking(outcome, risk, np.arange(60).astype(str), seed=1).auc == round(float(np.mean(pairs)), evaluation.AUC_DECIMALS)
