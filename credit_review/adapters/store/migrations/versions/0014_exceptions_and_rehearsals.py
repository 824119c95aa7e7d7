"""Standing departures from policy with owner and end, and rehearsals of approvers.

Revision ID: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
KINDS = "'limit', 'terms', 'emergency', 'exclusion', 'deferral', 'risk_kept'"


def upgrade() -> None:
    """One row a departure; what stood before is taken up by the next sweep, with an entry of the log for each."""
    op.create_table(
        "policy_exception",
        sa.Column("exception_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("policy_minor", sa.BigInteger(), nullable=True),
        sa.Column("granted_minor", sa.BigInteger(), nullable=True),
        sa.Column("policy_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("granted_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("renews_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("how", TEXT, nullable=False),
        sa.Column("ended_by", TEXT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_policy_exception_kind_known")),
        sa.CheckConstraint("state IN ('in_force', 'due', 'ended')", name=op.f("ck_policy_exception_state_known")),
        sa.CheckConstraint("how IN ('', 'end_date', 'by_person', 'replaced', 'reverted')", name=op.f("ck_policy_exception_how_known")),
        sa.CheckConstraint("ends >= starts", name=op.f("ck_policy_exception_ends_after_start")),
        sa.CheckConstraint(
            "(state = 'ended') = (how <> '') AND (state = 'ended') = (ended_by <> '')", name=op.f("ck_policy_exception_ended_somehow")
        ),
        sa.CheckConstraint("(due_on IS NULL) = (due_at IS NULL)", name=op.f("ck_policy_exception_due_at_a_moment")),
        sa.CheckConstraint("reason <> '' AND owner_id <> ''", name=op.f("ck_policy_exception_has_owner_and_reason")),
        sa.ForeignKeyConstraint(["account_id"], ["limit_account.account_id"], name=op.f("fk_policy_exception_limit_account")),
        sa.PrimaryKeyConstraint("exception_id", name=op.f("pk_policy_exception")),
        sa.UniqueConstraint("kind", "source", name="one_exception_a_source"),
    )
    op.create_index("ix_policy_exception_state_ends", "policy_exception", ["state", "ends"], unique=False)
    op.create_index("ix_policy_exception_account_id", "policy_exception", ["account_id"], unique=False)
    op.create_index("ix_policy_exception_customer_id", "policy_exception", ["customer_id"], unique=False)
    _rehearsals()


def _rehearsals() -> None:
    op.create_table(
        "rehearsal",
        sa.Column("rehearsal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("seed", TEXT, nullable=False),
        sa.Column("cases", sa.BigInteger(), nullable=False),
        sa.Column("case_days", sa.BigInteger(), nullable=False),
        sa.Column("drawn_at", MOMENT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("seeded", sa.BigInteger(), nullable=False),
        sa.Column("caught", sa.BigInteger(), nullable=False),
        sa.Column("false_alarms", sa.BigInteger(), nullable=False),
        sa.Column("answers_digest", TEXT, nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("lapsed_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('open', 'passed', 'failed')", name=op.f("ck_rehearsal_state_known")),
        sa.CheckConstraint(
            "(state = 'open') = (answered_at IS NULL) AND (state = 'open') = (answers_digest = '')",
            name=op.f("ck_rehearsal_answered_or_open"),
        ),
        sa.CheckConstraint("(state = 'passed') = (valid_until IS NOT NULL)", name=op.f("ck_rehearsal_only_a_pass_holds")),
        sa.CheckConstraint("(valid_from IS NULL) = (valid_until IS NULL)", name=op.f("ck_rehearsal_holds_from_and_until")),
        sa.CheckConstraint("caught <= seeded AND seeded + false_alarms <= cases", name=op.f("ck_rehearsal_counts_fit")),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_rehearsal_review")),
        sa.PrimaryKeyConstraint("rehearsal_id", name=op.f("pk_rehearsal")),
        sa.UniqueConstraint("seed", name="one_seed_once"),
    )
    op.create_index("ix_rehearsal_person_id", "rehearsal", ["person_id"], unique=False)
    is_open = sa.text("state = 'open'")
    op.create_index("one_open_rehearsal", "rehearsal", ["person_id"], unique=True, sqlite_where=is_open, postgresql_where=is_open)


def downgrade() -> None:
    """Owners, ends and results would be lost."""
    raise NotImplementedError("owners and ends of exceptions would be lost; restore a backup instead")
