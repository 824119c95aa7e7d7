"""Writing an evidence pack: one state of the database, verified as it is read, into a folder that appears whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from credit_review import audit
from credit_review.adapters import build_info, files, watching
from credit_review.adapters.anchors.timestamp import TimestampAnchor
from credit_review.adapters.store.evidence import SqlRecord
from credit_review.adapters.store.log import any_bytes, exported, notes_beside, view
from credit_review.adapters.store.refusals import translated
from credit_review.adapters.store.unit_of_work import SqlUnitOfWork
from credit_review.adapters.store.verify import Outside, Verdict, verify_log
from credit_review.adapters.wiring import Services, open_outside
from credit_review.audit import canonical
from credit_review.audit.anchored import KEPT, Trust, newest_signed
from credit_review.audit.checking import Consistent
from credit_review.audit.notes import SigningKey, size_of
from credit_review.audit.proofs import inclusion_paths, proof_text
from credit_review.errors import BadInput, Tampered, Unavailable
from credit_review.evidence import pack, page
from credit_review.evidence.artefact import Artefact, Event, Row, Telling
from credit_review.evidence.pack import Facts, Made
from credit_review.evidence.people import access_of
from credit_review.evidence.runs import replayed
from credit_review.replay import Found
from credit_review.review import sampled
from credit_review.review.sampled import Period
from credit_review.sampling.drawing import Plan, Sample, draw
from credit_review.sampling.paper import Dossier, Logged, Reader, checks, paper
from credit_review.sampling.population import ACTIONS, Of, Reading, items
from credit_review.sampling.projection import form
from credit_review.words import Words, said

UNREPEATABLE = ("E02", "E03", "E04", "E11", "E12", "E14")
"""Numbers whose files depend on more than the log's first entries: proofs, replays, files of the data folder, anchors."""
OF_TODAY = ("E07-controls.csv", "E17-controls.csv", "E18-model.csv")
"""And files of what controls say today, and of the model cards and reports that are kept."""


class Folder:
    """A pack under way. Every file is written through it, so that `files` has the SHA-256 of each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}

    def text(self, name: str, content: str) -> None:
        """Write a text as UTF-8, line ends as they stand."""
        self.lines(name, [content])

    def lines(self, name: str, lines: Iterable[str | bytes]) -> int:
        """Write texts (or bytes) one after the other, keeping none; how many there were."""
        digest, count = sha256(), 0
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for line in lines:
                raw = line.encode() if isinstance(line, str) else line
                file.write(raw)
                digest.update(raw)
                count += 1
        self.files[name] = digest.hexdigest()
        return count

    def rows(self, name: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Write a CSV file, keeping no row; how many there were below its heading."""
        write = csv.writer(_Echo(), lineterminator="\r\n").writerow
        return self.lines(name, chain([write(columns)], (write(pack.cells(row)) for row in rows))) - 1


class _Echo:
    """What a CSV writer writes to, so that it returns each line."""

    def write(self, line: str) -> str:
        """The line itself."""
        return line


@dataclass(slots=True)
class Fetched:
    """An anchor with what it held when it was asked: the log read afterwards covers that."""

    name: str
    administrator: str
    weak: bool
    readable: bool
    notes: tuple[str, ...]
    tokens: Mapping[str, bytes] = field(default_factory=dict)
    failure: Unavailable | None = None

    def held(self) -> list[str]:
        """Every note that was there. Raises Unavailable when it did not answer."""
        if self.failure is not None:
            raise self.failure
        return list(self.notes)

    def keep(self, name: str, note: str) -> None:
        """Nothing: what was fetched is read only."""
        raise NotImplementedError


def fetched(outside: Outside) -> Outside:
    """What is outside, asked once."""
    return replace(outside, anchors=[_fetched(one) for one in outside.anchors])


def _fetched(one: Any) -> Fetched:
    about = (one.name, one.administrator, one.weak, one.readable)
    try:
        tokens = one.tokens() if isinstance(one, TimestampAnchor) else {}
        return Fetched(*about, tuple(tokens or one.held()) if one.readable else (), tokens)
    except Unavailable as error:
        return Fetched(*about, (), failure=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a pack is to hold. `size`: only so many entries count for its artefacts (None: all)."""

    period: Period
    artefacts: tuple[Artefact, ...]
    size: int | None = None
    plan: Plan | None = None
    subject: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """A pack being made: where, over which state of the database, for whom."""

    folder: Folder
    record: SqlRecord
    reading: Reading
    found: Consistent
    note: str
    covered: int
    verdict: Verdict
    outside: Outside
    words: Words
    uow: SqlUnitOfWork
    made: list[Made] = field(default_factory=list)

    def add(self, one: Artefact, rows: Iterable[Row], told: Telling) -> None:
        """Write an artefact and remember how it was made: by the queries that ran since the one before."""
        count = self.folder.rows(one.file, one.columns, rows)
        for name, text in sorted(told.beside.items()):
            self.folder.text(name, text)
        repeatable = one.number not in UNREPEATABLE and one.file not in OF_TODAY
        digest = self.folder.files[one.file]
        self.made.append(Made.of(one, told, self.record.queries(), rows=count, digest=digest, repeatable=repeatable))


@contextmanager
def at_work(opened: Services, asked: Asked, folder: Folder, words: Words, replays: Callable[[str], Found | None]) -> Iterator[Work]:
    """One state of the database, its log verified, and held against what anchors had just before.

    Raises Tampered or TamperedEntry, Unavailable, BadInput.
    """
    outside = fetched(open_outside(opened.settings, opened.clock))
    verdict = verify_log(opened.store.engine, outside)
    if verdict.found is None:
        raise Tampered(verdict.text(), next_step=said("keep the database as it is and call internal audit"))
    with translated(None, None), opened.store.engine.connect() as connection, connection.begin(), any_bytes(connection):
        reading = Reading(keeps=_population_of(asked))
        found, note, covered = _verified(connection, outside.trust, reading)
        size = found.size if asked.size is None else asked.size
        if size > found.size:
            raise BadInput(said("the log has {size} entries", size=found.size), expected=said("--entries not above that"))
        record = SqlRecord(connection, asked.period, size, opened.settings.data, replays, cache(lambda: watching.run(opened)))
        uow = SqlUnitOfWork(connection, opened.clock, writes=False, close=lambda: None)
        yield Work(folder, record, reading, found, note, covered, verdict, outside, words, uow)


def _population_of(asked: Asked) -> Callable[[Any], bool]:
    """Which bodies are kept in memory while the log is verified: those a sample is drawn from."""
    if asked.plan is None:
        return lambda _: False
    return lambda row: row.action in ACTIONS[Of.CHANGES] and asked.period.has(row.ts) and (asked.size is None or row.seq < asked.size)


def _verified(connection: Connection, trust: Trust | None, reading: Reading) -> tuple[Consistent, str, int]:
    """What the log commits to, the newest signed checkpoint beside it and its size."""
    notes = {size: note for note in notes_beside(connection) if (size := size_of(note)) is not None} if trust else {}
    log = view(connection)
    found = audit.verify_rows(reading.passing(log.rows), log.payloads, log.head, roots_at=set(notes), keep=KEPT)
    return found, *newest_signed(found, notes, trust)


# --- parts of a pack ------------------------------------------------------------------------------------------------------------------


def artefacts(work: Work, wanted: Iterable[Artefact]) -> None:
    """Every artefact that a query makes."""
    for one in wanted:
        told = Telling()
        work.add(one, one.rows(work.record, told), told)


def log_export(work: Work) -> None:
    """The whole log as JSON lines, of the state that was verified."""
    work.folder.lines(pack.LOG, exported(work.record.connection))


def documents(work: Work, digests: Iterable[str]) -> None:
    """The texts of rules, as they were adopted, under their digests."""
    for digest, content in work.record.table("governed_document", "digest content", digest=sorted(set(digests))):
        work.folder.text(f"documents/{digest}", content)


def proofs(work: Work, place: str, wanted: Iterable[Logged | Event]) -> frozenset[int]:
    """The exact bytes of entries, and the proofs of those that the newest signed checkpoint covers; their numbers."""
    seqs = sorted({one.seq for one in wanted})
    for seq in seqs:
        work.folder.text(f"{place}entries/{seq}.json", str(work.record.value("SELECT body FROM audit_log WHERE seq = :seq", seq=seq)))
    paths = inclusion_paths(work.reading.leaves.first(work.covered), [seq for seq in seqs if seq < work.covered])
    for seq, path in paths.items():
        work.folder.text(f"{place}proofs/{seq}.tlog-proof", proof_text(seq, path, work.note))
    return frozenset(paths)


def sample(work: Work, plan: Plan) -> None:
    """E3: work papers of a sample, with the entries, their proofs, and what replaying their reviews found."""
    population = items(work.reading, Of.CHANGES)
    drawn = draw(population, plan) if population else Sample(plan=plan, population=0, drawn=())
    papers = [_replayed(work, one) for one in sampled.dossiers(work.uow, work.reading, drawn.drawn)]
    proven = proofs(work, "sample/", [entry for one in papers for entry in one.entries])
    names = {key: one.since.text("name") for key, one in access_of(work.record).items()}
    reader = Reader(words=work.words, names=names, proven=proven)
    for number, one in enumerate(papers, start=1):
        work.folder.text(f"sample/papers/{number:03d}.md", paper(number, one, reader))
    work.folder.text("sample/conclusions.csv", form(drawn))
    figures = {"plan": plan.facts(), "population": len(population), "drawn": [one.item for one in drawn.drawn], "sample": drawn.digest}
    told = Telling(figures=figures)
    told.notes.append(said("{n} of {total} changes, seed {seed}", n=len(papers), total=len(population), seed=plan.seed))
    rows = list(_sample_rows(papers, proven))
    told.exceptions = sum(bool(row[6]) for row in rows)
    work.add(pack.SAMPLE, rows, told)


def _replayed(work: Work, one: Dossier) -> Dossier:
    review = one.proposal.review_id if one.proposal else ""
    return replace(one, replayed=replayed(work.record.replay(review) if review else None, one.item.customer))


def _sample_rows(papers: Sequence[Dossier], proven: frozenset[int]) -> Iterator[Row]:
    for number, one in enumerate(papers, start=1):
        failed = "; ".join(str(sentence) for sentence, holds in checks(one) if not holds)
        held = sum(entry.seq in proven for entry in one.entries)
        yield [
            f"sample/papers/{number:03d}.md",
            one.item.item,
            one.item.seq,
            one.item.customer,
            len(one.entries),
            held,
            failed,
            one.replayed,
        ]


def checkpoints(work: Work) -> None:
    """E14: what the verifier says, the notes of every anchor in a folder of its administrator (with tokens, of a time-stamp authority),
    and one row a checkpoint and holder."""
    rows: list[Row] = []
    for one in work.outside.anchors:
        held, tokens = _notes_of(one), one.tokens if isinstance(one, Fetched) else {}
        for number, note in enumerate(held):
            work.folder.text(f"{_place(one)}/{number:06d}.checkpoint", note)
            if note in tokens:
                work.folder.lines(f"{_place(one)}/{number:06d}.tsr", [tokens[note]])
        rows += _checkpoint_rows(work, one.name, one.administrator, held, weak=one.weak)
    rows += _checkpoint_rows(work, "database", "", notes_beside(work.record.connection), weak=True)
    told = Telling(figures=stated(work.verdict))
    told.notes.append(work.verdict.finding)
    told.notes += work.verdict.unreachable
    work.add(pack.CHECKPOINTS, rows, told)
    work.folder.text("E14-verification.json", json.dumps(stated(work.verdict), ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def _notes_of(one: Any) -> list[str]:
    try:
        return list(one.held())
    except Unavailable:
        return []  # the verdict names it


def _place(one: Any) -> str:
    """Where an anchor's notes lie: those of weak ones apart, for they count for no administrator."""
    return f"{'weak' if one.weak else 'anchors'}/{one.name}"


def administrators(outside: Outside) -> dict[str, str]:
    """Folders of notes that count, each with who administers the anchor."""
    return {_place(one): one.administrator for one in outside.anchors if not one.weak and _notes_of(one)}


def stated(verdict: Verdict) -> dict[str, Any]:
    """What this program's own verifier says, as plain values."""
    newest = dict(verdict.anchoring.newest) if verdict.anchoring else {}
    about = {"status": str(verdict.status), "finding": str(verdict.finding), "entries": verdict.size, "root": verdict.root}
    anchored = {"anchored_up_to": verdict.anchoring.size if verdict.anchoring else 0, "newest_by_anchor": newest}
    witness = {"cosigned_up_to": verdict.anchoring.cosigned if verdict.anchoring else 0, "erased_payloads": verdict.erased}
    return {**about, **anchored, **witness, "unreachable": [str(one) for one in verdict.unreachable]}


def _checkpoint_rows(work: Work, anchor: str, administrator: str, notes: Sequence[str], *, weak: bool) -> Iterator[Row]:
    def at(seq: int) -> str:
        return str(work.record.value("SELECT ts FROM audit_log WHERE seq = :seq", seq=seq) or "")

    before = 0
    for size, note in sorted((size_of(note) or 0, note) for note in notes):
        root = note.split("\n")[2] if size else ""
        first = at(before) if size > before else ""
        yield [size, root, anchor, administrator, "yes" if weak else "no", size - before, first, at(size - 1) if size else ""]
        before = max(before, size)


def payloads(work: Work, wanted: Iterable[Event]) -> None:
    """Names and free texts of entries with their salts, those that were not erased: with them a body's `pay` can be checked."""
    for seq in sorted({one.seq for one in wanted if one.told is not None}):
        salt = work.record.value("SELECT salt FROM audit_payload WHERE seq = :seq", seq=seq)
        payload = work.record.value("SELECT payload FROM audit_payload WHERE seq = :seq", seq=seq)
        work.folder.text(f"payloads/{seq}.json", canonical({"payload": str(payload), "salt": str(salt)}))


# --- the end of a pack ----------------------------------------------------------------------------------------------------------------


def facts(opened: Services, asked: Asked, work: Work, *, by: str) -> Facts:
    """What the pack says of itself."""
    period, trust = asked.period, work.outside.trust
    return Facts(
        company=opened.settings.company,
        first_day=period.first_day.isoformat(),
        last_day=period.last_day.isoformat(),
        start=audit.timestamp(period.start),
        end=audit.timestamp(period.end),
        time_zone=opened.settings.time_zone,
        entries=work.record.size,
        size=work.found.size,
        root=work.found.root,
        origin=trust.origin if trust else "",
        checkpoint=work.covered,
        keys=tuple(key.text() for key in trust.keys) if trust else (),
        administrators=administrators(work.outside),
        made_at=audit.timestamp(opened.clock.now()),
        made_by=by,
        code=build_info.code_commit(),
        libraries=build_info.lock_hash(),
        database=opened.store.engine.dialect.name,
        subject=asked.subject,
        parameters=asked.parameters,
    )


def finish(work: Work, about: Facts, key: SigningKey) -> str:
    """E2, scripts, README, page, manifest and its signature; the manifest's SHA-256."""
    work.made.sort(key=lambda one: one.number)
    work.add(pack.HOW_MADE, list(pack.how_made(work.made, about)), Telling())
    work.made.sort(key=lambda one: one.number)
    for name in pack.SCRIPTS:
        if name == pack.CHECK or not about.subject:
            work.folder.text(name, _script(name))
    work.folder.text(pack.README, page.readme(about, work.words, files=work.folder.files))
    work.folder.text(pack.INDEX, page.index(about, work.made, work.words, key=key.key.text()))
    stated = pack.manifest(about, work.made, work.folder.files)
    files.write_below(work.folder.root, pack.MANIFEST, stated)
    files.write_below(work.folder.root, pack.SIGNATURE, pack.signature(stated, key))
    return sha256(stated.encode()).hexdigest()


def _script(name: str) -> str:
    """A verifier's text: beside the package where it was installed from a wheel, else in docs/audit."""
    places = (Path(pack.__file__).parent / "scripts" / name, Path(pack.__file__).parents[2] / "docs" / "audit" / name)
    return next(one for one in places if one.is_file()).read_text(encoding="utf-8")
