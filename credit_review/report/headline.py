"""What a credit manager reads first: the review in a few sentences, the figures beside them, and what to be careful about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard
from credit_review.limits.layer_words import LAYER_WORDS
from credit_review.model.money import EXPONENTS
from credit_review.report.above import first_limits, over_limit_words
from credit_review.report.book import currencies, directions, steps
from credit_review.report.evidence import quarantine_words, states_words, tied_words, unrated_words, validation_words
from credit_review.report.movements import changes, stopped_by
from credit_review.report.named import named, names
from credit_review.report.text import count, joined, known, money, percent, whole, words
from credit_review.words import listed, marked, said, said_many

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.report.data import ReportData


@dataclass(frozen=True, slots=True)
class Tile:
    """Main figures of one currency."""

    currency: str
    customers: str
    exposure: str
    own_risk: str
    overdue: str
    overdue_share: str
    before: str
    after: str
    change: str
    falling: bool


def tiles(data: ReportData) -> list[Tile]:
    """One tile a currency."""
    found = []
    for currency in currencies(data):
        rows = data.features[data.features["currency"].eq(currency)]
        moved = steps(data.proposals, currency)
        total, late = int(rows["open_items_minor"].sum()), int(rows["overdue_minor"].sum())
        change = (moved.after - moved.before) / moved.before if moved.before else None
        found.append(
            Tile(
                currency=currency,
                customers=said_many("{count} customer", "{count} customers", n=len(rows), count=count(len(rows))),
                exposure=whole(int(rows["exposure_minor"].sum()), currency),
                own_risk=whole(int(rows["own_risk_minor"].sum()), currency),
                overdue=whole(late, currency),
                overdue_share=percent(late / total, decimals=0) if total else said("no open items"),
                before=_before(rows, moved.before, currency),
                after=whole(moved.after, currency) if _any_limit(data, currency) else said("none"),
                change=percent(change, signed=True) if change is not None else "",
                falling=moved.after < moved.before,
            )
        )
    return found


def _before(rows: pd.DataFrame, limits: int, currency: str) -> str:
    """Limits in force and how much of them is in use; customers without a limit on file are left out of both."""
    on_file = rows[rows["limit_minor"].notna()]
    if on_file.empty:
        return said("none on file")
    if not limits:
        return whole(limits, currency)
    used = percent(int(on_file["exposure_minor"].sum()) / limits, decimals=0)
    return said("{limits} ({share} in use)", limits=whole(limits, currency), share=used)


def _any_limit(data: ReportData, currency: str) -> bool:
    """Whether anybody in that currency has a limit on file or is proposed one."""
    rows = data.proposals[data.proposals["currency"].eq(currency)]
    return bool(rows["from_minor"].notna().any() or rows["to_minor"].notna().any())


def summary(data: ReportData) -> list[str]:
    """The review in sentences, most important first; what concerns one currency is in `by_currency`."""
    sentences = [
        states_words(data),
        *_asked_words(data),
        _proposed_words(data),
        over_limit_words(data),
        _people_words(data),
        tied_words(data),
        validation_words(data.verdicts) if data.verdicts else "",
        quarantine_words(data.quarantine),
        *unrated_words(data),
        _certificate_words(data),
    ]
    return [s for s in sentences if s]


def _asked_words(data: ReportData) -> list[str]:
    """Of a request, what was asked for and what became of it, beside what the engine finds."""
    called = names(data)
    return [
        said(
            "{customer}, {layer}: {who} asked for {asked}; the engine finds a limit of {engine}; the proposal is {amount} ({state}).",
            customer=named(one.customer_id, called),
            layer=LAYER_WORDS[one.layer],
            who=one.by,
            asked=money(one.asked_minor, one.currency) if one.asked_minor is not None else said("what the engine finds"),
            engine=money(one.engine_minor, one.currency),
            amount=money(one.to_minor, one.currency),
            state=words(one.state),
        )
        for one in data.asked
    ]


def _increases(n: int) -> str:
    return said_many("{count} increase", "{count} increases", n=n, count=count(n))


def _first_limits(n: int) -> str:
    return said_many("{count} first limit", "{count} first limits", n=n, count=count(n))


def _reductions(n: int) -> str:
    return said_many("{count} reduction", "{count} reductions", n=n, count=count(n))


def _proposed_words(data: ReportData) -> str:
    n = directions(data.proposals)
    return said_many(
        "Proposed: {increases}, {reductions} and {first}; {count} limit stays as it is.",
        "Proposed: {increases}, {reductions} and {first}; {count} limits stay as they are.",
        n=n["same"],
        increases=_increases(n["up"]),
        reductions=_reductions(n["down"]),
        first=_first_limits(n["new"]),
        count=count(n["same"]),
    )


def by_currency(data: ReportData) -> list[str]:
    """What happens to limits, what reductions stop, and what first limits leave above them, in a sentence or two a currency."""
    return [*(_money_words(data, c) for c in currencies(data)), *first_limits(data)[1]]


def _money_words(data: ReportData, currency: str) -> str:
    moved, n = steps(data.proposals, currency), directions(data.proposals, currency)
    parts: list[str] = []
    if n["up"]:
        parts.append(said("{amount} more in {proposals}", amount=whole(abs(moved.up), currency), proposals=_increases(n["up"])))
    if n["new"]:
        parts.append(said("{amount} more in {proposals}", amount=whole(abs(moved.new), currency), proposals=_first_limits(n["new"])))
    if n["down"]:
        parts.append(said("{amount} less in {proposals}", amount=whole(abs(moved.down), currency), proposals=_reductions(n["down"])))
    if not _any_limit(data, currency):
        return said("{currency}: no limit is on file and none is proposed.", currency=currency)
    before, after = whole(moved.before, currency), whole(moved.after, currency)
    if not parts:
        return said("{currency}: limits stay at {amount}.", currency=currency, amount=before)
    change = said(
        "{currency}: limits go from {before} to {after}: {changes}.", currency=currency, before=before, after=after, changes=joined(parts)
    )
    stopping = stopped_by(data, currency)
    return said("{change} Of the reductions, {effects}.", change=change, effects=stopping) if stopping else change


def _people_words(data: ReportData) -> str:
    rows = changes(data.proposals)
    by_rule = int(rows["straight_through"].sum())
    exceptional = int(rows["exceptional"].ne("").sum())
    if rows.empty:
        return said("Nothing is proposed, so nobody has to approve anything.")
    people = len(rows) - by_rule - int(rows["customer_id"].isin(data.left_to_newer).sum())
    figures: dict[str, Any] = {"n": people, "count": count(people), "exceptions": count(exceptional)}
    needs = said_many(
        "{count} proposal needs people, {exceptions} of them as exceptions",
        "{count} proposals need people, {exceptions} of them as exceptions",
        **figures,
    )
    if data.ended and data.routes is not None and data.routes.empty:
        needs = said_many(
            "{count} proposal needed people, {exceptions} of them as exceptions, and has ended",
            "{count} proposals needed people, {exceptions} of them as exceptions, and all have ended",
            **figures,
        )
    passes = said_many("{count} proposal passes by rule", "{count} proposals pass by rule", n=by_rule, count=count(by_rule))
    return said("{needs}; {passes}.", needs=needs, passes=passes)


def _certificate_words(data: ReportData) -> str:
    if data.certificate.ties:
        return said("The completeness certificate ties: every customer stands in exactly one state, and amounts agree per currency.")
    findings = listed([heard(one) for one in data.certificate.findings], by=marked("{first}; {rest}"))
    return said("The completeness certificate does NOT tie: {findings}.", findings=findings)


def warnings(data: ReportData) -> list[str]:
    """What to be careful about, in whole sentences; those of the caller first."""
    found = [*data.warnings, *_book_warnings(data.features), *_lateness_warning(data)]
    if data.control_totals and all(t.tied is None for t in data.control_totals):
        found.append(
            said("The sources state no control totals, so the data is tied to itself only: rows missing from the extract cannot be seen.")
        )
    if any(t.tied is False for t in data.control_totals):
        found.append(said("Control totals do not agree with what the source states; see Data read."))
    unknown = int((~data.proposals["currency"].isin(list(EXPONENTS))).sum())
    if unknown:
        found.append(
            said_many(
                "{count} customer has no known currency; no amounts are shown for them.",
                "{count} customers have no known currency; no amounts are shown for them.",
                n=unknown,
                count=count(unknown),
            )
        )
    undecided = sum(not r.by for r in data.risk_kept)
    if undecided:
        found.append(
            said_many(
                "{count} reduction did not happen and nobody has decided to keep the risk; the review cannot close.",
                "{count} reductions did not happen and nobody has decided to keep the risk; the review cannot close.",
                n=undecided,
                count=count(undecided),
            )
        )
    return found


def _book_warnings(features: pd.DataFrame) -> list[str]:
    found: list[str] = []
    if len(features) and not features["limit_minor"].notna().any():
        found.append(
            said(
                "This is a book of open items without limits in force: no customer has a limit on file, so every limit is shown as a "
                "first limit and nothing can be said about use of limits."
            )
        )
    if len(features) and int(features["cleared_count"].sum()) == 0:
        found.append(_no_history(features))
    return found


def _no_history(features: pd.DataFrame) -> str:
    if features["not_computable"].str.contains("average_days_late: no cleared items in source", regex=False).all():
        return said(
            "The source has no payment history: open amounts are as of extraction, and days late, trends and the behaviour behind them "
            "are not available."
        )
    return said("No invoice was cleared in the last 12 months, so days late and trends are not available.")


def _lateness_warning(data: ReportData) -> list[str]:
    """One sentence over all currencies, however many are late: it is one extract."""
    if data.lateness_hold is None:
        return []
    late_books: list[str] = []
    for currency, rows in data.features.groupby("currency", sort=True):
        total, late = int(rows["open_items_minor"].sum()), int(rows["overdue_minor"].sum())
        if known(data.lateness_hold) and total and late / total > data.lateness_hold:
            late_books.append(said("{share} in {currency}", share=percent(late / total, decimals=0), currency=str(currency)))
    if not late_books:
        return []
    return [
        said(
            "Of open items, {shares} are past due. So much lateness at once may mean an incomplete extract (cash not yet posted) "
            "rather than late customers.",
            shares=joined(late_books),
        )
    ]
