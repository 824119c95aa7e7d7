"""What is written about customers, in Chinese and English: learned across customers, read off a plain list, shown in words."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_rows import simulated, starter_policy

from credit_review import scoring
from credit_review.errors import BadInput
from credit_review.scoring import scorecard, text

BAD = (
    "Cheque bounced again, director says liquidity is tight",
    "客户称资金紧张，要求延期付款",
    "Promised payment twice and broke it; asks for instalments",
    "老板失联，法院已受理破产申请",
)
GOOD = (
    "Paid in full after reminder, invoice had been sent to the old address",
    "发票地址错误，已重新寄出并付清",
    "Price difference agreed, credit note issued",
    "对账无误，下周按时付款",
)


def book(count, seed, *, signal=0.85):
    """Texts, outcomes and customers: most of those with the outcome are written about as `BAD`, each with numbers of its own."""
    rng = np.random.default_rng(seed)
    outcome = (rng.random(count) < 0.3).astype(np.int64)
    about = []
    for happened in outcome:
        told = BAD if (rng.random() < signal) == bool(happened) else GOOD
        about.append(f"{told[rng.integers(len(told))]} {rng.integers(10_000, 99_999)}")
    return about, outcome, [f"c{number:04d}" for number in range(count)]


def auc(outcome, risk):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(outcome, risk)


def test_what_is_written_tells_of_customers_never_seen_in_both_languages():
    texts, outcome, customers = book(300, 1)
    assert auc(outcome, text.unseen_scores(texts, outcome, customers)) > 0.75
    model = text.fit(texts, outcome, customers)
    scores = text.score(model, [*BAD, *GOOD])
    assert scores[:4].min() > scores[4:].max()


def test_where_nothing_tells_unseen_customers_are_not_told_apart():
    texts, outcome, customers = book(300, 2, signal=0.5)
    assert abs(auc(outcome, text.unseen_scores(texts, outcome, customers)) - 0.5) < 0.1


def test_the_words_that_drove_a_score_are_shown_whole_in_latin_and_as_fragments_in_chinese():
    texts, outcome, customers = book(300, 1)
    model = text.fit(texts, outcome, customers)
    english = [word for word, _ in text.drivers(model, "The CHEQUE bounced; invoice address was right")]
    assert {"cheque", "bounced"} <= set(english[:3]) and "invoice" not in english
    chinese = "".join(word for word, _ in text.drivers(model, "据说资金紧张"))
    assert "资金" in chinese or "紧张" in chinese
    found = text.drivers(model, BAD[0], most=100)
    assert all(value > 0 for _, value in found) and [v for _, v in found] == sorted((v for _, v in found), reverse=True)


def test_the_contributions_of_all_words_add_up_to_the_score(monkeypatch):
    texts, outcome, customers = book(200, 3)
    model = text.fit(texts, outcome, customers)
    table = {f.text: f for f in model.fragments}
    for one in (*BAD, *GOOD):
        assert text._sum(text._contributions(table, one)) == text.score(model, [one])[0]


def test_the_list_scores_as_the_fitted_pipeline_does():
    texts, outcome, customers = book(250, 4)
    names = text._shared(texts, customers)
    reader, weigher = text._fitted(names[: text.MOST_FRAGMENTS], texts, outcome)
    parts = zip(reader.get_feature_names_out(), reader.idf_.tolist(), weigher.coef_[0].tolist(), strict=True)
    exact = scorecard.TextModel(
        kind="character fragments",
        fragments=tuple(scorecard.Fragment(text=n, rarity=r, weight=w) for n, r, w in parts),
        customers=0,
        bad=0,
    )
    assert np.allclose(text.score(exact, texts), weigher.decision_function(reader.transform(texts)) - weigher.intercept_[0], atol=1e-4)


@settings(max_examples=100)
@given(st.text(alphabet=st.one_of(st.sampled_from("ab Z0-9.,，。账款紧张\u00a0\tＡé"), st.characters()), max_size=30))
def test_fragments_are_those_of_scikit_learn(written):
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(analyzer="char_wb", ngram_range=(scorecard.SHORTEST, scorecard.LONGEST), preprocessor=text.normalised)
    assert sorted(text.fragments(written).elements()) == sorted(reader.build_analyzer()(written))


def test_no_name_and_no_number_is_learned():
    texts, outcome, customers = book(300, 5)
    for at in range(text.SMALLEST_CUSTOMERS - 1):
        texts[at], outcome[at] = f"Zyxzyx Quartz GmbH 4711 {texts[at]}", 1
    model = text.fit(texts, outcome, customers)
    learned = {f.text for f in model.fragments}
    assert not {f for f in learned if "zyx" in f or "quar" in f} and not any(c in f for f in learned for c in "123456789")
    assert text.score(model, ["Zyxzyx"])[0] == text.score(model, ["qqqqqq"])[0] == 0


def test_several_texts_about_one_customer_are_one_customer():
    texts, outcome, _ = book(40, 6)
    with pytest.raises(BadInput, match="too little is written"):
        text.fit(texts, outcome, ["one customer"] * 40)


def test_nothing_written_is_missing_and_one_outcome_alone_cannot_be_learned():
    texts, outcome, customers = book(100, 7)
    model = text.fit(texts, outcome, customers)
    assert np.isnan(text.score(model, ["", "  ", "!?"])).all() and text.drivers(model, "") == ()
    with pytest.raises(BadInput, match="too little"):
        text.fit(texts, np.zeros(100, dtype=np.int64), customers)


def test_the_order_of_rows_changes_no_byte():
    texts, outcome, customers = book(200, 8)
    order = np.random.default_rng(1).permutation(200)
    again = text.fit([texts[i] for i in order], outcome[order], [customers[i] for i in order])
    assert again.model_dump_json() == text.fit(texts, outcome, customers).model_dump_json()


def test_a_model_is_plain_json_that_scores_without_the_fitting_library():
    texts, outcome, customers = book(200, 9)
    model = text.fit(texts, outcome, customers)
    code = (
        "import sys\nfrom credit_review.scoring import scorecard, text\n"
        "model = scorecard.TextModel.model_validate_json(sys.stdin.read())\n"
        "print(text.score(model, [sys.argv[1]])[0], 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, BAD[1]], input=model.model_dump_json(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(text.score(model, [BAD[1]])[0]), "False"]


# --- as a factor of a scorecard -------------------------------------------------------------------------------------------------------


def written_about(training, seed=3):
    """Remarks about one customer in three, which mostly tell of what came after."""
    rng = np.random.default_rng(seed)
    told = []
    for happened in training["outcome"]:
        worried = rng.random() < (0.85 if happened else 0.1)
        told.append((BAD if worried else GOOD)[rng.integers(4)] if rng.random() < 0.33 else "")
    return training.assign(remarks=pd.array(told, dtype="str"))


def policy(*, use):
    base = starter_policy()
    return base.model_copy(update={"scoring": base.scoring.model_copy(update={"text": base.scoring.text.model_copy(update={"use": use})})})


@pytest.fixture(scope="module")
def fitted():
    return scoring.fit(written_about(simulated(400, 7)), policy=policy(use=True), seed=1)


def test_remarks_are_off_unless_policy_turns_them_on_and_the_report_says_so():
    card = scoring.fit(written_about(simulated(400, 7)), policy=policy(use=False), seed=1).scorecard
    assert card.text is None and text.FACTOR not in [f.name for f in card.factors]
    assert card.left_out[text.FACTOR] == "policy does not let what people wrote count"


def test_remarks_are_weighed_like_any_factor_and_their_model_stands_in_the_scorecard(fitted):
    card = fitted.scorecard
    factor = next(f for f in card.factors if f.name == text.FACTOR)
    points = [b.points for b in factor.bins]
    assert points == sorted(points, reverse=True) and points[0] > points[-1]
    assert scoring.load(scoring.dump(card)) == card and card.text.fragments
    features = simulated(4, 9)[:4].assign(
        customer_id=pd.array(["a", "b", "c", "d"], dtype="str"), remarks=pd.array([BAD[1], GOOD[1], "", "qqqq"], dtype="str")
    )
    told = scoring.score(features, card, policy(use=True)).set_index("customer_id")["factor_points"]
    earned = {c: dict(part.split("=") for part in line.split("|"))[text.FACTOR] for c, line in told.items()}
    assert int(earned["a"]) < int(earned["b"]) and int(earned["c"]) == factor.missing.points
    worst = scoring.score(features, card, policy(use=True)).set_index("customer_id")["reason_codes"]
    assert "R21" in worst["a"].split("|") and "R21" not in worst["c"]


def test_remarks_that_tell_nothing_are_left_out():
    training = simulated(400, 7)
    noise = np.random.default_rng(5)
    training = training.assign(remarks=pd.array([(*BAD, *GOOD)[noise.integers(8)] for _ in range(len(training))], dtype="str"))
    card = scoring.fit(training, policy=policy(use=True), seed=1).scorecard
    assert card.text is None and text.FACTOR in card.left_out


def test_a_scorecard_without_remarks_has_the_bytes_it_had_before_there_were_any():
    assert '"text"' not in scoring.dump(scoring.expert(policy(use=True)))
