from __future__ import annotations

import json
import subprocess
import sys

import pytest
from dataset_rows import AS_OF, DTYPES, MAKERS, customer, features, frame, item, proposal, report

from credit_review.errors import ReviewStopped
from credit_review.model.frames import DATASETS, QUARANTINE
from credit_review.model.states import Severity
from credit_review.model.validation import ERROR, FAIL, PASS, Verdict
from expectations import gate
from expectations.promise import Context, Promise, Suite, always, holds

CONTEXT = Context(as_of=AS_OF, master=frozenset(f"C{i}" for i in range(10)), grades=("A", "B", "C", "D", "E"))


def run(dataset, *changes, context=CONTEXT):
    make = MAKERS[dataset]
    return gate.check(dataset, frame(dataset, [make(i, **c) for i, c in enumerate(changes)]), context=context)


def failed(result):
    return {o.expectation for o in result.outcomes if o.status == FAIL}


@pytest.mark.parametrize("dataset", sorted(MAKERS))
def test_sound_rows_pass_every_promise_and_all_go_on(dataset):
    result = run(dataset, {}, {}, {})
    assert [o.expectation for o in result.outcomes if o.status != PASS] == []
    assert result.status == PASS and len(result.clean) == 3 and result.quarantine.empty
    assert result.require() is result


@pytest.mark.parametrize("dataset", sorted(MAKERS))
def test_an_empty_bucket_passes(dataset):
    result = run(dataset)
    assert result.status == PASS, [o for o in result.outcomes if o.status != PASS]
    assert list(result.quarantine.columns) == list(QUARANTINE.names)


SEEDED = [
    ("items", {"customer_id": ""}, "customer_is_named"),
    ("items", {"customer_id": "C99"}, "customer_is_in_master"),
    ("items", {"currency": "XQQ"}, "currency_is_iso4217"),
    ("items", {"currency": ""}, "currency_is_iso4217"),
    ("items", {"kind": "invoce"}, "kind_is_known"),
    ("items", {"posting_date": None}, "posting_date_is_present"),
    ("items", {"due_date": None}, "due_date_is_present"),
    ("items", {"due_date": "2026-06-30"}, "due_not_before_document"),
    ("items", {"due_date": "2205-01-01"}, "dates_are_plausible"),
    ("items", {"clearing_date": "2026-06-01", "open_minor": 0}, "clearing_not_before_document"),
    ("items", {"amount_minor": -12_500, "open_minor": -12_500}, "sign_fits_kind"),
    ("items", {"kind": "payment", "amount_minor": 5, "open_minor": 5}, "sign_fits_kind"),
    ("items", {"open_minor": 12_501}, "open_within_amount"),
    ("items", {"open_minor": -1}, "open_within_amount"),
    ("items", {"clearing_date": "2026-09-30"}, "cleared_is_closed"),
    ("customers", {"currency": "EURO"}, "currency_is_iso4217"),
    ("customers", {"status": "sleeping"}, "status_is_known"),
    ("customers", {"limit_minor": -1}, "limit_is_not_negative"),
    ("customers", {"terms_days": 3000}, "terms_are_plausible"),
    ("external", {"customer_id": "C99"}, "customer_is_known"),
    ("external", {"report_date": "2026-10-01"}, "reported_by_as_of"),
    ("external", {"report_date": None}, "reported_by_as_of"),
    ("external", {"pd_fraction": 2.0}, "pd_is_a_probability"),
    ("external", {"recommended_limit_minor": -5}, "recommended_limit_is_not_negative"),
    ("external", {"currency": ""}, "recommended_limit_has_a_currency"),
    ("cover", {"kind": "promise"}, "kind_is_known"),
    ("cover", {"reference": ""}, "cover_has_a_reference"),
    ("cover", {"amount_minor": -1}, "cover_is_not_negative"),
    ("cover", {"cover_fraction": 1.5}, "covered_part_is_a_fraction"),
    ("cover", {"cover_fraction": float("nan")}, "covered_part_is_present"),
    ("cover", {"valid_to": "2026-01-01"}, "cover_ends_after_it_begins"),
    ("cover", {"valid_from": None}, "cover_ends_after_it_begins"),
    ("cover", {"max_terms_days": 900}, "cover_terms_are_plausible"),
    ("features", {"average_days_late": 1e6}, "days_late_are_plausible"),
    ("features", {"need_minor": None}, "missing_figures_are_explained"),
]


@pytest.mark.parametrize(("dataset", "defect", "promise"), SEEDED)
def test_a_seeded_defect_quarantines_its_row_and_the_rest_goes_on(dataset, defect, promise):
    result = run(dataset, {}, defect, {})
    assert failed(result) == {promise}
    assert result.status == FAIL and not result.verdict.stops and len(result.clean) == 2
    [row] = result.quarantine.itertuples()
    expected = gate.row_keys(dataset, frame(dataset, [MAKERS[dataset](1, **defect)]))[0]
    assert (row.dataset, row.expectation, row.severity, row.row_key) == (dataset, promise, "warning", expected)
    assert row.reason and result.require() is result


STOPPING = [
    ("items", {"row_key": ""}, "row_has_a_key"),
    ("items", {"amount_minor": 2**60}, "amount_in_range"),
    ("customers", {"customer_id": ""}, "customer_has_an_id"),
    ("features", {"dpd_1_30_minor": 199}, "ageing_adds_up_to_open_items"),
    ("features", {"overdue_minor": 199}, "past_due_buckets_add_up_to_overdue"),
    ("features", {"own_risk_minor": 301}, "own_risk_within_exposure"),
    ("features", {"exposure_minor": -1, "own_risk_minor": 0}, "exposure_is_not_negative"),
    ("features", {"oldest_dpd_days": 0}, "overdue_has_an_age"),
    ("features", {"overdue_fraction": 1.2}, "overdue_part_is_a_fraction"),
    ("proposals", {"direction": ""}, "reviewed_has_a_direction"),
    ("proposals", {"to_minor": None}, "reviewed_has_a_limit"),
    ("proposals", {"state": "not_due", "direction": "", "to_minor": None}, "unreviewed_has_a_reason"),
    ("proposals", {"state": "lost", "direction": "", "to_minor": None, "state_reason": "x"}, "state_is_known"),
    ("proposals", {"direction": "down"}, "direction_is_true"),
    ("proposals", {"direction": "new"}, "direction_is_true"),
    ("proposals", {"to_minor": -1, "direction": "down"}, "limit_is_not_negative"),
    ("proposals", {"forbids_increase": "overdue_days"}, "forbidden_increase_is_not_proposed"),
    ("proposals", {"straight_through": True, "straight_through_rule": "r", "exceptional": "top"}, "straight_through_is_never_exceptional"),
    ("proposals", {"straight_through": True}, "straight_through_is_never_exceptional"),
    ("proposals", {"grade": "Z"}, "grade_is_policys"),
]


@pytest.mark.parametrize(("dataset", "defect", "promise"), STOPPING)
def test_a_broken_critical_promise_stops_the_review_and_names_the_row(dataset, defect, promise):
    result = run(dataset, {}, defect, {})
    assert promise in failed(result) and result.verdict.stops
    with pytest.raises(ReviewStopped, match=promise):
        result.require()
    assert promise in set(result.quarantine.expectation)


def test_two_rows_with_one_key_are_both_quarantined():
    result = gate.check("items", frame("items", [item(1), item(2), item(1, amount_minor=20_000)]), context=CONTEXT)
    assert failed(result) == {"row_key_is_unique"} and list(result.clean.row_key) == ["inv-000002"]
    assert len(result.quarantine) == 2


def test_the_same_customer_twice_in_the_master_is_quarantined_not_guessed():
    result = gate.check("customers", frame("customers", [customer(1), customer(1, name="Other"), customer(2)]), context=CONTEXT)
    assert list(result.clean.customer_id) == ["C2"] and list(result.quarantine.customer_id) == ["C1", "C1"]


def test_contradicting_reports_of_one_day_are_quarantined():
    result = gate.check("external", frame("external", [report(1), report(1, grade="D"), report(2)]), context=CONTEXT)
    assert failed(result) == {"report_is_listed_once"}
    assert list(result.quarantine.row_key) == ["C1|bureau|2026-05-01"] * 2


def test_information_is_reported_and_quarantines_nothing():
    result = run("items", {"posting_date": "2026-10-05", "document_date": "2026-10-05", "due_date": "2026-11-05"}, {})
    assert failed(result) == {"posted_by_as_of"} and result.quarantine.empty and len(result.clean) == 2
    assert result.status == FAIL and not result.verdict.stops


def test_cash_cleared_before_it_was_posted_is_reported_and_stays():
    cash = {"kind": "payment", "amount_minor": -500, "open_minor": 0, "clearing_date": "2026-06-01"}
    result = run("items", cash, {})
    assert failed(result) == {"credit_cleared_after_it_exists"} and result.quarantine.empty and len(result.clean) == 2


def test_every_failing_row_is_quarantined_beyond_the_limits_of_the_lists_great_expectations_prints():
    rows = [item(i, currency="XQQ" if i % 2 else "EUR") for i in range(1500)]
    result = gate.check("items", frame("items", rows), context=CONTEXT)
    assert len(result.quarantine) == 750 and len(result.clean) == 750
    assert set(result.quarantine.row_key) == {r["row_key"] for r in rows if r["currency"] == "XQQ"}
    [outcome] = [o for o in result.outcomes if o.status == FAIL]
    assert outcome.failed == 750 and len(outcome.examples) == 20


def test_positions_hold_for_a_frame_with_any_index():
    table = frame("items", [item(0), item(1, currency="XQQ"), item(2)]).set_index(pytest.importorskip("pandas").Index([7, 7, 3]))
    assert list(gate.check("items", table.iloc[[1, 2]], context=CONTEXT).clean.row_key) == ["inv-000002"]
    assert list(gate.check("items", table, context=CONTEXT).clean.row_key) == ["inv-000000", "inv-000002"]


def test_a_row_that_breaks_two_promises_stands_in_quarantine_for_each():
    result = run("items", {"currency": "XQQ", "kind": "x"}, {})
    assert list(result.quarantine.expectation) == ["currency_is_iso4217", "kind_is_known"] and len(result.clean) == 1


def test_quarantined_items_carry_amount_and_currency_where_they_can_be_read():
    result = run("items", {"kind": "x"}, {"currency": "XQQ"})
    known, unknown = (result.quarantine[result.quarantine.row_key == f"inv-00000{i}"].iloc[0] for i in (0, 1))
    assert (known.currency, known.amount_minor) == ("EUR", 12_500)
    assert unknown.currency == "" and unknown.amount_minor is pytest.importorskip("pandas").NA and unknown.value == "XQQ"


def test_only_a_row_that_is_a_credit_beyond_doubt_could_not_raise_exposure():
    credit = {"kind": "credit_note", "amount_minor": -500, "open_minor": -500}
    result = run("items", {**credit, "posting_date": None}, {"posting_date": None}, {**credit, "amount_minor": 500, "open_minor": 500})
    assert dict(zip(result.quarantine.row_key, result.quarantine.could_raise, strict=True)) == {
        "inv-000000": False,
        "inv-000001": True,
        "inv-000002": True,
    }


def test_quarantine_has_the_columns_dtypes_and_order_of_the_contract():
    result = run("items", {"kind": "x"}, {"currency": "XQQ"}, {"customer_id": ""})
    assert {n: str(t) for n, t in result.quarantine.dtypes.items()} == {c.name: DTYPES[c.dtype] for c in QUARANTINE.columns}
    key = list(QUARANTINE.key)
    assert result.quarantine[key].equals(result.quarantine[key].sort_values(key, ignore_index=True))
    assert list(result.clean.dtypes) == list(frame("items", [item(1)]).dtypes)


def test_without_a_customer_master_no_customer_is_held_against_it():
    assert failed(run("items", {"customer_id": "C99"}, context=Context(as_of=AS_OF))) == set()


def test_a_document_posted_late_may_be_due_before_its_posting():
    assert failed(run("items", {"document_date": "2026-07-01", "posting_date": "2026-08-20", "due_date": "2026-07-31"})) == set()


def _suite(*promises):
    return Suite(dataset="customers", promises=promises, could_raise=always)


def _raises(_frame, _context):
    raise ZeroDivisionError("division by zero")


CURRENCY_KNOWN = holds("broken", "currency", Severity.WARNING, "words", "reason", _raises)


def test_a_condition_that_raises_is_an_error_of_the_check_and_not_a_failure_of_the_data():
    fine = holds("fine", "name", Severity.WARNING, "words", "reason", lambda f, _: f["name"].ne("Customer 1"))
    result = gate.run(_suite(CURRENCY_KNOWN, fine), frame("customers", [customer(1), customer(2)]), context=CONTEXT)
    by_name = {o.expectation: o for o in result.outcomes}
    assert by_name["broken"].status == ERROR and "division by zero" in by_name["broken"].error
    assert by_name["fine"].status == FAIL and by_name["fine"].failed == 1
    assert result.status == ERROR and len(result.clean) == 1
    with pytest.raises(ReviewStopped, match="could not be carried out: ZeroDivisionError"):
        result.require()


def test_an_expectation_that_raises_inside_great_expectations_is_an_error():
    text_compared_with_numbers = Promise(
        name="compares_text",
        column="name",
        severity=Severity.INFO,
        words="words",
        reason="reason",
        kind="ExpectColumnValuesToBeBetween",
        arguments={"min_value": 0, "max_value": 5},
    )
    result = gate.run(_suite(text_compared_with_numbers), frame("customers", [customer(1)]), context=CONTEXT)
    assert [o.status for o in result.outcomes] == [PASS, ERROR] and result.verdict.stops


def test_an_error_of_great_expectations_as_a_whole_is_every_promises_error(monkeypatch):
    def fall_over(_promises, _frame):
        raise RuntimeError("no context")

    monkeypatch.setattr(gate, "_validate", fall_over)
    result = run("items", {})
    assert result.status == ERROR and {o.status for o in result.outcomes} == {ERROR}


def test_a_condition_that_cannot_tell_counts_as_broken():
    unsure = holds("unsure", "limit_minor", Severity.WARNING, "words", "reason", lambda f, _: f["limit_minor"] > 0)
    result = gate.run(_suite(unsure), frame("customers", [customer(1), customer(2, limit_minor=None)]), context=CONTEXT)
    assert list(result.quarantine.customer_id) == ["C2"]


@pytest.mark.parametrize("change", [lambda f: f.drop(columns="currency"), lambda f: f.assign(x=1), lambda f: f[list(f)[::-1]]])
def test_columns_other_than_agreed_stop_before_any_row_is_judged(change):
    result = gate.check("items", change(frame("items", [item(1)])), context=CONTEXT)
    assert [(o.expectation, o.status) for o in result.outcomes] == [("columns_are_as_agreed", FAIL)] and result.verdict.stops


def test_buckets_merge_into_one_verdict_a_dataset_and_an_error_anywhere_is_an_error():
    good, bad = run("items", {}, {}), run("items", {"currency": "XQQ"}, {}, {})
    [merged] = gate.merge([good.verdict, bad.verdict])
    assert (merged.dataset, merged.rows, merged.kept, merged.status) == ("items", 5, 4, FAIL)
    assert {o.expectation: o.failed for o in merged.outcomes if o.failed} == {"currency_is_iso4217": 1}
    broken = gate.run(Suite(dataset="items", promises=(CURRENCY_KNOWN,), could_raise=always), frame("items", [item(1)]), context=CONTEXT)
    items, customers = gate.merge([good.verdict, run("customers", {}).verdict, broken.verdict])
    assert items.status == ERROR and items.stops and customers.status == PASS


def test_a_verdict_survives_json():
    verdict = run("items", {"currency": "XQQ"}, {"kind": "x"}).verdict
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_results_are_the_same_every_time():
    one, two = (run("items", {"currency": "XQQ"}, {}, {"kind": "x"}) for _ in range(2))
    assert one.verdict == two.verdict and one.quarantine.equals(two.quarantine) and one.clean.equals(two.clean)


@pytest.mark.parametrize("dataset", sorted(gate.SUITES))
def test_every_promise_is_a_great_expectation_with_its_severity_and_words(dataset):
    import great_expectations.expectations as gxe

    suite = gate.SUITES[dataset]
    names = [p.name for p in suite.promises]
    assert len(names) == len(set(names))
    for promise, expectation in zip(suite.promises, gate.expectations(suite), strict=True):
        assert str(expectation.severity.value) == promise.severity and expectation.description == promise.words
        assert promise.column in DATASETS[dataset].names and promise.reason[0].islower() and not promise.words.endswith(".")
        kind = getattr(gxe, promise.kind)
        assert isinstance(expectation, kind) and expectation.configuration.kwargs == kind.configuration.fget(expectation).kwargs


def test_features_and_proposals_that_contradict_themselves_stop_the_review():
    for dataset, make in (("features", features), ("proposals", proposal)):
        result = gate.check(dataset, frame(dataset, [make(1), make(1)]), context=CONTEXT)
        assert "customer_is_listed_once" in failed(result) and result.verdict.stops


def test_importing_the_gate_imports_neither_great_expectations_nor_pandas():
    code = "import sys, expectations.gate; print([m for m in ('great_expectations', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_what_is_not_used_at_an_import_is_loaded_by_who_uses_it_later(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with gate._loaded_when_used("colorsys"):
        import colorsys as early
    assert "colorsys" not in sys.modules
    used = early.rgb_to_hsv
    import colorsys as late

    assert used is late.rgb_to_hsv and late is not early
    with gate._loaded_when_used("colorsys"):
        import colorsys as again
    assert again is late, "what is loaded stays"
