"""Nothing is lost unseen: whatever is damaged, in the source or between two stages, the review ties or stops, naming it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
from damage import FILES, HOW_OF_FILES, counted, damages, inflict, open_of, spoil, spoilings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from credit_review.adapters.clock import FixedClock
from credit_review.adapters.wiring import open_services
from credit_review.errors import CreditReviewError, Tampered
from tasks import assess, canaries, intake, outcome, prepare, validate

sys.path.append(str(Path(__file__).parents[1] / "flows"))

import without_prefect
from installed import install, set_in

from tests.drawings import draw_once

AS_OF = date(2026, 9, 30)
ADOPTED, NOW = datetime(2026, 10, 1, 12, tzinfo=UTC), datetime(2026, 10, 7, 12, tzinfo=UTC)
BOUNDED = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SOAKED = settings(BOUNDED, max_examples=600, derandomize=False, print_blob=True)

RODE = {}


def canaries_rode(plan):
    """Their result, computed once: no damage of a source or of another stage's result reaches them."""
    if not RODE:
        RODE.update(canaries.result_of(plan).plain())
    plan.workspace.write_json(canaries.RESULT, RODE)


STAGES = (
    lambda plan: intake.fix_manifest(plan),
    lambda plan: intake.adopt_opening_limits(plan),
    canaries_rode,
    lambda plan: validate.validate_snapshot(plan),
    lambda plan: assess.assess_customers(plan),
    lambda plan: assess.propose_limits(plan),
    lambda plan: outcome.record_results(plan),
    lambda plan: outcome.route_proposals(plan),
    lambda plan: outcome.write_report(plan),
)
UP_TO_THE_CERTIFICATE = 7


@pytest.fixture(scope="module", autouse=True)
def plain_functions_on_one_day():
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.apply(patch)
        without_prefect.check_once(patch)
        draw_once(patch)
        patch.setattr(prepare, "open_services", lambda found: open_services(found, clock=FixedClock(NOW)))
        yield


@pytest.fixture(scope="module")
def companies(tmp_path_factory):
    """A small company, one bucket, twice: one ledger states its control totals, the other leaves a changed amount for us to live with."""
    return {stated: _company(tmp_path_factory.mktemp("company") / "config", stated=stated) for stated in (True, False)}


def _company(config, *, stated):
    def without_totals(ledger):
        mapping = ledger.parent / "mapping.yaml"
        mapping.write_text(mapping.read_text(encoding="utf-8").partition("\nstated_totals:")[0] + "\n", encoding="utf-8")

    install(config, customers=24, seed=4, as_of=AS_OF, change=None if stated else without_totals, clock=FixedClock(ADOPTED))
    set_in(config, review={"buckets": 1}, write_back={"kind": "none"})
    return config


class Run:
    """A review of a copy of the company, stage by stage."""

    def __init__(self, template, folder):
        self.config = folder / "config"
        shutil.copytree(template, self.config)

    def start(self):
        prepare.services.cache_clear()
        plan = prepare.open_review.fn(prepare.plan_review.fn(str(self.config), AS_OF, "all"), "")
        return intake.take_snapshot(plan)

    def certified(self):
        plan = self.start()
        for stage in STAGES[:UP_TO_THE_CERTIFICATE]:
            stage(plan)
        return self.result(plan)

    def result(self, plan):
        return json.loads((plan.workspace.folder / "certificate.json").read_text()), plan.workspace.read("proposals", 0)


@pytest.fixture(scope="module")
def whole(companies, tmp_path_factory):
    """Certificate and proposals of the undamaged companies."""
    return {stated: Run(config, tmp_path_factory.mktemp("whole")).certified() for stated, config in companies.items()}


def names_the_thing(error, *things):
    """An error for a person: what it is about, and what to do or what was expected."""
    text = error.text()
    assert any(thing in text for thing in things), (things, text)
    assert error.expected or error.next_step, text


# --- the source ----------------------------------------------------------------------------------------------------------------------


def survives(template, whole, folder, damage):
    """What the issue promises of a damaged source, whether or not the source still states the totals of what it meant to hand over."""
    run = Run(template, folder)
    ledger = run.config / "ledger"
    before, after = inflict(ledger, damage)
    try:
        certificate, proposals = run.certified()
    except CreditReviewError as error:
        names_the_thing(error, *FILES, *_keys(before, after), " stated, ")
        return
    rows, sums = counted(ledger / "ledger.csv")
    assert certificate["total"]["rows"] == rows
    if damage.how not in HOW_OF_FILES:  # a column read as another changes what is open on the day
        _amounts_are_those_of_the_file(certificate["total"]["amounts"], sums, before, after)
    _every_customer_has_one_state(certificate, proposals, ledger)
    if before and damage.file != "rates.csv":
        _nobody_else_is_touched(whole[1], proposals, before, after)
        _who_lost_a_row_is_named(whole[0], certificate, before, after)


def _keys(before, after):
    names = ("customer_number", "document_number", "reference")
    return [row[name] for row in (*before, *after) for name in names if row.get(name)]


def _amounts_are_those_of_the_file(found, sums, before, after):
    """Per currency, what the file states; a damaged row may be without a readable amount for another reason than this count knows."""
    doubtful = Counter()
    for row in after:
        doubtful.update(open_of(row))
    for currency in {*found, *sums}:
        assert found.get(currency, 0) in (sums[currency], sums[currency] - doubtful[currency]), currency


def _every_customer_has_one_state(certificate, proposals, ledger):
    ids = proposals["customer_id"].tolist()
    assert len(ids) == len(set(ids)) == certificate["total"]["customers"] == sum(line["customers"] or 0 for line in certificate["lines"])
    named = [one for reasons in certificate["named"].values() for ids in reasons.values() for one in ids]
    assert sorted(named) == sorted(proposals.loc[proposals["state"] != "reviewed", "customer_id"])


def _nobody_else_is_touched(whole, proposals, before, after):
    """State, direction, limit and exposure are those of the whole book, but for the customers (and their groups) of the damaged rows."""
    columns = ["state", "direction", "to_minor", "exposure_minor"]
    a, b = (frame.set_index("customer_id")[columns].astype("string").fillna("") for frame in (whole, proposals))
    known = a.index.intersection(b.index)
    changed = set(known[(a.loc[known] != b.loc[known]).any(axis=1)]) | set(a.index.symmetric_difference(b.index))
    touched = {_id(row.get(name, "")) for row in (*before, *after) for name in ("customer_number", "parent_number")}
    groups = pd.concat([whole, proposals]).loc[lambda f: f["customer_id"].isin(touched) | f["group_id"].isin(touched), "group_id"]
    family = set(pd.concat([whole, proposals]).loc[lambda f: f["group_id"].isin(set(groups)), "customer_id"])
    assert changed <= touched | family, changed - touched - family


def _who_lost_a_row_is_named(whole, certificate, before, after):
    """A damaged row that is no longer among the rows used stands in quarantine under its customer, or is counted as unattributed."""
    quarantined = [sum(line["quarantined_rows"] for line in one["lines"]) for one in (whole, certificate)]
    if quarantined[1] > quarantined[0]:
        newly = {one for one, count in certificate["affected"].items() if count > whole["affected"].get(one, 0)}
        unattributed = next(line for line in certificate["lines"] if line["line"] == "unattributed")
        assert newly & {_id(row.get("customer_number", "")) for row in (*before, *after)} or unattributed["rows"], certificate["affected"]


def _id(number):
    return number.strip().upper().lstrip("0")


@BOUNDED
@given(damage=damages(), stated=st.booleans())
def test_any_damage_to_the_source_is_tied_and_named_or_stops_the_review(companies, whole, tmp_path_factory, damage, stated):
    survives(companies[stated], whole[stated], tmp_path_factory.mktemp("run"), damage)


@pytest.mark.soak
@SOAKED
@given(damage=damages(), stated=st.booleans())
def test_much_damage_to_the_source_is_tied_and_named_or_stops_the_review(companies, whole, tmp_path_factory, damage, stated):
    survives(companies[stated], whole[stated], tmp_path_factory.mktemp("run"), damage)


# --- between stages -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def after_stage(companies, tmp_path_factory):
    """The company after each stage of an undamaged review: folder and plan; and what the review leaves in the end."""
    run = Run(companies[True], tmp_path_factory.mktemp("stages"))
    plan, copies = run.start(), []
    for number, stage in enumerate((None, *STAGES)):
        if stage is not None:
            stage(plan)
        copy = tmp_path_factory.mktemp(f"after_{number}") / "config"
        shutil.copytree(run.config, copy)
        copies.append((copy, plan.but(config="", data="")))
    return copies[:-1], left(plan)


def left(plan):
    """What a review comes to: the files that people and auditors read."""
    folder = plan.workspace.folder
    return {name: (folder / name).read_bytes() for name in ("certificate.json", "proposals.csv", "validation.html")}


def goes_on_or_stops(after_stage, folder, spoiling):
    """Stages after a spoiled file end as if it were whole (none of them reads it), or stop naming the file."""
    copies, expected = after_stage
    template, plan = copies[spoiling.stage]
    config = folder / "config"
    shutil.copytree(template, config)
    prepare.services.cache_clear()
    plan = plan.but(config=str(config), data=str(prepare.services(str(config)).settings.data))
    kept = sorted(p for part in ("reviews", "snapshots") for p in (config / "data" / part).rglob("*") if p.suffix in (".parquet", ".json"))
    path = kept[spoiling.file % len(kept)]
    if not spoil(path, spoiling):
        return
    try:
        for stage in STAGES[spoiling.stage :]:
            stage(plan)
    except CreditReviewError as error:
        # a digest spoiled in the index is found as a file that differs from it
        names_the_thing(error, str(path.parent if path.name == "snapshot.json" else path))
    else:
        assert left(plan) == expected, path


@pytest.mark.parametrize("name", ["verdicts.json", "verdicts_features.json", "verdicts_proposals.json"])
def test_a_report_lacks_no_verdict_because_its_file_is_lost(after_stage, tmp_path, name):
    template, plan = after_stage[0][-1]
    shutil.copytree(template, tmp_path / "config")
    prepare.services.cache_clear()
    plan = plan.but(config=str(tmp_path / "config"), data=str(tmp_path / "config" / "data"))
    plan.workspace.path(name).unlink()
    with pytest.raises(Tampered, match=re.escape(name)):
        STAGES[-1](plan)


@settings(BOUNDED, max_examples=10)
@given(spoiling=spoilings(len(STAGES)))
def test_any_file_spoiled_between_two_stages_is_named_or_was_not_needed(after_stage, tmp_path_factory, spoiling):
    goes_on_or_stops(after_stage, tmp_path_factory.mktemp("spoiled"), spoiling)


@pytest.mark.soak
@SOAKED
@given(spoiling=spoilings(len(STAGES)))
def test_many_files_spoiled_between_two_stages_are_named_or_were_not_needed(after_stage, tmp_path_factory, spoiling):
    goes_on_or_stops(after_stage, tmp_path_factory.mktemp("spoiled"), spoiling)
