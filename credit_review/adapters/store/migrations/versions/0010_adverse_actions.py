"""Adverse action: what reductions and refusals are to the customer, and the notices about them.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
CLASSES = "'adverse', 'delinquency', 'inactivity', 'agreed', 'whole_class', 'not_applicable'"


def upgrade() -> None:
    """One row a decided proposal that a person classified; its history is in the audit log."""
    op.create_table(
        "adverse_action",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("profile", TEXT, nullable=False),
        sa.Column("suggested", TEXT, nullable=False),
        sa.Column("classified", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("reasons_json", TEXT, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=False),
        sa.Column("notice_due", sa.Date(), nullable=True),
        sa.Column("notified_on", sa.Date(), nullable=True),
        sa.Column("notified_by", TEXT, nullable=False),
        sa.Column("letter_sha256", TEXT, nullable=False),
        sa.Column("asked_on", sa.Date(), nullable=True),
        sa.Column("reasons_due", sa.Date(), nullable=True),
        sa.Column("reasons_given_on", sa.Date(), nullable=True),
        sa.Column("retain_until", sa.Date(), nullable=True),
        sa.CheckConstraint("kind IN ('reduction', 'refusal')", name=op.f("ck_adverse_action_kind_known")),
        sa.CheckConstraint(f"suggested IN ({CLASSES})", name=op.f("ck_adverse_action_suggested_known")),
        sa.CheckConstraint(f"classified IN ({CLASSES})", name=op.f("ck_adverse_action_classified_known")),
        sa.CheckConstraint("(notified_on IS NULL) = (notified_by = '')", name=op.f("ck_adverse_action_notified_by_somebody")),
        sa.CheckConstraint("(asked_on IS NULL) = (reasons_due IS NULL)", name=op.f("ck_adverse_action_reasons_have_a_day")),
        sa.CheckConstraint("reasons_given_on IS NULL OR asked_on IS NOT NULL", name=op.f("ck_adverse_action_reasons_were_asked")),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_adverse_action_proposal_id_limit_proposal")),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_adverse_action")),
    )
    op.create_index("ix_adverse_action_notice_due", "adverse_action", ["notice_due"], unique=False)


def downgrade() -> None:
    """What people confirmed would be lost."""
    raise NotImplementedError("confirmed classifications would be lost; restore a backup instead")
