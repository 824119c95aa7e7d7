"""Controls over generated histories: every planted case is found, clean reviews stay quiet, and an empty or thin record is no error."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from credit_review.controls import dips
from credit_review.controls.history import empty
from credit_review.controls.register import REGISTER, watch
from tests.controls.calibrate import clean_alarms, measured, planted_found
from tests.controls.histories import PLANTED, RULES, Past

SEEDS = 100


@pytest.fixture(scope="module")
def past():
    return Past(4)


def test_every_control_has_a_planted_case():
    assert set(PLANTED) == {one.name for one in REGISTER}


def test_twenty_clean_reviews_give_at_most_one_alarm_a_control(past):
    names = [alarm.control for alarm in clean_alarms(past)]
    assert all(names.count(name) <= 1 for name in set(names)), names


@pytest.mark.parametrize("control", REGISTER, ids=lambda one: one.name)
def test_each_control_finds_its_planted_case_with_the_frames_it_names_as_evidence(control, past):
    assert planted_found(past, control, 4) and planted_found(past, control, 11)


def test_controls_are_pure_and_run_on_a_record_that_lacks_a_frame_or_has_nothing_at_all(past):
    full = past.history()
    kept = {name: frame.copy() for name, frame in full.frames.items()}
    for gone in ("decisions", "proposals", "documents", "people", None):
        some = {name: empty(name) if gone in (name, None) else frame.head(200) for name, frame in full.frames.items()}
        watch(past.history(RULES, frames=some))
    for name, frame in kept.items():
        assert frame.equals(full[name])


def test_answers_of_one_click_are_one_act_where_policy_allows_lists_and_a_run_where_it_does_not(past):
    dirty = past.copy()
    subject = PLANTED["bulk_approvals"](dirty, 3)
    (bulk,) = [one for one in REGISTER if one.name == "bulk_approvals"]
    assert [alarm.subject for alarm in watch(dirty.history(only=bulk.evidence), [bulk])] == [subject]
    assert watch(dirty.history(only=bulk.evidence, listed=True), [bulk]) == []


@pytest.mark.soak
def test_over_a_hundred_seeds_every_planted_case_is_found_and_clean_reviews_are_quiet():
    """The figures of docs/audit/controls.md, `python -m tests.controls.calibrate`."""
    _, most, _, missed = measured(range(SEEDS))
    assert not missed and max(most.values(), default=0) <= 1


def test_dips_do_not_depend_on_how_many_customers_are_looked_at_together(monkeypatch):
    draw = np.random.default_rng(3)
    of = np.cumsum(draw.integers(-30_000, 32_000, (40, 365)), axis=1) + draw.integers(0, 400_000, (40, 1))
    of[:, [200, 270]] //= 3
    days, floor = [date(2026, 7, 20), date(2026, 9, 28)], draw.integers(50_000, 900_000, 40)

    def found(at_once):
        monkeypatch.setattr(dips, "AT_ONCE", at_once)
        frame = dips.dips(of, [f"c-{n:02}" for n in range(40)], date(2026, 12, 31), days, percent=30, floor=floor)
        return frame.sort_values(["customer_id", "as_of"], ignore_index=True)

    assert found(1000)["dipped"].any()
    pd.testing.assert_frame_equal(found(7), found(1000))
