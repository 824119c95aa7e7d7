"""Approvals as people live them: the real listener over Socket Mode, the stand-in for Slack, and a real database behind both."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from slack_bolt import App
from slack_sdk import WebClient

from credit_review import audit
from credit_review.adapters import slack_chat
from credit_review.adapters.settings import SlackSettings, StepUpSettings
from credit_review.messages import card, digest, forms, home
from credit_review.model.records import (
    ConflictOfInterest,
    Decision,
    Delegation,
    Note,
    OutboxEntry,
    PersonPreference,
    Review,
    StepUpLink,
)
from credit_review.review import step_up, turns
from credit_review.review.addressing import Destinations, put_before
from credit_review.review.conditions import ConditionAsked
from credit_review.review.counter import CounterOffer
from credit_review.review.owners import tell_owners
from credit_review.review.request import owe_status
from credit_review.review.standing import gather_many
from credit_review.words import ENGLISH
from deployments.cli.slack_health import SCOPES
from deployments.slack_listener import serving
from deployments.slack_listener.answering import LINK, said_in_modal
from deployments.slack_listener.app import build_app, build_office
from deployments.slack_listener.office import Told
from deployments.slack_listener.serving import SocketMode
from deployments.slack_listener.shape import well_formed
from deployments.slack_sandbox import block_kit, view_methods
from deployments.slack_sandbox.core import Settings
from deployments.slack_sandbox.server import running
from deployments.slack_sandbox.state import Channel, Person
from tests.review.decision_world import MATRIX, NOON, TODAY, World, digest_of, os_account

PEOPLE = ("p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair", "p-analyst", "p-deputy")
EVIL = "<!channel> *b* <https://evil.example|OK> `x` & Söhne‮"


def user(person):
    return "U" + person.removeprefix("p-").upper()


def members():
    return [
        *(Person(user(p), p, p.removeprefix("p-").title()) for p in PEOPLE),
        Person("UGUEST", "guest", "Guest", is_restricted=True),
        Person("UBOT", "bot", "Another Bot", is_bot=True),
        Person("USTRANGER", "stranger", "Stranger", is_stranger=True),
        Person("USECOND", "second", "The manager's other account"),
        Person("UMANAGER", "impostor", "Manager of another workspace", team_id="T2"),
    ]


OTHERS = ("UGUEST", "UBOT", "USTRANGER", "USECOND")
CHANNELS = (
    Channel("GPRIVATE", "credit", is_private=True, members={"UCREDITBOT", "U0CREDITBOT", *map(user, PEOPLE), "T2:UMANAGER", *OTHERS}),
    Channel("GSHARED", "shared", is_private=True, is_ext_shared=True, members={"U0CREDITBOT", *map(user, PEOPLE)}),
    Channel("CPUBLIC", "public", members={"U0CREDITBOT", *map(user, PEOPLE)}),
)


@pytest.fixture(scope="module")
def workspace():
    """Slack's three seconds to acknowledge and to open a form, and ours to decide, are tested apart: here a machine may be busy."""
    # no more scopes than the manifest asks for, so that a call that needs more fails here and not at the customer's
    chosen = Settings(people=members(), channels=CHANNELS, scopes=tuple(sorted(SCOPES)), ack_seconds=30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view_methods, "TRIGGER_SECONDS", 30)
        patch.setattr(serving, "ANSWER_WITHIN", 25)
        with running(chosen, retry_delays=(0, 0, 0)) as sandbox:
            yield sandbox


@pytest.fixture(scope="module")
def line(workspace):
    """One Socket Mode connection for all tests: each puts its own app behind it."""
    web = slack_chat.web_client("xoxb-sandbox", workspace.api_url)
    handler = SocketMode(App(client=web, token_verification_enabled=False), "xapp-sandbox", web)
    handler.connect()
    workspace.connected()
    yield handler
    threading.Thread(target=handler.close, daemon=True).start()  # it would read for up to three more seconds


@pytest.fixture
def desk(workspace, line, sqlite_store, clock, monkeypatch):
    """The listener on a world of people and proposals, connected to an empty workspace; messages are not held back to one a second."""
    clock.set(NOON)
    workspace.reset()
    monkeypatch.setenv("CREDIT_REVIEW_SLACK_BOT_TOKEN", "xoxb-sandbox")
    monkeypatch.setattr(turns, "SECONDS_A_MESSAGE", 0.0)
    world = World(sqlite_store)
    world.write(*(os_account(f"T1|{user(p)}", p, kind="slack") for p in PEOPLE), os_account("T1|USECOND", "p-manager", kind="slack"))
    slack = SlackSettings(mode="socket", team_ids=("T1",), api_url=workspace.api_url)
    settings = SimpleNamespace(slack=slack, step_up=StepUpSettings(), zone=NOON.tzinfo, words=lambda: ENGLISH, limits_owner="p-analyst")
    services = SimpleNamespace(settings=settings, store=Watched(sqlite_store, monkeypatch), clock=clock, today=lambda: NOON.date())
    office = build_office(services)
    line.app = build_app(office)
    office.start()
    yield Desk(world, workspace, office, services)
    workspace.quiet()
    office.stop()
    assert services.store.asked_inside == [], "while one asks Slack inside a transaction, nobody else can decide"
    assert all(well_formed(one["payload"]) for one in workspace.deliveries()), "what Slack sends is what the listener over HTTP would take"


class Watched:
    """A store that knows which calls of Slack were made inside its transactions, by the thread that made them."""

    def __init__(self, store, monkeypatch):
        self.store, self.asked_inside, self._open = store, [], threading.local()
        real = WebClient.api_call

        def api_call(client, api_method, **arguments):
            if getattr(self._open, "depth", 0):
                self.asked_inside.append(api_method)
            return real(client, api_method, **arguments)

        monkeypatch.setattr(WebClient, "api_call", api_call)

    def __getattr__(self, name):
        return getattr(self.store, name)

    @contextmanager
    def begin(self, **how):
        self._open.depth = getattr(self._open, "depth", 0) + 1
        try:
            with self.store.begin(**how) as uow:
                yield uow
        finally:
            self._open.depth -= 1


class Desk:
    """What the tests say about people in Slack and the record behind them."""

    def __init__(self, world, sandbox, office, services):
        self.world, self.sandbox, self.office, self.services = world, sandbox, office, services

    def propose(self, customer="c-1", *, to=60_000_00, had=50_000_00, **fields):
        proposal = self.world.propose(customer, to=to, had=had, **whole(customer, to, had, fields))
        return proposal

    def put_before(self, *proposals, channel=""):
        with self.world.store.begin() as uow:
            found = [self.world.proposal(p) for p in proposals]
            standings = gather_many(uow, found, MATRIX, NOON)
            put_before(uow, list(standings.values()), MATRIX, Destinations(direct=True, channel=channel), NOON)
            uow.commit()
        self.office.pump.wake()

    def direct(self, person, look=lambda m: True):
        """The newest direct message of a person that a test looks for, once it is there."""
        return self.sandbox.until(lambda: next((m for m in reversed(self.as_(person).direct()) if look(m)), None))

    def as_(self, person):
        return self.sandbox.person(user(person) if person.startswith("p-") else person)

    def card(self, person, proposal):
        return self.direct(person, lambda m: proposal in text(m))

    def click(self, person, proposal, action):
        message = self.card(person, proposal)
        return self.as_(person).click(message["channel"] if "channel" in message else self.channel(person), message["ts"], action)

    def channel(self, person):
        return next(c["id"] for c in self.as_(person).all()["channels"] if c["kind"] == "im")

    def modal(self, person):
        return self.sandbox.until(lambda: self.as_(person).modal())

    def submit(self, who, **values):
        """Fill in the open modal, fields named by block id, and send it."""
        view, actions = self.sandbox.until(lambda: self.form(who, values))
        done = self.as_(who).submit(view["id"], {block: {actions[block]: value} for block, value in values.items()})
        return {"accepted": not done.get("errors") and not done.get("trouble"), **done}

    def form(self, who, values):
        """The topmost modal and the action id of each of its fields, once it is the one that has these fields."""
        view = self.as_(who).modal() or {"blocks": []}
        actions = {b["block_id"]: b["element"]["action_id"] for b in view["blocks"] if b["type"] == "input"}
        return (view, actions) if set(values) <= set(actions) else None

    def eventually(self, look, seconds=60):
        """What a look at the record finds, once it finds something."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.02)
        return found

    def told(self, person, words):
        """Something the person was told, where only he sees it or in a modal."""
        return self.sandbox.until(
            lambda: (
                any(words in text(m) for m in self.as_(person).direct() if m["only_you"])
                or (self.as_(person).modal() and words in text(self.as_(person).modal()))
            )
        )


def text(shown):
    return json.dumps(shown, ensure_ascii=False)


def whole(customer, to, had, fields):
    """A packet with everything a card shows."""
    packet = {
        "proposal_id": f"pr-{customer}-{to}", "customer_id": customer, "customer_name": fields.pop("name", f"Customer {customer}"),
        "review": {"id": "r-1", "label": "2026Q3"}, "currency": "EUR", "from_minor": had, "to_minor": to, "engine_minor": to,
        "exposure_minor": 40_000_00, "own_risk_minor": 30_000_00, "overdue_minor": 2_000_00, "over_limit_minor": None,
        "blocked_orders_minor": None, "grade": "B", "pd": "0.020000", "from_terms_days": 30, "terms_days": 30, "effective_to": None,
        "reasons": ["share of open items past due"], "exceptional": [], "notes": [], "derivation": [["Formula", "need x 1.30"]],
        "status": "active", "policy": "p", "authority": "a", "manifest": "m", "account_owner": "",
        "facts": {"insured_minor": 10_000_00, "security_minor": 0, "oldest_dpd_days": 12, "dso_days": "47.0", "dso_before_days": "40.0",
                  "grade_before": "A"},
    }  # fmt: skip
    body = audit.canonical(packet)
    return {"packet_json": body, "digest": digest_of(body), "exposure_minor": 40_000_00, "own_risk_minor": 30_000_00, **fields}


# --- cards --------------------------------------------------------------------------------------------------------------------------


def test_a_card_is_approved_and_then_says_by_whom_when_and_under_which_audit_entry(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    shown = text(desk.card("p-controller", proposal))
    facts = [
        "50,000 EUR to 60,000 EUR (+20%, +10,000 EUR)",
        "30,000 EUR today",
        "grade fell from A to B",
        "DSO 47 days, 40 at the last review",
        "Grade A to B; against it: share of open items past due",
        "You, because you hold T1",
        "Expires 31 Oct 2026",
    ]
    for fact in facts:
        assert fact in shown, fact
    desk.click("p-controller", proposal, card.APPROVE)
    after = desk.direct("p-controller", lambda m: proposal in text(m) and "Approved, waiting to be applied" in text(m))
    decision = desk.world.one(Decision)
    assert (decision.approver_id, decision.channel, decision.assurance) == ("p-controller", "slack", "click")
    (entry,) = desk.world.entries("decision.approve")
    assert f"audit entry {entry['seq']}, " in text(after) and "Controller" in text(after)
    assert card.APPROVE not in text(after) and card.WHY not in text(after)
    desk.told("p-controller", "Approved (1 of 1)")


def test_people_read_amounts_and_times_as_they_chose_to(desk):
    wanted = PersonPreference(
        person_id="p-controller", language="en", locale="de_DE", time_zone="Asia/Shanghai", calendar="CN",
        valid_from=TODAY, valid_to=None, recorded_at=NOON - timedelta(days=1),
    )  # fmt: skip
    desk.world.write(wanted)
    proposal = desk.propose()
    desk.put_before(proposal)
    shown = text(desk.card("p-controller", proposal))
    assert "50.000 EUR to 60.000 EUR (+20%, +10.000 EUR)" in shown and "20:00 UTC+8" in shown


def test_who_changes_language_reads_what_waits_in_it_at_once_and_what_was_decided_as_it_was_written(desk):
    decided, waits = desk.propose("c-1"), desk.propose("c-2")
    desk.put_before(decided, waits)
    desk.click("p-controller", decided, card.APPROVE)
    desk.direct("p-controller", lambda m: decided in text(m) and "Approved, waiting to be applied" in text(m))
    desk.as_("p-controller").open_home()
    desk.as_("p-controller").change(desk.sandbox.until(lambda: desk.as_("p-controller").home())["id"], home.PREFER)
    assert "what was decided stays as it was written" in text(desk.modal("p-controller"))
    assert desk.submit("p-controller", language="zh_CN")["accepted"]
    desk.direct("p-controller", lambda m: waits in text(m) and "自担风险" in text(m))
    desk.sandbox.until(lambda: "Language, time zone, working days" not in text(desk.as_("p-controller").home()))
    assert "Approved, waiting to be applied" in text(desk.card("p-controller", decided))
    desk.put_before(desk.propose("c-3"))
    desk.direct("p-controller", lambda m: "c-3" in text(m) and "自担风险" in text(m))


def test_a_customers_name_stays_a_name(desk):
    proposal = desk.propose(name=EVIL)
    desk.put_before(proposal)
    message = desk.card("p-controller", proposal)
    assert "<" not in message["text"] and "*" not in message["text"] and "‮" not in text(message)
    assert "mrkdwn" not in text(message["blocks"])


# --- rejecting, asking, offering ----------------------------------------------------------------------------------------------------


def test_a_rejection_takes_a_code_and_a_text(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.REJECT)
    assert desk.submit("p-controller", reason="Too late with payments.").get("errors"), "the code is missing"
    assert desk.submit("p-controller", code="overdue", reason="Too late with payments.")["accepted"]
    decision = desk.world.one(Decision)
    assert (decision.verdict, decision.reason_code, decision.reason) == ("reject", "overdue", "Too late with payments.")
    shown = desk.direct("p-controller", lambda m: "Rejected" in text(m))
    assert "overdue must be paid first" in text(shown) and "Too late with payments." in text(shown)


def test_a_question_goes_to_the_analyst_and_the_answer_in_its_thread_makes_a_fresh_card(desk):
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.RETURN)
    desk.submit("p-controller", code="information_missing", reason="Why no accounts?")
    question = desk.direct("p-analyst", lambda m: "Why no accounts?" in text(m))
    assert desk.world.proposal(proposal).state == "returned"
    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], "They arrived today.")
    fresh = desk.direct("p-controller", lambda m: "They arrived today." in text(m))
    assert "Changed" in text(fresh["blocks"][1]) and "policy; authority matrix" in text(fresh["blocks"][1])
    (successor,) = [p for p in desk.world.find(type(desk.world.proposal(proposal))) if p.supersedes_id == proposal]
    assert successor.state == "pending" and "They arrived today." in successor.packet_json
    assert {n.kind for n in desk.world.find(Note)} == {"question", "comment"}


def test_an_offer_says_before_it_is_sent_whose_decision_it_becomes(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.COUNTER)
    view = desk.modal("p-controller")
    desk.as_("p-controller").change(view["id"], forms.COUNTER_CHANGED, "90000", block_id="amount")
    seen = desk.sandbox.until(lambda: (m := desk.as_("p-controller").modal()) and "What happens" in text(m) and m)
    assert "You become its maker. It goes to Manager: T1, 1 approval." in text(seen) and "44%" in text(seen)
    assert desk.submit("p-controller", amount="90000", reason="Season orders.")["accepted"]
    (offer,) = [p for p in desk.world.find(type(desk.world.proposal(proposal))) if p.supersedes_id == proposal]
    desk.direct("p-manager", lambda m: offer.proposal_id in text(m) and "limit asked for 60,000 EUR to 90,000 EUR" in text(m))
    desk.click("p-manager", offer.proposal_id, card.APPROVE)
    desk.direct("p-manager", lambda m: offer.proposal_id in text(m) and "Approved, waiting" in text(m))
    assert desk.world.apply(offer.proposal_id).state == "applied" and desk.world.in_force("c-1") == 90_000_00


def test_an_offer_for_less_is_an_approval(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.COUNTER)
    assert desk.submit("p-controller", amount="55000", reason="Enough.")["accepted"]
    (offer,) = [p for p in desk.world.find(type(desk.world.proposal(proposal))) if p.supersedes_id == proposal]
    assert (offer.state, offer.to_minor) == ("approved", 55_000_00)


def test_a_limit_approved_on_condition_waits_for_a_second_person_with_evidence(desk):
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.APPROVE_IF)
    no_date = desk.submit("p-controller", condition="guarantee_received", reason="Guarantee first.")
    assert "say by when" in no_date["errors"]["condition_due"], "the error stands under the date"
    due = (TODAY + timedelta(days=7)).isoformat()
    assert desk.submit("p-controller", condition="guarantee_received", condition_due=due, reason="Guarantee first.")["accepted"]
    assert (desk.world.one(Decision).verdict, desk.world.proposal(proposal).state) == ("approve", "approved")
    assert desk.world.owed("apply") == []
    shown = desk.direct("p-controller", lambda m: "Approved on condition, not applied yet" in text(m))
    assert "guarantee received (due 8 Oct 2026, set by Controller); may be confirmed by Analyst, Ceo, Cfo and 2 more" in text(shown)
    assert card.CONFIRM not in text(shown), "who set it has no button"
    desk.as_("p-analyst").open_home()
    seen = desk.sandbox.until(lambda: (h := desk.as_("p-analyst").home()) and "Conditions you can confirm" in text(h) and h)
    assert "guarantee received, by 8 Oct 2026: Customer c-1 (c-1): 50,000 to 60,000 EUR" in text(seen)
    told = desk.direct("p-analyst", lambda m: "An approval waits for your confirmation" in text(m))
    desk.as_("p-analyst").click(desk.channel("p-analyst"), told["ts"], card.CONFIRM)
    assert desk.submit("p-analyst", evidence="Letter 17, in the vault.")["accepted"]
    desk.direct("p-analyst", lambda m: "A condition was confirmed" in text(m) and "Letter 17" in text(m) and card.CONFIRM not in text(m))
    desk.sandbox.until(lambda: "Conditions you can confirm" not in text(desk.as_("p-analyst").home()))
    desk.direct("p-controller", lambda m: "met, confirmed by Analyst" in text(m))
    assert desk.world.apply(proposal).state == "applied"


def test_the_last_change_of_an_offer_has_the_last_word_however_fast_and_in_whatever_order_they_arrive(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.COUNTER)
    view = desk.modal("p-controller")
    change = desk.as_("p-controller").change

    def settled(words):
        return desk.sandbox.until(lambda: (m := desk.as_("p-controller").modal()) and words in text(m) and m)

    change(view["id"], forms.COUNTER_CHANGED, "55000", block_id="amount")
    change(view["id"], forms.COUNTER_CHANGED, "90", block_id="terms")
    seen = settled("55,000 EUR, 90 days, no end")
    assert "You become its maker. It goes to Manager: T1, 1 approval." in text(seen)
    desk.sandbox.disturb("held", payload_type="block_actions", times=1)
    change(view["id"], forms.COUNTER_CHANGED, "58000", block_id="amount")
    change(view["id"], forms.COUNTER_CHANGED, "20", block_id="terms")
    seen = settled("58,000 EUR, 20 days, no end")
    assert "An approval for less, by you, under T1." in text(seen)
    desk.sandbox.quiet()
    change(view["id"], forms.COUNTER_CHANGED, "60000", block_id="amount")
    change(view["id"], forms.COUNTER_CHANGED, "30", block_id="terms")
    assert "as proposed so far" in text(settled("What it would mean")) and "Not possible" not in text(settled("What it would mean"))


def test_own_risk_is_the_same_figure_on_the_card_in_the_form_and_in_the_summary(desk):
    proposal = desk.propose(to=20_000_00)
    desk.put_before(proposal)
    assert "30,000 EUR today, 30,000 EUR if used in full, before 40,000 EUR" in text(desk.card("p-controller", proposal))
    desk.direct("p-controller", lambda m: "40,000 EUR to 30,000 EUR if all were used in full" in text(m))
    desk.click("p-controller", proposal, card.COUNTER)
    view = desk.modal("p-controller")
    desk.as_("p-controller").change(view["id"], forms.COUNTER_CHANGED, "15000", block_id="amount")
    seen = desk.sandbox.until(lambda: (m := desk.as_("p-controller").modal()) and "15,000 EUR, 30 days" in text(m) and m)
    assert "30,000 EUR today, 30,000 EUR if used in full" in text(seen), "a lower limit does not take back what is owed already"


def test_an_offer_with_its_end_cleared_is_one_without_end(desk):
    proposal = desk.propose(effective_to=TODAY + timedelta(days=90))
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.COUNTER)
    desk.modal("p-controller")
    assert desk.submit("p-controller", until=None, reason="For good.")["accepted"]
    (offer,) = [p for p in desk.world.find(type(desk.world.proposal(proposal))) if p.supersedes_id == proposal]
    assert (offer.effective_to, offer.proposer_id) == (None, "p-controller")


def test_the_first_of_two_approvals_stands_on_both_cards(desk):
    proposal = desk.propose(to=800_000_00)
    desk.put_before(proposal)
    desk.click("p-cfo", proposal, card.APPROVE_TYPED)
    assert desk.submit("p-cfo", amount="800000", reason="Known for years.")["accepted"]
    (entry,) = desk.world.entries("decision.approve")
    mine = desk.direct("p-cfo", lambda m: f"audit entry {entry['seq']}, " in text(m))
    assert "Cfo" in text(mine) and "You have decided it; others decide now" in text(mine)
    assert [a for a in (card.APPROVE_TYPED, card.REJECT, card.COUNTER, card.RETURN) if f'"{a}"' in text(mine)] == []
    assert card.WHY in text(mine)
    theirs = desk.direct("p-ceo", lambda m: f"audit entry {entry['seq']}, " in text(m))
    assert "1 of 2 approvals" in text(theirs) and card.APPROVE_TYPED in text(theirs)


def test_an_approval_for_less_in_a_tier_of_two_reaches_the_second_and_the_old_card_says_what_replaced_it(desk):
    proposal = desk.propose(to=800_000_00)
    desk.put_before(proposal)
    desk.click("p-cfo", proposal, card.COUNTER)
    refused = desk.submit("p-cfo", amount="700000", reason="Enough.")
    assert "type the amount" in refused["errors"]["typed"], "under the field that was left empty"
    assert desk.submit("p-cfo", amount="700000", typed="700000", reason="Enough.")["accepted"]
    (offer,) = [p for p in desk.world.find(type(desk.world.proposal(proposal))) if p.supersedes_id == proposal]
    desk.direct("p-cfo", lambda m: "Replaced by a newer proposal" in text(m) and "700,000 EUR, 30 days, no end; waits for Ceo" in text(m))
    desk.click("p-ceo", offer.proposal_id, card.APPROVE_TYPED)
    assert desk.submit("p-ceo", amount="700000", reason="Fine.")["accepted"]
    desk.direct("p-cfo", lambda m: offer.proposal_id in text(m) and "Approved, waiting to be applied" in text(m))
    assert desk.world.apply(offer.proposal_id).state == "applied"


# --- step-up ------------------------------------------------------------------------------------------------------------------------


def test_a_high_tier_takes_the_typed_amount_and_a_reason(desk):
    proposal = desk.propose(to=800_000_00)
    desk.put_before(proposal)
    assert card.APPROVE_TYPED in text(desk.card("p-cfo", proposal)) and f'"{card.APPROVE}"' not in text(desk.card("p-cfo", proposal))
    desk.click("p-cfo", proposal, card.APPROVE_TYPED)
    assert "not the one you would approve" in text(desk.submit("p-cfo", amount="80000", reason="Known for years."))
    assert desk.world.find(Decision) == []
    assert desk.submit("p-cfo", amount="800000", reason="Known for years.")["accepted"]
    assert (desk.world.one(Decision).assurance, desk.world.proposal(proposal).state) == ("typed", "pending"), "T3 takes two people"


def test_the_highest_tier_is_decided_outside(desk):
    proposal = desk.propose(to=9_000_000_00)
    desk.put_before(proposal)
    desk.click("p-ceo", proposal, card.APPROVE_OUTSIDE)
    desk.told("p-ceo", f"credit-review decide {proposal} approve")
    assert desk.world.find(Decision) == []


def test_the_link_to_the_page_outside_is_a_button_that_only_its_person_sees(desk):
    desk.services.settings.step_up = StepUpSettings(url="https://credit.example.com")
    proposal = desk.propose(to=9_000_000_00)
    desk.put_before(proposal)
    desk.click("p-ceo", proposal, card.APPROVE_OUTSIDE)
    shown = desk.sandbox.until(lambda: next((m for m in desk.as_("p-ceo").direct() if m["only_you"]), None))
    (opens,) = [e for block in shown["blocks"] if block["type"] == "actions" for e in block["elements"]]
    assert opens["url"].startswith("https://credit.example.com/d/") and block_kit.problems_of_blocks(shown["blocks"]) == []
    token = opens["url"].rpartition("/")[2]
    assert desk.world.one(StepUpLink).token_sha256 == step_up.digest_of_token(token)
    assert token not in text({**shown, "blocks": [b for b in shown["blocks"] if b["type"] != "actions"]}), "behind the button only"
    desk.as_("p-ceo").click(desk.channel("p-ceo"), shown["ts"], LINK)
    assert desk.sandbox.deliveries()[-1]["acked"] and desk.as_("p-ceo").notices() == []


def test_in_a_modal_the_link_to_the_page_outside_is_a_button_too():
    view = said_in_modal(Told("Sign in there.", ENGLISH, link="https://credit.example.com/d/t"))
    assert block_kit.problems_of_blocks(view["blocks"]) == [] and view["blocks"][-1]["elements"][0]["url"].endswith("/d/t")


# --- many proposals -----------------------------------------------------------------------------------------------------------------


def test_many_proposals_come_as_one_list_and_are_approved_together_only_as_listed(desk):
    proposals = [desk.propose(f"c-{n:02}", to=60_000_00 + n * 100_00, grade="A" if n % 2 else "B") for n in range(23)]
    desk.put_before(*proposals)
    listed = desk.direct("p-controller", lambda m: "23 proposals of 2026Q3 wait for you" in text(m))
    assert len([m for m in desk.as_("p-controller").direct() if f'"{card.APPROVE}"' in text(m)]) == 0, "no card each"
    place = (desk.channel("p-controller"), listed["ts"])
    desk.as_("p-controller").click(*place, f"{digest.PAGE}:1")
    second = desk.direct("p-controller", lambda m: "Page 2 of 3" in text(m))
    desk.world.decide("p-cfo", proposals[12], account="p-cfo")
    desk.as_("p-controller").click(*place, digest.APPROVE_LISTED)
    desk.told("p-controller", "the list changed after it was shown")
    assert len(desk.world.find(Decision)) == 1
    assert second


def test_the_listed_are_approved_in_one_commit_each_with_its_decision(desk):
    proposals = [desk.propose(f"c-{n:02}", to=60_000_00 + n * 100_00) for n in range(21)]
    desk.put_before(*proposals)
    listed = desk.direct("p-controller", lambda m: "Approve the 10 listed" in text(m))
    desk.as_("p-controller").click(desk.channel("p-controller"), listed["ts"], digest.APPROVE_LISTED)
    desk.told("p-controller", "10 proposals approved by you.")
    assert len(desk.world.find(Decision)) == len(desk.world.entries("decision.approve")) == 10
    desk.direct("p-controller", lambda m: "11 proposals of 2026Q3 wait for you" in text(m))


# --- App Home -----------------------------------------------------------------------------------------------------------------------


def test_the_home_shows_my_queue_my_authority_and_sets_a_delegate(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    desk.as_("p-controller").open_home()
    seen = desk.sandbox.until(lambda: desk.as_("p-controller").home())
    assert "Controller: 1 proposal waits for you" in text(seen) and "up to 100,000 EUR" in text(seen)
    desk.as_("p-controller").change(seen["id"], home.DELEGATE)
    until = (TODAY + timedelta(days=10)).isoformat()
    assert desk.submit("p-controller", person="p-deputy", **{"from": TODAY.isoformat(), "until": until})["accepted"]
    assert desk.world.one(Delegation).delegate_id == "p-deputy"
    desk.sandbox.until(lambda: "Deputy stands in for Controller" in text(desk.as_("p-controller").home()))


def test_a_conflict_declared_in_slack_asks_others_at_once_and_takes_the_buttons_away(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    desk.as_("p-controller").open_home()
    seen = desk.sandbox.until(lambda: desk.as_("p-controller").home())
    desk.as_("p-controller").change(seen["id"], home.DECLARE)
    assert "no customer nonsense-1" in desk.submit("p-controller", customer="nonsense-1")["errors"]["customer"]
    assert desk.world.find(ConflictOfInterest) == []
    assert desk.submit("p-controller", customer="c-1")["accepted"]
    desk.card("p-manager", proposal)
    mine = desk.direct("p-controller", lambda m: "You declared a conflict of interest: others decide" in text(m))
    assert f'"{card.APPROVE}"' not in text(mine) and card.REJECT not in text(mine) and card.WHY in text(mine)
    seen = desk.sandbox.until(lambda: (h := desk.as_("p-controller").home()) and "Customer c-1 (c-1), until 2 Oct 2027" in text(h) and h)
    desk.services.clock.set(NOON + timedelta(minutes=1))
    desk.as_("p-controller").change(seen["id"], home.WITHDRAW)
    desk.direct("p-controller", lambda m: proposal in text(m) and f'"{card.APPROVE}"' in text(m))
    desk.sandbox.until(lambda: "Customer c-1 (c-1), until" not in text(desk.as_("p-controller").home()))


def test_who_goes_away_and_names_a_delegate_hands_over_what_waits_and_may_come_back(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    desk.as_("p-controller").open_home()
    seen = desk.sandbox.until(lambda: desk.as_("p-controller").home())
    desk.as_("p-controller").change(seen["id"], home.DELEGATE)
    until = (TODAY + timedelta(days=10)).isoformat()
    values = {"person": "p-deputy", "from": TODAY.isoformat(), "until": until, "away": ["away"]}
    assert desk.submit("p-controller", **values)["accepted"]
    assert "You, because you stand in for Controller" in text(desk.card("p-deputy", proposal))
    seen = desk.sandbox.until(
        lambda: (h := desk.as_("p-controller").home()) and "You are away from 1 Oct 2026, back on 11 Oct 2026" in text(h) and h
    )
    desk.services.clock.set(NOON + timedelta(minutes=1))
    desk.as_("p-controller").change(seen["id"], home.END_ABSENCE)
    seen = desk.sandbox.until(lambda: (h := desk.as_("p-controller").home()) and "You are away" not in text(h) and h)
    desk.as_("p-controller").change(seen["id"], home.END_DELEGATION)
    desk.sandbox.until(lambda: "over: Deputy stood in for Controller, 1 Oct 2026 to 1 Oct 2026" in text(desk.as_("p-controller").home()))


def test_the_home_lists_what_i_offered_and_what_i_approved_on_condition_among_what_waits_for_others(desk):
    offered, conditional = desk.propose("c-1"), desk.propose("c-2")
    due = TODAY + timedelta(days=7)
    desk.world.decide("p-controller", offered, "counter", counter=CounterOffer(to_minor=90_000_00))
    desk.world.decide("p-controller", conditional, conditions=(ConditionAsked(kind="overdue_paid", text="", due=due),))
    desk.as_("p-controller").open_home()
    seen = text(desk.sandbox.until(lambda: desk.as_("p-controller").home()))
    assert "50,000 to 90,000 EUR (+80%)  " in seen and "waits for Manager" in seen
    assert "waits for overdue paid, by 8 Oct 2026" in seen
    assert "50,000 to 60,000 EUR (+20%); offered: 90,000 EUR, 30 days, no end" in seen


def test_a_declared_conflict_of_interest_puts_the_decision_to_others(desk):
    conflict = ConflictOfInterest(
        person_id="p-controller", customer_id="c-1", valid_from=TODAY, valid_to=TODAY + timedelta(days=300), recorded_at=NOON
    )
    desk.world.write(conflict)
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-manager", proposal)
    assert proposal not in text(desk.as_("p-controller").direct())


# --- who clicks ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["GSHARED", "CPUBLIC"])
def test_cards_never_go_to_shared_or_public_channels(desk, channel):
    proposal = desk.propose()
    desk.put_before(proposal, channel=channel)
    desk.card("p-controller", proposal)
    rows = desk.eventually(lambda: [r for r in desk.world.find(OutboxEntry, state="parked") if channel in r.dedup_key])
    assert "company" in rows[0].last_error or "public" in rows[0].last_error
    assert desk.as_("p-manager").sees(channel) == []


# --- when Slack misbehaves ----------------------------------------------------------------------------------------------------------


def test_a_click_delivered_twice_decides_once(desk):
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    desk.sandbox.disturb("twice", payload_type="block_actions")
    desk.click("p-controller", proposal, card.APPROVE)
    desk.direct("p-controller", lambda m: "Approved, waiting" in text(m))
    desk.sandbox.quiet()
    assert len(desk.world.find(Decision)) == len(desk.world.entries("decision.approve")) == 1


def test_a_message_whose_answer_was_lost_is_found_again_not_posted_twice(desk):
    desk.sandbox.fail("chat.postMessage", silent=True, after=True, times=1)
    desk.office.client.timeout = 1
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.sandbox.until(lambda: desk.sandbox.calls("chat.postMessage"))
    desk.eventually(lambda: [r for r in desk.world.find(OutboxEntry, kind="slack_post") if r.attempts and r.state == "queued"])
    desk.services.clock.set(NOON + timedelta(minutes=5))
    desk.office.pump.wake()
    desk.card("p-controller", proposal)
    seen = [m for m in desk.as_("p-controller").direct() if "Credit review 2026Q3" in text(m)]
    assert len(seen) == 1, "the summary arrived before its answer was lost"


def test_messages_keep_their_order_when_slack_asks_to_wait(desk):
    desk.sandbox.fail("chat.postMessage", status=429, retry_after=1, times=2)
    proposals = [desk.propose(f"c-{n}", to=60_000_00 + n * 100_00) for n in range(4)]
    desk.put_before(*proposals)
    minutes = itertools.count(1)

    def a_minute_later():
        desk.services.clock.set(NOON + timedelta(minutes=next(minutes)))
        desk.office.pump.wake()
        return [m for m in desk.as_("p-controller").direct() if proposals[-1] in text(m)]

    desk.eventually(a_minute_later)
    order = [next((p for p in proposals if p in text(m)), "summary") for m in desk.as_("p-controller").direct()]
    assert order == ["summary", *proposals]


# --- those who do not decide --------------------------------------------------------------------------------------------------------


def test_who_asks_for_a_limit_sees_it_through_and_the_account_owner_is_told_in_time(desk):
    world = desk.world
    world.write(replace(world.one(Review), review_id="r-ask", scope="customer:c-1#1", kind="ad_hoc", as_of=TODAY, started_by="p-deputy"))
    with world.store.begin() as uow:
        owe_status(uow, "r-ask", "p-deputy", Destinations(direct=True), NOON)
        uow.commit()
    desk.office.pump.wake()
    desk.direct("p-deputy", lambda m: "Received; the customer is being reviewed" in text(m))
    proposal = desk.propose(review_id="r-ask", proposer_id="p-deputy", makers=["p-deputy", "p-analyst"], tier="T1")
    with world.store.begin() as uow:
        owe_status(uow, "r-ask", "p-deputy", Destinations(direct=True), NOON)
        uow.commit()
    desk.put_before(proposal)
    desk.direct("p-deputy", lambda m: "Waiting for approval by Credit controller" in text(m))
    desk.click("p-controller", proposal, card.APPROVE)
    desk.direct("p-deputy", lambda m: "Approved, waiting to be applied" in text(m))
    world.apply(proposal)
    desk.office.pump.wake()
    last = desk.direct("p-deputy", lambda m: "Approved and applied" in text(m))
    assert "Grade" not in text(last) and "risk" not in text(last)
    assert len([m for m in desk.as_("p-deputy").direct() if "Your request" in text(m)]) == 1, "one message follows the request"


def test_an_account_owner_reads_from_which_day_a_reduction_holds(desk):
    packet = json.loads(whole("c-1", 20_000_00, 50_000_00, {})["packet_json"])
    body = audit.canonical({**packet, "account_owner": "Ceo", "notice_working_days": 5})
    proposal = desk.world.propose("c-1", had=50_000_00, to=20_000_00, packet_json=body, digest=digest_of(body))
    desk.put_before(proposal)
    assert "Takes effect 5 working days after the decision" in text(desk.card("p-controller", proposal))
    desk.click("p-controller", proposal, card.APPROVE)
    desk.direct("p-controller", lambda m: "Approved, waiting" in text(m))
    desk.world.apply(proposal)
    tell_owners(desk.world.store, desk.services.clock, Destinations(direct=True), limits_owner="")
    desk.office.pump.wake()
    told = desk.direct("p-ceo", lambda m: "1 decision about your customers" in text(m))
    assert "limit goes from 50,000 EUR to 20,000 EUR on 8 Oct 2026" in text(told) and "pay open invoices" in text(told)
