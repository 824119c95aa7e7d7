"""When each address in Slack was last sent a message, so that its rate holds for all processes together.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """One row an address."""
    op.create_table(
        "slack_turn",
        sa.Column("address", TEXT, nullable=False),
        sa.Column("taken_at", sa.CHAR(length=27), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_slack_turn")),
    )


def downgrade() -> None:
    """Nothing is lost but a second of patience."""
    op.drop_table("slack_turn")
