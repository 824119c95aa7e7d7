"""A challenger in the shadow of a real review: fitted, run and compared at the command line, and no proposal is any other for it."""

from __future__ import annotations

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from office import AS_OF, CLOCK, NOON, run

from credit_review.adapters import challengers
from credit_review.challenger import columns, fitting
from credit_review.model.records import AuditRow, Proposal, Review
from tasks import assess, challenger, outcome, prepare, training

sys.path.append(str(Path(__file__).parents[1] / "scoring"))
from scoring_rows import simulated, starter_policy

pytestmark = pytest.mark.prefect
DECIDED = ("features", "scores", "states", "proposals")


@pytest.fixture(scope="module")
def made():
    """A challenger of the ledger's factors, fitted on made-up history."""
    history, names = simulated(160, 6), ["average_days_late", "overdue_fraction", "external_grade"]
    frame = columns.of_factors(history, names, starter_policy())
    known = {"groups": history["group_id"], "seed": 1, "libraries": challengers.installed(), "judged": ()}
    return fitting.fit(frame, history["outcome"], columns.ledger_features(names), **known)


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    """A challenger's two files."""
    path = tmp_path_factory.mktemp("challenger") / "challenger.json"
    challengers.write(path, made)
    return path.parent


def give(office, files, monkeypatch=None):
    """The installation has the challenger; with `monkeypatch` the inventory has it in force too."""
    for one in files.iterdir():
        shutil.copy(one, office.config / one.name)
    office.edit("settings.yaml", 'challenger: "" ', "challenger: challenger.json ")
    prepare.services.cache_clear()
    if monkeypatch is not None:
        digest = sha256((files / "challenger.json").read_bytes()).hexdigest()
        monkeypatch.setattr(challenger, "registry", lambda opened: lambda asked: asked == digest)


def publish(office):
    """Registered by who made it, published by somebody else under a key that the settings name."""
    made = run("audit", "key", "models.example/1", "--out", str(office.config / "models.key")).fine()
    key = next(word for word in made.out.split() if word.startswith("models.example/1+"))
    with (office.config / "settings.yaml").open("a", encoding="utf-8") as settings:
        settings.write(f'\nmodels:\n  keys: ["{key}"]\n')
    prepare.services.cache_clear()
    office.run("scorecard", "register", "challenger.json", "--kind", "challenger", who="p-analyst").fine()
    for name in ("challenger.json", "scorecard.json"):  # where keys are named, the scorecard is signed too
        office.run("scorecard", "publish", name, "--key", str(office.config / "models.key"), who="p-cfo").fine()


def entries(office, review):
    rows = office.find(AuditRow, action="challenger.result", entity=f"review:{review}")
    return [json.loads(row.body)["data"] for row in rows]


def decided(folder):
    """Every byte that the review decided by."""
    return {str(p.relative_to(folder)): p.read_bytes() for name in DECIDED for p in sorted((folder / name).glob("*.parquet"))}


@pytest.fixture(scope="module")
def compared(reviewed, files, tmp_path_factory):
    """The reviewed installation, and a copy in which the same review ran again with a challenger in its shadow."""
    CLOCK.set(NOON)
    office = reviewed.copy(tmp_path_factory.mktemp("shadowed") / "config")
    give(office, files)
    publish(office)
    office.run("review", "run", "--as-of", AS_OF.isoformat(), "--supersede", "with a challenger").fine()
    first, second = office.find(Review, order_by=("started_at", "attempt"))
    return office, first.review_id, second.review_id


def test_every_proposal_is_the_same_to_the_byte_with_a_challenger_and_without(compared, tmp_path):
    office, without, with_one = compared
    data = office.config / "data" / "reviews"
    assert (data / with_one / "challenger" / "scores.parquet").exists()
    assert not (data / without / "challenger").exists()
    other = office.copy(tmp_path / "config")
    other.edit("settings.yaml", "challenger: challenger.json ", 'challenger: "" ')
    plan = prepare.plan_of(str(other.config), with_one)
    shutil.rmtree(plan.workspace.folder / "challenger")
    shutil.rmtree(plan.workspace.folder / "proposals")
    for bucket in range(plan.buckets):
        assess.assess_bucket.fn(plan, bucket)
    assess.roll_up_groups.fn(plan)
    assess.assign_states.fn(plan)
    for bucket in range(plan.buckets):
        assess.propose_bucket.fn(plan, bucket)
    assert decided(plan.workspace.folder) == decided(data / with_one)


def test_a_challenger_adds_no_proposal_and_takes_none(compared):
    office, _, with_one = compared
    plan = prepare.plan_of(str(office.config), with_one)
    stored = {p.customer_id: (p.from_minor, p.to_minor, p.terms_days, p.grade) for p in office.find(Proposal, review_id=with_one)}
    drafts = outcome.changes(plan, 0, office.opened.today())
    assert stored and stored == {d.customer_id: (d.from_minor, d.to_minor, d.terms_days, d.grade) for d in drafts}


def test_the_result_is_kept_and_its_digest_stands_in_one_entry_of_the_log(compared):
    office, without, with_one = compared
    folder = office.config / "data" / "reviews" / with_one
    (entry,) = entries(office, with_one)
    assert entry["result"] == sha256((folder / "challenger" / "scores.parquet").read_bytes()).hexdigest()
    assert entry["challenger"] == sha256((folder / "challenger" / "card.json").read_bytes()).hexdigest()
    assert (entry["customers"], entry["why"]) == (45, None)
    assert entries(office, without) == []
    kept = (folder / "challenger.json").read_bytes()
    challenger.ride(prepare.plan_of(str(office.config), with_one))  # a resumed run comes by again
    assert (folder / "challenger.json").read_bytes() == kept and len(entries(office, with_one)) == 1


def test_the_comparison_is_a_page_with_ids_only_and_says_what_is_not_known_yet(compared):
    office, _, review = compared
    done = office.run("scorecard", "compare-challenger", review).fine()
    assert (
        "it decides nothing" in done.out
        and "Which of them is right is not known yet: the outcome window of this review ends on" in done.out
    )
    page = (office.config / "data" / "reviews" / review / "challenger.html").read_text(encoding="utf-8")
    customers = prepare.plan_of(str(office.config), review).snapshot.whole("customers")
    assert any(one in page for one in customers["customer_id"])
    assert not [one for one in customers["name"] if one in page]
    assert (office.config / "data" / "reviews" / review / "challenger.zh_CN.html").exists()


def test_the_comparison_for_a_script_has_money_in_control_currency(compared):
    office, _, review = compared
    found = office.run("scorecard", "compare-challenger", review, "--json").fine().json
    assert found["customers"] > 20 and found["currency"] == "EUR" and found["outcomes"] is None
    assert found["challenger_minor"] - found["scorecard_minor"] == found["higher_minor"] + found["lower_minor"]


def test_a_changed_result_is_not_compared(compared, tmp_path):
    office, _, review = compared
    other = office.copy(tmp_path / "config")
    path = other.config / "data" / "reviews" / review / "challenger" / "scores.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    other.run("scorecard", "compare-challenger", review).refused(1, "scores.parquet is not what was written")


def test_a_review_without_a_challenger_says_so(office):
    review = office.one(Review).review_id
    office.run("scorecard", "compare-challenger", review).refused(4, "no challenger ran in review")


def test_a_challenger_that_is_not_registered_is_a_warning_in_the_report_and_an_entry_and_not_a_stop(office, files):
    give(office, files)
    review = office.one(Review).review_id
    plan = prepare.plan_of(str(office.config), review)
    before = decided(plan.workspace.folder)
    challenger.ride(plan)
    (entry,) = entries(office, review)
    assert entry["result"] is None and "is not registered and signed" in entry["why"]
    assert decided(plan.workspace.folder) == before
    office.run("report", review).fine()
    page = (plan.workspace.folder / "report.html").read_text(encoding="utf-8")
    assert "The challenger was not compared: challenger.json: the challenger with digest" in page
    office.run("scorecard", "compare-challenger", review).refused(4, "is not registered and signed")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda folder: (folder / "challenger.skops").write_bytes(b"other"),
            "challenger.skops is not the model that its description names",
        ),
        (lambda folder: (folder / "challenger.json").unlink(), "challenger.json cannot be read"),
        (lambda folder: (folder / "challenger.json").write_text("{}"), "challenger.json, "),
    ],
)
def test_files_that_are_not_what_they_should_be_are_warnings_too(office, files, monkeypatch, spoil, words):
    give(office, files, monkeypatch)
    spoil(office.config)
    review = office.one(Review).review_id
    challenger.ride(prepare.plan_of(str(office.config), review))
    (entry,) = entries(office, review)
    assert words in entry["why"] and entry["result"] is None


def test_whatever_else_goes_wrong_with_a_challenger_stops_no_review(office, files, monkeypatch):
    give(office, files, monkeypatch)
    monkeypatch.setattr(challengers, "predict", lambda *_: 1 / 0)
    review = office.one(Review).review_id
    challenger.ride(prepare.plan_of(str(office.config), review))
    assert entries(office, review)[0]["why"] == "the challenger failed (ZeroDivisionError)"


def test_a_challenger_is_fitted_at_the_command_line_and_a_thin_history_is_refused(office, made, monkeypatch):
    office.run("scorecard", "fit", "--challenger", "--as-of", AS_OF.isoformat()).refused(3, "history is too thin for a challenger")
    monkeypatch.setattr(training, "fit_challenger", lambda *_, **__: made)
    done = office.run("scorecard", "fit", "--challenger", "--as-of", AS_OF.isoformat(), "--out", str(office.config / "new.json")).fine()
    digest = sha256((office.config / "new.json").read_bytes()).hexdigest()
    assert digest in done.out and "boosted trees that run in the shadow and decide nothing" in done.out
    assert challengers.read(office.config / "new.json", known_as="new.json").digest == digest
