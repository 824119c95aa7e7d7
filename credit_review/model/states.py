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
    """What an approver answered. Only a member of a committee abstains; his vote is no decision until the chair closes the sitting."""

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"
    COUNTER = "counter"
    ABSTAIN = "abstain"


class Vote(StrEnum):
    """What a member of a committee did about a case: voted, or was recused from it."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"
    RECUSED = "recused"


class SittingState(StrEnum):
    """Life of a committee's sitting: called with its agenda, open for votes, closed by the chair; superseded by a newer agenda."""

    CALLED = "called"
    OPEN = "open"
    CLOSED = "closed"
    SUPERSEDED = "superseded"


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


class ExceptionKind(StrEnum):
    """What departs from policy: a limit above the engine's, terms looser than its, an emergency override, a customer excluded or put off by
    a person, a risk kept."""

    LIMIT = "limit"
    TERMS = "terms"
    EMERGENCY = "emergency"
    EXCLUSION = "exclusion"
    DEFERRAL = "deferral"
    RISK_KEPT = "risk_kept"


class ExceptionState(StrEnum):
    """Of an exception: in force, due (its end has come and the next review proposes by policy again), ended."""

    IN_FORCE = "in_force"
    DUE = "due"
    ENDED = "ended"


class ExceptionEnd(StrEnum):
    """How an exception ended: on its day, by a person, replaced by a later decision, or with its limit, which went back."""

    END_DATE = "end_date"
    BY_PERSON = "by_person"
    REPLACED = "replaced"
    REVERTED = "reverted"


class RehearsalState(StrEnum):
    """Of a rehearsal: cases drawn and not all answered, passed, failed."""

    OPEN = "open"
    PASSED = "passed"
    FAILED = "failed"


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


class LetterKind(StrEnum):
    """What a letter to a customer is about; each kind has its templates."""

    INCREASE = "increase"
    REDUCTION = "reduction"
    TERMS = "terms"
    FIRST = "first"
    TEMPORARY = "temporary"
    ENDED = "ended"


class LetterState(StrEnum):
    """States of a letter: drafted, released by a person, or dropped by one."""

    DRAFT = "draft"
    SENT = "sent"
    DROPPED = "dropped"


class ForecastKind(StrEnum):
    """What a forecast of an account owner states."""

    PEAK = "peak"
    SALES = "sales"


class ForecastEnd(StrEnum):
    """How a forecast ended: withdrawn before its days began, or over and compared with the ledger."""

    WITHDRAWN = "withdrawn"
    OVER = "over"
