"""Views of what an auditor asks for: sources and control totals, validation, quarantine, customers not reviewed, the certificate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard
from credit_review.model.validation import ERROR, FAIL, Verdict
from credit_review.report.movements import LIST_UP_TO
from credit_review.report.named import named, names
from credit_review.report.table import Column, Table, cut, key, num
from credit_review.report.text import DASH, count, day, joined, known, major, money, words
from credit_review.words import Said, listed, marked, said, said_many

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.report.data import Certificate, ControlTotal, OutputFile, ReportData

KEPT = said("kept")
UNREVIEWED = ("quarantined", "deferred", "excluded", "not_due")
_ACTS: dict[str, str] = {
    "critical": said("stops the review"), "warning": said("quarantines the rows"), "info": said("is reported"),
}  # fmt: skip
_LEFT = {
    "quarantined": marked("{count} quarantined"), "deferred": marked("{count} deferred"), "excluded": marked("{count} excluded"),
    "not_due": marked("{count} not due"),
}  # fmt: skip
_SEMICOLON = marked("{first}; {rest}")


def sources(data: ReportData) -> Table:
    """What was read."""
    rows = [[s.name, s.what, words(s.dataset), count(s.rows), s.digest, s.note] for s in data.sources]
    headings = (said("Source"), said("What it is"), said("Dataset"), num(said("Rows")), key(said("Content digest")), said("Note"))
    return Table(headings, rows)


def control_totals(data: ReportData) -> Table:
    """What was read beside what the source states."""
    headings = (
        said("Dataset"), said("Currency"), said("Kind"), num(said("Rows read")), num(said("Rows stated")), num(said("Amount read")),
        num(said("Amount stated")), said("Tied"),
    )  # fmt: skip
    return Table(headings, [_control(t) for t in data.control_totals])


def _control(total: ControlTotal) -> list[str]:
    amounts = [money(m, total.currency) if total.currency else DASH for m in (total.amount_minor, total.stated_minor)]
    tied = said("tied to itself only") if total.tied is None else said("yes") if total.tied else said("NO")
    rows = [count(total.rows), said("not stated") if total.stated_rows is None else count(total.stated_rows)]
    stated = said("not stated") if total.stated_minor is None and total.currency else amounts[1]
    return [words(total.dataset), total.currency or DASH, words(total.kind) or said("all kinds"), *rows, amounts[0], stated, tied]


def tied_words(data: ReportData) -> str:
    """How the data tied to control totals, in one sentence."""
    read, many = sum(s.rows for s in data.sources), len(data.sources)
    rows = said_many("{count} row", "{count} rows", n=read, count=count(read))
    sources = said_many("{count} source", "{count} sources", n=many, count=count(many))
    start = said_many("{rows} were read from {sources}", "{rows} were read from {sources}", n=read, rows=rows, sources=sources)
    stated = [t for t in data.control_totals if t.tied is not None]
    if not stated:
        return said("{read}. The sources state no control totals: the data is tied to itself only.", read=start)
    wrong = [t for t in stated if not t.tied]
    return said("{read}{tail}.", read=_agree(start, len(stated), len(wrong)), tail=_unstated(len(data.control_totals) - len(stated)))


def _agree(read: str, stated: int, wrong: int) -> str:
    if wrong:
        return said_many(
            "{read}. {count} control total does not agree with what the source states",
            "{read}. {count} control totals do not agree with what the source states",
            n=wrong,
            read=read,
            count=count(wrong),
        )
    return said_many(
        "{read}; all {count} control total stated by the sources agree",
        "{read}; all {count} control totals stated by the sources agree",
        n=stated,
        read=read,
        count=count(stated),
    )


def _unstated(number: int) -> str:
    if not number:
        return ""
    return said_many("; {count} total not stated by the source", "; {count} totals not stated by the source", n=number, count=count(number))


def validation(verdicts: Iterable[Verdict]) -> Table:
    """Each promise about the data in words, and what was found."""
    rows = [
        [
            words(v.dataset),
            heard(o.words),
            _ACTS.get(o.severity, o.severity),
            count(o.checked),
            count(o.failed),
            _found(o.status),
            ", ".join(o.examples[:3]),
        ]
        for v in verdicts
        for o in v.outcomes
    ]
    headings = (
        said("Dataset"), said("Promise"), said("If broken"), num(said("Checked")), num(said("Broken")), said("Found"),
        key(said("First row keys")),
    )  # fmt: skip
    return Table(headings, rows)


def validation_summary(verdicts: Iterable[Verdict]) -> Table:
    """A row a dataset: how many rows and promises were checked, and how many were broken."""
    rows = []
    for v in verdicts:
        broken, errors = (sum(o.status == status for o in v.outcomes) for status in (FAIL, ERROR))
        rows.append([words(v.dataset), *(count(n) for n in (v.rows, v.kept, v.rows - v.kept, len(v.outcomes), broken, errors))])
    headings = (
        said("Dataset"), num(said("Rows checked")), num(said("Go on")), num(said("Quarantined")), num(said("Promises")),
        num(said("Broken")), num(said("Could not be checked")),
    )  # fmt: skip
    return Table(headings, rows, empty=said("Not validated yet."))


def broken(verdicts: Iterable[Verdict]) -> Table:
    """The promises that were broken or could not be checked."""
    whole = validation(verdicts)
    return Table(whole.headings, [row for row in whole.rows if row[5] != KEPT], empty=said("No promise was broken."))


def _found(status: str) -> str:
    return {FAIL: said("broken"), ERROR: said("could not be checked")}.get(status, KEPT)


def validation_words(verdicts: Iterable[Verdict]) -> str:
    """The outcome of validation in one sentence; what reading itself refused is not in it."""
    found = list(verdicts)
    outcomes = [o for v in found for o in v.outcomes]
    errors = sum(o.status == ERROR for o in outcomes)
    stopped = sum(o.status == FAIL and o.severity == "critical" for o in outcomes)
    lost = sum(v.rows - v.kept for v in found)
    if errors:
        return said_many(
            "{count} check could not be carried out; the review stopped.",
            "{count} checks could not be carried out; the review stopped.",
            n=errors,
            count=count(errors),
        )
    if stopped:
        return said_many(
            "{count} critical promise was broken; the review stopped.",
            "{count} critical promises were broken; the review stopped.",
            n=stopped,
            count=count(stopped),
        )
    read = sum(v.rows for v in found)
    return said(
        "{promises} about the data checked on {rows}; {lost} broke them and went to quarantine.",
        promises=said_many("{count} promise", "{count} promises", n=len(outcomes), count=count(len(outcomes))),
        rows=said_many("{count} row", "{count} rows", n=read, count=count(read)),
        lost=said_many("{count} row", "{count} rows", n=lost, count=count(lost)),
    )


def quarantine_words(quarantine: pd.DataFrame | None) -> str:
    """How many rows stand in quarantine, from reading and from validation, in one sentence."""
    if quarantine is None or quarantine.empty:
        return ""
    rows = quarantine.drop_duplicates(["dataset", "row_key"])
    risky = int(rows["could_raise"].sum())
    customers = rows.loc[rows["customer_id"].ne(""), "customer_id"].nunique()
    return said(
        "{rows} of {customers} in quarantine, from reading and from those checks; {count} of them could raise exposure or lateness.",
        rows=said_many("{count} row", "{count} rows", n=len(rows), count=count(len(rows))),
        customers=said_many("{count} customer", "{count} customers", n=int(customers), count=count(customers)),
        count=count(risky),
    )


def unrated_words(data: ReportData) -> list[str]:
    """Why customers without any quarantined row could not be reviewed either (such as a missing rate), a sentence a reason."""
    rows = data.proposals[data.proposals["state"].eq("quarantined")]
    reasons = rows.loc[~rows["state_reason"].str.startswith("quarantined rows"), "state_reason"].value_counts()
    return [
        said_many(
            "{count} customer could not be reviewed: {why}.",
            "{count} customers could not be reviewed: {why}.",
            n=int(n),
            count=count(n),
            why=heard(str(why).partition(": ")[2] or str(why)),
        )
        for why, n in reasons.items()
    ]


def quarantine_summary(quarantine: pd.DataFrame | None) -> Table:
    """Quarantined rows by dataset and broken rule, amounts per currency counted once a row."""
    headings = (
        said("Dataset"), said("Rule broken"), said("What is wrong"), num(said("Rows")), num(said("Customers")),
        num(said("Open amount, absolute")),
    )  # fmt: skip
    if quarantine is None or quarantine.empty:
        return Table(headings, [])
    rows = []
    for (dataset, rule), group in quarantine.groupby(["dataset", "expectation"], sort=True):
        once = group.drop_duplicates("row_key")
        sums = once.assign(amount=once["amount_minor"].abs())[once["currency"].ne("")].groupby("currency")["amount"].sum()
        amounts = listed([money(int(sums[c]), str(c)) for c in sums.index], by=_SEMICOLON) or DASH
        customers = int(group.loc[group["customer_id"].ne(""), "customer_id"].nunique())
        rows.append([words(str(dataset)), _name(rule), heard(str(group["reason"].iloc[0])), count(len(once)), count(customers), amounts])
    return Table(headings, rows)


def quarantine_list(quarantine: pd.DataFrame | None, files: Sequence[OutputFile] = ()) -> Table:
    """Each quarantined row with its key, the rule it broke and the value found."""
    headings = (
        said("Dataset"), key(said("Row key")), said("Customer"), said("Rule broken"), said("Column"), key(said("Value found")),
        num(said("Amount")), said("Could raise risk"),
    )  # fmt: skip
    if quarantine is None or quarantine.empty:
        return Table(headings, [])
    rows = [
        [words(r["dataset"]), r["row_key"], r["customer_id"] or r["source_number"] or said("not told"), _name(r["expectation"]),
         _name(r["column"]), r["value"] or said("(empty)"), money(r["amount_minor"], r["currency"]),
         said("yes") if r["could_raise"] else said("no")]
        for r in quarantine.head(LIST_UP_TO).to_dict("records")
    ]  # fmt: skip
    return Table(headings, rows, note=cut(len(quarantine), len(rows), files, "quarantine.csv"))


def _name(code: Any) -> str:
    """The name of a rule or column, which stays as it is in every language."""
    return str(code).replace("_", " ")


def duplicates(data: ReportData) -> Table:
    """Exact duplicates that were removed."""
    headings = (
        key(said("Row removed")), key(said("Identical row kept")), said("Customer"), said("Kind"), num(said("Amount")),
        num(said("Still open")),
    )  # fmt: skip
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
    headings = (said("Customer"), said("Source"), said("Legal entity"), key(said("Number in source")), said("Decided by"))
    none = said("No customer stands under two numbers.")
    frame = data.aliases
    if frame is None or frame.empty:
        return Table(headings, [], empty=none)
    merged = frame[frame["customer_id"].duplicated(keep=False)].sort_values(["customer_id", "source", "source_number"])
    called = names(data)
    rows = [
        [named(r["customer_id"], called), r["source"], r["legal_entity"], r["source_number"], _decider(r["decided_by"])]
        for r in merged.head(LIST_UP_TO).to_dict("records")
    ]
    return Table(headings, rows, note=cut(len(merged), len(rows), data.files, "aliases.csv"), empty=none)


def _decider(decided_by: str) -> str:
    """Who joined two numbers; a mapping by the beginning of its digest, which stands in full under Evidence."""
    kind, _, digest = decided_by.partition(":")
    return said("rule of mapping {digest}", digest=digest[:12]) if kind == "mapping" and digest else words(decided_by)


_HEADS = {
    "quarantined": marked("Quarantined: {count}"), "deferred": marked("Deferred: {count}"), "excluded": marked("Excluded: {count}"),
    "not_due": marked("Not due: {count}"),
}  # fmt: skip


def not_reviewed(data: ReportData) -> list[tuple[str, Table]]:
    """Customers not reviewed, a heading and table a state, with the reason each; states nobody is in are left out."""
    called = names(data)
    due = {} if data.states is None else dict(zip(data.states["customer_id"], data.states["next_review"], strict=True))
    found: list[tuple[str, Table]] = []
    for state in UNREVIEWED:
        rows = data.proposals[data.proposals["state"].eq(state)].sort_values(
            ["currency", "exposure_minor", "customer_id"], ascending=[True, False, True]
        )
        lines = [
            [called.get(r["customer_id"], ""), r["customer_id"], _reason(r["state_reason"]), major(r["exposure_minor"], r["currency"]),
             major(r["from_minor"], r["currency"]) if known(r["from_minor"]) else said("none on file"), day(due.get(r["customer_id"]))]
            for r in rows.head(LIST_UP_TO).to_dict("records")
        ]  # fmt: skip
        headings = (said("Customer"), said("Number"), said("Why"), num(said("Exposure")), num(said("Limit kept")), said("Next review"))
        table = Table(headings, lines, note=cut(len(rows), len(lines), data.files, "proposals.csv"))
        if len(rows):
            found.append((said(_HEADS[state], count=count(len(rows))), table))
    return found


def _reason(text: str) -> str:
    """Why a customer was not reviewed; a code in front (`missing_rate: ...`) stays as it is."""
    whole = heard(text)
    code, colon, rest = text.partition(": ")
    return said("{what}: {why}", what=words(code), why=heard(rest)) if colon and not isinstance(whole, Said) else whole


def _why(escalated: str) -> str:
    return listed([heard(one) for one in escalated.split("; ")], by=_SEMICOLON)


def escalations(data: ReportData) -> Table:
    """Customers a named person must look at: quarantined or deferred again, or unreviewed for too long."""
    headings = (said("Customer"), said("Why"), said("State now"), said("Last review"), said("Next review"))
    if data.states is None:
        return Table(headings, [])
    called, rows = names(data), data.states[data.states["escalate"].ne("")].sort_values("customer_id")
    lines = [
        [
            named(r["customer_id"], called),
            _why(r["escalate"]),
            words(r["state"]),
            day(r["last_review"]),
            day(r["next_review"]),
        ]
        for r in rows.head(LIST_UP_TO).to_dict("records")
    ]
    return Table(headings, lines, note=cut(len(rows), len(lines), data.files, ""), empty=said("Nobody."))


def decided(data: ReportData) -> Table:
    """What people have answered, oldest first."""
    called = names(data)
    rows = [
        [named(d.customer_id, called), words(d.verdict), d.by, d.on, major(d.from_minor, d.currency), major(d.to_minor, d.currency),
         d.reason or DASH]
        for d in data.decided[:LIST_UP_TO]
    ]  # fmt: skip
    headings = (
        said("Customer"), said("Answer"), said("Answered by"), said("On"), num(said("Limit before")), num(said("Limit proposed")),
        said("Reason"),
    )  # fmt: skip
    return Table(headings, rows, note=cut(len(data.decided), len(rows), data.files, ""), empty=said("Nobody has answered yet."))


def certificate(found: Certificate) -> Table:
    """The completeness certificate, a column a currency."""
    currencies = sorted({c for line in (*found.lines, found.total) for c in line.amounts})

    def cells(line: Any) -> list[str]:
        amounts = [money(line.amounts.get(c, 0), c) for c in currencies]
        return [
            _line(line.line),
            DASH if line.customers is None else count(line.customers),
            DASH if line.rows is None else count(line.rows),
            count(line.quarantined_rows),
            *amounts,
        ]

    headings: list[str | Column] = [said("Line"), num(said("Customers")), num(said("Rows")), num(said("Of them in quarantine"))]
    headings += [num(c) for c in currencies]
    rode = said("Canaries, in none of these lines: {n} of {n} as expected.", n=count(found.canaries)) if found.canaries else ""
    return Table(headings, [cells(line) for line in found.lines], totals=[cells(found.total)], note=rode)


def _line(name: str) -> str:
    """A line of the certificate; rows left out by a rule name it."""
    kind, _, rule = name.partition(": ")
    return said("out: {rule}", rule=rule) if rule and kind == "out" else words(name)


def risk_kept(data: ReportData) -> Table:
    """Reductions that did not happen."""
    called = names(data)
    rows = [
        [named(r.customer_id, called), money(r.amount_minor, r.currency), words(r.cause), r.by or said("nobody yet"),
         r.reason or DASH, day(r.until)]
        for r in data.risk_kept
    ]  # fmt: skip
    headings = (said("Customer"), num(said("Amount kept")), said("How"), said("Kept by"), said("Why"), said("Until"))
    return Table(headings, rows, empty=said("No proposed reduction was rejected, returned or left to expire."))


def exceptions(data: ReportData) -> Table:
    """Standing departures from policy when the report was written."""
    called = names(data)
    rows = [
        [named(r.customer_id, called), r.kind, r.departs, said("{name}, who left", name=r.owner) if r.left else r.owner,
         r.reason, day(r.until) if r.until else said("none on record"), r.state]
        for r in data.exceptions
    ]  # fmt: skip
    headings = (
        said("Customer"), said("Exception"), said("Instead of policy's"), said("Owner"), said("Why"), said("Until"), said("State")
    )  # fmt: skip
    return Table(headings, rows, empty=said("Nothing departs from policy."))


def not_computable(features: pd.DataFrame) -> Table:
    """Figures that could not be computed and why, with the number of customers."""
    totals: dict[tuple[str, str], int] = {}
    for text, number in features["not_computable"].value_counts().items():
        for part in filter(None, str(text).split("; ")):
            name, _, reason = part.partition(": ")
            both = (_figure(name), heard(reason) if reason else said("no reason given"))
            totals[both] = totals.get(both, 0) + int(number)
    rows = [[name, reason, count(n)] for (name, reason), n in sorted(totals.items(), key=lambda e: (-e[1], e[0]))]
    headings = (said("Figure"), said("Why it is not computable"), num(said("Customers")))
    return Table(headings, rows, empty=said("Every figure could be computed for every customer."))


def _figure(name: str) -> str:
    for ending in ("_minor", "_fraction", "_days"):
        name = name.removesuffix(ending)
    return words(name)


def states_words(data: ReportData) -> str:
    """How many customers ended in which state, in one sentence."""
    counts = data.proposals["state"].value_counts()
    others: list[str] = [said(_LEFT[s], count=count(counts[s])) for s in reversed(UNREVIEWED) if counts.get(s, 0)]
    book, reviewed = len(data.proposals), count(counts.get("reviewed", 0))
    customers = said_many("{count} customer", "{count} customers", n=book, count=count(book))
    if not others:
        return said("{customers} in the book: {reviewed} reviewed.", customers=customers, reviewed=reviewed)
    return said("{customers} in the book: {reviewed} reviewed; {others}.", customers=customers, reviewed=reviewed, others=joined(others))
