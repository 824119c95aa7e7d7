"""Runs of reviews: recomputed, complete, from which external data, and what failed and who handled it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from credit_review.audit import Action
from credit_review.evidence.artefact import Artefact, Event, Record, Row, Telling
from credit_review.evidence.limits import reason, values
from credit_review.receivables.totals import NOT_STATED, TIED
from credit_review.replay import Found
from credit_review.review.manifest import OPTIONAL_INPUTS
from credit_review.words import said, said_many

EXTERNAL = ("external", *OPTIONAL_INPUTS, "cover", "rates")
"""Datasets of the snapshot that others supply."""


def started(record: Record) -> list[Event]:
    """The reviews that began in the period."""
    return list(record.entries(Action.RUN_STARTED))


def manifest_of(record: Record, review_id: str) -> tuple[Mapping[str, Any], str, str]:
    """A review's manifest, its digest, and whether the log names that digest for the snapshot (`yes`, `no`, empty: there is none yet)."""
    for (text,) in record.table("review", "manifest_json", review_id=review_id):
        digest = sha256(text.encode()).hexdigest()
        named = [
            one.data.get("manifest")
            for one in record.about([f"review:{review_id}"], Action.RUN_STATE_CHANGED)
            if one.data["to"] == "snapshotted"
        ]
        return json.loads(text), digest, ("yes" if digest in named else "no") if named else ""
    return {}, "", ""


# --- E4 -------------------------------------------------------------------------------------------------------------------------------


def replays(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a review: what computing all of it again from its manifest found."""
    other, skipped = 0, 0
    for one in started(record):
        found = record.replay(one.subject)
        if found is None:
            skipped += 1
            yield [one.subject, one.data["label"], "not run", *[""] * 7]
            continue
        answer = ANSWERS[found.exit_code]
        other += found.exit_code == 1
        unlike = [item.text() for item in found.inputs] + [item.text for item in found.differences]
        counts = (found.checked, found.customers, found.proposals, found.routes)
        yield [
            one.subject,
            one.data["label"],
            answer,
            *counts,
            len(unlike),
            " | ".join(map(str, [*unlike[:20], *found.missing])),
            " | ".join(map(str, found.notes)),
        ]
    telling.exceptions = other
    if skipped:
        telling.notes.append(
            said_many("{n} review was not computed again: --no-replay", "{n} reviews were not computed again: --no-replay", skipped)
        )


ANSWERS = ("equal", "different", "cannot tell")
"""What a replay says, by its exit code."""


def replayed(found: Found | None, customer: str) -> str:
    """What the replay of a review says of one customer, as a sentence of a work paper."""
    if found is None:
        return said("not replayed")
    mine = [one.text for one in found.differences if one.customer in (customer, "")] + [one.text() for one in found.inputs]
    if mine:
        return said("different: {what}", what=mine[0])
    return said("cannot tell: {what}", what=found.missing[0]) if found.missing else said("equal, byte for byte")


# --- E11, E12 -------------------------------------------------------------------------------------------------------------------------


def completeness(record: Record, telling: Telling) -> Iterator[Row]:
    """Rows of three kinds a review: totals stated against what was read, lines of the certificate, customers per state in the log."""
    wrong = 0
    for one in started(record):
        manifest, digest, named = manifest_of(record, one.subject)
        head = [one.subject, one.data["label"], one.data["as_of"], digest, named]
        snapshot = record.file("snapshots", str(manifest.get("snapshot")), "snapshot.json") or {}
        for tie in snapshot.get("ties", ()):
            wrong += tie["verdict"] not in (TIED, NOT_STATED)
            figures = [tie["stated_rows"], tie["read_rows"], tie["stated_minor"], tie["read_minor"]]
            yield [
                *head,
                "source",
                f"{tie['source']} {tie['dataset']} {tie['kind']}".strip(),
                tie["currency"],
                "",
                *figures,
                tie["verdict"],
            ]
        certificate = record.file("reviews", one.subject, "certificate.json") or {}
        lines = [*certificate.get("lines", ()), *([certificate["total"]] if "total" in certificate else [])]
        for line in lines:
            for currency, minor in sorted(line["amounts"].items()) or [("", 0)]:
                yield [*head, "certificate", line["line"], currency, line["customers"], "", line["rows"], "", minor, ""]
        for state, customers, verdict in _states(record, one, certificate):
            wrong += verdict == "differs"
            yield [*head, "audit log", state, "", customers, "", "", "", "", verdict]
    telling.exceptions = wrong


def _states(record: Record, run: Event, certificate: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Customers per state as `score.batch` entries have them, and whether the certificate says so too."""
    counted = Counter[str]()
    for one in record.about([run.entity], Action.SCORE_BATCH):
        counted.update(one.data.get("states", {}))
    lines = {line["line"]: line["customers"] or 0 for line in certificate.get("lines", ())}
    for state, customers in sorted(counted.items()):
        yield state, customers, "no certificate" if not lines else "as certified" if lines.get(state) == customers else "differs"


def external(record: Record, _: Telling) -> Iterator[Row]:
    """One row a source of external data and review: what was received, its digest, and what this system did not record of it."""
    for one in started(record):
        manifest, digest, named = manifest_of(record, one.subject)
        if not manifest.get("snapshot"):
            continue
        snapshot = record.file("snapshots", str(manifest["snapshot"]), "snapshot.json") or {}
        received = [e.at for e in record.about([one.entity], Action.RUN_STATE_CHANGED) if e.data["to"] == "snapshotted"]
        for dataset in EXTERNAL:
            sources = [o for o in snapshot.get("origins", ()) if o["dataset"] == dataset] or [{}]
            if dataset in OPTIONAL_INPUTS and not manifest.get(dataset):
                continue  # a review without them
            for origin in sources:
                where = [origin.get("source", ""), origin.get("where", ""), origin.get("rows", "")]
                yield [
                    one.subject,
                    dataset,
                    *where,
                    manifest.get(dataset, ""),
                    received[0] if received else "",
                    manifest["code_commit"],
                    digest,
                    named,
                ]


# --- E13 ------------------------------------------------------------------------------------------------------------------------------

MONITORED = (
    Action.RUN_STARTED, Action.RUN_STATE_CHANGED, Action.RUN_FAILED, Action.RUN_RESUMED, Action.REVIEW_SUPERSEDED, Action.REVIEW_HELD,
    Action.REVIEW_HOLD_RELEASED, Action.REVIEW_CLOSED, Action.ERP_PARKED, Action.ERP_REQUEUED, Action.ERP_DIFFERENCE_FOUND,
    Action.ERP_DIFFERENCE_SETTLED, Action.MESSAGE_PARKED, Action.MESSAGE_REQUEUED,
)  # fmt: skip
_TROUBLE = (Action.RUN_FAILED, Action.ERP_PARKED, Action.ERP_DIFFERENCE_FOUND, Action.MESSAGE_PARKED)


def runs(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an event of a run, a delivery or a message: what happened, who handled it, with the reason."""
    troubles = 0
    for one in record.entries(*MONITORED):
        troubles += one.action in _TROUBLE
        data = {name: value for name, value in one.data.items() if name not in ("from", "to", "manifest", "settled")}
        told = reason(one) or one.text("hold") or one.text("statement")
        yield [one.seq, one.at, one.action, one.entity, one.by, one.data.get("from"), one.data.get("to"), told, values(data)]
    telling.figures["failures"] = troubles
    telling.notes.append(
        said_many("{n} failure, parked delivery or difference", "{n} failures, parked deliveries or differences", troubles)
    )


REPLAYS = Artefact(
    number="E04",
    name="replay",
    title=said("Scores and proposals computed again"),
    shows=said("Each review of the period computed again from its manifest and compared byte for byte: equal, different, or cannot tell."),
    columns=("review", "label", "answer", "inputs", "customers", "proposals", "routes", "differences", "what", "notes"),
    rows=replays,
    none=said("no review began in the period"),
    lacks=said("That a figure comes out again shows that nobody changed it, not that the rule behind it is a good one."),
)
COMPLETENESS = Artefact(
    number="E11",
    name="completeness",
    title=said("Completeness of the inputs"),
    shows=said(
        "Per review: totals the source stated against what was read, the certificate's lines, and customers per state as "
        "the log has them."
    ),
    columns=(
        "review", "label", "as_of", "manifest", "manifest_in_log", "kind", "line", "currency", "customers", "stated_rows", "rows",
        "stated_minor",
        "minor", "verdict",
    ),
    rows=completeness,
    none=said("no review began in the period"),
    lacks=said("Whether the ledger itself is complete is a question to whoever keeps it: ask accounting for the closing of the period."),
)  # fmt: skip
EXTERNAL_DATA = Artefact(
    number="E12",
    name="external-data",
    title=said("External data"),
    shows=said(
        "Per review and dataset that others supply: source, rows, content digest as the manifest fixes it, when it was read, "
        "and by which code."
    ),
    columns=("review", "dataset", "source", "where", "rows", "content_digest", "read_at", "code_commit", "manifest", "manifest_in_log"),
    rows=external,
    none=said("no review with a snapshot began in the period"),
    lacks=said(
        "Endpoint, certificate of the peer, request id and time of delivery are not recorded by this system, which reads files "
        "and tables: ask whoever fetches them from the provider."
    ),
)
RUNS = Artefact(
    number="E13",
    name="runs",
    title=said("Runs, failures and who handled them"),
    shows=said("What began, failed, resumed, was held, parked, requeued or settled, with the person who did it."),
    columns=("entry", "at", "action", "entity", "by", "from", "to", "reason", "more"),
    rows=runs,
    none=said("nothing ran in the period"),
    lacks=said(
        "Job runs and retries of Prefect are not recorded by this system: ask whoever runs the Prefect server; runs of a "
        "review carry the tag review:<id>."
    ),
)
