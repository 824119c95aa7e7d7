"""Who may come in: the link's person alone, certain, with a second factor, just now; and what a provider does wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy.exc import DBAPIError

from credit_review.adapters.store.engine import WRITE_BUDGET
from credit_review.model.records import Decision, Proposal
from credit_review.model.states import Verdict
from credit_review.review import directory
from tests.review.decision_world import LONG_AGO, NOON, RECORDED, World, os_account, person
from tests.step_up.oidc_provider import free_port
from tests.step_up.step_up_world import words_of

AT = int(NOON.timestamp())


def comes_in(scene, token, **claims):
    """Whether company sign-in with these claims leads to the proposal; otherwise what the person is told."""
    scene.known_as("p-ceo", **claims)
    answer = scene.browser().signs_in(token)
    if answer.status_code == 200:
        assert "Type the limit you approve" in answer.text
        return ""
    assert "Harbour" not in answer.text and "c-1" not in answer.text
    return words_of(answer)


def test_the_provider_is_asked_for_a_fresh_sign_in_with_a_second_factor_and_pkce(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    assert comes_in(sqlite_scene, token) == ""
    (asked,) = sqlite_scene.provider.asked
    assert asked["response_type"] == "code" and asked["scope"] == "openid email" and asked["code_challenge_method"] == "S256"
    assert asked["prompt"] == "login" and asked["max_age"] == "900" and asked["acr_values"] == "mfa otp hwk fido"
    assert asked["redirect_uri"] == f"{sqlite_scene.url}/callback" and asked["state"] and asked["nonce"]


NOT_ENOUGH = [
    ({"email": "p-chair@example.com"}, "this link is for somebody else; you are signed in as Chair", "step_up.another_person"),
    ({"email": "stranger@example.com"}, "belongs to nobody active in our directory", "login.unknown"),
    ({"email": "p-ceo@example.com.evil.example"}, "belongs to nobody active", "login.unknown"),
    ({"email": "p-c\u212aeo@example.com"}, "belongs to nobody active", "login.unknown"),
    ({"email": ["p-ceo@example.com"]}, "the claim email is missing", "sign_in.no_claim"),
    ({"email": ""}, "the claim email is missing", "sign_in.no_claim"),
    ({"email_verified": False}, "has not verified your e-mail address", "sign_in.unverified"),
    ({"email_verified": "true"}, "has not verified your e-mail address", "sign_in.unverified"),
    ({"amr": ["pwd"]}, "without a second factor", "sign_in.one_factor"),
    ({"amr": "mfa"}, "did not succeed", None),
    ({"amr": [["mfa"], None]}, "without a second factor", "sign_in.one_factor"),
    ({"amr": [], "acr": "mfa-not-quite"}, "without a second factor", "sign_in.one_factor"),
    ({"auth_time": AT - 15 * 60 - 1}, "too long ago", "sign_in.old"),
    ({"auth_time": AT + 3600}, "too long ago", "sign_in.old"),
    ({"auth_time": True}, "does not say when", "sign_in.no_time"),
    ({"nonce": "another"}, "did not succeed", None),
    ({"iss": "https://other.example"}, "did not succeed", None),
    ({"aud": "another-client"}, "did not succeed", None),
    ({"aud": ["another-client"], "azp": "credit-review"}, "did not succeed", None),
    ({"exp": AT - 61}, "did not succeed", None),
    ({"iat": AT + 600}, "did not succeed", None),
]


def test_who_is_not_the_person_for_certain_sees_nothing_and_is_on_record(sqlite_scene):
    proposal, recorded = sqlite_scene.proposes(), []
    for claims, says, code in NOT_ENOUGH:
        token = sqlite_scene.link(proposal)
        assert says in comes_in(sqlite_scene, token, **claims), claims
        recorded += [code] if code else []
        assert sqlite_scene.used_at(token) is None
    refused = sqlite_scene.world.entries("login.refused")
    assert [entry["data"]["code"] for entry in refused] == recorded
    assert "@" not in str(refused), "an account stands in the log as a digest"
    assert comes_in(sqlite_scene, token) == "", "and the person himself still comes in"


def test_what_is_enough_comes_in(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    for claims in (
        {"email": "P-CEO@Example.COM"}, {"amr": ["hwk"]}, {"amr": [], "acr": "mfa"}, {"auth_time": AT - 15 * 60}, {"exp": AT + 1},
    ):  # fmt: skip
        assert comes_in(sqlite_scene, token, **claims) == "", claims


def test_claims_that_are_missing_are_never_taken_for_granted(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    for name, says in (
        ("email", "the claim email is missing"), ("email_verified", "has not verified"), ("amr", "without a second factor"),
        ("auth_time", "does not say when"), ("nonce", "did not succeed"), ("exp", "did not succeed"), ("aud", "did not succeed"),
        ("iss", "did not succeed"), ("id_token", "did not succeed"),
    ):  # fmt: skip
        sqlite_scene.provider.without = {name}
        assert says in comes_in(sqlite_scene, token), name


def test_tokens_signed_by_others_or_by_nobody_are_refused(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    for signing in ("stranger", "none"):
        sqlite_scene.provider.signing = signing
        assert "did not succeed" in comes_in(sqlite_scene, token), signing


def test_a_refused_person_is_recorded_once_however_often_he_tries(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    for _ in range(3):
        assert "somebody else" in comes_in(sqlite_scene, token, email="p-chair@example.com")
    assert len(sqlite_scene.world.entries("login.refused")) == 1


def test_an_address_of_two_people_names_neither(sqlite_scene):
    twin = person("p-twin")
    sqlite_scene.world.write(type(twin)(**{**{f: getattr(twin, f) for f in twin.__slots__}, "email": "p-ceo@example.com"}))
    assert "belongs to several people" in comes_in(sqlite_scene, sqlite_scene.link(sqlite_scene.proposes()))


def test_another_claim_names_the_person_by_an_account_of_kind_sso(open_page, store):
    scene = open_page(store, claim="sub")
    token = scene.link(scene.proposes())
    assert "belongs to nobody" in comes_in(scene, token, sub="00u1")
    scene.world.write(os_account("00u1", "p-ceo", kind="sso"), os_account("00u2", "p-chair", kind="sso"))
    assert "somebody else" in comes_in(scene, token, sub="00u2")
    assert "belongs to nobody" in comes_in(scene, token, sub="00U1")
    scene.known_as("p-chair", sub="00u1")
    browser = scene.browser()
    browser.signs_in(token)
    assert browser.decides(token).status_code == 200 and scene.world.one(Decision).approver_id == "p-ceo"


def test_an_sso_account_is_given_like_any_other_and_never_changed(store):
    World(store)
    account = os_account("00u9", "p-chair", kind="sso")
    with store.begin() as uow:
        directory.set_account(uow, account, by="p-analyst")
        uow.commit()
    with store.read() as uow:
        assert directory.person_for(uow, "sso", "00u9", on=LONG_AGO, known_at=RECORDED).person_id == "p-chair"
    writing = store.engine.connect().execution_options(**{WRITE_BUDGET: 5.0})
    with writing as connection, pytest.raises(DBAPIError, match="insert_only"):
        connection.exec_driver_sql("UPDATE person_account SET person_id = 'p-ceo'")


def test_other_names_of_a_second_factor_are_asked_for_as_the_settings_say(open_page, sqlite_store):
    scene = open_page(sqlite_store, second_factor=("urn:loa:2",), acr_values=())
    token = scene.link(scene.proposes())
    assert "without a second factor" in comes_in(scene, token)
    assert comes_in(scene, token, acr="urn:loa:2") == "" and "acr_values" not in scene.provider.asked[-1]


def test_a_provider_that_takes_the_secret_in_the_form_is_served(sqlite_scene):
    sqlite_scene.provider.methods = ["client_secret_post"]
    assert comes_in(sqlite_scene, sqlite_scene.link(sqlite_scene.proposes())) == ""


def test_a_wrong_missing_or_foreign_state_is_told_in_words(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    sqlite_scene.known_as("p-ceo")
    for state in ("another", "", None):
        browser = sqlite_scene.browser()
        given = parse_qs(urlsplit(browser.leaves_for_sign_in(token)).query)
        sent = {"code": given["code"][0]} | ({} if state is None else {"state": state})
        answer = browser.get(f"/callback?{urlencode(sent)}")
        assert answer.status_code == 403 and "did not succeed" in words_of(answer)
    back = sqlite_scene.browser().leaves_for_sign_in(token)
    assert sqlite_scene.browser().get(back).status_code == 403, "the answer to another browser's question"
    assert sqlite_scene.browser().get("/callback").status_code == 403


def test_of_two_sign_ins_on_their_way_the_newest_counts_and_the_other_starts_again(sqlite_scene):
    first, second = (sqlite_scene.link(sqlite_scene.proposes(customer)) for customer in ("c-1", "c-2"))
    sqlite_scene.known_as("p-ceo")
    browser = sqlite_scene.browser()
    back_first, back_second = browser.leaves_for_sign_in(first), browser.leaves_for_sign_in(second)
    assert browser.get(back_first).status_code == 403
    assert browser.get(back_second).headers["location"] == f"/d/{second}"
    assert browser.signs_in(first).status_code == 200 and browser.opens(second).status_code == 200


def test_a_code_serves_once(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    sqlite_scene.known_as("p-ceo")
    browser = sqlite_scene.browser()
    back = browser.leaves_for_sign_in(token)
    cookies = dict(browser.client.cookies)
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 403, "the state was used"
    thief = sqlite_scene.browser()
    thief.client.cookies.update(cookies)
    assert thief.get(back).status_code == 403, "the provider takes a code once, whatever a copied cookie says"
    assert "Sign in with your company account" in thief.opens(token).text


def test_a_code_stolen_on_its_way_is_useless_without_its_browser(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    sqlite_scene.known_as("p-ceo")
    stolen = parse_qs(urlsplit(sqlite_scene.browser().leaves_for_sign_in(token)).query)["code"][0]
    thief = sqlite_scene.browser()
    state = parse_qs(urlsplit(thief.leaves_for_sign_in(token)).query)["state"][0]
    answer = thief.get(f"/callback?{urlencode({'code': stolen, 'state': state})}")
    assert answer.status_code == 403, "its verifier is another's"


def test_what_the_provider_says_of_an_error_is_not_repeated(sqlite_scene):
    sqlite_scene.provider.error = "access_denied"
    answer = sqlite_scene.browser().signs_in(sqlite_scene.link(sqlite_scene.proposes()))
    assert answer.status_code == 403 and "was refused or cancelled" in words_of(answer) and "<b>no" not in answer.text
    assert re.search(r'href="/d/[\w-]+/sign-in"', answer.text), "with a way to try again"


def test_a_provider_that_breaks_or_calls_itself_otherwise_is_told_in_words(sqlite_scene):
    token, provider = sqlite_scene.link(sqlite_scene.proposes()), sqlite_scene.provider
    provider.token_status = 500
    assert "does not answer just now" in comes_in(sqlite_scene, token)
    provider.token_status, provider.says_issuer = 200, "https://other.example"
    sqlite_scene.clock.advance(timedelta(hours=1))
    late = sqlite_scene.link(sqlite_scene.world.find(Proposal)[0].proposal_id, now=sqlite_scene.clock.now())
    answer = sqlite_scene.browser().get(f"/d/{late}/sign-in")
    assert answer.status_code == 503 and "calls itself otherwise" in words_of(answer), "asked again after an hour"
    provider.says_issuer = provider.url
    assert comes_in(sqlite_scene, late) == "", "and again at once when it was wrong"


def test_a_provider_that_is_not_there_is_told_in_words(open_page, sqlite_store):
    scene = open_page(sqlite_store, issuer=f"http://127.0.0.1:{free_port()}")
    answer = scene.browser().get(f"/d/{scene.link(scene.proposes())}/sign-in")
    assert answer.status_code == 503 and "does not answer just now" in words_of(answer)


def test_a_person_deactivated_after_signing_in_decides_nothing(scene):
    proposal = scene.proposes()
    token = scene.link(proposal)
    browser = scene.signed_in(token)
    scene.world.deactivate("p-ceo")
    assert browser.opens(token).status_code == 403
    answer = browser.decides(token)
    assert answer.status_code == 403 and "nobody active in our directory" in words_of(answer)
    assert scene.world.find(Decision) == [] and [e["data"]["code"] for e in scene.world.entries("login.refused")] == ["login.unknown"]


def test_a_decision_takes_the_tier_at_that_moment_and_a_refusal_is_on_record_and_uses_the_link(scene):
    proposal = scene.proposes()
    token = scene.link(proposal, "p-cfo")
    browser = scene.signed_in(token, "p-cfo")
    page = browser.seen[-1]
    assert "you lack T4 (Board)" in words_of(page) and "<form" not in page.text
    signed_in = browser.client.cookies
    assert signed_in and scene.world.find(Decision) == []
    other = scene.link(proposal)
    ceo = scene.signed_in(other)
    scene.world.decide("p-chair", proposal, Verdict.REJECT)
    answer = ceo.decides(other)
    assert answer.status_code == 403 and "Not done: the proposal is rejected and awaits no decision" in words_of(answer)
    (entry,) = scene.world.entries("decision.refused")
    assert (entry["data"]["code"], entry["data"]["channel"], entry["actor"]) == ("not_pending", "web", "person:p-ceo")
    assert scene.used_at(other) is not None
    assert "Answered before" in words_of(ceo.decides(other)) and len(scene.world.entries("decision.refused")) == 1
