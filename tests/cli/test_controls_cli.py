"""Controls at the command line and as the step of the nightly flow: what they find, say, and hand on as findings."""

from __future__ import annotations

import pytest

from credit_review.adapters import watching
from credit_review.adapters.workspace import Workspace
from credit_review.controls.history import COLUMNS
from credit_review.model.records import Finding, Review

pytestmark = pytest.mark.prefect


def certificate(office):
    review = office.one(Review)
    return review, Workspace(office.opened.settings.data, review.review_id).folder / "certificate.json"


def test_a_review_in_order_has_no_exception_and_the_review_itself_has_run_the_controls(reviewed):
    assert reviewed.run("audit", "controls", who="").fine().out == "16 controls ran\nno exception found\n"
    assert reviewed.run("audit", "controls", "--json", who="").fine().json == []
    assert reviewed.find(Finding) == []


def test_what_a_control_finds_is_listed_with_its_sentence_and_ends_with_1(office):
    review, file = certificate(office)
    file.unlink()
    done = office.run("audit", "controls", "--review", review.review_id, who="")
    assert done.code == 1
    assert "coverage: a customer was not reviewed for a year, or a review has no whole certificate" in done.out
    assert f"review:{review.review_id}" in done.out and "code certificate_missing" in done.out and "1 exception found" in done.out
    (alarm,) = office.run("audit", "controls", "--json", who="").json
    assert (alarm["control"], alarm["severity"], alarm["facts"]) == ("coverage", "high", {"code": "certificate_missing"})


def test_a_certificate_that_was_changed_with_its_seal_or_no_longer_adds_up_is_not_whole(office):
    import hashlib

    _, file = certificate(office)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"rows":', '"rows" :', 1), encoding="utf-8")
    assert office.run("audit", "controls", "--json", who="").json[0]["facts"] == {"code": "certificate_altered"}
    one_more = text.replace('"customers":45', '"customers":46', 1)
    assert one_more != text
    file.write_text(one_more, encoding="utf-8")
    seal = file.with_name(file.name + ".sha256")
    seal.write_text(seal.read_text().replace(seal.read_text().split()[0], hashlib.sha256(one_more.encode()).hexdigest()))
    assert office.run("audit", "controls", "--json", who="").json[0]["facts"] == {"code": "certificate_altered"}


def test_a_review_that_is_nowhere_is_named(reviewed):
    reviewed.run("audit", "controls", "--review", "r-nowhere", who="").refused(3, "no review r-nowhere", "credit-review review list")


def test_the_frames_are_as_documented_and_cover_every_customer_of_the_newest_review(reviewed):
    of = watching.history_of(reviewed.opened)
    assert {name: list(frame.columns) for name, frame in of.frames.items()} == {name: list(columns) for name, columns in COLUMNS.items()}
    assert len(of["coverage"]) == 45 and of["coverage"]["active"].any()
    assert set(of["reviews"]["certificate"]) == {"whole"}


def test_the_nightly_step_opens_one_finding_an_exception_however_often_it_runs(office):
    from tasks import controls

    _, file = certificate(office)
    file.unlink()
    first, again = controls.watch.fn(str(office.config)), controls.watch.fn(str(office.config))
    assert str(first.headline) == "16 controls ran: 1 exception found, 1 of them new"
    assert str(again.headline) == "16 controls ran: 1 exception found, 0 of them new"
    finding = office.one(Finding)
    assert (finding.control, finding.severity, finding.subject) == ("coverage", "high", first.rows[0]["subject"])
    assert set(first.rows[0]) == {"control", "severity", "subject", "facts", "entries"}
