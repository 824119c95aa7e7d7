"""A person asks for a limit: he is its maker, it never goes straight through, and it stands beside what the engine found."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from lifecycle_world import AS_OF, NOON, RULES, TODAY, Ledger, World, draft

from credit_review.documents import parse
from credit_review.errors import BadInput, Refused
from credit_review.messages.card import asked
from credit_review.model.records import Decision, LimitAccount, Maker, Proposal
from credit_review.model.states import ReviewState
from credit_review.policy import load
from credit_review.review import lifecycle, request, route
from credit_review.review.request import Request
from credit_review.review.standing import gather, matrix_in_force
from credit_review.words import Words

POLICY_TEXT = (Path(__file__).parents[2] / "deployments/starter/policy.yaml").read_text()
UNTIL = TODAY + timedelta(days=30)


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def asks(**changed):
    known = {"customer_id": "c-1", "person_id": "p-deputy", "amount_minor": 40_000_00, "reason": "Christmas season", "today": TODAY}
    return Request(**{**known, **changed})


def scored(world):
    return world.review(kind="ad_hoc", scope="customer:c-1#1").review_id


def test_who_asks_is_proposer_and_maker_and_the_engines_figure_stands_beside(world):
    review = scored(world)
    world.limit("c-1", 20_000_00)
    ledger = Ledger(world)
    proposal = world.do(request.propose_request, review, draft("c-1", to=25_000_00), asks(), NOON)
    assert (proposal.proposer_id, proposal.engine_minor, proposal.to_minor, proposal.from_minor) == (
        "p-deputy", 25_000_00, 40_000_00, 20_000_00,
    )  # fmt: skip
    assert world.one(Maker).how == "requested"
    shown = json.loads(proposal.packet_json)
    assert shown["request"]["reason"] == "Christmas season" and shown["engine_minor"] == 25_000_00
    assert ledger.check() == {"proposal": 1}
    assert world.entries("proposal.created")[0]["actor"] == "person:p-deputy"
    assert "Christmas" not in json.dumps(world.entries())


def test_asking_again_after_a_crash_gives_the_same_proposal(world):
    review = scored(world)
    first = world.do(request.propose_request, review, draft("c-1", had=None), asks(), NOON)
    again = world.do(request.propose_request, review, draft("c-1", had=None), asks(), NOON)
    assert first == again == world.one(Proposal)


def test_a_temporary_limit_has_an_account_of_its_own_and_an_end(world):
    review = scored(world)
    world.limit("c-1", 20_000_00)
    proposal = world.do(request.propose_request, review, draft("c-1"), asks(until=UNTIL), NOON)
    assert proposal.account_id == draft("c-1", layer="temporary").account_id != draft("c-1").account_id
    assert (proposal.effective_from, proposal.effective_to, proposal.from_minor, proposal.direction) == (TODAY, UNTIL, None, "new")


def test_a_temporary_limit_must_be_above_the_base_limit(world):
    review = scored(world)
    world.limit("c-1", 40_000_00)
    with pytest.raises(Refused, match="not above"):
        world.do(request.propose_request, review, draft("c-1"), asks(until=UNTIL), NOON)


@pytest.mark.parametrize("layer", ["ceiling", "segment"])
def test_a_bound_is_asked_for_beside_the_limit_with_its_own_account_and_without_terms(world, layer):
    review = scored(world)
    world.limit("c-1", 40_000_00)
    proposal = world.do(request.propose_request, review, draft("c-1"), asks(layer=layer, amount_minor=30_000_00, until=UNTIL), NOON)
    assert proposal.account_id == draft("c-1", layer=layer).account_id
    assert (proposal.from_minor, proposal.terms_days, proposal.effective_to) == (None, None, UNTIL)


def test_a_group_limit_is_one_account_of_the_group_whichever_member_asks(world):
    pools = [draft(customer, group_id="g-1", layer="group") for customer in ("c-1", "c-2")]
    assert pools[0].account_id == pools[1].account_id and pools[0].subject == ("group", "g-1")
    review = scored(world)
    proposal = world.do(request.propose_request, review, draft("c-1", group_id="g-1"), asks(layer="group"), NOON)
    account = world.one(LimitAccount, account_id=proposal.account_id)
    assert (account.subject_kind, account.subject_id, proposal.customer_id) == ("group", "g-1", "c-1")
    text = asked(proposal, "Müller", Words("en"))
    assert text == "Müller (c-1): group limit (shared pool) 40,000 EUR (now none)"
    with pytest.raises(Refused, match="shared pool in EUR"):
        world.do(request.propose_request, review, draft("c-1", group_id="g-1", currency="USD"), asks(layer="group"), NOON)


def test_authority_for_a_shared_pool_is_asked_for_the_pool_alone_and_not_for_its_members_limits_once_more(world):
    world.limit("c-1", 400_000_00)
    review = scored(world)
    proposal = world.do(request.propose_request, review, draft("c-1"), asks(layer="group", amount_minor=500_000_00), NOON)
    with world.store.read() as uow:
        standing = gather(uow, proposal.proposal_id, matrix_in_force(uow, NOON), NOON)
    assert standing.group_limit_minor == 500_000_00


def test_a_request_never_goes_straight_through(world):
    review = scored(world)
    world.limit("c-1", 20_000_00)
    world.do(request.propose_request, review, draft("c-1", rule="small"), asks(amount_minor=21_000_00), NOON)
    world.do(lifecycle.advance, review, ReviewState.PROPOSED)
    assert route.route_all(world.store, review, RULES, world.clock).waiting == 1
    assert world.proposal("c-1").exceptional == "requested"


def test_an_early_review_without_an_amount_asks_for_what_the_engine_finds(world):
    review = scored(world)
    world.limit("c-1", 20_000_00)
    proposal = world.do(request.propose_request, review, draft("c-1", to=33_000_00), asks(amount_minor=None), NOON)
    assert (proposal.to_minor, proposal.direction) == (33_000_00, "up")


def test_an_open_proposal_of_the_account_is_named(world):
    world.routed([draft("c-1", to=90_000_00)])
    waiting = world.proposal("c-1")
    review = scored(world)
    with pytest.raises(Refused, match=waiting.proposal_id):
        world.do(request.propose_request, review, draft("c-1"), asks(), NOON)


def test_what_is_in_force_already_is_refused(world):
    review = scored(world)
    world.limit("c-1", 40_000_00)
    with pytest.raises(Refused, match="already"):
        world.do(request.propose_request, review, draft("c-1"), asks(), NOON)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"reason": " "}, BadInput),
        ({"amount_minor": -1}, BadInput),
        ({"until": TODAY}, BadInput),
        ({"until": UNTIL, "amount_minor": None}, BadInput),
        ({"layer": "insured"}, BadInput),
        ({"layer": "ceiling", "amount_minor": None}, BadInput),
        ({"layer": "ceiling", "terms_days": 60}, BadInput),
        ({"person_id": "p-nobody"}, Refused),
        ({"customer_id": "c-2"}, BadInput),
    ],
)
def test_a_request_must_make_sense(world, wrong, error):
    review = scored(world)
    with pytest.raises(error):
        world.do(request.propose_request, review, draft("c-1"), asks(**wrong), NOON)
    assert world.find(Proposal) == []


def test_terms_that_we_do_not_offer_are_refused_with_those_we_do():
    policy = load(parse(POLICY_TEXT.replace("ranked: []", "ranked: [0, 14, 30]"), name="policy.yaml"))
    request.require_offered(asks(terms_days=14), policy)
    request.require_offered(asks(), policy)
    with pytest.raises(BadInput, match="45 net days are not offered") as refused:
        request.require_offered(asks(terms_days=45), policy)
    assert refused.value.expected == "one of 0, 14, 30 (terms.ranked of the policy)"
    request.require_offered(asks(terms_days=45), load(parse(POLICY_TEXT, name="policy.yaml")))


def test_a_request_belongs_to_an_ad_hoc_review(world):
    review = world.review().review_id
    with pytest.raises(BadInput, match="periodic"):
        world.do(request.propose_request, review, draft("c-1"), asks(), NOON)


def test_a_request_that_failed_before_its_proposal_gives_its_scope_to_the_next_and_is_not_resumed_as_a_review(world):
    review = scored(world)
    world.do(lifecycle.fail, review, code="x", text="customer c-1 is excluded")
    assert world.ask(request.request_scope, "c-1", AS_OF) == "customer:c-1#1"
    assert request.unfinished_request(world.ask(lifecycle.review_of, review))
    again = world.review(kind="ad_hoc", scope="customer:c-1#1", supersede="asked again")
    assert again.attempt == 2 and world.ask(lifecycle.review_of, review).state == ReviewState.SUPERSEDED
    world.do(request.propose_request, again.review_id, draft("c-1", had=None), asks(), NOON)
    proposed = world.do(lifecycle.advance, again.review_id, ReviewState.PROPOSED)
    world.do(lifecycle.fail, again.review_id, code="x", text="disk full")
    assert not request.unfinished_request(proposed)
    assert world.ask(request.request_scope, "c-1", AS_OF) == "customer:c-1#2"


@pytest.mark.parametrize("scope", ["all", "customers:c-1", "customer:c-1"])
def test_a_review_of_a_few_customers_is_resumed_like_any_other(world, scope):
    review = world.review(kind="ad_hoc", scope=scope)
    assert not request.unfinished_request(review)


def test_what_would_be_refused_in_the_end_is_refused_before_the_work(world):
    world.routed([draft("c-1", to=90_000_00)])
    waiting = world.proposal("c-1").proposal_id
    for ask, said in ((asks(), waiting), (asks(until=UNTIL, amount_minor=20_000_00), "20,000 EUR is not above the 20,000 EUR in force")):
        with pytest.raises(Refused, match=said):
            world.ask(request.check_possible, ask)
    world.ask(request.check_possible, asks(until=UNTIL))
    world.ask(request.check_possible, asks(customer_id="c-2"))


def test_a_customer_may_ask_twice_on_a_day(world):
    assert world.ask(request.request_scope, "c-1", AS_OF) == "customer:c-1#1"
    scored(world)
    assert world.ask(request.request_scope, "c-1", AS_OF) == "customer:c-1#2"
    assert world.ask(request.request_scope, "c-11", AS_OF) == "customer:c-11#1"


def refused(world, **asked):
    """A request that the controller rejected, and the review in which to ask again."""
    review = scored(world)
    old = world.do(request.propose_request, review, draft("c-1", had=None), asks(**asked), NOON)
    no = {"approver_id": "p-controller", "on_behalf_of": "p-cfo", "proposer_id": "p-deputy", "verdict": "reject", "digest": old.digest}
    about = {"tier": "T1", "reason": "too much", "channel": "cli", "delivery_key": f"no-{old.proposal_id}", "at": NOON}
    with world.store.begin() as uow:
        uow.add(Decision(proposal_id=old.proposal_id, **no, **about))
        uow.change(Proposal, where={"proposal_id": old.proposal_id}, to={"state": "rejected"})
        uow.commit()
    return old.proposal_id


def again(world, number):
    return world.review(kind="ad_hoc", scope=f"customer:c-1#{number}").review_id


def test_a_refused_request_is_appealed_against_once_and_not_decided_by_who_refused_it(world):
    old = refused(world)
    made = world.do(request.propose_request, again(world, 2), draft("c-1", had=None), asks(appeals=old), NOON)
    assert made.exceptional == "requested|appeal" and json.loads(made.packet_json)["request"]["appeals"] == old
    makers = {m.person_id: m.how for m in world.find(Maker, proposal_id=made.proposal_id)}
    assert makers == {"p-deputy": "requested", "p-controller": "refused_before", "p-cfo": "refused_before"}
    with world.store.begin() as uow:
        uow.change(Proposal, where={"proposal_id": made.proposal_id}, to={"state": "expired"})
        uow.commit()
    third = again(world, 3)
    for proposal in (old, made.proposal_id):  # neither a second time, nor against an appeal
        with pytest.raises(Refused, match=r"appealed against before|no refused request"):
            world.do(request.propose_request, third, draft("c-1", had=None), asks(appeals=proposal), NOON)


def test_only_what_people_rejected_for_that_customer_is_appealed_against(world):
    review = scored(world)
    open_one = world.do(request.propose_request, review, draft("c-1", had=None), asks(), NOON)
    with world.store.read() as uow:
        for asked_for in (
            asks(appeals=open_one.proposal_id),
            asks(appeals="p-none"),
            asks(appeals=open_one.proposal_id, customer_id="c-2"),
        ):
            with pytest.raises(Refused, match="no refused request"):
                request.refused_request(uow, asked_for)
