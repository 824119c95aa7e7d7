"""Layers in force cap what the engine proposes: which of them bound an account, what a shared pool leaves, and what the card says."""

from __future__ import annotations

from datetime import date

import pandas as pd
from book import book, changed, customer, eur

from credit_review import fx
from credit_review.limits import explain, propose
from credit_review.limits.bounds import layers_beside, owed_by_others
from credit_review.model.frames import LAYERS_IN_FORCE

AS_OF = date(2026, 6, 30)
RATES = fx.RateTable.from_rows([(AS_OF, "EUR", "USD", "1.25", "ecb")])


def in_force(*rows):
    kinds = dict.fromkeys(LAYERS_IN_FORCE, "str") | {"amount_minor": "int64"}
    return pd.DataFrame(list(rows), columns=list(LAYERS_IN_FORCE)).astype(kinds)


def beside(frames, *rows, entity="1000"):
    """The frames with these layers in force; every account is that company's."""
    customers = frames[0][["customer_id"]].assign(legal_entity=entity)
    return (layers_beside(frames[0], customers, in_force(*rows), as_of=AS_OF, rates=RATES), *frames[1:])


def proposed(frames, **more):
    policy = changed(limits__step__up_fraction=2, limits__caps__recommendation__factor=1, limits__smallest_change__amount=20_000)
    return propose(*frames, policy=policy, as_of=AS_OF, rates=RATES, **more).set_index("customer_id")


def test_a_layer_bounds_the_account_of_its_own_company_and_of_several_the_lowest_holds():
    frames = book(customer("c1"), customer("c2"))
    found = beside(
        frames,
        ("c1", "ceiling", "ALL", "EUR", eur(90_000)),
        ("c1", "ceiling", "1000", "EUR", eur(70_000)),
        ("c1", "ceiling", "2000", "EUR", eur(10_000)),
        ("c1", "base", "ALL", "EUR", eur(80_000)),
        ("c2", "segment", "ALL", "USD", eur(50_000)),
    )[0].set_index("customer_id")
    assert (found.loc["c1", "ceiling_minor"], found.loc["c1", "entity_limit_minor"]) == (eur(70_000), eur(80_000))
    assert pd.isna(found.loc["c1", "segment_limit_minor"]) and pd.isna(found.loc["c2", "ceiling_minor"])
    assert found.loc["c2", "segment_limit_minor"] == eur(40_000)
    assert found.loc["c2", "layers_converted"] == "USD to EUR at 1/1.25 of 2026-06-30 (ecb)"
    kept_for_all = beside(frames, ("c1", "base", "ALL", "EUR", eur(80_000)), entity="ALL")[0]
    assert kept_for_all["entity_limit_minor"].isna().all(), "a base limit for all companies is the account itself"


def test_a_ceiling_is_stronger_than_the_step_of_one_review_and_than_the_smallest_change_and_the_card_says_so():
    frames = beside(
        book(customer("c1"), customer("c2")), ("c1", "ceiling", "ALL", "EUR", eur(12_345)), ("c2", "ceiling", "ALL", "EUR", eur(99_999))
    )
    found = proposed(frames)
    assert found["to_minor"].tolist() == [eur(12_345), eur(99_000)]
    assert found["binding_cap"].tolist() == ["ceiling", "ceiling"]
    told = dict(explain(found.reset_index().iloc[0].to_dict()))
    assert told["Cap: ceiling in force"] == "12,345 EUR (this one holds)"


def test_a_limit_within_a_ceiling_is_proposed_as_without_one():
    plain = proposed(book(customer("c1")))
    capped = proposed(beside(book(customer("c1")), ("c1", "ceiling", "ALL", "EUR", eur(900_000))))
    assert capped.loc["c1", "to_minor"] == plain.loc["c1", "to_minor"] and capped.loc["c1", "cap_ceiling_minor"] == eur(900_000)


def grouped(*customers):
    """Frames of one group, whose exposure is the sum of its members'."""
    features, scores, groups, states = book(*customers)
    return features, scores, groups.assign(members=len(customers)), states


def test_a_limit_rises_within_what_other_members_leave_of_the_pool_and_what_they_owe_lowers_no_limit_in_force():
    grows = customer("c1", group_id="g", limit_minor=eur(20_000), exposure_minor=eur(10_000))
    stays = customer("c2", group_id="g", limit_minor=eur(90_000), exposure_minor=eur(60_000))
    found = proposed(beside(grouped(grows, stays), ("g", "group", "ALL", "EUR", eur(95_000))))
    assert found["pool_free_minor"].tolist() == [eur(35_000), eur(85_000)]
    assert found["to_minor"].tolist() == [eur(35_000), eur(90_000)], "together they may exceed the pool, which is shared"
    told = dict(explain(found.reset_index().iloc[0].to_dict()))
    assert told["group limit (shared pool)"] == (
        "95,000 EUR for all members together, whose limits may add up to more; the others leave 35,000 EUR of it today"
    )
    smaller = proposed(beside(grouped(grows, stays), ("g", "group", "ALL", "EUR", eur(50_000))))
    assert smaller["to_minor"].tolist() == [eur(20_000), eur(50_000)], "no member's limit is above the pool"


def test_a_pool_of_which_it_is_not_known_what_others_owe_raises_no_limit():
    features, scores, groups, states = beside(
        grouped(customer("c1", group_id="g", limit_minor=eur(20_000))), ("g", "group", "ALL", "EUR", eur(95_000))
    )
    found = proposed((features, scores, groups.assign(unconverted="c9"), states))
    assert found.loc["c1", "to_minor"] == eur(20_000) and pd.isna(found.loc["c1", "pool_free_minor"])


def test_what_others_owe_is_in_the_accounts_currency():
    features, _, groups, _ = beside(
        grouped(customer("c1", group_id="g", currency="USD", exposure_minor=eur(1_250))), ("g", "group", "ALL", "EUR", eur(9_000))
    )
    owed = owed_by_others(features, groups.assign(exposure_minor=eur(4_000)), control="EUR", as_of=AS_OF, rates=RATES)
    assert owed.value.tolist() == [eur(3_750)] and features["pool_minor"].tolist() == [eur(11_250)]


def test_a_layer_without_a_rate_is_no_reason_to_propose_as_if_there_were_none():
    found = proposed(beside(book(customer("c1")), ("c1", "ceiling", "ALL", "CAD", eur(1))))
    assert found.loc["c1", "state"] == "quarantined"
    assert found.loc["c1", "state_reason"].startswith("missing_rate: no rate from CAD to EUR on 2026-06-30, so a layer in force cannot be")
