"""What account owners are to be told, owed by the transaction that decides it.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
KINDS = "kind IN ('apply', 'erp', 'slack_post', 'slack_update', 'tell_owner')"
RULE = "ck_outbox_kind_known"


def upgrade() -> None:
    """Let an effect be of kind `tell_owner`; SQLite changes a rule only with its table, so the rows move to a new one."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint(op.f(RULE), "outbox", type_="check")
        op.create_check_constraint(op.f(RULE), "outbox", KINDS)
        return
    op.create_table(
        "outbox_2",
        sa.Column("outbox_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("dedup_key", TEXT, nullable=False),
        sa.Column("payload_json", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("leased_by", TEXT, nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("last_error", TEXT, nullable=False),
        sa.Column("confirmed_json", TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(KINDS, name=op.f(RULE)),
        sa.CheckConstraint("state IN ('queued', 'leased', 'confirmed', 'parked')", name=op.f("ck_outbox_state_known")),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedup_key", name="one_effect_per_dedup_key"),
    )
    columns = (
        "outbox_id, kind, dedup_key, payload_json, state, attempts, not_before, leased_by, lease_until, last_error, confirmed_json, "
        "created_at"
    )
    op.execute(f"INSERT INTO outbox_2 ({columns}) SELECT {columns} FROM outbox")  # noqa: S608
    op.drop_table("outbox")
    op.rename_table("outbox_2", "outbox")
    op.create_index("ix_outbox_state_not_before", "outbox", ["state", "not_before"], unique=False)


def downgrade() -> None:
    """Account owners would not be told what is owed to them."""
    raise NotImplementedError("account owners would not be told; restore a backup instead")
