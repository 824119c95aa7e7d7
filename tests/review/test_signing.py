"""Who may sign: the authority matrix names the tier for a review, the amount names it for a risk; nobody signs for his own act."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml
from lifecycle_world import MATRIX, NOON, RULES, TEXTS, TODAY, World, analyst, draft

from credit_review import authority
from credit_review.audit import Action
from credit_review.documents import parse
from credit_review.errors import BadInput, Refused
from credit_review.model.records import RiskKept
from credit_review.model.states import ReviewState, Verdict
from credit_review.review import close, lifecycle, release
from credit_review.review.close import Certified
from credit_review.review.decide import DecideCommand, decide
from credit_review.review.sweep import expire_due

CERTIFIED = Certified(digest="7" * 64, customers={"reviewed": 1}, quarantined_rows=0)
LATER = NOON + timedelta(hours=1)
UNTIL = TODAY + timedelta(days=90)


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def edited(change):
    """The starter matrix after a change, as text."""
    data = yaml.safe_load(TEXTS["authority"])
    change(data)
    return yaml.safe_dump(data, sort_keys=False)


def held(world):
    review = world.review(ReviewState.VALIDATED).review_id
    world.do(lifecycle.hold, review, "74% of open items are past due")
    return review


def confirm(world, review, who):
    return world.do(lifecycle.confirm_extract, review, person_id=who, reason="cash is posted", on=TODAY, now=LATER)


def sign(world, review, who):
    return world.do(close.close, review, person_id=who, statement="complete", certified=CERTIFIED, on=TODAY, now=NOON)


def keep(world, who, customer="c-1", now=NOON):
    key = world.proposal(customer).proposal_id
    return world.do(close.decide_risk_kept, key, person_id=who, reason="strategic", until=UNTIL, on=now.date(), now=now)


def refused(code, ask, *args):
    with pytest.raises(Refused) as error:
        ask(*args)
    assert error.value.code == code
    return error.value.text()


# --- a whole review -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["p-one", "p-analyst", "p-controller"])
def test_an_extract_is_confirmed_by_the_tier_named_and_the_refusal_names_who_may(world, who):
    review = held(world)
    text = refused("sign.lacks_tier", confirm, world, review, who)
    assert "T2 (Credit manager)" in text and "Manager (p-manager)" in text and "Cfo (p-cfo)" in text and "p-controller)" not in text
    assert world.entries(Action.REVIEW_HOLD_RELEASED) == []
    assert confirm(world, review, "p-cfo").hold_released_by == "p-cfo"


@pytest.mark.parametrize("who", ["p-one", "p-analyst", "p-controller"])
def test_a_review_is_closed_by_the_tier_named(world, who):
    review = world.routed([])
    world.do(close.settle, review)
    assert "Manager (p-manager)" in refused("sign.lacks_tier", sign, world, review, who)
    assert world.entries(Action.REVIEW_CLOSED) == []
    sign(world, review, "p-manager")


def test_a_tier_held_for_some_regions_signs_for_no_whole_review(world):
    def only_south(data):
        data["holders"][1]["regions"] = ["South"]

    review = held(world)
    world.adopt("authority", edited(only_south), now=LATER)
    assert "p-manager" not in refused("sign.lacks_tier", confirm, world, review, "p-manager").splitlines()[-1]


def test_without_a_rule_the_lowest_tier_signs_and_only_those_who_hold_one(world):
    review = held(world)
    world.adopt("authority", edited(lambda data: data.pop("sign_off")), now=LATER)
    assert "T1" in refused("sign.lacks_tier", confirm, world, review, "p-analyst")
    assert confirm(world, review, "p-controller").hold_released_by == "p-controller"


def test_a_leaver_who_stands_in_the_matrix_still_cannot_sign_and_is_not_named(world):
    from dataclasses import replace

    from credit_review.review import directory

    review = held(world)
    known = world.ask(directory.person_on, "p-manager", on=TODAY, known_at=NOON)
    world.do(directory.set_person, replace(known, active=False, valid_from=TODAY, recorded_at=NOON), by="p-one")
    refused("person.not_active", confirm, world, review, "p-manager")
    assert "p-manager" not in refused("sign.lacks_tier", confirm, world, review, "p-one")


def test_an_unknown_tier_is_named_with_its_line():
    with pytest.raises(BadInput, match=r"authority.yaml line \d+, sign_off.close_review: unknown tier 'T9'"):
        authority.load(parse(edited(lambda d: d["sign_off"].update(close_review="T9")), name="authority.yaml"))


# --- a risk -------------------------------------------------------------------------------------------------------------------------


def rejected(world, *, had, to, by="p-ceo"):
    """A review whose one reduction was rejected."""
    world.routed([draft("c-1", had=had, to=to)])
    proposal = world.proposal("c-1")
    world.do(release.release, [proposal.proposal_id], RULES, analyst())
    command = DecideCommand(
        delivery_key="one", proposal_id=proposal.proposal_id, digest=proposal.digest, verdict=Verdict.REJECT, account_kind="os", account=by,
        channel="cli", reason="they pay",
    )  # fmt: skip
    with world.store.begin() as uow:
        assert decide(command, uow, NOON).accepted
    assert world.one(RiskKept).decided_by == ""


@pytest.mark.parametrize(
    ("at_risk", "lacks", "may"),
    [(100_000_00, "p-one", "p-controller"), (100_000_01, "p-controller", "p-manager"), (500_000_01, "p-manager", "p-cfo")],
)
def test_a_risk_is_kept_by_the_tier_of_its_amount(world, at_risk, lacks, may):
    rejected(world, had=900_000_00, to=900_000_00 - at_risk)
    assert f"({may})" in refused("sign.lacks_tier", keep, world, lacks)
    assert world.one(RiskKept).decided_by == "" and world.entries(Action.RISK_KEPT) == []
    assert keep(world, may).decided_by == may


def test_who_rejected_the_reduction_does_not_keep_the_risk(world):
    rejected(world, had=80_000_00, to=40_000_00, by="p-cfo")
    text = refused("sign.own", keep, world, "p-cfo")
    assert "somebody else" in text and "(p-cfo)" not in text and "(p-manager)" in text
    keep(world, "p-manager")


@pytest.mark.parametrize("way", ["defer", "exclude", "expire"])
def test_who_made_or_put_off_the_reduction_does_not_keep_the_risk(world, way, clock):
    """The analyst is given the highest tier, so that only the act stands in the way."""

    def promoted(data):
        data["holders"].append({"person": "p-analyst", "tier": "T4", "from": TODAY, "until": None, "regions": []})

    world.routed([draft("c-1", had=80_000_00, to=40_000_00)])
    key = world.proposal("c-1").proposal_id
    if way == "defer":
        world.do(release.defer, key, until=UNTIL, owner_id="p-one", reason="audit", by=analyst())
    elif way == "exclude":
        world.do(release.exclude, key, rule="netting", reason="joint venture", by=analyst())
    else:
        world.do(release.release, [key], RULES, analyst())
        clock.set(NOON + timedelta(days=31))
        assert expire_due(world.store, clock) == (key,)
    now = clock.now()
    world.adopt("authority", edited(promoted), now=now)
    refused("sign.own", keep, world, "p-analyst", "c-1", now)
    assert keep(world, "p-controller", "c-1", now).decided_by == "p-controller"


def test_a_signature_is_personal(world):
    assert authority.signers(MATRIX, MATRIX.tiers[3], TODAY) == ("p-ceo", "p-chair")
    assert authority.signers(MATRIX, MATRIX.tiers[3], TODAY, but={"p-ceo"}) == ("p-chair",)
