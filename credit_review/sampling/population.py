"""What is sampled: limit changes, decisions, proposals or reviews of a period, as audit entries say, frozen in a file with its digest."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from hashlib import sha256
from typing import Any

from credit_review.audit import Action
from credit_review.errors import BadInput
from credit_review.model.records import AuditRow
from credit_review.words import marked, said


class Of(StrEnum):
    """What a population consists of."""

    CHANGES = marked("changes")
    DECISIONS = marked("decisions")
    PROPOSALS = marked("proposals")
    REVIEWS = marked("reviews")


ACTIONS: Mapping[Of, tuple[Action, ...]] = {
    Of.CHANGES: (Action.LIMIT_APPLIED, Action.LIMIT_OVERRIDE),
    Of.DECISIONS: (Action.DECISION_APPROVE, Action.DECISION_REJECT, Action.DECISION_RETURN, Action.DECISION_COUNTER),
    Of.PROPOSALS: (Action.PROPOSAL_CREATED,),
    Of.REVIEWS: (Action.RUN_STARTED,),
}
"""The entries that make an item each."""

_BESIDE = (Action.PROPOSAL_CREATED, Action.PROPOSAL_AMENDED, Action.LIMIT_OPENED, Action.LIMIT_REVERTED)
_READ = frozenset({action for group in ACTIONS.values() for action in group}) | {*_BESIDE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item: its entry (number, leaf, time), its id and what it is about. Amounts are the limit before and after, minor units.

    `approvers` are ids joined by |; what an item has not is empty, an amount 0.
    """

    seq: int
    leaf: str
    at: str
    item: str
    proposal: str = ""
    review: str = ""
    account: str = ""
    customer: str = ""
    currency: str = ""
    from_minor: int = 0
    amount_minor: int = 0
    direction: str = ""
    tier: str = ""
    rule: str = ""
    approvers: str = ""


TRAITS = ("review", "account", "customer", "currency", "direction", "tier", "rule", "approvers", "proposal", "item")
"""By what items can be put in strata or picked."""


class Leaves:
    """The leaves of a log in order, 32 bytes each: a million entries are 32 MB."""

    def __init__(self) -> None:
        self._raw = bytearray()

    def append(self, leaf: str) -> None:
        """Take the next one, 64 hex characters."""
        self._raw += bytes.fromhex(leaf)

    def __len__(self) -> int:
        return len(self._raw) // 32

    def __getitem__(self, seq: int) -> str:
        if not 0 <= seq < len(self):
            raise IndexError(seq)
        return self._raw[32 * seq : 32 * seq + 32].hex()

    def first(self, size: int) -> Iterator[str]:
        """Those of the first `size` entries."""
        return (self[seq] for seq in range(size))


def _of_populations(row: AuditRow) -> bool:
    return row.action in _READ


@dataclass(slots=True)
class Reading:
    """What one pass over the log leaves: every leaf, and the bodies that populations are made of (`keeps`), by entry number."""

    leaves: Leaves = field(default_factory=Leaves)
    bodies: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    keeps: Callable[[AuditRow], bool] = _of_populations

    def passing(self, rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
        """The rows, each taken note of once whoever reads them (the verifier) accepted it and asks for the next."""
        for row in rows:
            yield row
            self.leaves.append(row.leaf)
            if self.keeps(row):
                self.bodies[row.seq] = json.loads(row.body)

    def of(self, *actions: Action) -> list[Mapping[str, Any]]:
        """Bodies of these actions, in order."""
        return [body for body in self.bodies.values() if body["action"] in actions]


def items(reading: Reading, of: Of) -> list[Item]:
    """Every item of that kind in the log, in order of entries; amounts and tiers are as they stood at each entry."""
    about: dict[str, dict[str, Any]] = defaultdict(dict)
    found = []
    for seq, body in reading.bodies.items():
        action, data, subject = body["action"], body["data"], _subject(body)
        if action == Action.PROPOSAL_CREATED:
            about[subject] |= data
        elif action == Action.PROPOSAL_AMENDED:
            about[subject] |= {"to_minor": data["after"]["to_minor"]}
        elif action in ACTIONS[Of.DECISIONS]:
            about[subject] |= {"tier": data["tier"]}
        if action in ACTIONS[of]:
            proposal = _proposal_of(of, body)
            traits = _traits({**about[proposal], **(data if of == Of.CHANGES else {})})
            found.append(
                Item(
                    seq=seq,
                    leaf=reading.leaves[seq],
                    at=body["ts"],
                    item=_id_of(of, body),
                    proposal=proposal,
                    approvers=_approvers(of, body),
                    **traits,
                )
            )
    return found


def _subject(body: Mapping[str, Any]) -> str:
    return str(body["entity"]).partition(":")[2]


def _proposal_of(of: Of, body: Mapping[str, Any]) -> str:
    if of == Of.REVIEWS:
        return ""
    return str(body["data"]["proposal"]) if of == Of.CHANGES else _subject(body)


def _id_of(of: Of, body: Mapping[str, Any]) -> str:
    if of == Of.CHANGES:
        return str(body["data"]["change"])
    return f"{_subject(body)}/{str(body['actor']).partition(':')[2]}" if of == Of.DECISIONS else _subject(body)


def _approvers(of: Of, body: Mapping[str, Any]) -> str:
    if of == Of.DECISIONS:
        return str(body["actor"]).partition(":")[2]
    return "|".join(one["approver"] for one in body["data"].get("approvers", ()))


def _traits(about: Mapping[str, Any]) -> dict[str, Any]:
    before, after = about.get("from_minor"), about.get("to_minor")
    return {
        "review": about.get("review") or "",
        "account": about.get("account") or "",
        "customer": about.get("customer") or "",
        "currency": about.get("currency") or "",
        "from_minor": before or 0,
        "amount_minor": after or 0,
        "direction": _direction(before, after),
        "tier": about.get("tier") or "",
        "rule": about.get("rule") or "",
    }


def _direction(before: int | None, after: int | None) -> str:
    if after is None:
        return ""
    if before is None:
        return "new"
    return "same" if after == before else "up" if after > before else "down"


# --- frozen ---------------------------------------------------------------------------------------------------------------------------


def to_csv(found: Sequence[Item]) -> str:
    """The frozen population: one line an item in order of entries, columns as the fields of Item."""
    text = io.StringIO()
    names = [one.name for one in fields(Item)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in sorted(found, key=lambda one: one.seq))
    return text.getvalue()


def from_csv(text: str, *, name: str) -> list[Item]:
    """The items of a frozen population. Raises BadInput naming the file and line."""
    rows = csv.DictReader(io.StringIO(text))
    names = [one.name for one in fields(Item)]
    if rows.fieldnames != names:
        raise BadInput(said("{file}: its columns are not those of a population", file=name), expected=", ".join(names))
    found = []
    for row in rows:
        try:
            numbers = {key: int(row[key]) for key in ("seq", "from_minor", "amount_minor")}
            known: dict[str, Any] = {**row, **numbers}
            found.append(Item(**known))
        except (ValueError, TypeError):
            raise BadInput(
                said("{file}, line {line} is no item of a population", file=name, line=rows.line_num),
                expected=said("the file as `audit sample draw` wrote it"),
            ) from None
    return found


def digest(text: str) -> str:
    """Hex SHA-256 of a frozen population's bytes."""
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A population of a period (days, both included) over the first `size` entries of a log with Merkle root `root`.

    Counted three ways: entries, rows of the table, and versions that limits moved by (changes only). `differences` names what disagrees.
    """

    of: Of
    first_day: str
    last_day: str
    items: tuple[Item, ...]
    size: int
    root: str
    rows: int
    versions: int | None = None
    differences: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The file it is frozen in."""
        return to_csv(self.items)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of that file."""
        return digest(self.text)

    def facts(self) -> dict[str, Any]:
        """What the record and sample.json say of it."""
        seqs = [one.seq for one in self.items]
        counts = {"items": len(seqs), "rows": self.rows, "versions": self.versions}
        ends = {"first_seq": min(seqs, default=None), "last_seq": max(seqs, default=None), "size": self.size, "root": self.root}
        return {"of": str(self.of), "from": self.first_day, "to": self.last_day, "digest": self.digest, **counts, **ends}
