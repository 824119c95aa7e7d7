"""`audit sample …`: samples drawn from the audit log with work papers, and what they show once the auditor has concluded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from credit_review import audit
from credit_review.adapters.files import require_free, whole_folder, write_below
from credit_review.adapters.store.log import SqlLog
from credit_review.adapters.store.refusals import translated
from credit_review.adapters.wiring import Services, open_outside
from credit_review.audit.anchored import KEPT, newest_signed
from credit_review.audit.checking import Consistent
from credit_review.audit.notes import size_of
from credit_review.audit.proofs import inclusion_paths, proof_text
from credit_review.errors import BadInput, Tampered
from credit_review.review import sampled
from credit_review.sampling import projection, wording
from credit_review.sampling.drawing import Method, Plan, Sample, draw
from credit_review.sampling.paper import Dossier, Reader, cover, paper
from credit_review.sampling.population import Frozen, Of, Reading, digest, from_csv
from credit_review.sampling.sizes import Frequency
from credit_review.words import listed, marked, said
from deployments.cli import language
from deployments.cli.frame import names_of, services, show_json, tell
from deployments.cli.governing import me

FORMAT = "credit-review-sample/1"
_Known = TypeVar("_Known", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for, as typed."""

    of: str
    first_day: date
    last_day: date
    method: str
    confidence: str
    tolerable: str
    expected: str
    seed: str
    by: str
    where: Sequence[str]
    largest: int | None
    currency: str
    frequency: str

    def plan(self) -> Plan:
        """The plan; a seed is made where none was given. Raises BadInput naming the option."""
        return Plan(
            method=_known(Method, self.method, "--method"),
            seed=_printable(self.seed) or secrets.token_hex(16),
            confidence=_rate(self.confidence, "--confidence"),
            tolerable=_rate(self.tolerable, "--tolerable"),
            expected=_rate(self.expected, "--expected"),
            by=self.by,
            where=tuple(_pair(one) for one in self.where),
            largest=self.largest,
            currency=self.currency.upper(),
            frequency=_known(Frequency, self.frequency, "--frequency") if self.frequency else None,
        )


def _known(kind: type[_Known], value: str, option: str) -> _Known:
    try:
        return kind(value)
    except ValueError:
        raise BadInput(said("{option}: unknown value {value}", option=option, value=repr(value)), expected=", ".join(kind)) from None


def _rate(text: str, option: str) -> Decimal:
    """A share as typed, `5%` or `0.05`."""
    try:
        found = Decimal(text.removesuffix("%").strip())
        if found.is_finite() and abs(found.adjusted()) < 10:
            return found / 100 if text.endswith("%") else found
    except InvalidOperation:
        pass
    raise BadInput(said("{option}: {value} is no rate", option=option, value=repr(text)), expected=said("such as 5% or 0.05"))


def _pair(text: str) -> tuple[str, str]:
    trait, equals, value = text.partition("=")
    if not equals:
        raise BadInput(said("--where: {value} picks nothing", value=repr(text)), expected=said("such as approvers=p-7 or direction=up"))
    return trait, value


def _printable(seed: str) -> str:
    if len(seed) > 200 or not seed.isprintable():
        raise BadInput(said("--seed cannot be recorded"), expected=said("up to 200 printable characters"))
    return seed


# --- draw -----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Log:
    """The log, verified: what it commits to, what was read of it, and the newest signed checkpoint kept beside it (empty: none)."""

    found: Consistent
    reading: Reading
    note: str = ""
    size: int = 0


def draw_sample(config: Path, asked: Asked, out: Path, *, as_person: str, as_json: bool) -> None:
    """Draw a sample, record that it was drawn, and write its folder."""
    plan, of = asked.plan(), _known(Of, asked.of, "--of")
    require_free(out)
    opened = services(config)
    period = sampled.Period.of(asked.first_day, asked.last_day, opened.settings.zone)
    with opened.store.read() as uow:
        me(opened, uow, as_person)  # who may not act reads nothing either
    log = _verified(opened)
    with opened.store.read() as uow:
        frozen = sampled.population(uow, log.reading, log.found, of, period)
        _require_whole(frozen)
        sample = draw(frozen.items, plan)
        papers, names = sampled.dossiers(uow, log.reading, sample.drawn), names_of(uow)
    with opened.store.begin() as uow:
        sampled.drawn(uow, frozen, sample, by=me(opened, uow, as_person).person_id)
        (seq,) = uow.commit()
    told = wording.bought(sample, of)
    proofs = _proofs(log, papers)
    reader = Reader(words=language.words(), names=names, proven=frozenset(proofs))
    files = _files(frozen, sample, papers, proofs, reader)
    files["sample.md"] = cover(frozen, sample, told, reader, proven_up_to=log.size)
    files["sample.json"] = _record(frozen, sample, seq)
    with whole_folder(out) as part:
        for name, text in files.items():
            write_below(part, name, text)
    if as_json:
        show_json(
            {
                "folder": str(out),
                "entry": seq,
                "population": frozen.facts(),
                "plan": plan.facts(),
                "drawn": [one.item for one in sample.drawn],
            }
        )
    else:
        _tell_drawn(out, frozen, sample, told, seq)


def _tell_drawn(out: Path, frozen: Frozen, sample: Sample, told: Sequence[str], seq: int) -> None:
    tell(
        said(
            "{n} of {total} {what} drawn, seed {seed}",
            n=len(sample.drawn),
            total=sample.population,
            what=said(frozen.of),
            seed=sample.plan.seed,
        )
    )
    for sentence in told:
        tell(sentence)
    tell(said("work papers are in {folder}; that they were drawn is audit entry {seq}", folder=str(out), seq=seq))
    tell(
        said(
            "next: conclude on each in {file}, then `credit-review audit sample project {folder}`",
            file=str(out / "conclusions.csv"),
            folder=str(out),
        )
    )


def _verified(opened: Services) -> _Log:
    """The whole log, recomputed as it is read. Raises TamperedEntry, or Unavailable."""
    outside = open_outside(opened.settings, opened.clock)
    reading = Reading()
    log = SqlLog(opened.store.engine)
    with translated(None, None):
        notes = {size: note for note in log.checkpoints() if (size := size_of(note)) is not None} if outside.trust else {}
        with log.reading() as view:
            found = audit.verify_rows(reading.passing(view.rows), view.payloads, view.head, roots_at=set(notes), keep=KEPT)
    return _Log(found, reading, *newest_signed(found, notes, outside.trust))


def _require_whole(frozen: Frozen) -> None:
    """A population that the log and the tables do not agree on is not sampled. Raises Tampered naming up to ten differences."""
    if frozen.differences:
        shown = listed(list(frozen.differences[:10]), by=marked("{first}; {rest}"))
        raise Tampered(
            said(
                "log and database do not agree on the population ({count} differences): {shown}", count=len(frozen.differences), shown=shown
            ),
            expected=said("as many entries as rows and versions, with the same figures"),
            next_step=said("keep the database as it is and call internal audit"),
        )


def _proofs(log: _Log, papers: Sequence[Dossier]) -> dict[int, str]:
    """Inclusion proofs of the entries in the papers, those that a signed checkpoint covers, by number."""
    wanted = {one.seq for each in papers for one in each.entries if one.seq < log.size}
    return {seq: proof_text(seq, path, log.note) for seq, path in inclusion_paths(log.reading.leaves.first(log.size), wanted).items()}


def _files(frozen: Frozen, sample: Sample, papers: Sequence[Dossier], proofs: Mapping[int, str], reader: Reader) -> dict[str, str]:
    """Texts by their place in the folder; `entries/SEQ.json` are the exact bytes that leaves are made of."""
    files = {"population.csv": frozen.text, "conclusions.csv": projection.form(sample)}
    for number, one in enumerate(papers, start=1):
        files[f"papers/{number:03d}.md"] = paper(number, one, reader)
        files |= {f"entries/{entry.seq}.json": entry.text for entry in one.entries}
    return files | {f"proofs/{seq}.tlog-proof": text for seq, text in proofs.items()}


def _record(frozen: Frozen, sample: Sample, seq: int) -> str:
    """sample.json: everything that decides the sample, and what it came to."""
    drawn = {"drawn": [one.item for one in sample.drawn], "sample": sample.digest, "hits": sample.hits}
    money = {"interval_minor": sample.interval_minor, "start_minor": sample.start_minor, "total_minor": sample.total_minor}
    strata = {name: asdict(one) for name, one in sample.strata.items()}
    known = {"format": FORMAT, "entry": seq, "population": frozen.facts(), "plan": sample.plan.facts(), "strata": strata}
    return json.dumps({**known, **money, **drawn}, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


# --- project --------------------------------------------------------------------------------------------------------------------------


def project_sample(folder: Path, *, as_json: bool) -> None:
    """Draw the sample again from its folder, read the conclusions, and say what they show of the population."""
    of, sample, concluded, _ = concluded_sample(folder)
    shown = projection.project(sample, concluded)
    told = wording.concluded(sample, of, shown)
    if as_json:
        show_json({**asdict(shown), "told": list(told)})
        return
    tell(said("the sample was drawn again from population.csv and its seed, and is the same"))
    for sentence in told:
        tell(sentence)


def concluded_sample(folder: Path) -> tuple[Of, Sample, Mapping[str, projection.Concluded], int]:
    """What was drawn, drawn again; the conclusions by item; and the number of the entry that says it was drawn."""
    record, sample = _again(folder)
    of = _known(Of, str(record["population"].get("of")), "sample.json")
    concluded = projection.read(_text(folder, "conclusions.csv"), sample, name="conclusions.csv")
    return of, sample, concluded, int(record["entry"])


def _again(folder: Path) -> tuple[dict[str, Any], Sample]:
    """sample.json and the sample it says. Raises Tampered when population, plan and seed do not make it."""
    try:
        record = json.loads(_text(folder, "sample.json"))
        population, plan, written = record["population"], Plan.read(record["plan"]), record["sample"]
        frozen_as, _ = population["digest"], int(record["entry"])
    except (ValueError, TypeError, KeyError):
        raise BadInput(said("this is no plan of a sample"), expected=said("sample.json as `audit sample draw` wrote it")) from None
    text = _text(folder, "population.csv")
    restore = said("take the folder as it was drawn: the audit entry has the digests")
    if digest(text) != frozen_as:
        raise Tampered(said("population.csv is not the one that was drawn from"), expected=f"SHA-256 {frozen_as}", next_step=restore)
    sample = draw(from_csv(text, name="population.csv"), plan)
    if sample.digest != written:
        raise Tampered(said("this seed draws another sample from this population"), expected=f"SHA-256 {written}", next_step=restore)
    return record, sample


def _text(folder: Path, name: str) -> str:
    """A file of the folder, byte for byte. Raises BadInput naming it."""
    try:
        return (folder / name).read_bytes().decode()
    except OSError as error:
        raise BadInput(
            said("{file} cannot be read: {error}", file=str(folder / name), error=error.strerror or ""),
            expected=said("a folder that `audit sample draw` wrote"),
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput(
            said("{known_as} is not UTF-8 (byte {start})", known_as=str(folder / name), start=error.start), expected=said("UTF-8 text")
        ) from None
