"""What the controls that watch say today, the same controls one by one as a test of the control, and what became of their findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from credit_review.audit import Action
from credit_review.controls.alarm import Severity
from credit_review.controls.register import REGISTER
from credit_review.evidence.artefact import Artefact, Record, Row, Telling
from credit_review.evidence.limits import reason, values
from credit_review.words import said, said_many

FOUND = (Action.FINDING_OPENED, Action.FINDING_ASSIGNED, Action.FINDING_REMEDIED, Action.FINDING_CLOSED, Action.FINDING_REOPENED)


def alarms(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an exception that a control finds in the record as it is today."""
    found = record.alarms()
    telling.exceptions = len(found)
    high = sum(one.severity == Severity.HIGH for one in found)
    telling.notes.append(said_many("{n} exception of high severity", "{n} exceptions of high severity", high))
    for one in found:
        yield [one.control, one.severity, one.subject, values(dict(one.facts)), values(list(one.entries)), one.key]


def controls(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a control of the register: what it looks for, and how many exceptions it finds today."""
    found = Counter(one.control for one in record.alarms())
    telling.notes.append(said("{n} controls ran", n=len(REGISTER)))
    for one in REGISTER:
        yield [one.name, one.severity, one.says, values(list(one.evidence)), found[one.name]]


def findings(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an entry about a finding in the period: opened, assigned, remedied, closed, opened again."""
    still: dict[str, bool] = {}
    for one in record.history(*FOUND):
        still[one.subject] = one.action != Action.FINDING_CLOSED
        if record.period.has(one.at):
            told = reason(one) or one.text("remedy") or one.text("closing")
            yield [one.seq, one.at, one.action, one.subject, one.by, told, values(dict(one.data))]
    left = sum(still.values())
    telling.figures["open_at_the_end"] = left
    telling.notes.append(said_many("{n} finding open at the end of the period", "{n} findings open at the end of the period", left))


ALARMS = Artefact(
    number="E07",
    name="controls",
    title=said("What the controls that watch say"),
    shows=said("Each exception that a control finds in the record as it is on the day of this pack, with the entries to read first."),
    columns=("control", "severity", "subject", "facts", "entries", "key"),
    rows=alarms,
    none=said("no control finds an exception: E17-controls lists those that ran"),
    lacks=said("These look at the whole record and not at the period alone; what is not in this record no control sees."),
)
FINDINGS = Artefact(
    number="E07",
    name="findings",
    title=said("Findings"),
    shows=said("What was opened, assigned, remedied, closed and opened again in the period, by whom and why."),
    columns=("entry", "at", "action", "finding", "by", "reason", "data"),
    rows=findings,
    none=said("no finding was opened or changed in the period"),
    lacks=said("Findings that internal audit keeps elsewhere are not in this record."),
)
CONTROLS = Artefact(
    number="E17",
    name="controls",
    title=said("The controls that ran for this pack"),
    shows=said("Each control of the register: what it looks for, what it reads, and how many exceptions it finds."),
    columns=("control", "severity", "looks_for", "reads", "exceptions"),
    rows=controls,
    none=said("no control is registered"),
    lacks=said("That a control would find what it looks for is shown by tests with planted cases: see docs/audit/controls.md."),
)
