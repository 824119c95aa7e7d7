"""Two results of one book side by side, a bucket at a time: counts and amounts that add up over buckets, and the customers that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.errors import ReviewStopped
from credit_review.fx import RateTable
from credit_review.limits.arrays import Flags, Ints, joined
from credit_review.model.states import CustomerState
from credit_review.policy import Policy
from credit_review.policy_effect.later import Later
from credit_review.policy_effect.routes import Routes

UP, DOWN, UNMOVED = "up", "down", "unmoved"
"""Whether a limit comes out higher, lower or the same under the new policy, against what the old one gives, not the one in force."""

MOVED = (
    "customer_id", "currency", "from_minor", "before_minor", "after_minor", "difference_minor", "difference_control_minor",
    "terms_before_days", "terms_after_days", "grade_before", "grade_after", "state_before", "state_after",
    "tier_before", "tier_after", "approvers_before", "approvers_after", "notice_before_days", "notice_after_days",
    "rules_gone", "rules_new", "later",
)  # fmt: skip
"""Columns of the list of customers that differ. Limits in minor units of `currency`, the last difference in control currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one policy makes of a bucket: PROPOSALS, the ways they go, and the rules that fired (`rules.fired`), row by row alike."""

    policy: Policy
    proposals: pd.DataFrame
    routes: Routes
    fired: Mapping[str, Flags]


@dataclass(slots=True)
class Tally:
    """Counts and sums of the difference, in minor units; tallies of buckets are added.

    `size`: customers, reviewed_before, reviewed_after, up, down, moved, terms, better, worse, grade, state, tier, approver, notice.
    `money`: (currency or "control", customers | before | after | up | up_minor | down | down_minor). `grades`, `states`, `ways`,
    `approvers`: (before, after) where they differ, grades of all reviewed by both. `notices`: (before | after, working days, count | minor
    of control). `rules`: (code, before | after | new | gone | up_minor | down_minor of control). `outcomes`: (up | down | unmoved, Later).
    """

    size: Counter[str] = field(default_factory=Counter)
    money: Counter[tuple[str, str]] = field(default_factory=Counter)
    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)
    approvers: Counter[tuple[str, str]] = field(default_factory=Counter)
    notices: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add another bucket's."""
        for one in fields(self):
            getattr(self, one.name).update(getattr(other, one.name))


CONTROL = "control"


def compare(
    before: Side, after: Side, *, statuses: pd.Series[Any], later: pd.Series[Any], as_of: date, rates: RateTable
) -> tuple[Tally, pd.DataFrame]:
    """The tally of a bucket and the rows (MOVED) of customers that differ in anything. `statuses` and `later` are by customer id.

    The limit of a customer that a policy does not review is the one in force. Raises ReviewStopped when the two are of other customers.
    """
    old, new = before.proposals.reset_index(drop=True), after.proposals.reset_index(drop=True)
    if not old["customer_id"].equals(new["customer_id"]):
        raise ReviewStopped(
            "the two results are of different customers", expected="the customers of the review under both policies",
            next_step="report it: the book of a review does not depend on the policy",
        )  # fmt: skip
    control = before.policy.control_currency
    rows = _rows(before, after, old, new, statuses)

    def converted(name: str) -> Ints:
        found, _ = fx.convert_column(rows[name].fillna(0).astype("Int64"), rows["currency"], control, on=as_of, rates=rates)
        return found.fillna(0).to_numpy(dtype=np.int64)

    rows["difference_control_minor"] = converted("difference_minor")
    rows["later"] = later.reindex(rows["customer_id"]).fillna(str(Later.NOT_YET)).to_numpy()
    gone, fresh = _fired_otherwise(before.fired, after.fired, len(rows))
    size = len(rows)
    rows["rules_gone"], rows["rules_new"] = (joined(one) if one else pd.Series([""] * size, dtype="str") for one in (gone, fresh))
    moves = _Moves.of(rows)
    tally = Tally(size=_sizes(rows, moves, before.policy.grade_names))
    _count_money(tally, rows, moves, {name: converted(f"{name}_minor") for name in ("before", "after")})
    _count_pairs(tally, rows)
    _count_notices(tally, rows, {side: converted(f"cut_{side}_minor") for side in ("before", "after")})
    _count_rules(tally, rows, (before.fired, after.fired), gone, fresh)
    for movement, flags in (*moves.ways(), (UNMOVED, ~moves.up & ~moves.down)):
        for what, n in rows.loc[flags & moves.reviewed, "later"].value_counts().items():
            tally.outcomes[(movement, str(what))] += int(n)
    differs = moves.any | (rows["rules_gone"] != "").to_numpy() | (rows["rules_new"] != "").to_numpy()
    return tally, rows.loc[differs, list(MOVED)].reset_index(drop=True)


def _rows(before: Side, after: Side, old: pd.DataFrame, new: pd.DataFrame, statuses: pd.Series[Any]) -> pd.DataFrame:
    rows = pd.DataFrame({"customer_id": old["customer_id"], "currency": old["currency"], "from_minor": old["from_minor"]})
    status = statuses.reindex(rows["customer_id"]).fillna("")
    for name, side, found in (("before", before, old), ("after", after, new)):
        reviewed = found["state"] == CustomerState.REVIEWED
        rows[f"{name}_minor"] = found["to_minor"].where(reviewed, found["from_minor"])
        rows[f"terms_{name}_days"] = found["to_terms_days"].where(reviewed, found["from_terms_days"])
        rows[f"grade_{name}"] = found["grade"].where(reviewed, "")
        rows[f"state_{name}"] = found["state"]
        rows[f"tier_{name}"], rows[f"approvers_{name}"] = side.routes.way, side.routes.approvers
        cut = (found["from_minor"] - found["to_minor"]).where(reviewed, 0).fillna(0).clip(lower=0)
        rows[f"cut_{name}_minor"] = cut
        notice = status.map({one: side.policy.notice_days(str(one)) for one in status.unique()}).to_numpy(dtype=np.int64)
        rows[f"notice_{name}_days"] = pd.array(notice, dtype="Int64")
        rows.loc[(cut == 0).to_numpy(), f"notice_{name}_days"] = pd.NA
    rows["difference_minor"] = rows["after_minor"].fillna(0) - rows["before_minor"].fillna(0)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moves:
    """Which rows differ in what."""

    reviewed: Flags
    up: Flags
    down: Flags
    limit: Flags
    terms: Flags
    grade: Flags
    state: Flags
    tier: Flags
    approver: Flags
    notice: Flags

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Moves:
        def differ(one: str, other: str) -> Flags:
            left, right = rows[one], rows[other]
            found: Flags = ((left.notna() != right.notna()) | (left.ne(right) & left.notna() & right.notna())).to_numpy(dtype=bool)
            return found

        either = (rows["state_before"] == CustomerState.REVIEWED) | (rows["state_after"] == CustomerState.REVIEWED)
        difference = rows["difference_minor"].to_numpy(dtype=np.int64)
        return cls(
            reviewed=either.to_numpy(dtype=bool),
            up=difference > 0,
            down=difference < 0,
            limit=differ("before_minor", "after_minor"),
            terms=differ("terms_before_days", "terms_after_days"),
            grade=differ("grade_before", "grade_after"),
            state=differ("state_before", "state_after"),
            tier=differ("tier_before", "tier_after"),
            approver=differ("approvers_before", "approvers_after"),
            notice=differ("notice_before_days", "notice_after_days"),
        )

    def ways(self) -> tuple[tuple[str, Flags], ...]:
        """Rows whose limit comes out higher, and lower."""
        return (UP, self.up), (DOWN, self.down)

    @property
    def any(self) -> Flags:
        """Rows that differ in anything but rules."""
        found: Flags = np.logical_or.reduce([self.limit, self.terms, self.grade, self.state, self.tier, self.approver, self.notice])
        return found


def _sizes(rows: pd.DataFrame, moves: _Moves, grades: Sequence[str]) -> Counter[str]:
    order = {name: at for at, name in enumerate(grades)}
    both = (rows["grade_before"] != "") & (rows["grade_after"] != "")
    step = (rows["grade_after"].map(order) - rows["grade_before"].map(order)).where(both, 0)
    found = {f"reviewed_{side}": rows[f"state_{side}"] == CustomerState.REVIEWED for side in ("before", "after")}
    found |= {"better": step < 0, "worse": step > 0}
    named = ("up", "down", "terms", "grade", "state", "tier", "approver", "notice")
    counted = {name: int(getattr(moves, name).sum()) for name in named} | {name: int(flags.sum()) for name, flags in found.items()}
    return Counter({"customers": len(rows), "moved": int(moves.limit.sum())} | counted)


def _count_money(tally: Tally, rows: pd.DataFrame, moves: _Moves, control: Mapping[str, Ints]) -> None:
    own = {name: rows[f"{name}_minor"].fillna(0).to_numpy(dtype=np.int64) for name in ("before", "after", "difference")}
    place, currencies = pd.factorize(rows["currency"])
    parts = [(str(code), place == n, own) for n, code in enumerate(currencies)]
    whole = dict(control) | {"difference": rows["difference_control_minor"].to_numpy(dtype=np.int64)}
    for code, mine, amounts in (*parts, (CONTROL, np.ones(len(rows), dtype=bool), whole)):
        there = mine & moves.reviewed
        if not there.any():
            continue
        found = {"customers": int(there.sum()), **{name: int(amounts[name][there].sum()) for name in ("before", "after")}}
        for way, flags in moves.ways():
            found |= {way: int((there & flags).sum()), f"{way}_minor": int(np.abs(amounts["difference"][there & flags]).sum())}
        tally.money.update({(code, name): n for name, n in found.items()})


def _count_pairs(tally: Tally, rows: pd.DataFrame) -> None:
    both = rows[(rows["grade_before"] != "") | (rows["grade_after"] != "")]
    for name, counter, frame in (
        ("grade", tally.grades, both), ("state", tally.states, rows), ("tier", tally.ways, rows), ("approvers", tally.approvers, rows),
    ):  # fmt: skip
        pair = frame[[f"{name}_before", f"{name}_after"]]
        if name != "grade":
            pair = pair[pair.iloc[:, 0] != pair.iloc[:, 1]]
        for key, n in pair.value_counts().items():
            counter[(str(key[0]), str(key[1]))] += int(n)  # type: ignore[index]


def _count_notices(tally: Tally, rows: pd.DataFrame, cut: Mapping[str, Ints]) -> None:
    for side, amounts in cut.items():
        days = rows[f"notice_{side}_days"]
        for one in days.dropna().unique():
            there = (days == one).fillna(False).to_numpy(dtype=bool)
            tally.notices[(side, int(one), "count")] += int(there.sum())
            tally.notices[(side, int(one), "minor")] += int(amounts[there].sum())


def _fired_otherwise(before: Mapping[str, Flags], after: Mapping[str, Flags], size: int) -> tuple[dict[str, Flags], dict[str, Flags]]:
    """By rule, rows where it fires no longer, and where it fires anew."""
    nothing = np.zeros(size, dtype=bool)
    codes = sorted({*before, *after})
    pairs = {code: (before.get(code, nothing), after.get(code, nothing)) for code in codes}
    gone = {code: old & ~new for code, (old, new) in pairs.items() if (old & ~new).any()}
    return gone, {code: new & ~old for code, (old, new) in pairs.items() if (new & ~old).any()}


def _count_rules(
    tally: Tally,
    rows: pd.DataFrame,
    fired: tuple[Mapping[str, Flags], Mapping[str, Flags]],
    gone: Mapping[str, Flags],
    fresh: Mapping[str, Flags],
) -> None:
    amounts = rows["difference_control_minor"].to_numpy(dtype=np.int64)
    for side, found in zip(("before", "after"), fired, strict=True):
        tally.rules.update({(code, side): int(flags.sum()) for code, flags in found.items()})
    for what, otherwise in (("gone", gone), ("new", fresh)):
        for code, flags in otherwise.items():
            moved = amounts[flags]
            tally.rules.update({
                (code, what): int(flags.sum()),
                (code, "up_minor"): int(moved[moved > 0].sum()),
                (code, "down_minor"): int(-moved[moved < 0].sum()),
            })  # fmt: skip
