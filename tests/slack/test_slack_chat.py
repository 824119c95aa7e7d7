"""The adapter against a Slack that counts: how fast it posts, to whom it posts at all, and what it makes of each refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from credit_review.adapters.slack_chat import LOOKED_AT_AGAIN_AFTER, SlackChat, web_client
from credit_review.errors import BadInput, CreditReviewError, Unavailable
from credit_review.review.outbox import owe_messages, owe_updates
from credit_review.review.relay import Outside, relay
from credit_review.review.showing import Card
from deployments.slack_sandbox.core import Settings
from deployments.slack_sandbox.server import running
from deployments.slack_sandbox.state import Channel, Person

PEOPLE = (
    Person("UANNA", "anna", "Anna"),
    Person("UGUEST", "guest", "Guest", is_restricted=True),
    Person("USINGLE", "single", "Guest of one channel", is_ultra_restricted=True),
    Person("UGONE", "gone", "Gone", deleted=True),
    Person("UBOT", "bot", "A Bot", is_bot=True),
    Person("USTRANGER", "stranger", "Of another company", is_stranger=True),
)
ANNA = "T1|UANNA"


class Ticking:
    """A clock that moves when somebody waits, read by the adapter and by the sandbox alike."""

    def __init__(self):
        self.now, self.waited = 1_790_000_000.0, []

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waited.append(seconds)
        self.now += seconds


@pytest.fixture(scope="module")
def served():
    clock = Ticking()
    channels = (Channel("GOURS", "ours", is_private=True, members={"U0CREDITBOT", "UANNA"}),)
    with running(Settings(people=PEOPLE, channels=channels, clock=clock), retry_delays=()) as sandbox:
        yield SimpleNamespace(sandbox=sandbox, clock=clock)


@pytest.fixture
def slack(served):
    served.sandbox.reset()
    served.clock.waited.clear()
    client = web_client("xoxb-sandbox", served.sandbox.api_url)
    chat = SlackChat(client, clock=served.clock)
    return SimpleNamespace(chat=chat, sandbox=served.sandbox, clock=served.clock, client=client)


def post(slack, place, key="k", text="x", **more):
    return slack.chat.post(channel=place, text=text, blocks=[], dedup_key=key, **more)


def posted(slack):
    return len(slack.sandbox.calls("chat.postMessage"))


# --- how fast -----------------------------------------------------------------------------------------------------------------------


class Shared:
    """The sandbox's clock as the relays read it."""

    def __init__(self, ticking):
        self._ticking = ticking

    def now(self):
        return datetime.fromtimestamp(self._ticking.now, UTC)

    def wait(self, seconds):
        self._ticking.wait(seconds)


def test_several_processes_together_send_a_channel_a_message_a_second_so_that_slack_never_has_to_say_no(slack, store):
    slack.sandbox.limit_rate()
    clock = Shared(slack.clock)
    card = Card("x", (), "")
    each = [Outside(chat=SlackChat(web_client("xoxb-sandbox", slack.sandbox.api_url)), render=lambda *_: card) for _ in range(3)]
    with store.begin() as uow:
        owe_messages(uow, [(f"summary:r-{n}", "GOURS") for n in range(9)], clock.now() - timedelta(seconds=1))
        uow.commit()
    relays = [relay(store, each[n % 3], clock, worker=f"w-{n % 3}") for n in range(3)]
    with store.begin() as uow:
        owe_updates(uow, ["summary:r-8"], clock.now())
        uow.commit()
    relays.append(relay(store, each[1], clock, worker="w-1"))  # began later, and knows of the others' messages by the record alone
    assert posted(slack) == 9 and len(slack.sandbox.calls("chat.update")) == 1
    assert [len(one.confirmed) for one in relays] == [9, 0, 0, 1] and not any(one.delayed for one in relays)
    assert slack.clock.waited == [1.0] * 9


def test_what_slack_asks_to_wait_is_passed_on(slack):
    slack.sandbox.fail("chat.postMessage", status=429, retry_after=30)
    with pytest.raises(Unavailable) as error:
        post(slack, "GOURS")
    assert error.value.retry_after_seconds == 30


def test_a_direct_conversation_is_asked_for_once(slack):
    for n in range(3):
        post(slack, slack.chat.place(ANNA), f"k{n}")
        slack.clock.now += LOOKED_AT_AGAIN_AFTER + 1
    assert len(slack.sandbox.calls("conversations.open")) == 1
    assert len(slack.sandbox.calls("users.info")) == 3


# --- to whom ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "why"),
    [
        ("T1|UGUEST", "guest"),
        ("T1|USINGLE", "guest"),
        ("T1|UGONE", "deactivated"),
        ("T1|UBOT", "bot"),
        ("T1|USTRANGER", "another workspace"),
        ("T2|UANNA", "another workspace"),
        ("T1|UNOBODY", "user_not_found"),
    ],
)
def test_nobody_but_full_members_of_our_workspaces_is_sent_anything(slack, account, why):
    with pytest.raises(BadInput, match=why):
        slack.chat.place(account)
    assert slack.sandbox.calls("conversations.open") == []


def test_who_left_or_became_a_guest_gets_nothing_more_a_quarter_of_an_hour_later(slack):
    class Changing:
        base_url = ""
        deleted = False

        def api_call(self, method, **_):
            user = {"id": "UANNA", "team_id": "T1", "deleted": self.deleted}
            return SimpleNamespace(data={"user": user, "channel": {"id": "D1"}}, headers={})

    client = Changing()
    chat = SlackChat(client, clock=slack.clock)
    assert chat.place(ANNA) == "D1"
    client.deleted = True
    slack.clock.now += LOOKED_AT_AGAIN_AFTER
    assert chat.place(ANNA) == "D1"
    slack.clock.now += 1
    with pytest.raises(BadInput, match="deactivated"):
        chat.place(ANNA)


def test_a_channel_that_is_shared_later_is_noticed_a_quarter_of_an_hour_later(slack):
    class Sharing:
        base_url = ""
        shared = False

        def api_call(self, method, **_):
            return SimpleNamespace(data={"channel": {"is_private": True, "is_member": True, "is_ext_shared": self.shared}}, headers={})

    client = Sharing()
    chat = SlackChat(client, clock=slack.clock)
    chat.place("GOURS")
    client.shared = True
    chat.place("GOURS")
    slack.clock.now += LOOKED_AT_AGAIN_AFTER + 1
    with pytest.raises(BadInput, match="shared with another company"):
        chat.place("GOURS")


# --- refusals -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["token_revoked", "invalid_auth", "not_authed", "missing_scope", "account_inactive"])
def test_a_wrong_token_or_a_missing_scope_is_an_outage_of_all_of_slack(slack, code):
    slack.sandbox.fail("chat.postMessage", error=code)
    with pytest.raises(Unavailable, match=code) as error:
        post(slack, "GOURS")
    assert error.value.retry_after_seconds is None


@pytest.mark.parametrize("code", ["channel_not_found", "is_archived", "not_in_channel", "restricted_action"])
def test_a_channel_that_takes_nothing_is_an_outage_of_that_channel(slack, code):
    slack.sandbox.fail("chat.postMessage", error=code)
    with pytest.raises(Unavailable, match=code) as error:
        post(slack, "GOURS")
    assert error.value.retry_after_seconds


def test_a_message_slack_does_not_take_is_refused_for_good_and_an_answer_nobody_knows_is_not(slack):
    slack.sandbox.fail("chat.postMessage", error="msg_too_long")
    with pytest.raises(BadInput, match="msg_too_long"):
        post(slack, "GOURS")
    slack.sandbox.fail("chat.postMessage", error="something_new")
    with pytest.raises(CreditReviewError, match="something_new") as error:
        post(slack, "GOURS")
    assert not isinstance(error.value, BadInput | Unavailable)


# --- again --------------------------------------------------------------------------------------------------------------------------


def test_what_had_arrived_is_replaced_where_it_stands(slack):
    first = post(slack, "GOURS", "k1", "pending")
    post(slack, "GOURS", "k2", "another")
    assert post(slack, "GOURS", "k1", "approved", again=True) == first
    assert [m["text"] for m in slack.sandbox.person("UANNA").sees("GOURS")] == ["approved", "another"]


def test_what_had_arrived_in_a_thread_is_found_there(slack):
    card = post(slack, "GOURS", "card")
    question = post(slack, "GOURS", "question", thread_ts=card["ts"])
    assert post(slack, "GOURS", "question", thread_ts=card["ts"], again=True) == question
    assert posted(slack) == 2


def test_a_message_says_what_it_is_only_when_our_own_app_wrote_it(slack):
    ts = post(slack, "GOURS", "slack_post:question:pr-1:GOURS")["ts"]
    post(slack, "GOURS", "later")
    shown = slack.sandbox.calls("chat.postMessage")[0]["answer"]["message"]
    app = shown["app_id"]
    assert slack.chat.key_of("GOURS", ts, app_id=app) == "slack_post:question:pr-1:GOURS"
    assert slack.chat.key_of("GOURS", ts, app_id="A0OTHER") == ""
    assert slack.chat.key_of("GOURS", "1790000000.000099", app_id=app) == ""
