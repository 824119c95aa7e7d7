"""The benchmark of scorecards: nothing of an invoice's future in its features, unseen rows only, absent data skipped by name."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import scoring


def ledger(**later):
    days = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"])
    rows = {"on": days, "due": days + pd.Timedelta(days=30), "paid": days + pd.to_timedelta([40, 20, 35, 90], unit="D"), "payer": "p"}
    return pd.DataFrame(rows | {"amount": [100.0, 200.0, 300.0, 400.0]} | later)


def test_what_is_known_of_a_payer_ends_on_the_day_of_the_invoice():
    rows = scoring._invoices("x", ledger(), ["amount"]).rows
    assert rows["paid_invoices"].tolist() == [0, 0, 2, 2]
    assert rows["open_invoices"].tolist() == [0, 1, 0, 1]
    assert rows["last_days_late"].tolist()[2:] == [-10, -10]
    changed = ledger(paid=pd.to_datetime(["2024-02-10", "2024-02-21", "2029-01-01", "2029-01-01"]))
    pd.testing.assert_frame_equal(rows.iloc[:3], scoring._invoices("x", changed, ["amount"]).rows.iloc[:3])


def test_invoices_judged_were_written_after_every_one_fitted_on_was_paid():
    days = pd.date_range("2024-01-01", periods=300, freq="D")
    late = np.random.default_rng(1).integers(10, 60, 300)
    book = pd.DataFrame({"on": days, "due": days + pd.Timedelta(days=30), "paid": days + pd.to_timedelta(late, unit="D"), "payer": "p"})
    book["amount"] = 1.0
    data = scoring._invoices("x", book, ["amount"])
    for seen, unseen in data.splits:
        assert book["paid"].iloc[seen].max() < book["on"].iloc[unseen].min()
    judged = np.concatenate([unseen for _, unseen in data.splits])
    assert len(judged) == len(set(judged))


def test_absent_data_is_skipped_by_name(tmp_path, capsys):
    assert scoring.main(["--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Skipped: bankruptcy, since" in said
    assert "Skipped: lateness_ibm, since" in said


@pytest.mark.shared_data
def test_a_candidate_is_judged_on_rows_it_was_not_fitted_on(shared_data):
    class Memory:
        def __init__(self, plan):
            self.seen = {}

        def fit(self, rows, bad):
            self.seen = dict(zip(rows.index, bad, strict=True))

        def predict_proba(self, rows):
            assert not set(rows.index) & set(self.seen)
            return np.tile([0.7, 0.3], (len(rows), 1))

    found = scoring.judged(scoring.ratings(shared_data), scoring.Candidate("memory", Memory))
    assert found.auc == 0.5
