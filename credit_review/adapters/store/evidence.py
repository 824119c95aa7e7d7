"""The record as evidence packs read it: one state of the database, as streams, remembering the text of every query that ran."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, select, text

from credit_review.adapters.model_files import ModelFiles
from credit_review.adapters.store import models
from credit_review.audit import timestamp
from credit_review.controls.alarm import Alarm
from credit_review.evidence.artefact import Event
from credit_review.replay import Found
from credit_review.review.sampled import Period

ROWS_AT_ONCE = 2_000
_LIST = re.compile(r"__\[POSTCOMPILE_(\w+)\]")
NAMED_AT_MOST = 20
"""So many values of one parameter are written out beside a query; more are named by their count and digest."""

_LOG, _PAYLOAD = models.Base.metadata.tables["audit_log"].c, models.Base.metadata.tables["audit_payload"].c
_ENTRY = (_LOG.seq, _LOG.leaf, _LOG.ts, _LOG.action, _LOG.actor, _LOG.entity, _LOG.body, _PAYLOAD.payload)


@dataclass(slots=True)
class SqlRecord:
    """`evidence.artefact.Record` over a transaction that is open already. `size` is how many entries count; `data` the data folder."""

    connection: Connection
    period: Period
    size: int
    data: Path
    replays: Callable[[str], Found | None] = lambda _: None
    controls: Callable[[], Sequence[Alarm]] = tuple
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)

    def queries(self) -> list[dict[str, Any]]:
        """Each query that ran since the last call: text, parameters of its first run, how often it ran."""
        found, self.asked = list(self.asked.values()), {}
        return found

    def entries(self, *actions: str) -> Iterator[Event]:
        """Entries of the period, of these actions (none named: all), in order."""
        return map(_event, self._run(self._of(actions).where(_LOG.ts >= timestamp(self.period.start)).order_by(_LOG.seq)))

    def history(self, *actions: str) -> Iterator[Event]:
        """The same from entry 0 to the end of the period."""
        return map(_event, self._run(self._of(actions).order_by(_LOG.seq)))

    def later(self, *actions: str) -> Iterator[Event]:
        """Entries of these actions that do not count any more, from entry `size` on."""
        return map(_event, self._run(_every(actions).where(_LOG.seq >= self.size).order_by(_LOG.seq)))

    def about(self, entities: Sequence[str], *actions: str) -> list[Event]:
        """Entries about these entities up to the end of the period, in order."""
        if not entities:
            return []
        return [_event(row) for row in self._run(self._of(actions).where(_LOG.entity.in_(sorted(set(entities)))).order_by(_LOG.seq))]

    def last_use(self) -> Mapping[str, tuple[int, str]]:
        """Number and time of the newest entry of each person up to the end of the period."""
        newest = select(_LOG.actor, func.max(_LOG.seq), func.max(_LOG.ts)).where(
            _LOG.actor.like("person:%"), _LOG.ts < timestamp(self.period.end), _LOG.seq < self.size
        )
        return {actor: (int(seq), str(at)) for actor, seq, at in self._run(newest.group_by(_LOG.actor))}

    def file(self, *path: str) -> Mapping[str, Any] | None:
        """A JSON file of the data folder; None where there is none that can be read."""
        place = self.data.joinpath(*path)
        try:
            content = place.read_bytes()
            found = json.loads(content)
        except (OSError, ValueError):
            return None
        self._note(f"file {'/'.join(path)}", {"sha256": sha256(content).hexdigest()})
        return found if isinstance(found, dict) else None

    def kept(self, model: str, what: str, digest: str) -> str | None:
        """The `card` or `validation` report of a version with this SHA-256; None where none is kept that is still what was written."""
        self._note(f"{what} of a model in the folder models", {"model": model, "sha256": digest})
        return ModelFiles(self.data).kept(model, what, digest)

    def alarms(self) -> Sequence[Alarm]:
        """What the controls that watch find in the record today."""
        self._note("credit-review audit controls", {})
        return self.controls()

    def replay(self, review_id: str) -> Found | None:
        """What computing a review again found; None where nobody asked for that."""
        self._note("credit-review replay REVIEW", {"review": review_id})
        return self.replays(review_id)

    def table(self, name: str, columns: str, **equal: str | Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Rows of a table in order of the columns asked for; days and times as text."""
        stored = models.Base.metadata.tables[name].c
        wanted = [stored[column] for column in columns.split()]
        query = select(*wanted).order_by(*wanted)
        for column, value in equal.items():
            query = query.where(stored[column] == value if isinstance(value, str) else stored[column].in_(sorted(set(value))))
        return (tuple(map(_plain, row)) for row in self._run(query))

    def value(self, query: str, **parameters: int) -> Any:
        """The one value that a query gives; None when it gives none."""
        self._note(query, parameters)
        return self.connection.execute(text(query), parameters).scalar_one_or_none()

    def _of(self, actions: Sequence[str]) -> Select[Any]:
        return _every(actions).where(_LOG.ts < timestamp(self.period.end), _LOG.seq < self.size)

    def _run(self, query: Select[Any]) -> Iterator[Any]:
        compiled = query.compile()  # the text is the same on both databases; each value of a list is bound by itself
        self._note(_LIST.sub(r":\1", " ".join(str(compiled).split())), {name: _shown(value) for name, value in compiled.params.items()})
        # the option is the statement's: a later one of this connection may want all of its rows at once
        return iter(self.connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}))

    def _note(self, query: str, parameters: Mapping[str, Any]) -> None:
        self.asked.setdefault(query, {"query": query, "parameters": parameters, "runs": 0})["runs"] += 1


def _every(actions: Sequence[str]) -> Select[Any]:
    query = select(*_ENTRY).outerjoin_from(_LOG.seq.table, _PAYLOAD.seq.table, _PAYLOAD.seq == _LOG.seq)
    return query.where(_LOG.action.in_([str(one) for one in actions])) if actions else query


def _event(row: Any) -> Event:
    seq, leaf, at, action, actor, entity, raw, payload = row
    body = json.loads(raw)
    told = None if payload is None else json.loads(payload)
    return Event(
        seq=seq, leaf=leaf, at=at, action=action, actor=actor, entity=entity, data=body["data"], told=told,
        erased="pay" in body and payload is None,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return value.isoformat() if isinstance(value, date) else value


def _shown(value: Any) -> Any:
    """A parameter beside its query."""
    if isinstance(value, list | tuple):
        some = [_shown(one) for one in value]
        if len(some) <= NAMED_AT_MOST:
            return some
        return {"values": len(some), "sha256": sha256("\n".join(map(str, some)).encode()).hexdigest()}
    return value if isinstance(value, int) else str(_plain(value))
