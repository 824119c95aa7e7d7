"""Approvals performed again from the record: who needed which tier, who held it then. Written apart from `authority.judge`, on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.authority import Matrix
from credit_review.authority.standing import SYSTEM
from credit_review.controls.facts import NEVER, active, first_of, human, humans, spoken
from credit_review.controls.history import History, having
from credit_review.model.money import MAX_MINOR, to_minor
from credit_review.model.states import DocumentOfRecord, Layer, Verdict

Ranks = NDArray[np.int64]

NO_ENTRY, OTHER_MATRIX, INACTIVE, NOT_DELEGATED, BELOW_TIER, OTHER_PACKET = (
    "no_entry", "matrix_not_in_force", "not_active", "not_delegated", "below_tier", "other_packet",
)  # fmt: skip
"""What an approval may lack, gravest first."""


def approvals(history: History) -> pd.DataFrame:
    """One row an approval, in order of time: decision and proposal, and

    - `day`: the company's day; `holder`: who held the authority, approver or principal; `human`, `human_behind`: the human beings.
    - `needed`: rank of the tier asked for; `approvers`: how many distinct ones that tier asks for.
    - `lacks`: the first thing it lacks (codes above), empty when it was in order.
    """
    rows = having(history["decisions"], verdict=Verdict.APPROVE).merge(history["proposals"], on="proposal_id", suffixes=("", "_now"))
    rows = rows.sort_values(["at", "seq"], kind="stable").reset_index(drop=True)
    rows["day"] = history.days(rows["at"])
    rows["holder"] = rows["on_behalf_of"].where(rows["on_behalf_of"] != "", rows["approver_id"])
    same = humans(history)
    rows["human"], rows["human_behind"] = human(same, rows["approver_id"]), human(same, rows["holder"])
    rows["needed"], rows["approvers"] = _needed(history, rows)
    rows["lacks"] = _lacks(history, rows)
    return rows


def _lacks(history: History, rows: pd.DataFrame) -> pd.Series[str]:
    in_force = rows["authority"] == _in_force(history, rows["at"])
    enabled = active(history, rows, "approver_id") & active(history, rows, "on_behalf_of")
    faults: dict[str, pd.Series[Any]] = {
        NO_ENTRY: rows["seq"] < 0,
        OTHER_PACKET: rows["digest"] != rows["digest_now"],
        OTHER_MATRIX: ~in_force,
        INACTIVE: ~enabled,
        NOT_DELEGATED: ~_delegated(history, rows),
        BELOW_TIER: _below(history, rows),
    }
    return first_of(faults)


def _in_force(history: History, times: pd.Series[Any]) -> pd.Series[str]:
    """The digest of the authority matrix adopted last by each time; empty when there was none."""
    adopted = having(history["documents"], kind=DocumentOfRecord.AUTHORITY).sort_values(["adopted_at", "digest"])
    at = adopted["adopted_at"].searchsorted(times, side="right")
    return pd.Series(np.concatenate([[""], adopted["digest"].to_numpy(dtype=object)])[at], index=times.index, dtype="str")


def _delegated(history: History, rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each decision in another's name had a delegation then; one in the own name needs none."""
    given = rows[rows["on_behalf_of"] != ""]
    asked = pd.DataFrame({"row": given.index, "person_id": given["approver_id"], "other_id": given["on_behalf_of"]})
    asked = asked.assign(day=given["day"], at=given["at"])
    facts = having(history["held"], kind="delegation")
    found = spoken(asked, facts, by=["person_id", "other_id"], also=["key"])
    return pd.Series(rows.index.isin(found["row"]) | (rows["on_behalf_of"] == ""), index=rows.index)


def _held(history: History, rows: pd.DataFrame) -> Ranks:
    """Rank of the highest tier that the holder had on the day for the region, by the matrix named; -1 for none."""
    asked = rows[["authority", "holder", "region", "day"]].reset_index().rename(columns={"index": "row"})
    pairs = asked.merge(_holders(history), on=["authority", "holder"])
    that_day = (pairs["since"] <= pairs["day"]) & (pairs["until"] > pairs["day"])
    best = pairs[that_day & ((pairs["covers"] == "") | (pairs["covers"] == pairs["region"]))].groupby("row")["rank"].max()
    return best.reindex(rows.index, fill_value=-1).to_numpy(dtype=np.int64)


def _below(history: History, rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each approver lacked the tier needed, or a seat on the committee that decides it."""
    lacks = np.where(_collective(history, rows), ~_sits(history, rows), rows["needed"] > _held(history, rows))
    return pd.Series(lacks, index=rows.index, dtype=bool)


def _collective(history: History, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a committee decides the tier that each approval needed, by the matrix named."""
    found = np.zeros(len(rows), dtype=bool)
    for digest, mine in rows.groupby("authority"):
        if (matrix := history.matrices.get(str(digest))) is not None:
            decided = np.array([tier.committee is not None for tier in matrix.tiers])
            found[rows.index.get_indexer(mine.index)] = decided[mine["needed"].to_numpy()]
    return found


def _sits(history: History, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each approver sat on the committee that decides the tier needed, on that day and for himself."""
    seats = [
        (digest, rank, member.person, member.since, member.until)
        for digest, matrix in history.matrices.items()
        for rank, tier in enumerate(matrix.tiers)
        for one in (matrix.committee(tier.committee),)
        for member in (one.members if one else ())
    ]
    day = pd.to_datetime(rows["day"])
    said = zip(rows["authority"], rows["needed"], rows["approver_id"], rows["on_behalf_of"], day, strict=True)
    return np.array(
        [
            not principal
            and any(
                (digest, rank, person) == (authority, needed, approver) and since <= on.date() and (until is None or on.date() < until)
                for digest, rank, person, since, until in seats
            )
            for authority, needed, approver, principal, on in said
        ],
        dtype=bool,
    )


def _holders(history: History) -> pd.DataFrame:
    found = [
        (digest, one.person, matrix.rank(one.tier), one.since, one.until, region)
        for digest, matrix in history.matrices.items()
        for one in matrix.holders
        for region in one.regions or ("",)
    ]
    frame = pd.DataFrame(found, columns=["authority", "holder", "rank", "since", "until", "covers"])
    days = {name: pd.to_datetime(frame[name]).astype("datetime64[s]") for name in ("since", "until")}
    return frame.assign(**days).fillna({"until": NEVER}).astype({"authority": "str", "holder": "str", "covers": "str", "rank": "int64"})


def _needed(history: History, rows: pd.DataFrame) -> tuple[Ranks, Ranks]:
    """Rank of the tier that each approval needed, and how many approvers that tier asks for."""
    rank, approvers = np.zeros(len(rows), dtype=np.int64), np.ones(len(rows), dtype=np.int64)
    for digest, mine in rows.groupby("authority"):
        matrix = history.matrices.get(str(digest))
        if matrix is None:
            continue
        at = rows.index.get_indexer(mine.index)
        rank[at] = _tiers(matrix, mine)
        approvers[at] = np.array([t.approvers for t in matrix.tiers])[rank[at]]
    return rank, approvers


def _tiers(matrix: Matrix, rows: pd.DataFrame) -> Ranks:
    """The strictest of: the tier of the group's limits, of its increases of 12 months, of grade, exception and first limit.

    Sums are those of the entry, but never less than this limit alone where it is in control currency. What loosens nothing needs the
    reduction tier; the tier recorded counts when it is higher than that (an end put off is not told by these columns).
    """
    here = rows["currency"] == matrix.control_currency
    had, raised = rows["from_minor"], rows["to_minor"] - rows["from_minor"].fillna(0).astype("int64")
    group = np.maximum(_figures(rows["group_limit_minor"]), np.where(here, rows["to_minor"], 0))
    increases = np.maximum(_figures(rows["increases_12m_minor"]), np.where(here, raised.clip(lower=0), 0))
    names = [t.tier for t in matrix.tiers]
    asked = [
        _bounds(matrix, "group_limit_up_to").searchsorted(group, side="left"),
        _bounds(matrix, "increases_12m_up_to").searchsorted(increases, side="left"),
        rows["grade"].map({grade: names.index(tier) for grade, tier in matrix.raise_tier.grades.items()}).fillna(0),
        np.where(rows["exceptional"] != "", names.index(matrix.raise_tier.exceptions), 0),
        np.where(had.isna() & (rows["layer"] != Layer.TEMPORARY), names.index(matrix.raise_tier.first_limit), 0),
    ]
    longer = (rows["terms_days"].fillna(0) > rows["from_terms_days"].fillna(0)) | (
        rows["terms_days"].isna() & rows["from_terms_days"].notna()
    )
    nothing = had.isna() & (rows["to_minor"] == 0)
    loosens = (raised > 0) | longer | (had.isna() & ~nothing)
    recorded = rows["tier"].map({tier: n for n, tier in enumerate(names)}).fillna(0)
    strictest = np.max([np.asarray(one, dtype=np.int64) for one in asked], axis=0)
    own = np.where(loosens.fillna(True), strictest, names.index(matrix.reduction_tier))
    needed: Ranks = np.maximum(own, recorded).astype(np.int64)
    return needed


def _bounds(matrix: Matrix, name: str) -> Ranks:
    """Upper bounds of the tiers in minor units; the last tier has none."""
    bounds = [getattr(tier, name) for tier in matrix.tiers]
    return np.array([MAX_MINOR if up_to is None else to_minor(up_to, matrix.control_currency) for up_to in bounds], dtype=np.int64)


def _figures(figures: pd.Series[Any]) -> Ranks:
    return figures.fillna(0).to_numpy(dtype=np.int64)


def distinct(approved: pd.DataFrame) -> pd.DataFrame:
    """By proposal, over the approvals given: `given` human beings (approver and principal are one), `needed` and `seq` of the last one.

    Counted like an auditor would: approvals in order, one that shares a human being with an earlier one adds nobody.
    """
    behind = approved["human"] == approved["human_behind"]
    simple = approved[behind].drop_duplicates(["proposal_id", "human"]).groupby("proposal_id").size()
    mixed = approved[approved["proposal_id"].isin(approved.loc[~behind, "proposal_id"])]
    counted = {key: _count(mine) for key, mine in mixed.groupby("proposal_id")}
    last = approved.drop_duplicates("proposal_id", keep="last").set_index("proposal_id")
    given = simple.reindex(last.index, fill_value=0)
    given.update(pd.Series(counted, dtype="int64"))
    return pd.DataFrame({"given": given.astype("int64"), "needed": last["approvers"], "seq": last["seq"], "rank": last["needed"]})


def _count(approved: pd.DataFrame) -> int:
    met: set[str] = set()
    count = 0
    for pair in zip(approved["human"], approved["human_behind"], strict=True):
        if not met & set(pair):
            count += 1
        met |= set(pair)
    return count


def by_rule(history: History) -> pd.Series[str]:
    """Ids of proposals that the straight-through rule alone could carry: an entry says so, no person touched them, none is exceptional."""
    of = history["proposals"]
    touched = of["proposal_id"].isin(history["makers"]["proposal_id"]) | (of["proposer_id"] != SYSTEM)
    return of.loc[(of["rule_seq"] >= 0) & ~touched & (of["exceptional"] == "") & of["from_minor"].notna(), "proposal_id"]
