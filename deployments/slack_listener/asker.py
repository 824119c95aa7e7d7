"""Passes on what sales asks for: a request waits in the record until a process of its own has made a review of it.

It is stored before it is acknowledged, so it survives the listener. Who takes it says so, again every minute; one that nobody spoke for
during five minutes (its listener was killed) is taken by another. Asking twice proposes once: the second finds the first one's proposal.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.adapters.slack_chat import without_tokens
from credit_review.adapters.wiring import Services
from credit_review.audit import canonical
from credit_review.errors import CreditReviewError
from credit_review.messages import notices
from credit_review.model.records import InboxEntry
from credit_review.ports import UnitOfWork
from credit_review.review.request import owe_status_again
from credit_review.words import said, unpacked
from deployments.slack_listener.pump import Pump

if TYPE_CHECKING:
    from slack_sdk import WebClient

LOG = logging.getLogger("credit_review.slack")
WAITING, UNDER_WAY, DONE = "request:waiting", "request:under way", "request:done"
"""Outcomes of the inbox entry of a request's form; a second entry, `<key>:asked`, holds what is asked."""
FORGOTTEN_AFTER = timedelta(minutes=5)
EVERY_SECONDS = 30.0
_SPEAKS_EVERY = 60.0


def keep(uow: UnitOfWork, key: str, asked: Mapping[str, Any], user: str, now: datetime) -> bool:
    """Whether the request of a form is new; it waits from now on. The caller commits."""
    if not uow.add_if_absent(InboxEntry(delivery_key=key, outcome_json=WAITING, at=now)):
        return False
    about = {"asked": dict(asked), "user": user, "key": key}
    uow.add(InboxEntry(delivery_key=f"{key}:asked", outcome_json=canonical(about), at=now))
    return True


def done(uow: UnitOfWork, key: str) -> None:
    """The request waits no longer: it became a review, or its person was told why not. The caller commits."""
    uow.change(InboxEntry, where={"delivery_key": key}, to={"outcome_json": DONE})


class Asker:
    """One thread that passes requests on, one after the other."""

    def __init__(
        self, services: Services, client: WebClient, pump: Pump, company: messages.Company, *, command: Sequence[str] = ()
    ) -> None:
        self._services, self._client, self._pump, self._company = services, client, pump, company
        self._command = list(command) or [sys.executable, "-m", "deployments.slack_listener.asking"]
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="credit-review-asker", daemon=True)

    def start(self) -> None:
        """Begin, with what waits from before."""
        self._wanted.set()
        self._thread.start()

    def wake(self) -> None:
        """A request may wait now."""
        self._wanted.set()

    def stop(self) -> None:
        """Take no other request. One under way goes on in its own process, which puts its end on record."""
        self._stopped.set()
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wanted.wait(EVERY_SECONDS)
            self._wanted.clear()
            try:
                while not self._stopped.is_set() and (taken := self._take()):
                    self._pass_on(taken)
            except Exception:
                LOG.exception("a request could not be passed on now; it goes on waiting")

    def _take(self) -> dict[str, Any] | None:
        """The oldest request that waits or was forgotten, now ours; None when there is none."""
        now, store = self._services.clock.now(), self._services.store
        with store.read() as uow:
            found = uow.find(InboxEntry, outcome_json=(WAITING, UNDER_WAY), order_by=("at", "delivery_key"))
        for row in found:
            if row.outcome_json == UNDER_WAY and now - row.at < FORGOTTEN_AFTER:
                continue
            with store.begin(interactive=False) as uow:
                where = {"delivery_key": row.delivery_key, "outcome_json": row.outcome_json, "at": row.at}
                if uow.change(InboxEntry, where=where, to={"outcome_json": UNDER_WAY, "at": now}):
                    asked = uow.get(InboxEntry, delivery_key=f"{row.delivery_key}:asked")
                    uow.commit()
                    return dict(json.loads(asked.outcome_json)) if asked else None
        return None

    def _pass_on(self, taken: Mapping[str, Any]) -> None:
        """The flow in a process of its own: the listener stays small and quick."""
        command = [*self._command, str(self._services.settings.folder)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        given: str | None = json.dumps({**taken["asked"], "key": taken["key"]})
        while True:
            try:
                out, complaints = process.communicate(given, timeout=_SPEAKS_EVERY)
                break
            except subprocess.TimeoutExpired:
                given = None
                self._speak_for(taken["key"])
        if process.returncode != 0:
            LOG.warning("a request was not recorded (status %s): %s", process.returncode, without_tokens(complaints[-2000:]))
            self._tell(taken, _why(out))
        else:
            self._owe_status(taken["asked"])
        self._pump.wake()

    def _speak_for(self, key: str) -> None:
        try:
            with self._services.store.begin(interactive=False) as uow:
                uow.change(InboxEntry, where={"delivery_key": key, "outcome_json": UNDER_WAY}, to={"at": self._services.clock.now()})
                uow.commit()
        except CreditReviewError:
            LOG.warning("the database is busy: a request under way could not be spoken for")

    def _owe_status(self, asked: Mapping[str, Any]) -> None:
        """The process owes it as well, but by the settings on file, which of a rehearsal know no Slack."""
        services = self._services
        with services.store.begin(interactive=False) as uow:
            to = services.settings.slack.destinations()
            owe_status_again(uow, asked["customer_id"], asked["person_id"], to, services.clock.now())
            uow.commit()

    def _tell(self, taken: Mapping[str, Any], why: str) -> None:
        now, store = self._services.clock.now(), self._services.store
        with store.read() as uow:
            words = self._company.reader(uow, taken["asked"]["person_id"], now)
        shown = notices.answer(words.say(said("Your request was not recorded: {why}", why=why)))
        self._client.chat_postMessage(channel=taken["user"], text=shown.text, blocks=list(shown.blocks))
        with store.begin(interactive=False) as uow:
            done(uow, taken["key"])
            uow.commit()


def _why(out: str) -> str:
    """What the process says it was refused for. What it wrote elsewhere is for no person's eyes: it may hold anything."""
    try:
        return unpacked(json.loads(out.strip().splitlines()[-1])["why"])
    except (ValueError, LookupError, TypeError):
        return said("the review of it stopped; the risk team finds the cause in the listener's log")
