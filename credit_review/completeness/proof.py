"""The completeness certificate: every customer in exactly one state, every row and amount read accounted for, per currency.

Amounts are open amounts at as_of in the currency of the document, minor units. What was read = the five states + duplicates removed +
unattributed + left out by rule, where a state holds the clean rows of its customers and their quarantined rows. What does not tie stops
the review, naming stage, currency and customers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import pandas as pd

from credit_review.audit import canonical
from credit_review.errors import ReviewStopped
from credit_review.model.money import EXPONENTS, MAX_MINOR, format_minor
from credit_review.model.states import CustomerState, Direction, Severity

TOTALS = ("customer_id", "currency", "rows", "open_minor")
"""Columns of `ledger_totals`."""

DUPLICATES, UNATTRIBUTED = "duplicates removed", "unattributed"
_READ_LINES = ("items", "unattributed")
_REFUSED, _DOUBLE = "quarantined", "duplicates"
_SHOWN = 20

Amounts = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFlow:
    """What happened to the ledger rows on their way from source to clean items.

    - `rows_read`: rows the source handed over, counted apart from `read`.
    - `read`: what the reader counted (columns line, currency, rows, open_minor, one or more rows a line); lines `items` and
      `unattributed` became the snapshot's items, `quarantined` and `duplicates` stand in their own frames, all others were left out by
      the rule they are named after.
    - `snapshot`, `clean`: `ledger_totals` of the items in the snapshot, and of those that passed validation.
    - `refused_reading`, `refused_validation`: QUARANTINE rows of the items dataset from reading and from validation.
    - `duplicates`: DUPLICATES.
    """

    rows_read: int
    read: pd.DataFrame
    snapshot: pd.DataFrame
    clean: pd.DataFrame
    refused_reading: pd.DataFrame
    refused_validation: pd.DataFrame
    duplicates: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the certificate. `quarantined_rows` and `quarantined` are the part of rows and amounts that stands in quarantine."""

    line: str
    customers: int | None
    rows: int
    amounts: Mapping[str, int]
    quarantined_rows: int = 0
    quarantined: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Canaries:
    """Canaries that all came out as they must: how many, and the SHA-256 (hex) of the right answers."""

    of: int
    answers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Proof that a review left nobody out; one that does not tie is never made.

    - `named`: state -> reason -> customer ids, for every customer that was not reviewed.
    - `affected`: customers with quarantined rows, with their number of rows.
    - `states_digest`: SHA-256 of the canonical list of `[state, direction, state_reason, [customer ids]]`, sorted.
    - `total`: the control total that `lines` add up to.
    - `left_to_newer`: newer review -> customers among the reviewed whose change was left, because its proposals are open.
    - `canaries`: how many synthetic customers rode beside them, outside all these figures; every one came out as it must.
    """

    review_id: str
    as_of: date
    lines: tuple[Line, ...]
    total: Line
    directions: Mapping[str, int]
    named: Mapping[str, Mapping[str, tuple[str, ...]]]
    affected: Mapping[str, int]
    states_digest: str
    canaries: Canaries
    left_to_newer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Customers by state, all five states."""
        return {line.line: line.customers or 0 for line in self.lines if line.line in tuple(CustomerState)}

    def to_json(self) -> str:
        """Canonical JSON, the text that is hashed and stored."""
        return canonical(
            {
                "affected": dict(self.affected),
                "canaries": {"as_expected": self.canaries.of, "answers": self.canaries.answers, "of": self.canaries.of},
                "as_of": self.as_of.isoformat(),
                "directions": dict(self.directions),
                "left_to_newer": {review: list(ids) for review, ids in self.left_to_newer.items()},
                "lines": [_plain(line) for line in self.lines],
                "named": {state: {reason: list(ids) for reason, ids in reasons.items()} for state, reasons in self.named.items()},
                "review_id": self.review_id,
                "states_digest": self.states_digest,
                "total": _plain(self.total),
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of `to_json`, hex."""
        return sha256(self.to_json().encode()).hexdigest()

    def text(self) -> list[str]:
        """The certificate as lines for people, without customer ids."""
        moves = ", ".join(f"{n} {name}" for name, n in self.directions.items())
        return [
            f"{self.total.customers} customers, {self.total.rows} ledger rows read: {_money(self.total.amounts)} open",
            *(_sentence(line, moves if line.line == CustomerState.REVIEWED else "") for line in self.lines),
            *(f"{len(ids)} changes are left to the newer review {review}" for review, ids in self.left_to_newer.items()),
            "ties: every customer in one state, every row and amount accounted for",
            f"canaries: {self.canaries.of} of {self.canaries.of} as expected",
        ]


def ledger_totals(items: pd.DataFrame) -> pd.DataFrame:
    """Rows and open amounts of ITEMS by customer and currency (columns TOTALS), sorted; rows of no customer under an empty id."""
    grouped = items.groupby(["customer_id", "currency"], sort=True, observed=True)["open_minor"]
    found = grouped.agg(rows="size", open_minor="sum").reset_index()
    return found.astype({"customer_id": "str", "currency": "str", "rows": "int64", "open_minor": "int64"})


def certificate(
    proposals: pd.DataFrame,
    flow: LedgerFlow,
    *,
    master: Iterable[str],
    quarantine: pd.DataFrame,
    review_id: str,
    as_of: date,
    canaries: Canaries,
    left_to_newer: Mapping[str, str] = MappingProxyType({}),
) -> Certificate:
    """The certificate of a review, or ReviewStopped naming what does not tie and the customers concerned.

    `proposals` has one PROPOSALS row for every customer, `master` the ids of the customer master as read, `quarantine` the QUARANTINE
    rows of all datasets and stages (for names only; amounts come from `flow`), `left_to_newer` the newer review by customer whose change
    was left to it.
    """
    reading, refused = _quarantined(flow.refused_reading), _quarantined(flow.refused_validation)
    met = (frame["customer_id"].drop_duplicates().tolist() for frame in (flow.snapshot, reading, refused, quarantine))
    universe = set(master).union(*met) - {""}
    states = _one_state_each(proposals, universe)
    _same_customers(flow.snapshot, flow.clean, refused)
    _same_as_read(flow, reading)
    duplicates = flow.duplicates.groupby("currency")["open_minor"].agg(rows="size", open_minor="sum").reset_index()
    left_out = flow.read[~flow.read["line"].isin([*_READ_LINES, _REFUSED, _DOUBLE])]
    both = pd.concat([reading, refused], ignore_index=True)
    lines = (
        *(_state_line(state.value, states, flow.clean, both) for state in CustomerState),
        Line(line=DUPLICATES, customers=None, **_sums(duplicates)),
        _unattributed(flow.clean, both),
        *(Line(line=str(name), customers=None, **_sums(rows)) for name, rows in left_out.groupby("line", sort=True)),
    )
    total = Line(line="control total", customers=len(universe), **_sums(flow.read))
    _adds_up(lines, total)
    directions = states["direction"].value_counts()
    return Certificate(
        review_id=review_id,
        as_of=as_of,
        lines=lines,
        total=total,
        directions={d.value: int(directions.get(d.value, 0)) for d in Direction},
        named=_named(states),
        affected=_affected(quarantine, flow.refused_reading, flow.refused_validation),
        states_digest=_states_digest(states),
        canaries=canaries,
        left_to_newer={
            r: tuple(sorted(c for c, newer in left_to_newer.items() if newer == r)) for r in sorted(set(left_to_newer.values()))
        },
    )


def _one_state_each(proposals: pd.DataFrame, universe: set[str]) -> pd.DataFrame:
    """State, direction and reason of every customer, by id. Stops when one is missing, doubled, invented or in no known state."""
    ids, known = proposals["customer_id"], set(proposals["customer_id"].tolist())
    states = proposals.loc[:, ["customer_id", "state", "direction", "state_reason"]].sort_values("customer_id", ignore_index=True)
    reviewed, directed = states["state"] == CustomerState.REVIEWED, states["direction"].isin([d.value for d in Direction])
    faults = (
        ("customers in more than one state", set(ids[ids.duplicated()])),
        ("customers of ledger or master without a state", universe - known),
        ("customers that neither ledger nor master knows", known - universe),
        ("customers in an unknown state", set(states.loc[~states["state"].isin([s.value for s in CustomerState]), "customer_id"])),
        ("customers whose state and direction contradict each other", set(states.loc[reviewed != directed, "customer_id"])),
        ("customers not reviewed for no reason", set(states.loc[~reviewed & (states["state_reason"] == ""), "customer_id"])),
    )
    for what, who in faults:
        if who:
            raise _stopped(f"{what}: {_some(who)}", "every customer in exactly one state")
    return states


def _same_customers(snapshot: pd.DataFrame, clean: pd.DataFrame, refused: pd.DataFrame) -> None:
    """Between snapshot and clean items no customer may lose or gain a row or an amount but those in quarantine."""
    for measure, unit in (("open_minor", "open amount"), ("rows", "row count")):
        key = ["customer_id", "currency"] if measure == "open_minor" else ["customer_id"]
        before = snapshot.groupby(key)[measure].sum()
        after = pd.concat([clean, refused], ignore_index=True).groupby(key)[measure].sum()
        difference = before.sub(after, fill_value=0)
        wrong = difference[difference != 0]
        if len(wrong):
            who = {str(i[0] if isinstance(i, tuple) else i) or "(no customer)" for i in wrong.index}
            text = f"between snapshot and validated ledger the {unit} does not tie for {_some(who)}"
            raise _stopped(
                f"{text}; difference {int(wrong.abs().sum())}", "snapshot = validated + quarantined, for each customer and currency"
            )


def _same_as_read(flow: LedgerFlow, reading: pd.DataFrame) -> None:
    """What the reader counted on each line equals the frame that line became, in rows and per currency."""
    if int(flow.read["rows"].sum()) != flow.rows_read:
        text = f"the source handed over {flow.rows_read} rows and {int(flow.read['rows'].sum())} are accounted for"
        raise _stopped(text, "every row read stands in exactly one place")
    expected = {
        "items": (flow.read[flow.read["line"].isin(_READ_LINES)], flow.snapshot),
        _REFUSED: (flow.read[flow.read["line"] == _REFUSED], reading),
        _DOUBLE: (flow.read[flow.read["line"] == _DOUBLE], flow.duplicates.assign(rows=1)),
    }
    for name, (counted, found) in expected.items():
        if int(counted["rows"].sum()) != int(found["rows"].sum()):
            text = f"{name}: {int(counted['rows'].sum())} rows were read and {int(found['rows'].sum())} are there"
            raise _stopped(text, "every row read stands in exactly one place")
        a, b = _by_currency(counted), _by_currency(found)
        for currency in sorted({*a, *b}):
            if a.get(currency, 0) != b.get(currency, 0):
                shown = [format_minor(x.get(currency, 0), currency) for x in (a, b)]
                raise _stopped(f"{name}: {shown[0]} were read and {shown[1]} are there", "amounts that tie per currency")


def _adds_up(lines: Collection[Line], total: Line) -> None:
    """The last check, over the figures that are printed."""
    if sum(line.rows for line in lines) != total.rows:
        raise _stopped(f"the lines hold {sum(line.rows for line in lines)} rows, {total.rows} were read", "lines that add up")
    if sum(line.customers or 0 for line in lines) != total.customers:
        raise _stopped("the states do not hold every customer once", "customers of ledger or master = sum over the five states")
    for currency in sorted({c for line in (*lines, total) for c in line.amounts}):
        found = sum(line.amounts.get(currency, 0) for line in lines)
        if found != total.amounts.get(currency, 0):
            shown = format_minor(found, currency), format_minor(total.amounts.get(currency, 0), currency)
            raise _stopped(f"the lines add up to {shown[0]}, {shown[1]} were read", "lines that add up per currency")


def _quarantined(rows: pd.DataFrame) -> pd.DataFrame:
    """Quarantined ledger rows, each once however many rules it failed: customer_id, currency, rows, open_minor (0 when unreadable).

    Rows that share a key failed the same rules, so of the (rule, column) pairs of a key the one with the most entries counts them.
    """
    items = rows[(rows["dataset"] == "items") & (rows["severity"] != Severity.INFO)]
    pairs = ["row_key", "expectation", "column"]
    sized = items.assign(count=items.groupby(pairs)["row_key"].transform("size"), read=items["amount_minor"].notna())
    sized = sized.sort_values(
        ["row_key", "count", "read", "expectation", "column"], ascending=[True, False, False, True, True], kind="stable"
    )
    best = sized.groupby("row_key")[["expectation", "column"]].transform("first")
    once = sized[(sized["expectation"] == best["expectation"]) & (sized["column"] == best["column"])]
    out = once[["customer_id", "currency"]].assign(rows=1, open_minor=once["amount_minor"].fillna(0).astype("int64"))
    return out.reset_index(drop=True)


def _state_line(state: str, states: pd.DataFrame, clean: pd.DataFrame, refused: pd.DataFrame) -> Line:
    ids = pd.Index(states.loc[states["state"] == state, "customer_id"])
    held, kept = (frame[ids.get_indexer(pd.Index(frame["customer_id"])) >= 0] for frame in (refused, clean))
    rows = pd.concat([kept, held], ignore_index=True)
    part = _sums(held)
    return Line(line=state, customers=len(ids), **_sums(rows), quarantined_rows=part["rows"], quarantined=part["amounts"])


def _unattributed(clean: pd.DataFrame, refused: pd.DataFrame) -> Line:
    held = refused[refused["customer_id"] == ""]
    rows = pd.concat([clean[clean["customer_id"] == ""], held], ignore_index=True)
    part = _sums(held)
    return Line(line=UNATTRIBUTED, customers=None, **_sums(rows), quarantined_rows=part["rows"], quarantined=part["amounts"])


def _sums(rows: pd.DataFrame) -> dict[str, Any]:
    return {"rows": int(rows["rows"].sum()), "amounts": _by_currency(rows)}


def _by_currency(rows: pd.DataFrame) -> Amounts:
    """Open amounts by currency; rows whose currency cannot be read have no amount either. Raises ReviewStopped beyond the money range."""
    sums: Amounts = {}
    for currency, total in rows.groupby("currency", sort=True)["open_minor"].sum().items():
        if abs(int(total)) > MAX_MINOR:
            raise _stopped(f"open amounts in {currency} add up to {total}", f"at most {MAX_MINOR} minor units")
        if str(currency) in EXPONENTS:
            sums[str(currency)] = int(total)
    return sums


def _named(states: pd.DataFrame) -> dict[str, dict[str, tuple[str, ...]]]:
    others = states[states["state"] != CustomerState.REVIEWED]
    found: dict[str, dict[str, tuple[str, ...]]] = {s.value: {} for s in CustomerState if s != CustomerState.REVIEWED}
    for (state, reason), ids in others.groupby(["state", "state_reason"], sort=True)["customer_id"]:
        found[str(state)][str(reason)] = tuple(ids.tolist())
    return found


def _affected(*quarantines: pd.DataFrame) -> dict[str, int]:
    """Customers with rows in quarantine, and how many."""
    rows = pd.concat([q[["customer_id", "dataset", "row_key"]] for q in quarantines], ignore_index=True).drop_duplicates()
    counts = rows.loc[rows["customer_id"] != "", "customer_id"].value_counts()
    return {str(customer): int(counts[customer]) for customer in sorted(counts.index)}


def _states_digest(states: pd.DataFrame) -> str:
    groups = states.groupby(["state", "direction", "state_reason"], sort=True)["customer_id"]
    return sha256(canonical([[*map(str, key), ids.tolist()] for key, ids in groups]).encode()).hexdigest()


def _plain(line: Line) -> dict[str, Any]:
    return {
        "amounts": dict(line.amounts),
        "customers": line.customers,
        "line": line.line,
        "quarantined": dict(line.quarantined or {}),
        "quarantined_rows": line.quarantined_rows,
        "rows": line.rows,
    }


def _sentence(line: Line, more: str) -> str:
    who = "" if line.customers is None else f"{line.customers} customers{f' ({more})' if more else ''}, "
    held = f", of which {line.quarantined_rows} rows in quarantine" if line.quarantined_rows else ""
    return f"{line.line.replace('_', ' ')}: {who}{line.rows} rows, {_money(line.amounts)}{held}"


def _money(amounts: Mapping[str, int]) -> str:
    return " + ".join(format_minor(minor, currency) for currency, minor in sorted(amounts.items())) or "nothing"


def _some(who: Collection[str]) -> str:
    shown = sorted(who)[:_SHOWN]
    return ", ".join(shown) + (f" ... ({len(who)} in all)" if len(who) > len(shown) else "")


def _stopped(what: str, expected: str) -> ReviewStopped:
    return ReviewStopped(
        f"completeness: {what}",
        expected=expected,
        next_step="resume the review from its snapshot; when it stops here again, a stage lost, doubled or changed these rows",
    )
