"""The path of one counter-offer in a real browser. The same path always runs through the stand-in's interface in test_in_sandbox.py."""

from __future__ import annotations

import shutil

import pytest

from credit_review.messages import card
from credit_review.messages.screen import SCREEN, height_of
from tests.messages.test_one_screen import KINDS, LANGUAGES, seen
from tests.slack.test_in_sandbox import desk, line, user, workspace

__all__ = ["desk", "line", "workspace"]

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the browser path was not looked at")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def as_(browser, desk, person, *, width=1100, height=1200):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{desk.sandbox.url}/?as={user(person)}&go={desk.channel(person)}")
    return page


def test_an_offer_is_made_routed_on_approved_by_another_and_applied(desk, browser):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    mine = as_(browser, desk, "p-controller")
    assert "not Slack" in mine.locator("body").inner_text()
    mine.get_by_text("50,000 EUR to 60,000 EUR (+20%, +10,000 EUR)").first.wait_for()
    mine.locator(f'[data-action-id="{card.COUNTER}"]').last.click()
    mine.locator('[data-block-id="amount"] input').fill("90000")
    mine.get_by_text("You become its maker. It goes to Manager: T1, 1 approval.").wait_for()
    mine.locator('[data-block-id="reason"] textarea').fill("Season orders.")
    mine.locator("[data-submit]").click()
    mine.get_by_text("so it awaits 1 approval of T1 from others").wait_for()
    desk.direct("p-manager")
    theirs = as_(browser, desk, "p-manager")
    theirs.get_by_text("50,000 EUR to 90,000 EUR (+80%, +40,000 EUR)").first.wait_for()
    theirs.locator(f'[data-action-id="{card.APPROVE}"]').last.click()
    theirs.get_by_text("Approved, waiting to be applied").wait_for()
    (offer,) = [p for p in desk.world.find(type(desk.world.proposal(proposal))) if p.supersedes_id == proposal]
    assert desk.world.apply(offer.proposal_id).state == "applied" and desk.world.in_force("c-1") == 90_000_00
    desk.office.pump.wake()
    theirs.get_by_text("Approved and applied").wait_for()
    assert theirs.locator(f'[data-action-id="{card.APPROVE}"]').count() == 0


def test_cards_fit_one_screen_of_a_phone_and_are_as_high_as_they_are_taken_to_be(desk, browser):
    proposals = [propose(desk.world) for propose in KINDS.values()]
    shown = [card.card(seen(desk.world, proposal, words)) for proposal in proposals for words in LANGUAGES]
    for message in shown:
        desk.office.client.chat_postMessage(channel=user("p-cfo"), text=message.text, blocks=list(message.blocks))
    page = as_(browser, desk, "p-cfo", width=390, height=844)
    page.locator(".message").nth(len(shown) - 1).wait_for()
    heights = page.locator(".message").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert len(heights) == len(shown) and max(heights) <= SCREEN, heights
    for high, message in zip(heights, shown, strict=True):
        assert 0.85 * height_of(message.blocks) <= high <= height_of(message.blocks) + 5, (high, message.text)
