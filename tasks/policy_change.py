"""A policy change for the committee: the diff, its report in every language, figures as JSON and the list of all customers beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review import report
from credit_review.adapters import files
from credit_review.words import LANGUAGES, words_for
from tasks import policy_diff, prepare
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.wiring import Services
    from credit_review.policy_effect.result import PolicyDiff
    from tasks.policy_diff import Asked

LIST, FIGURES = "customers.csv", "policy_diff.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A diff and what was written of it: the folder, the company's page, and the SHA-256 of page, list and figures."""

    found: PolicyDiff
    folder: Path
    page: Path
    page_digest: str
    list_digest: str
    figures_digest: str


def compute(config: str, asked: Asked, *, review: str = "", reviews: int = 1, out: Path | None = None) -> Written:
    """The diff of the change on the last reviews, written to `out`, by default a folder of this moment. Raises BadInput."""
    opened = prepare.services(config)
    now = opened.clock.now()
    folder = out or opened.settings.data / "policy" / f"{now:%Y-%m-%dT%H%M%SZ}-{asked.after[0].digest[:8]}"
    if out is not None:
        files.require_free(out)
    with files.replacing(folder / LIST) as part:
        found = policy_diff.diff(config, asked, review=review, reviews=reviews, write=_lines(part))
    with stage("Writing the report"):
        return _written(opened, found, folder)


def _lines(path: Path) -> Callable[[pd.DataFrame], None]:
    """Appends rows to a list, with its heading once."""
    import pandas as pd

    from credit_review.policy_effect.difference import MOVED

    columns = ["review", "as_of", MOVED[0], "customer", *MOVED[1:]]
    path.write_bytes(report.safe_csv(pd.DataFrame(columns=columns)).encode())

    def write(rows: pd.DataFrame) -> None:
        text = report.safe_csv(rows[columns])
        with path.open("ab") as file:
            file.write(text.partition("\r\n")[2].encode())

    return write


def _written(opened: Services, found: PolicyDiff, folder: Path) -> Written:
    from credit_review.model.records import Person
    from credit_review.policy_effect.result import plain

    settings, now = opened.settings, opened.clock.now()
    with opened.store.read() as uow:
        people = {p.person_id: p.name for p in uow.find(Person, order_by=("recorded_at",))}
    company = settings.words()
    readers = [company, *(words_for(language=one, zone=settings.time_zone) for one in sorted(LANGUAGES) if one != company.language)]
    produced = f"{now.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}"
    listed = files.sha256_of(folder / LIST)
    pages = report.policy_diff_pages(
        found, readers, people=people, list_digest=listed, company=settings.company, produced_at=produced
    )  # fmt: skip
    for reader, page in zip(readers, pages, strict=True):
        files.write_text(folder / report.file_name("policy_diff", reader.language, company.language), page)
    figures = folder / FIGURES
    files.write_text(figures, json.dumps(plain(found), ensure_ascii=False, sort_keys=True, indent=1) + "\n")
    page = folder / report.file_name("policy_diff", company.language, company.language)
    return Written(
        found=found,
        folder=folder,
        page=page,
        page_digest=files.sha256_of(page),
        list_digest=listed,
        figures_digest=files.sha256_of(figures),
    )
