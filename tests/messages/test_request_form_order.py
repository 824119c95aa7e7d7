"""Sales names the order at stake in Slack's form, and it reaches the request."""

from __future__ import annotations

from datetime import date

from credit_review.messages import requests
from credit_review.words import Words
from deployments.slack_listener import stating


def test_the_form_asks_for_reason_and_order_at_stake_and_both_reach_the_request():
    shown = {block["block_id"]: block for block in requests.request_form(Words())["blocks"]}
    assert shown[requests.ORDER]["optional"] and not shown[requests.REASON].get("optional")
    values = {requests.ORDER: " 250,000 ", requests.REASON: "season", requests.CUSTOMER: "c-1", requests.AMOUNT: "60000"}
    view = {"state": {"values": {name: {"input": {"value": text}} for name, text in values.items()}}}
    asked = stating._asked_in(view, "p-1", date(2026, 10, 1))
    assert (asked["order"], asked["reason"], asked["until"]) == ("250,000", "season", None)
