"""`policy diff` on a real installation: what the committee reads, what is on record, and what a mistake is told."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from office import AS_OF

from credit_review.model.records import AuditRow, GovernedDocument, PolicyChangeRequest, Review

pytestmark = pytest.mark.prefect

EDITS = (
    ("up_fraction: 0.50", "up_fraction: 0.25"),
    ('version: "2026.1"', 'version: "2027.1"'),
    ("name: good, below: 0.03", "name: good, below: 0.05"),
)


def earlier_reviews(office, days):
    """The office's review again on earlier days, by label, as if it had found the same then."""
    review = office.one(Review)
    with office.opened.store.begin() as uow:
        for label, day in days.items():
            uow.add(replace(review, review_id=f"r-{label}", as_of=day, label=label, manifest_digest=label.rjust(64, "0")))
        uow.commit()
    for label in days:
        shutil.copytree(office.config / "data/reviews" / review.review_id, office.config / "data/reviews" / f"r-{label}")


@pytest.fixture(scope="module")
def compared(reviewed, tmp_path_factory):
    """An office with three reviews, a new policy, and the diff of it on the last two; tests only read."""
    office = reviewed.copy(tmp_path_factory.mktemp("policy") / "config")
    earlier_reviews(office, {"2025Q2": date(2025, 6, 30), "2025Q3": date(2025, 9, 30)})
    new = office.config / "new.yaml"
    text = (office.config / "policy.yaml").read_text(encoding="utf-8")
    for old, other in EDITS:
        assert text.count(old) == 1
        text = text.replace(old, other)
    new.write_text(text, encoding="utf-8")
    done = office.run("policy", "diff", str(new), "--reviews", "2", "--json").fine()
    return office, new, done.json


def rows_of(found):
    with Path(found["list"]).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_diff_says_what_moves_on_each_review_and_its_list_adds_up_to_its_counts(compared):
    _, _, found = compared
    assert found["before"]["version"] == "2026.1" and found["after"]["name"] == "new.yaml"
    assert {one["field"] for one in found["fields"]} == {"version", "grades[2].below", "limits.step.up_fraction"}
    rows = rows_of(found)
    assert [one["label"] for one in found["reviews"]] == ["2025Q3", "2026Q3"]
    for review in found["reviews"]:
        mine = [row for row in rows if row["review"] == review["label"]]
        counts = review["counts"]
        assert counts["customers"] == 45 and counts["down"] and counts["better"] and len(mine) == review["listed"]
        differences = [int(row["difference_control_minor"]) for row in mine]
        assert (counts["up"], counts["down"]) == (sum(d > 0 for d in differences), sum(d < 0 for d in differences))
        control = review["money"]["control"]
        assert control["up_minor"] - control["down_minor"] == sum(differences)
        assert counts["better"] + counts["worse"] == sum(one["count"] for one in review["grades"] if one["before"] != one["after"])
        fresh = sum(len(row["rules_new"].split("|")) for row in mine if row["rules_new"])
        assert fresh == sum(one.get("new", 0) for one in review["rules"].values())


def test_the_old_side_is_what_the_review_itself_proposed(compared):
    office, _, found = compared
    review = next(one for one in found["reviews"] if one["label"] == "2026Q3")
    stored = office.config / "data" / "reviews" / review["review"]
    import pandas as pd

    proposals = pd.concat([pd.read_parquet(path) for path in sorted((stored / "proposals").glob("*.parquet"))]).set_index("customer_id")
    for row in rows_of(found):
        if row["review"] == "2026Q3" and row["state_before"] == "reviewed":
            assert int(row["before_minor"]) == proposals.loc[row["customer_id"], "to_minor"]
            assert row["grade_before"] == proposals.loc[row["customer_id"], "grade"]


def test_what_came_later_is_told_where_a_later_ledger_shows_it_and_else_said_to_be_unknown(compared):
    _, _, found = compared
    earlier, newest = (one["outcomes"] for one in found["reviews"])
    assert earlier["known_to"] == AS_OF.isoformat() and {"good", "late"} & {one["later"] for one in earlier["counts"]}
    assert newest["known_to"] is None and newest["why_unknown"] == "no later ledger is on record"
    assert {one["later"] for one in newest["counts"]} == {"not_yet_known"}


def test_the_committee_reads_a_page_in_each_language_with_the_same_figures(compared):
    _, _, found = compared
    pages = [Path(found["report"].replace(".html", ending)).read_text(encoding="utf-8") for ending in (".html", ".zh_CN.html")]
    figures = [sorted(re.findall(r"\d+(?:,\d{3})+ (?:EUR|USD|GBP)", page)) for page in pages]
    assert figures[0] == figures[1] and len(figures[0]) > 20
    assert "Policy change request" in pages[0] and "Policy change request" not in pages[1]
    assert not re.search(r"<script|https?://", pages[0])


def test_recorded_as_a_request_it_takes_two_others_and_adoption_refers_to_it(reviewed, tmp_path):
    office = reviewed.copy(tmp_path / "config")
    office.edit("policy.yaml", 'version: "2026.1"', 'version: "2026.2"')
    words = ("policy", "diff", str(office.config / "policy.yaml"), "--review", "2026Q3")
    done = office.run(*words, "--request", "a new version line", who="p-analyst").fine()
    request = office.one(PolicyChangeRequest)
    assert request.request_id in done.out and "its author alone cannot" in done.out
    entry = json.loads(office.one(AuditRow, action="policy.change_requested").body)
    assert entry["data"]["old"] == request.old_digest and entry["data"]["report"] == request.report_digest
    office.run("adopt", str(office.config / "policy.yaml"), who="p-analyst").refused(4, "only author")
    for person in ("p-cfo", "p-manager"):
        office.run("adopt", str(office.config / "policy.yaml"), who=person).fine()
    changed = [json.loads(row.body)["data"] for row in office.find(AuditRow, action="policy.changed")]
    assert changed[-1]["request"] == request.request_id
    assert office.one(GovernedDocument, digest=request.new_digest).adopted_at is not None
    told = office.run("policy", "effectiveness", "--year", "2026").fine().out
    assert "version 2026.1, in 2026" in told and "was used in no review of 2026" in told, "the year's reviews used the earlier policy"


def test_mistakes_are_told_with_what_was_expected_and_the_next_step(compared, tmp_path):
    office, new, _ = compared
    words = ("policy", "diff", str(new))
    office.run(*words, "--review", "1999Q1").refused(3, "1999Q1", "2026Q3")
    office.run("policy", "diff", "nowhere.yaml", str(new)).refused(3, "nowhere.yaml")
    office.run("policy", "diff", "a", "b", "c").refused(3, "3 policies")
    other = tmp_path / "grades.yaml"
    text = re.sub(r"grade: A, name: very good", "grade: A1, name: very good", new.read_text(encoding="utf-8"))
    other.write_text(re.sub(r"\bA(?=[,\]:])", "A1", text), encoding="utf-8")
    office.run("policy", "diff", str(other)).refused(3, "A1", "grades")
    old = tmp_path / "old.yaml"
    old.write_text("version: 1\n", encoding="utf-8")
    office.run("policy", "diff", str(old), str(new)).refused(3, "old.yaml")


def test_a_review_whose_results_are_gone_is_named_with_its_folder(reviewed, tmp_path):
    office = reviewed.copy(tmp_path / "config")
    folder = office.config / "data" / "reviews" / office.one(Review).review_id
    shutil.rmtree(folder / "features")
    office.run("policy", "diff", str(office.config / "policy.yaml")).refused(3, "features", str(folder))


def test_other_features_scores_and_scope_are_computed_anew_under_both_policies(reviewed, tmp_path):
    office = reviewed.copy(tmp_path / "config")
    before = (office.config / "policy.yaml").read_text(encoding="utf-8")
    new = office.config / "new.yaml"
    new.write_text(before.replace("review_quarantined_below: 1000", "review_quarantined_below: 9000000"), encoding="utf-8")
    found = office.run("policy", "diff", str(new), "--json").fine().json
    assert (
        found["reviews"][0]["counts"]["customers"] == 45
        and {"before": "quarantined", "after": "reviewed"}.items()
        <= max(found["reviews"][0]["states"], key=lambda one: one["count"]).items()
    )
    same = office.run("policy", "diff", str(office.config / "policy.yaml"), str(office.config / "policy.yaml"), "--json").fine().json
    assert same["reviews"][0]["listed"] == 0 and same["fields"] == []
    back = office.run("policy", "diff", str(new), str(office.config / "policy.yaml"), "--json").fine().json
    one, other = (each["reviews"][0] for each in (found, back))
    assert (one["counts"]["up"], one["counts"]["down"]) == (other["counts"]["down"], other["counts"]["up"])


def test_the_yearly_report_counts_each_customer_once_says_what_is_too_few_and_leaves_an_entry(compared):
    office, _, _ = compared
    found = office.run("policy", "effectiveness", "--year", "2025", "--json").fine().json
    assert [(one["label"], one["counts"]) for one in found["reviews"]] == [("2025Q2", True), ("2025Q3", True)]
    everybody = found["all"]
    assert 0 < everybody["customers"] <= 45 and everybody["customers"] == sum(one["customers"] for one in found["grades"].values())
    assert any(one["rate"] is None for one in found["grades"].values()) and "forbids:overdue" in found["rules"]
    page = Path(found["report"])
    english, chinese = (page.with_name(name).read_text(encoding="utf-8") for name in ("effectiveness.html", "effectiveness.zh_CN.html"))
    assert "too few to say" in english and "too few to say" not in chinese and (page.parent / "effectiveness.json.sha256").is_file()
    entry = json.loads(office.find(AuditRow, action="policy.effect_reported")[-1].body)
    assert (
        entry["data"]["year"] == found["year"] == 2025
        and entry["data"]["reviews"] == ["2025-06-30", "2025-09-30"]
        and entry["actor"] == "system:policy_effectiveness"
    )
    assert "nothing to say of it" in office.run("policy", "effectiveness", "--year", "2001").fine().out
