"""A configuration folder ready to review a generated book: starter files, database, people, adopted documents.

`python -m benchmarks.installation CONFIG SCORECARD`. The directory is a demo's, since here one program stands in for two adopters.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import generate
from credit_review.adapters.store import schema
from credit_review.adapters.wiring import Services
from credit_review.model.states import DocumentOfRecord
from credit_review.review import directory
from deployments.cli import governing, starting
from deployments.cli.frame import services

AUTHOR, ADOPTERS = "p-analyst", ("p-cfo", "p-manager")
PEOPLE = tuple((one, one) for one in (AUTHOR, "p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair"))


def install(
    config: Path, scorecard: Path, *, people: Sequence[tuple[str, str]] = PEOPLE, change: Callable[[Path], None] | None = None
) -> Services:
    """Write everything into `config`, which must not hold a configuration yet. `change` edits the starter files before they are adopted."""
    starting.write_starter(config)
    if change is not None:
        change(config)
    for name in ("data", "erp_drop", "ledger"):
        (config / name).mkdir(exist_ok=True)
    shutil.copyfile(scorecard, config / "scorecard.json")
    opened = services(config)
    schema.upgrade(opened.settings.database_url())
    with opened.store.begin() as uow:
        directory.set_up_demo(uow, people, on=generate.AS_OF.replace(month=1, day=1), now=opened.clock.now())
        uow.commit()
    settings = opened.settings
    adopt(opened, DocumentOfRecord.POLICY, settings.policy)
    adopt(opened, DocumentOfRecord.AUTHORITY, settings.authority)
    adopt(opened, DocumentOfRecord.SCORECARD, settings.scorecard)
    for place in settings.sources:
        adopt(opened, DocumentOfRecord.MAPPING, place.mapping)
    return opened


def adopt(opened: Services, kind: DocumentOfRecord, name: str) -> None:
    """Adopt one document of the folder as two people."""
    text = opened.settings.path(name).read_text(encoding="utf-8")
    for person_id in ADOPTERS:
        with opened.store.begin() as uow:
            person = governing.me(opened, uow, person_id)
            governing.adopt_text(opened, uow, person, kind=kind, name=name, text=text, authors=[AUTHOR])
            uow.commit()


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]))
