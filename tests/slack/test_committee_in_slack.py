"""In Slack a committee's case says who decides it and when; its buttons are a member's vote while the sitting is open."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from credit_review.authority import load
from credit_review.documents import parse
from credit_review.messages import card, forms
from credit_review.model.records import CommitteeVote, Decision
from credit_review.review import collective, committee
from credit_review.review.addressing import Destinations, put_before
from credit_review.review.standing import gather_many
from tests.review.decision_world import MATRIX_TEXT, NOON, TODAY, digest_of
from tests.slack.test_in_sandbox import desk, line, text, workspace

__all__ = ["desk", "line", "workspace"]

T2 = "increases_12m_up_to: 250000, approvers: 1}"
TEXT = (
    MATRIX_TEXT.replace(T2, T2.replace("1}", "2, committee: credit}"))
    + """
committees:
  - committee: credit
    name: Credit committee
    chair: p-manager
    members: [{person: p-manager, from: 2020-01-01}, {person: p-controller, from: 2020-01-01}]
    quorum: {present: 2}
    rule: majority
"""
)
MATRIX = load(parse(TEXT, name="authority.yaml"))


@pytest.fixture
def case(desk):
    """A case of the committee, whose members have its card."""
    desk.world.adopt_authority(TEXT, at=NOON - timedelta(hours=1))
    proposal = desk.propose(to=300_000_00, authority_digest=digest_of(TEXT))
    with desk.world.store.begin() as uow:
        standings = gather_many(uow, [desk.world.proposal(proposal)], MATRIX, NOON)
        put_before(uow, list(standings.values()), MATRIX, Destinations(direct=True), NOON)
        uow.commit()
    desk.office.pump.wake()
    return proposal


def done(desk, act, *given, **named):
    with desk.world.store.begin() as uow:
        found = act(uow, *given, **named)
        uow.commit()
    desk.office.pump.wake()
    return found


def test_a_committees_card_says_who_decides_and_its_buttons_vote_while_it_sits(desk, case):
    message = desk.card("p-controller", case)
    assert "Credit committee decides this; no sitting is called yet" in text(message) and "your buttons are a vote" in text(message)
    assert all(other not in text(message) for other in (card.COUNTER, card.RETURN, card.APPROVE_IF))
    desk.click("p-controller", case, card.APPROVE)
    desk.told("p-controller", "no sitting is called yet")
    packets = [(case, desk.world.proposal(case).digest)]
    pack = committee.Pack(sitting_id="sit-1", sits_on=TODAY, digest="5" * 64, cases=packets)
    done(desk, committee.call, MATRIX.committees[0], pack, by="p-analyst", on=TODAY, now=NOON, tell=True)
    desk.direct("p-controller", lambda m: "Agenda of Credit committee" in text(m))
    done(desk, committee.open_sitting, "sit-1", by="p-manager", on=TODAY, now=NOON)
    desk.direct("p-controller", lambda m: "its sitting is open: vote now" in text(m))
    desk.click("p-controller", case, card.APPROVE)
    desk.told("p-controller", "Your vote counts: in favour")
    desk.click("p-manager", case, card.REJECT)
    desk.modal("p-manager")
    assert desk.submit("p-manager", **{forms.REASON: "too soon", forms.CODE: "risk_too_high"})["accepted"]
    votes = desk.eventually(lambda: len(found := desk.world.find(CommitteeVote)) == 2 and found)
    assert {(v.person_id, v.vote, v.channel) for v in votes} == {("p-controller", "approve", "slack"), ("p-manager", "reject", "slack")}
    assert desk.world.find(Decision) == [] and desk.world.proposal(case).state == "pending"
    done(desk, collective.close, "sit-1", by="p-manager", now=NOON, zone=UTC)
    assert desk.world.proposal(case).state == "returned", "one of two is no majority"
    desk.direct("p-controller", lambda m: "The sitting is over" in text(m))
