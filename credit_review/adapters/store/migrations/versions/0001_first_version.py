# ruff: noqa: E501  first rendered from the models
"""Every table, constraint and trigger of the first version.

Revision ID: 0001
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
INSERT_ONLY = (
    "person", "person_account", "delegation", "customer_alias", "group_membership", "rate", "deferral", "exclusion", "adoption",
    "proposal_maker", "approval_decision", "proposal_note", "limit_change",
)  # fmt: skip
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
GENESIS = (
    "INSERT INTO audit_head (id, size, leaf, ts, frontier) VALUES (1, 0, "
    "'0000000000000000000000000000000000000000000000000000000000000000', '1970-01-01T00:00:00.000000Z', '[]')"
)


def upgrade() -> None:
    """Create it all."""
    create_audit_log()
    create_people()
    create_documents()
    create_customers()
    create_reviews()
    create_exceptions()
    create_accounts()
    create_proposals()
    create_work()
    create_decisions()
    create_changes()
    create_limits()
    create_messages()
    op.execute(GENESIS)
    dialect = op.get_context().dialect.name
    for statement in (SQL / f"0001_{dialect}.sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)
    for table in INSERT_ONLY:
        for statement in insert_only_triggers(table, dialect):
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """There is nothing before the first version, and an audit log is never dropped by a program."""
    raise NotImplementedError("an audit log is never dropped by a program; remove the database by hand")


def create_audit_log() -> None:
    """The audit log, its head, what may be erased of it, and its checkpoints."""
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.CHAR(length=64), nullable=False),
        sa.Column("ts", sa.CHAR(length=27), nullable=False),
        sa.Column("frontier", TEXT, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one_head")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prev", sa.CHAR(length=64), nullable=False),
        sa.Column("leaf", sa.CHAR(length=64), nullable=False),
        sa.Column("action", sa.VARCHAR(length=64), nullable=False),
        sa.Column("actor", sa.VARCHAR(length=128), nullable=False),
        sa.Column("entity", sa.VARCHAR(length=160), nullable=False),
        sa.Column("ts", sa.CHAR(length=27), nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("leaf", name="no_repeat"),
        sa.UniqueConstraint("prev", name="no_fork"),
    )
    op.create_index("ix_audit_log_action", "audit_log", ["action"], unique=False)
    op.create_index("ix_audit_log_entity", "audit_log", ["entity"], unique=False)
    op.create_table(
        "audit_payload",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("salt", sa.CHAR(length=64), nullable=True),
        sa.Column("payload", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["seq"], ["audit_log.seq"], name=op.f("fk_audit_payload_audit_log")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_payload")),
    )


def create_people() -> None:
    """People, the accounts they sign in with, and who stands in for whom."""
    op.create_table(
        "person",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_person_ends_after_start")),
        sa.PrimaryKeyConstraint("person_id", "recorded_at", name=op.f("pk_person")),
    )
    op.create_table(
        "person_account",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("kind IN ('os', 'slack', 'token', 'demo')", name=op.f("ck_person_account_kind_known")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_person_account_ends_after_start")),
        sa.PrimaryKeyConstraint("kind", "account", "recorded_at", name=op.f("pk_person_account")),
    )
    op.create_table(
        "delegation",
        sa.Column("delegation_id", TEXT, nullable=False),
        sa.Column("principal_id", TEXT, nullable=False),
        sa.Column("delegate_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.Column("recorded_by", TEXT, nullable=False),
        sa.CheckConstraint("principal_id <> delegate_id", name=op.f("ck_delegation_not_to_oneself")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_delegation_ends_after_start")),
        sa.PrimaryKeyConstraint("delegation_id", "recorded_at", name=op.f("pk_delegation")),
    )


def create_documents() -> None:
    """Policies, matrices, scorecards and mappings, and who adopted them."""
    op.create_table(
        "governed_document",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("author_id", TEXT, nullable=False),
        sa.Column("submitted_at", sa.CHAR(length=27), nullable=False),
        sa.Column("adopted_at", sa.CHAR(length=27), nullable=True),
        sa.CheckConstraint("kind IN ('policy', 'authority', 'scorecard', 'mapping')", name=op.f("ck_governed_document_kind_known")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_governed_document")),
    )
    op.create_table(
        "adoption",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("at", sa.CHAR(length=27), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["governed_document.digest"], name=op.f("fk_adoption_governed_document")),
        sa.PrimaryKeyConstraint("digest", "person_id", name=op.f("pk_adoption")),
    )


def create_customers() -> None:
    """Which numbers are one customer, which customers are one group, and rates."""
    op.create_table(
        "customer_alias",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("legal_entity", TEXT, nullable=False),
        sa.Column("source_number", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_customer_alias_ends_after_start")),
        sa.PrimaryKeyConstraint("source", "legal_entity", "source_number", "recorded_at", name=op.f("pk_customer_alias")),
    )
    op.create_index("ix_customer_alias_customer_id", "customer_alias", ["customer_id"], unique=False)
    op.create_table(
        "group_membership",
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_group_membership_ends_after_start")),
        sa.PrimaryKeyConstraint("customer_id", "recorded_at", name=op.f("pk_group_membership")),
    )
    op.create_index("ix_group_membership_group_id", "group_membership", ["group_id"], unique=False)
    op.create_table(
        "rate",
        sa.Column("base", TEXT, nullable=False),
        sa.Column("quote", TEXT, nullable=False),
        sa.Column("rate", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_rate_ends_after_start")),
        sa.PrimaryKeyConstraint("base", "quote", "valid_from", "recorded_at", name=op.f("pk_rate")),
    )


def create_reviews() -> None:
    """Reviews and the files of their buckets."""
    op.create_table(
        "review",
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("last_good_state", TEXT, nullable=False),
        sa.Column("failure", TEXT, nullable=False),
        sa.Column("manifest_digest", TEXT, nullable=False),
        sa.Column("manifest_json", TEXT, nullable=False),
        sa.Column("started_by", TEXT, nullable=False),
        sa.Column("started_at", sa.CHAR(length=27), nullable=False),
        sa.Column("supersede_reason", TEXT, nullable=False),
        sa.Column("hold", TEXT, nullable=False),
        sa.Column("hold_released_by", TEXT, nullable=False),
        sa.Column("closed_by", TEXT, nullable=False),
        sa.Column("closed_at", sa.CHAR(length=27), nullable=True),
        sa.CheckConstraint("kind IN ('periodic', 'ad_hoc', 'event')", name=op.f("ck_review_kind_known")),
        sa.CheckConstraint(
            "last_good_state IN ('', 'draft', 'snapshotted', 'validated', 'scored', 'proposed', 'routed', 'settled', 'closed', 'failed', 'superseded')",
            name=op.f("ck_review_last_good_state_known"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'snapshotted', 'validated', 'scored', 'proposed', 'routed', 'settled', 'closed', 'failed', 'superseded')",
            name=op.f("ck_review_state_known"),
        ),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_review")),
    )
    op.create_index(
        "one_live_review",
        "review",
        ["scope", "as_of"],
        unique=True,
        sqlite_where=sa.text("state <> 'superseded'"),
        postgresql_where=sa.text("state <> 'superseded'"),
    )
    op.create_table(
        "review_batch",
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("root", TEXT, nullable=False),
        sa.Column("counts_json", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_review_batch_review")),
        sa.PrimaryKeyConstraint("review_id", "stage", "bucket", name=op.f("pk_review_batch")),
    )


def create_exceptions() -> None:
    """Customers that people put off or excluded."""
    op.create_table(
        "deferral",
        sa.Column("deferral_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_deferral_review")),
        sa.PrimaryKeyConstraint("deferral_id", name=op.f("pk_deferral")),
    )
    op.create_index("ix_deferral_customer_id", "deferral", ["customer_id"], unique=False)
    op.create_table(
        "exclusion",
        sa.Column("exclusion_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_exclusion_ends_after_start")),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_exclusion_review")),
        sa.PrimaryKeyConstraint("exclusion_id", "recorded_at", name=op.f("pk_exclusion")),
    )
    op.create_index("ix_exclusion_customer_id", "exclusion", ["customer_id"], unique=False)


def create_accounts() -> None:
    """What a limit belongs to."""
    op.create_table(
        "limit_account",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("subject_kind", TEXT, nullable=False),
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("legal_entity", TEXT, nullable=False),
        sa.Column("layer", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.CheckConstraint(
            "layer IN ('base', 'temporary', 'group', 'segment', 'insured', 'ceiling')", name=op.f("ck_limit_account_layer_known")
        ),
        sa.CheckConstraint("subject_kind IN ('customer', 'group')", name=op.f("ck_limit_account_subject_kind_known")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_limit_account")),
        sa.UniqueConstraint("account_id", "currency", name=op.f("uq_limit_account_account_id_currency")),
        sa.UniqueConstraint("subject_kind", "subject_id", "legal_entity", "layer", "currency", name="one_account"),
    )


def create_proposals() -> None:
    """Proposals, at most one open an account."""
    op.create_table("limit_proposal", *proposal_columns(), *proposal_rules())
    op.create_index("ix_limit_proposal_customer_id", "limit_proposal", ["customer_id"], unique=False)
    op.create_index("ix_limit_proposal_group_id", "limit_proposal", ["group_id"], unique=False)
    op.create_index("ix_limit_proposal_review_id_state", "limit_proposal", ["review_id", "state"], unique=False)
    op.create_index("ix_limit_proposal_state", "limit_proposal", ["state"], unique=False)
    op.create_index("ix_limit_proposal_account_id_state", "limit_proposal", ["account_id", "state"], unique=False)
    op.create_index("ix_limit_proposal_supersedes_id", "limit_proposal", ["supersedes_id"], unique=False)
    op.create_index(
        "one_open_proposal",
        "limit_proposal",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('draft', 'pending', 'approved')"),
        postgresql_where=sa.text("state IN ('draft', 'pending', 'approved')"),
    )


def proposal_columns() -> list[sa.schema.SchemaItem]:
    """What a row of limit_proposal holds."""
    return [
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("proposer_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("from_minor", sa.BigInteger(), nullable=True),
        sa.Column("to_minor", sa.BigInteger(), nullable=False),
        sa.Column("engine_minor", sa.BigInteger(), nullable=True),
        sa.Column("from_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("terms_days", sa.BigInteger(), nullable=True),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("base_version", sa.BigInteger(), nullable=False),
        sa.Column("grade", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("exposure_minor", sa.BigInteger(), nullable=False),
        sa.Column("own_risk_minor", sa.BigInteger(), nullable=False),
        sa.Column("exceptional", TEXT, nullable=False),
        sa.Column("straight_through_rule", TEXT, nullable=False),
        sa.Column("assigned_to", TEXT, nullable=False),
        sa.Column("tier", TEXT, nullable=False),
        sa.Column("required_approvals", sa.BigInteger(), nullable=False),
        sa.Column("packet_json", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("created_at", sa.CHAR(length=27), nullable=False),
        sa.Column("expires_at", sa.CHAR(length=27), nullable=True),
        sa.Column("decided_at", sa.CHAR(length=27), nullable=True),
        sa.Column("outcome_code", TEXT, nullable=False),
        sa.Column("supersedes_id", TEXT, nullable=True),
        sa.Column("policy_digest", TEXT, nullable=False),
        sa.Column("authority_digest", TEXT, nullable=False),
        sa.Column("terms_key", sa.BigInteger(), sa.Computed("coalesce(terms_days, -1)", persisted=True), nullable=False),
        sa.Column("until_key", sa.Date(), sa.Computed("coalesce(effective_to, '9999-12-31')", persisted=True), nullable=False),
    ]


def proposal_rules() -> list[sa.schema.SchemaItem]:
    """What must hold of it."""
    return [
        sa.CheckConstraint("direction IN ('up', 'down', 'same', 'new')", name=op.f("ck_limit_proposal_direction_known")),
        sa.CheckConstraint(
            "state IN ('draft', 'pending', 'approved', 'applied', 'rejected', 'returned', 'expired', 'superseded')",
            name=op.f("ck_limit_proposal_state_known"),
        ),
        sa.CheckConstraint("base_version >= 0", name=op.f("ck_limit_proposal_base_version_in_range")),
        sa.CheckConstraint("effective_to >= effective_from", name=op.f("ck_limit_proposal_ends_after_start")),
        sa.CheckConstraint("engine_minor BETWEEN 0 AND 9007199254740991", name=op.f("ck_limit_proposal_engine_minor_in_range")),
        sa.CheckConstraint("from_minor BETWEEN 0 AND 9007199254740991", name=op.f("ck_limit_proposal_from_minor_in_range")),
        sa.CheckConstraint("required_approvals >= 0", name=op.f("ck_limit_proposal_required_approvals_in_range")),
        sa.CheckConstraint("supersedes_id <> proposal_id", name=op.f("ck_limit_proposal_not_its_own_successor")),
        sa.CheckConstraint("terms_days BETWEEN 0 AND 3650", name=op.f("ck_limit_proposal_terms_days_in_range")),
        sa.CheckConstraint("to_minor BETWEEN 0 AND 9007199254740991", name=op.f("ck_limit_proposal_to_minor_in_range")),
        sa.ForeignKeyConstraint(
            ["account_id", "currency"], ["limit_account.account_id", "limit_account.currency"], name="fk_limit_proposal_account_currency"
        ),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_limit_proposal_review")),
        sa.ForeignKeyConstraint(["supersedes_id"], ["limit_proposal.proposal_id"], name="fk_limit_proposal_supersedes"),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_limit_proposal")),
        sa.UniqueConstraint("proposal_id", "account_id", "to_minor", "terms_key", "until_key", name="proposal_and_content"),
        sa.UniqueConstraint("proposal_id", "digest", name="proposal_and_digest"),
        sa.UniqueConstraint("proposal_id", "proposer_id", name="proposal_and_proposer"),
    ]


def create_work() -> None:
    """Who made a proposal, what was noted of it, and the risk kept when a reduction did not happen."""
    op.create_table(
        "proposal_maker",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("how", TEXT, nullable=False),
        sa.Column("at", sa.CHAR(length=27), nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_proposal_maker_limit_proposal")),
        sa.PrimaryKeyConstraint("proposal_id", "person_id", name=op.f("pk_proposal_maker")),
    )
    op.create_table(
        "proposal_note",
        sa.Column("note_id", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("kind IN ('comment', 'amendment', 'attachment', 'question')", name=op.f("ck_proposal_note_kind_known")),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_proposal_note_limit_proposal")),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_proposal_note")),
    )
    op.create_index("ix_proposal_note_proposal_id", "proposal_note", ["proposal_id"], unique=False)
    op.create_table(
        "risk_kept",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("raised_at", sa.CHAR(length=27), nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("decided_at", sa.CHAR(length=27), nullable=True),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_risk_kept_limit_proposal")),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_risk_kept_review")),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_risk_kept")),
    )
    op.create_index("ix_risk_kept_review_id", "risk_kept", ["review_id"], unique=False)


def create_decisions() -> None:
    """Decisions, and what was answered to each delivery."""
    op.create_table(
        "approval_decision",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("approver_id", TEXT, nullable=False),
        sa.Column("on_behalf_of", TEXT, nullable=True),
        sa.Column("proposer_id", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("tier", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("delivery_key", TEXT, nullable=False),
        sa.Column("at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("verdict IN ('approve', 'reject', 'return', 'counter')", name=op.f("ck_approval_decision_verdict_known")),
        sa.CheckConstraint("approver_id <> proposer_id", name=op.f("ck_approval_decision_approver_is_not_proposer")),
        sa.CheckConstraint("on_behalf_of <> approver_id", name=op.f("ck_approval_decision_not_on_behalf_of_oneself")),
        sa.CheckConstraint("on_behalf_of <> proposer_id", name=op.f("ck_approval_decision_principal_is_not_proposer")),
        sa.ForeignKeyConstraint(
            ["proposal_id", "digest"], ["limit_proposal.proposal_id", "limit_proposal.digest"], name="fk_approval_decision_digest"
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id", "proposer_id"],
            ["limit_proposal.proposal_id", "limit_proposal.proposer_id"],
            name="fk_approval_decision_proposer",
        ),
        sa.PrimaryKeyConstraint("proposal_id", "approver_id", name=op.f("pk_approval_decision")),
        sa.UniqueConstraint("delivery_key", name="one_decision_per_delivery"),
    )
    op.create_table(
        "inbox",
        sa.Column("delivery_key", TEXT, nullable=False),
        sa.Column("outcome_json", TEXT, nullable=False),
        sa.Column("at", sa.CHAR(length=27), nullable=False),
        sa.PrimaryKeyConstraint("delivery_key", name=op.f("pk_inbox")),
    )


def create_changes() -> None:
    """Every change of a limit, each of the approved content and following the one before."""
    op.create_table("limit_change", *change_columns(), *change_rules())


def change_columns() -> list[sa.schema.SchemaItem]:
    """What a row of limit_change holds."""
    return [
        sa.Column("change_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=True),
        sa.Column("reverses_id", TEXT, nullable=True),
        sa.Column("snapshot_digest", TEXT, nullable=True),
        sa.Column("old_minor", sa.BigInteger(), nullable=True),
        sa.Column("new_minor", sa.BigInteger(), nullable=True),
        sa.Column("old_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("new_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("applied_by", TEXT, nullable=False),
        sa.Column("applied_at", sa.CHAR(length=27), nullable=False),
        sa.Column(
            "prior_version", sa.BigInteger(), sa.Computed("CASE WHEN version > 1 THEN version - 1 END", persisted=True), nullable=True
        ),
        sa.Column("old_key", sa.BigInteger(), sa.Computed("coalesce(old_minor, -1)", persisted=True), nullable=False),
        sa.Column("new_key", sa.BigInteger(), sa.Computed("coalesce(new_minor, -1)", persisted=True), nullable=False),
        sa.Column("old_terms_key", sa.BigInteger(), sa.Computed("coalesce(old_terms_days, -1)", persisted=True), nullable=False),
        sa.Column("terms_key", sa.BigInteger(), sa.Computed("coalesce(new_terms_days, -1)", persisted=True), nullable=False),
        sa.Column("until_key", sa.Date(), sa.Computed("coalesce(effective_to, '9999-12-31')", persisted=True), nullable=False),
    ]


def change_rules() -> list[sa.schema.SchemaItem]:
    """What must hold of it."""
    return [
        sa.CheckConstraint(
            "kind <> 'decision' OR (proposal_id IS NOT NULL AND reverses_id IS NULL AND snapshot_digest IS NULL AND new_minor IS NOT NULL)",
            name=op.f("ck_limit_change_decision_has_a_proposal"),
        ),
        sa.CheckConstraint(
            "kind <> 'opening' OR (version = 1 AND proposal_id IS NULL AND reverses_id IS NULL AND snapshot_digest IS NOT NULL)",
            name=op.f("ck_limit_change_opening_comes_from_a_snapshot"),
        ),
        sa.CheckConstraint(
            "kind <> 'reversal' OR (reverses_id IS NOT NULL AND proposal_id IS NULL AND snapshot_digest IS NULL AND version > 1)",
            name=op.f("ck_limit_change_reversal_names_a_change"),
        ),
        sa.CheckConstraint("kind IN ('opening', 'decision', 'reversal')", name=op.f("ck_limit_change_kind_known")),
        sa.CheckConstraint("effective_to >= effective_from", name=op.f("ck_limit_change_ends_after_start")),
        sa.CheckConstraint("new_minor BETWEEN 0 AND 9007199254740991", name=op.f("ck_limit_change_new_minor_in_range")),
        sa.CheckConstraint("new_terms_days BETWEEN 0 AND 3650", name=op.f("ck_limit_change_new_terms_days_in_range")),
        sa.CheckConstraint(
            "version > 1 OR (old_minor IS NULL AND old_terms_days IS NULL)", name=op.f("ck_limit_change_first_starts_from_nothing")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_limit_change_version_in_range")),
        sa.ForeignKeyConstraint(
            ["account_id", "prior_version", "old_key", "old_terms_key"],
            ["limit_change.account_id", "limit_change.version", "limit_change.new_key", "limit_change.terms_key"],
            name="fk_limit_change_follows_the_one_before",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["limit_account.account_id"], name=op.f("fk_limit_change_limit_account")),
        sa.ForeignKeyConstraint(
            ["proposal_id", "account_id", "new_minor", "terms_key", "until_key"],
            [
                "limit_proposal.proposal_id",
                "limit_proposal.account_id",
                "limit_proposal.to_minor",
                "limit_proposal.terms_key",
                "limit_proposal.until_key",
            ],
            name="fk_limit_change_approved_content",
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id", "account_id"], ["limit_change.change_id", "limit_change.account_id"], name="fk_limit_change_reverses"
        ),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_limit_change")),
        sa.UniqueConstraint("account_id", "version", "new_key", "terms_key", "until_key", name="version_and_content"),
        sa.UniqueConstraint("account_id", "version", "new_key", "terms_key", name="version_and_figures"),
        sa.UniqueConstraint("account_id", "version", name="one_change_per_version"),
        sa.UniqueConstraint("change_id", "account_id", name="change_and_account"),
        sa.UniqueConstraint("proposal_id", name="one_change_per_proposal"),
        sa.UniqueConstraint("reverses_id", name="one_reversal_per_change"),
    ]


def create_limits() -> None:
    """Limits in force, and where the ERP holds another."""
    op.create_table(
        "credit_limit",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("terms_days", sa.BigInteger(), nullable=True),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("amount_key", sa.BigInteger(), sa.Computed("coalesce(amount_minor, -1)", persisted=True), nullable=False),
        sa.Column("terms_key", sa.BigInteger(), sa.Computed("coalesce(terms_days, -1)", persisted=True), nullable=False),
        sa.Column("until_key", sa.Date(), sa.Computed("coalesce(effective_to, '9999-12-31')", persisted=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "version", "amount_key", "terms_key", "until_key"],
            ["limit_change.account_id", "limit_change.version", "limit_change.new_key", "limit_change.terms_key", "limit_change.until_key"],
            name="fk_credit_limit_applied_change",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["limit_account.account_id"], name=op.f("fk_credit_limit_limit_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_credit_limit")),
    )
    op.create_table(
        "erp_difference",
        sa.Column("difference_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("found_minor", sa.BigInteger(), nullable=True),
        sa.Column("expected_minor", sa.BigInteger(), nullable=True),
        sa.Column("found_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("expected_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("found_at", sa.CHAR(length=27), nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("settled_at", sa.CHAR(length=27), nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["limit_account.account_id"], name=op.f("fk_erp_difference_limit_account")),
        sa.PrimaryKeyConstraint("difference_id", name=op.f("pk_erp_difference")),
    )
    op.create_index("ix_erp_difference_account_id", "erp_difference", ["account_id"], unique=False)


def create_messages() -> None:
    """Effects owed outside, and where cards stand."""
    op.create_table(
        "outbox",
        sa.Column("outbox_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("dedup_key", TEXT, nullable=False),
        sa.Column("payload_json", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.CHAR(length=27), nullable=False),
        sa.Column("leased_by", TEXT, nullable=False),
        sa.Column("lease_until", sa.CHAR(length=27), nullable=True),
        sa.Column("last_error", TEXT, nullable=False),
        sa.Column("confirmed_json", TEXT, nullable=False),
        sa.Column("created_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("kind IN ('apply', 'erp', 'slack_post', 'slack_update')", name=op.f("ck_outbox_kind_known")),
        sa.CheckConstraint("state IN ('queued', 'leased', 'confirmed', 'parked')", name=op.f("ck_outbox_state_known")),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedup_key", name="one_effect_per_dedup_key"),
    )
    op.create_index("ix_outbox_state_not_before", "outbox", ["state", "not_before"], unique=False)
    op.create_table(
        "slack_message",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("ts", TEXT, nullable=False),
        sa.Column("shown_digest", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_slack_message_limit_proposal")),
        sa.PrimaryKeyConstraint("proposal_id", "channel", name=op.f("pk_slack_message")),
    )
