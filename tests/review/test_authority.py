"""The authority matrix: unsound ones are refused, sums pick the stricter tier, and nobody passes without the right people behind him."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from decision_world import AUTHORITY, MATRIX, MATRIX_TEXT, NOON, PEOPLE, POLICY, TODAY, World, person, proposal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_review.adapters.clock import FixedClock
from credit_review.adapters.store.unit_of_work import open_store
from credit_review.authority import Asking, Code, Standing, by_rule, judge, load, recheck, requirement, tier_for
from credit_review.documents import parse
from credit_review.errors import BadInput, Conflict
from credit_review.fx import MissingRate, RateTable
from credit_review.model.records import CreditLimit, Decision, Delegation, LimitChange, Maker, Proposal
from credit_review.model.states import Verdict
from credit_review.review.counter import CounterOffer

# --- the file -----------------------------------------------------------------------------------------------------------------------


def edited(change):
    data = yaml.safe_load(MATRIX_TEXT)
    change(data)
    return parse(yaml.safe_dump(data, sort_keys=False), name="authority.yaml")


def refusal(change):
    with pytest.raises(BadInput) as caught:
        load(edited(change))
    return str(caught.value)


def put(*path, to):
    def change(data):
        at = data
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = to

    return change


def test_the_starter_matrix_is_sound():
    assert [t.tier for t in MATRIX.tiers] == ["T1", "T2", "T3", "T4"] and MATRIX.reduction_tier == "T1"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (put("control_currency", to="EUX"), "unknown currency 'EUX'"),
        (put("tiers", to=[]), "no tiers"),
        (put("tiers", 1, "tier", to="T1"), "T1 stands twice"),
        (put("tiers", 1, "group_limit_up_to", to=99_999), "T2 comes after T1 and its bound is lower"),
        (put("tiers", 2, "increases_12m_up_to", to=249_999), "T3 comes after T2 and its bound is lower"),
        (put("tiers", 0, "group_limit_up_to", to=None), "its bound is lower"),
        (lambda d: d["tiers"][1].update(group_limit_up_to=100000, increases_12m_up_to=50000), "would never be asked"),
        (put("tiers", 3, "group_limit_up_to", to=9_000_000), "amounts above it have no approver"),
        (put("tiers", 3, "increases_12m_up_to", to=9_000_000), "amounts above it have no approver"),
        (lambda d: d["tiers"][2].update(group_limit_up_to=None, increases_12m_up_to=None), "would never be asked"),
        (put("tiers", 3, "approvers", to=3), "asks for 3 approvers and from 2020-01-01 only 2 may approve it"),
        (put("reduction_tier", to="T9"), "unknown tier 'T9'; expected one of T1, T2, T3, T4"),
        (put("raise_tier", "grades", "D", to="T8"), "raise_tier.grades.D: unknown tier 'T8'"),
        (put("raise_tier", "first_limit", to=""), "unknown tier ''"),
        (put("holders", 0, "tier", to="T7"), "unknown tier 'T7'"),
        (put("holders", to=[]), "nobody holds any tier"),
        (put("holders", 0, "until", to=date(2020, 1, 1)), "not after 2020-01-01"),
        (put("holders", 3, "until", to=date(2027, 1, 1)), "from 2027-01-01 only 1 may approve it"),
        (put("holders", 3, "regions", to=["EMEA"]), "only 1 may approve it for customers of no named region"),
        (
            lambda d: d["holders"].append({**d["holders"][0], "from": date(2025, 1, 1), "regions": []}),
            "p-controller holds T1 twice on the same days",
        ),
        (put("tiers", 0, "approvers", to=0), "expected 1 or more"),
        (put("tiers", 0, "group_limit_up_to", to=1000.5), "tiers[0].group_limit_up_to"),
        (put("tiers", 0, "surprise", to=1), "unknown field"),
        (lambda d: d.pop("reduction_tier"), "missing"),
    ],
)
def test_an_unsound_matrix_is_refused_and_the_fault_named(change, named):
    message = refusal(change)
    assert named in message and "authority.yaml line" in message


def test_a_gap_between_holders_is_found_and_none_is_not():
    def successor(begins):
        def change(data):
            data["holders"][4]["until"] = date(2027, 1, 1)
            data["holders"].append({"person": "p-next", "tier": "T4", "from": begins, "until": None, "regions": []})

        return change

    assert "from 2027-01-01 only 1" in refusal(successor(date(2027, 2, 1)))
    assert load(edited(successor(date(2027, 1, 1)))).highest("p-next", date(2027, 1, 1), "") == 3


def test_a_matrix_that_ends_for_everybody_is_sound_until_then():
    def change(data):
        for holder in data["holders"]:
            holder["until"] = date(2027, 1, 1)

    matrix = load(edited(change))
    assert matrix.highest("p-ceo", date(2026, 12, 31), "") == 3 and matrix.highest("p-ceo", date(2027, 1, 1), "") == -1


def test_a_higher_tier_counts_towards_the_approvers_of_a_lower():
    alone = edited(lambda d: d["holders"].__delitem__(0))  # no T1 holder at all: T2 and up may approve
    assert load(alone).highest("p-controller", TODAY, "") == -1


# --- the tier -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "increases", "tier"),
    [
        (100_000_00, 50_000_00, "T1"), (100_000_01, 0, "T2"), (0, 50_000_01, "T2"), (500_000_00, 250_000_01, "T3"),
        (3_000_000_01, 0, "T4"), (0, 1_500_000_01, "T4"), (2**53 - 1, 2**53 - 1, "T4"),
    ],
)  # fmt: skip
def test_the_stricter_of_both_sums_counts_and_bounds_are_inclusive(limit, increases, tier):
    assert tier_for(MATRIX, group_limit_minor=limit, increases_12m_minor=increases, loosens=True).tier == tier


amounts = st.integers(0, 10_000_000_00)


@given(amounts, amounts, amounts, amounts, st.sampled_from(["", "A", "D", "E"]), st.booleans(), st.booleans())
def test_more_never_needs_less(limit, increases, more_limit, more_increases, grade, exceptional, first):
    def rank(limit, increases, **raised):
        need = tier_for(MATRIX, group_limit_minor=limit, increases_12m_minor=increases, loosens=True, **raised)
        return MATRIX.rank(need.tier)

    plain = rank(limit, increases)
    assert rank(limit + more_limit, increases + more_increases) >= plain
    assert rank(limit, increases, grade=grade, exceptional=exceptional, first_limit=first) >= plain
    assert MATRIX.rank(MATRIX.reduction_tier) <= plain


def test_the_requirement_says_why():
    need = tier_for(MATRIX, group_limit_minor=1, increases_12m_minor=1, loosens=True, grade="D", exceptional=True)
    assert (need.tier, need.because) == ("T2", ("grade:D", "exceptional"))


# --- the judgement ------------------------------------------------------------------------------------------------------------------


def standing(**fields):
    known = {
        "at": NOON,
        "today": TODAY,
        "control_currency": "EUR",
        "proposal": proposal("c-1", "a-1", limit(50_000_00), 60_000_00, "EUR"),
        "layer": "base",
        "in_force": limit(50_000_00),
        "makers": frozenset(),
        "decisions": (),
        "persons": {p: person(p) for p in PEOPLE},
        "delegations": (),
        "other_limits_minor": 0,
        "other_increases_minor": 0,
        "rates": RateTable({}),
        "policy_in_force": POLICY,
        "authority_in_force": AUTHORITY,
    }
    made = Standing(**{**known, **fields})
    return made if "asking" in fields else replace(made, asking=Asking(person_id="p-controller", digest=made.proposal.digest))


def limit(minor, *, terms=30, until=None, version=1):
    return CreditLimit(
        account_id="a-1", version=version, amount_minor=minor, terms_days=terms, effective_from=date(2020, 1, 1), effective_to=until
    )


@pytest.mark.parametrize(
    ("now", "to", "loosens"),
    [
        (limit(50), {"to_minor": 51}, True),
        (limit(50), {"to_minor": 50}, False),
        (limit(50), {"to_minor": 49, "terms_days": 31}, True),
        (limit(50), {"to_minor": 49, "terms_days": 29}, False),
        (limit(50), {"to_minor": 49, "terms_days": None}, True),
        (limit(50, terms=None), {"to_minor": 49, "terms_days": None}, False),
        (limit(50, terms=None), {"to_minor": 49, "terms_days": 1}, True),
        (limit(50, terms=None), {"to_minor": 49, "terms_days": 0}, False),
        (limit(50, until=date(2027, 1, 1)), {"to_minor": 50, "effective_to": date(2027, 1, 2)}, True),
        (limit(50, until=date(2027, 1, 1)), {"to_minor": 50, "effective_to": None}, True),
        (limit(50, until=date(2027, 1, 1)), {"to_minor": 50, "effective_to": date(2027, 1, 1)}, False),
        (limit(50), {"to_minor": 50, "effective_to": date(2027, 1, 1)}, False),
        (None, {"to_minor": 1}, True),
        (None, {"to_minor": 0, "terms_days": 0}, False),
        (limit(None, terms=None), {"to_minor": 1}, True),
    ],
)
def test_loosening_is_more_money_longer_terms_or_a_later_end(now, to, loosens):
    made = standing(in_force=now)
    assert replace(made, proposal=replace(made.proposal, **to)).loosens is loosens


def test_no_limit_on_file_is_a_first_limit_and_zero_is_not():
    assert standing(in_force=None).first_limit and standing(in_force=limit(None)).first_limit
    assert not standing(in_force=limit(0)).first_limit
    assert not standing(in_force=None, layer="temporary").first_limit


def test_without_a_rate_nothing_is_judged():
    made = standing()
    with pytest.raises(MissingRate):
        judge(replace(made, proposal=replace(made.proposal, currency="USD")), MATRIX, NOON)


def test_without_anyone_asking_it_says_what_is_needed_and_who_may():
    judged = judge(standing(asking=None, makers=frozenset({"p-cfo"})), MATRIX, NOON)
    assert (judged.allowed, judged.code, judged.tier) == (False, Code.NOBODY, "T1")
    assert judged.who_may == ("p-controller", "p-manager", "p-ceo", "p-chair")


def test_a_holder_for_other_regions_lacks_the_tier():
    matrix = load(
        edited(lambda d: d["holders"].append({"person": "p-deputy", "tier": "T2", "from": TODAY, "until": None, "regions": ["EMEA"]}))
    )
    for region, code in (("EMEA", Code.ALLOWED), ("APAC", Code.LACKS_TIER), ("", Code.LACKS_TIER)):
        made = standing()
        made = replace(
            made, proposal=replace(made.proposal, region=region), asking=Asking(person_id="p-deputy", digest=made.proposal.digest)
        )
        assert judge(made, matrix, NOON).code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"asking": Asking(person_id="nobody", digest="")}, Code.UNKNOWN_PERSON),
        ({"persons": {"p-controller": person("p-controller", active=False)}}, Code.INACTIVE),
        ({"policy_in_force": "other"}, Code.CHANGED),
        ({"authority_in_force": ""}, Code.CHANGED),
        ({"in_force": limit(50_000_00, version=2)}, Code.BASE_CHANGED),
        ({"in_force": None}, Code.BASE_CHANGED),
        ({"makers": frozenset({"p-controller"})}, Code.OWN_PROPOSAL),
        ({"other_limits_minor": 40_000_01}, Code.LACKS_TIER),
        ({"other_increases_minor": 40_000_01}, Code.LACKS_TIER),
        ({"other_limits_minor": 40_000_00, "other_increases_minor": 40_000_00}, Code.ALLOWED),
    ],
)
def test_each_guard_has_its_code(change, code):
    assert judge(standing(**change), MATRIX, NOON).code == code


# --- the property: who stands behind what is allowed --------------------------------------------------------------------------------

TIERS = {"p-controller": 0, "p-manager": 1, "p-cfo": 2, "p-ceo": 3, "p-chair": 3}
NEEDED = [1, 1, 2, 2]
people = st.sampled_from(PEOPLE)
pairs = st.tuples(people, people).filter(lambda p: p[0] != p[1])


def decision_of(shown, approver, principal, at, verdict=Verdict.APPROVE):
    return Decision(
        proposal_id=shown.proposal_id,
        approver_id=approver,
        on_behalf_of=principal,
        proposer_id=shown.proposer_id,
        verdict=verdict,
        digest=shown.digest,
        tier="",
        reason="",
        channel="test",
        delivery_key=f"{approver}{at}",
        at=NOON + timedelta(seconds=at),
    )


def most_distinct(decisions, valid):
    """The largest number of valid approvals no two of which share a person, by trying all."""
    good = [frozenset(p for p in (d.approver_id, d.on_behalf_of) if p) for d in decisions if valid(d)]
    for size in range(len(good), 0, -1):
        if any(all(not a & b for a, b in combinations(some, 2)) for some in combinations(good, size)):
            return size
    return 0


@given(
    to=st.sampled_from([60_000_00, 150_000_00, 900_000_00, 5_000_000_00]),
    makers=st.frozensets(people, max_size=3),
    gone=st.frozensets(people, max_size=3),
    delegations=st.lists(pairs, max_size=4),
    answers=st.lists(st.tuples(people, st.one_of(st.none(), people)), max_size=5, unique_by=lambda a: a[0]),
)
@settings(max_examples=400)
def test_nothing_is_applied_without_the_required_distinct_authorised_people_none_a_maker(to, makers, gone, delegations, answers):
    shown = proposal("c-1", "a-1", limit(50_000_00), to, "EUR", state="approved", decided_at=NOON)
    made = standing(
        proposal=shown,
        makers=makers,
        persons={p: person(p, active=p not in gone) for p in PEOPLE},
        delegations=tuple(delegation(p, d) for p, d in delegations),
        decisions=tuple(decision_of(shown, a, b, n) for n, (a, b) in enumerate(answers) if a != b),
        asking=None,
    )
    rank = next(n for n, bound in enumerate([100_000_00, 500_000_00, 3_000_000_00, 2**60]) if to <= bound)
    rank = max(rank, next(n for n, bound in enumerate([50_000_00, 250_000_00, 1_500_000_00, 2**60]) if to - 50_000_00 <= bound))

    def valid(d):
        behind = {d.approver_id, d.on_behalf_of} - {None}
        backed = d.on_behalf_of is None or (d.on_behalf_of, d.approver_id) in delegations
        return not behind & (makers | gone) and backed and TIERS.get(d.on_behalf_of or d.approver_id, -1) >= rank

    judged = recheck(made, MATRIX, NOON)
    assert requirement(made, MATRIX).approvals == NEEDED[rank]
    if judged.allowed:
        assert most_distinct(made.decisions, valid) >= NEEDED[rank]
    if most_distinct(made.decisions, valid) < NEEDED[rank]:
        assert judged.code == Code.APPROVER_INVALID


def delegation(principal, delegate):
    return Delegation(
        delegation_id=f"{principal}>{delegate}",
        principal_id=principal,
        delegate_id=delegate,
        valid_from=date(2020, 1, 1),
        valid_to=None,
        recorded_at=NOON,
        recorded_by="p-analyst",
    )


def test_the_proposer_is_a_maker_even_where_the_table_of_makers_lacks_him():
    made = standing()
    made = replace(made, proposal=replace(made.proposal, proposer_id="p-controller"))
    assert judge(made, MATRIX, NOON).code == Code.OWN_PROPOSAL
    assert "p-controller" not in judge(made, MATRIX, NOON).who_may


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.RETURN, Verdict.COUNTER])
def test_only_an_approval_counts_as_one(verdict):
    made = standing(asking=None)
    shown = replace(made.proposal, state="approved", decided_at=NOON)
    answered = replace(made, proposal=shown, decisions=(decision_of(shown, "p-controller", None, 0, verdict),))
    assert recheck(answered, MATRIX, NOON).code == Code.APPROVER_INVALID


def test_an_approval_of_another_packet_counts_for_nothing():
    made = standing(asking=None)
    shown = replace(made.proposal, state="approved", decided_at=NOON)
    other = replace(decision_of(shown, "p-controller", None, 0), digest="0" * 64)
    assert recheck(replace(made, proposal=shown, decisions=(other,)), MATRIX, NOON).code == Code.APPROVER_INVALID


@given(state=st.sampled_from(["draft", "pending", "applied", "rejected", "returned", "expired", "superseded"]))
def test_no_other_state_passes_the_recheck(state):
    made = standing(asking=None)
    assert not recheck(replace(made, proposal=replace(made.proposal, state=state)), MATRIX, NOON).allowed


def test_a_rule_alone_never_carries_what_a_person_touched():
    untouched = standing(asking=None)
    untouched = replace(untouched, proposal=replace(untouched.proposal, straight_through_rule="small"))
    assert by_rule(untouched)
    assert not by_rule(replace(untouched, makers=frozenset({"p-analyst"})))
    assert not by_rule(replace(untouched, in_force=None))
    assert not by_rule(replace(untouched, proposal=replace(untouched.proposal, exceptional="x")))
    assert not by_rule(replace(untouched, decisions=(decision_of(untouched.proposal, "p-cfo", None, 0, Verdict.REJECT),)))


# --- the same property through the store: any order of events -----------------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.just("approve"), people, st.integers(0, 1), st.one_of(st.none(), people)),
    st.tuples(st.just("counter"), people, st.integers(0, 1), st.sampled_from([-1, 1])),
    st.tuples(st.just("reject"), people, st.integers(0, 1), st.none()),
    st.tuples(st.just("apply"), st.just(""), st.integers(0, 1), st.none()),
    st.tuples(st.just("leave"), people, st.just(0), st.none()),
    st.tuples(st.just("delegate"), people, st.just(0), people),
)


@pytest.fixture(scope="module")
def fresh_world(sqlite_template):
    with TemporaryDirectory() as folder:
        count = iter(range(10**6))

        def make():
            path = Path(folder) / f"{next(count)}.db"
            shutil.copyfile(sqlite_template, path)
            return World(open_store(f"sqlite:///{path}", FixedClock(NOON)))

        yield make


@given(st.lists(steps, max_size=14), st.sampled_from([60_000_00, 200_000_00, 700_000_00]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_events_leads_to_a_limit_without_its_approvals(fresh_world, events, to):
    world = fresh_world()
    open_ones = [world.propose("c-0", had=50_000_00, to=to, makers=["p-analyst"]), world.propose("c-1", had=None, to=to)]
    gone_at, applied_at, now = {}, {}, NOON
    for kind, who, which, more in events:
        now += timedelta(minutes=1)
        try:
            play(world, kind, who, which, more, open_ones, now, gone_at, applied_at)
        except Conflict:
            assert kind == "delegate"  # the same delegation twice
    check_invariants(world, gone_at, applied_at)
    world.store.close()


def play(world, kind, who, which, more, open_ones, now, gone_at, applied_at):
    target = open_ones[which]
    if kind == "approve":
        world.decide(who, target, now=now, on_behalf_of=more)
    elif kind == "reject":
        world.decide(who, target, Verdict.REJECT, now=now)
    elif kind == "counter":
        amount = world.proposal(target).to_minor + more * 10_000_00
        outcome = world.decide(who, target, Verdict.COUNTER, now=now, counter=CounterOffer(to_minor=amount))
        open_ones[which] = outcome.successor_id or target
    elif kind == "apply":
        applied_at.setdefault(target, now) if world.apply(target, now=now).state == "applied" else None
    elif kind == "leave":
        world.deactivate(who, at=now)
        gone_at.setdefault(who, now)
    elif who != more:
        world.delegate(who, more)


def check_invariants(world, gone_at, applied_at):
    """I1 and I2 of the test plan, stated over the tables and what the test itself knows of who left when."""
    delegated = {(d.principal_id, d.delegate_id) for d in world.find(Delegation)}
    for change in world.find(LimitChange, kind="decision"):
        shown, when = world.proposal(change.proposal_id), applied_at[change.proposal_id]
        assert shown.state == "applied" and change.new_minor == shown.to_minor
        decisions = world.find(Decision, proposal_id=shown.proposal_id)
        makers = {m.person_id for m in world.find(Maker, proposal_id=shown.proposal_id)} | {shown.proposer_id}
        increase = shown.to_minor - (shown.from_minor or 0)
        rank = next(n for n, bound in enumerate([50_000_00, 250_000_00, 1_500_000_00]) if increase <= bound)
        rank = max(rank, next(n for n, bound in enumerate([100_000_00, 500_000_00, 3_000_000_00]) if shown.to_minor <= bound))

        def valid(d, makers=makers, when=when, rank=rank, digest=shown.digest):
            behind = {d.approver_id, d.on_behalf_of} - {None}
            here = all(gone_at.get(p, when + timedelta(1)) > when for p in behind)
            backed = d.on_behalf_of is None or (d.on_behalf_of, d.approver_id) in delegated
            return not behind & makers and here and backed and d.digest == digest and TIERS.get(d.on_behalf_of or d.approver_id, -1) >= rank

        assert most_distinct([d for d in decisions if d.verdict == "approve"], valid) >= NEEDED[rank]
        assert not any(d.verdict == "reject" for d in decisions)
    for held in world.find(CreditLimit):
        last = max(world.find(LimitChange, account_id=held.account_id), key=lambda c: c.version)
        assert (held.version, held.amount_minor, held.terms_days) == (last.version, last.new_minor, last.new_terms_days)
    for account in {p.account_id for p in world.find(Proposal)}:
        assert len([p for p in world.find(Proposal, account_id=account) if p.state in ("draft", "pending", "approved")]) <= 1
    assert len(world.entries("limit.applied")) == len(world.find(LimitChange, kind="decision")) == len(world.owed("erp"))
