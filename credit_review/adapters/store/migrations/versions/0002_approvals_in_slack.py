"""What approvals in Slack need: preferences, absences, rights, conflicts of interest, conditions, addressees, links, any kind of message.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSERT_ONLY = ("person_preference", "absence", "access_right", "conflict_of_interest", "addressee")


def upgrade() -> None:
    """Add the tables, and widen what messages may be about."""
    create_directory()
    create_addressees()
    create_conditions()
    create_links()
    explain_decisions()
    widen_messages()
    dialect = op.get_context().dialect.name
    for table in INSERT_ONLY:
        for statement in insert_only_triggers(table, dialect):
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """The decisions made with it would lose what they say."""
    raise NotImplementedError("decisions would lose what they say; restore a backup instead")


def widen_messages() -> None:
    """A message may show anything, to a channel or a person; cards posted so far keep their place."""
    op.create_table(
        "slack_message_2",
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("ts", TEXT, nullable=False),
        sa.Column("shown_digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("subject", "address", name=op.f("pk_slack_message_2")),
    )
    columns = "subject, address, channel, ts, shown_digest"
    op.execute(
        f"INSERT INTO slack_message_2 ({columns}) SELECT 'proposal:' || proposal_id, channel, channel, ts, shown_digest FROM slack_message"  # noqa: S608
    )
    op.drop_table("slack_message")
    op.rename_table("slack_message_2", "slack_message")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE slack_message RENAME CONSTRAINT pk_slack_message_2 TO pk_slack_message")


def create_directory() -> None:
    """What the directory knows of people besides: absences, rights, conflicts of interest, preferences."""
    op.create_table(
        "absence",
        sa.Column("absence_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_absence_ends_after_start")),
        sa.PrimaryKeyConstraint("absence_id", "recorded_at", name=op.f("pk_absence")),
    )
    op.create_table(
        "access_right",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("access", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("access IN ('read_limits', 'request_limits')", name=op.f("ck_access_right_access_known")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_access_right_ends_after_start")),
        sa.PrimaryKeyConstraint("person_id", "access", "recorded_at", name=op.f("pk_access_right")),
    )
    op.create_table(
        "conflict_of_interest",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_conflict_of_interest_ends_after_start")),
        sa.PrimaryKeyConstraint("person_id", "customer_id", "recorded_at", name=op.f("pk_conflict_of_interest")),
    )
    op.create_index("ix_conflict_of_interest_customer_id", "conflict_of_interest", ["customer_id"], unique=False)
    op.create_table(
        "person_preference",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("locale", TEXT, nullable=False),
        sa.Column("time_zone", TEXT, nullable=False),
        sa.Column("calendar", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_person_preference_ends_after_start")),
        sa.PrimaryKeyConstraint("person_id", "recorded_at", name=op.f("pk_person_preference")),
    )


def create_addressees() -> None:
    """Whom a proposal was put before, and why."""
    op.create_table(
        "addressee",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("why IN ('tier', 'delegate', 'escalation')", name=op.f("ck_addressee_why_known")),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_addressee_limit_proposal")),
        sa.PrimaryKeyConstraint("proposal_id", "person_id", name=op.f("pk_addressee")),
    )
    op.create_index("ix_addressee_person_id_review_id", "addressee", ["person_id", "review_id"], unique=False)


def create_conditions() -> None:
    """What approved limits wait for."""
    op.create_table(
        "approval_condition",
        sa.Column("condition_id", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("asked_at", sa.CHAR(length=27), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("settled_by", TEXT, nullable=False),
        sa.Column("settled_at", sa.CHAR(length=27), nullable=True),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("evidence_sha256", TEXT, nullable=False),
        sa.CheckConstraint("(state = 'open') = (settled_by = '')", name=op.f("ck_approval_condition_settled_by_somebody")),
        sa.CheckConstraint(
            "kind IN ('guarantee_received', 'overdue_paid', 'accounts_sent', 'other')", name=op.f("ck_approval_condition_kind_known")
        ),
        sa.CheckConstraint("state IN ('open', 'met', 'lapsed')", name=op.f("ck_approval_condition_state_known")),
        sa.CheckConstraint("asked_by <> settled_by", name=op.f("ck_approval_condition_confirmed_by_another")),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_approval_condition_limit_proposal")),
        sa.PrimaryKeyConstraint("condition_id", name=op.f("pk_approval_condition")),
    )
    op.create_index("ix_approval_condition_proposal_id", "approval_condition", ["proposal_id"], unique=False)


def create_links() -> None:
    """Links to the page on which a person signs in to decide."""
    op.create_table(
        "step_up_link",
        sa.Column("token_sha256", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("created_at", sa.CHAR(length=27), nullable=False),
        sa.Column("expires_at", sa.CHAR(length=27), nullable=False),
        sa.Column("used_at", sa.CHAR(length=27), nullable=True),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_step_up_link_limit_proposal")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_step_up_link")),
    )


def explain_decisions() -> None:
    """A decision says why in a code, and how sure we are that the person himself decided."""
    op.add_column("approval_decision", sa.Column("reason_code", TEXT, server_default=sa.text("''"), nullable=False))
    op.add_column("approval_decision", sa.Column("assurance", TEXT, server_default=sa.text("''"), nullable=False))
