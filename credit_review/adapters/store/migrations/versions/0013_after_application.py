"""What follows an application: open orders handed over, and letters to customers.

Revision ID: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
KINDS = "kind IN ('apply', 'erp', 'slack_post', 'slack_update', 'tell_owner', 'orders', 'order_list', 'letter')"
RULE = "ck_outbox_kind_known"


def upgrade() -> None:
    """Let effects be looks at orders, lists of orders and letters; one row a letter, its history is in the audit log."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint(op.f(RULE), "outbox", type_="check")
        op.create_check_constraint(op.f(RULE), "outbox", KINDS)
    else:
        _outbox_again()
    op.create_table(
        "customer_letter",
        sa.Column("letter_id", TEXT, nullable=False),
        sa.Column("change_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("file", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("drafted_at", MOMENT, nullable=False),
        sa.Column("settled_by", TEXT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.CheckConstraint("state IN ('draft', 'sent', 'dropped')", name=op.f("ck_customer_letter_state_known")),
        sa.CheckConstraint(
            "kind IN ('increase', 'reduction', 'terms', 'first', 'temporary', 'ended')", name=op.f("ck_customer_letter_kind_known")
        ),
        sa.CheckConstraint("(state = 'draft') = (settled_by = '')", name=op.f("ck_customer_letter_settled_by_somebody")),
        sa.CheckConstraint("(state = 'draft') = (settled_at IS NULL)", name=op.f("ck_customer_letter_settled_at_a_moment")),
        sa.CheckConstraint("state <> 'dropped' OR reason <> ''", name=op.f("ck_customer_letter_dropped_for_a_reason")),
        sa.ForeignKeyConstraint(["change_id"], ["limit_change.change_id"], name=op.f("fk_customer_letter_change_id_limit_change")),
        sa.PrimaryKeyConstraint("letter_id", name=op.f("pk_customer_letter")),
        sa.UniqueConstraint("change_id", name="one_letter_per_change"),
    )


def _outbox_again() -> None:
    """SQLite changes a rule only with its table, so the rows move to a new one."""
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
    """What was handed over and written would be lost."""
    raise NotImplementedError("letters would be lost; restore a backup instead")
