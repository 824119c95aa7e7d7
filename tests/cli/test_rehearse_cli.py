"""`rehearse` at the command line: cases of a closed review, answers from a file, the score explained, the pass recorded and asked for."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from office import CLOCK, NOON
from sqlalchemy import text

from credit_review.model.records import Rehearsal, Review
from credit_review.review import rehearsing
from deployments.cli import rehearsing as rehearsing_cli
from tests.store.meddling import as_administrator


@pytest.fixture
def past(office):
    """The office's review as if it were over, and a policy that asks for four cases."""
    (review,) = office.find(Review)
    with as_administrator(office.opened.store, "review") as raw:
        raw.execute(text("UPDATE review SET state = 'closed', last_good_state = 'closed', closed_by = 'p-cfo'"))
    CLOCK.set(NOON + timedelta(hours=1))
    office.edit("policy.yaml", "{cases: 10,", "{cases: 4,")
    office.adopt("policy.yaml")
    return review.review_id


def answered(office, tmp_path, *, right):
    """A file that answers the open rehearsal, all rightly or all approved; the key is worked out from the seed in the store."""
    one = office.one(Rehearsal, state="open")
    with office.opened.store.read() as uow:
        cases = rehearsing.cases_of(uow, one, str)
    lines = [f"{c.number} {'reject the figures do not fit' if c.mistake and right else 'approve'}" for c in cases]
    path = tmp_path / "answers"
    path.write_text("# mine\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_practice_is_scored_and_recorded_nowhere(office, past, tmp_path):
    shown = office.run("rehearse", past, "--seed", "s", "--cases", "4", "--json", who="p-cfo").fine().json
    assert shown["practice"] is True and [c["case"] for c in shown["cases"]] == [1, 2, 3, 4]
    path = tmp_path / "a"
    path.write_text("1 approve\n2 approve\n3 approve\n4 perhaps\n", encoding="utf-8")
    office.run("rehearse", past, "--seed", "s", "--cases", "4", "--answers", str(path), who="p-cfo").refused(3, "line 4", "perhaps")
    path.write_text("1 approve\n2 approve\n3 approve\n4 approve\n", encoding="utf-8")
    done = office.run("rehearse", past, "--seed", "s", "--cases", "4", "--answers", str(path), who="p-cfo").fine()
    assert "missed" in done.out and "practice is not recorded" in done.out
    assert office.find(Rehearsal) == []


def test_a_pass_is_earned_listed_and_asked_for(office, past, tmp_path):
    text_of_cases = office.run("rehearse", past, who="p-cfo").fine().out
    assert "Case 4 of 4" in text_of_cases and "Why this amount" in text_of_cases and "--answers FILE" in text_of_cases
    shown = office.run("rehearse", past, "--json", who="p-cfo").fine()
    assert office.one(Rehearsal).seed not in shown.out + text_of_cases
    assert "nobody" not in (listed := office.run("rehearsals").fine().out) and "not answered yet" in listed
    failed = office.run("rehearse", past, "--answers", str(answered(office, tmp_path, right=False)), who="p-cfo").fine()
    CLOCK.set(NOON + timedelta(hours=2))
    assert "not passed" in failed.out and "what gave it away" in failed.out
    office.run("rehearse", past, "--json", who="p-cfo").fine()
    passed = office.run("rehearse", past, "--answers", str(answered(office, tmp_path, right=True)), "--json", who="p-cfo").fine().json
    assert passed["passed"] is True and passed["caught"] == passed["seeded"] and passed["false_alarms"] == 0
    assert passed["valid_until"] == "2027-10-02" and CLOCK.now().year == 2026
    assert [r["state"] for r in office.run("rehearsals", "--person", "p-cfo", "--json").json] == ["passed", "failed"]
    matrix = office.config / "authority.yaml"
    office.edit("authority.yaml", "\noffices:  ", "\nrehearsal_from: T3\noffices:  ")
    warned = office.run("check", str(matrix)).fine().err
    assert "T3 needs passes of a rehearsal, and 1 of the 2" in warned and "T4" in warned
    assert "passes for tier T3" in office.run("doctor").out


def test_what_does_not_fit_is_said_with_the_next_step(office, past):
    office.run("rehearse", past, "--cases", "99", who="p-cfo").refused(3, "99 cases", "so many of its proposals")
    office.run("rehearse", "r-none", who="p-cfo").refused(3)
    office.run("rehearse", past, "--cases", "3", who="p-cfo").refused(2)


def test_in_a_terminal_each_case_is_asked_once_and_an_interrupted_rehearsal_goes_on(office, past, monkeypatch):
    asked = []

    def prompt(_):
        asked.append(1)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return ["reject", "looks wrong", "maybe", None, "approve", "approve", "approve"][len(asked) - 1]

    monkeypatch.setattr(rehearsing_cli.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(rehearsing_cli.typer, "prompt", prompt)
    stopped = office.run("rehearse", past, who="p-cfo")
    assert (stopped.code, "'maybe' is no answer" in stopped.out) == (130, True)
    done = office.run("rehearse", past, who="p-cfo").fine().out
    assert "Case 1 of 4" not in done and "Case 2 of 4" in done and "mistakes caught" in done
    assert office.one(Rehearsal).state in ("passed", "failed") and len(asked) == 7
