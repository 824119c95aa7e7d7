"""Views of proposals: which are shown, each with its reasons, reductions and what they stop, who approves what, what passes by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from credit_review.hearing import heard
from credit_review.limits import explain
from credit_review.limits.codes import CLASS_PREFIX, words
from credit_review.limits.explain import FITS_THE_RULE
from credit_review.report import two_views
from credit_review.report.named import named, names
from credit_review.report.table import Table, cut, num
from credit_review.report.text import DASH, count, joined, known, major, percent, whole
from credit_review.report.text import words as words_of
from credit_review.words import listed, marked, said, said_many

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.report.data import ReportData

SHOW_ALL_UP_TO = 2000
SHOW_LARGEST = 500
LIST_UP_TO = 2000
"""Rows of a secondary list; the complete lists stand in the files beside the report."""

DIRECTIONS: dict[str, str] = {"up": said("increase"), "down": said("reduction"), "new": said("first limit"), "same": said("terms only")}

_STANDING = {"draft": marked("{count} with the analyst"), "pending": marked("{count} awaiting approval")}


@dataclass(frozen=True, slots=True)
class Line:
    """One proposal as it is read."""

    name: str
    customer_id: str
    direction: str
    grade: str
    pd: str
    exposure: str
    own_risk: str
    overdue: str
    before: str
    after: str
    change: str
    terms: str
    route: str
    reasons: str
    why: tuple[tuple[str, str], ...]
    why_title: str
    views: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CurrencyBlock:
    """The proposals of one currency: those shown, and the totals over all of them."""

    currency: str
    lines: list[Line]
    totals: tuple[str, ...]
    heading: str


def changes(proposals: pd.DataFrame) -> pd.DataFrame:
    """Rows that propose something: a reviewed customer's limit or terms change, or it gets a first limit. With a `change_minor` column."""
    reviewed = proposals["to_minor"].notna()
    change = (proposals["to_minor"].fillna(0) - proposals["from_minor"].fillna(0)).astype("int64")
    terms = proposals["from_terms_days"].fillna(-1).ne(proposals["to_terms_days"].fillna(-1)) & proposals["to_terms_days"].notna()
    moved = reviewed & (change.ne(0) | proposals["direction"].eq("new") | terms)
    return proposals.assign(change_minor=change)[moved]


def by_size(rows: pd.DataFrame, rates: Mapping[str, float]) -> pd.DataFrame:
    """`changes` rows, largest first. Currencies are compared at `rates`; if one is missing, the largest of each take turns."""
    from credit_review.model.money import exponent

    size = rows["change_minor"].abs()
    if set(rows["currency"]) <= set(rates):
        unit = {c: rates[c] / 10 ** exponent(c) for c in set(rows["currency"])}
        order = size * rows["currency"].map(unit).astype("float64")
    else:
        order = -size.groupby(rows["currency"]).rank(method="first", ascending=False)
    return (
        rows.assign(_order=order).sort_values(["_order", "currency", "customer_id"], ascending=[False, True, True]).drop(columns="_order")
    )


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of `by_size` rows that the report lists: all up to 2,000, beyond that the 500 largest and every exceptional one."""
    if len(rows) <= SHOW_ALL_UP_TO:
        return rows
    import numpy as np

    return rows[(np.arange(len(rows)) < SHOW_LARGEST) | rows["exceptional"].ne("").to_numpy()]


def blocks(data: ReportData) -> tuple[list[CurrencyBlock], str]:
    """Proposals a currency, and a sentence on how many of all are listed."""
    everything = by_size(changes(data.proposals), data.order_rates)
    chosen = shown(everything)
    explained = set(chosen["customer_id"].head(SHOW_ALL_UP_TO))
    called, routes, seen = names(data), _routes(data), two_views.rows(data, set(chosen["customer_id"]))
    found = []
    for currency in _currencies(everything):
        rows = everything[everything["currency"].eq(currency)]
        records: list[dict[str, Any]] = chosen[chosen["currency"].eq(currency)].to_dict("records")  # type: ignore[assignment]
        lines = [_line(r, called, routes, explained, seen.get(r["customer_id"])) for r in records]
        lines = [_beside_what_was_asked(line, data) for line in lines]
        found.append(CurrencyBlock(currency, lines, _totals(rows, currency), _block_heading(rows, len(lines), currency)))
    return found, _listed(everything, chosen)


def _listed(everything: pd.DataFrame, chosen: pd.DataFrame) -> str:
    if len(everything) == len(chosen):
        return said_many(
            "All {count} proposal are listed, largest change first. Totals are over all of them.",
            "All {count} proposals are listed, largest change first. Totals are over all of them.",
            n=len(everything),
            count=count(len(everything)),
        )
    return said(
        "{listed} of {all} proposals are listed: the {largest} largest changes and every exceptional one ({exceptional}). "
        "Totals are over all {all}; the complete list is in proposals.csv and proposals.parquet, whose digests stand under Evidence.",
        listed=count(len(chosen)),
        all=count(len(everything)),
        largest=count(SHOW_LARGEST),
        exceptional=count(everything["exceptional"].ne("").sum()),
    )


def _block_heading(rows: pd.DataFrame, lines: int, currency: str) -> str:
    figures = {"currency": currency, "count": count(len(rows)), "listed": count(lines)}
    if lines < len(rows):
        return said("{currency}: {count} proposals, {listed} listed", **figures)
    return said_many("{currency}: {count} proposal", "{currency}: {count} proposals", n=len(rows), **figures)


def _totals(rows: pd.DataFrame, currency: str) -> tuple[str, ...]:
    sums = [int(rows[c].sum()) for c in ("exposure_minor", "own_risk_minor", "overdue_minor", "from_minor", "to_minor")]
    return (*(whole(s, currency) for s in sums), whole(int(rows["change_minor"].sum()), currency, signed=True))


def _line(
    row: dict[str, Any], called: Mapping[str, str], routes: Mapping[str, str], explained: set[str], seen: Mapping[str, Any] | None
) -> Line:
    currency, before = row["currency"], row["from_minor"]
    views = two_views.told(seen, str(row.get("grade_note") or ""))
    return Line(
        name=called.get(row["customer_id"], ""),
        customer_id=row["customer_id"],
        direction=DIRECTIONS[row["direction"]],
        grade=row["grade"] or DASH,
        pd=percent(row["pd_fraction"]),
        exposure=whole(row["exposure_minor"], currency),
        own_risk=whole(row["own_risk_minor"], currency),
        overdue=whole(row["overdue_minor"], currency),
        before=whole(before, currency) if known(before) else said("none on file"),
        after=whole(row["to_minor"], currency),
        change=whole(row["change_minor"], currency, signed=True),
        terms=_terms(row),
        route=_route(row, routes),
        reasons=reason_words(row["reason_codes"]),
        why=tuple(_derivation(row, {two_views.LABEL} if views else set())) if row["customer_id"] in explained else (),
        why_title=said("Why {amount}", amount=whole(row["to_minor"], currency)),
        views=views,
    )


def _beside_what_was_asked(line: Line, data: ReportData) -> Line:
    """The line, whose steps and reasons are named the engine's where a person asked for another figure."""
    for one in data.asked:
        if one.customer_id == line.customer_id:
            why = said("Why the engine finds {amount}", amount=whole(one.engine_minor, one.currency))
            return replace(line, why_title=why, reasons=said("asked for by a person; of its own figure: {reasons}", reasons=line.reasons))
    return line


def _derivation(row: dict[str, Any], views: set[str]) -> list[tuple[str, str]]:
    """The steps of `limits.explain` without what the lines above already say."""
    above = {"Limit in force", "Grade", "Proposed limit", "Payment terms", str(FITS_THE_RULE), *views}
    return [(label, text) for label, text in explain(row) if label not in above]


def _terms(row: dict[str, Any]) -> str:
    now, then = row["from_terms_days"], row["to_terms_days"]
    if not known(then):
        return DASH
    if known(now) and int(now) == int(then):
        return said("{days} d", days=int(now))
    return said("{before} → {after} d", before=int(now) if known(now) else said("none"), after=int(then))


def _route(row: dict[str, Any], routes: Mapping[str, str]) -> str:
    if row["straight_through"]:
        return said("by rule")
    asked = routes.get(row["customer_id"], said("analyst, then approver"))
    return said("{route}; beyond the rule: group sum", route=asked) if row["straight_through_rule"] else asked


def _routes(data: ReportData) -> dict[str, str]:
    left: dict[str, str] = dict.fromkeys(data.left_to_newer, said("left to a newer review"))
    if data.routes is None:
        return left
    return left | dict(
        zip(data.routes["customer_id"], data.routes["tier_name"].mask(data.routes["tier_name"].eq(""), data.routes["tier"]), strict=True)
    )


def _currencies(rows: pd.DataFrame) -> list[str]:
    counts = rows["currency"].value_counts()
    return sorted((str(c) for c in counts.index), key=lambda c: (-int(counts[c]), c))


def reason_words(codes: str) -> str:
    """Reason codes joined by | as words joined by semicolons."""
    from credit_review.scoring.reasons import REASONS

    def word(code: str) -> str:
        if code.startswith(CLASS_PREFIX):
            return said("class rule for {status} customers", status=words_of(code[len(CLASS_PREFIX) :]))
        return REASONS.get(code) or words(code)

    return listed([word(code) for code in codes.split("|") if code], by=marked("{first}; {rest}"))


def reductions(data: ReportData) -> tuple[Table, list[str]]:
    """Reductions that leave exposure above the new limit or would stop orders, and the total of all reductions a currency, in words."""
    everything = changes(data.proposals)
    rows = everything[everything["direction"].eq("down")]
    touching = rows[rows["over_limit_minor"].fillna(0).gt(0) | rows["blocked_orders_minor"].fillna(0).gt(0)]
    ordered = touching.sort_values(["currency", "over_limit_minor", "customer_id"], ascending=[True, False, True])
    called = names(data)
    lines = [_reduction(r, called) for r in ordered.head(LIST_UP_TO).to_dict("records")]
    table = Table(
        (
            said("Customer"), said("Currency"), num(said("Exposure")), num(said("Limit now")), num(said("New limit")),
            num(said("Above new limit")), num(said("Orders that would stop")),
        ),
        lines,
        note=cut(len(ordered), len(lines), data.files, "proposals.csv"),
        empty=said("No reduction leaves exposure above its new limit or stops an order."),
    )  # fmt: skip
    return table, [_reduction_words(rows[rows["currency"].eq(c)], c) for c in _currencies(rows)]


def _reduction(row: Any, called: Mapping[str, str]) -> list[str]:
    currency = row["currency"]
    blocked = row["blocked_orders_minor"]
    amounts = [whole(row[c], currency) for c in ("exposure_minor", "from_minor", "to_minor", "over_limit_minor")]
    return [named(row["customer_id"], called), currency, *amounts, whole(blocked, currency) if known(blocked) else said("not computable")]


def _reduction_words(rows: pd.DataFrame, currency: str) -> str:
    return said_many(
        "{currency}: {count} reduction takes back {amount}; {effects}.",
        "{currency}: {count} reductions take back {amount}; {effects}.",
        n=len(rows),
        currency=currency,
        count=count(len(rows)),
        amount=major(-int(rows["change_minor"].sum()), currency),
        effects=_effects(rows, currency),
    )


def stopped_by(data: ReportData, currency: str) -> str:
    """What the reductions of one currency leave above the new limit, and which orders they stop; empty where nothing is reduced."""
    everything = changes(data.proposals)
    rows = everything[everything["direction"].eq("down") & everything["currency"].eq(currency)]
    return _effects(rows, currency) if len(rows) else ""


def _effects(rows: pd.DataFrame, currency: str) -> str:
    over, blocked = rows["over_limit_minor"].fillna(0), rows["blocked_orders_minor"]
    above = int(over.gt(0).sum())
    leave = said_many(
        "{count} leave {amount} of exposure above the new limit",
        "{count} leave {amount} of exposure above the new limit",
        n=above,
        count=count(above),
        amount=major(int(over.sum()), currency),
    )
    if not blocked.notna().any():
        orders = said("orders that would stop are not computable (no orders in source)")
    else:
        customers = int(blocked.fillna(0).gt(0).sum())
        orders = said_many(
            "orders and deliveries of {amount} would stop at {count} customer",
            "orders and deliveries of {amount} would stop at {count} customers",
            n=customers,
            count=count(customers),
            amount=major(int(blocked.sum()), currency),
        )
    return listed([leave, orders] if above else [orders], by=marked("{first}; {rest}"))


def approvals(data: ReportData) -> Table:
    """Who must approve what: a row a tier and currency."""
    headings = (
        said("Tier"), said("Who may approve"), num(said("Approvals each")), said("Currency"), num(said("Proposals")),
        num(said("Increases and first limits")), num(said("Reductions")), said("Standing"),
    )  # fmt: skip
    if data.routes is None:
        return Table(headings, [], empty=said("Proposals have not been routed yet."))
    rows = data.routes.merge(changes(data.proposals), on="customer_id", how="inner", suffixes=("_route", ""))
    lines = [_tier(key, group) for key, group in rows.groupby(["tier", "tier_name", "approvals", "holders", "currency"], sort=True)]
    nothing = said("Nothing waits for a person any more.") if data.ended else said("Nothing needs a person: all proposals pass by rule.")
    return Table(headings, lines, empty=nothing)


def ended(data: ReportData) -> Table:
    """How the proposals that needed people ended: a row a tier, end and people who answered."""
    lines = [[one.tier, words_of(one.how), one.by or DASH, count(one.count)] for one in data.ended]
    return Table((said("Tier"), said("How it ended"), said("Answered by"), num(said("Proposals"))), lines)


def _tier(key: Any, group: pd.DataFrame) -> list[str]:
    tier, name, needed, holders, currency = key
    change = group["change_minor"]
    states = group["state_route"].value_counts()
    standing = joined([_stand(str(s), int(states[s])) for s in sorted(states.index)])
    raised, lowered = int(change[change > 0].sum()), int(change[change < 0].sum())
    label = f"{tier} {name}".strip()
    amounts = [whole(raised, currency, signed=True), whole(lowered, currency)]
    return [label, str(holders), count(needed), str(currency), count(len(group)), *amounts, standing]


def _stand(state: str, number: int) -> str:
    if state in _STANDING:
        return said(_STANDING[state], count=count(number))
    return said("{count} {state}", count=count(number), state=words_of(state))


def automatic(data: ReportData) -> tuple[Table, Table]:
    """What passes without a person: a row a rule and currency, and the list."""
    everything = by_size(changes(data.proposals), data.order_rates)
    rows = everything[everything["straight_through"]]
    lines = []
    for key, group in rows.groupby(["straight_through_rule", "currency"], sort=True):
        rule, currency = cast("tuple[str, str]", key)
        change = group["change_minor"]
        amounts = [whole(int(change[change > 0].sum()), currency, signed=True), whole(int(change[change < 0].sum()), currency)]
        lines.append([heard(rule), currency, count(len(group)), *amounts])
    columns = (said("Rule"), said("Currency"), num(said("Proposals")), num(said("Increases")), num(said("Reductions")))
    totals = Table(columns, lines, empty=said("No proposal passes without a person."))
    called = names(data)
    shown_rows = [_automatic(r, called) for r in rows.head(LIST_UP_TO).to_dict("records")]
    headings = (
        said("Customer"), said("Grade"), said("Currency"), num(said("Limit now")), num(said("New limit")), num(said("Change")),
        said("Terms"),
    )  # fmt: skip
    return totals, Table(headings, shown_rows, note=cut(len(rows), len(shown_rows), data.files, "proposals.csv"))


def _automatic(row: Any, called: Mapping[str, str]) -> list[str]:
    currency = row["currency"]
    amounts = [whole(row["from_minor"], currency), whole(row["to_minor"], currency), whole(row["change_minor"], currency, signed=True)]
    return [named(row["customer_id"], called), row["grade"], currency, *amounts, _terms(row)]
