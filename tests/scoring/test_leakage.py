"""The leakage check: features known only after the outcome are refused by name, with why and what to do; honest ones are not."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scoring_rows import simulated, starter_policy

from credit_review import scoring
from credit_review.errors import BadInput
from credit_review.scoring import evaluation, leakage, splits
from credit_review.scoring.leakage import AT_EXTRACTION, BY_CUT_OFF, Knowledge

SHARED = Path(__file__).parents[3] / "shared/data"
RNG = np.random.default_rng(5)
BAD = (RNG.random(400) < 0.2).astype(int)
HONEST = BAD + RNG.normal(0, 1.0, 400)
CUT_OFF = date(2025, 12, 31)


def found(values, knowledge=None, bad=BAD, cutoff=CUT_OFF):
    frame = pd.DataFrame(values)
    return {one.feature: one for one in leakage.leaks(frame, bad, cutoff=cutoff, knowledge=knowledge or {})}


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return pd.read_csv(path)


def test_an_honest_feature_is_not_refused_however_its_values_look():
    values = {
        "ratio": HONEST,
        "grade": np.where(HONEST > 1, "B", "A"),
        "invoice": np.arange(400),
        "number": [f"i{n}" for n in range(400)],
        "blank": [np.nan] * 400,
        "daysOfSalesOutstanding": HONEST,
        "freeCashFlow": HONEST,
        "debtRatio": HONEST,
    }
    assert found(values) == {}


def test_a_value_dated_after_the_cut_off_is_refused_and_one_before_is_not():
    day = pd.Series(pd.Timestamp("2025-11-30"), index=range(400))
    late = day.mask(day.index == 7, pd.Timestamp("2026-02-01"))
    assert found({"bureau": HONEST}, {"bureau": Knowledge("dated", day)}) == {}
    leak = found({"bureau": HONEST}, {"bureau": Knowledge("dated", late)})["bureau"]
    assert leak.why == "known on 2026-02-01, after the cut-off 2025-12-31, in 1 of 400 rows"
    assert leak.next_step.startswith("take the value as it was at the cut-off")
    assert found({"bureau": np.where(day.index == 7, np.nan, HONEST)}, {"bureau": Knowledge("dated", late)}) == {}


def test_a_value_without_the_date_it_was_known_on_is_refused():
    leak = found({"bureau": HONEST}, {"bureau": Knowledge("dated", [pd.NaT] * 400)})["bureau"]
    assert "no date says when its value was known in 400 of 400 rows" in leak.why


def test_each_row_is_held_against_its_own_cut_off():
    cutoffs = pd.Series(np.where(np.arange(400) < 200, "2025-03-31", "2025-12-31"))
    known = Knowledge("dated", pd.Series(pd.Timestamp("2025-06-30"), index=range(400)))
    assert "in 200 of 400 rows" in found({"bureau": HONEST}, {"bureau": known}, cutoff=cutoffs)["bureau"].why


def test_todays_limit_is_refused_in_the_past():
    leak = found({"utilisation_fraction": HONEST}, {"utilisation_fraction": AT_EXTRACTION})["utilisation_fraction"]
    assert leak.why.startswith("only today's value is in the source")


@pytest.mark.parametrize(
    "name",
    ["SettledDate", "DaysToSettle", "DaysLate", "Number_of_Days_until_Payment", "Settled", "Outstanding", "clear_date", "isOpen",
     "total_open_amount", "write_off_minor", "paid", "defaulted", "clearing_date"],
)  # fmt: skip
def test_a_name_that_states_how_the_item_ended_is_refused_unless_declared_known_by_the_cut_off(name):
    leak = found({name: HONEST})[name]
    assert "states how the item predicted ended" in leak.why
    assert found({name: HONEST}, {name: BY_CUT_OFF}) == {}


def test_a_harmless_name_computed_from_a_clearing_date_is_refused():
    leak = found({"speed": HONEST}, {"speed": Knowledge(derived_from=("posting_date", "clearing_date"))})["speed"]
    assert leak.why == "computed from clearing_date, which states how the item predicted ended"


def test_a_feature_that_alone_separates_nearly_perfectly_is_refused_even_when_declared():
    noisy = np.where(RNG.random(400) < 0.01, 1 - BAD, BAD)
    values = {
        "number": BAD * 10 + RNG.normal(0, 1, 400),
        "turned": -BAD * 10 + RNG.normal(0, 1, 400),
        "category": np.where(BAD == 1, "x", "y"),
        "middle": np.where(BAD == 1, RNG.normal(0, 0.1, 400), RNG.choice([-5, 5], 400) + RNG.normal(0, 1, 400)),
        "nearly": noisy * 10 + RNG.normal(0, 1, 400),
    }
    refused = found(values, dict.fromkeys(values, BY_CUT_OFF))
    assert list(refused) == ["number", "turned", "category", "middle", "nearly"]
    assert "alone it separates the outcomes almost perfectly (AUC " in refused["number"].why


def test_a_feature_whose_missingness_separates_nearly_perfectly_is_refused():
    refused = found({"settled_on": np.where(BAD == 1, np.nan, HONEST)}, {"settled_on": BY_CUT_OFF})
    assert refused["settled_on"].why == "whether it is missing separates the outcomes almost perfectly (AUC 1.000)"


def test_a_handful_of_rows_proves_nothing():
    bad = np.array([1] * 9 + [0] * 50)
    assert found({"number": bad * 1.0}, {"number": BY_CUT_OFF}, bad=bad) == {}


def test_what_is_refused_is_told_with_feature_reason_and_next_step():
    with pytest.raises(BadInput) as told:
        leakage.refuse(tuple(found({"DaysLate": HONEST, "ratio": HONEST, "perfect": BAD * 1.0}).values()))
    assert "DaysLate: named “days late”, it states how the item predicted ended; perfect: alone it separates" in told.value.what
    assert "leave it out" in told.value.next_step
    leakage.refuse(())


def test_groups_on_both_sides_and_outcomes_known_later_are_refused():
    groups = ["a", "a", "b", "c"]
    with pytest.raises(BadInput, match="1 groups stand on both sides of the split, such as a"):
        leakage.refuse_split(splits.Split(np.array([0, 2]), np.array([1, 3])), groups=groups)
    observed, known = ["2024-01-01", "2024-01-01", "2024-06-01", "2024-07-01"], ["2025-01-01", "2025-01-01", "2025-06-01", "2025-07-01"]
    apart = splits.Split(np.array([0, 1]), np.array([2, 3]))
    leakage.refuse_split(apart, groups=groups)
    with pytest.raises(BadInput, match="outcomes to 2025-01-01 are fitted on, but rows of 2024-06-01 are judged by"):
        leakage.refuse_split(apart, groups=groups, observed=observed, known=known)


def test_the_fit_of_the_ledger_leaves_out_a_factor_that_knows_too_much_and_says_so():
    training = simulated(300, 4)
    training["days_late_trend"] = training["outcome"] * 20.0 + RNG.normal(0, 1, len(training))
    training.loc[5, "external_age_days"] = -3.0
    training.loc[5, "external_pd_fraction"] = 0.5
    report = scoring.fit(training, policy=starter_policy(), seed=1).report
    assert report.left_out["days_late_trend"].startswith("alone it separates the outcomes almost perfectly")
    assert report.left_out["external_pd_fraction"] == "known on 2024-01-03, after the cut-off 2023-12-31, in 1 of 900 rows"
    assert report.left_out["utilisation_fraction"].startswith("limits of past dates are not in the ledger")
    assert any(line.startswith("Left out: days_late_trend, alone it separates") for line in report.lines())
    assert {"average_days_late", "overdue_fraction"} <= set(report.factors)


@pytest.mark.shared_data
def test_settlement_columns_of_real_invoices_are_refused_and_what_the_invoice_said_is_not():
    rows = shared("ledgers/ibm_ar.csv")
    invoiced = pd.to_datetime(rows["InvoiceDate"], format="%m/%d/%Y")
    values = rows[["countryCode", "InvoiceAmount", "PaperlessBill", "DaysToSettle", "DaysLate"]].assign(
        SettledDate=pd.to_datetime(rows["SettledDate"], format="%m/%d/%Y"), speed=rows["DaysToSettle"] * 0.5 + 3
    )
    refused = found(values, bad=(rows["DaysLate"] > 0).astype(int), cutoff=invoiced)
    assert list(refused) == ["DaysToSettle", "DaysLate", "SettledDate", "speed"]
    assert "known on 2013-01-15, after the cut-off 2013-01-02" in refused["SettledDate"].why
    assert "alone it separates" in refused["speed"].why


@pytest.mark.shared_data
def test_days_until_payment_of_a_real_ledger_are_refused():
    rows = shared("ledgers/cassandra_pre2015.csv")
    late = (pd.to_numeric(rows["Number_of_Days_until_Payment"], errors="coerce") > 45).astype(int)
    values = rows[["Amount", "Settled", "Outstanding", "Number_of_Days_until_Payment"]]
    assert set(found(values, bad=late)) == {"Settled", "Outstanding", "Number_of_Days_until_Payment"}


@pytest.mark.shared_data
def test_real_ratios_and_consumer_data_are_not_refused():
    polish = shared("scoring/polish_5year_dev.csv")
    assert found(polish.iloc[:, :-1], bad=polish.iloc[:, -1].astype(int)) == {}
    german = shared("scoring/germancredit.csv")
    assert found(german.iloc[:, :-1], bad=(german.iloc[:, -1] == "bad").astype(int)) == {}


@pytest.mark.shared_data
def test_splitting_ratings_by_row_flatters_and_is_refused():
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedKFold

    rows = shared("scoring/corporate_rating.csv")
    bad = rows["Rating"].isin(["BB", "B", "CCC", "CC", "C", "D"]).astype(int).to_numpy()
    values, issuer = rows.iloc[:, 6:].to_numpy(), rows["Symbol"]
    by_row = [splits.Split(*one) for one in StratifiedKFold(3, shuffle=True, random_state=0).split(values, bad)]
    by_issuer = splits.grouped(bad, issuer, folds=3, seed=0)

    def mean_auc(cut):
        model = ExtraTreesClassifier(40, min_samples_leaf=2, random_state=0)
        return np.mean([evaluation.auc(bad[t], model.fit(values[f], bad[f]).predict_proba(values[t])[:, 1]) for f, t in cut])

    assert mean_auc(by_row) > mean_auc(by_issuer) + 0.04
    with pytest.raises(BadInput, match="groups stand on both sides of the split"):
        leakage.refuse_split(by_row[0], groups=issuer)
    for one in by_issuer:
        leakage.refuse_split(one, groups=issuer)
