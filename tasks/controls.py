"""The controls that watch, as a step: what they found becomes an artifact, and each alarm a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from credit_review.adapters import watching
from credit_review.controls.alarm import Alarm
from credit_review.review import findings
from credit_review.review.working import Company
from credit_review.words import said, said_many
from tasks.defaults import outside
from tasks.prepare import services

AT_ONCE = 200
"""Findings opened in one transaction: fewer clicks wait behind it."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the controls said: one line, and a row an alarm of ids, codes and counts."""

    headline: str
    rows: Sequence[Mapping[str, str | int]]


@outside(name="run the controls", task_run_name="run the controls")
def watch(config: str, *, book: bool = True) -> Watched:
    """The controls over the whole record, a finding each exception; safe to repeat: the same exception is one finding.

    Without `book`, as after a request, those are left out that read the newest review of the book and nothing else.
    """
    opened = services(config)
    found = watching.run(opened, book=book)
    company = Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)
    fresh = 0
    for part in (found[at : at + AT_ONCE] for at in range(0, len(found), AT_ONCE)):
        with opened.store.begin(interactive=False) as uow:
            became = findings.open_for(uow, part, company, opened.clock.now())
            uow.commit()
        fresh += len(became.opened) + len(became.reopened)
    counted = said_many("{n} exception found", "{n} exceptions found", n=len(found))
    ran = len(watching.controls_of(book=book))
    headline = said("{register} controls ran: {exceptions}, {fresh} of them new", register=ran, exceptions=counted, fresh=fresh)
    return Watched(headline=headline, rows=[_row(one) for one in found])


def _row(alarm: Alarm) -> dict[str, str | int]:
    """Ids, codes and counts only: whoever reads artifacts need not be who reads findings."""
    facts = ", ".join(f"{name} {value}" for name, value in sorted(alarm.facts.items()) if not name.endswith("_minor"))
    entries = " ".join(str(seq) for seq in alarm.entries)
    return {"control": alarm.control, "severity": str(alarm.severity), "subject": alarm.subject, "facts": facts, "entries": entries}
