"""`source check`: how a mapping reads its source, before anybody adopts it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review import documents
from credit_review.words import listed, said
from deployments.cli import language
from deployments.cli.frame import show_json, show_table, tell

if TYPE_CHECKING:
    from credit_review.adapters.settings import Settings
    from credit_review.receivables import Mapping
    from credit_review.receivables.looking import FieldReading, TableReading


def check(config: Path, mapping: Path | None, folder: Path | None, as_of: date | None, *, as_json: bool) -> None:
    """Print, for each dataset of the mapping (all mappings in settings without one), what is read, defaulted and refused, with examples.

    Needs no database: a mapping is tried before there is anything else.
    """
    from credit_review.adapters import looking, settings
    from credit_review.adapters.clock import SystemClock

    kept = settings.load(config)
    language.speak(language.of_company(kept))
    day, shown = as_of or SystemClock().now().astimezone(kept.zone).date(), []
    for one, place in _mappings(kept, mapping, folder):
        for where, table in looking.readings(one, place, as_of=day):
            if as_json:
                shown.append({"source": one.source, "where": where} | asdict(table))
            else:
                _show(one.source, where, table)
    if as_json:
        show_json({"as_of": day, "datasets": shown})


def _mappings(kept: Settings, mapping: Path | None, folder: Path | None) -> list[tuple[Mapping, Path]]:
    """Mappings with the folder their files are in: the one given, or all that settings name."""
    from credit_review import receivables
    from credit_review.adapters.settings import read_text

    named = [(kept.path(place.mapping), kept.path(place.folder)) for place in kept.sources]
    if mapping is not None:
        same = (place for path, place in named if path.resolve() == mapping.resolve())
        named = [(mapping, folder or next(same, mapping.parent))]
    return [(receivables.load(documents.parse(read_text(path, known_as=path.name), name=path.name)), place) for path, place in named]


def _show(source: str, where: str, table: TableReading) -> None:
    rows = sum(table.lines.values())
    tell(said("{source}, {dataset} from {where}: {rows} row(s)", source=source, dataset=table.dataset, where=where, rows=f"{rows:,}"))
    ends = [[_line(line), f"{count:,}"] for line, count in table.lines.items()]
    show_table("", (said("Where rows end"), said("Rows")), ends, right=(said("Rows"),))
    counts = (said("Stated"), said("Defaulted"), said("Empty"), said("Refused"), said("Read otherwise"))
    show_table("", (said("Field"), said("From"), *counts, said("Examples")), [_row(one) for one in table.fields], right=counts)
    for one in table.fields:
        for bad in one.not_read:
            tell(said("  {field}, row {row}: {text}: {reason}", field=one.field, row=bad.row, text=repr(bad.text), reason=bad.became))
    if table.unmapped:
        tell(said("  not in the mapping: {fields}", fields=", ".join(table.unmapped)))
    if table.unused:
        tell(said("  columns the mapping does not use: {columns}", columns=", ".join(table.unused)))
    tell("")


def _line(line: str) -> str:
    """Where rows end, in words; a rule that takes rows out is named as the mapping names it."""
    rule = line.removeprefix("out: ")
    return said("out: {rule}", rule=rule) if rule != line else said("read") if line == "items" else said(line)


def _row(one: FieldReading) -> list[str]:
    where = one.column or said("always {text}", text=repr(one.constant)) if one.constant or one.column else said("the default")
    counts = [f"{count:,}" for count in (one.filled, one.defaulted, one.empty, one.refused, one.otherwise)]
    examples = [said("{text} is {value}", text=repr(e.text), value=e.became) if e.text != e.became else repr(e.text) for e in one.read]
    return [one.field, where, *counts, listed(examples)]
