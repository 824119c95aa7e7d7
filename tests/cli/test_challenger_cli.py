"""A challenger in the shadow of a real review: fitted, run and compared at the command line, and no proposal is any other for it."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from office import AS_OF, CLOCK, NOON, run

from credit_review.adapters import challengers
from credit_review.challenger import card, columns, fitting
from credit_review.errors import unforeseen
from credit_review.model.records import AuditRow, ModelVersion, Proposal, Review
from deployments import demo_company
from tasks import assess, challenger, outcome, prepare, training

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("scoring", "flows")]
import without_prefect
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
    done = office.run("scorecard", "register", "challenger.json", "--kind", "challenger", who="p-analyst").fine()
    assert "next: somebody who did not make it signs it with `credit-review scorecard publish challenger.json" in done.out
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
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.run_flows(patch)
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


def test_once_the_outcome_window_is_over_the_comparison_holds_both_against_what_came_true(compared, tmp_path):
    """The ledger of 13 months later, in which the customers the challenger thought worst became insolvent."""
    office, _, review = compared
    other, later = office.copy(tmp_path / "config"), date(2027, 10, 31)
    folder = other.config / "ledger"
    demo_company.write(folder, seed=3, as_of=later, customers=45)
    shadow = prepare.plan_of(str(other.config), review).workspace.read(challenger.SCORES)
    judged = shadow[~shadow["set_aside"]].sort_values("pd_fraction")["customer_id"].tolist()
    ruined = {one.rjust(10, "0") for one in judged[-8:]}
    with (folder / "customers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        insolvent = row["customer_number"] in ruined
        row.update({"credit_status": "I", "status_since": "2027-02-01"} if insolvent else {"credit_status": "A", "status_since": ""})
    with (folder / "customers.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    found = other.run("scorecard", "compare-challenger", review, "--as-of", later.isoformat(), "--json").fine().json
    known = found["outcomes"]
    assert known["until"] == "2027-09-30" and known["customers"] > 30 and known["bad"] >= 8 and found["why_unknown"] is None
    assert known["AUC"]["challenger"][0] > 0.8
    for measure in ("AUC", "Brier score", "calibration error"):
        of = {name: known[measure][name] for name in ("scorecard", "challenger", "difference")}
        assert of["difference"][0] == pytest.approx(of["challenger"][0] - of["scorecard"][0])
        assert all(low <= value <= high for value, low, high in of.values())
    page = (other.config / "data" / "reviews" / review / "challenger.html").read_text(encoding="utf-8")
    assert "challenger less scorecard" in page and f"{known['bad']} of them with the outcome" in page
    early = other.run("scorecard", "compare-challenger", review, "--as-of", "2027-09-29", "--json").fine().json
    assert early["outcomes"] is None and "2027-09-30" in early["why_unknown"]


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
    (entry,) = entries(office, review)
    digest = sha256((files / "challenger.json").read_bytes()).hexdigest()
    named = f"the challenger challenger.json (digest {digest[:12]}) failed: ZeroDivisionError: division by zero; next: "
    assert entry["why"].startswith(f"{named}`credit-review scorecard register challenger.json --kind challenger`")
    assert entry["challenger"] == digest


SECRETS = "postgresql://scoring:hunter2@db/x refused, password=hunter2 and xoxb-0123456789-abcdefghij did not help"


def test_the_words_of_an_unforeseen_error_are_kept_without_secrets_or_traceback():
    told = unforeseen(RuntimeError(f"\n{SECRETS}\n  File x.py, line 3"))
    assert told == "RuntimeError: postgresql://…@db/x refused, password=… and … did not help"
    assert unforeseen(ValueError()) == "ValueError" and len(unforeseen(KeyError("a " * 500))) < 250
    assert unforeseen(KeyError("group_id")) == "KeyError: 'group_id'"


# --- what is registered ---------------------------------------------------------------------------------------------------------------


def refused_files(folder, made):
    """Files that are no readable challenger, each with the words of its refusal."""
    (folder / "notes.json").write_text('{"name": "notes"}')
    yield "notes.json", "notes.json, format: ", "a challenger as `credit-review scorecard fit --challenger` writes it"
    (folder / "scan.json").write_bytes(b"\x80\x04\x95 pickled")
    yield "scan.json", "scan.json is not JSON", "a challenger as"
    challengers.write(folder / "lonely.json", made)
    (folder / "lonely.skops").unlink()
    yield "lonely.json", "lonely.skops cannot be read", "a file at"
    challengers.write(folder / "swapped.json", made)
    (folder / "swapped.skops").write_bytes(b"other")
    yield "swapped.json", "swapped.skops is not the model that its description names", "the file with SHA-256"
    disguised = b"PK\x05\x06" + b"\0" * 18
    about = made.card.model_copy(update={"model": card.ModelFile(sha256=sha256(disguised).hexdigest(), size=len(disguised))})
    challengers.write(folder / "disguised.json", fitting.Fitted(about, disguised))
    yield "disguised.json", "the challenger's model file is refused: it is no whole skops file", "a model file as"


def test_only_a_readable_challenger_is_registered_and_the_refusal_names_file_and_what_is_expected(office, made):
    for name, what, expected in refused_files(office.config, made):
        done = office.run("scorecard", "register", name, "--kind", "challenger", who="p-analyst").refused(3, what)
        assert expected in done.err
    assert not office.find(ModelVersion, kind="challenger")


def test_a_challenger_is_on_record_with_what_its_description_says(compared, made):
    version = compared[0].one(ModelVersion, kind="challenger")
    assert (version.title, version.tier, version.status) == (made.card.name, 3, "in_force") and "480 rows of" in version.data


def test_a_challenger_is_fitted_at_the_command_line_and_a_thin_history_is_refused(office, made, monkeypatch):
    office.run("scorecard", "fit", "--challenger", "--as-of", AS_OF.isoformat()).refused(3, "history is too thin for a challenger")
    monkeypatch.setattr(training, "fit_challenger", lambda *_, **__: made)
    done = office.run("scorecard", "fit", "--challenger", "--as-of", AS_OF.isoformat(), "--out", str(office.config / "new.json")).fine()
    digest = sha256((office.config / "new.json").read_bytes()).hexdigest()
    assert digest in done.out and "boosted trees that run in the shadow and decide nothing" in done.out
    assert challengers.read(office.config / "new.json", known_as="new.json").digest == digest
