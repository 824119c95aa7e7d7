"""Controls over generated histories: every planted case is found, clean reviews stay quiet, and an empty or thin record is no error."""

from __future__ import annotations

import pytest

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
    assert planted_found(past, control, 4) and planted_found(past, control, 7)


def test_controls_are_pure_and_run_on_a_record_that_lacks_a_frame_or_has_nothing_at_all(past):
    full = past.history()
    kept = {name: frame.copy() for name, frame in full.frames.items()}
    for gone in ("decisions", "proposals", "documents", "people", None):
        some = {name: empty(name) if gone in (name, None) else frame.head(200) for name, frame in full.frames.items()}
        watch(past.history(RULES, frames=some))
    for name, frame in kept.items():
        assert frame.equals(full[name])


@pytest.mark.soak
def test_over_a_hundred_seeds_every_planted_case_is_found_and_clean_reviews_are_quiet():
    """The figures of docs/audit/controls.md, `python -m tests.controls.calibrate`."""
    _, most, _, missed = measured(range(SEEDS))
    assert not missed and max(most.values(), default=0) <= 1
