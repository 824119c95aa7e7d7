"""Slack does not answer while it is to show a form or a Home: one plain line in the log, and nothing is lost."""

from __future__ import annotations

import logging

import pytest

from credit_review.messages import card, home
from credit_review.model.records import Decision
from tests.slack.test_in_sandbox import desk, line, text, workspace

__all__ = ["desk", "line", "workspace"]


def warned(caplog):
    """Lines of the listener above INFO, none of which may be a traceback."""
    ours = [r for r in caplog.records if r.name.startswith("credit_review") and r.levelno >= logging.WARNING]
    assert not [r for r in ours if r.exc_info or r.exc_text or "Traceback" in r.getMessage()], caplog.text
    return [r.getMessage() for r in ours]


def click(desk, message, action):
    desk.as_("p-controller").click(desk.channel("p-controller"), message["ts"], action)


def test_who_clicks_is_told_that_the_form_did_not_open_and_opens_it_with_the_next_click(desk, caplog, monkeypatch):
    proposal = desk.propose()
    desk.put_before(proposal)
    message = desk.card("p-controller", proposal)
    desk.as_("p-controller").open_home()  # from then on bolt knows its own account
    desk.sandbox.until(lambda: desk.as_("p-controller").home())
    caplog.set_level(logging.INFO)
    with monkeypatch.context() as patch:
        patch.setattr(desk.office.client, "base_url", "http://127.0.0.1:9/api/")
        click(desk, message, card.REJECT)
        desk.told("p-controller", "Slack could not show this just now")
    assert warned(caplog) == [] and desk.world.find(Decision) == []
    click(desk, message, card.REJECT)
    assert "reason" in text(desk.modal("p-controller")) and desk.world.entries("decision.refused") == []


@pytest.mark.parametrize("action", [home.PREFER, home.DECLARE])
def test_a_home_that_cannot_be_drawn_is_one_line_and_is_drawn_when_it_is_opened_next(desk, caplog, action):
    caplog.set_level(logging.INFO)
    desk.sandbox.fail("views.publish", error="fatal_error")
    desk.as_("p-controller").open_home()
    desk.eventually(lambda: warned(caplog))
    assert warned(caplog) == ["an App Home could not be drawn (fatal_error); it is drawn when it is opened next"]
    desk.as_("p-controller").open_home()
    seen = desk.sandbox.until(lambda: desk.as_("p-controller").home())
    desk.sandbox.fail("views.open", status=500)
    desk.as_("p-controller").change(seen["id"], action)
    desk.told("p-controller", "click again in a moment")
    assert len(warned(caplog)) == 1


def test_what_was_decided_stands_although_the_home_after_it_cannot_be_drawn(desk, caplog):
    desk.as_("p-controller").open_home()
    seen = desk.sandbox.until(lambda: desk.as_("p-controller").home())
    desk.as_("p-controller").change(seen["id"], home.PREFER)
    desk.modal("p-controller")
    desk.sandbox.fail("views.publish", error="fatal_error")
    assert desk.submit("p-controller", language="zh_CN")["accepted"]
    desk.eventually(lambda: warned(caplog))
    assert len(desk.world.entries("preference.changed")) == 1 and len(warned(caplog)) == 1
