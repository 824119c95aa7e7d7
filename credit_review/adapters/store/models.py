"""One table per record of `credit_review.model.records`, with every rule a database can hold by itself.

Constraints are named, so that a refusal can name the rule. `None` takes no part in foreign keys, and "no limit on file" is not a
limit of 0; so columns named `*_key` are computed by the database from nullable ones (-1 for no figure, 9999-12-31 for no end) and
foreign keys use those. Rules that need a trigger are in the migrations, for both databases.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import (
    CHAR,
    VARCHAR,
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    Dialect,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from credit_review import audit
from credit_review.authority import Carried
from credit_review.controls.alarm import Severity
from credit_review.model import records, states
from credit_review.model.money import MAX_MINOR


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time as 27 characters that sort in time order, `2026-11-23T09:00:00.123456Z`, the same text on both databases."""

    impl = CHAR(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """The text stored."""
        return None if value is None else audit.timestamp(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The time read."""
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


class Base(DeclarativeBase):
    """Tables of the store."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
        }
    )
    # text sorts by bytes on both databases, whatever the locale of the server
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it
        str: Text().with_variant(Text(collation="C"), "postgresql"),
        int: BigInteger(),
        datetime: UtcTime(),
        date: Date(),
    }


Key = Annotated[str, mapped_column(primary_key=True)]
KeyInt = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]
KeyTime = Annotated[datetime, mapped_column(primary_key=True)]
Hash = Annotated[str, mapped_column(CHAR(64))]

NO_FIGURE = -1
NO_END = "9999-12-31"


def _one_of(column: str, values: type[StrEnum] | Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _amount(column: str, *, lowest: int = 0) -> CheckConstraint:
    """An amount in minor units the audit log can carry; NULL passes."""
    return CheckConstraint(f"{column} BETWEEN {lowest} AND {MAX_MINOR}", name=f"{column}_in_range")


def _days(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} BETWEEN 0 AND 3650", name=f"{column}_in_range")


def _not_among(column: str, several: str, *, name: str) -> CheckConstraint:
    """The value is none of those joined by |; nothing like LIKE, in which _ stands for any letter."""
    return CheckConstraint(f"replace('|' || {several} || '|', '|' || {column} || '|', '') = '|' || {several} || '|'", name=name)


def _half_open(start: str, end: str) -> CheckConstraint:
    return CheckConstraint(f"{end} >= {start}", name="ends_after_start")


def _refers(columns: str, table: str, to: str = "", *, name: str | None = None) -> ForeignKeyConstraint:
    """Foreign key from the named columns to `table`'s columns (the same names unless `to` is given)."""
    return ForeignKeyConstraint(columns.split(), [f"{table}.{column}" for column in (to or columns).split()], name=name)


def _figure_key(column: str) -> Any:
    """The figure, or -1 for none; `info` computes the same for the name of a refused foreign key."""
    computed = Computed(f"coalesce({column}, {NO_FIGURE})", persisted=True)
    return mapped_column(BigInteger, computed, info={"of": lambda row: NO_FIGURE if row[column] is None else row[column]})


def _end_key(column: str) -> Any:
    """The end, or 9999-12-31 for none."""
    computed = Computed(f"coalesce({column}, '{NO_END}')", persisted=True)
    return mapped_column(Date, computed, info={"of": lambda row: row[column] or date.fromisoformat(NO_END)})


# --- people, documents, identities --------------------------------------------------------------------------------------------------


class Person(Base):
    """Directory of people."""

    __tablename__ = "person"
    person_id: Mapped[Key]
    name: Mapped[str]
    email: Mapped[str]
    active: Mapped[bool]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (_half_open("valid_from", "valid_to"),)


class PersonAccount(Base):
    """Accounts that authenticate people."""

    __tablename__ = "person_account"
    kind: Mapped[Key]
    account: Mapped[Key]
    person_id: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (_one_of("kind", ("os", "slack", "token", "sso", "demo")), _half_open("valid_from", "valid_to"))


class PersonPreference(Base):
    """Language, formats, time zone and working days of people."""

    __tablename__ = "person_preference"
    person_id: Mapped[Key]
    language: Mapped[str]
    locale: Mapped[str]
    time_zone: Mapped[str]
    calendar: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (_half_open("valid_from", "valid_to"),)


class Absence(Base):
    """Who is out of office when."""

    __tablename__ = "absence"
    absence_id: Mapped[Key]
    person_id: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (_half_open("valid_from", "valid_to"),)


class AccessRight(Base):
    """Who may see or ask for limits."""

    __tablename__ = "access_right"
    person_id: Mapped[Key]
    access: Mapped[Key]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (_one_of("access", states.Right), _half_open("valid_from", "valid_to"))


class ConflictOfInterest(Base):
    """Declared conflicts of interest."""

    __tablename__ = "conflict_of_interest"
    person_id: Mapped[Key]
    customer_id: Mapped[Key]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (
        _half_open("valid_from", "valid_to"),
        Index("ix_conflict_of_interest_customer_id", "customer_id"),
    )


class Delegation(Base):
    """Who may decide on behalf of whom."""

    __tablename__ = "delegation"
    delegation_id: Mapped[Key]
    principal_id: Mapped[str]
    delegate_id: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    recorded_by: Mapped[str]
    __table_args__ = (
        CheckConstraint("principal_id <> delegate_id", name="not_to_oneself"),
        _half_open("valid_from", "valid_to"),
    )


class GovernedDocument(Base):
    """Policies, matrices, scorecards and mappings by content."""

    __tablename__ = "governed_document"
    digest: Mapped[Key]
    kind: Mapped[str]
    name: Mapped[str]
    content: Mapped[str]
    author_id: Mapped[str]
    submitted_at: Mapped[datetime]
    adopted_at: Mapped[datetime | None]
    __table_args__ = (_one_of("kind", states.DocumentOfRecord),)


class Adoption(Base):
    """Who adopted which document."""

    __tablename__ = "adoption"
    digest: Mapped[Key]
    person_id: Mapped[Key]
    at: Mapped[datetime]
    __table_args__ = (_refers("digest", "governed_document"),)


class PolicyChangeRequest(Base):
    """Policy changes that were computed and put before people; insert-only."""

    __tablename__ = "policy_change_request"
    request_id: Mapped[Key]
    old_digest: Mapped[str]
    new_digest: Mapped[str]
    reviews: Mapped[str]
    report_digest: Mapped[Hash]
    list_digest: Mapped[Hash]
    figures_digest: Mapped[Hash]
    reason: Mapped[str]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("requested_by <> ''", name="by_somebody"),
        CheckConstraint("reason <> ''", name="says_why"),
        CheckConstraint("old_digest <> new_digest", name="changes_something"),
        CheckConstraint("reviews <> ''", name="on_a_review"),
        _refers("old_digest", "governed_document", "digest", name="fk_policy_change_request_old"),
        _refers("new_digest", "governed_document", "digest", name="fk_policy_change_request_new"),
    )


class ModelVersion(Base):
    """The model inventory: at most one version of a model in force without an end."""

    __tablename__ = "model_version"
    digest: Mapped[Key]
    model_id: Mapped[str]
    version: Mapped[int]
    kind: Mapped[str]
    status: Mapped[str]
    title: Mapped[str]
    owner_id: Mapped[str]
    tier: Mapped[int]
    purpose: Mapped[str]
    data: Mapped[str]
    limits_of_use: Mapped[str]
    developers: Mapped[str]
    card_digest: Mapped[str]
    registered_by: Mapped[str]
    registered_at: Mapped[datetime]
    validated_by: Mapped[str]
    validated_at: Mapped[datetime | None]
    report_digest: Mapped[str]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    retired_by: Mapped[str]
    retired_at: Mapped[datetime | None]
    retired_reason: Mapped[str]
    signature: Mapped[str]
    __table_args__ = (
        _one_of("kind", states.ModelKind),
        _one_of("status", states.ModelStatus),
        CheckConstraint("tier BETWEEN 1 AND 3", name="tier_in_range"),
        CheckConstraint("version >= 1", name="version_in_range"),
        CheckConstraint("developers <> ''", name="has_a_developer"),
        CheckConstraint(
            "(validated_by = '') = (report_digest = '') AND (validated_by = '') = (validated_at IS NULL)", name="validation_whole"
        ),
        CheckConstraint(
            "validated_by <> '' OR status IN ('draft', 'retired') OR (status = 'in_force' AND tier > 1)", name="validated_before_use"
        ),
        CheckConstraint("status <> 'in_force' OR valid_from IS NOT NULL", name="in_force_from_a_day"),
        CheckConstraint("(status = 'retired') = (retired_at IS NOT NULL)", name="retired_by_somebody"),
        _not_among("validated_by", "developers", name="validated_by_another"),
        _half_open("valid_from", "valid_to"),
        UniqueConstraint("model_id", "version", name="one_model_version"),
        UniqueConstraint("digest", "developers", name="model_and_developers"),
        Index(
            "one_model_in_force",
            "model_id",
            unique=True,
            sqlite_where=text("status = 'in_force' AND valid_to IS NULL"),
            postgresql_where=text("status = 'in_force' AND valid_to IS NULL"),
        ),
    )


class ModelValidation(Base):
    """Validators' answers. The developers are copied so that the CHECK on them cannot be fooled."""

    __tablename__ = "model_validation"
    digest: Mapped[Key]
    person_id: Mapped[Key]
    at: Mapped[KeyTime]
    developers: Mapped[str]
    verdict: Mapped[str]
    authority: Mapped[str]
    report_digest: Mapped[Hash]
    comment: Mapped[str]
    __table_args__ = (
        _one_of("verdict", states.ModelVerdict),
        CheckConstraint("person_id <> ''", name="by_somebody"),
        CheckConstraint("comment <> ''", name="says_why"),
        _not_among("person_id", "developers", name="validator_is_no_developer"),
        _refers("digest developers", "model_version", name="fk_model_validation_model"),
    )


class CustomerAlias(Base):
    """Source numbers of our customers."""

    __tablename__ = "customer_alias"
    source: Mapped[Key]
    legal_entity: Mapped[Key]
    source_number: Mapped[Key]
    customer_id: Mapped[str]
    decided_by: Mapped[str]
    evidence: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (Index("ix_customer_alias_customer_id", "customer_id"), _half_open("valid_from", "valid_to"))


class GroupMembership(Base):
    """Ultimate parents of customers."""

    __tablename__ = "group_membership"
    customer_id: Mapped[Key]
    group_id: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (Index("ix_group_membership_group_id", "group_id"), _half_open("valid_from", "valid_to"))


class Rate(Base):
    """Dated exchange rates."""

    __tablename__ = "rate"
    base: Mapped[Key]
    quote: Mapped[Key]
    rate: Mapped[str]
    source: Mapped[str]
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (_half_open("valid_from", "valid_to"),)


# --- reviews ------------------------------------------------------------------------------------------------------------------------


class Review(Base):
    """Reviews; at most one live for a scope and an as-of date."""

    __tablename__ = "review"
    review_id: Mapped[Key]
    label: Mapped[str]
    kind: Mapped[str]
    scope: Mapped[str]
    as_of: Mapped[date]
    attempt: Mapped[int]
    state: Mapped[str]
    last_good_state: Mapped[str]
    failure: Mapped[str]
    manifest_digest: Mapped[str]
    manifest_json: Mapped[str]
    started_by: Mapped[str]
    started_at: Mapped[datetime]
    supersede_reason: Mapped[str]
    hold: Mapped[str]
    hold_released_by: Mapped[str]
    closed_by: Mapped[str]
    closed_at: Mapped[datetime | None]
    __table_args__ = (
        _one_of("kind", states.ReviewKind),
        _one_of("state", states.ReviewState),
        _one_of("last_good_state", ("", *states.ReviewState)),
        Index(
            "one_live_review",
            "scope",
            "as_of",
            unique=True,
            sqlite_where=text("state <> 'superseded'"),
            postgresql_where=text("state <> 'superseded'"),
        ),
    )


class ReviewBatch(Base):
    """Stored bucket results."""

    __tablename__ = "review_batch"
    review_id: Mapped[Key]
    stage: Mapped[Key]
    bucket: Mapped[KeyInt]
    path: Mapped[str]
    sha256: Mapped[str]
    root: Mapped[str]
    counts_json: Mapped[str]
    __table_args__ = (_refers("review_id", "review"),)


class Deferral(Base):
    """Customers put off."""

    __tablename__ = "deferral"
    deferral_id: Mapped[Key]
    customer_id: Mapped[str]
    review_id: Mapped[str]
    owner_id: Mapped[str]
    until: Mapped[date]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]
    __table_args__ = (_refers("review_id", "review"), Index("ix_deferral_customer_id", "customer_id"))


class Exclusion(Base):
    """Customers excluded by rule."""

    __tablename__ = "exclusion"
    exclusion_id: Mapped[Key]
    customer_id: Mapped[str]
    review_id: Mapped[str]
    rule: Mapped[str]
    owner_id: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    reason: Mapped[str]
    recorded_at: Mapped[KeyTime]
    __table_args__ = (
        _refers("review_id", "review"),
        Index("ix_exclusion_customer_id", "customer_id"),
        _half_open("valid_from", "valid_to"),
    )


# --- limits -------------------------------------------------------------------------------------------------------------------------


class LimitAccount(Base):
    """What limits belong to."""

    __tablename__ = "limit_account"
    account_id: Mapped[Key]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    legal_entity: Mapped[str]
    layer: Mapped[str]
    currency: Mapped[str]
    __table_args__ = (
        _one_of("subject_kind", ("customer", "group")),
        _one_of("layer", states.Layer),
        UniqueConstraint("subject_kind", "subject_id", "legal_entity", "layer", "currency", name="one_account"),
        UniqueConstraint("account_id", "currency"),
    )


_OPEN = ", ".join(f"'{state}'" for state in states.OPEN_PROPOSAL_STATES)


class Proposal(Base):
    """Proposed limits; at most one open an account."""

    __tablename__ = "limit_proposal"
    proposal_id: Mapped[Key]
    review_id: Mapped[str]
    account_id: Mapped[str]
    customer_id: Mapped[str]
    group_id: Mapped[str]
    proposer_id: Mapped[str]
    state: Mapped[str]
    direction: Mapped[str]
    currency: Mapped[str]
    from_minor: Mapped[int | None]
    to_minor: Mapped[int]
    engine_minor: Mapped[int | None]
    from_terms_days: Mapped[int | None]
    terms_days: Mapped[int | None]
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    base_version: Mapped[int]
    grade: Mapped[str]
    region: Mapped[str]
    exposure_minor: Mapped[int]
    own_risk_minor: Mapped[int]
    exceptional: Mapped[str]
    straight_through_rule: Mapped[str]
    assigned_to: Mapped[str]
    tier: Mapped[str]
    required_approvals: Mapped[int]
    packet_json: Mapped[str]
    digest: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    outcome_code: Mapped[str]
    supersedes_id: Mapped[str | None]
    policy_digest: Mapped[str]
    authority_digest: Mapped[str]
    terms_key: Mapped[int] = _figure_key("terms_days")
    until_key: Mapped[date] = _end_key("effective_to")
    __table_args__ = (
        _one_of("state", states.ProposalState),
        _one_of("direction", states.Direction),
        _amount("from_minor"),
        _amount("to_minor"),
        _amount("engine_minor"),
        _days("terms_days"),
        _half_open("effective_from", "effective_to"),
        CheckConstraint("base_version >= 0", name="base_version_in_range"),
        CheckConstraint("required_approvals >= 0", name="required_approvals_in_range"),
        CheckConstraint("supersedes_id <> proposal_id", name="not_its_own_successor"),
        _refers("review_id", "review"),
        _refers("account_id currency", "limit_account", name="fk_limit_proposal_account_currency"),
        _refers("supersedes_id", "limit_proposal", "proposal_id", name="fk_limit_proposal_supersedes"),
        UniqueConstraint("proposal_id", "proposer_id", name="proposal_and_proposer"),
        UniqueConstraint("proposal_id", "digest", name="proposal_and_digest"),
        UniqueConstraint("proposal_id", "account_id", "to_minor", "terms_key", "until_key", name="proposal_and_content"),
        Index(
            "one_open_proposal",
            "account_id",
            unique=True,
            sqlite_where=text(f"state IN ({_OPEN})"),
            postgresql_where=text(f"state IN ({_OPEN})"),
        ),
        Index("ix_limit_proposal_review_id_state", "review_id", "state"),
        Index("ix_limit_proposal_state", "state"),
        Index("ix_limit_proposal_account_id_state", "account_id", "state"),
        Index("ix_limit_proposal_customer_id", "customer_id"),
        Index("ix_limit_proposal_group_id", "group_id"),
        Index("ix_limit_proposal_supersedes_id", "supersedes_id"),
    )


class Maker(Base):
    """People who touched a proposal. A trigger keeps them from being its approvers."""

    __tablename__ = "proposal_maker"
    proposal_id: Mapped[Key]
    person_id: Mapped[Key]
    how: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (_refers("proposal_id", "limit_proposal"),)


class ApprovalCondition(Base):
    """What approved limits wait for."""

    __tablename__ = "approval_condition"
    condition_id: Mapped[Key]
    proposal_id: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str]
    due: Mapped[date]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    state: Mapped[str]
    settled_by: Mapped[str]
    settled_at: Mapped[datetime | None]
    evidence: Mapped[str]
    evidence_sha256: Mapped[str]
    __table_args__ = (
        _one_of("kind", states.ConditionKind),
        _one_of("state", states.ConditionState),
        CheckConstraint("asked_by <> settled_by", name="confirmed_by_another"),
        CheckConstraint("(state = 'open') = (settled_by = '')", name="settled_by_somebody"),
        _refers("proposal_id", "limit_proposal"),
        Index("ix_approval_condition_proposal_id", "proposal_id"),
    )


class Addressee(Base):
    """Whom pending proposals were put before."""

    __tablename__ = "addressee"
    proposal_id: Mapped[Key]
    person_id: Mapped[Key]
    review_id: Mapped[str]
    why: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        _one_of("why", states.Asked),
        _refers("proposal_id", "limit_proposal"),
        Index("ix_addressee_person_id_review_id", "person_id", "review_id"),
    )


class StepUpLink(Base):
    """Single-use links to the page outside Slack; the token itself is not kept."""

    __tablename__ = "step_up_link"
    token_sha256: Mapped[Key]
    proposal_id: Mapped[str]
    person_id: Mapped[str]
    digest: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    __table_args__ = (_refers("proposal_id", "limit_proposal"),)


class Note(Base):
    """Comments, amendment reasons and attached files of proposals."""

    __tablename__ = "proposal_note"
    note_id: Mapped[Key]
    proposal_id: Mapped[str]
    person_id: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str]
    sha256: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        _one_of("kind", ("comment", "amendment", "attachment", "question")),
        _refers("proposal_id", "limit_proposal"),
        Index("ix_proposal_note_proposal_id", "proposal_id"),
    )


class Decision(Base):
    """Approvers' answers. The proposer is copied so that the CHECK on it cannot be fooled."""

    __tablename__ = "approval_decision"
    proposal_id: Mapped[Key]
    approver_id: Mapped[Key]
    on_behalf_of: Mapped[str | None]
    proposer_id: Mapped[str]
    verdict: Mapped[str]
    digest: Mapped[str]
    tier: Mapped[str]
    reason: Mapped[str]
    channel: Mapped[str]
    delivery_key: Mapped[str]
    at: Mapped[datetime]
    reason_code: Mapped[str] = mapped_column(server_default=text("''"))
    assurance: Mapped[str] = mapped_column(server_default=text("''"))
    __table_args__ = (
        _one_of("verdict", [v for v in states.Verdict if v != states.Verdict.ABSTAIN]),
        CheckConstraint("approver_id <> proposer_id", name="approver_is_not_proposer"),
        CheckConstraint("on_behalf_of <> proposer_id", name="principal_is_not_proposer"),
        CheckConstraint("on_behalf_of <> approver_id", name="not_on_behalf_of_oneself"),
        _refers("proposal_id proposer_id", "limit_proposal", name="fk_approval_decision_proposer"),
        _refers("proposal_id digest", "limit_proposal", name="fk_approval_decision_digest"),
        UniqueConstraint("delivery_key", name="one_decision_per_delivery"),
    )


class CommitteeSitting(Base):
    """Sittings of committees: called with an agenda pack, open, closed by the chair. One a committee that is called or open."""

    __tablename__ = "committee_sitting"
    sitting_id: Mapped[Key]
    committee: Mapped[str]
    state: Mapped[str]
    sits_on: Mapped[date]
    pack_digest: Mapped[Hash]
    called_by: Mapped[str]
    called_at: Mapped[datetime]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime | None]
    closed_by: Mapped[str]
    closed_at: Mapped[datetime | None]
    __table_args__ = (
        _one_of("state", states.SittingState),
        CheckConstraint("(opened_at IS NULL) = (opened_by = '')", name="opened_by_somebody"),
        CheckConstraint("(closed_at IS NULL) = (closed_by = '')", name="closed_by_somebody"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_has_a_time"),
        Index(
            "uq_committee_sitting_one_at_a_time",
            "committee",
            unique=True,
            sqlite_where=text("state IN ('called', 'open')"),
            postgresql_where=text("state IN ('called', 'open')"),
        ),
    )


class CommitteeCase(Base):
    """Cases of a sitting's agenda, and what the sitting made of them."""

    __tablename__ = "committee_case"
    sitting_id: Mapped[Key]
    proposal_id: Mapped[Key]
    digest: Mapped[str]
    outcome: Mapped[str]
    tally_json: Mapped[str]
    __table_args__ = (
        _one_of("outcome", ("", *Carried)),
        CheckConstraint("(outcome = '') = (tally_json = '')", name="outcome_says_why"),
        _refers("sitting_id", "committee_sitting"),
        _refers("proposal_id", "limit_proposal"),
        Index("ix_committee_case_proposal_id", "proposal_id"),
    )


class CommitteeAttendance(Base):
    """Who came to a sitting, person by person."""

    __tablename__ = "committee_attendance"
    sitting_id: Mapped[Key]
    person_id: Mapped[Key]
    noted_by: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (_refers("sitting_id", "committee_sitting"),)


class CommitteeVote(Base):
    """What each member last said to a case while the sitting was open."""

    __tablename__ = "committee_vote"
    sitting_id: Mapped[Key]
    proposal_id: Mapped[Key]
    person_id: Mapped[Key]
    vote: Mapped[str]
    reason: Mapped[str]
    digest: Mapped[str]
    channel: Mapped[str]
    assurance: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        _one_of("vote", states.Vote),
        CheckConstraint("vote = 'approve' OR reason <> ''", name="says_why"),
        _refers("sitting_id proposal_id", "committee_case"),
        _refers("sitting_id person_id", "committee_attendance"),
    )


class LimitChange(Base):
    """Applied changes: gapless versions an account, each starting from the figures the one before left."""

    __tablename__ = "limit_change"
    change_id: Mapped[Key]
    account_id: Mapped[str]
    version: Mapped[int]
    kind: Mapped[str]
    proposal_id: Mapped[str | None]
    reverses_id: Mapped[str | None]
    snapshot_digest: Mapped[str | None]
    old_minor: Mapped[int | None]
    new_minor: Mapped[int | None]
    old_terms_days: Mapped[int | None]
    new_terms_days: Mapped[int | None]
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    applied_by: Mapped[str]
    applied_at: Mapped[datetime]
    prior_version: Mapped[int | None] = mapped_column(
        BigInteger,
        Computed("CASE WHEN version > 1 THEN version - 1 END", persisted=True),
        info={"of": lambda row: row["version"] - 1 if row["version"] > 1 else None},
    )
    old_key: Mapped[int] = _figure_key("old_minor")
    new_key: Mapped[int] = _figure_key("new_minor")
    old_terms_key: Mapped[int] = _figure_key("old_terms_days")
    terms_key: Mapped[int] = _figure_key("new_terms_days")
    until_key: Mapped[date] = _end_key("effective_to")
    __table_args__ = (
        _one_of("kind", states.ChangeKind),
        _amount("new_minor"),
        _days("new_terms_days"),
        _half_open("effective_from", "effective_to"),
        CheckConstraint("version >= 1", name="version_in_range"),
        CheckConstraint("version > 1 OR (old_minor IS NULL AND old_terms_days IS NULL)", name="first_starts_from_nothing"),
        CheckConstraint(
            "kind <> 'opening' OR (version = 1 AND proposal_id IS NULL AND reverses_id IS NULL AND snapshot_digest IS NOT NULL)",
            name="opening_comes_from_a_snapshot",
        ),
        CheckConstraint(
            "kind <> 'decision' OR (proposal_id IS NOT NULL AND reverses_id IS NULL AND snapshot_digest IS NULL AND new_minor IS NOT NULL)",
            name="decision_has_a_proposal",
        ),
        CheckConstraint(
            "kind <> 'reversal' OR (reverses_id IS NOT NULL AND proposal_id IS NULL AND snapshot_digest IS NULL AND version > 1)",
            name="reversal_names_a_change",
        ),
        UniqueConstraint("account_id", "version", name="one_change_per_version"),
        UniqueConstraint("proposal_id", name="one_change_per_proposal"),
        UniqueConstraint("reverses_id", name="one_reversal_per_change"),
        UniqueConstraint("change_id", "account_id", name="change_and_account"),
        UniqueConstraint("account_id", "version", "new_key", "terms_key", name="version_and_figures"),
        UniqueConstraint("account_id", "version", "new_key", "terms_key", "until_key", name="version_and_content"),
        _refers("account_id", "limit_account"),
        _refers(
            "proposal_id account_id new_minor terms_key until_key",
            "limit_proposal",
            "proposal_id account_id to_minor terms_key until_key",
            name="fk_limit_change_approved_content",
        ),
        _refers("reverses_id account_id", "limit_change", "change_id account_id", name="fk_limit_change_reverses"),
        _refers(
            "account_id prior_version old_key old_terms_key",
            "limit_change",
            "account_id version new_key terms_key",
            name="fk_limit_change_follows_the_one_before",
        ),
    )


class SeasonsEnded(Base):
    """Recurring limits that recur no more; insert-only."""

    __tablename__ = "seasons_ended"
    change_id: Mapped[Key]
    from_day: Mapped[date]
    ended_by: Mapped[str]
    reason: Mapped[str]
    ended_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("ended_by <> ''", name="by_somebody"),
        CheckConstraint("reason <> ''", name="says_why"),
        _refers("change_id", "limit_change"),
    )


class CreditLimit(Base):
    """Limits in force: exactly the figures of an applied change, so a stray edit is refused."""

    __tablename__ = "credit_limit"
    account_id: Mapped[Key]
    version: Mapped[int]
    amount_minor: Mapped[int | None]
    terms_days: Mapped[int | None]
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    amount_key: Mapped[int] = _figure_key("amount_minor")
    terms_key: Mapped[int] = _figure_key("terms_days")
    until_key: Mapped[date] = _end_key("effective_to")
    __table_args__ = (
        _refers("account_id", "limit_account"),
        _refers(
            "account_id version amount_key terms_key until_key",
            "limit_change",
            "account_id version new_key terms_key until_key",
            name="fk_credit_limit_applied_change",
        ),
    )


class RiskKept(Base):
    """Reductions that did not happen."""

    __tablename__ = "risk_kept"
    proposal_id: Mapped[Key]
    review_id: Mapped[str]
    customer_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    cause: Mapped[str]
    raised_at: Mapped[datetime]
    decided_by: Mapped[str]
    reason: Mapped[str]
    until: Mapped[date | None]
    decided_at: Mapped[datetime | None]
    __table_args__ = (
        _refers("proposal_id", "limit_proposal"),
        _refers("review_id", "review"),
        Index("ix_risk_kept_review_id", "review_id"),
    )


class PolicyException(Base):
    """Standing departures from policy."""

    __tablename__ = "policy_exception"
    exception_id: Mapped[Key]
    kind: Mapped[str]
    source: Mapped[str]
    proposal_id: Mapped[str]
    customer_id: Mapped[str]
    account_id: Mapped[str]
    currency: Mapped[str]
    policy_minor: Mapped[int | None]
    granted_minor: Mapped[int | None]
    policy_terms_days: Mapped[int | None]
    granted_terms_days: Mapped[int | None]
    owner_id: Mapped[str]
    reason: Mapped[str]
    starts: Mapped[date]
    ends: Mapped[date | None]
    began_at: Mapped[datetime]
    renews_id: Mapped[str]
    state: Mapped[str]
    due_on: Mapped[date | None]
    due_at: Mapped[datetime | None]
    how: Mapped[str]
    ended_by: Mapped[str]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        _one_of("kind", states.ExceptionKind),
        _one_of("state", states.ExceptionState),
        _one_of("how", ("", *states.ExceptionEnd)),
        _half_open("starts", "ends"),
        CheckConstraint("(state = 'ended') = (how <> '') AND (state = 'ended') = (ended_by <> '')", name="ended_somehow"),
        CheckConstraint("(due_on IS NULL) = (due_at IS NULL)", name="due_at_a_moment"),
        CheckConstraint("reason <> '' AND owner_id <> ''", name="has_owner_and_reason"),
        _refers("account_id", "limit_account"),
        UniqueConstraint("kind", "source", name="one_exception_a_source"),
        Index("ix_policy_exception_state_ends", "state", "ends"),
        Index("ix_policy_exception_account_id", "account_id"),
        Index("ix_policy_exception_customer_id", "customer_id"),
    )


class Rehearsal(Base):
    """Rehearsals of approvers, and the passes they earned."""

    __tablename__ = "rehearsal"
    rehearsal_id: Mapped[Key]
    person_id: Mapped[str]
    review_id: Mapped[str]
    seed: Mapped[str]
    cases: Mapped[int]
    case_days: Mapped[int]
    drawn_at: Mapped[datetime]
    state: Mapped[str]
    seeded: Mapped[int]
    caught: Mapped[int]
    false_alarms: Mapped[int]
    answers_digest: Mapped[str]
    answered_at: Mapped[datetime | None]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    lapsed_at: Mapped[datetime | None]
    __table_args__ = (
        _one_of("state", states.RehearsalState),
        _refers("review_id", "review"),
        CheckConstraint("(state = 'open') = (answered_at IS NULL) AND (state = 'open') = (answers_digest = '')", name="answered_or_open"),
        CheckConstraint("(state = 'passed') = (valid_until IS NOT NULL)", name="only_a_pass_holds"),
        CheckConstraint("(valid_from IS NULL) = (valid_until IS NULL)", name="holds_from_and_until"),
        CheckConstraint("caught <= seeded AND seeded + false_alarms <= cases", name="counts_fit"),
        UniqueConstraint("seed", name="one_seed_once"),
        Index("ix_rehearsal_person_id", "person_id"),
        Index(
            "one_open_rehearsal", "person_id", unique=True,
            sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'"),
        ),
    )  # fmt: skip


class ErpDifference(Base):
    """Limits in the ERP that are not ours."""

    __tablename__ = "erp_difference"
    difference_id: Mapped[Key]
    account_id: Mapped[str]
    found_minor: Mapped[int | None]
    expected_minor: Mapped[int | None]
    found_terms_days: Mapped[int | None]
    expected_terms_days: Mapped[int | None]
    found_at: Mapped[datetime]
    owner_id: Mapped[str]
    settled_at: Mapped[datetime | None]
    reason: Mapped[str]
    __table_args__ = (_refers("account_id", "limit_account"), Index("ix_erp_difference_account_id", "account_id"))


class Finding(Base):
    """Exceptions that controls, samples or people found."""

    __tablename__ = "finding"
    finding_id: Mapped[Key]
    alarm_key: Mapped[Hash]
    control: Mapped[str]
    subject: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str]
    owner_id: Mapped[str]
    about: Mapped[str]
    due: Mapped[date]
    facts_json: Mapped[str]
    text: Mapped[str]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    assigned_at: Mapped[datetime]
    remedy: Mapped[str]
    evidence: Mapped[str]
    remedied_by: Mapped[str]
    remedied_at: Mapped[datetime | None]
    closing: Mapped[str]
    closed_as: Mapped[str]
    closed_by: Mapped[str]
    closed_at: Mapped[datetime | None]
    times_reopened: Mapped[int]
    __table_args__ = (
        _one_of("severity", Severity),
        _one_of("state", states.FindingState),
        _one_of("closed_as", ("", *states.ClosedAs)),
        CheckConstraint("(state = 'open') = (remedied_by = '')", name="remedied_by_somebody"),
        CheckConstraint("(state = 'closed') = (closed_by <> '') AND (state = 'closed') = (closed_as <> '')", name="closed_by_somebody"),
        CheckConstraint("closed_by = '' OR (closed_by <> owner_id AND closed_by <> remedied_by)", name="closed_by_another"),
        UniqueConstraint("alarm_key", name="one_finding_per_exception"),
        Index("ix_finding_state_due", "state", "due"),
    )


class AdverseAction(Base):
    """What reductions and refusals are to the customer, as a person confirmed it, and the notices about them."""

    __tablename__ = "adverse_action"
    proposal_id: Mapped[Key]
    kind: Mapped[str]
    profile: Mapped[str]
    suggested: Mapped[str]
    classified: Mapped[str]
    reason: Mapped[str]
    reasons_json: Mapped[str]
    confirmed_by: Mapped[str]
    confirmed_at: Mapped[datetime]
    notice_due: Mapped[date | None]
    notified_on: Mapped[date | None]
    notified_by: Mapped[str]
    letter_sha256: Mapped[str]
    asked_on: Mapped[date | None]
    reasons_due: Mapped[date | None]
    reasons_given_on: Mapped[date | None]
    retain_until: Mapped[date | None]
    __table_args__ = (
        _refers("proposal_id", "limit_proposal"),
        _one_of("kind", states.Unwelcome),
        _one_of("suggested", states.AdverseClass),
        _one_of("classified", states.AdverseClass),
        CheckConstraint("(notified_on IS NULL) = (notified_by = '')", name="notified_by_somebody"),
        CheckConstraint("(asked_on IS NULL) = (reasons_due IS NULL)", name="reasons_have_a_day"),
        CheckConstraint("reasons_given_on IS NULL OR asked_on IS NOT NULL", name="reasons_were_asked"),
        Index("ix_adverse_action_notice_due", "notice_due"),
    )


class CustomerLetter(Base):
    """Letters to customers about applied changes, and what became of each."""

    __tablename__ = "customer_letter"
    letter_id: Mapped[Key]
    change_id: Mapped[str]
    customer_id: Mapped[str]
    kind: Mapped[str]
    language: Mapped[str]
    file: Mapped[str]
    sha256: Mapped[str]
    state: Mapped[str]
    drafted_at: Mapped[datetime]
    settled_by: Mapped[str]
    settled_at: Mapped[datetime | None]
    reason: Mapped[str]
    __table_args__ = (
        _refers("change_id", "limit_change"),
        _one_of("kind", states.LetterKind),
        _one_of("state", states.LetterState),
        CheckConstraint("(state = 'draft') = (settled_by = '')", name="settled_by_somebody"),
        CheckConstraint("(state = 'draft') = (settled_at IS NULL)", name="settled_at_a_moment"),
        CheckConstraint("state <> 'dropped' OR reason <> ''", name="dropped_for_a_reason"),
        UniqueConstraint("change_id", name="one_letter_per_change"),
    )


# --- forecasts of account owners ----------------------------------------------------------------------------------------------------


class Forecast(Base):
    """What account owners expect customers to owe or to buy in a while; insert-only."""

    __tablename__ = "forecast"
    forecast_id: Mapped[Key]
    customer_id: Mapped[str]
    owner_id: Mapped[str]
    kind: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    terms_days: Mapped[int | None]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    reason: Mapped[str]
    source: Mapped[str]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]
    __table_args__ = (
        _one_of("kind", states.ForecastKind),
        _amount("amount_minor", lowest=1),
        _days("terms_days"),
        _half_open("valid_from", "valid_to"),
        CheckConstraint("(kind = 'sales') = (terms_days IS NOT NULL)", name="sales_have_terms"),
        CheckConstraint("owner_id <> '' AND recorded_by <> ''", name="by_somebody"),
        CheckConstraint("reason <> ''", name="says_why"),
        Index("ix_forecast_customer_id", "customer_id"),
    )


class ForecastOutcome(Base):
    """How each forecast ended, once; insert-only."""

    __tablename__ = "forecast_outcome"
    forecast_id: Mapped[Key]
    kind: Mapped[str]
    actual_minor: Mapped[int | None]
    review_id: Mapped[str | None]
    ended_by: Mapped[str]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]
    __table_args__ = (
        _one_of("kind", states.ForecastEnd),
        _amount("actual_minor"),
        CheckConstraint("(kind = 'over') = (actual_minor IS NOT NULL AND review_id IS NOT NULL)", name="over_by_a_ledger"),
        CheckConstraint("kind <> 'withdrawn' OR reason <> ''", name="withdrawn_says_why"),
        _refers("forecast_id", "forecast"),
        _refers("review_id", "review"),
    )


# --- messages in and out ------------------------------------------------------------------------------------------------------------


class InboxEntry(Base):
    """Interactions handled once."""

    __tablename__ = "inbox"
    delivery_key: Mapped[Key]
    outcome_json: Mapped[str]
    at: Mapped[datetime]


class OutboxEntry(Base):
    """Effects owed to the outside."""

    __tablename__ = "outbox"
    outbox_id: Mapped[Key]
    kind: Mapped[str]
    dedup_key: Mapped[str]
    payload_json: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    not_before: Mapped[datetime]
    leased_by: Mapped[str]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str]
    confirmed_json: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        _one_of("kind", ("apply", "erp", "slack_post", "slack_update", "tell_owner", "orders", "order_list", "letter")),
        _one_of("state", states.OutboxState),
        UniqueConstraint("dedup_key", name="one_effect_per_dedup_key"),
        Index("ix_outbox_state_not_before", "state", "not_before"),
    )


class SlackMessage(Base):
    """Where our messages stand."""

    __tablename__ = "slack_message"
    subject: Mapped[Key]
    address: Mapped[Key]
    channel: Mapped[str]
    ts: Mapped[str]
    shown_digest: Mapped[str]


class SlackTurn(Base):
    """When each address was last sent a message: the rate holds for all processes together."""

    __tablename__ = "slack_turn"
    address: Mapped[Key]
    taken_at: Mapped[datetime]


class PacketOpening(Base):
    """Who first opened which packet when: coaching figures, nothing else."""

    __tablename__ = "packet_opening"
    proposal_id: Mapped[Key]
    person_id: Mapped[Key]
    opened_at: Mapped[datetime]
    __table_args__ = (_refers("proposal_id", "limit_proposal"),)


# --- audit log: columns exactly as docs/audit-log.md -------------------------------------------------------------------------------


class AuditRow(Base):
    """Entries; `body` is what was hashed, the columns are copies for queries."""

    __tablename__ = "audit_log"
    seq: Mapped[KeyInt]
    prev: Mapped[Hash]
    leaf: Mapped[Hash]
    action: Mapped[str] = mapped_column(VARCHAR(64))
    actor: Mapped[str] = mapped_column(VARCHAR(128))
    entity: Mapped[str] = mapped_column(VARCHAR(160))
    ts: Mapped[str] = mapped_column(CHAR(27))
    body: Mapped[str]
    __table_args__ = (
        UniqueConstraint("prev", name="no_fork"),
        UniqueConstraint("leaf", name="no_repeat"),
        Index("ix_audit_log_entity", "entity"),
        Index("ix_audit_log_action", "action"),
    )


class AuditHead(Base):
    """The end of the log: one row, locked by whoever appends."""

    __tablename__ = "audit_head"
    id: Mapped[KeyInt]
    size: Mapped[int]
    leaf: Mapped[Hash]
    ts: Mapped[str] = mapped_column(CHAR(27))
    frontier: Mapped[str]
    __table_args__ = (CheckConstraint("id = 1", name="one_head"),)


class AuditPayload(Base):
    """Erasable parts of entries."""

    __tablename__ = "audit_payload"
    seq: Mapped[KeyInt]
    salt: Mapped[str | None] = mapped_column(CHAR(64))
    payload: Mapped[str | None]
    __table_args__ = (_refers("seq", "audit_log"),)


class AuditCheckpoint(Base):
    """Convenience copies of signed notes; the evidence is outside."""

    __tablename__ = "audit_checkpoint"
    size: Mapped[KeyInt]
    note: Mapped[str]


class AuditReadRequest(Base):
    """What was read with a role that only reads, until an entry says so; rows come through a function of the database alone."""

    __tablename__ = "audit_read_request"
    request_id: Mapped[Key]
    asked_at: Mapped[datetime]
    account: Mapped[str]
    what: Mapped[str]
    about: Mapped[str]
    taken_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("length(what) BETWEEN 1 AND 40", name="what_is_short"),
        CheckConstraint("length(about) <= 2000", name="about_is_short"),
        Index("ix_audit_read_request_taken_at", "taken_at"),
    )


_TABLES: dict[str, type[Base]] = {mapper.class_.__name__: mapper.class_ for mapper in Base.registry.mappers}

RECORDS: dict[type[Any], type[Base]] = {
    record: _TABLES[name] for name, record in vars(records).items() if isinstance(record, type) and record.__module__ == records.__name__
}
"""Table of each record class."""

INSERT_ONLY = frozenset(
    {
        records.Person, records.PersonAccount, records.Delegation, records.CustomerAlias, records.GroupMembership, records.Rate,
        records.Deferral, records.Exclusion, records.Adoption, records.Maker, records.Decision, records.Note, records.LimitChange,
        records.PersonPreference, records.Absence, records.AccessRight, records.ConflictOfInterest, records.Addressee,
        records.PacketOpening, records.ModelValidation, records.PolicyChangeRequest, records.CommitteeAttendance, records.SeasonsEnded,
        records.Forecast, records.ForecastOutcome,
    }
)  # fmt: skip
"""Facts: a trigger refuses their change and deletion, a correction is a new row."""

WRITTEN_BY_APPEND = frozenset({records.AuditRow, records.AuditHead, records.AuditPayload, records.AuditCheckpoint})
"""Tables of the log, which only `append` and the notary write."""
