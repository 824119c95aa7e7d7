"""The bare script of the benchmark and the product agree to the minor unit, on a book of which every figure is generated."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks import bare, generate
from credit_review import documents, exposure, fx, groups, limits, receivables, scoring
from credit_review import policy as policies
from credit_review.scoring.scorecard import dump

STARTER = Path(__file__).parents[2] / "deployments" / "starter"
CUSTOMERS = 600


def product(folder: Path, policy, card, as_of: date) -> pd.DataFrame:
    mapping = receivables.load(documents.parse((STARTER / "mapping.yaml").read_text(encoding="utf-8"), name="mapping.yaml"))

    def raw(name):
        return pd.read_csv(folder / f"{name}.csv", dtype="str", keep_default_na=False)

    items = receivables.read_items(raw("ledger"), mapping, as_of)
    master = receivables.read_customers(raw("customers"), mapping).frame
    external, cover = receivables.read_external(raw("bureau"), mapping, as_of).frame, receivables.read_cover(raw("cover"), mapping).frame
    assert items.quarantine.empty and len(items.frame) == CUSTOMERS * generate.ITEMS_EACH
    rates = fx.RateTable.from_frame(receivables.read_rates(raw("rates"), mapping).frame)
    found = exposure.features(items.frame, master, external, cover, as_of=as_of, policy=policy, rates=rates, capabilities=mapping.has)
    assert found.quarantine.empty
    scores = scoring.score(found.frame, card, policy)
    states = found.frame[["customer_id", "group_id", "currency"]].assign(portfolio="", state_reason="", policy_segment="")
    excluded = found.frame["status"].isin(["one_off", "intercompany"])
    states["state"] = np.where(excluded, "excluded", "reviewed")
    rolled = groups.roll_up(found.frame, rates=rates, control_currency=policy.control_currency, as_of=as_of)
    proposed = limits.propose(found.frame, scores, rolled, states, policy=policy, as_of=as_of, rates=rates)
    proposed = proposed[proposed["state"] == "reviewed"]
    own = ["customer_id", "points", "pd_fraction", "grade", "to_minor", "to_terms_days", "need_minor", "need_by_terms_minor"]
    return proposed[own].merge(found.frame.drop(columns=["status", "need_minor"]), on="customer_id", validate="one_to_one"), rolled


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    generate.write(folder, count=CUSTOMERS)
    policy = policies.load(documents.parse((STARTER / "policy.yaml").read_text(encoding="utf-8"), name="policy.yaml"))
    card = scoring.expert(policy)
    plain = yaml.safe_load((STARTER / "policy.yaml").read_text(encoding="utf-8"))
    items, customers, bureau, cover, rates = bare.read(folder)
    frame = bare.features(items, customers, bureau, cover, pd.Timestamp(generate.AS_OF), plain)
    euros = bare.group_exposure(frame, customers, rates)
    result = bare.limits(bare.score(frame, json.loads(dump(card)), plain), plain, rates)
    ours, rolled = product(folder, policy, card, generate.AS_OF)
    return result.reset_index(drop=True), ours.reset_index(drop=True), euros, rolled


def test_features_scores_and_limits_are_equal_to_the_minor_unit(both):
    result, ours, _, _ = both
    assert len(result) == len(ours) > 0.9 * CUSTOMERS
    shared = [name for name in result.columns if name in ours.columns]
    assert {
        "need_minor",
        "need_by_terms_minor",
        "exposure_minor",
        "average_days_late",
        "points",
        "grade",
        "to_minor",
        "to_terms_days",
    } <= set(shared)
    for name in shared:
        left, right = result[name], ours[name]
        missing = left.isna().to_numpy()
        assert missing.tolist() == right.isna().tolist(), name
        assert left[~missing].tolist() == right[~missing].tolist(), name


def test_group_exposure_in_control_currency_is_equal(both):
    _, _, euros, rolled = both
    assert dict(zip(rolled["group_id"], rolled["exposure_minor"], strict=True)) == euros.to_dict()


def test_the_book_moves_limits_up_down_and_not_at_all(both):
    result, _, _, _ = both
    now, to = result["limit_minor"], result["to_minor"]
    known = now.notna()
    shares = {"up": (to > now)[known].mean(), "down": (to < now)[known].mean(), "same": (to == now)[known].mean()}
    assert all(share > 0.1 for share in shares.values()), shares


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    generate.write(tmp_path / "a", count=50)
    generate.write(tmp_path / "b", count=50)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
