"""Clicks, modals, Home, commands and replies reach an unmodified bolt app over Socket Mode, and its answers reach the person."""

from __future__ import annotations

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError

from credit_review.errors import BadInput
from deployments.slack_sandbox.server import running
from tests.sandbox.sandbox_office import CHANNEL, Office, button, card, form, hang_up, plain

MANAGER = "U0MANAGER"


@pytest.fixture
def posted(web):
    return web.chat_postMessage(channel=CHANNEL, text="card", blocks=card())["ts"]


@pytest.fixture
def manager(sandbox):
    return sandbox.person(MANAGER)


def _opened(sandbox, office, posted, view, *, key=MANAGER):
    """The modal a click opened."""
    office.on["go"] = lambda told: (told.ack(), told.web.views_open(trigger_id=told.body["trigger_id"], view=view))
    sandbox.person(key).click(CHANNEL, posted, "go")
    return sandbox.until(sandbox.person(key).modal)


def test_a_click_carries_what_slack_sends(office, manager, posted):
    assert manager.click(CHANNEL, posted, "go") == {"ok": True, "dispatched": True, "reason": ""}
    ((_, body),) = office.heard
    assert (body["user"]["id"], body["user"]["team_id"], body["team"]["id"]) == (MANAGER, "T1", "T1")
    assert body["container"] == {"type": "message", "message_ts": posted, "channel_id": CHANNEL, "is_ephemeral": False}
    (action,) = body["actions"]
    assert (action["type"], action["action_id"], action["block_id"], action["value"]) == ("button", "go", "buttons", "v")
    assert body["message"]["ts"] == posted and body["channel"]["name"] == "credit-approvals" and body["trigger_id"] and action["action_ts"]


def test_an_answer_to_a_click_is_for_the_person_alone_and_may_replace_the_card(sandbox, office, manager, posted):
    office.on["go"] = lambda told: (told.ack(), told.respond(text="noted"), told.respond(text="done", replace_original=True))
    manager.click(CHANNEL, posted, "go")
    seen = sandbox.until(lambda: [m for m in manager.sees(CHANNEL)] if manager.sees(CHANNEL)[0]["text"] == "done" else None)
    assert [(m["text"], m["only_you"]) for m in seen] == [("done", False), ("noted", True)]
    assert [m["text"] for m in sandbox.person("U0ANALYST").sees(CHANNEL)] == ["done"]


def test_a_response_url_serves_five_answers_within_thirty_minutes(sandbox, office, manager, posted, clock):
    manager.click(CHANNEL, posted, "go")
    url = office.heard[0][1]["response_url"]
    assert [sandbox.http.post(url, json={"text": "x"}).status_code for _ in range(6)] == [200] * 5 + [404]
    manager.click(CHANNEL, posted, "go")
    late = office.heard[1][1]["response_url"]
    assert sandbox.http.post(late, json={"text": "x", "blocks": [{"type": "bogus"}]}).json()["error"] == "invalid_blocks"
    assert sandbox.http.post(late, json={"delete_original": True}).status_code == 200
    clock.now += 30 * 60 + 1
    assert sandbox.http.post(late, json={"text": "x"}).json()["error"] == "expired_url"
    assert posted not in [m["ts"] for m in manager.sees(CHANNEL)]


def test_a_click_on_an_ephemeral_card_does_not_show_the_app_its_message(office, manager, web):
    ts = web.chat_postEphemeral(channel=CHANNEL, user=MANAGER, text="x", blocks=card())["message_ts"]
    manager.click(CHANNEL, ts, "go")
    body = office.heard[0][1]
    assert body["container"]["is_ephemeral"] and "message" not in body


@pytest.mark.parametrize(
    ("element", "value", "name", "chosen"),
    [
        ({"type": "users_select"}, "U0GUEST", "selected_user", "U0GUEST"),
        ({"type": "datepicker"}, "2026-12-31", "selected_date", "2026-12-31"),
        ({"type": "overflow"}, "2", "selected_option", "2"),
        ({"type": "static_select"}, "2", "selected_option", "2"),
        ({"type": "radio_buttons"}, "1", "selected_option", "1"),
        ({"type": "checkboxes"}, ["1", "2"], "selected_options", ["1", "2"]),
        ({"type": "multi_static_select"}, ["2"], "selected_options", ["2"]),
    ],
)
def test_a_choice_is_sent_at_once_and_kept(office, manager, web, element, value, name, chosen):
    options = [{"text": plain("one"), "value": "1"}, {"text": plain("two"), "value": "2"}]
    offered = {} if element["type"] in ("users_select", "datepicker") else {"options": options}
    ts = web.chat_postMessage(channel=CHANNEL, text="x", blocks=card({**element, **offered, "action_id": "pick"}, button()))["ts"]
    manager.click(CHANNEL, ts, "pick", value)
    manager.click(CHANNEL, ts, "go")
    (_, first), (_, second) = office.heard
    found = first["actions"][0][name]
    values = [one["value"] for one in found] if isinstance(found, list) else found["value"] if isinstance(found, dict) else found
    assert values == chosen
    if element["type"] != "overflow":
        assert second["state"]["values"]["buttons"]["pick"][name] == found


def test_what_a_person_does_not_see_cannot_be_clicked(sandbox, manager, posted):
    for person, given in (("U0STRANGER", posted), (MANAGER, "1.000001")):
        key = f"T2:{person}" if person == "U0STRANGER" else person
        with pytest.raises(BadInput, match="the sandbox refused"):
            sandbox.person(key).click(CHANNEL, given, "go")
    with pytest.raises(BadInput, match="no element"):
        manager.click(CHANNEL, posted, "gone")
    with pytest.raises(BadInput, match="deactivated"):
        sandbox.person("U0GONE").open_home()


def test_a_button_is_clicked_not_filled_in(sandbox, office, manager, posted):
    modal = _opened(sandbox, office, posted, form(*card(button("more"))))
    with pytest.raises(BadInput, match="clicked, not filled in"):
        manager.submit(modal["id"], {"buttons": {"more": "x"}})


def test_the_same_user_id_of_another_workspace_comes_with_its_own_team(sandbox, office, web):
    ts = web.chat_postMessage(channel="C0SHARED", text="x", blocks=card())["ts"]
    sandbox.person("T2:U0MANAGER").click("C0SHARED", ts, "go")
    body = office.heard[0][1]
    assert (body["user"]["id"], body["user"]["team_id"], body["team"]["id"]) == (MANAGER, "T2", "T2")


def test_a_form_is_opened_filled_in_refused_and_accepted(sandbox, office, manager, posted):
    modal = _opened(sandbox, office, posted, form(private_metadata="p-1"))
    answers = iter([{"response_action": "errors", "errors": {"why": "too short"}}, {}])
    office.on["form"] = lambda told: told.ack(**next(answers))
    refused = manager.submit(modal["id"], {"why": {"text": "no"}})
    assert refused["errors"] == {"why": "too short"} and manager.modal()["errors"] == {"why": "too short"}
    assert manager.submit(modal["id"], {"why": {"text": "too risky"}})["ok"] and manager.modal() is None
    view = office.heard[-1][1]["view"]
    assert view["state"]["values"]["why"]["text"] == {"type": "plain_text_input", "value": "too risky"}
    assert (view["private_metadata"], view["callback_id"], view["id"], view["hash"]) == ("p-1", "form", modal["id"], modal["hash"])


def test_a_form_that_lacks_something_is_not_sent(sandbox, office, manager, posted):
    asking = {"type": "input", "block_id": "n", "label": plain("N"), "optional": True}
    number = {"type": "number_input", "action_id": "n", "is_decimal_allowed": False, "min_value": "1", "max_value": "9"}
    why = {
        "type": "input",
        "block_id": "why",
        "label": plain("Why"),
        "element": {"type": "plain_text_input", "action_id": "text", "min_length": 3},
    }
    modal = _opened(sandbox, office, posted, form(why, {**asking, "element": number}))
    for given, wrong in (("", {"why"}), ("no", {"why"}), ("fine", set())):
        assert set(manager.submit(modal["id"], {"why": {"text": given}, "n": {"n": "10"}})["errors"]) == wrong | {"n"}
    assert [name for name, _ in office.heard] == ["go"]
    for number in ("1.5", "x", "0"):
        assert "n" in manager.submit(modal["id"], {"n": {"n": number}})["errors"]
    assert manager.submit(modal["id"], {"n": {"n": "9"}})["ok"]


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        ({"response_action": "update", "view": form(title=plain("Second"))}, ["Second"]),
        ({"response_action": "push", "view": form(title=plain("Second"))}, ["Form", "Second"]),
        ({"response_action": "clear"}, []),
        ({}, []),
    ],
)
def test_a_submission_is_answered_with_what_comes_next(sandbox, office, manager, posted, answer, titles):
    modal = _opened(sandbox, office, posted, form())
    office.on["form"] = lambda told: told.ack(**answer)
    assert manager.submit(modal["id"], {"why": {"text": "because"}})["ok"]
    assert [view["title"]["text"] for view in manager.modals()] == titles


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "errors", "errors": {"nowhere": "x"}},
        {"response_action": "update", "view": {"type": "modal"}},
        {"response_action": "dance"},
    ],
)
def test_an_answer_that_makes_no_sense_shows_as_trouble_connecting(sandbox, office, manager, posted, answer):
    modal = _opened(sandbox, office, posted, form())
    office.on["form"] = lambda told: told.ack(**answer)
    assert manager.submit(modal["id"], {"why": {"text": "because"}})["trouble"] == "We had some trouble connecting. Try again?"
    assert manager.modal()["id"] == modal["id"]


def test_typing_tells_the_app_only_when_it_asked_to_be_told(sandbox, office, manager, posted):
    def asking(block_id, **more):
        triggers = more.pop("triggers", None)
        element = {"type": "plain_text_input", "action_id": block_id, **({"dispatch_action_config": triggers} if triggers else {})}
        return {"type": "input", "block_id": block_id, "label": plain("L"), "optional": True, "element": element, **more}

    each = {"trigger_actions_on": ["on_character_entered"]}
    view = form(asking("silent"), asking("enter", dispatch_action=True), asking("each", dispatch_action=True, triggers=each))
    modal = _opened(sandbox, office, posted, view)
    told = [
        manager.change(modal["id"], name, "x", enter=enter)["dispatched"] for name in ("silent", "enter", "each") for enter in (False, True)
    ]
    assert told == [False, False, False, True, True, False]
    body = office.heard[-1][1]
    assert body["actions"][0]["value"] == "x" and body["container"] == {"type": "view", "view_id": modal["id"]}
    assert {name: body["view"]["state"]["values"][name][name]["value"] for name in ("silent", "enter")} == {"silent": "x", "enter": "x"}


def test_an_updated_form_keeps_what_was_entered_and_refuses_an_old_hash(sandbox, office, manager, posted, web):
    modal = _opened(sandbox, office, posted, form())
    manager.change(modal["id"], "text", "half a thought")
    after = web.views_update(view_id=modal["id"], hash=modal["hash"], view=form(title=plain("Again"), external_id="ours"))["view"]
    assert after["state"]["values"]["why"]["text"]["value"] == "half a thought" and after["hash"] != modal["hash"]
    with pytest.raises(SlackApiError, match="hash_conflict"):
        web.views_update(view_id=modal["id"], hash=modal["hash"], view=form())
    assert web.views_update(external_id="ours", view=form())["view"]["title"]["text"] == "Form"
    with pytest.raises(SlackApiError, match="not_found"):
        web.views_update(view_id="V1", view=form())


def test_a_trigger_opens_one_view_within_three_seconds(office, manager, posted, web, clock):
    manager.click(CHANNEL, posted, "go")
    trigger = office.heard[0][1]["trigger_id"]
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        web.views_open(trigger_id=trigger, view={"type": "modal"})
    assert web.views_open(trigger_id=trigger, view=form())["view"]["root_view_id"]
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        web.views_open(trigger_id=trigger, view=form())
    manager.click(CHANNEL, posted, "go")
    clock.now += 3.5
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        web.views_open(trigger_id=office.heard[1][1]["trigger_id"], view=form())
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        web.views_open(trigger_id="nonsense", view=form())


def test_at_most_three_views_stand_on_each_other_and_closing_uncovers_them(sandbox, office, manager, posted):
    more = {"type": "actions", "elements": [button("more")]}
    modal = _opened(sandbox, office, posted, form(more, notify_on_close=True))
    refused = []

    def push(told):
        told.ack()
        try:
            told.web.views_push(trigger_id=told.body["trigger_id"], view=form(more, notify_on_close=True))
        except SlackApiError as error:
            refused.append(error.response["error"])

    office.on["more"] = push
    for depth in (2, 3):
        manager.change(manager.modal()["id"], "more")
        sandbox.until(lambda wanted=depth: len(manager.modals()) == wanted)
    manager.change(manager.modal()["id"], "more")
    assert sandbox.until(lambda: refused) == ["push_limit_reached"]
    assert manager.modal()["root_view_id"] == modal["id"]
    manager.dismiss(manager.modal()["id"])
    assert len(manager.modals()) == 2
    manager.dismiss(manager.modal()["id"], everything=True)
    assert manager.modals() == [] and [name for name, _ in office.heard].count("closed") == 3


def test_the_home_tab_is_published_when_it_is_opened_and_can_be_clicked(sandbox, office, manager):
    view = {"type": "home", "blocks": [{"type": "header", "text": plain("Waiting for you")}, *card(button("decide"))]}
    office.on["app_home_opened"] = lambda told: told.web.views_publish(user_id=told.body["event"]["user"], view=view)
    assert manager.home() is None
    manager.open_home()
    home = sandbox.until(manager.home)
    manager.change(home["id"], "decide")
    assert office.heard[-1][0] == "decide" and office.heard[-1][1]["view"]["type"] == "home"
    assert sandbox.person("U0ANALYST").home() is None
    with pytest.raises(SlackApiError, match="hash_conflict"):
        office.web.views_publish(user_id=MANAGER, view=view, hash="old")


def test_a_slash_command_is_answered_to_the_person(sandbox, office, manager):
    office.on["/credit"] = lambda told: (told.ack("looking"), told.respond("found ACME"))
    assert manager.command("/credit", "ACME", channel=CHANNEL)["ok"]
    body = office.heard[0][1]
    assert (body["command"], body["text"], body["user_id"], body["channel_id"]) == ("/credit", "ACME", MANAGER, CHANNEL)
    seen = sandbox.until(lambda: manager.sees(CHANNEL) if len(manager.sees(CHANNEL)) == 2 else None)
    assert {m["text"] for m in seen} == {"looking", "found ACME"} and all(m["only_you"] for m in seen)
    assert not manager.command("/unknown")["ok"] and "not a valid command" in manager.notices()[0]


def test_a_reply_in_a_thread_reaches_the_app_with_its_thread(office, sandbox, manager, posted):
    ts = manager.reply(CHANNEL, posted, "why so much?")
    office.hears(1)
    name, body = office.heard[0]
    event = body["event"]
    assert (name, event["text"], event["thread_ts"], event["ts"], event["channel"]) == ("message", "why so much?", posted, ts, CHANNEL)
    assert event["user"] == MANAGER and event["channel_type"] == "channel" and body["team_id"] == "T1"
    sandbox.person("U0ANALYST").say(CHANNEL, "<@U0CREDITBOT> help")
    assert sorted(office.hears(3)[1:]) == ["app_mention", "message"]
    sandbox.person("U0ANALYST").say("C0ELSE", "not for the app")
    assert len(office.heard) == 3


def test_a_click_the_app_does_not_acknowledge_shows_the_person_an_error():
    with running(ack_seconds=0.3) as sandbox:
        office = Office(sandbox.api_url)
        handler = SocketModeHandler(office.app, "xapp-sandbox")
        handler.connect()
        sandbox.connected()
        manager, ts = sandbox.person(MANAGER), office.web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        modal = _opened(sandbox, office, ts, form())
        office.on |= {"go": lambda told: None, "form": lambda told: None, "/credit": lambda told: None}
        assert not manager.click(CHANNEL, ts, "go")["ok"]
        assert manager.submit(modal["id"], {"why": {"text": "because"}})["trouble"] == "We had some trouble connecting. Try again?"
        manager.command("/credit")
        assert manager.notices()[-2:] == [
            "This app did not respond in time. Try again?",
            '/credit failed with the error "operation_timeout"',
        ]
        hang_up(handler)


def test_without_the_app_a_click_fails_at_once():
    with running() as sandbox:
        web = Office(sandbox.api_url).web
        ts = web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        assert sandbox.person(MANAGER).click(CHANNEL, ts, "go")["reason"] == "not_connected"
