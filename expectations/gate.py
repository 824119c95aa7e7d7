"""Runs a suite and decides what its outcomes mean: stop, quarantine rows, or report.

Great Expectations' own `success` ignores severity, and counts a check that raised as a failure of the data; both are decided here.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any

from credit_review.model.frames import DATASETS, PANDAS, QUARANTINE
from credit_review.model.money import EXPONENTS
from credit_review.model.states import Severity
from credit_review.model.validation import ERROR, EXAMPLES, FAIL, PASS, Outcome, Verdict
from credit_review.words import marked
from expectations import customers, external, features, ledger, proposals, remarks, statements
from expectations.promise import Context, Promise, Suite

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition

SUITES: Mapping[str, Suite] = {
    s.dataset: s
    for s in (
        ledger.SUITE,
        customers.SUITE,
        external.SUITE,
        statements.SUITE,
        remarks.SUITE,
        external.COVER_SUITE,
        features.SUITE,
        proposals.SUITE,
    )
}
VALUE_LENGTH = 80
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What came through the gate.

    `clean` has the rows that go on, in their order and numbered from 0. `quarantine` (columns of QUARANTINE) has one row for each
    broken promise of a row that does not, those of critical promises included, so that a stopped review can name them. A row that
    broke two promises stands there twice: its amount is to be counted once a row key.
    """

    verdict: Verdict
    clean: pd.DataFrame
    quarantine: pd.DataFrame

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.verdict.dataset

    @property
    def status(self) -> str:
        """PASS, FAIL or ERROR of the dataset."""
        return self.verdict.status

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One outcome an expectation, in the suite's order."""
        return self.verdict.outcomes

    def require(self) -> GateResult:
        """This result, if the review may go on. Raises ReviewStopped."""
        self.verdict.require()
        return self


@dataclass(frozen=True, slots=True)
class _Finding:
    """What Great Expectations said about one promise: positions of the rows that broke it, or the error it raised."""

    promise: Promise
    ok: bool
    positions: list[int]
    error: str = ""


def check(dataset: str, frame: pd.DataFrame, *, context: Context) -> GateResult:
    """The rows of `frame` fit to go on, those that are not with the reasons, and the outcome of each promise of `dataset`.

    Never raises for what the data holds: call `require` on the result to stop a review. Great Expectations is imported on first
    use, which takes seconds.
    """
    return run(SUITES[dataset], frame, context=context)


def run(suite: Suite, frame: pd.DataFrame, *, context: Context) -> GateResult:
    """As `check`, for a suite that may be of one's own making."""
    rows = frame.reset_index(drop=True)  # the caller's index may repeat; positions may not
    findings = _schema(suite, rows)
    if all(f.ok for f in findings):
        findings = [*findings, *_rows(suite, rows, context)]
    outcomes = tuple(_outcome(suite.dataset, f, rows) for f in findings)
    bad = sorted({p for f in findings if f.promise.severity != Severity.INFO for p in f.positions})
    clean = rows.drop(index=bad).reset_index(drop=True)
    verdict = Verdict(dataset=suite.dataset, rows=len(rows), kept=len(clean), outcomes=outcomes)
    return GateResult(verdict=verdict, clean=clean, quarantine=_quarantine(suite, rows, findings))


def merge(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """One verdict a dataset from those of its buckets, in the order in which datasets and promises first appear.

    Counts are added, an error anywhere is an error, examples are the first in key order.
    """
    grouped: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        grouped.setdefault(verdict.dataset, []).append(verdict)
    return tuple(_merge_dataset(name, group) for name, group in grouped.items())


def expectations(suite: Suite) -> list[Any]:
    """The suite as Great Expectations objects, with severity, description and name; conditions read the columns `holds: <name>`."""
    return [_expectation(p) for p in suite.promises]


def _expectation(promise: Promise) -> Any:
    arguments: dict[str, Any] = {"value_set": [True]} if promise.holds else dict(promise.arguments)
    if promise.column:
        arguments["column"] = f"holds: {promise.name}" if promise.holds else promise.column
    kind = _kind(promise.kind)
    return kind(**arguments, severity=str(promise.severity), description=promise.words, meta={"name": promise.name})


@cache
def _kind(name: str) -> Any:
    """A class of Great Expectations whose objects write their configuration once: it is read eight times, for two fifths of a check."""
    kind: Any = getattr(_great_expectations().expectations, name)
    from great_expectations.compatibility.pydantic import PrivateAttr

    def configuration(self: Any) -> Any:
        if self._written is None:
            self._written = kind.configuration.fget(self)
        return self._written

    own = {"__module__": __name__, "_written": PrivateAttr(None), "configuration": property(configuration)}
    return type(f"{name}WrittenOnce", (kind,), own)


def _schema(suite: Suite, frame: pd.DataFrame) -> list[_Finding]:
    wanted = Promise(
        name="columns_are_as_agreed",
        column="",
        severity=Severity.CRITICAL,
        words=marked("the columns are exactly those of the data dictionary, in order"),
        reason=marked("a column is missing, added or moved"),
        kind="ExpectTableColumnsToMatchOrderedList",
        arguments={"column_list": list(DATASETS[suite.dataset].names)},
    )
    return _findings((wanted,), frame.iloc[:0])


def _rows(suite: Suite, frame: pd.DataFrame, context: Context) -> list[_Finding]:
    """Findings of all row promises, in order; a condition that raises is that promise's error and spares the others."""
    narrow, broken = _narrow(suite, frame, context)
    found = {f.promise.name: f for f in _findings([p for p in suite.promises if p.name not in broken], narrow)}
    errors = {p.name: _Finding(p, False, [], broken[p.name]) for p in suite.promises if p.name in broken}
    return [errors.get(p.name) or found[p.name] for p in suite.promises]


def _narrow(suite: Suite, frame: pd.DataFrame, context: Context) -> tuple[pd.DataFrame, dict[str, str]]:
    """Only the columns that promises look at, numbered from 0: Great Expectations copies the whole table for each expectation."""
    import pandas as pd

    columns: dict[str, Any] = {}
    broken: dict[str, str] = {}
    for promise in suite.promises:
        if promise.holds is None:
            columns[promise.column] = frame[promise.column].array
            continue
        try:
            held = promise.holds(frame, context)
            columns[f"holds: {promise.name}"] = held.astype("boolean").fillna(False).to_numpy(dtype=bool)
        except Exception as error:
            broken[promise.name] = f"{type(error).__name__}: {error}"
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame))), broken


def _findings(promises: Iterable[Promise], frame: pd.DataFrame) -> list[_Finding]:
    """What Great Expectations says. If a run as a whole raises, that is the error of each promise not yet known to hold.

    Most promises hold, and to ask only whether they do takes half as long; which rows break the others is asked of those alone.
    """
    wanted = list(promises)
    kept = {f.promise.name: f for f in _asked(wanted, frame, "BOOLEAN_ONLY") if f.ok}
    broken = {f.promise.name: f for f in _asked([p for p in wanted if p.name not in kept], frame, "COMPLETE")}
    return [kept.get(p.name) or broken[p.name] for p in wanted]


def _asked(promises: list[Promise], frame: pd.DataFrame, detail: str) -> list[_Finding]:
    try:
        results = _validate(promises, frame, detail) if promises else []
    except Exception as error:
        return [_Finding(p, False, [], f"{type(error).__name__}: {error}") for p in promises]
    by_name = {r.expectation_config.meta["name"]: r for r in results}
    return [_finding(p, by_name.get(p.name)) for p in promises]


def _validate(promises: list[Promise], frame: pd.DataFrame, detail: str) -> list[Any]:
    """Great Expectations' results in its result format `detail`. One run at a time a process: its context and batch cache are shared."""
    with _one_at_a_time:
        definition = _batch_definition()
        try:
            batch = definition.get_batch({"dataframe": frame})
            suite = _great_expectations().ExpectationSuite(name="suite", expectations=[_expectation(p) for p in promises])
            return list(batch.validate(suite, result_format={"result_format": detail}).results)
        finally:
            definition.data_asset.datasource.get_execution_engine().batch_manager.reset_batch_cache()


@cache
def _batch_definition() -> BatchDefinition[Any]:
    """The one batch definition of this process, in a context that touches neither disk nor network."""
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it announces temporary folders
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


@cache
def _great_expectations() -> Any:
    """The library, which says nothing to anybody, without scipy.stats and altair: almost half of its import, for kinds of expectations no
    promise is."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read by Great Expectations at import
    with _loaded_when_used("scipy.stats"), _loaded_when_used("altair"):
        import great_expectations.expectations
    return great_expectations


@contextmanager
def _loaded_when_used(name: str) -> Iterator[None]:
    """Whoever imports the module `name` inside this block has it loaded when he uses it; afterwards it is imported as ever."""
    stand_in = ModuleType(name)

    def withdraw() -> None:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]

    def part(wanted: str) -> Any:
        withdraw()
        return getattr(import_module(name), wanted)

    vars(stand_in)["__getattr__"] = part
    sys.modules.setdefault(name, stand_in)
    try:
        yield
    finally:
        withdraw()


def _finding(promise: Promise, result: Any) -> _Finding:
    if result is None:
        return _Finding(promise, False, [], "no result came back")
    error = _raised(result.exception_info)
    if error:
        return _Finding(promise, False, [], error)
    positions = [int(p) for p in result.result.get("unexpected_index_list") or ()]
    if len(positions) != (result.result.get("unexpected_count") or 0):
        return _Finding(promise, False, [], "the list of failing rows is not complete")
    return _Finding(promise, bool(result.success), sorted(positions))


def _raised(info: Mapping[str, Any] | None) -> str:
    """The first error in Great Expectations' exception_info, which is flat or nested by metric; empty when nothing raised."""
    if not info:
        return ""
    entries = [info] if "raised_exception" in info else [v for v in info.values() if isinstance(v, Mapping)]
    return next((str(e.get("exception_message") or "an error without a message") for e in entries if e.get("raised_exception")), "")


def _outcome(dataset: str, finding: _Finding, frame: pd.DataFrame) -> Outcome:
    promise = finding.promise
    status = ERROR if finding.error else PASS if finding.ok else FAIL
    keys = () if not finding.positions else tuple(sorted(row_keys(dataset, frame.iloc[finding.positions]))[:EXAMPLES])
    return Outcome(
        expectation=promise.name,
        column=promise.column,
        severity=str(promise.severity),
        words=promise.words,
        status=status,
        checked=0 if finding.error else len(frame),
        failed=len(finding.positions),
        examples=keys,
        error=finding.error[:500],
    )


def row_keys(dataset: str, frame: pd.DataFrame) -> pd.Series[str]:
    """Key of each row as the quarantine names it: its key columns joined by |, dates as ISO dates."""
    parts = [_text(frame[c]) for c in DATASETS[dataset].key]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.str.cat(part, sep="|")
    return joined


def _text(column: pd.Series[Any]) -> pd.Series[str]:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.dt.strftime("%Y-%m-%d")
    return column.astype("str").fillna("")


def _quarantine(suite: Suite, frame: pd.DataFrame, findings: list[_Finding]) -> pd.DataFrame:
    """QUARANTINE rows of every broken promise that is more than information, sorted by key."""
    import pandas as pd

    parts = [
        _quarantined(suite, frame.iloc[f.positions], f.promise) for f in findings if f.positions and f.promise.severity != Severity.INFO
    ]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=list(QUARANTINE.names))
    table = table.astype({c.name: PANDAS[c.dtype] for c in QUARANTINE.columns})
    return table.sort_values(list(QUARANTINE.key), kind="stable", ignore_index=True)


def _quarantined(suite: Suite, rows: pd.DataFrame, promise: Promise) -> pd.DataFrame:
    import pandas as pd

    empty = pd.Series("", index=rows.index, dtype="str")
    currency = rows["currency"].where(rows["currency"].isin(list(EXPONENTS)), "") if "currency" in rows else empty
    amount = rows[suite.amount].astype("Int64").mask(currency.eq("")) if suite.amount else pd.Series(pd.NA, index=rows.index, dtype="Int64")
    values = {
        "dataset": suite.dataset,
        "row_key": row_keys(suite.dataset, rows),
        "source_number": rows.get("source_number", empty),
        "customer_id": rows["customer_id"],
        "expectation": promise.name,
        "column": promise.column,
        "value": _text(rows[promise.column]).str.slice(0, VALUE_LENGTH),
        "severity": str(promise.severity),
        "currency": currency,
        "amount_minor": amount,
        "could_raise": suite.could_raise(rows),
        "reason": promise.reason,
    }
    return pd.DataFrame(values, index=rows.index)[list(QUARANTINE.names)]


def _merge_dataset(name: str, group: list[Verdict]) -> Verdict:
    outcomes: dict[str, list[Outcome]] = {}
    for verdict in group:
        for outcome in verdict.outcomes:
            outcomes.setdefault(outcome.expectation, []).append(outcome)
    return Verdict(
        dataset=name,
        rows=sum(v.rows for v in group),
        kept=sum(v.kept for v in group),
        outcomes=tuple(_merge_outcomes(found) for found in outcomes.values()),
    )


def _merge_outcomes(found: list[Outcome]) -> Outcome:
    statuses = {o.status for o in found}
    first = found[0]
    return Outcome(
        expectation=first.expectation,
        column=first.column,
        severity=first.severity,
        words=first.words,
        status=ERROR if ERROR in statuses else FAIL if FAIL in statuses else PASS,
        checked=sum(o.checked for o in found),
        failed=sum(o.failed for o in found),
        examples=tuple(sorted(e for o in found for e in o.examples)[:EXAMPLES]),
        error=next((o.error for o in found if o.error), ""),
    )
