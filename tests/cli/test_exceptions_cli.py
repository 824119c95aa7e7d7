"""Exceptions at the command line: listed with owner and end, shown with their history, handed over, ended, and in inbox and report."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

from office import CLOCK, NOON

from deployments.cli import findings, language


def test_an_exclusion_is_listed_shown_handed_over_and_ended(office):
    key = office.waiting(way="up")[0]
    office.run("exclude", key, "--rule", "netting", "--reason", "joint venture", who="p-analyst").fine()
    (one,) = office.run("exceptions", "list", "--json", who="").fine().json
    assert (one["kind"], one["owner_id"], one["ends"], one["owner_left"]) == ("exclusion", "p-analyst", "2027-10-02", False)
    name = one["exception_id"]
    listed = office.run("exceptions", "list").fine().out
    assert name in listed and "Anna Berg" in listed and "2027-10-02" in listed
    office.run("exceptions", "hand-over", name, "--to", "p-cfo", "--reason", "mine now", who="p-manager").refused(4, "may not hand over")
    assert office.refusals()[-1][0] == "person:p-manager"
    done = office.run("exceptions", "hand-over", name, "--to", "p-cfo", "--reason", "Anna leaves", who="p-analyst").fine()
    assert "belongs to Frank Osei" in done.out
    CLOCK.set(NOON + timedelta(hours=1))
    office.run("exceptions", "end", name, "--reason", "settled", "--json", who="p-cfo").fine()
    shown = office.run("exceptions", "show", name).fine().out
    assert "netting: joint venture" in shown and "exception.handed_over" in shown and "ended, by a person" in shown
    assert office.run("exceptions", "list").fine().out.strip() == "no exception"
    office.run("exceptions", "end", name, "--reason", "again", who="p-cfo").refused(4, "is ended")
    office.run("exceptions", "show", "ex-nothing").refused(3, "no exception ex-nothing")
    assert office.run("audit", "verify", "--business").code in (0, 2)


def test_an_exception_that_ends_soon_is_in_its_owners_inbox(office):
    key = office.waiting(way="up")[0]
    until = NOON.date().replace(day=20).isoformat()
    office.run("exclude", key, "--rule", "netting", "--reason", "x", "--until", until, who="p-analyst").fine()
    assert f"ends on {until}" in office.run("inbox", who="p-analyst").fine().out
    assert len(office.run("inbox", "--json", who="p-analyst").json["exceptions"]) == 1
    assert office.run("inbox", "--json", who="p-cfo").json["exceptions"] == []


def test_an_exception_that_ended_without_a_reason_says_how_it_ended(capsys):
    language.begin({})
    body = json.dumps({"data": {"how": "end_date"}})
    findings.show_history([SimpleNamespace(seq=7, ts="t", action="exception.ended", actor="system", body=body)], {}, {})
    assert "on its day" in capsys.readouterr().out
