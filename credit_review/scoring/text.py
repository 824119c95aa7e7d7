"""What is written about a customer as one factor: character n-grams with readable weights, for Chinese and English alike.

Dispute reasons and collectors' notes are cut into runs of two to four characters, weighted by how rare they are, and added up by a
regularised logistic regression (scikit-learn: `TfidfVectorizer`, `LogisticRegression`). The fitted model is a plain list of fragments
with weights; a score is read off it with no fitting library, and the words that drove it are shown. A fragment counts only when it
was written about several customers: nothing in the list can name one of them. Digits are all read as 0: amounts and numbers tell nothing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.scoring import evaluation
from credit_review.scoring.scorecard import LONGEST, SHORTEST, Fragment, TextModel
from credit_review.words import said

SMALLEST_CUSTOMERS = 5
"""Fragments written about fewer customers (groups) than this are left out: they would learn a name."""
MOST_FRAGMENTS = 400
"""Fragments a model holds at most, those with the largest weights."""
REGULARISATION = 1.0
FOLDS = 5
WEIGHT_DECIMALS = 4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def normalised(text: str) -> str:
    """The text as it is read: compatibility forms joined (full-width letters), lower case, digits as 0, all other signs as spaces."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"\s+", " ", "".join(_read_as(c) for c in plain)).strip()


def _read_as(sign: str) -> str:
    if sign.isdigit():
        return "0"
    return sign if sign.isalpha() or unicodedata.category(sign).startswith("M") else " "


def fragments(text: str) -> Counter[str]:
    """How often each run of two to four characters occurs inside the words of a text, a word with one space on either side.

    Chinese has no spaces: a run of its characters is one word, and its runs of two to four characters are mostly its words.
    """
    found: Counter[str] = Counter()
    for word in normalised(text).split():
        padded = f" {word} "
        for length in range(SHORTEST, LONGEST + 1):
            found.update(padded[start : start + length] for start in range(len(padded) - length + 1))
    return found


def score(model: TextModel, texts: Sequence[str]) -> Floats:
    """What each text adds to the log odds of the outcome, rounded to 4 decimals; NaN where nothing is written."""
    table = {f.text: f for f in model.fragments}
    return np.array([_sum(_contributions(table, text)) if normalised(text) else np.nan for text in texts], dtype=np.float64)


def drivers(model: TextModel, text: str, *, most: int = 5) -> tuple[tuple[str, float], ...]:
    """The words that raised the score of a text most, each with what it added; a word of Latin letters whole, of Chinese the fragment."""
    table = {f.text: f for f in model.fragments}
    added: dict[str, float] = {}
    parts = _contributions(table, text)
    for word in dict.fromkeys(normalised(text).split()):
        inside = {f: w for f, w in parts.items() if f in f" {word} "}
        if any(_is_han(c) for c in word):
            for fragment, weight in _longest(inside).items():
                added[fragment.strip()] = added.get(fragment.strip(), 0.0) + weight
        else:
            added[word] = math.fsum(inside.values())
    ranked = sorted(((word, round(value, WEIGHT_DECIMALS)) for word, value in added.items()), key=lambda one: (-one[1], one[0]))
    return tuple((word, value) for word, value in ranked[:most] if value > 0)


def _contributions(table: dict[str, Fragment], text: str) -> dict[str, float]:
    """What each known fragment of a text adds: weight x (1 + ln count) x rarity, over the length of the text's vector of all of these."""
    counted = {f: (1 + math.log(n)) * table[f].rarity for f, n in sorted(fragments(text).items()) if f in table}
    length = math.sqrt(math.fsum(v * v for v in counted.values()))
    return {f: table[f].weight * value / length for f, value in counted.items()} if length else {}


def _sum(parts: dict[str, float]) -> float:
    return round(math.fsum(parts[f] for f in sorted(parts)), WEIGHT_DECIMALS)


def _is_han(sign: str) -> bool:
    return "\u3400" <= sign <= "\u9fff"


def _longest(parts: dict[str, float]) -> dict[str, float]:
    """What fragments add, each given to the longest known fragment that holds it."""
    found: dict[str, float] = {}
    for fragment in sorted(parts, key=lambda f: (len(f), f)):
        holders = [f for f in parts if fragment in f]
        longest = max(holders, key=lambda f: (len(f.strip()), parts[f], f))
        found[longest] = found.get(longest, 0.0) + parts[fragment]
    return found


FACTOR = "remarks_log_odds"
"""The factor that what was written makes: what it adds to the log odds of the outcome."""


def with_scores(features: pd.DataFrame, model: TextModel | None) -> pd.DataFrame:
    """FEATURES with the column `remarks_log_odds`: missing for all without a model, and where nothing is written."""
    written = features["remarks"].tolist()
    return features.assign(**{FACTOR: np.full(len(features), np.nan) if model is None else score(model, written)})


def fit(texts: Sequence[str], outcome: Ints, groups: Sequence[str]) -> TextModel:
    """The model of one text a row; rows of a group (one customer, or one group of companies) count as one writer's subject.

    Raises BadInput when nothing is written or only one outcome is seen.
    """
    names = _shared(texts, groups)
    if not names or len(set(outcome.tolist())) < 2:
        raise BadInput(
            said("too little is written to learn from: {n} fragments", n=len(names)),
            expected=said("notes about at least {n} customers with and without the outcome", n=SMALLEST_CUSTOMERS),
            next_step=said("leave the text factor off until there is more"),
        )
    reader, weigher = _fitted(names, texts, outcome)
    if len(names) > MOST_FRAGMENTS:
        weights = weigher.coef_[0]
        strongest = sorted(range(len(names)), key=lambda at: (-abs(round(float(weights[at]), 9)), names[at]))[:MOST_FRAGMENTS]
        names = sorted(names[at] for at in strongest)
        reader, weigher = _fitted(names, texts, outcome)
    figures = zip(names, reader.idf_.tolist(), weigher.coef_[0].tolist(), strict=True)
    return TextModel(
        kind="character fragments",
        fragments=tuple(
            Fragment(text=name, rarity=round(rarity, WEIGHT_DECIMALS), weight=round(weight, WEIGHT_DECIMALS))
            for name, rarity, weight in figures
        ),
        customers=len(set(groups)),
        bad=len({group for group, happened in zip(groups, outcome.tolist(), strict=True) if happened}),
    )


def unseen_scores(texts: Sequence[str], outcome: Ints, groups: Sequence[str]) -> Floats:
    """The score of each text by a model fitted on other groups: what a factor is binned and judged on, never on its own fit."""
    fold_of = {group: at % FOLDS for at, group in enumerate(sorted(set(groups)))}
    fold = np.array([fold_of[g] for g in groups])
    found = np.full(len(texts), np.nan)
    for one in range(FOLDS):
        seen, unseen = np.flatnonzero(fold != one).tolist(), np.flatnonzero(fold == one).tolist()
        model = fit([texts[i] for i in seen], outcome[seen], [groups[i] for i in seen])
        found[unseen] = score(model, [texts[i] for i in unseen])
    return found


def tells(unseen: Floats, outcome: Ints, groups: Sequence[str]) -> bool:
    """Whether scores by models of other groups rank the outcome better than chance: the 95% interval of their AUC lies above one half.

    Text has so many fragments that some always seem to tell: so it must prove itself where other factors need only some information.
    """
    known = ~np.isnan(unseen)
    if len(set(outcome[known].tolist())) < 2:
        return False
    low, _ = evaluation.interval(outcome[known], unseen[known], np.array(groups)[known], seed=0)
    return low > 0.5


def _shared(texts: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Fragments that are written about enough groups, sorted."""
    about: dict[str, set[str]] = {}
    for text, group in zip(texts, groups, strict=True):
        for fragment in fragments(text):
            about.setdefault(fragment, set()).add(group)
    return sorted(fragment for fragment, seen in about.items() if len(seen) >= SMALLEST_CUSTOMERS)


def _fitted(names: list[str], texts: Sequence[str], outcome: Ints) -> tuple[Any, Any]:
    """The vectoriser and the regression behind it, fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    reader = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(SHORTEST, LONGEST), preprocessor=normalised, vocabulary=names, sublinear_tf=True
    )
    weigher = LogisticRegression(C=REGULARISATION, tol=1e-8, max_iter=1000)
    with threadpool_limits(limits=1):
        make_pipeline(reader, weigher).fit(texts, outcome)
    return reader, weigher
