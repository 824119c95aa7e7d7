"""What others could try: names that are markup, framing, planted cookies, logs, packets that change, a page half set up."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

import pytest
from itsdangerous import TimestampSigner

from credit_review import audit
from credit_review.errors import BadInput
from credit_review.model.records import Decision, Proposal
from deployments.step_up import serving
from tests.review.decision_world import NOON, digest_of
from tests.step_up.oidc_provider import CLIENT_SECRET
from tests.step_up.step_up_world import SESSION_KEY, services_for, words_of

EVIL = "</title><script>alert(1)</script>\" onmouseover='x' {{ 7919*7907 }} \u202egpj.exe"


def test_text_that_others_wrote_never_becomes_markup(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes(name=EVIL))
    browser = sqlite_scene.signed_in(token)
    for answer in (browser.seen[-1], browser.decides(token, reason=EVIL, amount=EVIL)):
        assert "<script" not in answer.text and "onmouseover='x'" not in answer.text and "62615533" not in answer.text
        assert "&lt;script&gt;" in answer.text and "\u202e" not in re.sub(r"<textarea.*?</textarea>", "", answer.text, flags=re.S)
        assert "cap &lt;b&gt;x&lt;/b&gt;" in answer.text


def test_every_answer_carries_the_headers_and_the_style_is_the_only_thing_allowed(served_scene):
    proposal = served_scene.proposes()
    token = served_scene.link(proposal)
    browser = served_scene.signed_in(token)
    answers = [*browser.seen, browser.decides(token, csrf="x"), browser.decides(token), browser.opens(token), browser.get("/nowhere")]
    ours = [answer for answer in answers if str(answer.url).startswith(served_scene.url)]
    assert {answer.status_code for answer in ours} == {200, 302, 303, 403, 404, 410}
    for answer in ours:
        policy = answer.headers["content-security-policy"]
        assert re.fullmatch(
            r"default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", policy
        )
        assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff" and "server" not in answer.headers
        assert "style=" not in answer.text and "<link" not in answer.text and "src=" not in answer.text


def test_the_style_has_the_digest_that_the_policy_allows(sqlite_scene):
    answer = sqlite_scene.browser().opens("x")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.S).group(1)
    assert b64encode(sha256(style.encode()).digest()).decode() in answer.headers["content-security-policy"]


def test_cookies_are_short_lived_and_out_of_reach_of_scripts_and_other_sites(sqlite_scene, open_page, sqlite_store, page_secrets):
    token = sqlite_scene.link(sqlite_scene.proposes())
    cookies = [c for answer in sqlite_scene.signed_in(token).seen for c in answer.headers.get_list("set-cookie")]
    assert cookies
    for cookie in cookies:
        assert "httponly" in cookie and "samesite=lax" in cookie and "Max-Age=900" in cookie
    services = services_for(sqlite_store, sqlite_scene.clock, url="https://approve.example", issuer=sqlite_scene.provider.url)
    session = next(m for m in serving.app_of(services).user_middleware if "session_cookie" in m.kwargs)
    assert session.kwargs["https_only"] is True and session.kwargs["session_cookie"] == "__Host-credit-review"


def test_a_cookie_that_is_not_ours_signs_nobody_in(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    browser = sqlite_scene.signed_in(token)
    name, value = next(iter(browser.client.cookies.items()))
    payload = value.split(".")[0]
    for planted in (TimestampSigner("another key").sign(payload).decode(), value[:-2] + "xx", payload, "null", "a.b.c"):
        stranger = sqlite_scene.browser()
        stranger.client.cookies.set(name, planted)
        assert "Sign in with your company account" in stranger.opens(token).text


def test_a_sign_in_lasts_a_quarter_of_an_hour(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    browser = sqlite_scene.signed_in(token)
    sqlite_scene.clock.advance(timedelta(minutes=15, seconds=1))
    assert "Sign in with your company account" in browser.opens(token).text
    answer = browser.decides(token)
    assert answer.status_code == 401 and "your sign-in is over" in words_of(answer) and sqlite_scene.world.find(Decision) == []


def test_a_link_that_ends_while_the_page_is_read_decides_nothing(scene):
    token = scene.link(scene.proposes(), now=NOON - timedelta(minutes=20))
    browser = scene.signed_in(token)
    scene.clock.advance(timedelta(minutes=10))
    answer = browser.decides(token)
    assert answer.status_code == 410 and "expired" in words_of(answer)
    assert scene.world.find(Decision) == [] and scene.used_at(token) is None


def test_a_packet_that_changed_after_the_link_was_made_is_not_decided(scene):
    proposal = scene.proposes()
    token = scene.link(proposal)
    browser = scene.signed_in(token)
    other = audit.canonical({"changed": True, "to_minor": 4_000_000_00, **_unchanged(scene, proposal)})
    with scene.world.store.begin() as uow:
        uow.change(Proposal, where={"proposal_id": proposal}, to={"packet_json": other, "digest": digest_of(other)})
        uow.commit()
    page = browser.opens(token)
    assert "the proposal changed after this card was shown" in words_of(page) and "<form" not in page.text
    answer = browser.decides(token)
    assert answer.status_code == 403 and "the proposal changed after this card was shown" in words_of(answer)
    assert scene.world.find(Decision) == [] and scene.world.entries("decision.refused")[0]["data"]["code"] == "stale"


def _unchanged(scene, proposal):
    return {name: value for name, value in json.loads(scene.world.proposal(proposal).packet_json).items() if name != "to_minor"}


def test_a_store_that_does_not_answer_decides_nothing_and_is_told_in_words(sqlite_scene):
    token = sqlite_scene.link(sqlite_scene.proposes())
    browser = sqlite_scene.signed_in(token)
    with sqlite_scene.world.store.begin():
        answer = browser.decides(token)
    assert answer.status_code == 503 and "nothing was decided" in words_of(answer)
    assert sqlite_scene.used_at(token) is None and browser.decides(token).status_code == 200


def test_tokens_codes_and_secrets_never_stand_in_a_log(served_scene, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        proposal = served_scene.proposes()
        token = served_scene.link(proposal)
        browser = served_scene.signed_in(token)
        csrf, cookie = browser.csrf(), next(iter(browser.client.cookies.values()))
        browser.decides(token, csrf="wrong")
        served_scene.provider.signing = "stranger"
        served_scene.browser().signs_in(served_scene.link(proposal, "p-chair"))
        browser.decides(token)
    logged = caplog.text + "".join(capfd.readouterr())
    ours = "\n".join(line for line in logged.splitlines() if "urllib3" not in line)
    assert "company sign-in failed" in ours, "what is logged is read here"
    for secret in (token, csrf, cookie, CLIENT_SECRET, SESSION_KEY, "@example.com", *served_scene.provider.given):
        assert secret not in ours, secret[:4]


def test_a_page_below_a_folder_of_its_host_works_the_same(open_page, sqlite_store):
    scene = open_page(sqlite_store, folder="/approve")
    token = scene.link(scene.proposes())
    assert scene.signed_in(token).decides(token).status_code == 200
    assert scene.browser().get(f"{scene.url.removesuffix('/approve')}/d/{token}").status_code == 404


def test_the_page_does_not_start_half_set_up_and_says_what_is_missing(sqlite_store, clock, monkeypatch):
    for name in ("OIDC_CLIENT_SECRET", "STEP_UP_KEY"):
        monkeypatch.delenv(f"CREDIT_REVIEW_{name}", raising=False)
    nothing = services_for(sqlite_store, clock, client_id="", second_factor=())
    with pytest.raises(BadInput) as told:
        serving.serve(nothing)
    for part in ("step_up.url", "step_up.issuer", "step_up.client_id", "step_up.second_factor", "OIDC_CLIENT_SECRET", "STEP_UP_KEY"):
        assert part in told.value.what
    monkeypatch.setenv("CREDIT_REVIEW_OIDC_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("CREDIT_REVIEW_STEP_UP_KEY", "short")
    good = {"url": "https://approve.example", "issuer": "https://login.example"}
    with pytest.raises(BadInput, match="STEP_UP_KEY is too short"):
        serving.serve(services_for(sqlite_store, clock, **good))
    for name in good:
        with pytest.raises(BadInput, match=f"step_up.{name} http://x.example is not safe"):
            serving.serve(services_for(sqlite_store, clock, **{**good, name: "http://x.example"}))
