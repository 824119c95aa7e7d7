"""A channel that the notary's own app posts checkpoints into: shown once, read again, and never enough alone."""

from __future__ import annotations

import pytest

from credit_review.adapters.anchors.slack import SlackAnchor
from credit_review.adapters.settings import SlackAnchorSettings
from credit_review.errors import Unavailable
from tests.sandbox.sandbox_office import CHANNEL

NOTE = "company.example/credit-audit/1\n3\nroot\n\n— company.example/credit-audit/1 x\n"


@pytest.fixture
def anchor(sandbox, monkeypatch):
    monkeypatch.setenv("CREDIT_REVIEW_NOTARY_SLACK_TOKEN", "xoxb-sandbox")
    told = {"kind": "slack", "name": "channel", "administrator": "workspace owner", "channel": CHANNEL, "api_url": sandbox.api_url}
    return SlackAnchor.from_settings(SlackAnchorSettings(**told))


def test_a_checkpoint_is_posted_once_and_read_again_as_it_was(anchor, web):
    for _ in range(2):
        anchor.keep("0001-0000000000000003", NOTE)
    anchor.keep("0001-0000000000000004", NOTE.replace("\n3\n", "\n4\n"))
    assert sorted(anchor.held()) == sorted([NOTE, NOTE.replace("\n3\n", "\n4\n")]) and anchor.weak
    assert len(web.conversations_history(channel=CHANNEL)["messages"]) == 2


def test_a_channel_that_refuses_is_said(sandbox, anchor):
    anchor._channel = "C0NOWHERE"
    with pytest.raises(Unavailable, match="anchor channel cannot be reached"):
        anchor.keep("0001-0000000000000003", NOTE)
