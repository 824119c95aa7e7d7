"""What a credit manager reads first: the review in a few sentences, the figures beside them, and what to be careful about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from credit_review.model.money import EXPONENTS
from credit_review.report.above import first_limits, over_limit_words
from credit_review.report.book import currencies, directions, steps
from credit_review.report.evidence import quarantine_words, states_words, tied_words, unrated_words, validation_words
from credit_review.report.movements import changes, reductions
from credit_review.report.text import joined, known, percent, plural, whole

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
                customers=plural(len(rows), "customer"),
                exposure=whole(int(rows["exposure_minor"].sum()), currency),
                own_risk=whole(int(rows["own_risk_minor"].sum()), currency),
                overdue=whole(late, currency),
                overdue_share=percent(late / total, decimals=0) if total else "no open items",
                before=_before(rows, moved.before, currency),
                after=whole(moved.after, currency) if _any_limit(data, currency) else "none",
                change=percent(change, signed=True) if change is not None else "",
                falling=moved.after < moved.before,
            )
        )
    return found


def _before(rows: pd.DataFrame, limits: int, currency: str) -> str:
    """Limits in force and how much of them is in use; customers without a limit on file are left out of both."""
    on_file = rows[rows["limit_minor"].notna()]
    if on_file.empty:
        return "none on file"
    used = f" ({percent(int(on_file['exposure_minor'].sum()) / limits, decimals=0)} in use)" if limits else ""
    return whole(limits, currency) + used


def _any_limit(data: ReportData, currency: str) -> bool:
    """Whether anybody in that currency has a limit on file or is proposed one."""
    rows = data.proposals[data.proposals["currency"].eq(currency)]
    return bool(rows["from_minor"].notna().any() or rows["to_minor"].notna().any())


def summary(data: ReportData) -> list[str]:
    """The review in sentences, most important first; what concerns one currency is in `by_currency`."""
    n = directions(data.proposals)
    stays = plural(n["same"], "limit stays as it is", "limits stay as they are")
    said = [
        states_words(data),
        f"Proposed: {plural(n['up'], 'increase')}, {plural(n['down'], 'reduction')} and {plural(n['new'], 'first limit')}; {stays}.",
        over_limit_words(data),
        _people_words(data),
        tied_words(data),
        validation_words(data.verdicts) if data.verdicts else "",
        quarantine_words(data.quarantine),
        *unrated_words(data),
        _certificate_words(data),
    ]
    return [s for s in said if s]


def by_currency(data: ReportData) -> list[str]:
    """What happens to limits, what reductions stop, and what first limits leave above them, in a sentence or two a currency."""
    stopping = {text.partition(":")[0]: text.partition("; ")[2] for text in reductions(data)[1]}
    return [*(_money_words(data, c, stopping.get(c, "")) for c in currencies(data)), *first_limits(data)[1]]


def _money_words(data: ReportData, currency: str, stopping: str) -> str:
    moved, n = steps(data.proposals, currency), directions(data.proposals, currency)
    parts = [
        f"{whole(abs(value), currency)} {verb} in {plural(n[d], noun)}"
        for d, value, verb, noun in (
            ("up", moved.up, "more", "increase"), ("new", moved.new, "more", "first limit"), ("down", moved.down, "less", "reduction")
        )
        if n[d]
    ]  # fmt: skip
    if not _any_limit(data, currency):
        return f"{currency}: no limit is on file and none is proposed."
    if not parts:
        return f"{currency}: limits stay at {whole(moved.before, currency)}."
    change = f"{currency}: limits go from {whole(moved.before, currency)} to {whole(moved.after, currency)}: {joined(parts)}."
    return f"{change} Of the reductions, {stopping}" if stopping else change


def _people_words(data: ReportData) -> str:
    rows = changes(data.proposals)
    by_rule = int(rows["straight_through"].sum())
    exceptional = int(rows["exceptional"].ne("").sum())
    if rows.empty:
        return "Nothing is proposed, so nobody has to approve anything."
    people = len(rows) - by_rule - int(rows["customer_id"].isin(data.left_to_newer).sum())
    text = f"{plural(people, 'proposal needs', 'proposals need')} people, {exceptional:,} of them as exceptions"
    return f"{text}; {plural(by_rule, 'proposal passes', 'proposals pass')} by rule."


def _certificate_words(data: ReportData) -> str:
    if data.certificate.ties:
        return "The completeness certificate ties: every customer stands in exactly one state, and amounts agree per currency."
    return "The completeness certificate does NOT tie: " + "; ".join(data.certificate.findings) + "."


def warnings(data: ReportData) -> list[str]:
    """What to be careful about, in whole sentences; those of the caller first."""
    found = [*data.warnings, *_book_warnings(data.features), *_lateness_warning(data)]
    if data.control_totals and all(t.tied is None for t in data.control_totals):
        found.append(
            "The sources state no control totals, so the data is tied to itself only: rows missing from the extract cannot be seen."
        )
    if any(t.tied is False for t in data.control_totals):
        found.append("Control totals do not agree with what the source states; see Data read.")
    unknown = int((~data.proposals["currency"].isin(list(EXPONENTS))).sum())
    if unknown:
        found.append(f"{plural(unknown, 'customer has', 'customers have')} no known currency; no amounts are shown for them.")
    undecided = sum(not r.by for r in data.risk_kept)
    if undecided:
        found.append(f"{plural(undecided, 'reduction')} did not happen and nobody has decided to keep the risk; the review cannot close.")
    return found


def _book_warnings(features: pd.DataFrame) -> list[str]:
    found = []
    if len(features) and not features["limit_minor"].notna().any():
        found.append(
            "This is a book of open items without limits in force: no customer has a limit on file, so every limit is shown as a "
            "first limit and nothing can be said about use of limits."
        )
    if len(features) and int(features["cleared_count"].sum()) == 0:
        found.append(_no_history(features))
    return found


def _no_history(features: pd.DataFrame) -> str:
    if features["not_computable"].str.contains("average_days_late: no cleared items in source", regex=False).all():
        return (
            "The source has no payment history: open amounts are as of extraction, and days late, trends and the behaviour behind them "
            "are not available."
        )
    return "No invoice was cleared in the last 12 months, so days late and trends are not available."


def _lateness_warning(data: ReportData) -> list[str]:
    """One sentence over all currencies, however many are late: it is one extract."""
    if data.lateness_hold is None:
        return []
    late_books = []
    for currency, rows in data.features.groupby("currency", sort=True):
        total, late = int(rows["open_items_minor"].sum()), int(rows["overdue_minor"].sum())
        if known(data.lateness_hold) and total and late / total > data.lateness_hold:
            late_books.append(f"{percent(late / total, decimals=0)} in {currency}")
    if not late_books:
        return []
    return [
        f"Of open items, {joined(late_books)} are past due. So much lateness at once may mean an incomplete extract (cash not yet posted) "
        "rather than late customers."
    ]
