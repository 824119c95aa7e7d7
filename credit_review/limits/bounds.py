"""Layers in force beside each customer's account, as columns of its features: the engine proposes nothing above them.

The same layers bound the limit on a day in `limits.layers`, for one customer; here for a whole bucket at once.
"""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.limits.arrays import Ints, Maybe
from credit_review.limits.codes import SEPARATOR
from credit_review.limits.layers import ALL
from credit_review.limits.rules import NO_RATE, RATE_USED
from credit_review.model.frames import LAYER_TEXTS, PANDAS
from credit_review.model.states import Layer

LAYERS: MappingProxyType[str, str] = MappingProxyType(
    {
        Layer.BASE: "entity_limit_minor",
        Layer.CEILING: "ceiling_minor",
        Layer.SEGMENT: "segment_limit_minor",
        Layer.GROUP: "pool_minor",
    }
)
"""Layers that bound a proposal, in the order in which they are asked, and the column of FEATURES each fills."""


def layers_beside(
    features: pd.DataFrame, customers: pd.DataFrame, in_force: pd.DataFrame, *, as_of: date, rates: fx.RateTable
) -> pd.DataFrame:
    """FEATURES with the layers in force for each account, in its currency at the as_of rate, half-even once.

    `customers` are CUSTOMERS rows of the bucket, `in_force` has columns LAYERS_IN_FORCE. A layer of one legal entity bounds that company's
    account alone, one of ALL every account; a base limit bounds only where it is kept for ALL and the account is one company's. Of several
    of one layer the lowest holds. Where one has no rate, `layers_unknown` says so.
    """
    rows = _of_accounts(features, customers, in_force)
    if not len(rows):
        return features
    rows["minor"], used = fx.convert_column(rows["amount_minor"].astype("Int64"), rows["kept_in"], rows["currency"], on=as_of, rates=rates)
    found = features.copy()
    for layer, column in LAYERS.items():
        lowest = rows[rows["layer"] == layer].groupby("customer_id")["minor"].min()
        found[column] = lowest.reindex(found["customer_id"]).astype("Int64").to_numpy()
    for column, text in zip(LAYER_TEXTS, (_converted(rows, used), _unknown(rows, as_of)), strict=True):
        told = text[text != ""].groupby(rows["customer_id"]).agg(lambda some: SEPARATOR.join(sorted(set(some))))
        found[column] = told.reindex(found["customer_id"]).fillna("").astype(PANDAS["str"]).to_numpy()
    return found.astype(features.dtypes.to_dict())


def owed_by_others(features: pd.DataFrame, groups: pd.DataFrame, *, control: str, as_of: date, rates: fx.RateTable | None) -> Maybe:
    """What the other members of each customer's group owe, in its account's currency; asked only of those with a shared pool.

    The group's exposure in control currency, less the customer's own in it. Unknown where a member's exposure has no rate.
    """
    pooled = features["pool_minor"].notna().to_numpy(dtype=bool)
    owed, known = np.zeros(len(features), dtype=np.int64), np.zeros(len(features), dtype=bool)
    some = features[pooled].reset_index(drop=True)
    if not len(some):
        return Maybe(owed, known)
    heads = some["group_id"].where(some["group_id"] != "", some["customer_id"])
    whole = groups.set_index("group_id").reindex(heads)
    own = _in(some["exposure_minor"], some["currency"], control, as_of, rates)
    others = whole["exposure_minor"].reset_index(drop=True).astype("Int64") - own
    found = _in(others, pd.Series(control, index=some.index, dtype="str"), some["currency"], as_of, rates)
    told = found.notna().to_numpy(dtype=bool) & (whole["unconverted"].fillna("") == "").to_numpy(dtype=bool)
    owed[pooled], known[pooled] = found.fillna(0).to_numpy(dtype=np.int64), told
    return Maybe.where(known, owed)


def _in(
    minor: pd.Series[Any], base: pd.Series[Any], quote: pd.Series[Any] | str, as_of: date, rates: fx.RateTable | None
) -> pd.Series[Any]:
    table = fx.RateTable.from_rows([]) if rates is None else rates
    return fx.convert_column(minor.astype("Int64"), base, quote, on=as_of, rates=table)[0]


def pool_cap(pool: Maybe, others: Maybe, limit: Maybe) -> tuple[Maybe, Maybe]:
    """What a shared pool lets each member's limit be, and what the other members leave of it.

    A limit rises no higher than what the others leave today; what they owe lowers no limit in force, only the pool's own amount does. So
    no member's limit exceeds the pool, while the limits of all together may: it is shared. Where it is not known what the others owe,
    nothing is taken to be left.
    """
    left: Ints = np.clip(pool.value - others.value, 0, pool.value)
    free = Maybe.where(pool.known & others.known, left)
    return Maybe.where(pool.known, np.maximum(free.value, np.minimum(limit.value, pool.value))), free


def _of_accounts(features: pd.DataFrame, customers: pd.DataFrame, in_force: pd.DataFrame) -> pd.DataFrame:
    """One row for each layer that bounds an account: `layer`, `kept_in` and `amount_minor`, beside customer and its account's currency."""
    accounts = features[["customer_id", "group_id", "currency"]].merge(customers[["customer_id", "legal_entity"]], on="customer_id")
    accounts = accounts.rename(columns={"legal_entity": "own"})
    kept = in_force.rename(columns={"currency": "kept_in"})
    pools = kept["layer"] == Layer.GROUP
    parts = [
        accounts.merge(kept[~pools], left_on="customer_id", right_on="subject_id"),
        accounts.assign(group_id=accounts["group_id"].where(accounts["group_id"] != "", accounts["customer_id"])).merge(
            kept[pools], left_on="group_id", right_on="subject_id"
        ),
    ]
    rows = pd.concat(parts, ignore_index=True)
    of_all = rows["legal_entity"] == ALL
    bounds = (of_all | (rows["legal_entity"] == rows["own"])) & ((rows["layer"] != Layer.BASE) | (of_all & (rows["own"] != ALL)))
    return rows[bounds].reset_index(drop=True)


def _converted(rows: pd.DataFrame, used: pd.DataFrame) -> pd.Series[Any]:
    """At which rate each layer was converted; empty where it is kept in the account's currency or has no rate."""
    told = {}
    for base, quote, rate, day, source in used[["base", "quote", "rate", "rate_date", "source"]].itertuples(index=False, name=None):
        if base != quote:
            told[base, quote] = RATE_USED.format(base=base, quote=quote, rate=rate, day=day.date(), source=source)
    pairs = zip(rows["kept_in"], rows["currency"], strict=True)
    return pd.Series([told.get(pair, "") for pair in pairs], index=rows.index, dtype="str")


def _unknown(rows: pd.DataFrame, as_of: date) -> pd.Series[Any]:
    """Why a layer cannot be compared with the account; empty where it can."""
    texts = [NO_RATE.format(base=base, quote=quote, day=as_of) for base, quote in zip(rows["kept_in"], rows["currency"], strict=True)]
    return pd.Series(texts, index=rows.index, dtype="str").where(rows["minor"].isna(), "")
