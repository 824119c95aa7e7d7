"""Everything the report says, handed over as frames and plain values. The report reads no store, no file and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review.forecasts import FEW_CASES, Track

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.exposure.book import PortfolioFigures
    from credit_review.model.validation import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFacts:
    """What the review is. `produced_at` and other times are texts, as the caller wants them read.

    `outcome` is what the scorecard predicts, in words ("probability of default", "probability of serious lateness"); `scorecard`
    says in one sentence which scorecard was used and why.
    """

    company: str
    review_id: str
    label: str
    as_of: date
    state: str
    kind: str = "periodic"
    scope: str = "all"
    attempt: int = 1
    control_currency: str = ""
    policy: str = ""
    outcome: str = "probability of default"
    scorecard: str = ""
    produced_at: str = ""
    signed_off: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source that was read: its name in settings, what it is (no credentials), the dataset it gave, rows and content digest."""

    name: str
    what: str
    dataset: str
    rows: int
    digest: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTotal:
    """A total of what was read beside what the source states; `stated_*` None means the source states none.

    Amounts are minor units of `currency`; `kind` is a document kind, empty for all kinds together.
    """

    dataset: str
    currency: str
    kind: str
    rows: int
    amount_minor: int
    stated_rows: int | None = None
    stated_minor: int | None = None
    tied: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLine:
    """A line of the completeness certificate: customers (None where a line has rows only) and amounts per currency, minor units.

    `quarantined_rows` is the part of `rows` that stands in quarantine.
    """

    line: str
    customers: int | None
    amounts: Mapping[str, int]
    rows: int | None = None
    quarantined_rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The completeness certificate. `lines` add up to `totals`; `findings` say what does not tie, empty when all does.

    `canaries` synthetic customers rode beside the book, in none of its figures, and all came out as they must.
    """

    lines: tuple[CertificateLine, ...]
    total: CertificateLine
    ties: bool
    digest: str = ""
    findings: tuple[str, ...] = ()
    canaries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionLine:
    """A standing departure from policy: kind, what stands instead of what, whose (`left`: not in the directory any more), until when."""

    customer_id: str
    kind: str
    departs: str
    owner: str
    left: bool
    reason: str
    until: date | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskKeptLine:
    """A reduction that did not happen, and who answers for it; `by` empty means that nobody has decided yet."""

    customer_id: str
    currency: str
    amount_minor: int
    cause: str
    by: str = ""
    reason: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """One person's answer to a proposal, as recorded: `by` and `on` as texts, amounts in minor units of `currency`."""

    customer_id: str
    currency: str
    from_minor: int | None
    to_minor: int
    verdict: str
    by: str
    on: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLine:
    """What a person asked for of a layer (None: what the engine finds), what the engine found, what is proposed, and where that stands.

    Amounts are minor units of `currency`.
    """

    customer_id: str
    currency: str
    layer: str
    by: str
    asked_minor: int | None
    engine_minor: int | None
    to_minor: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLine:
    """Proposals of a tier that ended alike (`how` as stored: applied, rejected, excluded); `by` names who answered, empty for nobody."""

    tier: str
    how: str
    by: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file written beside the report, with the SHA-256 of its bytes."""

    name: str
    sha256: str
    what: str = ""


ROUTES = ("customer_id", "proposal_id", "tier", "tier_name", "approvals", "holders", "state")
"""Columns of `ReportData.routes`: one row a proposal that needs people. `approvals` is the number of distinct approvers asked for,
`holders` who may give them (names joined by comma), `state` where the proposal stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """All a report shows. Frames have the columns of `model.frames`; `None` means that the stage has not run or the source has none.

    - `customers`, `features`, `proposals`: the whole book; every customer of the certificate has a proposals row with its state. Once
      the review is routed, `straight_through` says what was approved by rule on record; a rule without it was not enough.
    - `scores`: SCORES of the whole book, for the two views under each proposal; None leaves them out.
    - `portfolio`: PortfolioFigures per account currency.
    - `previous_grades`: grade by customer id of the last review, for grade migration; None when there was no earlier review.
    - `asked`: of a request, what was asked for; `proposals` then have what is proposed on record, and the engine's steps beside it.
    - `routes`: frame with the columns of ROUTES, of proposals that wait; None before routing.
    - `ended`: how the others that needed people ended.
    - `states`: STATES of the whole book, for next review dates and what escalates; None before scope is known.
    - `decided`: what people have answered so far, oldest first.
    - `left_to_newer`: customers whose change is not proposed, because a newer review has reviewed them.
    - `order_rates`: one major unit of each currency in control currency, used to order proposals by size and for nothing else;
      if a currency lacks one, the largest of each currency take turns.
    - `lateness_hold`: policy's fraction of open items past due above which the extract may be incomplete; None when there is none.
    - `manifest`: content digest by input name; `manifest_digest` is the SHA-256 of the manifest itself.
    - `assumptions`: whole sentences declared in the mapping; `warnings`: further sentences the caller wants read first.
    - `notes`: sentences on how the data was read, shown under Data read.
    - `concentration`: `exposure.concentration.concentration` of the book; None where it was not computed.
    - `foreseen`: how right account owners' forecasts were, by name of the owner and customer (empty: all of them), as known to the review;
      `least_forecasts` is the number of cases below which nothing is said of an owner.
    - `run_facts`: label and text (code commit, buckets, seed, durations).
    """

    facts: ReviewFacts
    customers: pd.DataFrame
    features: pd.DataFrame
    proposals: pd.DataFrame
    portfolio: tuple[PortfolioFigures, ...]
    certificate: Certificate
    scores: pd.DataFrame | None = None
    verdicts: tuple[Verdict, ...] = ()
    quarantine: pd.DataFrame | None = None
    duplicates: pd.DataFrame | None = None
    aliases: pd.DataFrame | None = None
    groups: pd.DataFrame | None = None
    routes: pd.DataFrame | None = None
    ended: tuple[EndedLine, ...] = ()
    asked: tuple[AskedLine, ...] = ()
    states: pd.DataFrame | None = None
    decided: tuple[DecisionLine, ...] = ()
    previous_grades: Mapping[str, str] | None = None
    sources: tuple[Source, ...] = ()
    control_totals: tuple[ControlTotal, ...] = ()
    risk_kept: tuple[RiskKeptLine, ...] = ()
    exceptions: tuple[ExceptionLine, ...] = ()
    left_to_newer: frozenset[str] = frozenset()
    order_rates: Mapping[str, float] = field(default_factory=dict)
    lateness_hold: float | None = None
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[OutputFile, ...] = ()
    manifest: Mapping[str, str] = field(default_factory=dict)
    manifest_digest: str = ""
    run_facts: tuple[tuple[str, str], ...] = ()
    concentration: Mapping[str, Any] | None = None
    foreseen: tuple[tuple[str, str, Track], ...] = ()
    least_forecasts: int = FEW_CASES
