"""From a link in Slack to a decision on the page outside it: what is seen by whom, what decides, and how often."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from credit_review.model.records import Decision, InboxEntry, PersonPreference
from tests.review.decision_world import LONG_AGO, RECORDED
from tests.step_up.step_up_world import NAME, words_of


def test_a_proposal_of_the_highest_tier_is_approved_outside_slack(scene):
    proposal = scene.proposes()
    token = scene.link(proposal)
    answer = scene.signed_in(token).decides(token)
    assert answer.status_code == 200 and "Your approval counts: 1 of 2 that T4 asks for." in words_of(answer)
    decision = scene.world.one(Decision, proposal_id=proposal)
    assert (decision.approver_id, decision.verdict, decision.channel, decision.assurance) == ("p-ceo", "approve", "web", "signed_in")
    assert decision.reason == "within appetite" and scene.used_at(token) == scene.clock.now()
    (entry,) = scene.world.entries("decision.approve", f"proposal:{proposal}")
    assert entry["actor"] == "person:p-ceo" and (entry["data"]["channel"], entry["data"]["assurance"]) == ("web", "signed_in")


def test_the_second_approval_completes_it_and_sees_the_first(scene):
    proposal = scene.proposes()
    first, second = scene.link(proposal), scene.link(proposal, "p-chair")
    scene.signed_in(first).decides(first, reason="known for years")
    browser = scene.signed_in(second, "p-chair")
    assert "known for years" in words_of(browser.seen[-1]) and "1 of 2 approvals given" in words_of(browser.seen[-1])
    assert "Approved (2 of 2)" in words_of(browser.decides(second)) and scene.world.proposal(proposal).state == "approved"


@pytest.mark.parametrize(("verdict", "state"), [("reject", "rejected"), ("return", "returned")])
def test_it_is_rejected_or_returned_with_a_text(scene, verdict, state):
    proposal = scene.proposes()
    token = scene.link(proposal)
    fields = {"reason": "what about\r\nthe guarantee?\0 ", "reason_code": "information_missing"}
    assert scene.signed_in(token).decides(token, verdict, **fields).status_code == 200
    decision = scene.world.one(Decision)
    assert (decision.reason, decision.reason_code) == ("what about\nthe guarantee?", "information_missing")
    assert scene.world.proposal(proposal).state == state


def test_the_page_shows_what_is_signed_once_signed_in(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    shown = words_of(sqlite_scene.signed_in(token).seen[-1])
    for part in (
        "Harbour &amp; Söhne Shipping (c-1): 50,000 EUR to 5,000,000 EUR", "620,000 EUR today", "overdue 12,500 EUR", "as asked",
        "Exposure 1,420,000 EUR", "Grade B; against it: share of open items past due", "30 days, as before", "Needs a person",
        "Visited in August.", "45 days", "Asked by review 2026Q3", "T4 (Board): 0 of 2 approvals given", "Ceo, Chair",
        sqlite_scene.world.proposal(proposal).digest,
        "Signed in as Ceo", "Type the limit you approve, in EUR",
    ):  # fmt: skip
        assert part in shown, part


def test_before_sign_in_nothing_of_whom_or_what_is_shown(sqlite_scene):
    proposal = sqlite_scene.proposes()
    answer = sqlite_scene.browser().opens(sqlite_scene.link(proposal))
    assert answer.status_code == 200 and "Sign in with your company account" in answer.text
    for secret in (NAME, "Harbour", "c-1", proposal, "5,000,000", "Ceo", "p-ceo", "T4", sqlite_scene.world.proposal(proposal).digest):
        assert secret not in answer.text
    assert "set-cookie" not in answer.headers


def test_looking_never_acts_and_never_uses_the_link(scene):
    proposal = scene.proposes()
    token = scene.link(proposal)
    stranger, person = scene.browser(), scene.signed_in(token)
    before = len(scene.world.entries())
    for browser in (stranger, person):
        for method in ("GET", "HEAD", "GET"):
            assert browser.get(f"/d/{token}", method).status_code == 200
        assert browser.get(f"/d/{token}/decide?verdict=approve&amount=5000000&reason=because").status_code == 405
    assert scene.used_at(token) is None and len(scene.world.entries()) == before and scene.world.find(Decision) == []
    assert person.decides(token).status_code == 200


def test_an_unknown_link_is_404_and_a_used_or_ended_one_410_without_a_word_about_the_proposal(scene):
    proposal = scene.proposes()
    used, ended = scene.link(proposal), scene.link(proposal, "p-chair")
    browser = scene.signed_in(used)
    browser.decides(used)
    again = browser.opens(used)
    unknown = browser.opens("A" * 43)
    scene.clock.advance(timedelta(minutes=30))
    over = scene.browser().opens(ended)
    assert [a.status_code for a in (unknown, again, over)] == [404, 410, 410]
    assert "not one of ours" in words_of(unknown) and "used already" in words_of(again) and "expired" in words_of(over)
    for answer in (unknown, again, over):
        assert "Harbour" not in answer.text and proposal not in answer.text
    for path in ("/d/%ff%fe%00", f"/d/{ended}/sign-in", f"/d/{used}/sign-in", "/", "/d/", "/nowhere"):
        assert scene.browser().get(path).status_code in (404, 410)


def test_the_same_form_sent_twice_decides_once_and_is_told_the_same(scene):
    proposal = scene.proposes()
    token = scene.link(proposal)
    browser = scene.signed_in(token)
    first, second = browser.decides(token), browser.decides(token)
    assert first.status_code == second.status_code == 200 and "Answered before; nothing was done again" in words_of(second)
    assert "Your approval counts: 1 of 2" in words_of(second) and len(scene.world.find(Decision)) == 1


def test_another_answer_under_a_used_link_is_told_the_first_and_does_nothing(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    browser = sqlite_scene.signed_in(token)
    browser.decides(token)
    assert "Your approval counts" in words_of(browser.decides(token, "reject"))
    assert sqlite_scene.world.one(Decision).verdict == "approve" and sqlite_scene.world.proposal(proposal).state == "pending"


def test_two_forms_at_once_are_one_decision(scene):
    proposal = scene.proposes()
    token = scene.link(proposal)
    browser = scene.signed_in(token)
    csrf, cookies, answers, start = browser.csrf(), dict(browser.client.cookies), [], threading.Barrier(4)

    def send(verdict):
        one = scene.browser()
        one.client.cookies.update(cookies)
        start.wait()
        answers.append(one.decides(token, verdict, csrf=csrf))

    threads = [threading.Thread(target=send, args=(verdict,)) for verdict in ("approve", "reject", "approve", "return")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [200] * 4 and len(scene.world.find(Decision)) == 1
    assert sum("nothing was done again" in a.text for a in answers) == 3
    assert len(scene.world.find(InboxEntry)) == 1 and len(scene.world.entries(entity=f"proposal:{proposal}")) == 1


def test_a_slip_of_the_finger_is_corrected_on_the_form_and_costs_no_link(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    browser = sqlite_scene.signed_in(token)
    for typed, says in (
        ({"amount": "500,000"}, "the amount you typed is not the one you would approve"),
        ({"amount": "5.000.000"}, "is not an amount"),
        ({"amount": "5,000,000 USD"}, "is in USD"),
        ({"amount": ""}, "type the amount you approve"),
        ({"reason": "  "}, "say why"),
        ({"verdict": "counter"}, "choose whether to approve"),
        ({"verdict": "reject", "reason": ""}, "say why"),
        ({"reason": "x" * 4001}, "the text has 4001 characters"),
        ({"verdict": "reject", "reason_code": "whim"}, "there is no reason whim"),
    ):
        answer = browser.decides(token, **typed)
        assert answer.status_code == 422 and says in words_of(answer)
    assert sqlite_scene.used_at(token) is None and sqlite_scene.world.find(Decision) == [] and sqlite_scene.world.entries() == []
    assert browser.decides(token).status_code == 200


def test_a_form_without_the_pages_secret_decides_nothing(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    browser = sqlite_scene.signed_in(token)
    for csrf in (None, "", "another", "ünïcode"):
        answer = browser.decides(token, csrf=csrf)
        assert answer.status_code == 403 and "not sent from the page shown to you" in words_of(answer)
    assert sqlite_scene.world.find(Decision) == [] and sqlite_scene.used_at(token) is None


def test_a_form_sent_by_another_site_decides_nothing(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    browser = sqlite_scene.signed_in(token)
    for site in ("cross-site", "same-site", "none"):
        assert browser.decides(token, headers={"sec-fetch-site": site}).status_code == 403
    assert sqlite_scene.world.find(Decision) == []


def test_the_secret_of_one_links_form_does_not_serve_another(sqlite_scene):
    one, other = sqlite_scene.proposes("c-1"), sqlite_scene.proposes("c-2")
    first, second = sqlite_scene.link(one), sqlite_scene.link(other)
    browser = sqlite_scene.signed_in(first)
    csrf = browser.csrf()
    assert browser.opens(second).status_code == 200 and "Sign in with your company account" in browser.seen[-1].text
    browser.signs_in(second)
    assert browser.decides(second, csrf=csrf).status_code == 403
    assert browser.decides(first, csrf=csrf).status_code == 200, "signing in for the second leaves the first as it was"


def test_nobody_decides_without_having_signed_in(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    assert sqlite_scene.browser().decides(token, csrf="x").status_code == 401 and sqlite_scene.world.find(Decision) == []


def test_a_form_larger_than_any_reason_is_refused(sqlite_scene):
    proposal = sqlite_scene.proposes()
    token = sqlite_scene.link(proposal)
    browser = sqlite_scene.signed_in(token)
    assert browser.decides(token, reason="x" * 70_000).status_code == 413
    assert browser.decides(token, **{f"field{n}": "x" for n in range(30)}).status_code == 413
    assert sqlite_scene.world.find(Decision) == [] and sqlite_scene.used_at(token) is None


def test_a_delegate_says_on_whose_behalf_he_decides(scene):
    scene.world.delegate("p-ceo", "p-deputy")
    scene.world.delegate("p-chair", "p-deputy")
    proposal = scene.proposes()
    token = scene.link(proposal, "p-deputy")
    browser = scene.signed_in(token, "p-deputy")
    assert '<option value="p-chair">Chair</option>' in browser.seen[-1].text
    assert "You decided on behalf of p-chair" in words_of(browser.decides(token, on_behalf_of="p-chair"))
    assert scene.world.one(Decision).on_behalf_of == "p-chair"


def test_the_page_is_read_in_the_persons_own_language(sqlite_scene):
    chosen = {"person_id": "p-ceo", "language": "zh_CN", "locale": "", "time_zone": "", "calendar": ""}
    sqlite_scene.world.write(PersonPreference(**chosen, valid_from=LONG_AGO, valid_to=None, recorded_at=RECORDED))
    token = sqlite_scene.link(sqlite_scene.proposes())
    browser = sqlite_scene.signed_in(token)
    assert '<html lang="zh-CN">' in browser.seen[-1].text and "自担风险" in browser.seen[-1].text
    assert "Decision" not in words_of(browser.decides(token)) and '<html lang="zh-CN">' in browser.decides(token).text
