"""What was known at a moment: facts are insert-only rows of which the newest recorded by then speaks; and who is one human being."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from credit_review.controls.history import History, having

NEVER = pd.Timestamp("9999-12-31").as_unit("s")


def spoken(asked: pd.DataFrame, facts: pd.DataFrame, *, by: Sequence[str], also: Sequence[str] = ()) -> pd.DataFrame:
    """For each row of `asked` (columns `row`, `day`, `at` and `by`) the fact in force on that day as known then, if there is one.

    Of each identity (`by` and `also`) the newest row recorded by `at` that had begun by `day` speaks; it is in force before its `valid_to`.
    """
    pairs = asked.merge(facts, on=list(by), how="inner")
    known = pairs[(pairs["recorded_at"] <= pairs["at"]) & (pairs["valid_from"] <= pairs["day"])]
    newest = known.sort_values(["recorded_at", "valid_from"], kind="stable").drop_duplicates(["row", *also], keep="last")
    return newest[newest["valid_to"].fillna(NEVER) > newest["day"]]


def now_in_force(history: History, facts: pd.DataFrame, identity: Sequence[str]) -> pd.DataFrame:
    """The facts in force today, as known now, one row an identity."""
    asked = facts[list(identity)].drop_duplicates().reset_index(drop=True)
    asked = asked.assign(row=np.arange(len(asked)), day=pd.Timestamp(history.today).as_unit("s"), at=pd.Timestamp(history.now))
    return spoken(asked, facts, by=identity)


def active(history: History, rows: pd.DataFrame, person: str) -> pd.Series[bool]:
    """For each row (with `at` and `day`) whether the person in that column was active then; nobody (empty) counts as active."""
    asked = pd.DataFrame({"row": rows.index, "person_id": rows[person].to_numpy(), "day": rows["day"], "at": rows["at"]})
    found = spoken(asked, history["people"], by=["person_id"])
    return pd.Series(rows.index.isin(found.loc[found["active"], "row"]) | (rows[person] == ""), index=rows.index)


def humans(history: History) -> dict[str, str]:
    """For each person of the directory the first person id of the same human being: one e-mail address, or one account, means one.

    Addresses compare in lower case and without what follows a plus sign.
    """
    people = history["people"]
    local = people["email"].str.lower().str.replace(r"\+[^@]*@", "@", regex=True).str.strip()
    emails = pd.DataFrame({"key": "email " + local, "person_id": people["person_id"]})[local != ""]
    accounts = having(history["held"], kind="account")[["key", "person_id"]]
    same = {person: person for person in sorted({*people["person_id"], *accounts["person_id"]})}
    for _, ids in pd.concat([emails, accounts]).groupby("key")["person_id"]:
        first = min(_root(same, one) for one in ids)
        for one in ids:
            same[_root(same, one)] = first
    return {person: _root(same, person) for person in same}


def _root(same: dict[str, str], person: str) -> str:
    while same[person] != person:
        person = same[person]
    return person


def human(same: dict[str, str], people: pd.Series[Any]) -> pd.Series[Any]:
    """The human being behind each person id; an id that the directory does not know stands for itself."""
    return people.map(same).fillna(people)


def first_of(faults: Mapping[str, pd.Series[Any]]) -> pd.Series[str]:
    """For each row the first of the named faults it has; empty for none."""
    found = pd.Series("", index=next(iter(faults.values())).index, dtype="str")
    for name, rows in reversed(list(faults.items())):
        found[rows.to_numpy(dtype=bool)] = name
    return found
