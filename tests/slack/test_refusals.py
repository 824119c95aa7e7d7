"""Whoever is refused reads why, and it is on record once: by rule or by identity, whatever he clicked, sent or typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from credit_review.messages import card, digest, home, notices
from credit_review.model.records import AccessRight, ApprovalCondition, Decision
from credit_review.model.states import Right
from credit_review.review.sweep import revert_due
from deployments.slack_listener import credit
from tests.review.decision_world import MATRIX_TEXT, NOON, TODAY, digest_of, os_account
from tests.slack.test_in_sandbox import desk, line, text, workspace

__all__ = ["desk", "line", "workspace"]

CHANNEL = "GPRIVATE"


def refusals(desk):
    """What stands in the log of refusals: (action, code, entity)."""
    return [(e["action"], e["data"]["code"], e["entity"]) for e in desk.world.entries() if e["action"].endswith(".refused")]


def in_channel(desk, proposal):
    return desk.sandbox.until(lambda: next((m for m in desk.as_("p-manager").sees(CHANNEL) if proposal in text(m)), None))


def told_alone(desk, who, words):
    """What only this person sees, below a message or in a modal."""
    return desk.sandbox.until(
        lambda: (
            any(words in text(m) for m in desk.as_(who).sees(CHANNEL) if m["only_you"])
            or any(words in text(m) for m in desk.as_(who).modals())
            or any(words in text(m) for m in desk.as_(who).direct() if m["only_you"])
        )
    )


# --- by identity --------------------------------------------------------------------------------------------------------------------

OUTSIDERS = {
    "guest": ({"is_restricted": True}, "slack.guest"),
    "guest of one channel": ({"is_ultra_restricted": True}, "slack.guest"),
    "bot": ({"is_bot": True}, "slack.bot"),
    "app": ({"is_app_user": True}, "slack.bot"),
    "deactivated": ({"deleted": True}, "slack.deactivated"),
    "of another company": ({"is_stranger": True}, "slack.stranger"),
    "of another team, by what Slack says": ({"team_id": "T9"}, "slack.stranger"),
    "unknown to Slack": (None, "slack.unknown"),
}


@pytest.mark.parametrize(("said_of_him", "code"), OUTSIDERS.values(), ids=OUTSIDERS)
@pytest.mark.parametrize("action", [card.APPROVE, card.REJECT])
def test_an_account_that_is_no_full_member_decides_nothing_whatever_our_directory_says(desk, monkeypatch, said_of_him, code, action):
    proposal = desk.propose()
    desk.put_before(proposal)
    message = desk.card("p-controller", proposal)
    _slack_says(desk, monkeypatch, said_of_him)
    desk.as_("p-controller").click(desk.channel("p-controller"), message["ts"], action)
    desk.eventually(lambda: refusals(desk))
    desk.sandbox.quiet()
    assert refusals(desk) == [("login.refused", code, "login:slack")]
    assert desk.world.find(Decision) == [] and desk.world.proposal(proposal).state == "pending"


def _slack_says(desk, monkeypatch, about):
    """What users.info answers of everybody from now on."""
    from slack_sdk.errors import SlackApiError

    def users_info(*, user):
        if about is None:
            raise SlackApiError("no", type("Answer", (dict,), {"status_code": 200})(error="user_not_found"))
        return {"user": {"id": user, "team_id": "T1", **about}}

    monkeypatch.setattr(desk.office.directory._client, "users_info", users_info)


@pytest.mark.parametrize(
    ("who", "code"),
    [("UGUEST", "slack.guest"), ("UBOT", "slack.bot"), ("USTRANGER", "slack.stranger"), ("T2:UMANAGER", "slack.workspace")],
)
@pytest.mark.parametrize("action", [card.APPROVE, card.REJECT, card.RETURN, card.COUNTER, card.WHY])
def test_a_stranger_on_any_button_is_told_and_recorded_once(desk, who, code, action):
    proposal = desk.propose()
    desk.put_before(proposal, channel=CHANNEL)
    message = in_channel(desk, proposal)
    desk.sandbox.disturb("twice", payload_type="block_actions")
    desk.sandbox.person(who).click(CHANNEL, message["ts"], action)
    desk.eventually(lambda: refusals(desk))
    told_alone(desk, who, {"slack.guest": "guests", "slack.bot": "bots", "slack.stranger": "other companies"}.get(code, "workspace"))
    desk.sandbox.quiet()
    assert refusals(desk) == [("login.refused", code, "login:slack")]
    assert desk.world.find(Decision) == [] and desk.sandbox.person(who).modals() == []


def test_who_leaves_slack_decides_nothing_once_a_quarter_of_an_hour_is_over(desk, monkeypatch):
    first, second = desk.propose("c-1"), desk.propose("c-2", to=61_000_00)
    desk.put_before(first, second)
    desk.card("p-controller", second)
    desk.click("p-controller", first, card.APPROVE)
    desk.eventually(lambda: desk.world.find(Decision))
    _slack_says(desk, monkeypatch, {"deleted": True})
    desk.services.clock.set(NOON + timedelta(minutes=16))
    desk.click("p-controller", second, card.APPROVE)
    desk.eventually(lambda: refusals(desk))
    assert [code for _, code, _ in refusals(desk)] == ["slack.deactivated"] and desk.world.proposal(second).state == "pending"


@pytest.mark.parametrize("action", [card.APPROVE, card.REJECT, card.WHY])
def test_an_account_of_nobody_in_our_directory_is_told_and_recorded(desk, action):
    proposal = desk.propose()
    desk.put_before(proposal, channel=CHANNEL)
    message = in_channel(desk, proposal)
    ended = replace(os_account("T1|UANALYST", "p-analyst", kind="slack"), recorded_at=NOON - timedelta(days=1), valid_to=TODAY)
    desk.world.write(ended)
    desk.as_("p-analyst").click(CHANNEL, message["ts"], action)
    desk.eventually(lambda: refusals(desk))
    told_alone(desk, "p-analyst", "belongs to nobody in our directory")
    assert [code for _, code, _ in refusals(desk)] == ["login.unknown"] and desk.as_("p-analyst").modals() == []


def test_a_person_with_two_accounts_approves_once(desk):
    two = MATRIX_TEXT.replace("increases_12m_up_to: 250000, approvers: 1", "increases_12m_up_to: 250000, approvers: 2")
    desk.world.adopt_authority(two, at=NOON - timedelta(hours=1))
    proposal = desk.propose("c-2", to=300_000_00, authority_digest=digest_of(two))
    desk.put_before(proposal, channel=CHANNEL)
    message = in_channel(desk, proposal)
    desk.sandbox.person("UMANAGER").click(CHANNEL, message["ts"], card.APPROVE)
    desk.eventually(lambda: desk.world.find(Decision))
    desk.sandbox.person("USECOND").click(CHANNEL, message["ts"], card.APPROVE)
    desk.eventually(lambda: refusals(desk))
    assert refusals(desk) == [("decision.refused", "already_decided", f"proposal:{proposal}")]
    assert len(desk.world.find(Decision)) == 1 and desk.world.proposal(proposal).state == "pending"


# --- by rule ------------------------------------------------------------------------------------------------------------------------


def test_a_list_that_changed_is_refused_on_record(desk):
    proposals = [desk.propose(f"c-{n:02}", to=60_000_00 + n * 100_00) for n in range(21)]
    desk.put_before(*proposals)
    shown = desk.direct("p-controller", lambda m: "Approve the 10 listed" in text(m))
    desk.world.decide("p-cfo", proposals[20], account="p-cfo")
    desk.sandbox.disturb("twice", payload_type="block_actions")
    desk.as_("p-controller").click(desk.channel("p-controller"), shown["ts"], digest.APPROVE_LISTED)
    desk.told("p-controller", "the list changed")
    desk.sandbox.quiet()
    assert refusals(desk) == [("decision.refused", "list_changed", "person:p-controller")]


def test_proposals_that_policy_does_not_let_be_approved_together_are_refused_on_record(desk, monkeypatch):
    from credit_review.messages import gathering

    proposals = [desk.propose(f"c-{n:02}", to=60_000_00 + n * 100_00) for n in range(21)]
    desk.put_before(*proposals)
    shown = desk.direct("p-controller", lambda m: "Approve the 10 listed" in text(m))
    monkeypatch.setattr(gathering, "together_of", lambda *_: [])  # policy was changed after the list was shown
    desk.as_("p-controller").click(desk.channel("p-controller"), shown["ts"], digest.APPROVE_LISTED)
    desk.told("p-controller", "policy does not let these be approved together")
    assert refusals(desk) == [("decision.refused", "not_together", "person:p-controller")] and desk.world.find(Decision) == []


def conditional(desk):
    """A proposal approved by the controller on condition, and its card in the channel, where everybody sees its button."""
    desk.services.settings.slack = desk.services.settings.slack.model_copy(update={"channel": CHANNEL})
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal, channel=CHANNEL)
    desk.click("p-controller", proposal, card.APPROVE_IF)
    due = (TODAY + timedelta(days=7)).isoformat()
    assert desk.submit("p-controller", reason="First.", condition="guarantee_received", condition_due=due)["accepted"]
    shown = desk.sandbox.until(lambda: next((m for m in desk.as_("p-cfo").sees(CHANNEL) if card.CONFIRM in text(m)), None))
    desk.as_("p-controller").click(CHANNEL, shown["ts"], card.CONFIRM)
    return proposal


def test_confirming_ones_own_condition_is_refused_on_record(desk):
    conditional(desk)
    assert "somebody else confirms" in text(desk.submit("p-controller", evidence="I saw it."))
    assert [(action, code) for action, code, _ in refusals(desk)] == [("decision.refused", "condition_own")]


def test_a_condition_confirmed_too_late_is_refused_on_record(desk):
    conditional(desk)
    desk.modal("p-controller")
    desk.services.clock.set(NOON + timedelta(days=9))
    assert desk.submit("p-controller", evidence="I saw it.").get("errors")
    assert [action for action, _, _ in refusals(desk)] == ["decision.refused"] and desk.world.one(ApprovalCondition).state == "open"


def test_a_condition_without_a_day_is_refused_on_record(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.APPROVE_IF)
    assert "by when" in text(desk.submit("p-controller", reason="x y z", condition="guarantee_received"))
    assert refusals(desk) == [("decision.refused", "condition_due", f"proposal:{proposal}")]


def returned(desk):
    desk.services.settings.slack = desk.services.settings.slack.model_copy(update={"channel": CHANNEL})
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.RETURN)
    desk.submit("p-controller", code="information_missing", reason="Why no accounts?")
    return proposal, desk.sandbox.until(lambda: next((m for m in desk.as_("p-cfo").sees(CHANNEL) if notices.ANSWER in text(m)), None))


def test_an_answer_by_somebody_else_is_refused_on_record(desk):
    proposal, question = returned(desk)
    desk.as_("p-cfo").click(CHANNEL, question["ts"], notices.ANSWER)
    assert "answers this question" in text(desk.submit("p-cfo", reason="I know it."))
    assert refusals(desk) == [("decision.refused", "not_yours_to_answer", f"proposal:{proposal}")]


def test_an_older_card_opens_no_form_and_that_is_on_record(desk, monkeypatch):
    proposal = desk.propose()
    desk.put_before(proposal)
    message = desk.card("p-controller", proposal)
    real = desk.world.proposal(proposal)
    from deployments.slack_listener import looking

    monkeypatch.setattr(looking, "read_value", lambda *_: (real.proposal_id, "0" * 64))
    desk.as_("p-controller").click(desk.channel("p-controller"), message["ts"], card.REJECT)
    desk.told("p-controller", "changed after this card was shown")
    assert refusals(desk) == [("decision.refused", "stale", f"proposal:{proposal}")]


def test_who_may_not_ask_for_limits_is_refused_on_record(desk):
    right = {"person_id": "p-analyst", "access": Right.REQUEST_LIMITS, "valid_from": TODAY}
    desk.world.write(AccessRight(**right, valid_to=None, recorded_at=NOON - timedelta(hours=1)))
    _opens_home(desk, "p-analyst", home.REQUEST)
    desk.modal("p-analyst")
    desk.world.write(AccessRight(**right, valid_to=TODAY, recorded_at=NOON))  # taken away while he writes
    assert "may not ask for limits" in text(desk.submit("p-analyst", customer="c-1", reason="They grow."))
    assert refusals(desk) == [("decision.refused", "may_not_request", "person:p-analyst")]


def test_who_may_not_read_limits_is_refused_on_record(desk, monkeypatch):
    monkeypatch.setattr(credit, "_found", lambda *_: ("c-1", "Customer c-1", ""))
    desk.as_("p-deputy").command("/credit", "c-1")
    told_alone(desk, "p-deputy", "you may not read limits")
    assert refusals(desk) == [("decision.refused", "may_not_read", "person:p-deputy")]


def test_a_delegation_to_somebody_who_left_is_refused_on_record(desk):
    _opens_home(desk, "p-controller", home.DELEGATE)
    desk.world.deactivate("p-deputy", at=NOON - timedelta(seconds=1))
    until = (TODAY + timedelta(days=10)).isoformat()
    assert desk.submit("p-controller", person="p-deputy", **{"from": TODAY.isoformat(), "until": until}).get("errors")
    assert refusals(desk) == [("decision.refused", "person.not_active", "person:p-controller")]


def _opens_home(desk, who, action):
    desk.as_(who).open_home()
    seen = desk.sandbox.until(lambda: desk.as_(who).home())
    desk.as_(who).change(seen["id"], action)


# --- what is past -------------------------------------------------------------------------------------------------------------------


def test_a_proposal_whose_limit_changed_meanwhile_ends_with_the_click_that_finds_it_so(desk):
    earlier = desk.propose("c-1", to=60_000_00, effective_to=TODAY + timedelta(days=10))
    desk.world.decide("p-cfo", earlier)
    desk.world.apply(earlier)
    proposal = desk.propose("c-1", had=60_000_00, to=55_000_00)
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    desk.services.clock.set(NOON + timedelta(days=10))
    assert revert_due(desk.world.store, desk.services.clock), "the temporary limit it starts from has ended"
    desk.click("p-controller", proposal, card.APPROVE)
    after = desk.direct("p-controller", lambda m: proposal in text(m) and "The limit in force changed meanwhile" in text(m))
    assert card.APPROVE not in text(after) and card.REJECT not in text(after)
    assert (desk.world.proposal(proposal).state, desk.world.proposal(proposal).outcome_code) == ("superseded", "base_changed")
    (entry,) = desk.world.entries("proposal.superseded", f"proposal:{proposal}")
    assert entry["actor"] == "system:decide" and [code for _, code, _ in refusals(desk)] == ["base_changed"]


def test_an_expired_proposal_ends_with_the_click_that_finds_it_so(desk):
    proposal = desk.propose(expires_at=NOON + timedelta(minutes=5))
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    desk.services.clock.set(NOON + timedelta(minutes=6))
    desk.click("p-controller", proposal, card.APPROVE)
    after = desk.direct("p-controller", lambda m: proposal in text(m) and "Expired: nobody decided in time" in text(m))
    assert card.APPROVE not in text(after)
    assert desk.world.proposal(proposal).state == "expired" and len(desk.world.entries("proposal.expired")) == 1
