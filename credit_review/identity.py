"""Who is one customer: source numbers to our ids, one row a customer, customers that only the ledger knows. Names alone never join."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from credit_review.model.frames import ALIASES, CUSTOMERS, PANDAS, QUARANTINE, Dataset
from credit_review.model.states import Severity
from credit_review.words import marked

_NUMBER = ["source", "legal_entity", "source_number"]
_HIDES_RISK = ("limit_minor", "currency", "status")
"""Fields in which a wrong choice between two master rows could hide risk; such a customer keeps its limit until a person has looked."""

EVERYWHERE = "ALL"


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who is who. `aliases` (ALIASES) names every source number; `joins` every customer that has several (columns customer_id, source,
    numbers joined by |, count, decided_by); `moved` the numbers a person gave to another id than the mapping's rules do."""

    aliases: pd.DataFrame
    joins: pd.DataFrame
    moved: pd.DataFrame


def resolve(numbers: pd.DataFrame, *, decided_by: str, known: pd.DataFrame | None = None) -> Resolution:
    """Aliases of the numbers (columns source, legal_entity, source_number, customer_id by the mapping's rules).

    A number written exactly as its id is decided by `source`, one that a rule changed by `decided_by` (`mapping:<digest>`). `known`
    (ALIASES) are aliases already decided by a person; they win. Nothing is joined by name or likeness.
    """
    found = numbers.drop_duplicates(_NUMBER).reset_index(drop=True)
    as_written = found["customer_id"] == found["source_number"]
    found = found.assign(decided_by=pd.Series("source", index=found.index).where(as_written, decided_by))
    moved = found.iloc[:0]
    if known is not None and len(known):
        ours = found.merge(known[[*_NUMBER, "customer_id", "decided_by"]], on=_NUMBER, how="left", suffixes=("", "_known"))
        settled = ours["customer_id_known"].notna()
        changed = settled & (ours["customer_id_known"] != ours["customer_id"])
        moved = ours[changed]
        found["customer_id"] = ours["customer_id"].where(~settled, ours["customer_id_known"])
        found["decided_by"] = ours["decided_by"].where(~settled, ours["decided_by_known"])
    aliases = _exactly(found, ALIASES)
    return Resolution(aliases, _joins(aliases), moved[[*_NUMBER, "customer_id", "customer_id_known"]] if len(moved) else _nothing(moved))


def by_a_person(decided_by: str) -> bool:
    """Whether an alias was decided by a person, not written so by the source nor made by a mapping's rule."""
    return decided_by != "source" and not decided_by.startswith("mapping:")


def renamed(frame: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """The frame with customer ids (and group ids) as `Resolution.moved` decides; frames without legal entity go by source number alone."""
    if not len(moved) or not len(frame):
        return frame
    names = ["legal_entity", "source_number"] if "legal_entity" in frame else ["source_number"]
    to = moved.drop_duplicates(names)[[*names, "customer_id_known"]]
    new = frame[names].merge(to, on=names, how="left")["customer_id_known"].set_axis(frame.index)
    out = frame.assign(customer_id=frame["customer_id"].where(new.isna(), new))
    if "group_id" in out:
        groups = dict(zip(moved["customer_id"], moved["customer_id_known"], strict=True))
        out["group_id"] = out["group_id"].where(out["group_id"] != frame["customer_id"], out["customer_id"]).replace(groups)
    return out


def same_names(customers: pd.DataFrame, *, most: int = 1_000) -> pd.DataFrame:
    """Customers that share a name and not an id, for a person to look at: columns name, customers, customer_ids (joined by |).

    Names are compared without regard to case, blanks and punctuation. At most `most` names, the most shared first.
    """
    plain = customers["name"].str.casefold().str.replace(r"[\W_]+", " ", regex=True).str.strip()
    named = pd.DataFrame({"plain": plain, "name": customers["name"], "customer_id": customers["customer_id"]})[plain != ""]
    named = named[named["plain"].duplicated(keep=False)].sort_values(["plain", "customer_id"])
    shared = named.groupby("plain", sort=True).agg(
        name=("name", "first"), customers=("customer_id", "nunique"), customer_ids=("customer_id", lambda ids: "|".join(dict.fromkeys(ids)))
    )
    shared = shared[shared["customers"] > 1].sort_values("customers", ascending=False, kind="stable")
    return shared.head(most).reset_index(drop=True)


def one_row_each(customers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """CUSTOMERS with one row a customer, and QUARANTINE rows for each field in which its master rows contradict each other.

    Rows are taken in order of source number: the first that states a field counts, but of several limits the lowest, and several of our
    companies become ALL. A contradiction in limit, currency or status could hide risk and quarantines the customer; others are listed.
    """
    several = customers["customer_id"].duplicated(keep=False)
    if not several.any():
        return _exactly(customers, CUSTOMERS), _exactly(pd.DataFrame(columns=list(QUARANTINE.names)), QUARANTINE)
    rows = customers[several].sort_values(["customer_id", "source_number", "legal_entity", "name"], kind="stable")
    stated = rows.mask(rows == "")
    groups = stated.groupby("customer_id", sort=True)
    merged = groups.first()
    distinct = groups.nunique()
    merged["limit_minor"] = groups["limit_minor"].min()
    merged["legal_entity"] = merged["legal_entity"].where(distinct["legal_entity"] <= 1, EVERYWHERE)
    texts = [c.name for c in CUSTOMERS.columns if c.dtype == "str" and c.name in merged]
    merged[texts] = merged[texts].fillna("")
    whole = pd.concat([customers[~several], merged.reset_index()[list(CUSTOMERS.names)]], ignore_index=True)
    return _exactly(whole, CUSTOMERS), _contradictions(rows, distinct)


def from_ledger(parties: pd.DataFrame, *, source: str, terms: Mapping[str, int], constants: Mapping[str, str]) -> pd.DataFrame:
    """CUSTOMERS made of what the ledger's rows say of their customers (customer_id, source_number, legal_entity, currency, rows, texts).

    Of several spellings the one on most rows counts, then the first in order of text. No limit is on file; `constants` stand on every row.
    """
    ids = parties.groupby("customer_id", sort=True)
    made = pd.DataFrame({"source_number": ids["source_number"].min(), "entities": ids["legal_entity"].nunique()})
    made["legal_entity"] = ids["legal_entity"].first().where(made["entities"] == 1, EVERYWHERE)
    for name in [c for c in parties.columns if c not in ("customer_id", "source_number", "legal_entity", "rows")]:
        made[name] = _most_frequent(parties, name).reindex(made.index).fillna("")
    made = made.reset_index().assign(source=source, group_id=made.index)
    for column in CUSTOMERS.columns:
        if column.name not in made:
            made[column.name] = "" if column.dtype == "str" else pd.NaT if column.dtype == "date" else pd.NA
    made["terms_days"] = made["terms_code"].map(terms)
    made["status"] = made["status"].where(made["status"] != "", "active")
    return _exactly(made.assign(**constants), CUSTOMERS)


def not_in_master(customers: pd.DataFrame) -> pd.DataFrame:
    """QUARANTINE rows for customers that only the ledger knows: currency, terms and limit in force are unknown."""
    reason = marked("the customer is not in the customer master, so its currency, terms and limit are unknown")
    return _listed(
        customers, expectation="customer_is_in_master", column="customer_id", value=customers["customer_id"], hides=True, reason=reason
    )


def reserved(customers: pd.DataFrame, *, prefix: str) -> pd.DataFrame:
    """QUARANTINE rows for customers whose id begins as only synthetic customers' ids do."""
    taken = customers[customers["customer_id"].str.startswith(prefix)]
    reason = marked("the id begins like those of synthetic customers, which must never be taken for a real one; give it another number")
    return _listed(
        taken, expectation="customer_id_is_not_reserved", column="customer_id", value=taken["customer_id"], hides=True, reason=reason
    )


def _most_frequent(parties: pd.DataFrame, name: str) -> pd.Series[Any]:
    counted = parties[parties[name] != ""].groupby(["customer_id", name], as_index=False)[["rows"]].sum()
    counted = counted.sort_values(["customer_id", "rows", name], ascending=[True, False, True], kind="stable")
    most: pd.Series[Any] = counted.drop_duplicates("customer_id").set_index("customer_id")[name]
    return most


def _joins(aliases: pd.DataFrame) -> pd.DataFrame:
    """Customers that have several numbers in one source."""
    distinct = aliases.drop_duplicates(["source", "source_number", "customer_id"])
    several = distinct[distinct.duplicated(["source", "customer_id"], keep=False)]
    rule = several["decided_by"].mask(several["decided_by"] == "source", "")
    joined = several.assign(rule=rule).groupby(["customer_id", "source"], sort=True, as_index=False)
    return joined.agg(numbers=("source_number", "|".join), count=("source_number", "size"), decided_by=("rule", "max"))


def _contradictions(rows: pd.DataFrame, distinct: pd.DataFrame) -> pd.DataFrame:
    found = []
    for name in distinct.columns:
        if name in ("source", "source_number", "legal_entity") or not (distinct[name] > 1).any():
            continue
        torn = rows[rows["customer_id"].isin(distinct.index[distinct[name] > 1])]
        said = torn[name].astype("str").fillna("").groupby(torn["customer_id"]).agg(lambda v: " / ".join(dict.fromkeys(x for x in v if x)))
        first = torn.drop_duplicates("customer_id")
        reason = marked("master rows of one customer state different values of {field}").format(
            field=name.removesuffix("_minor").replace("_", " ")
        )
        hides = name in _HIDES_RISK
        value = said.reindex(first["customer_id"]).set_axis(first.index).str.slice(0, 80)
        found.append(_listed(first, expectation="master_rows_agree", column=name, value=value, hides=hides, reason=reason))
    return _exactly(pd.concat(found) if found else pd.DataFrame(columns=list(QUARANTINE.names)), QUARANTINE)


def _listed(customers: pd.DataFrame, *, expectation: str, column: str, value: pd.Series[str], hides: bool, reason: str) -> pd.DataFrame:
    """QUARANTINE rows of the customers dataset; what could hide risk is a warning, the rest information."""
    listed = customers[["source_number", "customer_id"]].assign(
        dataset=CUSTOMERS.name, row_key=customers["customer_id"], expectation=expectation, column=column, value=value,
        severity=(Severity.WARNING if hides else Severity.INFO).value, currency="", could_raise=hides, reason=reason,
        amount_minor=pd.Series(pd.NA, index=customers.index, dtype="Int64"),
    )  # fmt: skip
    return _exactly(listed, QUARANTINE)


def _exactly(frame: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    exact = frame[list(dataset.names)].astype({c.name: PANDAS[c.dtype] for c in dataset.columns})
    return exact.sort_values(list(dataset.key), kind="stable", ignore_index=True)


def _nothing(moved: pd.DataFrame) -> pd.DataFrame:
    return moved.reindex(columns=[*_NUMBER, "customer_id", "customer_id_known"])
