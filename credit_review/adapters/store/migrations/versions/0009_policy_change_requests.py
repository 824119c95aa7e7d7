"""Policy change requests: a change that was computed on past reviews and put before people, by its digests.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A request is a fact: what was computed and asked for does not change afterwards."""
    op.create_table(
        "policy_change_request",
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("old_digest", TEXT, nullable=False),
        sa.Column("new_digest", TEXT, nullable=False),
        sa.Column("reviews", TEXT, nullable=False),
        sa.Column("report_digest", sa.CHAR(length=64), nullable=False),
        sa.Column("list_digest", sa.CHAR(length=64), nullable=False),
        sa.Column("figures_digest", sa.CHAR(length=64), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("requested_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint("requested_by <> ''", name=op.f("ck_policy_change_request_by_somebody")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_policy_change_request_says_why")),
        sa.CheckConstraint("old_digest <> new_digest", name=op.f("ck_policy_change_request_changes_something")),
        sa.CheckConstraint("reviews <> ''", name=op.f("ck_policy_change_request_on_a_review")),
        sa.ForeignKeyConstraint(["old_digest"], ["governed_document.digest"], name="fk_policy_change_request_old"),
        sa.ForeignKeyConstraint(["new_digest"], ["governed_document.digest"], name="fk_policy_change_request_new"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_policy_change_request")),
    )
    for statement in insert_only_triggers("policy_change_request", op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """What was asked for would be lost, and stands nowhere else."""
    raise NotImplementedError("change requests would be lost; restore a backup instead")
