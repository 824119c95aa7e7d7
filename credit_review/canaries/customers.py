"""The twelve canaries: what stands in their ledger, master data, reports and cover, and figures that follow from that by reasoning alone.

Amounts are minor units of control currency, and of the account currency where a line says so; days are before the as-of date, negative
ones after it. The dates keep clear of the ends of the 3 and 12 months that figures look back on, whatever the as-of date.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from credit_review.words import marked

PREFIX = "CREDIT-REVIEW-CANARY-"
"""No real customer's id may begin so: it is quarantined by name when the sources are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice; `cleared` None: open. `broken`: its due date lies before the document, so the gate must quarantine it."""

    amount: int
    posted: int
    due: int
    cleared: int | None = None
    disputed: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A credit note, delivery, order or note, open in full."""

    kind: str
    amount: int
    posted: int
    due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An external report: 12-month probability of default as text, recommended limit in account currency, age in days."""

    pd: str
    recommended: int | None
    age: int
    grade: str = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Yearly statements of a kind of company: how old, and amounts in whole units of their own currency, each as it stands in them.

    `assets` in all and `current`, `owed` in all and within the year (`due`), what was `earned` before interest and taxes and the
    `interest`, `profit` after both, profits `kept` over the years, `sold` in the year. Equity is what is not owed.
    """

    age: int
    kind: str
    assets: int
    current: int
    owed: int
    due: int
    kept: int
    earned: int
    interest: int
    profit: int
    sold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """Insured limit or guarantee in account currency, and how many percent of it are covered."""

    kind: str
    amount: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Figures that the invoices come to, whatever the policy: typed, not computed.

    `late` and `trend` are days as text (None: not computable), `sales` and `peak` minor units of control currency.
    """

    late: str | None
    trend: str | None
    sales: int
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A customer that does not exist. `limit`, `worth`, `ceiling` and reports are in account currency; `foreign`: the account has another.

    `pool` is its group's shared pool, of which it is the only member, in control currency.

    `accounts` are its statements, the newest first, `was` the place of its last grade among policy's (0 the best; past the end the worst).
    """

    number: int
    about: str
    known: Known
    status: str = "active"
    foreign: bool = False
    limit: int | None
    terms: int
    since: int
    worth: int | None = None
    worth_age: int | None = None
    ceiling: int | None = None
    pool: int | None = None
    report: Report | None = None
    accounts: tuple[Accounts, ...] = ()
    was: int | None = None
    cover: tuple[Backing, ...] = ()
    invoices: tuple[Invoice, ...]
    others: tuple[Other, ...] = field(default_factory=tuple)

    @property
    def customer_id(self) -> str:
        """Its id, which no real customer has."""
        return f"{PREFIX}{self.number:02}"


def _monthly(amount: int, *, terms: int, late: int) -> tuple[Invoice, ...]:
    """Twelve invoices, 30 days apart, the newest 15 days old, each paid `late` days after it was due."""
    found = []
    for posted in range(15, 375, 30):
        cleared = posted - terms - late
        found.append(Invoice(amount=amount, posted=posted, due=posted - terms, cleared=cleared if cleared > 0 else None))
    return tuple(found)


def _years(kind: str, *owed: int, age: int = 200) -> tuple[Accounts, ...]:
    """Accounts a year apart, the newest first, of a company with 1,000,000 of assets and so much owed in each."""
    return tuple(
        Accounts(age=age + 365 * n, kind=kind, assets=1_000_000, current=600_000, owed=one, due=400_000, kept=100_000, earned=80_000,
                 interest=20_000, profit=30_000, sold=1_500_000)
        for n, one in enumerate(owed)
    )  # fmt: skip


CANARIES: tuple[Canary, ...] = (
    Canary(
        number=1,
        about=marked("pays on time, a small limit to raise"),
        limit=8_000_00, terms=30, since=2_000,
        worth=1_000_000_00, worth_age=200,
        report=Report(pd="0.004", recommended=50_000_00, age=60),
        accounts=_years("private_manufacturer", 500_000, 625_000, 800_000), was=1,
        invoices=_monthly(5_000_00, terms=30, late=2),
        # an invoice stands 32 days and the next comes after 30, so for two days there are two
        known=Known(late="2", trend="0", sales=60_000_00, peak=10_000_00),
    ),
    Canary(
        number=2,
        about=marked("pays 40 days late, one invoice is 75 days past due"),
        limit=60_000_00, terms=30, since=900,
        report=Report(pd="0.03", recommended=None, age=100),
        accounts=_years("non_manufacturer", 1_250_000, 1_000_000), was=3,
        invoices=(*_monthly(10_000_00, terms=30, late=40), Invoice(amount=20_000_00, posted=105, due=75)),
        # three stand at a time, and the old one beside them
        known=Known(late="40", trend="0", sales=140_000_00, peak=50_000_00),
    ),
    Canary(
        number=3,
        about=marked("buys and pays, no limit on file"),
        limit=None, terms=30, since=800,
        worth=200_000_00, worth_age=300,
        report=Report(pd="0.012", recommended=20_000_00, age=20),
        accounts=_years("financial", 800_000, 800_000, 800_000), was=0,
        invoices=_monthly(4_000_00, terms=30, late=0),
        known=Known(late="0", trend="0", sales=48_000_00, peak=4_000_00),
    ),
    Canary(
        number=4,
        about=marked("a new customer with one invoice"),
        status="new", limit=None, terms=30, since=10,
        invoices=(Invoice(amount=1_000_00, posted=10, due=-20),),
        known=Known(late=None, trend=None, sales=1_000_00, peak=1_000_00),
    ),
    Canary(
        number=5,
        about=marked("pays before delivery and still has a limit"),
        status="prepayment", limit=5_000_00, terms=0, since=700,
        invoices=(Invoice(amount=2_000_00, posted=100, due=100, cleared=100),),
        # paid on the day it was posted, so no evening saw it
        known=Known(late="0", trend=None, sales=2_000_00, peak=0),
    ),
    Canary(
        number=6,
        about=marked("blocked, 120 days past due, report and statements too old"),
        status="blocked", limit=30_000_00, terms=40, since=3_000,
        worth=100_000_00, worth_age=600,
        report=Report(pd="0.02", recommended=40_000_00, age=400),
        accounts=_years("emerging_market", 500_000, age=600), was=2,
        invoices=(*_monthly(8_000_00, terms=40, late=10), Invoice(amount=1_000_00, posted=160, due=120)),
        known=Known(late="10", trend="0", sales=97_000_00, peak=17_000_00),
    ),
    Canary(
        number=7,
        about=marked("dormant, last invoice 500 days ago"),
        status="dormant", limit=10_000_00, terms=30, since=4_000,
        accounts=_years("non_manufacturer", 400_000, 400_000, 400_000),
        invoices=(Invoice(amount=3_000_00, posted=500, due=470, cleared=460),),
        known=Known(late=None, trend=None, sales=0, peak=0),
    ),
    Canary(
        number=8,
        about=marked("one of our own companies"),
        status="intercompany", limit=100_000_00, terms=30, since=3_000,
        invoices=(Invoice(amount=20_000_00, posted=20, due=-10),),
        known=Known(late=None, trend=None, sales=20_000_00, peak=20_000_00),
    ),
    Canary(
        number=9,
        about=marked("an account in another currency, insured and guaranteed, in a group with a shared pool"),
        foreign=True, limit=150_000_00, terms=60, since=2_500, pool=136_000_00,
        worth=5_000_000_00, worth_age=250,
        report=Report(pd="0.007", recommended=400_000_00, age=45),
        accounts=_years("listed_manufacturer", 625_000, 500_000, 500_000),
        cover=(Backing(kind="insured_limit", amount=40_000_00, percent=90), Backing(kind="guarantee", amount=10_000_00, percent=50)),
        invoices=_monthly(40_000_00, terms=60, late=5),
        known=Known(late="5", trend="0", sales=480_000_00, peak=120_000_00),
    ),
    Canary(
        number=10,
        about=marked("one small row of the ledger cannot be true"),
        limit=20_000_00, terms=30, since=1_500,
        worth=500_000_00, worth_age=150,
        report=Report(pd="0.006", recommended=60_000_00, age=75),
        invoices=(*_monthly(3_000_00, terms=30, late=4), Invoice(amount=500_00, posted=20, due=50, broken=True)),
        known=Known(late="4", trend="0", sales=36_000_00, peak=6_000_00),
    ),
    Canary(
        number=11,
        about=marked("one large row of the ledger cannot be true"),
        limit=20_000_00, terms=30, since=1_500,
        invoices=(Invoice(amount=2_000_00, posted=40, due=10), Invoice(amount=50_000_00, posted=20, due=50, broken=True)),
        known=Known(late=None, trend=None, sales=2_000_00, peak=2_000_00),
    ),
    Canary(
        number=12,
        about=marked("the largest: early payer with orders, deliveries, notes, a credit, a dispute and a ceiling"),
        limit=1_500_000_00, terms=60, since=5_000, ceiling=1_600_000_00,
        worth=20_000_000_00, worth_age=100,
        report=Report(pd="0.002", recommended=4_000_000_00, age=30),
        invoices=(
            *_monthly(600_000_00, terms=60, late=-5),
            Invoice(amount=100_000_00, posted=25, due=-5, disputed=True),
        ),
        others=(
            Other(kind="credit_note", amount=-20_000_00, posted=12, due=12),
            Other(kind="delivery", amount=50_000_00, posted=3, due=3),
            Other(kind="order", amount=40_000_00, posted=5, due=-30),
            Other(kind="order", amount=70_000_00, posted=5, due=-400),
            Other(kind="note", amount=30_000_00, posted=20, due=-40),
        ),
        # two invoices of each month and the disputed one, before the credit note
        known=Known(late="-5", trend="0", sales=7_280_000_00, peak=1_300_000_00),
    ),
)  # fmt: skip
