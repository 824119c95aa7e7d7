"""Views of what an auditor asks for: sources and control totals, validation, quarantine, customers not reviewed, the certificate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from credit_review.model.validation import ERROR, FAIL, Verdict
from credit_review.report.movements import LIST_UP_TO
from credit_review.report.named import named, names
from credit_review.report.table import Table, cut
from credit_review.report.text import DASH, count, day, joined, known, major, money, plural, words

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.report.data import Certificate, ControlTotal, OutputFile, ReportData

KEPT = "kept"
UNREVIEWED = ("quarantined", "deferred", "excluded", "not_due")
_ACTS = {"critical": "stops the review", "warning": "quarantines the rows", "info": "is reported"}


def sources(data: ReportData) -> Table:
    """What was read."""
    rows = [[s.name, s.what, s.dataset, count(s.rows), s.digest, s.note] for s in data.sources]
    return Table(("Source", "What it is", "Dataset", ">Rows", "#Content digest", "Note"), rows)


def control_totals(data: ReportData) -> Table:
    """What was read beside what the source states."""
    headings = ("Dataset", "Currency", "Kind", ">Rows read", ">Rows stated", ">Amount read", ">Amount stated", "Tied")
    return Table(headings, [_control(t) for t in data.control_totals])


def _control(total: ControlTotal) -> list[str]:
    amounts = [money(m, total.currency) if total.currency else DASH for m in (total.amount_minor, total.stated_minor)]
    tied = "tied to itself only" if total.tied is None else "yes" if total.tied else "NO"
    rows = [count(total.rows), "not stated" if total.stated_rows is None else count(total.stated_rows)]
    stated = "not stated" if total.stated_minor is None and total.currency else amounts[1]
    return [total.dataset, total.currency or DASH, words(total.kind) or "all kinds", *rows, amounts[0], stated, tied]


def tied_words(data: ReportData) -> str:
    """How the data tied to control totals, in one sentence."""
    read = sum(s.rows for s in data.sources)
    start = f"{plural(read, 'row')} were read from {plural(len(data.sources), 'source')}"
    stated = [t for t in data.control_totals if t.tied is not None]
    if not stated:
        return f"{start}. The sources state no control totals: the data is tied to itself only."
    wrong = [t for t in stated if not t.tied]
    unstated = len(data.control_totals) - len(stated)
    tail = f"; {plural(unstated, 'total')} not stated by the source" if unstated else ""
    if wrong:
        return f"{start}. {plural(len(wrong), 'control total does', 'control totals do')} not agree with what the source states{tail}."
    return f"{start}; all {plural(len(stated), 'control total')} stated by the sources agree{tail}."


def validation(verdicts: Iterable[Verdict]) -> Table:
    """Each promise about the data in words, and what was found."""
    rows = [
        [
            v.dataset,
            o.words,
            _ACTS.get(o.severity, o.severity),
            count(o.checked),
            count(o.failed),
            _found(o.status),
            ", ".join(o.examples[:3]),
        ]
        for v in verdicts
        for o in v.outcomes
    ]
    return Table(("Dataset", "Promise", "If broken", ">Checked", ">Broken", "Found", "#First row keys"), rows)


def validation_summary(verdicts: Iterable[Verdict]) -> Table:
    """A row a dataset: how many rows and promises were checked, and how many were broken."""
    rows = []
    for v in verdicts:
        broken, errors = (sum(o.status == status for o in v.outcomes) for status in (FAIL, ERROR))
        rows.append([v.dataset, *(count(n) for n in (v.rows, v.kept, v.rows - v.kept, len(v.outcomes), broken, errors))])
    headings = ("Dataset", ">Rows checked", ">Go on", ">Quarantined", ">Promises", ">Broken", ">Could not be checked")
    return Table(headings, rows, empty="Not validated yet.")


def broken(verdicts: Iterable[Verdict]) -> Table:
    """The promises that were broken or could not be checked."""
    whole = validation(verdicts)
    return Table(whole.headings, [row for row in whole.rows if row[5] != KEPT], empty="No promise was broken.")


def _found(status: str) -> str:
    return {FAIL: "broken", ERROR: "could not be checked"}.get(status, KEPT)


def validation_words(verdicts: Iterable[Verdict]) -> str:
    """The outcome of validation in one sentence; what reading itself refused is not in it."""
    found = list(verdicts)
    outcomes = [o for v in found for o in v.outcomes]
    errors = sum(o.status == ERROR for o in outcomes)
    stopped = sum(o.status == FAIL and o.severity == "critical" for o in outcomes)
    lost = sum(v.rows - v.kept for v in found)
    if errors:
        return f"{plural(errors, 'check')} could not be carried out; the review stopped."
    if stopped:
        return f"{plural(stopped, 'critical promise was', 'critical promises were')} broken; the review stopped."
    read = plural(sum(v.rows for v in found), "row")
    return f"{plural(len(outcomes), 'promise')} about the data checked on {read}; {plural(lost, 'row')} broke them and went to quarantine."


def quarantine_words(quarantine: pd.DataFrame | None) -> str:
    """How many rows stand in quarantine, from reading and from validation, in one sentence."""
    if quarantine is None or quarantine.empty:
        return ""
    rows = quarantine.drop_duplicates(["dataset", "row_key"])
    risky = int(rows["could_raise"].sum())
    customers = rows.loc[rows["customer_id"].ne(""), "customer_id"].nunique()
    found = f"{plural(len(rows), 'row')} of {plural(int(customers), 'customer')} in quarantine"
    return f"{found}, from reading and from those checks; {risky:,} of them could raise exposure or lateness."


def unrated_words(data: ReportData) -> list[str]:
    """Why customers without any quarantined row could not be reviewed either (such as a missing rate), a sentence a reason."""
    rows = data.proposals[data.proposals["state"].eq("quarantined")]
    reasons = rows.loc[~rows["state_reason"].str.startswith("quarantined rows"), "state_reason"].value_counts()
    return [f"{plural(int(n), 'customer')} could not be reviewed: {str(why).partition(': ')[2] or why}." for why, n in reasons.items()]


def quarantine_summary(quarantine: pd.DataFrame | None) -> Table:
    """Quarantined rows by dataset and broken rule, amounts per currency counted once a row."""
    headings = ("Dataset", "Rule broken", "What is wrong", ">Rows", ">Customers", ">Open amount, absolute")
    if quarantine is None or quarantine.empty:
        return Table(headings, [])
    rows = []
    for (dataset, rule), group in quarantine.groupby(["dataset", "expectation"], sort=True):
        once = group.drop_duplicates("row_key")
        sums = once.assign(amount=once["amount_minor"].abs())[once["currency"].ne("")].groupby("currency")["amount"].sum()
        amounts = "; ".join(money(int(sums[c]), str(c)) for c in sums.index) or DASH
        customers = int(group.loc[group["customer_id"].ne(""), "customer_id"].nunique())
        rows.append([str(dataset), words(str(rule)), str(group["reason"].iloc[0]), count(len(once)), count(customers), amounts])
    return Table(headings, rows)


def quarantine_list(quarantine: pd.DataFrame | None, files: Sequence[OutputFile] = ()) -> Table:
    """Each quarantined row with its key, the rule it broke and the value found."""
    headings = ("Dataset", "#Row key", "Customer", "Rule broken", "Column", "#Value found", ">Amount", "Could raise risk")
    if quarantine is None or quarantine.empty:
        return Table(headings, [])
    rows = [
        [r["dataset"], r["row_key"], r["customer_id"] or r["source_number"] or "not told", words(r["expectation"]), words(r["column"]),
         r["value"] or "(empty)", money(r["amount_minor"], r["currency"]), "yes" if r["could_raise"] else "no"]
        for r in quarantine.head(LIST_UP_TO).to_dict("records")
    ]  # fmt: skip
    return Table(headings, rows, note=cut(len(quarantine), len(rows), files, "quarantine.csv"))


def duplicates(data: ReportData) -> Table:
    """Exact duplicates that were removed."""
    headings = ("#Row removed", "#Identical row kept", "Customer", "Kind", ">Amount", ">Open")
    frame = data.duplicates
    if frame is None or frame.empty:
        return Table(headings, [])
    rows = [
        [r["row_key"], r["kept_row_key"], r["customer_id"] or r["source_number"], words(r["kind"]), money(r["amount_minor"], r["currency"]),
         money(r["open_minor"], r["currency"])]
        for r in frame.head(LIST_UP_TO).to_dict("records")
    ]  # fmt: skip
    return Table(headings, rows, note=cut(len(frame), len(rows), data.files, "duplicates.csv"))


def aliases(data: ReportData) -> Table:
    """Customers that the source knows under more than one number, and who decided that they are one."""
    headings = ("Customer", "Source", "Legal entity", "#Number in source", "Decided by")
    frame = data.aliases
    if frame is None or frame.empty:
        return Table(headings, [], empty="No customer stands under two numbers.")
    merged = frame[frame["customer_id"].duplicated(keep=False)].sort_values(["customer_id", "source", "source_number"])
    called = names(data)
    rows = [
        [named(r["customer_id"], called), r["source"], r["legal_entity"], r["source_number"], _decider(r["decided_by"])]
        for r in merged.head(LIST_UP_TO).to_dict("records")
    ]
    return Table(headings, rows, note=cut(len(merged), len(rows), data.files, "aliases.csv"), empty="No customer stands under two numbers.")


def _decider(decided_by: str) -> str:
    """Who joined two numbers; a mapping by the beginning of its digest, which stands in full under Evidence."""
    kind, _, digest = decided_by.partition(":")
    return f"rule of mapping {digest[:12]}" if kind == "mapping" and digest else decided_by


def not_reviewed(data: ReportData) -> list[tuple[str, int, Table]]:
    """Customers not reviewed, a table a state, with the reason each; states nobody is in are left out."""
    called = names(data)
    due = {} if data.states is None else dict(zip(data.states["customer_id"], data.states["next_review"], strict=True))
    found = []
    for state in UNREVIEWED:
        rows = data.proposals[data.proposals["state"].eq(state)].sort_values(
            ["currency", "exposure_minor", "customer_id"], ascending=[True, False, True]
        )
        lines = [
            [called.get(r["customer_id"], ""), r["customer_id"], r["state_reason"], major(r["exposure_minor"], r["currency"]),
             major(r["from_minor"], r["currency"]) if known(r["from_minor"]) else "none on file", day(due.get(r["customer_id"]))]
            for r in rows.head(LIST_UP_TO).to_dict("records")
        ]  # fmt: skip
        headings = ("Customer", "Number", "Why", ">Exposure", ">Limit kept", "Next review")
        table = Table(headings, lines, note=cut(len(rows), len(lines), data.files, "proposals.csv"))
        if len(rows):
            found.append((words(state), len(rows), table))
    return found


def escalations(data: ReportData) -> Table:
    """Customers a named person must look at: quarantined or deferred again, or unreviewed for too long."""
    headings = ("Customer", "Why", "State now", "Last review", "Next review")
    if data.states is None:
        return Table(headings, [])
    called, rows = names(data), data.states[data.states["escalate"].ne("")].sort_values("customer_id")
    lines = [
        [named(r["customer_id"], called), r["escalate"], words(r["state"]), day(r["last_review"]), day(r["next_review"])]
        for r in rows.head(LIST_UP_TO).to_dict("records")
    ]
    return Table(headings, lines, note=cut(len(rows), len(lines), data.files, ""), empty="Nobody.")


def decided(data: ReportData) -> Table:
    """What people have answered, oldest first."""
    called = names(data)
    rows = [
        [named(d.customer_id, called), words(d.verdict), d.by, d.on, major(d.from_minor, d.currency), major(d.to_minor, d.currency),
         d.reason or DASH]
        for d in data.decided[:LIST_UP_TO]
    ]  # fmt: skip
    headings = ("Customer", "Answer", "By", "On", ">Limit before", ">Limit proposed", "Reason")
    return Table(headings, rows, note=cut(len(data.decided), len(rows), data.files, ""), empty="Nobody has answered yet.")


def certificate(found: Certificate) -> Table:
    """The completeness certificate, a column a currency."""
    currencies = sorted({c for line in (*found.lines, found.total) for c in line.amounts})

    def cells(line: Any) -> list[str]:
        amounts = [money(line.amounts.get(c, 0), c) for c in currencies]
        return [
            words(line.line),
            DASH if line.customers is None else count(line.customers),
            DASH if line.rows is None else count(line.rows),
            count(line.quarantined_rows),
            *amounts,
        ]

    headings = ("Line", ">Customers", ">Rows", ">Of them in quarantine", *(f">{c}" for c in currencies))
    return Table(headings, [cells(line) for line in found.lines], totals=[cells(found.total)])


def risk_kept(data: ReportData) -> Table:
    """Reductions that did not happen."""
    called = names(data)
    rows = [
        [named(r.customer_id, called), money(r.amount_minor, r.currency), words(r.cause), r.by or "nobody yet",
         r.reason or DASH, day(r.until)]
        for r in data.risk_kept
    ]  # fmt: skip
    headings = ("Customer", ">Amount kept", "How", "Kept by", "Why", "Until")
    return Table(headings, rows, empty="No proposed reduction was rejected, returned or left to expire.")


def not_computable(features: pd.DataFrame) -> Table:
    """Figures that could not be computed and why, with the number of customers."""
    totals: dict[tuple[str, str], int] = {}
    for text, number in features["not_computable"].value_counts().items():
        for part in filter(None, str(text).split("; ")):
            name, _, reason = part.partition(": ")
            key = (_figure(name), reason or "no reason given")
            totals[key] = totals.get(key, 0) + int(number)
    rows = [[name, reason, count(n)] for (name, reason), n in sorted(totals.items(), key=lambda e: (-e[1], e[0]))]
    return Table(("Figure", "Why it is not computable", ">Customers"), rows, empty="Every figure could be computed for every customer.")


def _figure(name: str) -> str:
    for ending in ("_minor", "_fraction", "_days"):
        name = name.removesuffix(ending)
    return words(name)


def states_words(data: ReportData) -> str:
    """How many customers ended in which state, in one sentence."""
    counts = data.proposals["state"].value_counts()
    others = [f"{int(counts[s]):,} {words(s)}" for s in reversed(UNREVIEWED) if counts.get(s, 0)]
    reviewed = int(counts.get("reviewed", 0))
    tail = f"; {joined(others)}" if others else ""
    return f"{plural(len(data.proposals), 'customer')} in the book: {reviewed:,} reviewed{tail}."
