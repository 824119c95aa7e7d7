"""Schemas of every dataset, in one frozen place: code, expectations, Parquet files and the data dictionary read them from here.

Frame dtypes: `str` (pandas str), `date` (datetime64[s], NaT when missing; date32 in Parquet), `int` (int64), `int?` (Int64, NA when
missing), `float` (float64, NaN when missing), `bool`. Columns ending in `_minor` are integer minor units of the row's currency,
`_days` are days, `_fraction` are 0..1. Missing text is the empty string.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PANDAS: MappingProxyType[str, Any] = MappingProxyType(
    {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]", "bool": "bool"}
)
"""The pandas dtype of each dtype named here."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its dtype as named above and what it means to a reader of the data dictionary."""

    name: str
    dtype: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named table: the columns in order, and the key columns by which rows are sorted, hashed and quarantined.

    `later` are columns that files of earlier versions do not have; there they read missing.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    bucketed: bool = True
    later: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)


def _dataset(name: str, key: str, text: str, *, bucketed: bool = True, later: str = "") -> Dataset:
    rows = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return Dataset(name, tuple(key.split()), tuple(Column(n, d, m) for n, d, m in rows), bucketed, frozenset(later.split()))


ITEMS = _dataset(
    "items",
    "row_key",
    """
    row_key        str   the source's own key of the row (document and line), or source:line where it has none
    source         str   name of the ledger source in settings
    legal_entity   str   our selling company, as the source codes it
    source_number  str   customer number exactly as the source writes it
    customer_id    str   our id after identity resolution; empty when no customer could be named
    document       str   document number
    kind           str   invoice, credit_note, payment, on_account, note, order, delivery
    document_date  date  date on the document
    posting_date   date  date of posting; an item exists from this day on
    due_date       date  date on which payment is due
    clearing_date  date  date on which the item was cleared; missing while open
    currency       str   ISO 4217 code
    amount_minor   int   original amount; receivables positive, credits and cash negative
    open_minor     int   amount open at as_of; same sign convention
    disputed       bool  the customer disputes the item
    written_off    bool  the item was written off
    """,
)

CUSTOMERS = _dataset(
    "customers",
    "customer_id",
    """
    customer_id               str   our id
    source                    str   name of the source
    source_number             str   first source number (others are in aliases)
    name                      str   legal name
    group_id                  str   ultimate parent's customer id; own id when there is none
    legal_entity              str   our selling company; ALL when limits are shared
    country                   str   ISO 3166 alpha-2, or the source's text
    region                    str   sales region
    segment                   str   business segment
    portfolio                 str   analyst's portfolio
    account_owner             str   sales owner (person id or name)
    currency                  str   currency of the limit account
    status                    str   credit status: active, prepayment, blocked, legal, insolvent, intercompany, one_off, dormant, new
    status_since              date  first day of that status, when the source states it
    customer_since            date  first business with us, when the source states it
    terms_code                str   payment terms code as the source has it
    terms_days                int?  net days of those terms
    limit_minor               int?  limit in force in the source; missing means no limit on file, 0 means a limit of nothing
    tangible_net_worth_minor  int?  from the latest statements, account currency
    net_worth_date            date  date of those statements
    registration_number       str   company register number
    """,
)

EXTERNAL = _dataset(
    "external",
    "customer_id provider report_date",
    """
    customer_id              str    our id
    source_number            str    customer number in the feed
    provider                 str    name of the provider
    report_date              date   date of the report
    grade                    str    provider's grade, as stated
    pd_fraction              float  provider's 12-month probability of default
    recommended_limit_minor  int?   provider's recommended limit
    currency                 str    ISO 4217 code of the recommended limit
    """,
)

COVER = _dataset(
    "cover",
    "customer_id kind reference",
    """
    customer_id     str    our id
    source_number   str    customer number in the file
    kind            str    insured_limit, discretionary_limit or guarantee
    reference       str    policy or guarantee number
    amount_minor    int    insured limit or guaranteed amount
    currency        str    ISO 4217 code
    cover_fraction  float  part of the amount that is covered
    valid_from      date   first day of cover
    valid_to        date   day on which cover ends (not covered any more); missing when open-ended
    max_terms_days  int?   longest payment terms the cover allows
    withdrawn_on         date  day on which the insurer announced a withdrawal or reduction; missing when there is none
    notice_days          int?  days from then until it takes effect; missing: those of policy
    reduced_to_minor     int?  what stays insured afterwards; missing: nothing
    stop_overdue_days    int?  cover stops while the oldest open invoice is more days past due
    report_overdue_days  int?  an invoice so many days past due must have been reported to the insurer
    turnover_declared_to date  turnover is declared up to this day
    declare_every_days   int?  turnover must be declared at least every so many days
    """,
    later="""withdrawn_on notice_days reduced_to_minor stop_overdue_days report_overdue_days turnover_declared_to declare_every_days""",
)

STATEMENTS = _dataset(
    "statements",
    "customer_id period_end basis received_date",
    """
    customer_id                str   our id
    source_number              str   customer number in the file
    period_end                 date  last day of the period
    received_date              date  day on which the accounts were published or reached us; missing when not stated
    months                     int?  length of the period
    basis                      str   individual or consolidated; empty when not stated
    audited                    str   audited, reviewed or unaudited; empty when not stated
    company_kind               str   listed_manufacturer, private_manufacturer, non_manufacturer, emerging_market, financial; else empty
    currency                   str   ISO 4217 code of every amount in this row
    total_assets_minor         int?  total assets
    current_assets_minor       int?  current assets
    current_liabilities_minor  int?  current liabilities
    total_liabilities_minor    int?  total liabilities
    equity_minor               int?  equity, minority interests included
    retained_earnings_minor    int?  retained earnings
    market_equity_minor        int?  market value of the equity, of listed companies
    sales_minor                int?  sales of the period
    ebit_minor                 int?  earnings before interest and taxes of the period
    interest_expense_minor     int?  interest expense of the period, as a positive amount
    net_income_minor           int?  net income of the period
    cash_minor                 int?  cash and what counts as cash
    inventories_minor          int?  inventories
    receivables_minor          int?  trade receivables
    """,
)

REMARKS = _dataset(
    "remarks",
    "row_key",
    """
    row_key        str   the source's own key of the remark, or source:line where it has none
    customer_id    str   our id
    source_number  str   customer number in the file
    remark_date    date  day on which it was written
    kind           str   dispute or collection; empty when not stated
    remark         str   what was written, as it was written
    """,
)

FORECASTS = _dataset(
    "forecasts",
    "forecast_id",
    """
    forecast_id   str   id of the forecast
    customer_id   str   our id
    owner_id      str   person whose forecast it is
    kind          str   peak: highest balance; sales: sales of its days with payment terms
    amount_minor  int   the balance, or the sales
    currency      str   ISO 4217 code of both amounts
    terms_days    int?  net days of those sales
    valid_from    date  first day it speaks of
    valid_to      date  day before which its last day lies
    recorded_on   date  day on which it was recorded, UTC
    recorded_at   str   moment at which it was recorded, UTC
    actual_minor  int?  highest balance of its days by the ledger of a later review; missing while not compared
    """,
    bucketed=False,
)

RATES = _dataset(
    "rates",
    "rate_date base quote",
    """
    rate_date  date  date of the rate
    base       str   ISO 4217 code converted from
    quote      str   ISO 4217 code converted to
    rate       str   decimal string: one unit of base in units of quote
    source     str   who published it
    """,
    bucketed=False,
)

STATED_TOTALS = _dataset(
    "stated_totals",
    "dataset currency kind",
    """
    dataset       str  items or customers
    currency      str  ISO 4217 code; empty for row counts of customers
    kind          str  document kind; empty for all kinds together
    rows          int  number of rows the source states
    amount_minor  int  sum of amounts the source states
    """,
    bucketed=False,
)

ALIASES = _dataset(
    "aliases",
    "source legal_entity source_number",
    """
    source         str  name of the source
    legal_entity   str  our selling company
    source_number  str  number as the source writes it
    customer_id    str  our id
    decided_by     str  mapping:<digest>, source, or a person's id
    """,
    bucketed=False,
)

QUARANTINE = _dataset(
    "quarantine",
    "dataset row_key expectation column",
    """
    dataset        str   dataset of the row
    row_key        str   key of the row in that dataset
    source_number  str   customer number as the source writes it
    customer_id    str   our id, empty when the row names no customer we can tell
    expectation    str   rule that failed, such as currency_is_iso4217
    column         str   column that failed
    value          str   value found, cut to 80 characters
    severity       str   critical, warning or info
    currency       str   currency of the row where readable
    amount_minor   int?  open amount of the row where readable
    could_raise    bool  correcting the row could raise the customer's exposure or lateness
    reason         str   one sentence for the credit manager
    """,
)

DUPLICATES = _dataset(
    "duplicates",
    "row_key",
    """
    row_key        str   key of the removed row
    source_number  str   customer number as the source writes it
    customer_id    str   our id
    kind           str   document kind
    currency       str   ISO 4217 code
    amount_minor   int   original amount of the removed row
    open_minor     int   open amount of the removed row
    kept_row_key   str   key of the identical row that stayed
    """,
    bucketed=False,
)

FEATURES = _dataset(
    "features",
    "customer_id",
    """
    customer_id                str    our id
    group_id                   str    ultimate parent's customer id
    currency                   str    account currency, of every amount in this row
    open_items_minor           int    open invoices, disputes held out when policy says so
    not_due_minor              int    open invoices not yet due
    dpd_1_30_minor             int    open invoices 1 to 30 days past due
    dpd_31_60_minor            int    31 to 60 days past due
    dpd_61_90_minor            int    61 to 90 days past due
    dpd_over_90_minor          int    more than 90 days past due
    overdue_minor              int    all open invoices past due
    disputed_minor             int    open disputed invoices
    unapplied_credits_minor    int    open credit notes and on-account cash, negative or zero
    unbilled_deliveries_minor  int?   delivered, not invoiced
    open_orders_minor          int?   orders within policy's horizon
    notes_minor                int?   bills and notes not yet honoured
    exposure_minor             int    sum of the parts policy counts, never below zero
    quarantined_minor          int    absolute amount of quarantined rows added to exposure, when policy allows that
    insured_minor              int    valid insurance cover, at most the exposure it covers
    security_minor             int    valid guarantees and other security
    own_risk_minor             int    exposure less valid cover and security, never below zero
    oldest_dpd_days            int    days past due of the oldest open invoice, 0 when none
    average_days_late          float  amount-weighted days late on items cleared in the last 12 months; negative is early
    days_late_trend            float  the same over the last 3 months less the 9 months before
    cleared_count              int    items cleared in the last 12 months
    sales_12m_minor            int?   invoices less credit notes posted in the last 12 months
    peak_balance_minor         int?   highest balance at the end of any day of the last 12 months
    need_minor                 int?   limit needed by sales and terms: sales x (terms + usual delay) / 365
    utilisation_fraction       float  exposure over limit in force
    overdue_fraction           float  overdue over open items
    months_on_book             float  months since customer_since or the first document
    last_invoice_days          float  days since the last invoice
    external_grade             str    grade of the newest valid external report
    external_pd_fraction       float  its probability of default
    external_age_days          float  its age
    recommended_limit_minor    int?   its recommended limit in account currency
    tangible_net_worth_minor   int?   from the newest statements
    net_worth_age_days         float  their age
    limit_minor                int?   limit in force
    terms_days                 int?   payment terms in force
    status                     str    credit status
    open_item_count            int    open receivable items
    not_computable             str    figures that could not be computed and why: `name: reason; name: reason`
    company_kind               str    kind of company, by its newest statements
    statements_audited         str    whether those are audited, reviewed or unaudited
    statements_age_days        float  age of the newest statements known by then, from the end of their period
    altman_model               str    Altman model for that kind of company: z, z_private, z_non_manufacturer, z_emerging
    altman_score               float  score of that model
    altman_zone                str    its zone: safe, grey, distress
    altman_z2                  float  Altman Z'' of any company that is not a financial one, to compare all by
    altman_z2_trend            float  change of Z'' a year over the newest years, least squares
    equity_ratio               float  equity over total assets
    interest_coverage          float  EBIT over interest expense
    current_ratio              float  current assets over current liabilities
    net_margin                 float  net income over sales
    remarks                    str    what was written about the customer in policy's months, oldest first; empty where it is off
    season_peak_minor          int?   higher peak of policy's season days: up to today, and ahead of the same day a year ago
    cover_cap_minor            int?   largest limit whose own risk, used in full, is within policy's insurance.own_risk_up_to
    cover_caps                 str    what that becomes on days known to come: `day=amount` joined by |
    cover_notes                str    cover that does not count and why, sentences joined by |
    entity_limit_minor         int?   base limit for all our companies, where the account is one company's own
    ceiling_minor              int?   ceiling in force for the account on the day the review started
    segment_limit_minor        int?   segment limit in force then
    pool_minor                 int?   group limit in force then: a shared pool of all members
    layers_converted           str    which of these are kept in another currency: amount, rate, day and source, sentences joined by |
    layers_unknown             str    why one of them cannot be compared with the account
    forecast_minor             int?   what counts of the account owner's forecast as need; missing where none does
    forecast_note              str    how that came about, figure by figure, or why none counts
    """,
    later="""forecast_minor forecast_note entity_limit_minor ceiling_minor segment_limit_minor pool_minor layers_converted layers_unknown
    season_peak_minor cover_cap_minor cover_caps cover_notes
    remarks company_kind statements_audited statements_age_days altman_model altman_score altman_zone altman_z2 altman_z2_trend
    equity_ratio interest_coverage current_ratio net_margin""",
)

LAYER_AMOUNTS = ("entity_limit_minor", "ceiling_minor", "segment_limit_minor", "pool_minor")
LAYER_TEXTS = ("layers_converted", "layers_unknown")
"""Columns of FEATURES that say which layers were in force beside an account; no ledger knows them."""
LAYERS_IN_FORCE = ("subject_id", "layer", "legal_entity", "currency", "amount_minor")
"""Columns of the layers in force that a review keeps: customer (of a group limit the group), layer, legal entity, currency, minor units."""

GROUPS = _dataset(
    "groups",
    "group_id",
    """
    group_id             str   ultimate parent's customer id
    currency             str   control currency
    members              int   customers in the group
    exposure_minor       int   sum of members' exposure in control currency
    overdue_minor        int   sum of members' overdue
    limits_minor         int   sum of members' limits in force, temporary ones included
    worst_dpd_days       int   worst member's oldest days past due
    unconverted          str   members whose figures could not be converted, by customer id
    bad_members          str   members that policy calls bad for their group (status or grade), by customer id, joined by |
    """,
    bucketed=False,
    later="bad_members",
)

SCORES = _dataset(
    "scores",
    "customer_id",
    """
    customer_id   str    our id
    scorecard     str    digest of the scorecard
    points        int    total points
    pd_fraction   float  probability of the outcome the scorecard names, rounded to 6 decimals
    grade         str    grade by policy's bands
    reason_codes  str    up to four codes of the factors furthest below their best, joined by |
    factor_points str    points per factor in scorecard order, `factor=points` joined by |
    behaviour_points      int?   points that how the customer pays gives alone; missing where there is nothing to judge it by
    behaviour_pd_fraction float  probability they stand for
    financial_points      int?   points that its financial condition gives alone; missing likewise
    financial_pd_fraction float  probability they stand for
    views                 str    how policy combines the two: weighted, worse_of, behaviour, financial
    view_missing          str    behaviour, financial or both where that view is missing and the other stands alone
    band_grade            str    grade by policy's bands alone
    previous_grade        str    grade of the last review that reached the customer
    grade_rule            str    why the grade is not that of its band: kept (within the margin), capped (a view is missing)
    """,
    later="""behaviour_points behaviour_pd_fraction financial_points financial_pd_fraction views view_missing band_grade previous_grade
    grade_rule""",
)

STATES = _dataset(
    "states",
    "customer_id",
    """
    customer_id        str   our id
    group_id           str   ultimate parent's customer id
    currency           str   account currency
    portfolio          str   analyst's portfolio
    state              str   customer state: reviewed, not_due, quarantined, excluded, deferred
    state_reason       str   rule, expectation, or owner and date behind the state
    quarantined_minor  int?  absolute amount of quarantined rows that could raise exposure; missing when it cannot be told
    last_review        date  as-of date of the last review that reached this customer; missing when there is none
    next_review        date  day on which it is due again, by policy's cadence from the grade then known
    escalate           str   why a named person must look: quarantined or deferred again, or unreviewed too long; empty when not
    policy_segment     str   segment of the policy whose rules hold for this customer; empty where the policy's own do
    """,
    bucketed=False,
    later="policy_segment",
)

PROPOSALS = _dataset(
    "proposals",
    "customer_id",
    """
    customer_id             str    our id
    group_id                str    ultimate parent's customer id
    currency                str    account currency
    state                   str    customer state: reviewed, not_due, quarantined, excluded, deferred
    direction               str    up, down, same, new; empty unless reviewed
    state_reason            str    rule, expectation or owner and date behind the state
    grade                   str    grade
    points                  int?   points
    pd_fraction             float  probability of the outcome
    reason_codes            str    principal reason codes joined by |
    from_minor              int?   limit in force; missing when there is none on file
    to_minor                int?   proposed limit; missing unless reviewed
    from_terms_days         int?   terms in force
    to_terms_days           int?   proposed terms
    exposure_minor          int    exposure
    own_risk_minor          int    exposure less valid cover and security
    overdue_minor           int    overdue
    need_by_terms_minor     int?   need by sales and terms
    peak_balance_minor      int?   highest balance at the end of any day of the last 12 months
    need_minor              int?   need used: the larger of the two where policy says so
    formula_minor           int?   result of the grade's formula before caps
    formula                 str    the formula in words, with its figures
    cap_net_worth_minor     int?   cap by tangible net worth
    cap_recommended_minor   int?   cap by the bureau's recommendation
    cap_grade_minor         int?   ceiling of the grade
    cap_need_minor          int?   cap by need
    secured_minor           int?   part of valid security that policy adds to each cap but need, contained in them
    binding_cap             str    the cap that held, empty when none
    substitutes             str    caps whose input was missing or stale, and policy's substitute, joined by |
    after_caps_minor        int?   after caps
    after_step_minor        int?   after the step limit of one cycle
    after_rounding_minor    int?   after the rounding grid
    forbids_increase        str    rules that forbade an increase, joined by |
    blocked_orders_minor    int?   open orders and deliveries that would stop under the new limit
    over_limit_minor        int?   exposure above the new limit
    straight_through        bool   policy lets it pass without a person
    straight_through_rule   str    the rule that let it pass
    exceptional             str    why it never goes straight through, codes joined by |
    analyst                 str    portfolio whose analyst releases it
    grade_name              str    what policy calls the grade
    grade_note              str    how the grade came about where the score's band alone did not decide: sentences joined by ;
    derivation              str    inputs and steps of policy's own formula: `name=figure:unit` joined by |, units minor or millionths
    policy_segment          str    segment of the policy whose rules made it; empty where the policy's own did
    cap_cover_minor         int?   cap by cover: largest limit whose own risk is within policy's bound
    cover_caps              str    what that cap becomes on days known to come: `day=amount` joined by |
    cover_notes             str    cover that does not count and why, sentences joined by |
    bad_members             str    other members of its group that policy calls bad for it, joined by |
    season_peak_minor       int?   highest balance of policy's season days, up to today or ahead of the same day a year ago
    need_at_terms_minor     int?   need by sales at the proposed terms, where they are others than those in force and policy ranks terms
    rate_used               str    rate, day and source at which policy's amounts were converted to the account currency
    kept_by                 str    currency_band: the limit stays, since another rate within policy's band would leave it as it is
    cap_entity_minor        int?   base limit for all our companies, which bounds one company's own
    cap_ceiling_minor       int?   ceiling in force
    cap_segment_minor       int?   segment limit in force
    cap_pool_minor          int?   what the group's shared pool lets this limit be: what other members leave, at least the limit in force
    pool_minor              int?   the shared pool itself
    pool_free_minor         int?   what the other members of the group leave of it; missing where a member's exposure has no rate
    layers_converted        str    layers kept in another currency: amount, rate, day and source, sentences joined by |
    forecast_minor          int?   what counts of the account owner's forecast as need
    forecast_note           str    how that came about, figure by figure, or why none counts
    """,
    later="""forecast_minor forecast_note cap_entity_minor cap_ceiling_minor cap_segment_minor cap_pool_minor pool_minor pool_free_minor
    layers_converted
    grade_name grade_note secured_minor derivation policy_segment cap_cover_minor cover_caps cover_notes
    bad_members rate_used kept_by need_at_terms_minor season_peak_minor""",
)

DATASETS: MappingProxyType[str, Dataset] = MappingProxyType(
    {
        d.name: d
        for d in (
            ITEMS, CUSTOMERS, EXTERNAL, STATEMENTS, REMARKS, COVER, FORECASTS, RATES, STATED_TOTALS, ALIASES, QUARANTINE, DUPLICATES,
            FEATURES, GROUPS, SCORES, STATES, PROPOSALS,
        )
    }
)  # fmt: skip


def bucket_of(customer_id: str, count: int) -> int:
    """Bucket of a customer: first 8 bytes of SHA-256(customer_id), big-endian, modulo `count`; never depends on workers."""
    from hashlib import sha256

    return int.from_bytes(sha256(customer_id.encode()).digest()[:8], "big") % count
