"""A credit department at its command line: an installation on a made-up company, and commands typed as its people type them."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from credit_review.adapters import settings, wiring
from credit_review.adapters.clock import FixedClock
from credit_review.adapters.store import schema
from credit_review.model.records import AuditRow, Proposal
from credit_review.review import directory
from deployments import demo_company
from deployments.cli import main, starting
from tasks import prepare

AS_OF = date(2026, 9, 30)
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
PEOPLE = (
    ("p-analyst", "Anna Berg"),
    ("p-controller", "Carl Ohm"),
    ("p-manager", "Mia Holm"),
    ("p-cfo", "Frank Osei"),
    ("p-ceo", "Elena Rossi"),
    ("p-chair", "Wei Zhang"),
)
DOCUMENTS = ("policy.yaml", "authority.yaml", "scorecard.json", "mapping.yaml")
CLOCK = FixedClock(NOON)
"""The clock of every command run in this process; `Office.at` sets it."""


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output and error."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    def fine(self):
        assert self.code == 0, (self.code, self.out[-2000:], self.err[-2000:])
        assert "Traceback" not in self.err
        return self

    def refused(self, code, *words):
        assert self.code == code, (self.code, self.out[-2000:], self.err[-2000:])
        assert "Traceback" not in self.err
        assert code == 2 or any(label in self.err for label in ("  next: ", "  expected: ", "  下一步：", "  应为：")), self.err
        missing = [word for word in words if word not in self.err]
        assert not missing, (missing, self.err)
        return self


@dataclass(frozen=True)
class Office:
    """One installation's configuration folder, and its command line."""

    config: Path

    def run(self, *words, who=""):
        """One command through the real entry point, with its error handling and exit code, in this process."""
        return run(*words, "--config", str(self.config), *(("--as", who) if who else ()))

    @property
    def opened(self):
        return prepare.services(str(self.config))

    def find(self, record, **filters):
        with self.opened.store.read() as uow:
            return uow.find(record, **filters)

    def one(self, record, **filters):
        (found,) = self.find(record, **filters)
        return found

    def refusals(self):
        """Who was refused what, and by which rule, as the log has it."""
        rows = self.find(AuditRow, action="decision.refused", order_by=("seq",))
        return [(row.actor, row.entity, json.loads(row.body)["data"]["code"]) for row in rows]

    def waiting(self, *, way=None, tier=None, currency="EUR"):
        """Ids of drafts of a direction and tier, smallest resulting limit first."""
        drafts = [p for p in self.find(Proposal, state="draft", currency=currency) if way in (None, p.direction) and tier in (None, p.tier)]
        return [p.proposal_id for p in sorted(drafts, key=lambda p: (p.to_minor, p.proposal_id))]

    def edit(self, name, old, new):
        path = self.config / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, (name, old, text.count(old))
        path.write_text(text.replace(old, new), encoding="utf-8")

    def adopt(self, name, by=("p-cfo", "p-manager")):
        for person in by:
            done = self.run("adopt", str(self.config / name), "--author", "p-analyst", who=person).fine()
        assert "in force" in done.out

    def copy(self, folder):
        """Another installation that starts where this one stands."""
        shutil.copytree(self.config, folder, ignore=shutil.ignore_patterns("*.db", "*.db-*"))
        # the template's database may be open in another worker: a copy of its files would not be of one moment
        name = "data/credit-review.db"
        with closing(sqlite3.connect(self.config / name)) as old, closing(sqlite3.connect(folder / name)) as new:
            old.backup(new)
        return Office(folder)

    def erp_applies(self):
        """What an ERP does with its drop folder: it applies every file and says so in applied.csv."""
        drop = self.config / "erp_drop"
        files = sorted(path for path in drop.glob("*.csv") if path.name != "applied.csv")
        rows = [path.read_text(encoding="utf-8").splitlines() for path in files]
        lines = [rows[0][0], *(line for one in rows for line in one[1:])]
        (drop / "applied.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(*words):
    """One command line, without a configuration unless it names one."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["credit-review", *words]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main.run()
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
    else:
        code = 0
    finally:
        sys.argv = before
    return Done(code, out.getvalue(), err.getvalue())


def install(config, *, customers, seed=3):
    """The starter on a made-up company, with people, everything adopted by two of them; what `people` and `adopt` do is tested apart."""
    starting.write_starter(config)
    Office(config).edit("settings.yaml", "  buckets: 2 ", "  buckets: 1 ")  # so small a company is checked faster in one
    demo_company.write(config / "ledger", seed=seed, as_of=AS_OF, customers=customers)
    for name in ("data", "erp_drop"):
        (config / name).mkdir()
    opened = wiring.open_services(settings.load(config))
    schema.upgrade(opened.settings.database_url())
    with opened.store.begin() as uow:
        directory.set_up_demo(uow, PEOPLE, on=AS_OF, now=CLOCK.now())
        uow.commit()
    opened.store.close()
    office = Office(config)
    for name in DOCUMENTS:
        office.adopt(name)
    return office
