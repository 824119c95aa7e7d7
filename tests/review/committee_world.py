"""A company whose highest tier is decided by a committee, and the few sentences tests say about its sittings."""

from __future__ import annotations

from datetime import UTC, timedelta

from decision_world import MATRIX_TEXT, NOON, PEOPLE, POLICY, RECORDED, TODAY, World, digest_of

from credit_review.authority import load
from credit_review.documents import parse
from credit_review.review import collective, committee
from credit_review.review.standing import matrix_in_force

BOARD = """
committees:
  - committee: board
    name: Credit committee
    chair: p-chair
    deputy: p-ceo
    members:
      - {person: p-chair, from: 2020-01-01, role: chair}
      - {person: p-ceo, from: 2020-01-01}
      - {person: p-cfo, from: 2020-01-01, role: finance}
      - {person: p-manager, from: 2020-01-01}
    quorum: {present: 3, not_makers: 3}
    rule: majority
"""
T4 = "{tier: T4, name: Board,              group_limit_up_to: null,    increases_12m_up_to: null,   approvers: 2}"
MATRIX = MATRIX_TEXT.replace(T4, T4.replace("approvers: 2", "approvers: 2, committee: board")) + BOARD
assert MATRIX.count("committee: board") == 2
MEMBERS = ("p-ceo", "p-cfo", "p-chair", "p-manager")
PACK = "5" * 64


def matrix(text=MATRIX):
    return load(parse(text, name="authority.yaml"))


class Board(World):
    """A World with a committee in force. `case` is a proposal of 4,000,000, which only the committee decides."""

    def __init__(self, store, text=MATRIX):
        super().__init__(store)
        self.text = text
        self.adopt_authority(text, at=RECORDED + timedelta(days=1))

    def case(self, customer="c-1", **fields):
        known = {"had": 3_000_000_00, "to": 4_000_000_00, "authority_digest": digest_of(self.text), "tier": "T4", "required_approvals": 2}
        return self.propose(customer, **{**known, **fields})

    def done(self, act, *given, **named):
        with self.store.begin() as uow:
            found = act(uow, *given, **named)
            uow.commit()
        return found

    def call(self, *proposals, sitting="sit-1", by="p-analyst", now=NOON, on=TODAY):
        packets = [(one, self.proposal(one).digest) for one in proposals]
        pack = committee.Pack(sitting_id=sitting, sits_on=on, digest=PACK, cases=packets)
        with self.store.begin() as uow:
            board = committee.committee_named(matrix_in_force(uow, now), "board")
            found = committee.call(uow, board, pack, by=by, on=TODAY, now=now)
            uow.commit()
        return found

    def open(self, *proposals, sitting="sit-1", present=MEMBERS):
        """A sitting that is open, and these members are there."""
        self.call(*proposals, sitting=sitting)
        self.done(committee.open_sitting, sitting, by="p-chair", on=TODAY, now=NOON)
        for person in present:
            self.done(committee.attend, sitting, person, by=person, on=TODAY, now=NOON)
        return sitting

    def vote(self, who, proposal, verdict="approve", **fields):
        return self.decide(who, proposal, verdict, **{"reason": "because", **fields})

    def recuse(self, who, proposal, *, sitting="sit-1", reason="my brother works there"):
        self.done(committee.recuse, sitting, proposal, by=who, reason=reason, on=TODAY, now=NOON)

    def close(self, sitting="sit-1", *, by="p-chair", now=NOON):
        found = self.done(collective.close, sitting, by=by, now=now, zone=UTC)
        return {one.proposal_id: one for one in found}


__all__ = ["MATRIX", "MEMBERS", "NOON", "PACK", "PEOPLE", "POLICY", "TODAY", "Board", "matrix"]
