"""Accounts of the company's sign-in (`sso`), by which people are known on the page outside Slack.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KINDS = "kind IN ('os', 'slack', 'token', 'sso', 'demo')"
RULE = "ck_person_account_kind_known"


def upgrade() -> None:
    """Let an account be of kind `sso`; SQLite changes a rule only with its table, so the rows move to a new one."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint(op.f(RULE), "person_account", type_="check")
        op.create_check_constraint(op.f(RULE), "person_account", KINDS)
        return
    op.create_table(
        "person_account_2",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.CHAR(length=27), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f(RULE)),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_person_account_ends_after_start")),
        sa.PrimaryKeyConstraint("kind", "account", "recorded_at", name=op.f("pk_person_account")),
    )
    columns = "kind, account, person_id, valid_from, valid_to, recorded_at"
    op.execute(f"INSERT INTO person_account_2 ({columns}) SELECT {columns} FROM person_account")  # noqa: S608
    op.drop_table("person_account")
    op.rename_table("person_account_2", "person_account")
    for statement in insert_only_triggers("person_account", "sqlite"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """People would lose the accounts they are known by."""
    raise NotImplementedError("people would lose accounts; restore a backup instead")
