"""The one place that builds stores, clocks and clients. Tasks, the chat listener and the command line call it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from credit_review.adapters.clock import SystemClock
from credit_review.adapters.settings import Settings, require_secret
from credit_review.adapters.store.engine import open_engine
from credit_review.adapters.store.unit_of_work import SqlStore
from credit_review.adapters.store.verify import Outside
from credit_review.errors import BadInput
from credit_review.notary import Outcome
from credit_review.ports import Chat, Clock, OrderDesk, WriteBack
from credit_review.words import said


@dataclass(frozen=True, slots=True)
class Services:
    """What a process works with. Clients of the outside are opened where they are used: most commands need none."""

    settings: Settings
    store: SqlStore
    clock: Clock

    def today(self) -> date:
        """The company's day."""
        return self.clock.now().astimezone(self.settings.zone).date()


def open_services(settings: Settings, *, clock: Clock | None = None) -> Services:
    """Store and clock of an installation. Raises Unavailable when the database does not answer or lacks the schema."""
    present = clock or SystemClock()
    return Services(settings, SqlStore(open_engine(settings.database_url()), present), present)


def open_write_back(settings: Settings) -> WriteBack | None:
    """The ERP side of limits; None when the settings name none. Raises BadInput or Unavailable."""
    from credit_review.adapters.write_back import CsvDropWriteBack, TableWriteBack

    chosen = settings.write_back
    if chosen.kind == "table":
        return TableWriteBack.open(require_secret(chosen.url_secret or ""), chosen.table)
    if chosen.kind == "csv_drop":
        return CsvDropWriteBack(settings.path(chosen.folder or ""), answers=chosen.answers)
    return None


def open_order_desk(settings: Settings) -> OrderDesk | None:
    """Where lists of open orders go; None when the settings send them nowhere. Raises BadInput or Unavailable."""
    chosen = settings.write_back
    if not chosen.orders:
        return None
    from credit_review.adapters import keepsakes
    from credit_review.adapters.order_desk import SUFFIX, OrderDrop, OrderTable

    def read(name: str, sha256: str) -> str:
        return keepsakes.kept(settings.data, keepsakes.ORDER_LISTS, name, sha256)

    if chosen.kind == "table":
        return OrderTable.open(require_secret(chosen.url_secret or ""), chosen.table + SUFFIX, read)
    return OrderDrop(settings.path(chosen.folder or ""), read)


def open_chat(settings: Settings) -> Chat | None:
    """Slack; None when it is off. Raises BadInput when its token is missing."""
    from credit_review.adapters.slack_chat import SlackChat

    return None if settings.slack.mode == "none" else SlackChat.from_settings(settings)


def open_outside(settings: Settings, clock: Clock) -> Outside:
    """What the audit log is verified against: nothing while `audit.origin` is empty. Raises BadInput for a key or anchor that is none."""
    from credit_review.adapters.anchors import open_anchors

    chosen = settings.audit
    if not chosen.origin:
        return Outside()
    oldest = timedelta(minutes=chosen.oldest_minutes)
    return Outside(anchors=open_anchors(settings), trust=chosen.trust(), now=clock.now(), oldest=oldest)


def run_notary(opened: Services) -> Outcome:
    """Verify what is new in the audit log, sign it, and see it kept. Raises BadInput without a key, TamperedEntry, or Unavailable."""
    from credit_review import notary
    from credit_review.adapters.anchors import open_anchors
    from credit_review.adapters.notebook import FolderNotebook
    from credit_review.adapters.store.log import SqlLog
    from credit_review.audit.notes import SigningKey

    chosen = opened.settings.audit
    if not chosen.origin:
        raise BadInput(
            said("settings.yaml names no origin under `audit`"),
            expected=said("the log's name, such as company.example/credit-audit/1"),
            next_step=said('docs/audit-log.md, "Setting up a notary"'),
        )
    key = SigningKey.read(require_secret(chosen.key_secret))
    with FolderNotebook(opened.settings.path(chosen.notary_dir)).alone() as book:
        log = SqlLog(opened.store.engine)
        oldest = timedelta(minutes=chosen.oldest_minutes)
        return notary.run(log, book, key, open_anchors(opened.settings), chosen.trust(), now=opened.clock.now(), oldest=oldest)
