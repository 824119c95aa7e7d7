"""An installation to run flows on: the starter configuration on a small made-up company, its people, everything adopted by two of them."""

from __future__ import annotations

from datetime import date

import yaml

from credit_review.adapters import settings
from credit_review.adapters.store import schema
from credit_review.adapters.wiring import open_services
from credit_review.model.states import DocumentOfRecord
from credit_review.review import directory
from deployments import demo_company
from deployments.cli import governing, starting

AS_OF = date(2026, 9, 30)
DOCUMENTS = ("policy.yaml", "authority.yaml", "scorecard.json", "mapping.yaml")
PEOPLE = ("p-analyst", "p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair")


def install(config, *, customers, seed, as_of=AS_OF, change=None, clock=None):
    """Write it into `config`; `change` may change the ledger before anything reads it; everything is adopted at the time of `clock`."""
    starting.write_starter(config)
    demo_company.write(config / "ledger", seed=seed, as_of=as_of, customers=customers)
    if change is not None:
        change(config / "ledger")
    for name in ("data", "erp_drop"):
        (config / name).mkdir()
    opened = open_services(settings.load(config), clock=clock)
    schema.upgrade(opened.settings.database_url())
    with opened.store.begin() as uow:
        directory.set_up_demo(uow, [(one, one) for one in PEOPLE], on=as_of, now=opened.clock.now())
        uow.commit()
    for kind, name in zip(DocumentOfRecord, DOCUMENTS, strict=True):
        for person_id in ("p-cfo", "p-manager"):
            with opened.store.begin() as uow:
                person = governing.me(opened, uow, person_id)
                governing.adopt_text(opened, uow, person, kind=kind, name=name, text=(config / name).read_text(), authors=["p-analyst"])
                uow.commit()
    opened.store.close()


def set_in(config, **values):
    """Change settings.yaml; a value that is a mapping changes only what it names."""
    path = config / "settings.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in values.items():
        found[name] = found[name] | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(found), encoding="utf-8")
