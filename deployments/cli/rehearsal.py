"""`slack sandbox`: the demo's people, and its proposals, in a stand-in for Slack and for company sign-in on this machine.

The listener and the page outside Slack are the real ones.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.adapters.settings import SlackSettings, StepUpSettings
from credit_review.adapters.wiring import Services
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput
from credit_review.model.records import AccessRight, Addressee, PersonAccount, Proposal, SlackMessage
from credit_review.model.records import Person as DirectoryPerson
from credit_review.model.states import ProposalState, Right
from credit_review.ports import UnitOfWork
from credit_review.review import followup
from credit_review.review import release as releasing
from credit_review.review.directory import persons, record_account
from credit_review.review.outbox import owe_updates
from credit_review.review.personal import set_right
from credit_review.review.release import Analyst
from credit_review.review.standing import gather_many, matrix_in_force, policy_in_force
from credit_review.words import marked, said
from deployments.cli.frame import services, tell
from deployments.cli.slack_health import SCOPES

if TYPE_CHECKING:
    from deployments.slack_sandbox.client import SandboxClient

TEAM = "T1"
TOKENS = {"SLACK_BOT_TOKEN": "xoxb-sandbox", "SLACK_APP_TOKEN": "xapp-sandbox"}
ENOUGH, RELEASED = 10, 40
"""Proposals that the analyst lets go where fewer than ten were ever asked about: enough for cards and for one list."""
_SYSTEM = "system:sandbox"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A running sandbox with the installation's people in it, and the services its listener works with."""

    sandbox: SandboxClient
    opened: Services


def user_of(person_id: str) -> str:
    """The sandbox's Slack user id of a person."""
    return "U" + "".join(c for c in person_id.removeprefix("p-").upper() if c.isalnum())


def serve(config: Path, *, port: int) -> None:
    """Run the stand-in and the listener until stopped, and say what to open."""
    with rehearsing(config, port=port) as running:
        with running.opened.store.read() as uow:
            waiting = len(uow.find(Proposal, state=ProposalState.PENDING))
        sentence = marked("SANDBOX, not Slack: open {url} and choose who you are; {waiting} proposals wait for decisions")
        tell(said(sentence, url=running.sandbox.url, waiting=waiting))
        tell(said("company sign-in is played too: choose who you are and type the number shown; it is no real sign-in"))
        tell(said("what is approved there is applied by `credit-review apply`; stop with Ctrl-C"))
        import signal

        signal.sigwait({signal.SIGINT, signal.SIGTERM})


@contextmanager
def rehearsing(config: Path, *, port: int = 0) -> Iterator[Rehearsal]:
    """The demo in `config` with its people in a sandbox, the real listener and the real page outside Slack.

    Raises BadInput for anything but a demo.
    """
    from deployments.slack_listener.app import build_app, build_office
    from deployments.slack_listener.serving import SocketMode
    from deployments.slack_sandbox.core import Settings
    from deployments.slack_sandbox.issuer import CLIENT_SECRET
    from deployments.slack_sandbox.server import running
    from deployments.slack_sandbox.state import Person

    opened = services(config)
    people = _people(opened)
    members = [Person(user_of(p.person_id), p.person_id, p.name, team_id=TEAM, tz=opened.settings.time_zone) for p in people]
    keys = {"OIDC_CLIENT_SECRET": CLIENT_SECRET, "STEP_UP_KEY": secrets.token_hex(32)}
    os.environ.update({f"CREDIT_REVIEW_{name}": value for name, value in {**TOKENS, **keys}.items()})
    chosen = Settings(people=members, channels=(), scopes=tuple(sorted(SCOPES)), clock=lambda: opened.clock.now().timestamp())
    with running(chosen, port=port) as sandbox, _page_outside(opened, sandbox, port) as opened:
        office = build_office(opened)
        handler = SocketMode(build_app(office), TOKENS["SLACK_APP_TOKEN"], office.client)
        handler.connect()
        sandbox.connected()
        _put_before_people(opened)
        _follow_up(opened)
        office.start()
        try:
            yield Rehearsal(sandbox, opened)
        finally:
            office.stop()
            handler.close()


@contextmanager
def _page_outside(opened: Services, sandbox: SandboxClient, port: int) -> Iterator[Services]:
    """The page outside Slack beside the sandbox, which plays company sign-in for it; yields the services with both in their settings."""
    from deployments.slack_sandbox.issuer import CLIENT_ID
    from deployments.slack_sandbox.server import served
    from deployments.slack_sandbox.sign_in import PATH
    from deployments.step_up.serving import server_of

    here = _port_after(port)
    update = {
        "slack": SlackSettings(mode="socket", team_ids=(TEAM,), api_url=sandbox.api_url, show_providers=("*",)),
        "step_up": StepUpSettings(
            url=f"http://127.0.0.1:{here}", issuer=f"{sandbox.url}{PATH}", client_id=CLIENT_ID, claim="sub", second_factor=("otp",)
        ),
    }
    opened = replace(opened, settings=opened.settings.model_copy(update=update))
    otherwise = BadInput(f"the page outside Slack cannot listen on port {here}", next_step="stop what listens there")
    with served(server_of(opened, host="127.0.0.1", port=here), otherwise):
        yield opened


def _port_after(port: int) -> int:
    """The next port, so that a tunnel can be made for both; any free one where that is taken, or none was chosen."""
    from deployments.slack_sandbox.server import free_port

    if port:
        with suppress(OSError, OverflowError), socket.socket() as free:
            free.bind(("127.0.0.1", port + 1))
            return port + 1
    return free_port()


def _people(opened: Services) -> list[DirectoryPerson]:
    """The demo's people, each with an account in the sandbox. Raises BadInput where real people are in the directory."""
    now, today = opened.clock.now(), opened.today()
    with opened.store.begin() as uow:
        people = persons(uow, on=today, known_at=now)
        if not uow.find(PersonAccount, kind="demo", limit=1):
            raise BadInput(
                said("the sandbox plays with a demo's people, and this directory is no demo's"),
                expected=said("a folder that `credit-review demo` wrote"),
                next_step=said("`make demo`, then `credit-review slack sandbox -c demo`"),
            )
        known = {(a.kind, a.account) for a in uow.find(PersonAccount, kind=("slack", "sso"))}
        for person in people:
            _join(uow, person, known, opened)
        uow.commit()
    return people


def _join(uow: UnitOfWork, person: DirectoryPerson, known: set[tuple[str, str]], opened: Services) -> None:
    """Gives a person an account in the sandbox and one at its sign-in, and the rights that go with what he does."""
    from deployments.slack_sandbox.sign_in import subject_of

    now, today = opened.clock.now(), opened.today()
    slack = ("slack", f"{TEAM}|{user_of(person.person_id)}")
    for kind, account in sorted({slack, ("sso", subject_of(person.person_id))} - known):
        fact = PersonAccount(kind=kind, account=account, person_id=person.person_id, valid_from=today, valid_to=None, recorded_at=now)
        record_account(uow, fact, by=_SYSTEM)
    if slack in known:
        return
    for right in Right if person.person_id in _at_work(uow, opened) else (Right.REQUEST_LIMITS,):
        given = AccessRight(person_id=person.person_id, access=right, valid_from=today, valid_to=None, recorded_at=now)
        set_right(uow, given, by=_SYSTEM)


def _at_work(uow: UnitOfWork, opened: Services) -> set[str]:
    """Who prepares or decides; anybody else of the demo sells, and may ask for limits."""
    now = opened.clock.now()
    return {w.analyst for w in policy_in_force(uow, now).worklists} | {h.person for h in matrix_in_force(uow, now).holders}


def _put_before_people(opened: Services) -> None:
    """Owes the messages of everything that waits, and lets the analyst release some drafts where little does."""
    from credit_review.review.addressing import put_before
    from deployments.cli.working import rules

    now = opened.clock.now()
    with opened.store.begin() as uow:
        chosen = rules(opened, uow)
        asked = {a.proposal_id for a in uow.find(Addressee)}
        unasked = [p for p in uow.find(Proposal, state=ProposalState.PENDING) if p.proposal_id not in asked]
        if unasked:
            standings = gather_many(uow, unasked, matrix_in_force(uow, now), now, zone=opened.settings.zone)
            put_before(uow, list(standings.values()), chosen.matrix, chosen.to, now)
        # a new sandbox knows none of the messages that an earlier one showed: each is posted again
        owe_updates(uow, sorted({m.subject for m in uow.find(SlackMessage)}), now)
        drafts = uow.find(Proposal, state=ProposalState.DRAFT, order_by=("tier", "proposal_id"))
        if len(asked) + len(unasked) < ENOUGH and drafts:
            by = Analyst(person_id=drafts[0].assigned_to, now=now, today=opened.today())
            releasing.release(uow, [p.proposal_id for p in _mixed(drafts)], chosen, by)
        uow.commit()


def _follow_up(opened: Services) -> None:
    """What the daily run would say today: reminders, escalation, yesterday's summaries, what account owners are told."""
    settings = opened.settings
    calendar = WorkingCalendar(settings.calendar.country, frozenset(settings.calendar.extra_holidays))
    company = followup.Company(calendar=calendar, zone=settings.zone)
    followup.follow_up(opened.store, opened.clock, company, settings.slack.destinations())


def _mixed(drafts: list[Proposal]) -> list[Proposal]:
    """Some of each tier: most of the lowest, where those without an exception come first, so that some can be approved together."""
    by_tier: dict[str, list[Proposal]] = {}
    for draft in sorted(drafts, key=lambda p: (p.tier == "T1" and bool(p.exceptional), p.proposal_id)):
        by_tier.setdefault(draft.tier, []).append(draft)
    found = [p for tier, some in sorted(by_tier.items()) if tier for p in some[: 26 if tier == "T1" else 5]]
    return found[:RELEASED]
