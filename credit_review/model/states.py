"""Stored names, exactly as docs/architecture.md lists them. Closed vocabularies: a value outside them cannot be stored."""

from __future__ import annotations

from enum import StrEnum


class ReviewState(StrEnum):
    """Where a review stands; `failed` resumes from the last good state."""

    DRAFT = "draft"
    SNAPSHOTTED = "snapshotted"
    VALIDATED = "validated"
    SCORED = "scored"
    PROPOSED = "proposed"
    ROUTED = "routed"
    SETTLED = "settled"
    CLOSED = "closed"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class ReviewKind(StrEnum):
    """Why a review runs."""

    PERIODIC = "periodic"
    AD_HOC = "ad_hoc"
    EVENT = "event"


class CustomerState(StrEnum):
    """The one state in which each customer ends a review."""

    REVIEWED = "reviewed"
    NOT_DUE = "not_due"
    QUARANTINED = "quarantined"
    EXCLUDED = "excluded"
    DEFERRED = "deferred"


class Direction(StrEnum):
    """What a reviewed customer's limit does."""

    UP = "up"
    DOWN = "down"
    SAME = "same"
    NEW = "new"


class ProposalState(StrEnum):
    """Life of a proposal. The last five are terminal; expired is not rejected."""

    DRAFT = "draft"
    PENDING = "pending"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    RETURNED = "returned"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


OPEN_PROPOSAL_STATES = (ProposalState.DRAFT, ProposalState.PENDING, ProposalState.APPROVED)


class OutboxState(StrEnum):
    """Life of an effect that must reach the outside."""

    QUEUED = "queued"
    LEASED = "leased"
    CONFIRMED = "confirmed"
    PARKED = "parked"


class ChangeKind(StrEnum):
    """Why a limit in force changed."""

    OPENING = "opening"
    DECISION = "decision"
    REVERSAL = "reversal"


class Layer(StrEnum):
    """Kind of limit account. Base and temporary grant; ceiling, segment and group bound; insured cover comes from its file."""

    BASE = "base"
    TEMPORARY = "temporary"
    GROUP = "group"
    SEGMENT = "segment"
    INSURED = "insured"
    CEILING = "ceiling"


class Verdict(StrEnum):
    """What an approver answered."""

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"
    COUNTER = "counter"


class ReasonCode(StrEnum):
    """Why a proposal was rejected or returned; the text beside it says the rest."""

    RISK_TOO_HIGH = "risk_too_high"
    NOT_JUSTIFIED = "not_justified"
    OVERDUE = "overdue"
    DATA_DOUBTED = "data_doubted"
    INFORMATION_MISSING = "information_missing"
    OTHER = "other"


class ConditionKind(StrEnum):
    """What an approval may wait for."""

    GUARANTEE_RECEIVED = "guarantee_received"
    OVERDUE_PAID = "overdue_paid"
    ACCOUNTS_SENT = "accounts_sent"
    OTHER = "other"


class ConditionState(StrEnum):
    """Life of an approval's condition."""

    OPEN = "open"
    MET = "met"
    LAPSED = "lapsed"


class FindingState(StrEnum):
    """Life of a finding: its owner remedies it, somebody else closes it; either may be undone (open again)."""

    OPEN = "open"
    REMEDIED = "remedied"
    CLOSED = "closed"


class ClosedAs(StrEnum):
    """What finding the same exception again does to a closed one: corrected, it is open again; past, it happened and stays closed."""

    CORRECTED = "corrected"
    PAST = "past"


class AdverseClass(StrEnum):
    """What a reduction or a refusal is to the customer, in the words of the rules on adverse action."""

    ADVERSE = "adverse"
    DELINQUENCY = "delinquency"
    INACTIVITY = "inactivity"
    AGREED = "agreed"
    WHOLE_CLASS = "whole_class"
    NOT_APPLICABLE = "not_applicable"


class Unwelcome(StrEnum):
    """What was decided against a customer: less than he had, or less than was asked for him."""

    REDUCTION = "reduction"
    REFUSAL = "refusal"


class Assurance(StrEnum):
    """How sure we are that the person himself decides, weakest first."""

    CLICK = "click"
    TYPED = "typed"
    SIGNED_IN = "signed_in"


class Right(StrEnum):
    """Rights a person may be given beside his part in approvals."""

    READ_LIMITS = "read_limits"
    REQUEST_LIMITS = "request_limits"


class Asked(StrEnum):
    """Why a proposal was put before a person."""

    TIER = "tier"
    DELEGATE = "delegate"
    ESCALATION = "escalation"


class CreditStatus(StrEnum):
    """A customer's class as source or file states it; policy has one rule for each."""

    ACTIVE = "active"
    PREPAYMENT = "prepayment"
    BLOCKED = "blocked"
    LEGAL = "legal"
    INSOLVENT = "insolvent"
    INTERCOMPANY = "intercompany"
    ONE_OFF = "one_off"
    DORMANT = "dormant"
    NEW = "new"


class DocumentKind(StrEnum):
    """Kinds of ledger document. Invoices and deliveries raise exposure; credits and cash lower it."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    PAYMENT = "payment"
    ON_ACCOUNT = "on_account"
    NOTE = "note"
    ORDER = "order"
    DELIVERY = "delivery"


class Severity(StrEnum):
    """What a failed expectation does: stops the dataset, quarantines its rows, or is reported."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class ModelKind(StrEnum):
    """What a model of the inventory is for: a scorecard decides with policy, a challenger runs beside it and decides nothing."""

    SCORECARD = "scorecard"
    CHALLENGER = "challenger"


class ModelStatus(StrEnum):
    """Life of a model's version; `retired` is terminal."""

    DRAFT = "draft"
    VALIDATED = "validated"
    IN_FORCE = "in_force"
    RETIRED = "retired"


MODEL_NEXT = {
    ModelStatus.DRAFT: (ModelStatus.VALIDATED, ModelStatus.IN_FORCE, ModelStatus.RETIRED),
    ModelStatus.VALIDATED: (ModelStatus.DRAFT, ModelStatus.IN_FORCE, ModelStatus.RETIRED),
    ModelStatus.IN_FORCE: (ModelStatus.RETIRED,),
    ModelStatus.RETIRED: (),
}
"""Where a version may go. Back to draft: its validation was taken back before anybody used it. Draft to in force: where the tier allows."""


class ModelVerdict(StrEnum):
    """What a validator answered."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class DocumentOfRecord(StrEnum):
    """Governed documents that take effect only after adoption by two people."""

    POLICY = "policy"
    AUTHORITY = "authority"
    SCORECARD = "scorecard"
    MAPPING = "mapping"


class ForecastKind(StrEnum):
    """What a forecast of an account owner states."""

    PEAK = "peak"
    SALES = "sales"


class ForecastEnd(StrEnum):
    """How a forecast ended: withdrawn before its days began, or over and compared with the ledger."""

    WITHDRAWN = "withdrawn"
    OVER = "over"
