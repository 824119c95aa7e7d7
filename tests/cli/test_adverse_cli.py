"""From a reduction that was applied to a notice that was given, and a finding where it was not, at the command line."""

from __future__ import annotations

from datetime import timedelta

from office import CLOCK, NOON

from credit_review.model.records import Finding


def test_a_reduction_is_confirmed_and_its_customer_told_or_a_finding_says_that_he_was_not(office, tmp_path):
    office.run("adverse", "confirm", "p-none", who="p-analyst").refused(4, "names no jurisdiction", "docs/adverse-action.md")
    first, second, *_ = office.waiting(way="down", tier="T1")
    for key in (first, second):
        office.run("release", key, who="p-analyst").fine()
        office.run("decide", key, "approve", who="p-controller").fine()
    office.run("apply").fine()
    office.edit("policy.yaml", "profile: none ", "profile: us_trade_credit ")
    CLOCK.set(NOON + timedelta(minutes=1))
    office.adopt("policy.yaml")

    rows = office.run("adverse", "list", "--json").fine().json
    assert {row["proposal"] for row in rows} >= {first, second} and all(row["kind"] == "reduction" for row in rows)
    assert f"{first}" in office.run("adverse", "list").fine().out
    office.run("adverse", "confirm", first, "--as-class", "rude", who="p-analyst").refused(3, "unknown class 'rude'", "whole_class")
    as_adverse = ("--as-class", "adverse", "--reason", "in doubt")
    (done,) = office.run("adverse", "confirm", first, *as_adverse, "--json", who="p-analyst").fine().json
    assert done["classified"] == "adverse" and done["notice_due"] == "2026-10-31"
    letter = tmp_path / "letter.txt"
    office.run("adverse", "letter", first, "--out", str(letter)).fine()
    assert "The principal reasons are:" in letter.read_text(encoding="utf-8")
    office.run("adverse", "letter", first, "--out", str(letter)).refused(3, "cannot be written")
    page = tmp_path / "letter.html"
    office.run("adverse", "letter", first, "--out", str(page)).fine()
    assert "<li>" in page.read_text(encoding="utf-8") and "The principal reasons are:" in page.read_text(encoding="utf-8")
    assert "主要原因如下：" in office.run("adverse", "letter", first, "--language", "zh_CN").fine().out
    office.run("adverse", "notified", first, "--file", str(letter), who="p-analyst").fine()
    shown = office.run("adverse", "show", first).fine().out
    assert "keep the file until" in shown and "2026-11-30" in shown
    office.run("adverse", "confirm", second, *as_adverse, who="p-analyst").fine()

    CLOCK.set(NOON + timedelta(days=40))
    office.run("follow-up").fine()
    found = [one.subject for one in office.find(Finding, control="notice_overdue")]
    assert f"proposal:{second}" in found and f"proposal:{first}" not in found
