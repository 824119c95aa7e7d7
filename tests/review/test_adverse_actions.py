"""Adverse action: what is suggested, what a person confirms, and what is owed to the customer by when; on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from decision_world import NOON, POLICY_TEXT, TODAY, World, digest_of, document, person, proposal, review
from hypothesis import given
from hypothesis import strategies as st

from credit_review import adverse, audit
from credit_review.adapters.store.business import compare_with_tables
from credit_review.adverse_reasons import principal_reasons
from credit_review.audit import Action
from credit_review.documents import parse
from credit_review.errors import BadInput, Refused
from credit_review.letters import as_text
from credit_review.limits import codes
from credit_review.limits.codes import Cap
from credit_review.model.money import Money
from credit_review.model.records import AdverseAction, LimitAccount
from credit_review.model.states import AdverseClass, ProposalState, Unwelcome
from credit_review.policy import AdverseRules, load
from credit_review.review import adverse_actions
from credit_review.review.adverse_actions import Clerk
from credit_review.review.naming import account_id
from credit_review.words import Said, packed, said, words_for


def eur(major):
    """An amount as a card says it."""
    return said("{amount}", amount=Money(major * 100, "EUR"))


ZONE = ZoneInfo("Europe/Berlin")
RULES = AdverseRules(profile="us_trade_credit")
CLOCK = adverse.clock_of(RULES)
US_POLICY = POLICY_TEXT.replace("profile: none ", "profile: us_trade_credit ")


def packet_of(**fields):
    """A packet of a reduction from 50,000 to 20,000 EUR of a customer that pays in time."""
    known = {
        "customer_id": "c-1", "customer_name": "Anvil GmbH", "status": "active", "currency": "EUR", "from_minor": 50_000_00,
        "to_minor": 20_000_00, "from_terms_days": 30, "terms_days": 30, "overdue_minor": 0, "facts": {"oldest_dpd_days": None},
        "reasons": ["use of the credit limit", "length of the business relationship"], "derivation": [], "request": None,
    }  # fmt: skip
    return known | fields


LATE = {"overdue_minor": 4_000_00, "facts": {"oldest_dpd_days": 45}}
ASKED = {"request": {"amount_minor": 90_000_00, "reason": "order"}, "to_minor": 90_000_00}


@pytest.mark.parametrize(
    ("fields", "applied", "kind"),
    [
        ({}, True, Unwelcome.REDUCTION),
        ({}, False, None),  # a reduction that did not happen
        ({"to_minor": 60_000_00}, True, None),
        ({"to_minor": 50_000_00, "terms_days": 14}, True, Unwelcome.REDUCTION),
        ({"to_minor": 60_000_00, "terms_days": 14}, True, None),  # more of one for less of the other
        ({"from_minor": None, "from_terms_days": None}, True, None),
        (ASKED, True, None),
        (ASKED, False, Unwelcome.REFUSAL),
        ({"request": {"amount_minor": 90_000_00, "layer": "ceiling"}, "to_minor": 90_000_00}, False, None),
        (ASKED | {"to_minor": 70_000_00}, True, Unwelcome.REFUSAL),  # a counter-offer, which only the customer can accept
        (ASKED | {"request": {"amount_minor": 20_000_00}, "to_minor": 20_000_00}, True, Unwelcome.REDUCTION),
    ],
)
def test_what_goes_against_a_customer_is_less_than_he_had_or_less_than_was_asked(fields, applied, kind):
    assert adverse.unwelcome(packet_of(**fields), applied=applied) == kind


def temporary(*, before=None, asked=90_000_00, to=90_000_00, base=50_000_00):
    """A packet that asks for a temporary limit while the card shows a base limit; without one where `base` is None."""
    shown = said("none on file") if base is None else said("{amount}", amount=Money(base, "EUR"))
    card = [[packed(said("Limit in force")), packed(shown)]]
    asks = {"amount_minor": asked, "until": "2026-12-31"}
    return packet_of(layer="temporary", from_minor=before, from_terms_days=None, to_minor=to, request=asks, derivation=card)


@pytest.mark.parametrize(
    ("packet", "applied", "had", "kind"),
    [
        (temporary(), True, 50_000_00, None),
        (temporary(), False, 50_000_00, Unwelcome.REFUSAL),
        (temporary(asked=50_000_00), False, 50_000_00, None),
        (temporary(asked=40_000_00), False, 50_000_00, None),
        (temporary(to=60_000_00), True, 50_000_00, Unwelcome.REFUSAL),
        (temporary(before=80_000_00), False, 80_000_00, Unwelcome.REFUSAL),
        (temporary(before=80_000_00, asked=70_000_00, to=70_000_00), True, 80_000_00, Unwelcome.REDUCTION),
        (temporary(base=None), False, None, Unwelcome.REFUSAL),
    ],
)
def test_a_temporary_limit_is_compared_with_the_limit_in_force_that_it_stands_instead_of(packet, applied, had, kind):
    assert adverse.had_minor(packet) == had
    assert adverse.unwelcome(packet, applied=applied) == kind


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, AdverseClass.ADVERSE),
        (LATE, AdverseClass.DELINQUENCY),
        (LATE | {"facts": {"oldest_dpd_days": 29}}, AdverseClass.ADVERSE),
        (LATE | {"overdue_minor": 0}, AdverseClass.ADVERSE),  # past delinquency is none
        ({"status": "dormant"}, AdverseClass.INACTIVITY),
        ({"status": "insolvent"}, AdverseClass.DELINQUENCY),
        ({"status": "blocked"}, AdverseClass.ADVERSE),
    ],
)
def test_a_cut_of_who_pays_in_time_is_adverse_and_of_who_is_late_now_it_is_not(fields, expected):
    assert adverse.suggested(packet_of(**fields), Unwelcome.REDUCTION, RULES) == expected
    assert adverse.suggested(packet_of(**fields), Unwelcome.REFUSAL, RULES) == AdverseClass.ADVERSE


@pytest.mark.parametrize(
    ("fields", "share", "expected"),
    [
        ({}, 0.9, AdverseClass.WHOLE_CLASS),
        ({}, 0.899999, AdverseClass.ADVERSE),
        (LATE, 1.0, AdverseClass.DELINQUENCY),
        ({"status": "dormant"}, 1.0, AdverseClass.INACTIVITY),
    ],
)
def test_a_change_to_substantially_all_of_a_class_is_suggested_from_the_share_that_policy_states(fields, share, expected):
    rules = AdverseRules(profile="us_trade_credit", whole_class_from=0.9)
    assert adverse.suggested(packet_of(**fields), Unwelcome.REDUCTION, rules, of_class=share) == expected
    assert adverse.suggested(packet_of(**fields), Unwelcome.REFUSAL, rules, of_class=share) == AdverseClass.ADVERSE
    assert adverse.suggested(packet_of(), Unwelcome.REDUCTION, RULES, of_class=1.0) == AdverseClass.ADVERSE


GRADED = load(parse(POLICY_TEXT, name="policy.yaml"))
BEST, WORST = GRADED.grade_names[0], GRADED.grade_names[-1]
SCORE = ["use of the credit limit", "length of the business relationship"]
NEED = codes.BY_NEED
CAPPED = {
    c: [packed(said("Cap: {cap}", cap=codes.CAP_WORDS[c])), packed(said("{amount} (this one holds)", amount=eur(20_000)))] for c in Cap
}


def card(*, formula=NEED, cap=None, had=50_000, caps=20_000, step=None, forbids="", grade=BEST, **fields):
    """A packet whose card shows what made the figure; amounts in EUR."""
    told = Said(
        formula, {"amount": "9 EUR", "factor": "1.30", "grade": grade, "status": "dormant", "part": "1", "expression": "need * need_factor"}
    )
    rows = [("Limit in force", eur(had)), ("Formula", said("{formula} = {amount}", formula=told, amount=Money(1, "EUR")))]
    rows += [("After caps", eur(caps))]
    rows += [("No increase, because", codes.words(forbids))] if forbids else []
    rows += [("After the step limit", eur(step))] if step is not None else []
    shown = [[packed(said(label)), packed(figure)] for label, figure in rows] + ([CAPPED[cap]] if cap else [])
    return packet_of(derivation=shown, grade=grade, **{"reasons": SCORE} | fields)


def causes(packet):
    """The reasons that are none of the score, shortened to their last words, and whether the score's follow."""
    found = principal_reasons(packet, GRADED)
    return [one.rsplit(" ", 2)[1] + " " + one.rsplit(" ", 1)[1] for one in found if one not in SCORE], set(SCORE) <= set(found)


ASKED_UP = {"request": {"amount_minor": 90_000_00}, "to_minor": 90_000_00}
NO_REPORT = "no external report young enough with a probability of default"


@pytest.mark.parametrize(
    ("packet", "expected", "scored"),
    [
        (card(), ["balances show"], False),  # the best grade has the largest factor: the score took nothing away
        (card(grade=WORST), ["balances show"], True),
        (card(grade=WORST, caps=0), ["balances show"], False),  # no factor of nothing is more
        (card(formula=codes.FALLS, caps=0), ["long time"], False),
        (card(formula=codes.NOTHING, caps=0), ["your status"], False),
        (card(cap=Cap.GRADE), ["your standing"], False),
        (card(cap=Cap.GRADE, grade=WORST), ["your standing"], True),
        (card(cap=Cap.COVER, grade=WORST), ["that counts"], False),
        (card(cap=Cap.RECOMMENDATION, grade=WORST), ["report recommends"], False),
        (card(forbids="overdue"), ["balances show"], False),  # what forbids an increase lowers nothing
        (card(step=30_000, to_minor=30_000_00), ["balances show"], False),  # a step limit softens a reduction
        (card(terms_days=14, grade=WORST), ["balances show"], True),
        (card(terms_days=14, to_minor=50_000_00, cap=Cap.COVER), [], True),  # terms alone: no cap took an amount away
        (card(**ASKED_UP, caps=80_000, step=60_000), ["set part", "balances show"], False),
        (card(**ASKED_UP, caps=80_000, step=50_000, forbids="overdue|class_no_increase"),
         ["we allow", "no increase", "balances show"], False),
        (card(**ASKED_UP, caps=95_000, step=50_000, forbids="grade"), ["no increase"], True),
        (card(**ASKED_UP, caps=20_000, forbids="external_stale"), ["balances show", "young enough"], False),
        (card(**ASKED_UP, caps=95_000), [], True),  # people decided otherwise: all that is on record
    ],
)  # fmt: skip
def test_principal_reasons_are_what_made_the_figure_and_the_score_only_where_it_had_a_part(packet, expected, scored):
    assert causes(packet) == (expected, scored)


def test_a_figure_that_stands_in_for_a_missing_input_is_told_as_the_missing_input_once():
    stood = {
        "cap": Cap.RECOMMENDATION,
        "grade": WORST,
        "substitutes": ["recommendation:missing:lower_ceiling"],
        "reasons": [NO_REPORT, *SCORE],
    }
    assert principal_reasons(card(**stood), GRADED) == ("no external report young enough recommends a limit", *SCORE)
    stood["cap"] = Cap.GRADE  # what stands in did not hold
    assert principal_reasons(card(**stood), GRADED)[:2] == ("the limit is bounded by what we grant at your standing", NO_REPORT)


def test_every_formula_cap_and_rule_against_increases_has_its_reason_and_there_are_at_most_four():
    unsaid = [f for f in codes.FORMULAS if f != codes.STAYS and not causes(card(formula=f))[0]]
    unsaid += [cap for cap in Cap if cap not in (Cap.NEED, Cap.FORMULA) and not causes(card(cap=cap))[0]]
    unsaid += [why for why in codes.Forbids if not causes(card(**ASKED_UP, caps=95_000, forbids=why))[0]]
    assert unsaid == []
    assert principal_reasons(card(cap=Cap.GRADE, grade=WORST, reasons=["a", "b", "c", "d"]))[1:] == ("a", "b", "c")
    assert principal_reasons(packet_of()) == tuple(SCORE)


@given(decided=st.dates(date(2020, 1, 1), date(2100, 1, 1)), classified=st.sampled_from(AdverseClass))
def test_notice_is_owed_for_adverse_action_alone_and_files_are_longer_kept_for_who_asked(decided, classified):
    due = adverse.notice_due(classified, CLOCK, decided)
    assert (due == decided + timedelta(days=30)) if classified == AdverseClass.ADVERSE else due is None
    assert adverse.notice_due(classified, None, decided) is None
    assert adverse.retained_until(CLOCK, decided, asked=True) - adverse.retained_until(CLOCK, decided, asked=False) == timedelta(305)


def test_days_of_the_policy_replace_those_of_the_profile():
    own = adverse.clock_of(AdverseRules(profile="us_trade_credit", notice_days=10, reasons_days=5, retention_days=3650))
    assert (own.notice, own.reasons, own.retention, own.retention_if_asked) == (10, 5, 3650, 3650)
    assert adverse.clock_of(AdverseRules(notice_days=10)) is None


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["20,000 EUR instead of 50,000 EUR", "The principal reasons are:", "- use of the credit limit", "by 30 Nov 2026"]),
        ("zh_CN", ["现为 20,000 EUR，原为 50,000 EUR", "主要原因如下：", "- 信用额度使用率", "2026年11月30日"]),
    ],
)
def test_the_letter_says_what_changed_and_why_in_the_customers_language(language, expected):
    reasons = principal_reasons(packet_of())
    words = words_for(language=language)
    text = as_text(adverse.letter(packet_of(), Unwelcome.REDUCTION, reasons, words, company="Example Trading", on=TODAY, clock=CLOCK))
    assert text.startswith("Example Trading\n") and "Anvil GmbH" in text
    assert [one for one in expected if one not in text] == [], text
    assert ("credit limit" in text) == (language == "en"), text
    refused = as_text(adverse.letter(packet_of(**ASKED), Unwelcome.REFUSAL, (), words, company="X", on=TODAY, clock=None))
    assert "90,000 EUR" in refused and "2026年11月30日" not in refused


# --- on record ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    made = World(store)
    made.write(document(US_POLICY, "policy", adopted_at=NOON - timedelta(days=1)), person("p-outsider"))
    return made


def decided(world, customer="c-1", **fields):
    """A reduction that was applied, or a proposal in another state."""
    packet = audit.canonical(packet_of(customer_id=customer) | fields.pop("packet", {}))
    given = {"state": ProposalState.APPLIED, "decided_at": NOON, "packet_json": packet, "digest": digest_of(packet)} | fields
    return world.propose(customer, to=20_000_00, **given)


def act(world, what, proposal, *, who="p-analyst", now=NOON, **fields):
    with world.store.begin() as uow:
        done = what(uow, proposal, Clerk.admitted(uow, who, now, ZONE), **fields)
        uow.commit()
    return done


def listed(world, rules=RULES):
    with world.store.read() as uow:
        return adverse_actions.cases(uow, rules, zone=ZONE)


def test_reductions_and_refused_requests_are_listed_and_nothing_else(world):
    world.write(replace(review(), review_id="r-2", kind="ad_hoc", scope="c-3"))
    cut = decided(world)
    decided(world, "c-2", state=ProposalState.REJECTED)  # a reduction that did not happen is risk kept
    refused = decided(world, "c-3", review_id="r-2", state=ProposalState.REJECTED, packet=ASKED)
    decided(world, "c-4", state=ProposalState.PENDING, decided_at=None)
    found = {one.proposal.proposal_id: (one.kind, one.suggested) for one in listed(world)}
    assert found == {cut: (Unwelcome.REDUCTION, AdverseClass.ADVERSE), refused: (Unwelcome.REFUSAL, AdverseClass.ADVERSE)}
    assert listed(world, AdverseRules()) == []


def test_a_refused_temporary_limit_is_listed_with_the_base_limit_before_and_one_below_it_is_not(world):
    world.write(replace(review(), review_id="r-2", kind="ad_hoc", scope="c-3"))
    refused, _ = (
        decided(world, customer, review_id="r-2", state=ProposalState.REJECTED, packet=temporary(asked=asked) | {"customer_id": customer})
        for customer, asked in (("c-3", 90_000_00), ("c-4", 40_000_00))
    )
    (found,) = listed(world)
    assert (found.proposal.proposal_id, found.kind, found.from_minor, found.packet["from_minor"]) == (
        refused,
        Unwelcome.REFUSAL,
        50_000_00,
        50_000_00,
    )


def test_reasons_are_judged_by_the_policy_that_the_proposal_was_made_by(world):
    decided(world, packet=card(cap=Cap.GRADE))
    decided(world, "c-2", packet=card(cap=Cap.GRADE) | {"customer_id": "c-2"}, policy_digest="none on record")
    judged, unknown = sorted(listed(world), key=lambda case: case.proposal.customer_id)
    assert len(judged.reasons) == 1 and unknown.reasons[1:] == tuple(SCORE)


def test_a_suggested_change_to_a_whole_class_needs_a_reason_to_be_confirmed_and_the_clock_runs_until_then(world):
    rules = AdverseRules(profile="us_trade_credit", whole_class_from=0.9)
    cut, other = decided(world), decided(world, "c-2")
    with world.store.read() as uow:
        found = adverse_actions.cases(uow, rules, zone=ZONE, shares=lambda review: {"c-1": 0.95} if review == "r-1" else {})
    assert {one.proposal.proposal_id: one.suggested for one in found} == {cut: AdverseClass.WHOLE_CLASS, other: AdverseClass.ADVERSE}
    late = [one.subject for one in adverse_actions.overdue(found, TODAY + timedelta(31), CLOCK)]
    assert sorted(late) == sorted([f"proposal:{cut}", f"proposal:{other}"])
    with world.store.begin() as uow:
        by = replace(Clerk.admitted(uow, "p-analyst", NOON, ZONE, lambda review: {"c-1": 0.95}), rules=rules)
        with pytest.raises(BadInput, match="substantially all"):
            adverse_actions.classify(uow, cut, by)
        done = adverse_actions.classify(uow, cut, by, reason="the ceiling of grade B was lowered for all")
    assert (done.suggested, done.classified, done.notice_due) == ("whole_class", "whole_class", None)


def bounded(world, layer, minor, subject=("customer", "c-1")):
    """A first ceiling, segment limit or pool of a subject, asked for c-1, approved and applied; the id of its proposal."""
    account = account_id(*subject, "ALL", layer, "EUR")
    world.write(
        LimitAccount(account_id=account, subject_kind=subject[0], subject_id=subject[1], legal_entity="ALL", layer=layer, currency="EUR")
    )
    asked = {"amount_minor": minor, "layer": layer, "reason": "too much"}
    packet = audit.canonical(packet_of(from_minor=None, from_terms_days=None, terms_days=None, to_minor=minor, request=asked))
    one = proposal("c-1", account, None, minor, "EUR", review_id="r-2", packet_json=packet, digest=digest_of(packet), terms_days=None,
                   policy_digest=digest_of(US_POLICY))  # fmt: skip
    world.write(one)
    assert world.decide("p-cfo", one.proposal_id).accepted
    world.apply(one.proposal_id)
    return one.proposal_id


def test_a_first_bound_that_lowers_the_limit_in_force_is_adverse_action_with_the_limit_it_lowered(world):
    world.write(replace(review(), review_id="r-2", kind="ad_hoc", scope="c-1#1"))
    world.group("g-1", "c-1", "c-2")
    world.limit("c-1", 50_000_00)
    world.limit("c-2", 80_000_00)
    pool = bounded(world, "group", 70_000_00, ("group", "g-1"))  # lowers the limit of the other member alone
    bounded(world, "segment", 50_000_00)  # does not bind
    ceiling = bounded(world, "ceiling", 20_000_00)
    found = {one.proposal.proposal_id: one for one in listed(world)}
    assert {key: (one.kind, one.suggested, one.before_minor) for key, one in found.items()} == {
        pool: (Unwelcome.REDUCTION, AdverseClass.ADVERSE, None),
        ceiling: (Unwelcome.REDUCTION, AdverseClass.ADVERSE, 50_000_00),
    }
    assert [found[key].reasons[0].split(" by ")[1] for key in (pool, ceiling)] == [
        "what your group may owe us together",
        "the most we have decided to grant you",
    ]
    of_pool, of_ceiling = (
        as_text(adverse.letter(one.packet, one.kind, one.reasons, words_for(language="en"), company="X", on=TODAY, clock=CLOCK))
        for one in (found[pool], found[ceiling])
    )
    assert "20,000 EUR instead of 50,000 EUR" in of_ceiling
    assert "Your group may owe us 70,000 EUR together: a limit that its members share." in of_pool
    assert act(world, adverse_actions.classify, ceiling).notice_due == TODAY + timedelta(30)


def test_a_person_confirms_gives_notice_and_answers_and_the_log_says_each_of_it(world):
    key = decided(world)
    done = act(world, adverse_actions.classify, key)
    assert (done.classified, done.notice_due, done.retain_until) == ("adverse", TODAY + timedelta(30), TODAY + timedelta(60))
    later = NOON + timedelta(days=10)
    act(world, adverse_actions.notified, key, now=later, on=later.date(), letter_sha256="ab" * 32)
    act(world, adverse_actions.asked, key, now=later, on=later.date())
    last = act(world, adverse_actions.answered, key, now=later, on=later.date())
    assert last.retain_until == later.date() + timedelta(365) and last.reasons_due == later.date() + timedelta(30)
    actions = [e["action"] for e in world.entries(entity=f"adverse:{key}")]
    assert actions == [Action.ADVERSE_CLASSIFIED, Action.ADVERSE_NOTIFIED, Action.ADVERSE_REASONS_ASKED, Action.ADVERSE_REASONS_GIVEN]
    assert [one.what for one in compare_with_tables(world.store.engine) if one.what.startswith("adverse")] == []
    assert json.loads(world.one(AdverseAction).reasons_json) == ["use of the credit limit", "length of the business relationship"]


def test_another_class_than_suggested_needs_a_reason_and_is_said_once(world):
    key = decided(world)
    with pytest.raises(BadInput, match="adverse action"):
        act(world, adverse_actions.classify, key, as_class=AdverseClass.AGREED)
    done = act(world, adverse_actions.classify, key, as_class=AdverseClass.AGREED, reason="his letter of 3 October")
    assert done.notice_due is None and world.entries(Action.ADVERSE_CLASSIFIED)[0]["data"]["suggested"] == "adverse"
    with pytest.raises(Refused, match="was classified"):
        act(world, adverse_actions.classify, key)
    with pytest.raises(Refused, match="no notice is owed"):
        act(world, adverse_actions.notified, key, on=TODAY, letter_sha256="")
    with pytest.raises(Refused, match="no reasons are owed"):
        act(world, adverse_actions.asked, key, on=TODAY)


def test_who_has_neither_worklist_nor_tier_and_what_was_not_decided_are_refused(world):
    key = decided(world)
    with pytest.raises(Refused, match="neither a worklist nor a tier"):
        act(world, adverse_actions.classify, key, who="p-outsider")
    with pytest.raises(BadInput, match="no decided reduction"):
        act(world, adverse_actions.classify, "pr-none")
    with pytest.raises(BadInput, match="was not classified"):
        act(world, adverse_actions.notified, key, on=TODAY, letter_sha256="")
    act(world, adverse_actions.classify, key)
    for day in (TODAY - timedelta(1), TODAY + timedelta(1)):
        with pytest.raises(BadInput, match="cannot be the day"):
            act(world, adverse_actions.notified, key, on=day, letter_sha256="")


def test_what_is_late_is_an_alarm_until_it_was_done(world):
    key = decided(world)

    def late(after):
        return [a.facts["what"] for a in adverse_actions.overdue(listed(world), TODAY + timedelta(days=after), CLOCK)]

    assert late(30) == [] and late(31) == ["not_classified"]
    act(world, adverse_actions.classify, key)
    assert late(30) == [] and late(31) == ["no_notice"]
    act(world, adverse_actions.notified, key, on=TODAY, letter_sha256="")
    assert late(31) == []
    act(world, adverse_actions.asked, key, on=TODAY)
    assert late(31) == ["no_reasons"]
    act(world, adverse_actions.answered, key, on=TODAY)
    assert late(400) == []


def test_a_policy_without_a_jurisdiction_asks_nobody(store, clock):
    clock.set(NOON)
    world = World(store)
    key = decided(world)
    with pytest.raises(Refused, match="names no jurisdiction"):
        act(world, adverse_actions.classify, key)
