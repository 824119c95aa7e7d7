"""The real WebClient posts, changes, finds and removes messages, and is refused what Slack refuses."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from deployments.slack_sandbox.server import running
from tests.sandbox.sandbox_office import CHANNEL, START, card, plain


def _refused(call, *args, **kwargs):
    with pytest.raises(SlackApiError) as caught:
        call(*args, **kwargs)
    return caught.value.response["error"]


def test_a_posted_message_is_seen_by_the_members_of_its_channel_only(sandbox, web):
    posted = web.chat_postMessage(channel=CHANNEL, text="hello", blocks=card())
    assert posted["channel"] == CHANNEL and posted["message"]["bot_id"] == "B0SANDBOX"
    (seen,) = sandbox.person("U0MANAGER").sees(CHANNEL)
    assert (seen["ts"], seen["text"], seen["only_you"]) == (posted["ts"], "hello", False)
    assert sandbox.person("T2:U0STRANGER").sees(CHANNEL) == []


def test_an_update_replaces_text_and_blocks_and_keeps_what_it_leaves_out(web):
    metadata = {"event_type": "card", "event_payload": {"dedup_key": "p-1"}}
    ts = web.chat_postMessage(channel=CHANNEL, text="before", blocks=card(), metadata=metadata)["ts"]
    changed = web.chat_update(channel=CHANNEL, ts=ts, text="after")["message"]
    assert changed["text"] == "after" and changed["blocks"] and changed["metadata"] == metadata and changed["edited"]
    assert "blocks" not in web.chat_update(channel=CHANNEL, ts=ts, text="after", blocks=[])["message"]
    assert _refused(web.chat_update, channel=CHANNEL, ts="1.000001", text="x") == "message_not_found"


def test_a_deleted_message_is_gone(sandbox, web):
    ts = web.chat_postMessage(channel=CHANNEL, text="x")["ts"]
    web.chat_delete(channel=CHANNEL, ts=ts)
    assert sandbox.person("U0MANAGER").sees(CHANNEL) == []
    assert _refused(web.chat_delete, channel=CHANNEL, ts=ts) == "message_not_found"


def test_what_a_person_wrote_is_not_the_apps_to_change(sandbox, web, office):
    ts = sandbox.person("U0ANALYST").say(CHANNEL, "mine")
    office.hears(1)
    assert _refused(web.chat_update, channel=CHANNEL, ts=ts, text="x") == "cant_update_message"
    assert _refused(web.chat_delete, channel=CHANNEL, ts=ts) == "cant_delete_message"


def test_an_ephemeral_message_is_for_one_member_and_in_no_history(sandbox, web):
    web.chat_postEphemeral(channel=CHANNEL, user="U0MANAGER", text="psst")
    assert [m["only_you"] for m in sandbox.person("U0MANAGER").sees(CHANNEL)] == [True]
    assert sandbox.person("U0ANALYST").sees(CHANNEL) == [] and web.conversations_history(channel=CHANNEL)["messages"] == []
    assert _refused(web.chat_postEphemeral, channel=CHANNEL, user="U0NOBODY", text="x") == "user_not_in_channel"


def test_a_direct_message_by_user_id_and_by_opened_conversation_is_the_same_conversation(sandbox, web):
    opened = web.conversations_open(users=["U0MANAGER"])["channel"]["id"]
    assert web.chat_postMessage(channel="U0MANAGER", text="one")["channel"] == opened
    web.chat_postMessage(channel=opened, text="two")
    assert [m["text"] for m in sandbox.person("U0MANAGER").direct()] == ["one", "two"]
    assert _refused(web.conversations_open, users=["U0GONE"]) == "user_disabled"
    assert _refused(web.conversations_open, users=["U0OTHERBOT"]) == "cannot_dm_bot"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"channel": "C0NONE", "text": "x"}, "channel_not_found"),
        ({"channel": "C0OLD", "text": "x"}, "is_archived"),
        ({"channel": "C0ELSE", "text": "x"}, "not_in_channel"),
        ({"channel": "U0GONE", "text": "x"}, "channel_not_found"),
        ({"channel": CHANNEL}, "no_text"),
        ({"channel": CHANNEL, "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": CHANNEL, "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ({"channel": CHANNEL, "text": "x", "blocks": "[nonsense"}, "invalid_blocks_format"),
        ({"channel": CHANNEL, "text": "x", "metadata": {"event_type": "t"}}, "invalid_metadata_schema"),
    ],
)
def test_a_post_that_slack_refuses_is_refused_with_its_code(web, given, code):
    assert _refused(web.api_call, "chat.postMessage", json=given) == code


def test_the_longest_text_is_taken(web):
    assert web.chat_postMessage(channel=CHANNEL, text="x" * 40_000)["ok"]


def test_refused_blocks_come_with_a_pointer_to_the_place(web):
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=CHANNEL, text="x", blocks=[{"type": "section", "text": plain("x" * 3001)}])
    assert caught.value.response["error"] == "invalid_blocks"
    told = caught.value.response["response_metadata"]["messages"]
    assert told == ["[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"]


@pytest.mark.parametrize(
    "body", [b'{"channel": "C0CREDIT", "text": "\\ud800"}', b'{"limit": Infinity}', b'{"limit": 1e999}', b"[]", b"nonsense"]
)
def test_a_body_that_is_no_proper_json_is_refused_and_not_kept(sandbox, body):
    headers = {"authorization": "Bearer xoxb-sandbox", "content-type": "application/json"}
    answer = sandbox.http.post("/api/chat.postMessage", content=body, headers=headers)
    assert answer.status_code == 200 and answer.json()["error"] in ("invalid_json", "json_not_object")


def test_json_and_form_bodies_are_the_same_to_it(web):
    assert web.api_call("chat.postMessage", json={"channel": CHANNEL, "text": "j", "blocks": card()})["message"]["blocks"]
    blocks = '[{"type": "divider"}]'
    assert web.api_call("chat.postMessage", params={"channel": CHANNEL, "text": "f", "blocks": blocks})["message"]["blocks"]


def test_a_card_is_found_again_by_its_metadata(web):
    for number in range(5):
        web.chat_postMessage(channel=CHANNEL, text="x", metadata={"event_type": "card", "event_payload": {"dedup_key": f"p-{number}"}})
    pages = web.conversations_history(channel=CHANNEL, include_all_metadata=True, limit=2)
    found = [m["metadata"]["event_payload"]["dedup_key"] for page in pages for m in page["messages"]]
    assert found == ["p-4", "p-3", "p-2", "p-1", "p-0"], "newest first, page by page"
    assert "metadata" not in web.conversations_history(channel=CHANNEL, limit=1)["messages"][0]


def test_a_thread_is_read_oldest_first_and_is_no_part_of_the_channels_history(sandbox, web, office):
    ts = web.chat_postMessage(channel=CHANNEL, text="card")["ts"]
    sandbox.person("U0ANALYST").reply(CHANNEL, ts, "why?")
    office.hears(1)
    web.chat_postMessage(channel=CHANNEL, text="because", thread_ts=ts)
    assert [m["text"] for m in web.conversations_replies(channel=CHANNEL, ts=ts)["messages"]] == ["card", "why?", "because"]
    (parent,) = web.conversations_history(channel=CHANNEL)["messages"]
    assert (parent["reply_count"], parent["thread_ts"]) == (2, ts)
    assert _refused(web.conversations_replies, channel=CHANNEL, ts="1.000001") == "thread_not_found"


def test_history_keeps_to_the_times_asked_for(clock, web):
    stamps = []
    for number in range(3):
        clock.now = START + number
        stamps.append(web.chat_postMessage(channel=CHANNEL, text=str(number))["ts"])
    between = web.conversations_history(channel=CHANNEL, oldest=stamps[0], latest=stamps[2])["messages"]
    assert [m["text"] for m in between] == ["1"]
    assert len(web.conversations_history(channel=CHANNEL, oldest=stamps[0], inclusive=True)["messages"]) == 3


def test_time_stamps_grow_even_when_the_clock_goes_back(clock, web):
    first = web.chat_postMessage(channel=CHANNEL, text="x")["ts"]
    clock.now -= 100
    assert web.chat_postMessage(channel=CHANNEL, text="x")["ts"] > first


def test_an_uploaded_file_stands_in_the_channel_and_can_be_fetched(sandbox, web):
    made = web.files_upload_v2(content="a,b\n1,2\n", filename="book.csv", title="The book", channel=CHANNEL, initial_comment="here")
    (seen,) = sandbox.person("U0MANAGER").sees(CHANNEL)
    assert seen["text"] == "here" and seen["files"][0]["title"] == "The book" and seen["files"][0]["id"] == made["file"]["id"]
    fetched = sandbox.http.get(seen["files"][0]["url_private"])
    assert fetched.text == "a,b\n1,2\n" and fetched.headers["content-disposition"] == "attachment"


def test_a_file_that_was_never_sent_cannot_be_shared(web):
    file_id = web.files_getUploadURLExternal(filename="a.txt", length=3)["file_id"]
    assert _refused(web.files_completeUploadExternal, files=[{"id": file_id, "title": "a"}], channel_id=CHANNEL) == "file_not_found"


def test_a_permalink_leads_to_the_sandbox_and_a_reaction_is_counted_once(sandbox, web):
    ts = web.chat_postMessage(channel=CHANNEL, text="x")["ts"]
    link = web.chat_getPermalink(channel=CHANNEL, message_ts=ts)["permalink"]
    assert link == f"{sandbox.url}/archives/{CHANNEL}/p{ts.replace('.', '')}"
    assert "credit-review sandbox" in sandbox.http.get(link).text
    web.reactions_add(channel=CHANNEL, timestamp=ts, name="eyes")
    assert _refused(web.reactions_add, channel=CHANNEL, timestamp=ts, name="eyes") == "already_reacted"


def test_people_are_found_by_id_and_address_as_slack_finds_them(web):
    assert web.users_info(user="U0MANAGER")["user"]["team_id"] == "T1", "a namesake elsewhere is not ours"
    assert web.users_info(user="U0STRANGER")["user"]["is_stranger"]
    assert web.users_info(user="U0GUEST")["user"]["is_restricted"] and web.users_info(user="U0GONE")["user"]["deleted"]
    assert web.users_lookupByEmail(email="MAX@example.com")["user"]["id"] == "U0MANAGER"
    for gone in ("gerd@example.com", "sam@example.org", "nobody@example.com"):
        assert _refused(web.users_lookupByEmail, email=gone) == "users_not_found"
    assert _refused(web.users_info, user="U0NOBODY") == "user_not_found"
    assert [m["id"] for page in web.users_list(limit=3) for m in page["members"]][:2] == ["U0ANALYST", "U0MANAGER"]


def test_tokens_are_checked_as_slack_checks_them(sandbox, web):
    assert _refused(WebClient(base_url=sandbox.api_url).auth_test) == "not_authed"
    assert _refused(WebClient("xoxb-wrong", base_url=sandbox.api_url).auth_test) == "invalid_auth"
    assert _refused(WebClient("xapp-sandbox", base_url=sandbox.api_url).auth_test) == "not_allowed_token_type"
    assert _refused(web.apps_connections_open, app_token="xoxb-sandbox") == "not_allowed_token_type"
    assert _refused(web.api_call, "chat.shout") == "unknown_method"
    assert web.auth_test()["user_id"] == "U0CREDITBOT" and web.team_info()["team"]["id"] == "T1"


def test_a_missing_scope_is_named():
    with running(scopes=("users:read",)) as sandbox:
        web = WebClient("xoxb-sandbox", base_url=sandbox.api_url)
        assert web.users_info(user="U0MANAGER").headers["x-oauth-scopes"] == "users:read"
        with pytest.raises(SlackApiError) as caught:
            web.chat_postMessage(channel=CHANNEL, text="x")
    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "chat:write")


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=400))
def test_any_text_survives_from_post_to_history_unchanged(web, text):
    ts = web.chat_postMessage(channel=CHANNEL, text=text)["ts"]
    (found,) = web.conversations_history(channel=CHANNEL, latest=ts, oldest=ts, inclusive=True)["messages"]
    assert found["text"] == text
