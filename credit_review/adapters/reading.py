"""Reads all sources of an installation into one book: canonical frames, what was refused, what was joined, and how the totals tie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from credit_review import canaries, identity, receivables
from credit_review.adapters import sources
from credit_review.adapters.settings import Location, Settings, require_secret
from credit_review.errors import BadInput
from credit_review.model.frames import COVER, DATASETS, EXTERNAL, PANDAS, QUARANTINE, RATES, REMARKS, STATEMENTS, Dataset
from credit_review.policy import Policy
from credit_review.receivables.mapping import Customers, Table
from credit_review.receivables.read import ACCOUNTING
from credit_review.words import said

if TYPE_CHECKING:
    from credit_review.receivables import Mapping as SourceMapping
    from credit_review.receivables import ReadResult
    from credit_review.receivables.totals import Tie


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One dataset of one source: where it came from (no credentials) and how many rows were read."""

    source: str
    dataset: str
    where: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Everything that was read. `frames` by dataset name (items, customers, external, cover, rates, aliases, quarantine, duplicates, and
    statements and remarks where a source hands them over).

    `accounting` counts every row read once (receivables.read.ACCOUNTING), `joins` the customers with several numbers, `namesakes` customers
    that share a name, `ties` the comparisons with stated totals, `notes` what the reader wants a person to know.
    """

    frames: Mapping[str, pd.DataFrame]
    accounting: pd.DataFrame
    joins: pd.DataFrame
    namesakes: pd.DataFrame
    ties: tuple[Tie, ...]
    origins: tuple[Origin, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows read from all sources."""
        return sum(origin.rows for origin in self.origins)


def unread(frames: Mapping[str, pd.DataFrame]) -> Book:
    """A book of frames that no source handed over, such as the canaries'."""
    accounting = pd.DataFrame(columns=list(ACCOUNTING))
    return Book(frames=frames, accounting=accounting, joins=pd.DataFrame(), namesakes=pd.DataFrame(), ties=(), origins=(), notes=())


def read_book(
    settings: Settings, mappings: Sequence[SourceMapping], *, as_of: date, policy: Policy, known: pd.DataFrame | None = None
) -> Book:
    """The book as at `as_of`. `known` (ALIASES) are identities already decided.

    Raises BadInput or Unavailable for a source that cannot be read, ReviewStopped when control totals do not tie within policy's tolerance.
    """
    _require_apart(mappings)
    parts = [
        _read_source(settings, place, mapping, as_of, policy, known) for place, mapping in zip(settings.sources, mappings, strict=True)
    ]
    if len(parts) > 1:
        parts = [_keyed_by_source(part, mapping.source) for part, mapping in zip(parts, mappings, strict=True)]
    names = dict.fromkeys(name for p in parts for name in p.frames)
    frames = {name: _together([p.frames[name] for p in parts if name in p.frames], DATASETS[name]) for name in names}
    if len(parts) > 1:
        frames["customers"], contradictions = identity.one_row_each(frames["customers"])
        frames["quarantine"] = _together([frames["quarantine"], contradictions], QUARANTINE)
    return Book(
        frames=frames,
        accounting=pd.concat([p.accounting for p in parts], ignore_index=True),
        joins=pd.concat([p.joins for p in parts], ignore_index=True),
        namesakes=identity.same_names(frames["customers"]),
        ties=tuple(tie for p in parts for tie in p.ties),
        origins=tuple(origin for p in parts for origin in p.origins),
        notes=tuple(note for p in parts for note in p.notes),
    )


def _require_apart(mappings: Sequence[SourceMapping]) -> None:
    """Two sources may not share a name; nor one id for customers that only happen to share a number, unless both say they share numbers."""
    for at, one in enumerate(mappings):
        for other in mappings[at + 1 :]:
            if one.source == other.source:
                raise BadInput(
                    said("two mappings are called {source}", source=repr(one.source)), expected=said("a name of its own for each source")
                )
            if one.identity.prefix == other.identity.prefix and not (one.identity.shares_numbers and other.identity.shares_numbers):
                raise BadInput(
                    said(
                        "the sources {source} and {source2} would make one customer of two that share a number",
                        source=one.source,
                        source2=other.source,
                    ),
                    expected=said("identity.prefix that differs, or identity.shares_numbers: true in both mappings"),
                )


def _keyed_by_source(part: Book, source: str) -> Book:
    """The book of one source with row keys that no other source has."""
    frames = dict(part.frames)
    for name in ("items", "duplicates", "quarantine"):
        frame = frames[name]
        frames[name] = frame.assign(**{key: source + ":" + frame[key] for key in ("row_key", "kept_row_key") if key in frame})
    return replace(part, frames=frames)


_NEVER_EMPTY = ("items", "customers")
"""A book of nothing would take every customer's limit away."""
_EXPORT_AGAIN = said("export it again, whole")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Opens and reads the tables of one source, remembering what each gave."""

    settings: Settings
    folder: Path
    mapping: SourceMapping
    origins: list[Origin]
    results: list[ReadResult]

    def read(self, table: Table | None, how: Callable[..., ReadResult], **more: object) -> ReadResult | None:
        """What `how` makes of the table's source; None without a table. Raises BadInput for a ledger or master without rows."""
        if table is None:
            return None
        source = sources.open_source(table.from_, folder=self.folder, secret=require_secret)
        found = how(source.read(), self.mapping, origin=source.name, **more)
        if not found.rows_read and table.dataset in _NEVER_EMPTY:
            raise BadInput(
                said("{name} holds no rows", name=source.name),
                expected=said("a ledger and a customer master that are not empty"),
                next_step=_EXPORT_AGAIN,
            )
        self.origins.append(Origin(source=self.mapping.source, dataset=table.dataset, where=source.name, rows=found.rows_read))
        self.results.append(found)
        return found


def _read_source(
    settings: Settings, place: Location, mapping: SourceMapping, as_of: date, policy: Policy, known: pd.DataFrame | None
) -> Book:
    reader = _Reader(settings, settings.path(place.folder), mapping, [], [])
    items = reader.read(mapping.items, receivables.read_items, as_of=as_of)
    assert items is not None  # noqa: S101  a mapping always has items
    table = mapping.customers if isinstance(mapping.customers, Customers) else None
    master = reader.read(table, receivables.read_customers)
    external = reader.read(mapping.external, receivables.read_external, as_of=as_of)
    handed_over = reader.read(mapping.statements, receivables.read_statements, as_of=as_of)
    written = reader.read(mapping.remarks, receivables.read_remarks, as_of=as_of)
    cover = reader.read(mapping.cover, receivables.read_cover)
    rates = reader.read(mapping.rates, receivables.read_rates)
    stated = reader.read(mapping.stated_totals, receivables.read_stated_totals)
    numbers = pd.concat([r.numbers for r in reader.results], ignore_index=True)
    who = identity.resolve(numbers, decided_by=f"mapping:{mapping.digest}", known=known)
    customers, more = _customers(items, master, mapping, who)
    refused = [identity.renamed(r.quarantine, who.moved) for r in reader.results]
    accounting = pd.concat([r.accounting for r in reader.results], ignore_index=True)
    return Book(
        frames={
            "items": identity.renamed(items.frame, who.moved),
            "customers": customers,
            "external": _of(external, EXTERNAL, who),
            # a book without them is written as before there were any
            **({"statements": _of(handed_over, STATEMENTS, who)} if handed_over is not None else {}),
            **({"remarks": _of(written, REMARKS, who)} if written is not None else {}),
            "cover": _of(cover, COVER, who),
            "rates": _of(rates, RATES, None),
            "aliases": who.aliases,
            "quarantine": _together([*refused, *more, identity.reserved(customers, prefix=canaries.PREFIX)], QUARANTINE),
            "duplicates": identity.renamed(items.duplicates, who.moved),
        },
        accounting=accounting,
        joins=who.joins,
        namesakes=pd.DataFrame(),
        ties=_ties(accounting, stated, mapping, policy),
        origins=tuple(reader.origins),
        notes=tuple(note for r in reader.results for note in r.notes),
    )


def _customers(
    items: ReadResult, master: ReadResult | None, mapping: SourceMapping, who: identity.Resolution
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """One row a customer, and the quarantine rows of contradictions and of customers that only the ledger knows."""
    if master is None:
        assert not isinstance(mapping.customers, Customers)  # noqa: S101  the other member of the union
        made = identity.from_ledger(items.parties, source=mapping.source, terms=mapping.terms, constants=mapping.customers.constants)
        return identity.renamed(made, who.moved), []
    whole, contradictions = identity.one_row_each(identity.renamed(master.frame, who.moved))
    met = identity.from_ledger(items.parties, source=mapping.source, terms=mapping.terms, constants={})
    strangers = met[~met["customer_id"].isin(set(whole["customer_id"]))]
    if strangers.empty:
        return whole, [contradictions]
    return whole, [contradictions, identity.not_in_master(strangers)]


def _ties(accounting: pd.DataFrame, stated: ReadResult | None, mapping: SourceMapping, policy: Policy) -> tuple[Tie, ...]:
    table = mapping.stated_totals
    return receivables.tie(
        accounting,
        None if stated is None else stated.frame,
        source=mapping.source,
        amount_is=table.amount_is if table else "open",
        duplicates=table.duplicates if table else "included",
        rows_tolerance=policy.intake.totals_tolerance.rows,
        amount_tolerance=policy.intake.totals_tolerance.amount,
        required=policy.intake.require_stated_totals,
    )


def _of(found: ReadResult | None, dataset: Dataset, who: identity.Resolution | None) -> pd.DataFrame:
    if found is None:
        return _together([], dataset)
    return found.frame if who is None else identity.renamed(found.frame, who.moved)


def _together(parts: Sequence[pd.DataFrame], dataset: Dataset) -> pd.DataFrame:
    """The rows of all parts, with exactly the dataset's columns and types."""
    filled = [p[list(dataset.names)] for p in parts if len(p)]
    frame = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(dataset.names))
    return frame.astype({c.name: PANDAS[c.dtype] for c in dataset.columns})
