"""Views of the book as a whole: portfolio figures, limits before and after, exposure by grade, ageing, grade migration."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from credit_review.forecasts import bias
from credit_review.hearing import heard
from credit_review.limits.layer_words import SHARED_POOL
from credit_review.model.money import EXPONENTS, Money
from credit_review.report import charts
from credit_review.report.charts import NO_GRADE, Ageing, Grades, Steps
from credit_review.report.named import named, names
from credit_review.report.table import Column, Table, num
from credit_review.report.text import DASH, count, days, known, major, percent, whole
from credit_review.words import listed, marked, said, said_many

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.exposure.book import PortfolioFigures
    from credit_review.report.data import ReportData

LARGEST_GROUPS = 10
_GROUP_AMOUNTS = ("exposure_minor", "overdue_minor", "limits_minor")
_AGEING: tuple[str, ...] = (
    said("not due"), said("1 to 30 days past due"), said("31 to 60 days"), said("61 to 90 days"), said("over 90 days"),
)  # fmt: skip
_AMOUNTS: tuple[tuple[str, str, bool], ...] = (
    (said("Disputed"), "disputed_minor", False), (said("Unapplied credits"), "unapplied_credits_minor", False),
    (said("Exposure"), "exposure_minor", False), (said("insured"), "insured_minor", True),
    (said("other security"), "security_minor", True), (said("own risk"), "own_risk_minor", True),
    (said("Sales, 12 months"), "sales_12m_minor", False),
)  # fmt: skip
"""Label and figure, and whether it is a part of the figure before."""
_DAYS: tuple[tuple[str, str], ...] = (
    (said("DSO, days"), "dso_days"), (said("Best possible DSO, days"), "best_possible_dso_days"),
    (said("Average days delinquent"), "add_days"), (said("Countback DSO, days"), "countback_dso_days"),
)  # fmt: skip


def currencies(data: ReportData) -> list[str]:
    """Known account currencies of the book, the one with most customers first."""
    counts = data.proposals["currency"].value_counts()
    return sorted((str(c) for c in counts.index if c in EXPONENTS), key=lambda c: (-int(counts[c]), c))


def steps(proposals: pd.DataFrame, currency: str) -> Steps:
    """Limits of one currency in force, and what the proposals of reviewed customers add and take. No limit on file counts nothing."""
    rows = proposals[proposals["currency"].eq(currency)]
    change = (rows["to_minor"].fillna(0) - rows["from_minor"].fillna(0)).astype("int64").where(rows["to_minor"].notna(), 0)
    by = {d: int(change[rows["direction"].eq(d)].sum()) for d in ("up", "new", "down")}
    return Steps(currency, int(rows["from_minor"].sum()), by["up"], by["new"], by["down"])


def directions(proposals: pd.DataFrame, currency: str = "") -> dict[str, int]:
    """Number of reviewed customers a direction, of one currency or of all."""
    rows = proposals[proposals["currency"].eq(currency)] if currency else proposals
    counts = rows["direction"].value_counts()
    return {d: int(counts.get(d, 0)) for d in ("up", "down", "new", "same")}


def limits_table(data: ReportData) -> Table:
    """Limits before and after, a row a currency."""
    rows = []
    for currency in currencies(data):
        s, n = steps(data.proposals, currency), directions(data.proposals, currency)
        change = (s.after - s.before) / s.before if s.before else None
        moved = [[whole(v, currency, signed=True), count(n[d])] for d, v in (("up", s.up), ("new", s.new), ("down", s.down))]
        flat = [cell for pair in moved for cell in pair]
        rows.append([currency, whole(s.before, currency), *flat, count(n["same"]), whole(s.after, currency), percent(change, signed=True)])
    headings = (
        said("Currency"), num(said("In force")), num(said("Increases")), num(said("Customers")), num(said("First limits")),
        num(said("Customers")), num(said("Reductions")), num(said("Customers")), num(said("Unchanged")), num(said("Proposed")),
        num(said("Change")),
    )  # fmt: skip
    return Table(headings, rows, note=said("Whole major units. Amounts in different currencies are never added up."))


def portfolio_table(data: ReportData) -> Table:
    """Figures of the book, a column a currency. A figure that cannot be computed says so, with the reason under the table."""
    figures = sorted(data.portfolio, key=lambda p: (-p.customers, p.currency))
    reasons: set[str] = set()

    def line(label: str, name: str, show: Any) -> list[str]:
        found = [(p, getattr(p, name)) for p in figures]
        reasons.update(p.not_computable[name] for p, value in found if not known(value))
        return [label, *(show(value, p.currency) if known(value) else said("not computable") for p, value in found)]

    rows = [[said("Customers"), *(count(p.customers) for p in figures)], line(said("Open items"), "open_items_minor", whole)]
    rows += [[name, *(_part(p, at) for p in figures)] for at, name in enumerate(_AGEING)]
    parts = [at for at in range(2, len(rows))] + [len(rows) + at for at, (*_, part) in enumerate(_AMOUNTS) if part]
    rows += [line(label, name, whole) for label, name, _ in _AMOUNTS]
    rows += [line(label, name, lambda value, _: days(value)) for label, name in _DAYS]
    rows.append(line(said("Ten largest customers' part of exposure"), "top10_share_fraction", lambda value, _: percent(value)))
    headings: list[str | Column] = [said("Figure"), *(num(p.currency) for p in figures)]
    return Table(headings, rows, note=_portfolio_note(reasons), parts=frozenset(parts))


def _portfolio_note(reasons: set[str]) -> str:
    missing = [said("Not computable: {why}.", why=heard(one)) for one in sorted(reasons)]
    return listed([said("Whole major units of each currency."), *missing], by=marked("{first} {rest}"))


def _part(p: PortfolioFigures, at: int) -> str:
    total = sum(p.ageing_minor)
    share = f" ({percent(p.ageing_minor[at] / total, decimals=0)})" if total else ""
    return whole(p.ageing_minor[at], p.currency) + share


def groups_table(data: ReportData) -> Table:
    """The largest groups of customers by exposure in control currency; members whose figures have no rate are named, not guessed."""
    headings = (
        said("Group"), num(said("Customers")), num(said("Exposure")), num(said("Overdue")), num(said("Limits in force")),
        num(said("Oldest overdue, days")), said("Left out for want of a rate"),
    )  # fmt: skip
    if data.groups is None or data.groups.empty:
        return Table(headings, [])
    called = names(data)
    largest = data.groups.sort_values(["exposure_minor", "group_id"], ascending=[False, True]).head(LARGEST_GROUPS)
    limited = set(data.proposals.loc[data.proposals["from_minor"].notna(), "group_id"])
    records = largest.to_dict("records")
    rows = [_group(r, named(r["group_id"], called), r["group_id"] in limited) for r in records]
    note = said_many(
        "The {shown} largest of {count} group, in control currency at the dated rates.",
        "The {shown} largest of {count} groups, in control currency at the dated rates.",
        n=len(data.groups),
        shown=count(len(rows)),
        count=count(len(data.groups)),
    )
    pools = _pools(data.features)
    if not pools.keys() & {r["group_id"] for r in records}:
        return Table(headings, rows, note=note)
    shared = [[*row, pools.get(r["group_id"], DASH)] for r, row in zip(records, rows, strict=True)]
    said_of_pools = said("A shared pool is for all members together: their limits may add up to more, and none has all of it for itself.")
    return Table((*headings, num(SHARED_POOL)), shared, note=listed([note, said_of_pools], by=marked("{first} {rest}")))


def _pools(features: pd.DataFrame) -> dict[str, str]:
    """The shared pool of each group that has one, as a member's account has it, with its currency."""
    pooled = features[features["pool_minor"].notna()].sort_values("customer_id").drop_duplicates("group_id")
    columns = (pooled[name].tolist() for name in ("group_id", "customer_id", "pool_minor", "currency"))
    return {
        group or customer: said("{amount}", amount=Money(int(minor), currency))
        for group, customer, minor, currency in zip(*columns, strict=True)
    }


def concentration_tables(data: ReportData) -> list[tuple[str, Table]]:
    """Exposure of the largest groups together, by segment and by country, in control currency, with what part of the book it is."""
    found = data.concentration
    if found is None or not found["exposure_minor"]:
        return []
    largest: list[tuple[str, Any]] = [
        (said_many("the largest group", "the {n} largest groups", n=row["largest"]), row) for row in found["largest_groups"]
    ]
    notes: list[str] = [said("Whole major units of {currency}.", currency=found["currency"])]
    notes += [said("Converted at {rate} {quote} for 1 {base} ({rate_date}, {source}).", **rate) for rate in found["rates"]]
    if found["left_out"]:
        notes.append(said("Left out for want of a rate: {ids}.", ids=listed(found["left_out"])))
    parts = ((said("By segment"), "segments"), (said("By country"), "countries"))
    first = _concentrated(said("Groups"), largest, found, listed(notes, by=marked("{first} {rest}")))
    tables: list[tuple[str, Table]] = [(said("Concentration"), first)]
    for title, name in parts:
        tables.append((title, _concentrated(title, [(_key(row), row) for row in found[name]], found, "")))
    return tables


def foreseen_tables(data: ReportData) -> list[tuple[str, Table]]:
    """How right the forecasts of account owners were, by owner and customer; nothing where none was compared with a ledger yet."""
    if not data.foreseen:
        return []
    headings = (
        said("Owner"), said("Customer"), num(said("Cases")), num(said("Actual over forecast")), num(said("Owed less")),
        num(said("Owed more")), said("Bias"),
    )  # fmt: skip
    rows = [
        ["" if customer else owner, customer or said("all"), count(one.cases), DASH if one.ratio is None else str(one.ratio),
         count(one.less), count(one.more), "" if customer else bias(one, data.least_forecasts)]
        for owner, customer, one in data.foreseen
    ]  # fmt: skip
    note = said("Highest balance by a later ledger over the one foreseen: the median, as known when this review started.")
    return [(said("Forecasts of account owners"), Table(headings, rows, note=note))]


def _key(row: Any) -> str:
    return said("{n} others", n=row["others"]) if "others" in row else row["key"] or said("not stated")


def _concentrated(first: str, rows: list[tuple[str, Any]], found: Any, note: str) -> Table:
    headings = (first, num(said("Customers")), num(said("Exposure")), num(said("Part of exposure")), num(said("own risk")))
    currency = found["currency"]
    cells = [
        [name, count(row["customers"]), whole(row["exposure_minor"], currency), percent(row["share_fraction"]),
         whole(row["own_risk_minor"], currency)]
        for name, row in rows
    ]  # fmt: skip
    return Table(headings, cells, note=note)


def _group(row: Any, name: str, limited: bool) -> list[str]:
    amounts = [major(row[c], row["currency"]) for c in _GROUP_AMOUNTS]
    if not limited and not row["limits_minor"]:
        amounts[-1] = said("none on file")
    return [name, count(row["members"]), *amounts, count(row["worst_dpd_days"]), row["unconverted"] or DASH]


def plots(data: ReportData, grades: list[str], counts: list[list[int]]) -> dict[str, str]:
    """The plots by name; a plot without data is an empty text. `grades` and `counts` are the table of `migration`."""
    shown = currencies(data)
    ageing = [Ageing(p.currency, p.ageing_minor) for p in sorted(data.portfolio, key=lambda p: (-p.customers, p.currency))]
    return {
        "limits": charts.limits_plot([steps(data.proposals, c) for c in shown]),
        "grades": charts.grades_plot([exposure_by_grade(data.proposals, c) for c in shown]),
        "ageing": charts.ageing_plot(ageing),
        "migration": charts.migration_plot(grades, counts) if counts else "",
    }


def exposure_by_grade(proposals: pd.DataFrame, currency: str) -> Grades:
    """Exposure of one currency by grade, split into own risk and what is covered."""
    rows = proposals[proposals["currency"].eq(currency)]
    sums = (
        rows.assign(grade=rows["grade"].mask(rows["grade"].eq(""), NO_GRADE)).groupby("grade")[["exposure_minor", "own_risk_minor"]].sum()
    )
    grades = sorted((str(g) for g in sums.index), key=lambda g: (g == NO_GRADE, g))
    own = tuple(int(sums["own_risk_minor"][g]) for g in grades)
    return Grades(currency, tuple(grades), own, tuple(int(sums["exposure_minor"][g]) - o for g, o in zip(grades, own, strict=True)))


def migration(data: ReportData) -> tuple[list[str], list[list[int]]]:
    """Grades, and the number of customers by last (rows) and present grade (columns), of customers graded both times."""
    if not data.previous_grades:
        return [], []
    graded = data.proposals[data.proposals["grade"].ne("")]
    before = [data.previous_grades.get(customer, "") for customer in graded["customer_id"].tolist()]
    pairs = Counter((last, now) for last, now in zip(before, graded["grade"].tolist(), strict=True) if last)
    grades = sorted({grade for pair in pairs for grade in pair})
    return grades, [[pairs[last, now] for now in grades] for last in grades]


def migration_words(counts: list[list[int]]) -> str:
    """Grade migration in one sentence; `counts` is the table of `migration`."""
    if not counts:
        return said("There was no earlier review to compare grades with.")
    same = sum(counts[i][i] for i in range(len(counts)))
    better = sum(n for i, row in enumerate(counts) for j, n in enumerate(row) if j < i)
    worse = sum(n for i, row in enumerate(counts) for j, n in enumerate(row) if j > i)
    total = same + better + worse
    return said_many(
        "{count} customer graded in both reviews: {better} better, {same} the same, {worse} worse.",
        "{count} customers graded in both reviews: {better} better, {same} the same, {worse} worse.",
        n=total,
        count=count(total),
        better=count(better),
        same=count(same),
        worse=count(worse),
    )
