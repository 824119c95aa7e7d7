"""Cases of a rehearsal: the same for a seed, anonymous, each mistake visible and told, and the score what it must be."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsal_packets import packet, packets

from credit_review.model.states import Verdict
from credit_review.rehearsal import MISTAKES, Answer, Mistake, draw, fit, score
from credit_review.rehearsal.mistakes import AFTER_CAPS, FORMULA, NEED, REPORT, Given, figure_of, money_of
from credit_review.words import packed, said, unpacked

GIVEN = Given(str, 365)
BOOK = packets()


def drawn(seed="s", cases=12):
    return draw(BOOK, seed=seed, cases=cases, given=GIVEN)


def shown(one):
    return json.dumps(one.packet, sort_keys=True, default=str)


def test_a_seed_gives_the_same_cases_and_another_seed_gives_others():
    assert drawn() == drawn()
    assert [shown(c) for c in drawn()] != [shown(c) for c in drawn("t")]
    assert packets() == BOOK, "the review's own packets are left alone"


@given(st.text(min_size=1, max_size=12))
def test_some_cases_have_a_mistake_and_some_have_none_whatever_the_seed(seed):
    cases = drawn(seed, 10)
    assert [c.number for c in cases] == list(range(1, 11))
    assert 4 <= sum(c.mistake is not None for c in cases) <= 6
    assert all((c.mistake is None) == (c.tell is None) for c in cases)


def test_a_case_names_nobody_and_nothing_in_it_says_whether_it_is_seeded():
    for case in drawn():
        text = shown(case)
        assert "Kunde" not in text and "Brandt" not in text and case.packet["proposal_id"] == f"case-{case.number}"
        assert "mistake" not in text and "seed" not in text
        assert figure_of(case.packet, str(REPORT)) is not None, "every case says when the report was made"
    with_notes = {c.mistake is None for c in drawn("n", 20) if c.packet["notes"]}
    assert with_notes == {True, False}, "sound cases have notes as well"


@pytest.mark.parametrize("kind", list(Mistake))
def test_each_mistake_shows_in_the_packet_where_the_tell_says(kind):
    right = packet(to=22_000_00, need=20_000_00)
    made, tell = MISTAKES[kind](right, GIVEN)
    assert made != right and str(tell.why)
    cap, need, to = (money_of(made, name) for name in (AFTER_CAPS, NEED, FORMULA))
    notes, report = "".join(note["text"] for note in made["notes"]), figure_of(made, str(REPORT))
    wrong = {
        Mistake.ABOVE_CAP: made["to_minor"] > cap,
        Mistake.WRONG_TOTAL: need is not None and to != int(need * Decimal("1.20")) and made["to_minor"] <= cap,
        Mistake.INSOLVENT_RAISED: made["status"] == "insolvent" and made["to_minor"] > made["from_minor"],
        Mistake.MISSING_HIDDEN: str(unpacked(figure_of(made, NEED))) == "not known" and "missing_data" not in made["exceptional"],
        Mistake.GROUP_LEFT_OUT: "parent company" in notes,
        Mistake.STALE_REPORT: report is not None and str(unpacked(report)) < "2025-09-30",
        Mistake.SPLIT_REQUEST: "two requests" in notes,
    }
    assert [one for one, seen in wrong.items() if seen is True] == [kind]
    assert made["engine_minor"] == made["to_minor"], "what the engine recommends gives no mistake away"


def test_a_mistake_that_cannot_be_made_is_left_out():
    own_formula = [[packed(said("Formula")), packed(said("{amount}", amount="x"))]]
    assert MISTAKES[Mistake.WRONG_TOTAL](packet(derivation=own_formula), GIVEN) is None
    assert MISTAKES[Mistake.ABOVE_CAP](packet(derivation=own_formula), GIVEN) is None


def test_only_plain_increases_of_quiet_customers_are_cases():
    assert fit(packet())
    for changed in (
        {"from_minor": None}, {"to_minor": 10_000_00, "engine_minor": 10_000_00}, {"engine_minor": 1}, {"status": "legal"},
        {"facts": {"oldest_dpd_days": 31}}, {"exposure_minor": 99_000_00}, {"exceptional": ["missing_data"]}, {"request": {"by": "x"}},
        {"to_minor": 80_000_00, "engine_minor": 80_000_00}, {"layer": "temporary"},
    ):  # fmt: skip
        assert not fit(packet(**changed)), changed


def test_the_score_counts_what_was_caught_and_what_was_refused_without_need():
    cases = drawn()
    right = {c.number: Answer(Verdict.RETURN if c.mistake else Verdict.APPROVE, "why") for c in cases}
    blind = {c.number: Answer(Verdict.APPROVE) for c in cases}
    afraid = {c.number: Answer(Verdict.REJECT, "no") for c in cases}
    seeded = sum(c.mistake is not None for c in cases)
    assert (score(cases, right).caught, score(cases, right).false_alarms) == (seeded, 0)
    assert (score(cases, blind).caught, score(cases, afraid).false_alarms) == (0, len(cases) - seeded)
    rule = {"caught_percent": 80, "false_alarms_up_to": 2}
    assert [score(cases, a).passes(**rule) for a in (right, blind, afraid)] == [True, False, False]
