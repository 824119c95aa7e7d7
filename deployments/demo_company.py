"""A made-up company that sells on credit: three years of its receivables, written as the plain CSV files an ERP would export.

Everything follows from the seed. Each customer carries a hidden risk that wanders from month to month and drives late payment,
defaults and, with noise, the bureau's grade; nothing here reads the features or the scorecard that later look for it. The files
hold the dirt real exports hold, and the control totals are stated over the file as exported, dirt included.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random as _Random

LEDGER_COLUMNS = (
    "company_code", "customer_number", "document_type", "document_number", "line", "document_date", "posting_date", "due_date",
    "clearing_date", "currency", "amount", "open_amount", "disputed", "written_off",
)  # fmt: skip
CUSTOMER_COLUMNS = (
    "customer_number", "name", "parent_number", "company_code", "country", "region", "segment", "portfolio", "account_owner", "currency",
    "credit_status", "status_since", "customer_since", "payment_terms", "credit_limit", "tangible_net_worth", "net_worth_date",
    "registration_number",
)  # fmt: skip
BUREAU_COLUMNS = ("customer_number", "provider", "report_date", "grade", "pd", "recommended_limit", "currency")
COVER_COLUMNS = (
    "customer_number", "kind", "reference", "amount", "currency", "cover_fraction", "valid_from", "valid_to", "max_terms_days",
)  # fmt: skip
RATE_COLUMNS = ("rate_date", "base", "quote", "rate", "source")
STATEMENT_COLUMNS = (
    "customer_number",
    "period_end",
    "received",
    "kind",
    "audited",
    "currency",
    "total_assets",
    "current_assets",
    "current_liabilities",
    "total_liabilities",
    "equity",
    "retained_earnings",
    "sales",
    "ebit",
    "interest_expense",
    "net_income",
)
TOTALS_COLUMNS = ("dataset", "currency", "document_type", "rows", "amount", "original_amount")

COMPANY = "1000"
YEARS = 3
MONTHS = 12 * YEARS
INVOICE, CREDIT_NOTE, PAYMENT, ON_ACCOUNT, BILL, ORDER, DELIVERY = "INV", "CRN", "PAY", "ACC", "BOE", "ORD", "DLV"
DOCUMENT_RANGES = {INVOICE: 18, CREDIT_NOTE: 16, PAYMENT: 14, ON_ACCOUNT: 15, BILL: 21, ORDER: 11, DELIVERY: 80}
TERMS_DAYS = {"Z000": 0, "Z014": 14, "Z030": 30, "Z045": 45, "Z060": 60}
STATUS_CODES = {
    "active": "A", "prepayment": "P", "blocked": "B", "legal": "L", "insolvent": "I", "intercompany": "IC", "one_off": "O",
    "dormant": "D", "new": "N",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Country:
    """Where a customer sits: how often, in which currency and region, and how companies are called there."""

    code: str
    weight: int
    currency: str
    region: str
    stems: tuple[str, ...]
    trades: tuple[str, ...]
    pattern: str


COUNTRIES = (
    Country("DE", 26, "EUR", "DACH", ("Müller", "Schröder", "Großmann", "Weiß", "Krüger", "Bäcker", "Hoffmann", "Jäger", "Köhler", "Vogt",
            "Brandt", "Lüders"), ("Maschinenbau", "Baustoffe", "Handel", "Elektrotechnik", "Haustechnik", "Werkzeuge"), "{s} {t} GmbH"),
    Country("AT", 5, "EUR", "DACH", ("Huber", "Gruber", "Steiner", "Moser", "Pichler", "Egger"), ("Bau", "Technik", "Handels"),
            "{s} {t} GesmbH"),
    Country("FR", 11, "EUR", "West", ("Lefèvre", "Garnier", "Châtelain", "Roussel", "Béranger", "Moreau", "Hénault", "Dupré"),
            ("Matériaux", "Électricité", "Bâtiment", "Distribution"), "{t} {s} SAS"),
    Country("NL", 6, "EUR", "West", ("De Vries", "Van den Berg", "Bakker", "Hoekstra", "Jansen"), ("Techniek", "Groothandel", "Bouw"),
            "{s} {t} B.V."),
    Country("IT", 9, "EUR", "South", ("Rossi", "Bianchi", "Ferrari", "Conti", "D'Angelo", "Galli", "Marchetti"),
            ("Costruzioni", "Meccanica", "Forniture", "Impianti"), "{t} {s} S.p.A."),
    Country("ES", 8, "EUR", "South", ("Muñoz", "Ibáñez", "García", "Peña", "Núñez", "Ortega"),
            ("Construcciones", "Suministros", "Distribuciones"), "{t} {s}, S.L."),
    Country("GR", 3, "EUR", "South", ("Παπαδόπουλος", "Γεωργίου", "Νικολάου"), ("Εμπορική", "Τεχνική"), "{s} {t} Α.Ε."),
    Country("PL", 4, "EUR", "North and East", ("Wiśniewski", "Kowalczyk", "Zając"), ("Handel", "Budowa"), "{s} {t} Sp. z o.o."),
    Country("CZ", 3, "EUR", "North and East", ("Dvořák", "Černý", "Novák"), ("Stavby", "Obchod"), "{s} {t} s.r.o."),
    Country("FI", 3, "EUR", "North and East", ("Mäkinen", "Häkkinen", "Järvi"), ("Rakennus", "Tukku"), "{s} {t} Oy"),
    Country("BG", 2, "EUR", "North and East", ("Иванов", "Петров", "Димитров"), ("Строй", "Търговия"), "{s} {t} ООД"),
    Country("GB", 12, "GBP", "UK and Ireland", ("Ashworth", "Pemberton", "O'Neill", "Blackwood", "Hargreaves", "Whitfield"),
            ("Building Supplies", "Engineering", "Electrical", "Wholesale"), "{s} {t} Ltd"),
    Country("US", 12, "USD", "Overseas", ("Anderson", "Lakeshore", "Pioneer", "Redwood", "Cascade", "Franklin", "Sterling"),
            ("Supply", "Industrial", "Hardware", "Mechanical"), "{s} {t} Inc."),
    Country("JP", 2, "USD", "Overseas", ("山田", "鈴木", "東海"), ("商事", "工業"), "{s}{t}株式会社"),
    Country("IL", 1, "USD", "Overseas", ("כהן", "לוי"), ("סחר", "בנייה"), '{s} {t} בע"מ'),
)  # fmt: skip
SEGMENTS = (("Manufacturing", 30, 0.0), ("Wholesale", 25, 0.1), ("Construction", 22, 0.45), ("Retail", 15, 0.2), ("Public", 8, -0.8))
OWNERS = ("H. Brandt", "C. Lefèvre", "M. Conti", "J. Whitfield", "S. Zając", "R. Franklin")
TOWNS = ("Nord", "Süd", "Rhein", "Alpha", "Delta", "Nova", "Prima", "Union", "Vita", "Astra", "Terra", "Orion")
BUREAU_GRADES = (("1", 0.004), ("2", 0.010), ("3", 0.022), ("4", 0.050), ("5", 0.120), ("6", 1.0))
EUR_PER = {"EUR": 1.0, "USD": 0.92, "GBP": 1.16}


@dataclass(frozen=True, slots=True)
class Stress:
    """A customer stops paying on `start`; it pays up on `end`, or is handed to lawyers or insolvent from `end` on."""

    start: date
    end: date
    outcome: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as it really is. `risk` is one hidden figure a month (0 is usual, higher is worse); `sales` a year, major units."""

    number: str
    name: str
    parent: str
    country: Country
    segment: str
    portfolio: str
    owner: str
    currency: str
    status: str
    status_since: date | None
    since: date
    until: date
    terms: str
    sales: float
    invoices_a_year: float
    growth: float
    risk: tuple[float, ...]
    habit: float
    takes_discount: bool
    run_weekday: int
    stress: Stress | None


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger line before it is written. Amounts are integer cents; all three currencies have two decimals."""

    customer: str
    kind: str
    posted: date
    due: date
    cleared: date | None
    currency: str
    cents: int
    open_cents: int
    disputed: bool = False
    written_off: bool = False
    document: str = ""


@dataclass(slots=True)
class Book:
    """What one customer's three years produced."""

    lines: list[Line] = field(default_factory=list)
    paid: dict[date, int] = field(default_factory=dict)


def write(folder: Path, seed: int, as_of: date, customers: int = 500) -> dict[str, Path]:
    """The paths of the files written into `folder`, by name; the same arguments give the same bytes.

    ledger (lines up to `as_of`), customers, bureau, cover, rates, control_totals as CSV, and posted_through.txt. UTF-8, comma, point
    as decimal mark, ISO dates (but for the dirt), amounts in major units with receivables positive and credits and cash negative.
    """
    folder.mkdir(parents=True, exist_ok=True)
    people = _customers(seed, as_of, customers)
    lines = _numbered(line for c in people for line in _ledger(_random(f"{seed}:ledger:{c.number}"), c, as_of))
    ledger = _soiled(_random(f"{seed}:dirt"), [_ledger_row(line) for line in lines])
    master = [_master_row(_random(f"{seed}:master:{c.number}"), c, as_of) for c in people]
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[str]]]] = {
        "ledger": (LEDGER_COLUMNS, ledger),
        "customers": (CUSTOMER_COLUMNS, master),
        "bureau": (BUREAU_COLUMNS, [r for c in people for r in _bureau(_random(f"{seed}:bureau:{c.number}"), c, as_of)]),
        "cover": (COVER_COLUMNS, [r for c in people for r in _cover(_random(f"{seed}:cover:{c.number}"), c, as_of)]),
        "rates": (RATE_COLUMNS, _rates(_random(f"{seed}:rates"), as_of)),
        "control_totals": (TOTALS_COLUMNS, _control_totals(ledger, len(master))),
    }
    paths = {name: _save(folder / f"{name}.csv", columns, rows) for name, (columns, rows) in tables.items()}
    paths["posted_through"] = folder / "posted_through.txt"
    paths["posted_through"].write_text(f"{as_of.isoformat()}\n", encoding="utf-8")
    return paths


def write_statements(folder: Path, seed: int, as_of: date, customers: int = 500) -> Path:
    """The path of statements.csv: yearly statements of about half the customers that `write` makes of these arguments, in thousands.

    Public bodies, groups' own companies and customers that bought once publish none; one set does not balance, as in real files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [row for c in _customers(seed, as_of, customers) for row in _statements(_random(f"{seed}:statements:{c.number}"), c, as_of)]
    if found:
        equity = STATEMENT_COLUMNS.index("equity")
        odd = _random(f"{seed}:statements").randrange(len(found))
        found[odd][equity] = str(int(found[odd][equity]) + 1 + int(found[odd][equity]) // 10)
    return _save(folder / "statements.csv", STATEMENT_COLUMNS, found)


def _random(stream: str) -> _Random:
    """A stream of its own for each customer and purpose, so that a change in one place leaves the others as they were."""
    return _Random(stream)  # noqa: S311 (made-up data, no secret)


def _save(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


# --- who the customers are -------------------------------------------------------------------------------------------------------


def _customers(seed: int, as_of: date, count: int) -> list[Customer]:
    rng = _random(f"{seed}:company")
    people: list[Customer] = []
    names: set[str] = set()
    while len(people) < count:
        size = min(count - len(people), rng.choices((1, 2, 3, 4, 6), (70, 12, 9, 6, 3))[0])
        parent, shared = "", rng.gauss(0, 0.6)
        home = rng.choices(COUNTRIES, [c.weight for c in COUNTRIES])[0]
        stem = rng.choice(home.stems)
        for member in range(size):
            number = f"{100100 + 7 * len(people):010d}"
            country = home if rng.random() < 0.5 else rng.choices(COUNTRIES, [c.weight for c in COUNTRIES])[0]
            where = home if member == 0 else country
            name = _name(rng, where, stem if size > 1 else rng.choice(where.stems), names)
            one = _customer(_random(f"{seed}:customer:{number}"), number, name, parent, where, shared, as_of)
            people.append(one)
            parent = parent or number
    return _classed(people, as_of)


def _name(rng: _Random, country: Country, stem: str, taken: set[str]) -> str:
    name = country.pattern.format(s=stem, t=rng.choice(country.trades))
    while name in taken:
        name = country.pattern.format(s=f"{stem} {rng.choice(TOWNS)}", t=rng.choice(country.trades))
        if name in taken:
            name = f"{name} {rng.randint(2, 99)}"
    taken.add(name)
    return name


def _customer(rng: _Random, number: str, name: str, parent: str, country: Country, shared: float, as_of: date) -> Customer:
    segment, _, shift = rng.choices(SEGMENTS, [s[1] for s in SEGMENTS])[0]
    risk = _risk_path(rng, shared + rng.gauss(shift, 0.8))
    since = as_of - timedelta(days=rng.randint(200, 365 * 18))
    stress = _stress(rng, risk, max(since, _opening(as_of)), as_of)
    sales = math.exp(rng.gauss(11.7, 1.35)) / EUR_PER[country.currency]
    status, status_since = _status(stress, as_of)
    return Customer(
        number=number, name=name, parent=parent, country=country, segment=segment,
        portfolio={"DACH": "P-DACH", "UK and Ireland": "P-OVERSEAS", "Overseas": "P-OVERSEAS"}.get(country.region, "P-EUROPE"),
        owner=rng.choice(OWNERS), currency="USD" if country.currency == "EUR" and rng.random() < 0.04 else country.currency,
        status=status, status_since=status_since, since=since, until=as_of,
        terms=rng.choices(("Z014", "Z030", "Z045", "Z060"), (12, 54, 18, 16))[0],
        sales=min(sales, 12_000_000.0), invoices_a_year=min(90.0, max(8.0, rng.gauss(27, 7) * (sales / 120_000) ** 0.25)),
        growth=rng.gauss(0.03, 0.16), risk=risk, habit=rng.gauss(0, 3.5) + (9 if segment == "Public" else 0),
        takes_discount=risk[-1] < 0.4 and rng.random() < 0.12, run_weekday=rng.randint(0, 4), stress=stress,
    )  # fmt: skip


def _opening(as_of: date) -> date:
    """First day of the three years."""
    return as_of - timedelta(days=365 * YEARS)


def _risk_path(rng: _Random, level: float) -> tuple[float, ...]:
    path, here = [], level
    for _ in range(MONTHS + 1):
        here += 0.06 * (level - here) + rng.gauss(0, 0.16)
        path.append(here)
    return tuple(path)


def _month(day: date, as_of: date) -> int:
    return min(MONTHS, max(0, int((day - _opening(as_of)).days / 30.42)))


def _stress(rng: _Random, risk: tuple[float, ...], first: date, as_of: date) -> Stress | None:
    for month, level in enumerate(risk[:-1]):
        if rng.random() >= 1 / (1 + math.exp(6.9 - 1.7 * level)):
            continue
        start = _opening(as_of) + timedelta(days=int(month * 30.42) + rng.randint(0, 29))
        if start < first:
            continue
        outcome = rng.choices(("cured", "legal", "insolvent"), (62, 18, 20))[0]
        return Stress(start, start + timedelta(days=rng.randint(110, 210) if outcome == "cured" else rng.randint(50, 170)), outcome)
    return None


def _status(stress: Stress | None, as_of: date) -> tuple[str, date | None]:
    if stress is None or stress.start + timedelta(days=75) > as_of:
        return "active", None
    if stress.outcome != "cured" and stress.end <= as_of:
        return stress.outcome, stress.end
    return ("blocked", stress.start + timedelta(days=75)) if stress.end > as_of else ("active", None)


def _classed(people: list[Customer], as_of: date) -> list[Customer]:
    """The same customers, some of them in the special classes every book has, at fixed places so that small books have them too."""
    classes = {9: "new", 17: "prepayment", 23: "dormant", 31: "one_off", 43: "intercompany"}
    return [_as_class(c, classes.get(i % 50, ""), as_of) if c.status == "active" and not c.stress else c for i, c in enumerate(people)]


def _as_class(customer: Customer, status: str, as_of: date) -> Customer:
    if status == "new":
        since = as_of - timedelta(days=15 + int(customer.number) % 70)
        return replace(customer, status=status, status_since=since, since=since, growth=0.0, sales=min(customer.sales, 250_000.0))
    if status == "prepayment":
        return replace(customer, status=status, status_since=max(customer.since, as_of - timedelta(days=700)), terms="Z000")
    if status == "dormant":
        return replace(customer, status=status, status_since=as_of - timedelta(days=60), until=as_of - timedelta(days=430))
    if status == "one_off":
        since = as_of - timedelta(days=20 + int(customer.number) % 300)
        return replace(customer, status=status, since=since, until=since + timedelta(days=3), invoices_a_year=300, sales=400_000.0)
    if status == "intercompany":
        return replace(customer, status=status, name=f"Demo Group {customer.country.code} {customer.number[-4:]}", parent="", habit=0.0)
    return customer


# --- what they bought and paid ---------------------------------------------------------------------------------------------------


def _ledger(rng: _Random, customer: Customer, as_of: date) -> list[Line]:
    book = Book()
    for day in _invoice_days(rng, customer, as_of):
        _sell(rng, customer, day, as_of, book)
    for day, cents in sorted(book.paid.items()):
        book.lines.append(Line(customer.number, PAYMENT, day, day, day, customer.currency, -cents, 0))
    book.lines += _not_invoiced(rng, customer, as_of) + _unapplied(rng, customer, as_of)
    return book.lines


def _invoice_days(rng: _Random, customer: Customer, as_of: date) -> Iterable[date]:
    day = max(customer.since, _opening(as_of)) + timedelta(days=int(rng.expovariate(customer.invoices_a_year / 365)))
    last = min(customer.until, as_of)
    if customer.stress and customer.stress.outcome != "cured":
        last = min(last, customer.stress.start + timedelta(days=30))
    elif customer.stress and customer.stress.end > as_of:
        last = min(last, customer.stress.start + timedelta(days=60))
    while day <= last:
        booked = day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)
        if booked <= last:
            yield booked
        day += timedelta(days=round(365 / customer.invoices_a_year * rng.uniform(0.7, 1.3)))


def _sell(rng: _Random, customer: Customer, day: date, as_of: date, book: Book) -> None:
    """Adds an invoice of `day` with what became of it: paid, credited, disputed, financed by a bill, written off or still open."""
    years = (day - _opening(as_of)).days / 365
    size = customer.sales / customer.invoices_a_year * math.exp(customer.growth * (years - YEARS) + rng.gauss(-0.03, 0.25))
    cents = max(2500, round(size * 100))
    due = day + timedelta(days=TERMS_DAYS[customer.terms])
    disputed = rng.random() < 0.018
    cleared, written_off = _clearing(rng, customer, due, as_of, disputed=disputed)
    cleared = max(cleared, day) if cleared else None  # nobody pays an invoice before it is written
    line = Line(customer.number, INVOICE, day, due, cleared, customer.currency, cents, 0 if cleared else cents, disputed, written_off)
    if cleared is None:
        book.lines.append(_part_paid(rng, line, as_of, book))
        return
    book.lines.append(line)
    if written_off:
        return
    credit = round(cents * rng.uniform(0.02, 0.3)) if rng.random() < (0.6 if disputed else 0.03) else 0
    if credit:
        posted = max(day, cleared - timedelta(days=rng.randint(0, 10)))
        book.lines.append(Line(customer.number, CREDIT_NOTE, posted, posted, cleared, customer.currency, -credit, 0))
    if customer.country.code in ("IT", "ES") and customer.segment == "Construction" and cents > 400_000 and rng.random() < 0.35:
        honoured = cleared + timedelta(days=60)
        paid = honoured if honoured <= as_of else None
        left = cents - credit
        book.lines.append(Line(customer.number, BILL, cleared, honoured, paid, customer.currency, left, 0 if paid else left))
        return
    book.paid[cleared] = book.paid.get(cleared, 0) + cents - credit


def _part_paid(rng: _Random, line: Line, as_of: date, book: Book) -> Line:
    if line.due >= as_of - timedelta(days=10) or rng.random() >= 0.06:
        return line
    part = round(line.cents * rng.uniform(0.2, 0.8))
    day = min(as_of, line.due + timedelta(days=rng.randint(1, 30)))
    book.paid[day] = book.paid.get(day, 0) + part
    return replace(line, open_cents=line.cents - part)


def _clearing(rng: _Random, customer: Customer, due: date, as_of: date, *, disputed: bool) -> tuple[date | None, bool]:
    """The day the invoice was cleared (None while open at `as_of`) and whether that was a write-off."""
    paid = _run_day(customer, due + timedelta(days=_days_late(rng, customer, due, as_of) + (rng.randint(40, 140) if disputed else 0)))
    stress = customer.stress
    if stress and paid >= stress.start and (stress.outcome != "cured" or paid < stress.end):
        if stress.outcome == "cured":
            paid = _run_day(customer, stress.end + timedelta(days=rng.randint(0, 25)))
        else:
            lost = stress.end + timedelta(days=150 if stress.outcome == "insolvent" else 270)
            return (lost, True) if lost <= as_of else (None, False)
    return (paid, False) if paid <= as_of else (None, False)


def _run_day(customer: Customer, day: date) -> date:
    """The customer's next payment run on or after `day`; prepayers pay at once."""
    return day if customer.terms == "Z000" else day + timedelta(days=(customer.run_weekday - day.weekday()) % 7)


def _days_late(rng: _Random, customer: Customer, due: date, as_of: date) -> int:
    if customer.terms == "Z000":
        return 0
    level = customer.risk[_month(due, as_of)]
    usual = customer.habit + 5.5 * math.exp(0.62 * level) - 9.0
    if customer.takes_discount and level < 0.4 and rng.random() < 0.6:
        return -rng.randint(15, 19)
    if customer.stress and 0 < (customer.stress.start - due).days < 130:
        usual += 16
    forgotten = rng.randint(15, 75) if rng.random() < 0.025 + 0.03 * max(0.0, level) else 0
    return max(-25, round(rng.gauss(usual, 4 + 2 * math.exp(0.4 * level))) + forgotten)


def _not_invoiced(rng: _Random, customer: Customer, as_of: date) -> list[Line]:
    """Open orders, due for delivery in the next weeks, and deliveries of the last days that no invoice has followed yet."""
    if customer.status not in ("active", "new") or (customer.stress and customer.stress.start < as_of < customer.stress.end):
        return []
    size = customer.sales / customer.invoices_a_year * 100
    lines = []
    for kind, chance, ahead in ((ORDER, 0.35, 90), (ORDER, 0.15, 90), (DELIVERY, 0.15, 0)):
        if rng.random() >= chance:
            continue
        posted = max(customer.since, as_of - timedelta(days=rng.randint(0, 25 if kind == ORDER else 9)))
        cents = max(2500, round(size * math.exp(rng.gauss(-0.4, 0.4))))
        lines.append(Line(customer.number, kind, posted, as_of + timedelta(days=rng.randint(3, 90) if ahead else 0), None,
                          customer.currency, cents, cents))  # fmt: skip
    return lines


def _unapplied(rng: _Random, customer: Customer, as_of: date) -> list[Line]:
    """Credit notes and cash nobody has set against an invoice yet; a few customers also owe an invoice in a second currency."""
    first = max(customer.since, as_of - timedelta(days=120))
    if customer.until < first or customer.status in ("insolvent", "legal", "one_off"):
        return []
    size = customer.sales / customer.invoices_a_year * 100
    lines = []
    for kind, chance, share in ((CREDIT_NOTE, 0.07, 0.2), (ON_ACCOUNT, 0.04, 0.3)):
        if rng.random() < chance:
            posted = first + timedelta(days=rng.randint(0, (as_of - first).days))
            cents = max(1000, round(size * share * rng.uniform(0.3, 1.2)))
            lines.append(Line(customer.number, kind, posted, posted, None, customer.currency, -cents, -cents))
    if customer.status == "active" and rng.random() < 0.03:
        posted, other = as_of - timedelta(days=rng.randint(2, 20)), "USD" if customer.currency == "EUR" else "EUR"
        cents = max(2500, round(size * rng.uniform(0.2, 0.8)))
        lines.append(Line(customer.number, INVOICE, posted, posted + timedelta(days=TERMS_DAYS[customer.terms]), None, other, cents, cents))
    return lines


# --- as the ERP exports it -------------------------------------------------------------------------------------------------------


def _numbered(lines: Iterable[Line]) -> list[Line]:
    """The lines in posting order with document numbers, one range a document type."""
    ordered = sorted(lines, key=lambda x: (x.posted, x.customer, x.kind, x.due, x.cents))
    next_number: Counter[str] = Counter()
    out = []
    for line in ordered:
        next_number[line.kind] += 1
        out.append(replace(line, document=f"{DOCUMENT_RANGES[line.kind]}{next_number[line.kind]:08d}"))
    return out


def _amount(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _ledger_row(line: Line) -> list[str]:
    return [
        COMPANY, line.customer, line.kind, line.document, "1", _day(line.posted), _day(line.posted), _day(line.due), _day(line.cleared),
        line.currency, _amount(line.cents), _amount(line.open_cents), "Y" if line.disputed else "N", "Y" if line.written_off else "N",
    ]  # fmt: skip


_AT = {name: i for i, name in enumerate(LEDGER_COLUMNS)}


def _soiled(rng: _Random, rows: list[list[str]]) -> list[list[str]]:
    """The rows with natural dirt: the wrong sign, impossible dates, an unknown currency, numbers without leading zeros, rows twice."""
    invoices = [i for i, r in enumerate(rows) if r[_AT["document_type"]] == INVOICE]
    still_open = [i for i in invoices if not rows[i][_AT["clearing_date"]]]
    few = max(1, len({r[_AT["customer_number"]] for r in rows}) // 100)
    hit = rng.sample(still_open, min(len(still_open), 4 * few))
    for place, row in enumerate(hit):
        _spoil(rows[row], place % 4)
    for row in rng.sample(invoices, min(len(invoices), 2 * few)):
        if row not in hit and rows[row][_AT["clearing_date"]]:
            rows[row][_AT["due_date"]] = rng.choice(("2024-02-30", "00.00.0000", "20231341", "31/11/2024"))
    numbers = sorted({r[_AT["customer_number"]] for r in rows})
    short = set(rng.sample(numbers, min(len(numbers), 2 * few)))
    for r in rows:
        if r[_AT["customer_number"]] in short and rng.random() < 0.4:
            r[_AT["customer_number"]] = r[_AT["customer_number"]].lstrip("0")
    twice = set(rng.sample(range(len(rows)), min(len(rows), 5 * few)))
    return [row for i, row in enumerate(rows) for row in ([row, list(row)] if i in twice else [row])]


def _spoil(row: list[str], how: int) -> None:
    if how == 0:
        for column in ("amount", "open_amount"):
            row[_AT[column]] = f"-{row[_AT[column]]}"
    elif how == 1:
        row[_AT["due_date"]] = "2025-02-31"
    elif how == 2:
        row[_AT["currency"]] = "EUX"
    else:
        row[_AT["posting_date"]] = "0000-00-00"


def _control_totals(ledger: list[list[str]], customers: int) -> list[list[str]]:
    """What the ERP states over the exported rows: count, sum of open and of original amounts by currency and document type."""
    rows: Counter[tuple[str, str]] = Counter()
    amount: Counter[tuple[str, str]] = Counter()
    open_amount: Counter[tuple[str, str]] = Counter()
    for r in ledger:
        key = (r[_AT["currency"]], r[_AT["document_type"]])
        rows[key] += 1
        amount[key] += _cents(r[_AT["amount"]])
        open_amount[key] += _cents(r[_AT["open_amount"]])
    stated = [["items", *key, str(rows[key]), _amount(open_amount[key]), _amount(amount[key])] for key in sorted(rows)]
    return [*stated, ["customers", "", "", str(customers), "0.00", "0.00"]]


def _cents(text: str) -> int:
    return int(text.replace(".", ""))


def _master_row(rng: _Random, c: Customer, as_of: date) -> list[str]:
    worth, worth_date = _net_worth(rng, c, as_of)
    return [
        c.number, c.name, c.parent, COMPANY, c.country.code, c.country.region, c.segment, c.portfolio, c.owner, c.currency,
        STATUS_CODES[c.status], _day(c.status_since), _day(c.since), c.terms, _limit(rng, c, as_of), worth, worth_date,
        f"{c.country.code}{rng.randint(10_000_000, 99_999_999)}",
    ]  # fmt: skip


def _net_worth(rng: _Random, c: Customer, as_of: date) -> tuple[str, str]:
    """Tangible net worth and statement date: weaker where risk is high, missing for a fifth, some of it old."""
    worth = _true_worth(c) * math.exp(rng.gauss(0, 0.25))
    if rng.random() < 0.2 or c.status in ("one_off", "new"):
        return "", ""
    year_end = date(as_of.year - (1 if rng.random() < 0.85 else 3), 12, 31)
    return _amount(int(round(worth, -3)) * 100), _day(year_end if year_end < as_of else date(as_of.year - 2, 12, 31))


def _true_worth(c: Customer) -> float:
    spread = ((int(c.number) * 2654435761) % 1000) / 1000 - 0.5
    return c.sales * math.exp(0.9 - 0.35 * c.risk[0] + 1.6 * spread)


def _limit(rng: _Random, c: Customer, as_of: date) -> str:
    """The limit a credit manager has set: half the book lately and with care, the rest long ago, by feel or as sales asked for it."""
    if c.status in ("new", "one_off"):
        return ""
    if c.status in ("prepayment", "insolvent"):
        return "0.00"
    careful = rng.random() < 0.5
    age = rng.uniform(0.2, 0.8) if careful else rng.uniform(0.8, 2.6)
    level = c.risk[_month(as_of - timedelta(days=int(365 * age)), as_of)]
    delay = max(0.0, c.habit + 5.5 * math.exp(0.62 * level) - 6)
    need = c.sales * math.exp(-c.growth * age) * (TERMS_DAYS[c.terms] + delay) / 365
    headroom = 1.35 if level < -0.3 else 1.2 if level < 0.3 else 1.05 if level < 0.9 else 0.8
    return _amount(100 * _round_limit(need * headroom * math.exp(rng.gauss(0, 0.05) if careful else rng.gauss(0.0, 0.4))))


def _round_limit(amount: float) -> int:
    step = 500 if amount < 10_000 else 1000 if amount < 50_000 else 5000 if amount < 250_000 else 25_000
    return max(step, round(amount / step) * step)


def _bureau(rng: _Random, c: Customer, as_of: date) -> list[list[str]]:
    """The bureau's reports on the customer over the years: none for a quarter of them, some stopped long ago."""
    if rng.random() < 0.25 or c.status == "intercompany":
        return []
    day = max(_opening(as_of) - timedelta(days=200), c.since - timedelta(days=30)) + timedelta(days=rng.randint(0, 150))
    last = as_of - timedelta(days=600) if rng.random() < 0.12 else as_of
    blur = rng.gauss(0, 0.45)
    out = []
    while day <= last:
        out.append(_report(rng, c, day, c.risk[_month(day, as_of)] + blur + rng.gauss(0, 0.3)))
        day += timedelta(days=rng.randint(150, 420))
    return out


def _report(rng: _Random, c: Customer, day: date, seen: float) -> list[str]:
    pd = min(0.45, 1 / (1 + math.exp(4.1 - 1.05 * seen)))
    grade = next(g for g, below in BUREAU_GRADES if pd < below)
    limit = _true_worth(c) * 0.12 * math.exp(-0.3 * seen)
    recommended = "" if rng.random() < 0.1 else _amount(100 * _round_limit(limit))
    return [c.number, "Meridian Bureau", _day(day), grade, f"{pd:.4f}", recommended, c.currency]


def _cover(rng: _Random, c: Customer, as_of: date) -> list[list[str]]:
    """Insured limits for a quarter of the customers, most of the large ones among them, and a few guarantees; some have run out."""
    if c.status in ("intercompany", "one_off", "new"):
        return []
    out = []
    need = c.sales * (TERMS_DAYS[c.terms] + 10) / 365
    if rng.random() < (0.6 if need > 60_000 else 0.15):
        start = as_of - timedelta(days=rng.randint(30, 340))
        end = start + timedelta(days=365) if rng.random() < 0.85 else as_of - timedelta(days=rng.randint(0, 25))
        out.append(["insured_limit", f"TCI-{c.number[-6:]}", _round_limit(need * rng.uniform(0.5, 1.2)), "0.90", start, end, "90"])
    if rng.random() < 0.05:
        start = as_of - timedelta(days=rng.randint(100, 900))
        end = None if rng.random() < 0.4 else start + timedelta(days=730)
        out.append(["guarantee", f"BG-{c.number[-6:]}", _round_limit(need * rng.uniform(0.2, 0.6)), "1.00", start, end, ""])
    return [[c.number, k, ref, _amount(100 * v), c.currency, part, _day(a), _day(b), terms] for k, ref, v, part, a, b, terms in out]


def _rates(rng: _Random, as_of: date) -> list[list[str]]:
    """A published rate against the euro for every working day of the three years."""
    level = {"GBP": 1 / EUR_PER["GBP"], "USD": 1 / EUR_PER["USD"]}
    out = []
    for n in range((as_of - _opening(as_of)).days + 1):
        day = _opening(as_of) + timedelta(days=n)
        for quote in level:
            level[quote] *= math.exp(rng.gauss(0, 0.003))
            if day.weekday() < 5:
                out.append([_day(day), "EUR", quote, f"{level[quote]:.4f}", "central bank reference rate"])
    return out


def _statements(rng: _Random, c: Customer, as_of: date) -> list[list[str]]:
    """A customer's statements of the last years, each received some months after its year; weaker where the hidden risk was high."""
    if c.segment == "Public" or c.status in ("intercompany", "one_off", "new") or rng.random() < 0.4:
        return []
    kind = "private_manufacturer" if c.segment == "Manufacturing" else "non_manufacturer"
    audited = rng.choice(("audited", "audited", "reviewed", "unaudited"))
    size = max(200.0, c.sales * rng.uniform(4, 30) / 1000)
    turnover, blur = rng.uniform(0.9, 2.1), rng.gauss(0, 0.35)
    out = []
    for year in range(as_of.year - YEARS - 1, as_of.year):
        end = date(year, 12, 31)
        received = end + timedelta(days=rng.randint(95, 210))
        if received > as_of:
            continue
        level = c.risk[_month(end, as_of)] + blur + rng.gauss(0, 0.2)
        size *= 1 + c.growth / 2
        figures = _balance(rng, size, turnover, level)
        out.append([c.number, _day(end), _day(received), kind, audited, c.currency, *map(str, figures)])
    return out


def _balance(rng: _Random, size: float, turnover: float, level: float) -> list[int]:
    """Assets, current assets, current liabilities, liabilities, equity, retained earnings, sales, EBIT, interest and profit, thousands."""
    assets = round(size)
    owed = round(assets * min(0.97, 0.9 / (1 + math.exp(-0.3 - 0.55 * level))))
    due = round(owed * rng.uniform(0.5, 0.8))
    current = round(assets * rng.uniform(0.4, 0.7))
    equity = assets - owed
    sales = round(assets * turnover)
    ebit = round(assets * (0.09 - 0.05 * level + rng.gauss(0, 0.02)))
    interest = round(owed * 0.035)
    profit = round((ebit - interest) * (0.75 if ebit > interest else 1.0))
    return [assets, current, due, owed, equity, round(equity * rng.uniform(0.3, 0.8)), sales, ebit, interest, profit]
