"""Views of the book as a whole: portfolio figures, limits before and after, exposure by grade, ageing, grade migration."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from credit_review.model.money import EXPONENTS
from credit_review.report import charts
from credit_review.report.charts import Ageing, Grades, Steps
from credit_review.report.named import named, names
from credit_review.report.table import Table
from credit_review.report.text import DASH, count, days, known, major, percent, plural, whole

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.exposure.book import PortfolioFigures
    from credit_review.report.data import ReportData

NO_GRADE = "no grade"
LARGEST_GROUPS = 10
_GROUP_AMOUNTS = ("exposure_minor", "overdue_minor", "limits_minor")
_AGEING = ("not due", "1 to 30 days past due", "31 to 60 days", "61 to 90 days", "over 90 days")


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
        "Currency", ">In force", ">Increases", ">Customers", ">First limits", ">Customers", ">Reductions", ">Customers", ">Unchanged",
        ">Proposed", ">Change",
    )  # fmt: skip
    return Table(headings, rows, note="Whole major units. Amounts in different currencies are never added up.")


def portfolio_table(data: ReportData) -> Table:
    """Figures of the book, a column a currency. A figure that cannot be computed says so, with the reason under the table."""
    figures = sorted(data.portfolio, key=lambda p: (-p.customers, p.currency))
    reasons: dict[str, str] = {}

    def missing(p: PortfolioFigures, name: str) -> str:
        reasons[p.not_computable[name]] = ""
        return "not computable"

    def amount(name: str) -> list[str]:
        return [whole(getattr(p, name), p.currency) if known(getattr(p, name)) else missing(p, name) for p in figures]

    def other(name: str, show: Any) -> list[str]:
        return [show(getattr(p, name)) if known(getattr(p, name)) else missing(p, name) for p in figures]

    rows = [["Customers", *(count(p.customers) for p in figures)], ["Open items", *amount("open_items_minor")]]
    for at, name in enumerate(_AGEING):
        rows.append([f"  {name}", *(_part(p, at) for p in figures)])
    for label, name in (("Disputed", "disputed_minor"), ("Unapplied credits", "unapplied_credits_minor"), ("Exposure", "exposure_minor"),
                        ("  insured", "insured_minor"), ("  other security", "security_minor"), ("  own risk", "own_risk_minor"),
                        ("Sales, 12 months", "sales_12m_minor")):  # fmt: skip
        rows.append([label, *amount(name)])
    for label, name in (("DSO, days", "dso_days"), ("Best possible DSO, days", "best_possible_dso_days"),
                        ("Average days delinquent", "add_days"), ("Countback DSO, days", "countback_dso_days")):  # fmt: skip
        rows.append([label, *other(name, days)])
    rows.append(["Ten largest customers' part of exposure", *other("top10_share_fraction", percent)])
    note = "Whole major units of each currency. " + "".join(f"Not computable: {r}. " for r in sorted(reasons))
    return Table(("Figure", *(f">{p.currency}" for p in figures)), rows, note=note.strip())


def _part(p: PortfolioFigures, at: int) -> str:
    total = sum(p.ageing_minor)
    share = f" ({percent(p.ageing_minor[at] / total, decimals=0)})" if total else ""
    return whole(p.ageing_minor[at], p.currency) + share


def groups_table(data: ReportData) -> Table:
    """The largest groups of customers by exposure in control currency; members whose figures have no rate are named, not guessed."""
    headings = ("Group", ">Customers", ">Exposure", ">Overdue", ">Limits in force", ">Oldest overdue, days", "Left out for want of a rate")
    if data.groups is None or data.groups.empty:
        return Table(headings, [])
    called = names(data)
    largest = data.groups.sort_values(["exposure_minor", "group_id"], ascending=[False, True]).head(LARGEST_GROUPS)
    limited = set(data.proposals.loc[data.proposals["from_minor"].notna(), "group_id"])
    rows = [_group(r, named(r["group_id"], called), r["group_id"] in limited) for r in largest.to_dict("records")]
    return Table(
        headings, rows, note=f"The {len(rows)} largest of {plural(len(data.groups), 'group')}, in control currency at the dated rates."
    )


def _group(row: Any, name: str, limited: bool) -> list[str]:
    amounts = [major(row[c], row["currency"]) for c in _GROUP_AMOUNTS]
    if not limited and not row["limits_minor"]:
        amounts[-1] = "none on file"
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
        return "There was no earlier review to compare grades with."
    same = sum(counts[i][i] for i in range(len(counts)))
    better = sum(n for i, row in enumerate(counts) for j, n in enumerate(row) if j < i)
    worse = sum(n for i, row in enumerate(counts) for j, n in enumerate(row) if j > i)
    total = same + better + worse
    return f"{plural(total, 'customer')} graded in both reviews: {better:,} better, {same:,} the same, {worse:,} worse."
