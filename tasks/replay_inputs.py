"""The inputs of a review, each compared with its digest in the manifest, and laid out in a folder where the review is computed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.adapters import files
from credit_review.adapters import snapshot as snapshots
from credit_review.errors import Tampered
from credit_review.model.records import Delegation, GovernedDocument, Review
from credit_review.model.states import DocumentOfRecord
from credit_review.replay import History, Input, Past
from credit_review.review import manifest as manifests
from credit_review.review.manifest import Manifest
from credit_review.words import marked, said
from tasks import intake, prepare

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.ports import UnitOfWork
    from tasks.plan import Plan

OF_SNAPSHOT = {
    "items": "ledger",
    "customers": "customers",
    "aliases": "identities",
    "external": "external",
    "statements": "statements",
    "remarks": "remarks",
    "cover": "cover",
    "forecasts": "forecasts",
    "rates": "rates",
}
"""Names that inputs of the snapshot have in the manifest, by dataset."""
FRAMES = ("limits", "other_limits", "history")

DATABASE = marked("database")
LOG = marked("audit log")
NAMES = (marked("manifest"), marked("delegations"), marked("calendars"), marked("mapping"), marked("layers"))
"""Inputs that no other catalogue of stored names has."""


@dataclass(slots=True)
class Checked:
    """How many inputs were compared, which are not what they were, and which are missing."""

    count: int = 0
    unlike: list[Input] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def compare(self, name: str, where: str, expected: str, found: str) -> None:
        """Count one input; an empty `found` says that it is missing."""
        self.count += 1
        if not found:
            self.missing.append(said("{input} is missing: {where}", input=said(name), where=where))
        elif found != expected:
            self.unlike.append(Input(name, where, expected, found))


def lay_out(plan: Plan, uow: UnitOfWork, review: Review, history: History, root: Path) -> tuple[Plan | None, Checked]:
    """A plan that computes the review again below `root` from the inputs as they stand, and what is wrong with them.

    None when an input it cannot do without is missing. Nothing of the review's own folder is written.
    """
    checked = Checked()
    fixed = manifests.from_json(review.manifest_json)
    checked.compare("manifest", said(DATABASE), history.manifest or review.manifest_digest, manifests.digest_of(review.manifest_json))
    again = plan.but(data=str(root))
    _documents(plan, again, uow, fixed, checked)
    again = again.but(snapshot_digest=_snapshot(plan, again, fixed, checked))
    if checked.missing:
        return None, checked
    _facts(plan, uow, fixed, review, checked)
    _limits(plan, again, uow, fixed, history, checked)
    _history(plan, again, fixed, checked)
    return (None if checked.missing and not all((again.workspace.has(name)) for name in FRAMES) else again), checked


def _wanted(fixed: Manifest) -> Iterator[tuple[DocumentOfRecord, str, str]]:
    """Kind, name and digest of each governed document of the manifest."""
    yield DocumentOfRecord.POLICY, "policy.yaml", fixed.policy
    yield DocumentOfRecord.AUTHORITY, "authority.yaml", fixed.authority
    yield DocumentOfRecord.SCORECARD, "scorecard.json", fixed.scorecard
    for name, digest in sorted(fixed.mappings.items()):
        yield DocumentOfRecord.MAPPING, name, digest


def _documents(plan: Plan, again: Plan, uow: UnitOfWork, fixed: Manifest, checked: Checked) -> None:
    """Documents as kept with the review, and as they stand on record; what is missing beside the review is taken from the record."""
    found = []
    for kind, name, digest in _wanted(fixed):
        path = plan.workspace.folder / "documents" / digest
        kept = path.read_bytes() if path.is_file() else b""
        record = uow.get(GovernedDocument, digest=digest)
        recorded = record.content.encode() if record else b""
        if kept or not recorded:
            checked.compare(kind, f"documents/{digest}", digest, sha256(kept).hexdigest() if kept else "")
        if recorded:
            checked.compare(kind, said(DATABASE), digest, sha256(recorded).hexdigest())
        text = (kept or recorded).decode("utf-8", "replace")
        found.append((kind, again.workspace.plain_document(record.name if record else name, text)))
    again.workspace.keep_documents(found)


def _snapshot(plan: Plan, again: Plan, fixed: Manifest, checked: Checked) -> str:
    """The digest under which the snapshot was linked."""
    folder = plan.workspace.snapshots / fixed.snapshot
    wrong = list(snapshots.faults(folder))
    for one in wrong:
        checked.compare(OF_SNAPSHOT.get(one.dataset, "snapshot"), f"snapshots/{fixed.snapshot}/{one.where}", one.expected, one.found)
    if not any(one.dataset == "" for one in wrong):
        checked.count += 1
        stored = snapshots.open_snapshot(folder).digests
        for dataset, name in OF_SNAPSHOT.items():
            if name in manifests.OPTIONAL_INPUTS and not getattr(fixed, name) and dataset not in stored:
                continue  # a review without them
            checked.compare(name, f"snapshots/{fixed.snapshot}/{snapshots.INDEX}", getattr(fixed, name), stored.get(dataset, ""))
    try:
        return snapshots.link_as_found(folder, again.workspace.snapshots)
    except Tampered as error:
        checked.missing.append(error.what)
        return fixed.snapshot


def _facts(plan: Plan, uow: UnitOfWork, fixed: Manifest, review: Review, checked: Checked) -> None:
    delegations = [d for d in uow.find(Delegation) if d.recorded_at <= review.started_at]
    checked.compare("delegations", said(DATABASE), fixed.delegations, manifests.digest_of_records(delegations))
    path = plan.workspace.folder / prepare.CALENDAR
    if path.is_file():
        checked.compare("calendars", prepare.CALENDAR, fixed.calendars, files.sha256_of(path))
        return
    now = manifests.digest_of(prepare.calendar_text(prepare.services(plan.config).settings))
    checked.compare("calendars", prepare.CALENDAR, fixed.calendars, now if now == fixed.calendars else "")


def _limits(plan: Plan, again: Plan, uow: UnitOfWork, fixed: Manifest, history: History, checked: Checked) -> None:
    """Limits in force as kept with the review, and as the audit log has them at that entry; the log's where the files are missing."""
    past = Past(uow, history, history.limits_read, prepare.services(plan.config).clock.now())
    by_log = intake.limits_in_force(past, again)
    checked.compare("limits", said(LOG), fixed.limits, intake.content_digest(*by_log))
    kept = [_kept(plan, name, checked) for name in ("limits", "other_limits")]
    frames = [by_log[at] if one is None else one for at, one in enumerate(kept)]
    if any(one is not None for one in kept):
        checked.compare("limits", "limits.parquet, other_limits.parquet", fixed.limits, intake.content_digest(*frames))
    for name, frame in zip(("limits", "other_limits"), frames, strict=True):
        again.workspace.write(name, frame)
    if fixed.layers:
        _layers(plan, again, past, checked, fixed.layers)


def _layers(plan: Plan, again: Plan, past: Past, checked: Checked, expected: str) -> None:
    """Layers in force likewise; a review whose manifest names none knew none, or there were none."""
    by_log = intake.layers_in_force(past, intake.started_on(past, plan))
    checked.compare("layers", said(LOG), expected, intake.layers_digest(by_log))
    kept = _kept(plan, intake.LAYERS, checked)
    if kept is not None:
        checked.compare("layers", f"{intake.LAYERS}.parquet", expected, intake.layers_digest(kept))
    again.workspace.write(intake.LAYERS, by_log if kept is None else kept)


def _history(plan: Plan, again: Plan, fixed: Manifest, checked: Checked) -> None:
    kept = _kept(plan, "history", checked)
    checked.compare("history", "history.parquet", fixed.history, "" if kept is None else intake.history_digest(plan, kept))
    if kept is not None:
        again.workspace.write("history", kept)


def _kept(plan: Plan, name: str, checked: Checked) -> pd.DataFrame | None:
    """A small frame of the review's folder, whatever its seal says: its values have their digest in the manifest."""
    path = plan.workspace.folder / f"{name}.parquet"
    if not path.is_file():
        return None
    try:
        return files.read_plain_frame(path)
    except Tampered as error:
        checked.unlike.append(Input(name, path.name, said("a whole file"), error.what))
        return None
