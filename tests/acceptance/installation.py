"""A real installation for a real ledger: a configuration folder, a database, people, and documents that two of them adopted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml

from credit_review.adapters.store import schema
from credit_review.model.states import DocumentOfRecord
from credit_review.review import directory
from deployments.cli import governing, scorecards, starting
from deployments.cli.frame import services
from tasks import prepare, training

MAPPINGS = Path(__file__).parents[1] / "intake" / "mappings"
AUTHOR, ADOPTERS = "p-analyst", ("p-cfo", "p-manager")
PEOPLE = tuple((one, one) for one in (AUTHOR, "p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair"))


@dataclass(frozen=True)
class Installation:
    """A configuration folder and what tests change in it."""

    config: Path
    documents: list[tuple[DocumentOfRecord, str]] = field(default_factory=list)

    @property
    def services(self):
        return prepare.services(str(self.config))

    def path(self, name):
        return self.config / name

    def edit(self, name, old, new):
        """Replace a text that stands exactly once in a file."""
        text = self.path(name).read_text(encoding="utf-8")
        assert text.count(old) == 1, (name, old, text.count(old))
        self.path(name).write_text(text.replace(old, new), encoding="utf-8")

    def adopt_all(self):
        settings = self.services.settings
        self.adopt(DocumentOfRecord.POLICY, settings.policy)
        self.adopt(DocumentOfRecord.AUTHORITY, settings.authority)
        self.adopt(DocumentOfRecord.SCORECARD, settings.scorecard)
        for place in settings.sources:
            self.adopt(DocumentOfRecord.MAPPING, place.mapping)

    def adopt(self, kind, name, by=ADOPTERS):
        """Adopt one document, as the people named, through what the command line calls."""
        opened = self.services
        text = opened.settings.path(name).read_text(encoding="utf-8")
        governing.check(kind, name, text)
        for person_id in by:
            with opened.store.begin() as uow:
                person = governing.me(opened, uow, person_id)
                governing.adopt_text(opened, uow, person, kind=kind, name=name, text=text, authors=[AUTHOR])
                uow.commit()


def write(config: Path, ledger: Path, *, mapping: Path, company: str, currency: str, since: date) -> Installation:
    """The starter configuration, changed as a person would change it for this ledger; nothing adopted yet."""
    starting.write_starter(config)
    shutil.copyfile(mapping, config / "mapping.yaml")
    made = Installation(config)
    settings = yaml.safe_load(made.path("settings.yaml").read_text(encoding="utf-8"))
    settings |= {"company": company, "posted_through": None, "time_zone": "UTC", "write_back": {"kind": "none"}}
    settings["sources"] = [{"mapping": "mapping.yaml", "folder": str(ledger)}]
    made.path("settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    made.edit("policy.yaml", "control_currency: EUR", f"control_currency: {currency}")
    made.edit("authority.yaml", "control_currency: EUR", f"control_currency: {currency}")
    made.path("data").mkdir()
    schema.upgrade(services(config).settings.database_url())
    opened = made.services
    with opened.store.begin() as uow:
        directory.set_up_demo(uow, PEOPLE, on=since, now=opened.clock.now())
        uow.commit()
    return made


def install(config: Path, ledger: Path, *, mapping: str, company: str, currency: str, as_of: date) -> Installation:
    """A configuration in which everything is adopted and a review can start; the expert scorecard, unless history carries a fitted one."""
    made = write(config, ledger, mapping=MAPPINGS / mapping, company=company, currency=currency, since=as_of)
    fitted = training.fit(str(config), as_of=as_of, expert=False)
    made.path("scorecard.json").write_text(fitted.text, encoding="utf-8")
    scorecards.examined_and_accepted(made.services, fitted, developer=AUTHOR, validator="p-controller", reason="read with its intervals")
    made.adopt_all()
    return made
