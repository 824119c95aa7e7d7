"""`slack sandbox`: from the card of the highest tier over the single-use link and a played sign-in to the limit that holds."""

from __future__ import annotations

import re
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from credit_review.messages import card
from credit_review.model.records import CreditLimit, Decision, PersonAccount, Proposal, StepUpLink
from credit_review.review import turns
from deployments.cli import rehearsal, working
from deployments.slack_sandbox.guard import LOOPBACK
from tests.slack.test_browser import browser
from tests.slack.test_in_sandbox import text

__all__ = ["browser"]

AMOUNT = "9000000"


@pytest.fixture
def running(office, monkeypatch):
    """A rehearsal in which the manager has offered so much that only the board may approve it."""
    monkeypatch.setattr(turns, "SECONDS_A_MESSAGE", 0.0)  # by a clock that stands still nobody's turn would come
    with rehearsal.rehearsing(office.config) as started:
        asked = next(p for p in office.find(Proposal, state="pending") if p.tier == "T1" and p.currency == "EUR")
        offer = working.Counter(amount=AMOUNT)
        working.decide(started.opened, ("demo", "p-manager"), asked.proposal_id, "counter", offer, working.Why(reason="A project."))
        (offer,) = office.find(Proposal, supersedes_id=asked.proposal_id)
        assert (offer.state, offer.tier) == ("pending", "T4")
        yield started, offer


def shown(started, person, look):
    """The newest direct message of a person that a test looks for."""
    sees = started.sandbox.person(rehearsal.user_of(person))
    return started.sandbox.until(lambda: next((m for m in reversed(sees.direct()) if look(m)), None), seconds=30)


def link_of(started, person, offer):
    """The address behind the button that the person gets for the card."""
    sees = started.sandbox.person(rehearsal.user_of(person))
    message = shown(started, person, lambda m: offer.proposal_id in text(m) and card.APPROVE_OUTSIDE in text(m))
    channel = next(c["id"] for c in sees.all()["channels"] if c["kind"] == "im")
    sees.click(channel, message["ts"], card.APPROVE_OUTSIDE)
    answer = shown(started, person, lambda m: m["only_you"])
    (address,) = [e["url"] for b in answer["blocks"] if b["type"] == "actions" for e in b["elements"]]
    return address


@contextmanager
def visitor():
    with httpx.Client(timeout=20, trust_env=False, follow_redirects=True) as client:
        yield client


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]+)"', page.text)[1]


def signs_in(client, link, person, *, way="otp", number=""):
    """The page after a sign-in: who one is, then the number that stands beside it."""
    who = client.get(f"{link}/sign-in")
    assert "not a real sign-in" in who.text and "No password is asked" in who.text
    where = f"http://{urlsplit(str(who.url)).netloc}/sign-in"
    second = client.post(f"{where}/person", data={"ticket": hidden(who, "ticket"), "person": person})
    typed = number or re.search(r'id="number">(\d{6})<', second.text)[1]
    return client.post(f"{where}/factor", data={"ticket": hidden(second, "ticket"), "typed": typed, "way": way})


def approves(started, person, offer):
    link = link_of(started, person, offer)
    with visitor() as client:
        page = signs_in(client, link, person)
        assert page.status_code == 200 and "9,000,000" in page.text, page.text
        fields = {"csrf": hidden(page, "csrf"), "verdict": "approve", "amount": AMOUNT, "reason": "Within appetite."}
        done = client.post(f"{link}/decide", data=fields)
        assert done.status_code == 200, done.text
        assert client.get(link).status_code == 410, "a link is good once"


def test_the_board_approves_outside_and_what_it_approved_is_applied(office, running):
    started, offer = running
    for person in ("p-ceo", "p-chair"):
        approves(started, person, offer)
    shown(started, "p-chair", lambda m: offer.proposal_id in text(m) and "Approved, waiting to be applied" in text(m))
    given = office.find(Decision, proposal_id=offer.proposal_id)
    assert {(d.approver_id, d.channel, d.assurance) for d in given} == {("p-ceo", "web", "signed_in"), ("p-chair", "web", "signed_in")}
    office.run("apply").fine()
    assert office.one(CreditLimit, account_id=offer.account_id).amount_minor == 9_000_000_00
    shown(started, "p-ceo", lambda m: offer.proposal_id in text(m) and "Approved and applied" in text(m))


def test_without_the_second_factor_or_as_somebody_else_nobody_decides(office, running):
    started, offer = running
    link = link_of(started, "p-ceo", offer)
    with visitor() as client:
        assert "That is not the number" in signs_in(client, link, "p-ceo", number="x").text
        alone, another = signs_in(client, link, "p-ceo", way="pwd"), signs_in(client, link, "p-chair")
    assert alone.status_code == another.status_code == 403
    assert "without a second factor" in alone.text and "this link is for somebody else" in another.text
    assert office.find(Decision, proposal_id=offer.proposal_id) == [] and [one.used_at for one in office.find(StepUpLink)] == [None]


def test_the_stand_in_is_for_this_machine_alone_and_names_its_people_as_no_provider_would(office, running):
    started, offer = running
    link = link_of(started, "p-ceo", offer)
    assert urlsplit(link).hostname in LOOPBACK
    accounts = office.find(PersonAccount, kind="sso")
    assert accounts and all(a.account == f"rehearsal:{a.person_id}" for a in accounts)
    good = {"client_id": "credit-review", "code_challenge_method": "S256", "code_challenge": "c", "state": "s", "nonce": "n"}
    with visitor() as client:
        there = f"{started.sandbox.url}/sign-in"
        for back in ("https://evil.example/callback", "http://evil.example/callback", "javascript:alert(1)"):
            assert client.get(f"{there}/authorize", params={**good, "redirect_uri": back}).status_code == 400
        assert client.get(f"{there}/authorize", params=good, headers={"host": "evil.example"}).status_code == 403
        assert client.post(f"{there}/person", data={"ticket": "x", "person": "p-ceo"}).status_code == 400
        assert client.post(f"{there}/token", data={"code": "x", "code_verifier": "y"}).status_code == 400


def test_why_says_what_the_card_left_out_and_shows_the_picture(running):
    started, offer = running
    message = shown(started, "p-ceo", lambda m: offer.proposal_id in text(m) and card.WHY in text(m))
    sees = started.sandbox.person(rehearsal.user_of("p-ceo"))
    sees.click(next(c["id"] for c in sees.all()["channels"] if c["kind"] == "im"), message["ts"], card.WHY)
    seen = started.sandbox.until(lambda: (m := sees.modal()) and "How need and caps were computed" in text(m) and m, seconds=30)
    (picture,) = [b for b in seen["blocks"] if b["type"] == "image"]
    assert started.sandbox.http.get(f"/sandbox/files/{picture['slack_file']['id']}").content.startswith(b"\x89PNG")
    for part in ("The card in full", "Points of the score", "Dates of the data", "Policy", offer.digest):
        assert part in text(seen), part


def test_the_same_path_in_a_browser(office, running, browser):
    started, _ = running
    for person in ("p-ceo", "p-chair"):
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        page.goto(f"{started.sandbox.url}/?as={rehearsal.user_of(person)}")
        page.locator("nav button", has_text="credit-review").click()
        page.locator(f'[data-action-id="{card.APPROVE_OUTSIDE}"]').last.click()
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Open the page").last.click()
        outside = opened.value
        outside.get_by_role("link").first.click()
        assert "not a real sign-in" in outside.locator("body").inner_text()
        outside.locator(f'button[value="{person}"]').click()
        outside.locator("#typed").fill(outside.locator("#number").inner_text())
        outside.locator('button[value="otp"]').click()
        outside.locator('[name="amount"]').first.fill(AMOUNT)
        outside.locator('[name="reason"]').first.fill("Within appetite.")
        outside.locator('button[value="approve"]').click()
        outside.get_by_text("Your approval counts" if person == "p-ceo" else "Approved (2 of 2)").wait_for()
    office.run("apply").fine()
    page.get_by_text("Approved and applied").first.wait_for()
