"""Findings: exceptions with an owner and a day, closed by somebody else.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)


def upgrade() -> None:
    """One row a finding; its history is in the audit log."""
    op.create_table(
        "finding",
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("alarm_key", sa.CHAR(length=64), nullable=False),
        sa.Column("control", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("about", TEXT, nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("facts_json", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("opened_by", TEXT, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("assigned_at", MOMENT, nullable=False),
        sa.Column("remedy", TEXT, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("remedied_by", TEXT, nullable=False),
        sa.Column("remedied_at", MOMENT, nullable=True),
        sa.Column("closing", TEXT, nullable=False),
        sa.Column("closed_as", TEXT, nullable=False),
        sa.Column("closed_by", TEXT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("times_reopened", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("severity IN ('high', 'medium', 'low')", name=op.f("ck_finding_severity_known")),
        sa.CheckConstraint("state IN ('open', 'remedied', 'closed')", name=op.f("ck_finding_state_known")),
        sa.CheckConstraint("closed_as IN ('', 'corrected', 'past')", name=op.f("ck_finding_closed_as_known")),
        sa.CheckConstraint("(state = 'open') = (remedied_by = '')", name=op.f("ck_finding_remedied_by_somebody")),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_by <> '') AND (state = 'closed') = (closed_as <> '')", name=op.f("ck_finding_closed_by_somebody")
        ),
        sa.CheckConstraint(
            "closed_by = '' OR (closed_by <> owner_id AND closed_by <> remedied_by)", name=op.f("ck_finding_closed_by_another")
        ),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_finding")),
        sa.UniqueConstraint("alarm_key", name="one_finding_per_exception"),
    )
    op.create_index("ix_finding_state_due", "finding", ["state", "due"], unique=False)


def downgrade() -> None:
    """Findings would be lost, and what they say stands nowhere else."""
    raise NotImplementedError("findings would be lost; restore a backup instead")
