"""How well the scorecard ranks and how true its probabilities are, beside what anyone gets from a library with its defaults.

`make bench-scoring`, or `python -m benchmarks.scoring --data ../shared/data`. Every figure is of rows the model was not fitted on: each
split fits anew, choices included, and the unseen rows of all splits are judged together. Ratings are split by issuer, invoices by time
(fitted on invoices settled before the window judged, with what was known of the payer on the invoice date). Intervals (95%) draw whole
groups. Exit code 1 when a reach is missed; data that is absent is skipped by name.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.monitoring.calibration import expected_error
from credit_review.scoring import FactorPlan, ScorecardClassifier, dump, evaluation, load_card
from credit_review.scoring.estimator import usual_plan
from credit_review.scoring.scores import card_points, card_probability

SEED = 20261127
FOLDS = 5
WINDOWS = ((0.5, 0.65), (0.65, 0.8), (0.8, 1.0))
"""Parts of the invoices, by date, that are judged; each by models fitted on what was settled before."""
MILLION = 1_000_000
MILLION_REACH = 5.0
NEAR_TREES, ERROR_REACH, RATING_REACH = 0.02, 0.02, 0.78

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
CARD, CHALLENGER, LOGISTIC, TREES = "scorecard", "challenger", "logistic regression", "boosted trees"
OPTBINNING = "optbinning scorecard"


@dataclass(frozen=True)
class Data:
    """Rows with their outcome (1 is bad), the group each belongs to, splits, what is known of the factors, and where it came from."""

    name: str
    rows: pd.DataFrame
    bad: NDArray[np.int64]
    group: NDArray[Any]
    splits: tuple[Split, ...]
    plan: tuple[FactorPlan, ...]
    about: str


@dataclass(frozen=True)
class Candidate:
    """A model by name: `make(plan)` gives an unfitted scikit-learn classifier; `groups` says whether its `fit` takes them."""

    name: str
    make: Callable[[tuple[FactorPlan, ...]], Any]
    groups: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Figures:
    """What one candidate reached on one data set, on rows unseen: fractions, and processor seconds for a fit and for a row scored."""

    candidate: str
    auc: float
    low: float
    high: float
    ks: float
    brier: float
    error: float
    precision: float
    fit_seconds: float
    score_seconds: float
    risk: NDArray[np.float64]


def columns(plan: Sequence[FactorPlan], kind: str) -> list[str]:
    """The names of the factors of one kind."""
    return [p.name for p in plan if p.kind == kind]


def logistic(plan: tuple[FactorPlan, ...]) -> Any:
    """scikit-learn's logistic regression with defaults: medians for what is missing, standardised, categories as indicators."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    measured = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    parts = (measured, columns(plan, "number")), (OneHotEncoder(handle_unknown="ignore"), columns(plan, "category"))
    return make_pipeline(make_column_transformer(*parts), LogisticRegression(max_iter=1000))


def trees(plan: tuple[FactorPlan, ...]) -> Any:
    """scikit-learn's HistGradientBoostingClassifier with defaults."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    named = columns(plan, "category")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    model = HistGradientBoostingClassifier(random_state=SEED, categorical_features=list(range(len(named))) or None)
    return make_pipeline(make_column_transformer((codes, named), ("passthrough", columns(plan, "number"))), model)


class OptbinningCard:
    """optbinning's own scorecard with its defaults: BinningProcess and logistic regression, missing values weighed as they came."""

    def __init__(self, plan: tuple[FactorPlan, ...]) -> None:
        self.plan = plan

    def fit(self, rows: pd.DataFrame, bad: NDArray[np.int64]) -> OptbinningCard:
        """Fits bins and weights."""
        from optbinning import BinningProcess, Scorecard
        from sklearn.linear_model import LogisticRegression

        process = BinningProcess(list(rows.columns), categorical_variables=columns(self.plan, "category"))
        self.card = Scorecard(binning_process=process, estimator=LogisticRegression(max_iter=1000)).fit(
            self._plain(rows), bad, metric_missing="empirical"
        )
        return self

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """The probability of each class."""
        return np.asarray(self.card.predict_proba(self._plain(rows)))

    def _plain(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.astype({name: object for name in columns(self.plan, "category")}).reset_index(drop=True)


class ShadowModel:
    """The challenger as it is fitted for the shadow of a review: settings tuned on groups not fitted on, inside the rows it is given."""

    def __init__(self, plan: tuple[FactorPlan, ...]) -> None:
        self.plan = plan

    def fit(self, rows: pd.DataFrame, bad: NDArray[np.int64], groups: NDArray[Any]) -> ShadowModel:
        """Tunes and fits the trees, and reads them back from their file."""
        from credit_review.adapters.challengers import installed
        from credit_review.challenger import fitting, stored
        from credit_review.challenger.card import CategoryFeature, NumberFeature

        features = [
            CategoryFeature(name=p.name) if p.kind == "category" else NumberFeature(name=p.name, direction=p.direction) for p in self.plan
        ]
        fitted = fitting.fit(rows, bad, features, groups=groups, seed=SEED, libraries=installed(), judged=())
        self.card, self.model = fitted.card, stored.unpacked(fitted.model)
        return self

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of good and bad."""
        from credit_review.challenger.columns import matrix
        from credit_review.challenger.fitting import predicted

        risk = predicted(self.model, matrix(rows, self.card.features))
        return np.column_stack([1 - risk, risk])


CANDIDATES = (
    Candidate(CARD, ScorecardClassifier, groups=True),
    Candidate(CHALLENGER, ShadowModel, groups=True),
    Candidate(LOGISTIC, logistic),
    Candidate(TREES, trees),
    Candidate(OPTBINNING, OptbinningCard, needs="optbinning"),
)
"""Whoever wants to be in the table: another model joins here."""


def bankruptcy(folder: Path) -> Data:
    """Financial ratios and bankruptcy within a year; exact duplicates are removed, or they would be on both sides."""
    found = pd.read_csv(folder / "scoring/polish_5year_dev.csv").drop_duplicates(ignore_index=True)
    rows, bad = found.drop(columns="class"), found["class"].to_numpy(dtype=np.int64)
    group = np.arange(len(rows))
    return Data("bankruptcy", rows, bad, group, _folds(bad, group), usual_plan(rows), "64 ratios, bankrupt within one year")


def ratings(folder: Path) -> Data:
    """Financial ratios and sector, and whether an agency rates the issuer speculative (below BBB); every issuer in one fold only."""
    found = pd.read_csv(folder / "scoring/corporate_rating.csv")
    bad = (~found["Rating"].isin(["AAA", "AA", "A", "BBB"])).to_numpy(dtype=np.int64)
    rows, group = found.drop(columns=["Rating", "Name", "Symbol", "Rating Agency Name", "Date"]), found["Symbol"].to_numpy(dtype=str)
    return Data("ratings", rows, bad, group, _folds(bad, group), usual_plan(rows), "25 ratios and sector, speculative grade, by issuer")


def consumers(folder: Path) -> Data:
    """Consumer credit, for the mechanics only."""
    found = pd.read_csv(folder / "scoring/germancredit.csv")
    rows, bad = found.drop(columns="creditability"), (found["creditability"] == "bad").to_numpy(dtype=np.int64)
    group = np.arange(len(rows))
    return Data("consumers", rows, bad, group, _folds(bad, group), usual_plan(rows), "20 attributes, not creditworthy")


def lateness_ibm(folder: Path) -> Data:
    """Invoices and whether they were paid after their due date, split by time. The dispute flag comes after the invoice: left out."""
    raw = pd.read_csv(folder / "ledgers/ibm_ar.csv")
    dates = {n: pd.to_datetime(raw[c], format="%m/%d/%Y") for n, c in (("on", "InvoiceDate"), ("due", "DueDate"), ("paid", "SettledDate"))}
    known = {
        "payer": raw["customerID"],
        "amount": raw["InvoiceAmount"],
        "country": raw["countryCode"].astype(str),
        "bill": raw["PaperlessBill"],
    }
    return _invoices("lateness, IBM", pd.DataFrame(dates | known), ["amount", "country", "bill"])


def lateness_cassandra(folder: Path) -> Data:
    """The same of the second ledger. Settled and outstanding amounts come after the invoice: left out."""
    raw = pd.read_csv(folder / "ledgers/cassandra_pre2015.csv")
    on, due = (pd.to_datetime(raw[c], format="%d-%b-%y") for c in ("Invoice_Date", "Due_Date"))
    known = {
        "on": on, "due": due, "paid": on + pd.to_timedelta(raw["Number_of_Days_until_Payment"], unit="D"), "payer": raw["Vendor_Name"],
        "amount": raw["Amount"], "described": np.where(raw["Description"].isna(), "no", "yes"), "terms_days": (due - on).dt.days,
    }  # fmt: skip
    return _invoices("lateness, Cassandra", pd.DataFrame(known), ["amount", "described", "terms_days"])


LOADERS = (bankruptcy, ratings, lateness_ibm, lateness_cassandra, consumers)
WORSE = ("mean_days_late", "late_fraction", "last_days_late", "recent_days_late", "worst_days_late", "overdue_invoices")
"""Figures of a payer's past of which the business knows that more is worse."""


def _folds(bad: NDArray[np.int64], group: NDArray[Any]) -> tuple[Split, ...]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    alone = len(np.unique(group)) == len(group)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    return tuple(kind(FOLDS, shuffle=True, random_state=SEED).split(bad, bad, None if alone else group))


def _invoices(name: str, ledger: pd.DataFrame, own: list[str]) -> Data:
    """Invoices with the figures of their payer's past, and windows of time to judge."""
    ledger = ledger.sort_values(["on", "payer", "amount"], kind="stable", ignore_index=True)
    day = {c: ledger[c].to_numpy().astype("datetime64[D]").astype(np.int64) for c in ("on", "due", "paid")}
    past = np.full((len(ledger), 9), np.nan)
    for at in ledger.groupby("payer").indices.values():
        for i in at:
            past[i] = _past(at, i, day, ledger["amount"].to_numpy(dtype=np.float64))
    rows = pd.DataFrame(past, columns=["paid_invoices", *WORSE, "open_invoices", "amount_to_usual"])
    rows = pd.concat([rows, ledger[own], ledger["on"].dt.month.rename("month")], axis=1)
    plan = tuple(FactorPlan(p.name, p.kind, "higher_is_worse" if p.name in WORSE else "none") for p in usual_plan(rows))
    splits, ends = [], np.quantile(day["on"], [end for _, end in WINDOWS], method="higher")
    for (start, _), end in zip(WINDOWS, ends, strict=True):
        first = np.quantile(day["on"], start, method="higher")
        judged = (day["on"] >= first) & ((day["on"] < end) | (end == day["on"].max()))
        splits.append((np.flatnonzero(day["paid"] < first), np.flatnonzero(judged)))
    bad = (day["paid"] > day["due"]).astype(np.int64)
    return Data(name, rows, bad, ledger["payer"].to_numpy(dtype=str), tuple(splits), plan, "paid after the due date, by time")


def _past(at: NDArray[np.int64], i: int, day: dict[str, NDArray[np.int64]], amount: NDArray[np.float64]) -> list[float]:
    """What was known of a payer on the day of invoice `i`, from its other invoices `at`."""
    today = day["on"][i]
    paid = at[day["paid"][at] < today]
    paid = paid[np.argsort(day["paid"][paid], kind="stable")]
    still = at[(day["on"][at] < today) & (day["paid"][at] >= today)]
    late, overdue = (day["paid"] - day["due"])[paid], float((day["due"][still] < today).sum())
    if not len(paid):
        return [0.0, *[np.nan] * 5, overdue, float(len(still)), np.nan]
    usual = amount[paid].mean()
    figures = [late.mean(), (late > 0).mean(), late[-1], late[-3:].mean(), max(late.max(), 0)]
    return [float(len(paid)), *map(float, figures), overdue, float(len(still)), amount[i] / usual if usual > 0 else np.nan]


def judged(data: Data, candidate: Candidate) -> Figures:
    """Fits and judges one candidate on every split of one data set."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_curve

    risk, fitting, scoring = np.full(len(data.bad), np.nan), 0.0, 0.0
    for seen, unseen in data.splits:
        model, more = candidate.make(data.plan), ({"groups": data.group[seen]} if candidate.groups else {})
        started = time.process_time()
        model.fit(data.rows.iloc[seen], data.bad[seen], **more)
        fitted = time.process_time()
        risk[unseen] = model.predict_proba(data.rows.iloc[unseen])[:, 1]
        fitting, scoring = fitting + fitted - started, scoring + time.process_time() - fitted
    on = np.flatnonzero(~np.isnan(risk))
    bad, said = data.bad[on], risk[on]
    low, high = evaluation.interval(bad, said, data.group[on], seed=SEED)
    false, true, _ = roc_curve(bad, said)
    return Figures(
        candidate.name, evaluation.auc(bad, said), low, high, float((true - false).max()), float(brier_score_loss(bad, said)),
        expected_error(bad, said), float(average_precision_score(bad, said)), fitting / len(data.splits), scoring / len(on), risk,
    )  # fmt: skip


def beyond(data: Data, one: Figures, other: Figures) -> tuple[float, float, float]:
    """How much more AUC `one` has than `other` on the same rows, with the 95% interval over the same draws of groups."""
    on = np.flatnonzero(~np.isnan(one.risk))
    bad, group = data.bad[on], data.group[on]
    codes, place = np.unique(group, return_inverse=True)
    rng = np.random.Generator(np.random.PCG64(SEED))
    found = []
    for _ in range(200):
        drawn = np.repeat(np.arange(len(on)), rng.multinomial(len(codes), np.full(len(codes), 1 / len(codes)))[place])
        found.append(evaluation.auc(bad[drawn], one.risk[on][drawn]) - evaluation.auc(bad[drawn], other.risk[on][drawn]))
    return one.auc - other.auc, *(float(q) for q in np.quantile(found, [0.025, 0.975]))


HEADER = (
    "| data | model | AUC (95% interval) | Gini | KS | Brier | ECE | average precision | fit, processor s "
    "| score 1,000 rows, processor ms |"
)


def line(data: Data, one: Figures) -> str:
    """One line of the table."""
    return (
        f"| {data.name} | {one.candidate} | {one.auc:.4f} ({one.low:.3f} to {one.high:.3f}) | {2 * one.auc - 1:.3f} | {one.ks:.3f} "
        f"| {one.brier:.4f} | {one.error:.4f} | {one.precision:.3f} | {one.fit_seconds:.2f} | {one.score_seconds * 1e6:.2f} |"
    )


def reaches(data: Data, found: dict[str, Figures]) -> list[tuple[bool, str]]:
    """Whether the scorecard reached what was set for this data, and by how much."""
    card, best = found[CARD], max((found[LOGISTIC], found[TREES]), key=lambda f: f.auc)
    more, low, high = beyond(data, card, best)
    against = f"{more:+.4f} AUC ({low:+.4f} to {high:+.4f}) against {best.candidate}"
    if data.name == "bankruptcy":
        shadow = found[CHALLENGER]
        less, least, most = beyond(data, shadow, found[TREES])
        return [
            (
                shadow.auc >= found[TREES].auc,
                f"bankruptcy: challenger {less:+.4f} AUC ({least:+.4f} to {most:+.4f}) against boosted trees; set: not behind",
            ),
            (card.auc >= found[TREES].auc - NEAR_TREES, f"bankruptcy: {against}; set: at most {NEAR_TREES} behind boosted trees"),
            (card.error < ERROR_REACH, f"bankruptcy: calibration error {card.error:.4f}; set: under {ERROR_REACH}"),
        ]
    if data.name == "ratings":
        return [(card.auc >= RATING_REACH, f"ratings: AUC {card.auc:.4f}; set: at least {RATING_REACH}. {against}")]
    if data.name.startswith("lateness"):
        return [(card.auc >= best.auc, f"{data.name}: {against}; set: not behind")]
    return [(True, f"{data.name}: {against}; nothing set")]


def million(data: Data, plan: tuple[FactorPlan, ...]) -> tuple[bool, str]:
    """Seconds to score a million customers with a card read from its JSON, and what scikit-learn's logistic regression takes for them."""
    card = load_card(dump(ScorecardClassifier(plan).fit(data.rows, data.bad, data.group).card_))
    reference = logistic(plan).fit(data.rows, data.bad)
    rows = data.rows.iloc[np.random.Generator(np.random.PCG64(SEED)).integers(0, len(data.rows), MILLION)].reset_index(drop=True)
    started = time.perf_counter()
    card_probability(card_points(rows, card), card)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    reference.predict_proba(rows)
    ratio = seconds / (time.perf_counter() - started)
    told = f"a million customers, {len(card.factors)} factors: {seconds:.2f} s, {ratio:.2f} of the time of logistic regression"
    return seconds < MILLION_REACH, f"{told}; set: under {MILLION_REACH:.0f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and what was reached; 1 when something was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data", help="folder with scoring/ and ledgers/")
    parser.add_argument("--only", default="", help="part of a data set's name")
    options = parser.parse_args(arguments)
    candidates = [c for c in CANDIDATES if not c.needs or find_spec(c.needs)]
    for one in set(CANDIDATES) - set(candidates):
        print(f"Skipped: {one.name}, since {one.needs} is not installed (uv pip install --group benchmarks).")
    print(f"Seed {SEED}; {FOLDS} folds, or windows of time; every figure on rows not fitted on.\n\n{HEADER}\n{'|---' * 10}|")
    outcome: list[tuple[bool, str]] = []
    for load in LOADERS:
        try:
            data = load(options.data)
        except FileNotFoundError as absent:
            print(f"Skipped: {load.__name__}, since {absent.filename} is not there.")
            continue
        if options.only in data.name:
            outcome += _told(data, candidates)
    print()
    for reached, words in outcome:
        print(f"{'reached' if reached else 'MISSED '}  {words}")
    return 0 if all(reached for reached, _ in outcome) else 1


def _told(data: Data, candidates: Sequence[Candidate]) -> list[tuple[bool, str]]:
    found = {}
    for candidate in candidates:
        found[candidate.name] = judged(data, candidate)
        print(line(data, found[candidate.name]), flush=True)
    return reaches(data, found) + ([million(data, data.plan)] if data.name == "bankruptcy" else [])


if __name__ == "__main__":
    sys.exit(main())
