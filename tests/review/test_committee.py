"""A committee decides together: agenda, sitting, each member's own vote, and what follows when the chair closes."""

from __future__ import annotations

import json

import pytest
from committee_world import BOARD, MATRIX, MEMBERS, NOON, PACK, TODAY, Board, digest_of, matrix
from decision_world import MATRIX_TEXT
from test_override import RULE, asked, put
from test_races import at_once, deliver

from credit_review.adapters.store.business import compare_with_tables
from credit_review.audit.business import Rebuilt
from credit_review.authority import Carried, Room, carried, faults
from credit_review.authority.matrix import Matrix
from credit_review.documents import check, parse
from credit_review.errors import Conflict, Refused
from credit_review.model.records import CommitteeCase, CommitteeSitting, CommitteeVote, Decision, Note
from credit_review.model.states import Verdict
from credit_review.policy import load as load_policy
from credit_review.policy_lint import lint
from credit_review.review import committee


@pytest.fixture
def board(store):
    return Board(store)


@pytest.fixture
def small(sqlite_store):
    return Board(sqlite_store)


def differences_of(world):
    """What log and tables say otherwise of sittings, cases and votes; this company's other rows were written without entries."""
    found = [one.what for one in compare_with_tables(world.store.engine)]
    return [one for one in found if one.startswith(("committee_", "the committee"))]


# --- what the votes make ------------------------------------------------------------------------------------------------------------


def ruled(rule, *, present=3, not_makers=None, role=None):
    quorum = f"{{present: {present}" + (f", not_makers: {not_makers}" if not_makers else "") + (f", role: {role}" if role else "") + "}"
    return matrix(MATRIX.replace("rule: majority", f"rule: {rule}").replace("{present: 3, not_makers: 3}", quorum)).committees[0]


def outcome(board, yes, no, silent=0, *, makers=0, voters=None, least=2):
    people = voters or [f"p-{n}" for n in range(yes + no + silent)]
    present = [*people, *(f"m-{n}" for n in range(makers))]
    return carried(board, Room(present=present, voters=people, approve=people[:yes], reject=people[yes : yes + no], least=least), TODAY)


@pytest.mark.parametrize(
    "rule, yes, no, silent, expected",
    [
        ("majority", 2, 1, 0, "approved"),
        ("majority", 2, 0, 2, "returned"),
        ("majority", 3, 1, 0, "approved"),
        ("majority", 2, 2, 0, "returned"),
        ("majority", 1, 2, 0, "rejected"),
        ("majority", 1, 1, 1, "returned"),
        ("unanimous", 3, 0, 0, "approved"),
        ("unanimous", 2, 0, 1, "returned"),
        ("unanimous", 3, 1, 0, "rejected"),
        ("no_votes_against", 2, 0, 1, "approved"),
        ("no_votes_against", 1, 0, 2, "returned"),
        ("no_votes_against", 0, 0, 3, "returned"),
        ("no_votes_against", 3, 1, 0, "rejected"),
        ("majority", 2, 0, 0, "no_quorum"),
    ],
)
def test_rule_and_quorum_say_what_follows_from_the_votes(rule, yes, no, silent, expected):
    assert outcome(ruled(rule), yes, no, silent) == expected


def test_makers_make_up_a_number_present_but_not_those_who_must_be_able_to_vote():
    assert outcome(ruled("majority", present=3, not_makers=2), 2, 0, makers=1) == "approved"
    assert outcome(ruled("majority", present=3, not_makers=3), 2, 0, makers=1) == "no_quorum"
    assert outcome(ruled("majority", present=3), 2, 0, makers=1) == "no_quorum"


def test_the_quorum_may_ask_for_a_role_among_those_who_may_vote():
    finance = ruled("majority", role="finance")
    assert outcome(finance, 2, 1, voters=["p-chair", "p-ceo", "p-manager"]) == "no_quorum"
    assert outcome(finance, 2, 1, voters=["p-chair", "p-ceo", "p-cfo"]) == "approved"


def test_one_vote_in_favour_carries_nothing_whatever_the_rule():
    for rule in ("majority", "no_votes_against"):
        assert outcome(ruled(rule), 1, 0, 2, least=2) == Carried.RETURNED


# --- the matrix -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("present: 3, not_makers: 3", "present: 5", "needs 5 members to decide and from 2020-01-01 only 4 sit on it"),
        ("present: 3, not_makers: 3", "present: 1", "one member of committee board could decide alone"),
        ("present: 3, not_makers: 3", "present: 2, not_makers: 3", "3 who may vote cannot be among 2 present"),
        ("present: 3, not_makers: 3", "present: 3, role: risk", "no member of committee board has the role risk"),
        ("approvers: 2, committee: board", "approvers: 1, committee: board", "could approve T4 alone; expected at least 2"),
        ("approvers: 2, committee: board", "approvers: 2, committee: other", "unknown committee 'other'; expected one of board"),
        ("increases_12m_up_to: 50000,  approvers: 1", "increases_12m_up_to: 50000,  approvers: 1, committee: board", "lowest tier"),
        ("    chair: p-chair", "    chair: p-controller", "p-controller is no member of committee board"),
        ("p-ceo, from: 2020-01-01}", "p-chair, from: 2021-01-01}", "p-chair sits twice on the same days"),
        ("p-ceo, from: 2020-01-01}", "p-ceo, from: 2020-01-01, until: 2019-01-01}", "p-ceo sits until 2019-01-01"),
    ],
)
def test_a_matrix_whose_committee_cannot_decide_or_where_one_could_alone_is_refused_with_its_place(old, new, told):
    assert MATRIX.count(old) == 1
    found = faults(check(parse(MATRIX.replace(old, new), name="authority.yaml"), Matrix))
    assert any(told in str(text) for _, text in found), found


def test_a_committee_that_members_leave_until_it_has_no_quorum_is_refused_for_that_day():
    text = MATRIX
    for person in ("p-ceo, from: 2020-01-01", "p-manager, from: 2020-01-01"):
        text = text.replace(person + "}", person + ", until: 2027-01-01}")
    found = faults(check(parse(text, name="authority.yaml"), Matrix))
    assert [str(t) for _, t in found] == ["committee board needs 3 members to decide and from 2027-01-01 only 2 sit on it"]


def test_lint_names_a_committee_that_decides_nothing_and_an_analyst_who_leaves_it_without_quorum():
    from decision_world import POLICY_TEXT

    policy = load_policy(parse(POLICY_TEXT, name="policy.yaml"))
    idle = matrix(MATRIX_TEXT + MATRIX[MATRIX.index("\ncommittees:") :])
    assert any("decides no tier" in str(f.text) for f in lint(policy, idle, on=TODAY))
    analyst = policy.worklists[0].analyst if policy.worklists else policy.worklist
    tight = matrix(
        MATRIX.replace("present: 3, not_makers: 3", "present: 4").replace(
            "person: p-manager, from: 2020-01-01}", f"person: {analyst}, from: 2020-01-01}}"
        )
    )
    assert any("T4" in str(f.text) and "expected 4" in str(f.text) for f in lint(policy, tight, on=TODAY))


def test_a_matrix_without_committees_reads_as_before():
    plain = matrix(MATRIX_TEXT)
    assert plain.committees == () and all(tier.committee is None for tier in plain.tiers)


# --- a sitting ------------------------------------------------------------------------------------------------------------------------


def test_a_committee_approves_and_the_change_is_applied_as_any_other(board):
    case = board.case()
    board.open(case)
    for person in ("p-chair", "p-ceo", "p-cfo"):
        assert board.vote(person, case).code == "voted"
    assert board.vote("p-manager", case, "reject").code == "voted"
    assert board.proposal(case).state == "pending" and not board.find(Decision)
    done = board.close()[case]
    assert (done.outcome, done.votes["p-manager"]) == ("approved", "reject")
    assert board.apply(case).state == "applied" and board.in_force("c-1") == 4_000_000_00
    decisions = board.find(Decision, proposal_id=case)
    assert {d.approver_id for d in decisions} == {"p-chair", "p-ceo", "p-cfo"} and {d.channel for d in decisions} == {"committee"}
    (entry,) = board.entries("committee.decided")
    data = entry["data"]
    assert entry["actor"] == "person:p-chair" and (data["from"], data["to"], data["pack"]) == ("pending", "approved", PACK)
    assert data["votes"] == {"p-ceo": "approve", "p-cfo": "approve", "p-chair": "approve", "p-manager": "reject"}
    assert {e["actor"] for e in board.entries("committee.voted")} == {f"person:{p}" for p in MEMBERS}
    assert differences_of(board) == []


def test_nobody_decides_a_case_of_the_committee_alone(small):
    case = small.case()
    refused = small.decide("p-chair", case)
    assert refused.code == committee.NO_SITTING and "no sitting is called yet" in refused.text
    assert small.decide("p-controller", case).code == "not_member"
    small.call(case)
    assert f"sitting on {TODAY}" in small.decide("p-chair", case).text
    assert not small.find(Decision) and not small.find(CommitteeVote) and small.proposal(case).state == "pending"


def test_a_vote_counts_once_and_can_be_changed_until_the_chair_closes(small):
    case = small.case()
    small.open(case)
    small.vote("p-ceo", case, "reject")
    small.vote("p-ceo", case, "approve")
    small.vote("p-cfo", case)
    small.vote("p-manager", case, "abstain")
    assert len(small.find(CommitteeVote, person_id="p-ceo")) == 1
    assert [e["data"]["was"] for e in small.entries("committee.voted")] == [None, "reject", None, None]
    assert small.close()[case].outcome == "returned", "two of four are no majority"
    assert small.decide("p-ceo", case).code == "not_pending"


def test_without_quorum_nothing_is_decided_and_the_case_goes_to_the_next_sitting(small):
    case = small.case()
    small.open(case, present=("p-ceo",))
    for person in ("p-chair", "p-ceo"):
        small.vote(person, case)
    assert small.close()[case].outcome == "no_quorum"
    assert small.proposal(case).state == "pending" and not small.find(Decision) and not small.owed("apply")
    small.open(case, sitting="sit-2")
    for person in ("p-chair", "p-ceo", "p-cfo"):
        small.vote(person, case)
    assert small.close("sit-2")[case].outcome == "approved"
    assert differences_of(small) == []


def test_a_rejection_ends_the_case_and_a_return_asks_its_analyst_with_the_reasons(small):
    against, open_ = small.case("c-1"), small.case("c-2")
    small.open(against, open_)
    for person in MEMBERS[:3]:
        small.vote(person, against, "reject", reason="too much")
    small.vote("p-ceo", open_, "abstain", reason="who pays the bills?")
    small.close()
    assert small.proposal(against).state == "rejected" and len(small.find(Decision, proposal_id=against, verdict="reject")) == 3
    assert small.proposal(open_).state == "returned" and "who pays the bills?" in small.one(Note, proposal_id=open_).text
    assert differences_of(small) == []


def test_makers_never_vote_and_the_recused_have_neither_vote_nor_place_in_the_quorum(small):
    case = small.case(makers=("p-manager",))
    small.open(case)
    assert small.vote("p-manager", case).code == "own_proposal"
    small.vote("p-cfo", case)
    small.recuse("p-cfo", case)
    assert small.vote("p-cfo", case).code == committee.RECUSED
    for person in ("p-chair", "p-ceo"):
        small.vote(person, case)
    assert small.close()[case].outcome == "no_quorum"
    (entry,) = small.entries("committee.decided")
    assert entry["data"]["barred"] == {"p-manager": "own_proposal"} and entry["data"]["present"] == ["p-ceo", "p-chair", "p-manager"]
    assert small.entries("committee.recused")[0]["data"]["was"] == "approve"


def test_a_member_who_leaves_before_the_close_counts_no_more(small):
    case = small.case()
    small.open(case, present=MEMBERS[:3])
    for person in MEMBERS[:3]:
        small.vote(person, case)
    small.deactivate("p-cfo")
    assert small.close()[case].outcome == "no_quorum"


def test_a_committee_asks_back_or_offers_less_by_voting_only(small):
    from credit_review.review.counter import CounterOffer

    case = small.case()
    small.open(case)
    assert small.decide("p-ceo", case, Verdict.RETURN, reason="why?").code == committee.NOT_A_VOTE
    assert small.decide("p-ceo", case, Verdict.COUNTER, counter=CounterOffer(to_minor=1_00)).code == committee.NOT_A_VOTE
    assert small.decide("p-ceo", case, "abstain", reason="").code == "reason_needed"
    assert (
        small.decide("p-controller", small.propose("c-9", authority_digest=digest_of(MATRIX)), "abstain", reason="x").code == "no_committee"
    )
    assert not small.find(CommitteeVote)


def test_only_chair_or_deputy_opens_and_closes_and_not_before_the_day(small):
    from datetime import timedelta

    case = small.case()
    small.call(case, on=TODAY + timedelta(days=1))
    with pytest.raises(Refused, match="the sitting is on"):
        small.done(committee.open_sitting, "sit-1", by="p-chair", on=TODAY, now=NOON)
    small.open(case, sitting="sit-2")
    assert small.one(CommitteeSitting, sitting_id="sit-1").state == "superseded"
    with pytest.raises(Refused, match="chair or deputy"):
        small.close("sit-2", by="p-cfo")
    closed = small.close("sit-2", by="p-ceo")[case]
    assert (closed.outcome, closed.code) == ("not_decided", "no_votes") and small.proposal(case).state == "pending"
    with pytest.raises(Refused, match="is over"):
        small.close("sit-2")


def test_a_case_that_changed_after_its_agenda_waits_for_the_next(small):
    case, other = small.case("c-1"), small.case("c-2")
    small.open(case)
    assert small.vote("p-ceo", other).code == committee.NOT_ON_AGENDA
    small.adopt_authority(MATRIX + "\n# again\n", at=NOON)
    assert small.vote("p-ceo", case).code == "changed"


def test_two_single_approvals_do_not_pass_once_a_committee_decides(small):
    """Approved by two when the tier was a board of two; the matrix that gave the tier to a committee came before it was applied."""
    small.adopt_authority(MATRIX_TEXT + "\n# before\n", at=NOON)
    case = small.case(authority_digest=digest_of(MATRIX_TEXT + "\n# before\n"))
    for person in ("p-ceo", "p-chair"):
        small.decide(person, case)
    assert small.proposal(case).state == "approved"
    from datetime import timedelta

    small.adopt_authority(MATRIX + "\n# after\n", at=NOON + timedelta(minutes=1))
    assert small.apply(case, now=NOON + timedelta(minutes=2)).code == "approver_invalid"


def test_an_override_is_approved_or_taken_back_and_never_returned(sqlite_store):
    """A limit that is in force already cannot wait for an answer to a question."""
    t2 = "increases_12m_up_to: 250000, approvers: 1}"
    text = MATRIX_TEXT.replace(t2, t2.replace("1}", "2, committee: board}")).replace("offices:  ", RULE + "offices:  ") + BOARD
    board = Board(sqlite_store, text)
    case = asked(board, authority_digest=digest_of(text))
    put(board, case)
    board.open(case)
    board.vote("p-ceo", case)
    board.vote("p-cfo", case, "reject")
    assert board.close()[case].outcome == "not_decided" and board.proposal(case).state == "pending"
    assert board.in_force("c-1", layer="temporary") == 90_000_00
    board.open(case, sitting="sit-2")
    for person in ("p-ceo", "p-cfo", "p-manager"):
        board.vote(person, case, "reject")
    assert board.close("sit-2")[case].outcome == "rejected"
    assert board.in_force("c-1", layer="temporary") is None


def test_a_log_whose_committee_decided_on_votes_nobody_gave_or_without_quorum_contradicts_itself(small):
    case = small.case()
    small.open(case)
    for person in MEMBERS[:3]:
        small.vote(person, case)
    small.close()

    def contradictions(**changed):
        rebuilt = Rebuilt()
        for seq, body in enumerate(small.entries()):
            data = body["data"] | (changed if body["action"] == "committee.decided" else {})
            rebuilt.take(seq, {**body, "data": data})
        return [one.what for one in rebuilt.contradictions]

    assert contradictions() == []
    (found,) = contradictions(votes={"p-manager": "approve"})
    assert found == f"the committee's decision on {case} names a vote of p-manager that was not given"
    assert contradictions(present=[]) == [f"the committee decided on {case} without quorum"]


# --- races ----------------------------------------------------------------------------------------------------------------------------


def test_two_votes_of_one_member_at_once_are_one_vote(board):
    case = board.case()
    board.open(case)
    outcomes = at_once(*(deliver(board, board.command("p-ceo", case, v, reason="so")) for v in ("approve", "reject")))
    assert [o.code for o in outcomes] == ["voted", "voted"]
    (vote,) = board.find(CommitteeVote, person_id="p-ceo")
    assert vote.vote == board.entries("committee.voted")[-1]["data"]["vote"]
    assert differences_of(board) == []


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.soak)])
def test_a_vote_and_the_close_at_once_leave_a_vote_that_counted_or_a_refusal(board, rounds):
    for n in range(rounds):
        case, sitting = board.case(f"c-{n}"), f"sit-{n}"
        board.open(case, sitting=sitting, present=MEMBERS[:3])
        for person in ("p-ceo", "p-cfo"):
            board.vote(person, case)
        late = board.command("p-chair", case, "reject", reason="no")
        outcome, closed = at_once(deliver(board, late), lambda s=sitting: board.close(s), seed=n)
        counted = closed[case].votes.get("p-chair") == "reject"
        assert counted == outcome.accepted and closed[case].outcome == "approved"
        assert outcome.accepted or outcome.code in (committee.NO_SITTING, "not_pending")
        tally = json.loads(board.one(CommitteeCase, sitting_id=sitting).tally_json)
        assert tally["votes"] == {v.person_id: v.vote for v in board.find(CommitteeVote, sitting_id=sitting)}
    assert len(board.owed("apply")) == rounds
    assert differences_of(board) == []


def test_two_closes_at_once_decide_once(board):
    case = board.case()
    board.open(case)
    for person in MEMBERS:
        board.vote(person, case)

    def closing(who):
        def run():
            try:
                return board.close(by=who)[case].outcome
            except Refused as refusal:
                return refusal.code

        return run

    assert sorted(at_once(closing("p-chair"), closing("p-ceo"))) == sorted(["approved", committee.NO_SITTING])
    assert len(board.owed("apply")) == 1 and len(board.entries("committee.decided")) == 1


def test_the_database_itself_takes_no_vote_once_a_sitting_is_closed(board):
    case = board.case()
    board.open(case)
    board.vote("p-ceo", case)
    (vote,) = board.find(CommitteeVote)
    board.close()
    with pytest.raises(Conflict, match="committee_vote_while_open"):
        board.done(lambda uow: uow.change(CommitteeVote, where={"sitting_id": vote.sitting_id}, to={"vote": "reject"}))
