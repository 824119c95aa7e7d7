"""Views of a policy change for the committee: what it does in money, to whom, by which rules, and what came of those customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard
from credit_review.limits.codes import SEPARATOR
from credit_review.report.table import Column, Table, key, num
from credit_review.report.text import DASH, count, day, major, percent
from credit_review.words import listed, marked, said, said_many

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credit_review.policy_effect.result import OnReview, PolicyDiff

NOBODY = marked("no proposal")
BY_RULE = marked("by rule")
MOST_PAIRS, MOST_MOVERS = 30, 40
_MOVEMENTS = {"up": marked("higher"), "down": marked("lower"), "unmoved": marked("the same")}


def views(found: PolicyDiff, people: Mapping[str, str]) -> dict[str, Any]:
    """Everything the template shows; `people` are names by person id."""
    return {
        "found": found,
        "summary": summary(found),
        "fields": _fields(found),
        "reviews": [_review(found, one, people) for one in reversed(found.reviews)],
        "plots": {},
    }


def summary(found: PolicyDiff) -> list[str]:
    """The change in short, the newest review first."""
    out: list[str] = [_texts(found)]
    for one in reversed(found.reviews):
        out += _in_short(found, one)
    return out


def _texts(found: PolicyDiff) -> str:
    if not found.fields:
        return said("The two texts state the same rules: nothing moves.")
    return said_many("{n} field of the rules differs.", "{n} fields of the rules differ.", n=len(found.fields))


def _in_short(found: PolicyDiff, one: OnReview) -> list[str]:
    size, money, currency = one.tally.size, one.tally.money, found.control_currency
    lines: list[str] = [
        said(
            "Review {label}: {moved} of {customers} limits differ, {up} higher by {up_amount} and {down} lower by {down_amount}.",
            label=one.label, moved=count(size["moved"]), customers=count(size["customers"]), up=count(size["up"]), down=count(size["down"]),
            up_amount=major(money[("control", "up_minor")], currency), down_amount=major(money[("control", "down_minor")], currency),
        ),
        said(
            "Review {label}: {better} customers get a better grade, {worse} a worse one; {tier} proposals go another way, {approver} to "
            "other people; {notice} notices of a reduction change.",
            label=one.label, better=count(size["better"]), worse=count(size["worse"]), tier=count(size["tier"]),
            approver=count(size["approver"]), notice=count(size["notice"]),
        ),
    ]  # fmt: skip
    return lines


def _fields(found: PolicyDiff) -> Table:
    rows = [[one.path, one.before, one.after] for one in found.fields]
    return Table([key(said("Field")), said("Old"), said("New")], rows, empty=said("The two texts state the same rules: nothing moves."))


def _review(found: PolicyDiff, one: OnReview, people: Mapping[str, str]) -> dict[str, Any]:
    """Tables of one review by name."""
    return {
        "title": said("Review {label}, as of {day}", label=one.label, day=day(one.as_of)),
        "id": one.review_id,
        "lines": _in_short(found, one),
        "money": money_table(found, one),
        "grades": grades_table(found, one),
        "ways": ways_table(one),
        "people": _people(one, people),
        "notices": notices_table(found, one),
        "rules": rules_table(found, one),
        "states": _states(one),
        "later": later_table(one),
        "later_words": later_words(one),
        "movers": _movers(found, one),
    }


def money_table(found: PolicyDiff, one: OnReview) -> Table:
    """Limits under either policy by currency, and in control currency."""
    from credit_review.policy_effect.result import currencies

    def line(code: str, currency: str) -> list[str]:
        money = one.tally.money
        amounts = [major(money[(code, name)], currency) for name in ("before", "after")]
        moves = [part for way in ("up", "down") for part in (count(money[(code, way)]), major(money[(code, f"{way}_minor")], currency))]
        name = said("all in {currency}", currency=currency) if code == "control" else code
        return [name, count(money[(code, "customers")]), *amounts, *moves]

    known = currencies(one.tally)
    headings: list[str | Column] = [
        said("Currency"), num(said("Customers")), num(said("Limits by the old policy")), num(said("By the new one")), num(said("Higher")),
        num(said("by")), num(said("Lower")), num(said("lower by")),
    ]  # fmt: skip
    totals = [line("control", found.control_currency)] if known else []
    return Table(headings, [line(code, code) for code in known], totals=totals)


def grades_table(found: PolicyDiff, one: OnReview) -> Table:
    """Customers by grade under the old policy (rows) and the new one (columns)."""
    names = [*found.grades, *([""] if any("" in pair for pair in one.tally.grades) else [])]
    shown = {name: name or said("none") for name in names}
    rows = [[shown[old], *(count(one.tally.grades[(old, new)]) for new in names)] for old in names]
    note = said("Rows: grade by the old policy. Columns: grade by the new one.")
    return Table([said("Grade"), *(num(shown[name]) for name in names)], rows, note=note)


def ways_table(one: OnReview) -> Table:
    """Proposals that go another way: by rule, or to which tier."""
    rows = [[_way(old), _way(new), count(n)] for (old, new), n in _most(one.tally.ways)]
    empty = said("Every proposal goes the way it went.")
    return Table([said("By the old policy"), said("By the new one"), num(said("Customers"))], rows, empty=empty)


def _way(way: str) -> str:
    return said(NOBODY) if not way else said(BY_RULE) if way == "by_rule" else way


def _people(one: OnReview, people: Mapping[str, str]) -> Table:
    def named(ids: str) -> str:
        return listed([people.get(person, person) for person in ids.split(SEPARATOR) if person]) or DASH

    rows = [[named(old), named(new), count(n)] for (old, new), n in _most(one.tally.approvers)]
    empty = said("Nobody is asked who was not asked before.")
    return Table([said("Asked by the old policy"), said("By the new one"), num(said("Customers"))], rows, empty=empty)


def _most(counted: Mapping[tuple[str, str], int]) -> list[tuple[tuple[str, str], int]]:
    return sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:MOST_PAIRS]


def notices_table(found: PolicyDiff, one: OnReview) -> Table:
    """Reductions by how many working days of notice they have, under either policy."""
    notices, currency = one.tally.notices, found.control_currency
    rows = []
    for days in sorted({days for _, days, _ in notices}):
        parts = []
        for side in ("before", "after"):
            parts += [count(notices[(side, days, "count")]), major(notices[(side, days, "minor")], currency)]
        rows.append([said_many("{n} working day", "{n} working days", n=days) if days else said("at once"), *parts])
    headings: list[str | Column] = [
        said("Notice"), num(said("Reductions by the old policy")), num(said("less by")), num(said("By the new one")), num(said("less by")),
    ]  # fmt: skip
    return Table(headings, rows, empty=said("No limit is reduced under either policy."))


def rules_table(found: PolicyDiff, one: OnReview) -> Table:
    """Rules that fired for other customers."""
    from credit_review.policy_effect.result import rules_otherwise
    from credit_review.policy_effect.rules import words

    rules, currency = one.tally.rules, found.control_currency
    rows = [
        [
            words(code), code, count(rules[(code, "before")]), count(rules[(code, "after")]), count(rules[(code, "gone")]),
            count(rules[(code, "new")]), major(rules[(code, "up_minor")], currency), major(rules[(code, "down_minor")], currency),
        ]
        for code in rules_otherwise(one.tally)
    ]  # fmt: skip
    headings: list[str | Column] = [
        said("Rule"), key(said("Code")), num(said("By the old policy")), num(said("By the new one")), num(said("No longer")),
        num(said("Anew")), num(said("their limits higher by")), num(said("lower by")),
    ]  # fmt: skip
    return Table(headings, rows, empty=said("Every rule fired for the same customers."))


def _states(one: OnReview) -> Table | None:
    if not one.tally.states:
        return None
    rows = [[heard(old.replace("_", " ")), heard(new.replace("_", " ")), count(n)] for (old, new), n in _most(one.tally.states)]
    return Table([said("By the old policy"), said("By the new one"), num(said("Customers"))], rows)


def later_words(one: OnReview) -> str:
    """What the table of outcomes rests on, or why there is none."""
    if one.known is None:
        return said("What came of these customers is not yet known: {why}.", why=heard(one.why_unknown))
    return said("What the ledger of {day} shows of these customers since, by the outcome of the old policy.", day=day(one.known))


def later_table(one: OnReview) -> Table | None:
    """What came of the customers whose limit would have been higher, lower or the same."""
    from credit_review.monitoring.rates import rate
    from credit_review.policy_effect.later import BAD, Later
    from credit_review.policy_effect.result import bad_of

    if one.known is None:
        return None
    rows = []
    for movement, name in _MOVEMENTS.items():
        bad, known = bad_of(one.tally, movement)
        found = rate(bad, known)
        counts = [count(one.tally.outcomes[(movement, str(what))]) for what in (*BAD, Later.GOOD, Later.NOT_YET, Later.NOT_COUNTED)]
        interval = DASH if found.rate is None or not one.tally.outcomes[(movement, str(Later.GOOD))] else (
            f"{percent(found.rate)} ({percent(found.low)} – {percent(found.high)})"
        )  # fmt: skip
        rows.append([said(name), *counts, interval])
    headings: list[str | Column] = [
        said("Limit by the new policy"), num(said("Seriously late")), num(said("Written off")), num(said("Insolvent or alike")),
        num(said("Nothing happened")), num(said("Not yet known")), num(said("Not counted")), num(said("Rate, 95% interval")),
    ]  # fmt: skip
    note = said("Not counted: nothing owed or bought in the year before, or the outcome had happened already. A rate is of those known.")
    return Table(headings, rows, note=note)


def _movers(found: PolicyDiff, one: OnReview) -> Table:
    from credit_review.policy_effect.later import LATER_WORDS, Later

    currency = found.control_currency
    rows = [
        [
            str(row["customer_id"]),
            str(row["customer"]),
            major(row["from_minor"], row["currency"]),
            major(row["before_minor"], row["currency"]),
            major(row["after_minor"], row["currency"]),
            major(row["difference_control_minor"], currency, signed=True),
            _between(row["grade_before"] or DASH, row["grade_after"] or DASH),
            _between(_way(row["tier_before"]), _way(row["tier_after"])),
            said(LATER_WORDS[Later(row["later"])]),
        ]
        for row in one.largest.head(MOST_MOVERS).to_dict("records")
    ]  # fmt: skip
    headings: list[str | Column] = [
        key(said("Customer")), said("Name"), num(said("In force")), num(said("By the old policy")), num(said("By the new one")),
        num(said("Difference")), said("Grade"), said("Goes to"), said("Since then"),
    ]  # fmt: skip
    note = said("{shown} of {rows} shown, largest differences first; all of them are in {file}.", shown=count(len(rows)),
                rows=count(one.listed), file=LIST)  # fmt: skip
    return Table(headings, rows, note=note if one.listed > len(rows) else "", empty=said("No customer differs in anything."))


LIST = "customers.csv"


def _between(old: str, new: str) -> str:
    return old if old == new else said("{old} to {new}", old=old, new=new)
