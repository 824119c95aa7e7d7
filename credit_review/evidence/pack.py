"""What a pack says of itself: each artefact with the queries that made it, the list of its files, and the note that signs that list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from credit_review.audit.notes import SigningKey, sign
from credit_review.evidence.artefact import Artefact, Row, Telling
from credit_review.report.spreadsheet import protect
from credit_review.words import said

FORMAT = "credit-review-evidence/1"
MANIFEST, SIGNATURE, INDEX, README = "manifest.json", "manifest.note", "index.html", "README.md"
CHECK = "check_pack.py"
SCRIPTS = ("verify_audit.py", "reperform_limits.py", CHECK)
"""What an auditor runs, beside the pack."""
LOG = "log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An artefact as it came out: rows and SHA-256 of its file, what it told, and the queries that ran for it.

    `repeatable`: the same period and number of entries give the same bytes again. `exceptions` None: not examined for any.
    """

    number: str
    file: str
    title: str
    shows: str
    none: str
    lacks: str
    rows: int
    sha256: str
    exceptions: int | None = None
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    queries: tuple[Mapping[str, Any], ...] = ()
    repeatable: bool = True

    @classmethod
    def of(
        cls, one: Artefact, told: Telling, queries: Sequence[Mapping[str, Any]], *, rows: int, digest: str, repeatable: bool = True
    ) -> Made:
        """The artefact with what its run gave."""
        return cls(
            number=one.number, file=one.file, title=one.title, shows=one.shows, none=one.none, lacks=one.lacks, rows=rows, sha256=digest,
            exceptions=told.exceptions, notes=tuple(told.notes), figures=told.figures, queries=tuple(queries), repeatable=repeatable,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a pack is of, over which log, and who made it how. Times are timestamps of the log's form.

    `subject` is empty for a period's pack, else what a special audit is about. `checkpoint` is the size of the newest signed checkpoint
    beside the log (0: none), `keys` the log's verification keys as the installation has them, for the recipient to compare.
    """

    company: str
    first_day: str
    last_day: str
    start: str
    end: str
    time_zone: str
    entries: int
    size: int
    root: str
    origin: str
    checkpoint: int
    keys: tuple[str, ...]
    administrators: Mapping[str, str]
    made_at: str
    made_by: str
    code: str
    libraries: str
    database: str
    subject: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def manifest(facts: Facts, made: Sequence[Made], files: Mapping[str, str]) -> str:
    """manifest.json: the facts, every artefact with its queries, and the SHA-256 of every file but itself and its signature."""
    stated = {"format": FORMAT, **asdict(facts), "artefacts": [asdict(one) for one in made], "files": dict(sorted(files.items()))}
    return json.dumps(stated, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def signature(text: str, key: SigningKey) -> str:
    """manifest.note: the manifest's SHA-256, signed, as a C2SP signed note."""
    return sign(f"{FORMAT}\n{sha256(text.encode()).hexdigest()}\n", key)


def cells(row: Row) -> list[str | int]:
    """A line of a CSV file: missing values empty, and no text that a spreadsheet takes for a formula."""
    return ["" if cell is None else cell if isinstance(cell, int) else protect(str(cell)) for cell in row]


HOW_COLUMNS = ("number", "file", "rows", "sha256", "repeatable", "query", "parameters", "runs", "code", "libraries")


def how_made(made: Iterable[Made], facts: Facts) -> Iterator[Row]:
    """E2: one row an artefact and query that ran for it."""
    for one in made:
        for query in one.queries or ({"query": "", "parameters": {}, "runs": ""},):
            given = json.dumps(query["parameters"], ensure_ascii=False, sort_keys=True)
            same = "yes" if one.repeatable else "no"
            yield [one.number, one.file, one.rows, one.sha256, same, query["query"], given, query["runs"], facts.code, facts.libraries]


HOW_MADE = Artefact(
    number="E02",
    name="how-made",
    title=said("How each artefact was made"),
    shows=said("The text and parameters of every query that ran, the code's commit, the number of rows and the SHA-256 of each file."),
    columns=HOW_COLUMNS,
    rows=lambda _record, _telling: iter(()),
    none=said("no query ran"),
    lacks=said("The same command with the same --entries gives the same bytes again where `repeatable` says yes; try it."),
)
SAMPLE = Artefact(
    number="E03",
    name="sample",
    title=said("A sample with work papers, proofs and replays"),
    shows=said(
        "Changes drawn by a seed: a work paper each, the exact bytes of every entry about it, and its proof against a signed checkpoint."
    ),
    columns=("paper", "item", "entry", "customer", "entries", "proofs", "checks_that_fail", "replay"),
    rows=lambda _record, _telling: iter(()),
    none=said("no change was applied in the period, so there is nothing to sample"),
    lacks=said("Draw your own sample with a seed of your own: `credit-review audit sample draw`."),
)
CHECKPOINTS = Artefact(
    number="E14",
    name="checkpoints",
    title=said("Checkpoints of the log and who holds them"),
    shows=said(
        "Each signed checkpoint that an anchor or the database holds: its root, who holds it, and the times of the entries it "
        "was the first to cover."
    ),
    columns=("size", "root", "anchor", "administrator", "weak", "new_entries", "first_new_entry_at", "last_entry_at"),
    rows=lambda _record, _telling: iter(()),
    none=said("no checkpoint is held: the log is consistent at best, and nobody outside vouches for it"),
    lacks=said("The notes are as this installation read them. Get them from each anchor's own administrator before you rely on them."),
)
