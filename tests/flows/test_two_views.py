"""A company with statements beside its ledger: two reviews in a row see each customer twice, keep grades within the margin, and replay."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
import without_prefect
from installed import AS_OF, install, set_in

from credit_review.adapters import build_info, files
from credit_review.adapters.clock import FixedClock
from credit_review.adapters.wiring import open_services
from credit_review.adapters.workspace import Workspace
from credit_review.limits.explain import explain
from credit_review.model.frames import QUARANTINE
from credit_review.model.records import Review
from credit_review.model.validation import Verdict
from credit_review.review import manifest as manifests
from deployments.cli import starting
from expectations import gate
from tasks import artifacts, controls, outcome, prepare, replaying

LATER = date(2026, 10, 5)
ADOPTED, NOW = datetime(2026, 10, 1, 12, tzinfo=UTC), datetime(2026, 10, 7, 12, tzinfo=UTC)
HEADER = ["customer_number", "period_end", "received", "kind", "currency", "assets", "current", "due", "owed", "equity", "kept", "sales",
          "ebit", "interest", "profit"]  # fmt: skip
MAPPING = """
statements:
  from: {csv: statements.csv}
  row_key: [customer_number, period_end]
  unit: 1000
  columns: {source_number: customer_number, period_end: period_end, received_date: received, company_kind: kind, currency: currency,
            total_assets: assets, current_assets: current, current_liabilities: due, total_liabilities: owed, equity: equity,
            retained_earnings: kept, sales: sales, ebit: ebit, interest_expense: interest, net_income: profit}
  constants: {months: "12", basis: individual, audited: audited}
"""


def with_statements(ledger):
    """Three years of every second customer, some of them broken; the mapping and the scorecard that know of them; a wide margin."""
    with (ledger / "customers.csv").open(encoding="utf-8", newline="") as file:
        numbers = sorted({row["customer_number"] for row in csv.DictReader(file)})[::2]
    with (ledger / "statements.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEADER)
        for n, number in enumerate(numbers):
            for back in range(3):
                year, owed = 2025 - back, 400 + 37 * (n % 17) - 20 * back
                equity = 1000 - owed + (200 if n == 5 else 0)  # that one does not balance
                row = [1000, 600, 300 if owed > 300 else owed, owed, equity, 150, 1500, 90 - 9 * (n % 13), 20, 30]
                out.writerow([number, f"{year}-12-31", f"{year + 1}-05-15", "non_manufacturer", "EUR", *row])
    config = ledger.parent
    mapping = config / "mapping.yaml"
    mapping.write_text(mapping.read_text(encoding="utf-8") + MAPPING, encoding="utf-8")
    policy = config / "policy.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("grade_margin: 0.10", "grade_margin: 0.35"), encoding="utf-8")
    (config / "scorecard.json").unlink()
    starting._write_scorecard(config)


REAL = gate.check


def checked(dataset, frame, *, context):
    """The gate for what this is about, and for the canaries' broken row; the rest passes, for each check takes half a second."""
    if dataset in ("items", "statements"):
        return REAL(dataset, frame, context=context)
    verdict = Verdict(dataset=dataset, rows=len(frame), kept=len(frame), outcomes=())
    return gate.GateResult(verdict=verdict, clean=frame, quarantine=files.empty_frame(QUARANTINE))


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """The installation after its reviews of the end of September and of five days later, and the two reviews."""
    from flows.periodic_review import periodic_review

    config = tmp_path_factory.mktemp("company") / "config"
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.apply(patch)
        patch.setattr(gate, "check", checked)
        pages = ((outcome, "write_report"), (artifacts, "publish_review"), (artifacts, "publish_controls"), (controls, "watch"))
        for module, name in pages:
            patch.setattr(module, name, lambda *_: SimpleNamespace(headline=""))
        patch.setattr(build_info, "code_commit", lambda: "c0ffee")
        patch.setattr(prepare, "open_services", lambda found: open_services(found, clock=FixedClock(NOW)))
        install(config, customers=60, seed=9, change=with_statements, clock=FixedClock(ADOPTED))
        set_in(config, review={"buckets": 1})
        for day in (AS_OF, LATER):
            (config / "ledger" / "posted_through.txt").write_text(f"{day}\n", encoding="utf-8")
            periodic_review.fn(config=str(config), as_of=day, scope="all")
        with prepare.services(str(config)).store.read() as uow:
            first, second = sorted(uow.find(Review), key=lambda review: review.as_of)
        yield config, first, second


def frame(reviewed, review, name):
    config = reviewed[0]
    return Workspace(config / "data", review.review_id).read_all(name, manifests.from_json(review.manifest_json).bucket_count)


def test_both_views_are_scored_where_both_are_known_and_what_is_missing_is_named(reviewed):
    scores, features = (frame(reviewed, reviewed[1], name).set_index("customer_id") for name in ("scores", "features"))
    assert manifests.from_json(reviewed[1].manifest_json).statements
    both = scores[scores["view_missing"] == ""]
    assert len(both) > 20
    assert both["behaviour_points"].notna().all() and both["financial_points"].notna().all()
    assert features["altman_z2"].notna().sum() == 29  # of 30 with statements one does not balance
    held = features[features["not_computable"].str.contains("a row of the statements is in quarantine")]
    assert len(held) == 1 and held["altman_z2"].isna().all()
    without = features["not_computable"].str.contains("no statements known by 2026-09-30")
    assert (without == (features["altman_z2"].isna() & ~features.index.isin(held.index))).all()


def test_the_next_review_keeps_grades_within_the_margin_and_says_so(reviewed):
    first, second = (frame(reviewed, one, "scores").set_index("customer_id") for one in reviewed[1:])
    outcome = frame(reviewed, reviewed[1], "proposals").set_index("customer_id")
    graded = outcome.loc[outcome["state"] == "reviewed", "grade"]
    assert (first["previous_grade"] == "").all()
    assert second.loc[graded.index, "previous_grade"].equals(graded.rename("previous_grade"))
    kept = second[second["grade_rule"] == "kept"]
    assert len(kept) and (kept["grade"] == kept["previous_grade"]).all() and (kept["grade"] != kept["band_grade"]).all()
    proposals = frame(reviewed, reviewed[2], "proposals")
    row = proposals[proposals["customer_id"].isin(kept.index) & (proposals["state"] == "reviewed")].iloc[0].to_dict()
    told = dict(explain(row))
    assert f"kept at {row['grade']}: within the band's margin" in told["How the grade came about"]
    assert told["Grade"].startswith(f"{row['grade']} ")


def test_the_review_comes_out_again_with_the_grades_it_kept(reviewed):
    found = replaying.replay(str(reviewed[0]), reviewed[2].review_id)
    assert found.exit_code == 0, (found.inputs, found.missing, found.differences[:5])


def test_a_last_grade_that_is_not_the_one_on_record_is_an_input_that_changed(reviewed):
    config, _, second = reviewed
    workspace = Workspace(config / "data", second.review_id)
    history = workspace.read("history")
    workspace.write("history", history.assign(grade="A"))
    try:
        found = replaying.replay(str(config), second.review_id)
        assert [one.name for one in found.inputs] == ["history"]
    finally:
        workspace.write("history", history)


def test_the_snapshots_index_names_the_statements_file(reviewed):
    config, first, _ = reviewed
    digest = manifests.from_json(first.manifest_json).snapshot
    index = json.loads((config / "data" / "snapshots" / digest / "snapshot.json").read_text(encoding="utf-8"))
    assert ("statements.csv", 90) in [(origin["where"], origin["rows"]) for origin in index["origins"]]
