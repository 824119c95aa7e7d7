"""The audit log itself: how it was signed, its keys, and whether it came back from a backup."""

from __future__ import annotations

from collections.abc import Iterator

from credit_review.audit import Action
from credit_review.evidence.artefact import Artefact, Record, Row, Telling
from credit_review.evidence.limits import values
from credit_review.words import said


def keeping(record: Record, _: Telling) -> Iterator[Row]:
    """One row an entry about the log: keys handed over, restores, erasures, reads."""
    for one in record.entries(Action.KEY_ROTATED, Action.LOG_RESTORED, Action.PAYLOAD_ERASED, Action.AUDIT_READ, Action.VERIFY_RUN):
        data = {name: value for name, value in one.data.items() if name not in ("note", "population", "plan")}
        yield [one.seq, one.at, one.action, one.entity, one.by, one.text("reason"), values(data)]


def restores(record: Record, _: Telling) -> Iterator[Row]:
    """One row a restore of the database in the period: incarnations before and after, and what was lost."""
    for one in record.entries(Action.LOG_RESTORED):
        named = ("before", "origin", "lost_size", "lost_root")
        yield [one.seq, one.at, one.by, *(one.data.get(name) for name in named), one.text("reason")]


KEEPING = Artefact(
    number="E14",
    name="log-keeping",
    title=said("What was done to the audit log itself"),
    shows=said(
        "Keys handed over, restores, payloads erased, samples and packs taken. Verification, checkpoints and anchors are in "
        "E14-verification.json."
    ),
    columns=("entry", "at", "action", "entity", "by", "reason", "more"),
    rows=keeping,
    none=said("none recorded in the period"),
    lacks=said("What internal audit's witness remembers is on its own machine and not in this pack: compare it yourself."),
)
RESTORES = Artefact(
    number="E15",
    name="restores",
    title=said("Backup and restore"),
    shows=said("Each restore of this database: who, when, the incarnations before and after, and up to which root entries were lost."),
    columns=("entry", "at", "by", "origin_before", "origin_after", "lost_size", "lost_root", "reason"),
    rows=restores,
    none=said("no restore is recorded in the period"),
    lacks=said("Backups taken, and tests of restoring one elsewhere, are not recorded by this system: ask the database administrator."),
)
