"""Rows to fit on and rows to judge by, apart: no customer, issuer or group on both sides, nothing known only after the day of judgement.

Pure and seeded: the same rows give the same splits, whatever order they stand in. scikit-learn is imported by the functions that need it.
A `Split` unpacks to (train, test), so a tuple of them is what scikit-learn takes as `cv`.
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.words import marked, said

FOLDS = 5

Ints = NDArray[np.int64]


class Split(NamedTuple):
    """Positions of the rows to fit on and of those to judge by, each ascending."""

    train: Ints
    test: Ints


def grouped(outcome: Any, groups: Any, *, folds: int = FOLDS, seed: int) -> tuple[Split, ...]:
    """`folds` splits in which every group stands on one side only, and every row is judged by once.

    `outcome` of two values is spread evenly over the folds (scikit-learn's StratifiedGroupKFold); of more values, or None, the folds are
    of even size (GroupKFold). Raises BadInput for a row without group, for fewer groups than folds, and where one of two outcomes stands
    in too few groups to be on both sides.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    labels = _labels(groups)
    of_rows = np.zeros(len(labels), dtype=np.int64) if outcome is None else np.asarray(outcome)
    _refuse_few(len(np.unique(labels)), folds)
    classes = np.unique(of_rows)
    if len(classes) == 2:
        for one in classes:
            _refuse_few(len(np.unique(labels[of_rows == one])), 2, outcome=one)
        cut: Any = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        found = cut.split(labels, of_rows == classes[1], labels)
    else:
        cut = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        found = cut.split(labels, None, labels)
    return tuple(Split(train.astype(np.int64), test.astype(np.int64)) for train, test in found)


def held_out(outcome: Any, groups: Any, *, folds: int = FOLDS, seed: int) -> Split:
    """One split of `grouped`: about one in `folds` rows to judge by, in whole groups."""
    return grouped(outcome, groups, folds=folds, seed=seed)[0]


def joined(*labels: Any) -> NDArray[Any]:
    """One group name a row, such that rows which share a label of any kind (customer, issuer, group) share the name.

    A blank or missing label joins nothing; a row with none has no name. Give all that must not stand on both sides.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    kinds = [pd.Series(one).reset_index(drop=True).fillna("").astype(str) for one in labels]
    named = pd.concat([f"{kind}:" + one[one != ""] for kind, one in enumerate(kinds)])
    codes, names = pd.factorize(named, sort=True)
    count, rows = len(kinds[0]), named.index.to_numpy()
    graph = coo_matrix((np.ones(len(rows)), (rows, codes + count)), shape=(count + len(names),) * 2)
    _, part = connected_components(graph, directed=False)
    smallest = pd.Series(names, index=part[count:]).groupby(level=0).min()
    return np.asarray(smallest.reindex(part[:count]).fillna("").to_numpy(dtype=object))


def in_time(observed: Any, known: Any, *, at: date) -> Split:
    """Rows whose outcome was known by `at` to fit on; rows observed on that day or later to judge by; those between on neither side.

    `observed` dates the end of a row's observation window (nothing later is in its features), `known` the end of its outcome window.
    Raises BadInput for a row without these dates, whose outcome window does not end after its observation, or with an empty side.
    """
    seen, told = _windows(observed, known)
    day = pd.Timestamp(at)
    split = Split(np.flatnonzero(told <= day), np.flatnonzero(seen >= day))
    for side, rows in ((marked("fit on"), split.train), (marked("judge by"), split.test)):
        if not len(rows):
            first, last = seen.min(), told.max()
            raise BadInput(
                said("a split on {day} leaves no rows to {side}", day=at, side=said(side)),
                expected=said("a day between {first} and {last} with outcomes known before it", first=first.date(), last=last.date()),
            )
    return split


def latest(observed: Any, known: Any, *, part: float = 0.3) -> Split:
    """`in_time` on the day from which on the newest `part` (a fraction) of the rows was observed; rows of one day stay together."""
    seen, _ = _windows(observed, known)
    return in_time(observed, known, at=seen.sort_values(ignore_index=True).iloc[int(len(seen) * (1 - part))].date())


def walk_forward(observed: Any, known: Any) -> tuple[tuple[date, Split], ...]:
    """For each day of observation with outcomes known by then: the day, and a split that judges by the rows observed on it."""
    seen, told = _windows(observed, known)
    found = []
    for day in sorted(seen.unique()):
        train = np.flatnonzero(told <= day)
        if len(train):
            found.append((pd.Timestamp(day).date(), Split(train, np.flatnonzero(seen == day))))
    return tuple(found)


def apart(split: Split, outcome: Any, groups: Any, *, folds: int = FOLDS, seed: int) -> tuple[Split, ...]:
    """The split cut into `folds`, each without the groups it judges by among the rows it fits on; every row judged by stays so once."""
    labels, of_rows = _labels(groups), np.asarray(outcome)
    both = np.union1d(split.train, split.test)
    cut = []
    for one in grouped(of_rows[both], labels[both], folds=folds, seed=seed):
        train, test = np.intersect1d(both[one.train], split.train), np.intersect1d(both[one.test], split.test)
        if len(train) and len(test):
            cut.append(Split(train, test))
    return tuple(cut)


def _labels(groups: Any) -> NDArray[Any]:
    labels = pd.Series(groups).reset_index(drop=True)
    without = labels.isna() | (labels.astype(str) == "")
    if without.any():
        raise BadInput(
            said("row {row} has no group to keep together", row=int(np.flatnonzero(without)[0])),
            expected=said("a customer, issuer or group for every row"),
            next_step=said("name it by itself where it belongs to none"),
        )
    _, codes = np.unique(labels.astype(str), return_inverse=True)
    return codes


def _refuse_few(found: int, least: int, *, outcome: Any = None) -> None:
    if found >= least:
        return
    what = said("{found} groups cannot be split into {folds} parts", found=found, folds=least)
    if outcome is not None:
        what = said("outcome {outcome} stands in {found} groups only", outcome=str(outcome), found=found)
    raise BadInput(what, expected=said("at least {least} groups", least=least), next_step=said("take fewer parts, or more history"))


def _windows(observed: Any, known: Any) -> tuple[pd.Series[pd.Timestamp], pd.Series[pd.Timestamp]]:
    seen = pd.to_datetime(pd.Series(observed).reset_index(drop=True))
    told = pd.to_datetime(pd.Series(known).reset_index(drop=True)).reindex(seen.index)
    wrong = np.flatnonzero(~(seen < told))  # also where one is missing
    if len(wrong):
        raise BadInput(
            said("row {row}: its outcome window does not end after its observation", row=int(wrong[0])),
            expected=said("two dates a row: when its features were observed, and when its outcome was known"),
        )
    return seen, told
