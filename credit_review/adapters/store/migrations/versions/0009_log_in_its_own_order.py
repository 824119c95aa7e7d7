"""The audit log keeps no index in the order of hashes: its links are held by its numbers.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
LINKS = """
CREATE TRIGGER audit_log_links BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq)
  OR NEW.seq <> COALESCE((SELECT MAX(seq) + 1 FROM audit_log), 0)
  OR NEW.prev <> COALESCE((SELECT leaf FROM audit_log WHERE seq = NEW.seq - 1),
                          '0000000000000000000000000000000000000000000000000000000000000000')
BEGIN SELECT RAISE(ABORT, 'audit_log_gap_or_fork'); END
"""


def upgrade() -> None:
    """Drop the two unique rules over hashes; SQLite drops a rule only with its table, so the rows move to new ones, byte for byte."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint("no_repeat", "audit_log", type_="unique")
        op.drop_constraint("no_fork", "audit_log", type_="unique")
        return
    bind = op.get_bind()
    kept = (
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit_log', 'audit_payload') AND name <> 'audit_log_links'"
    )
    triggers = [str(sql) for (sql,) in bind.exec_driver_sql(kept)]
    # payloads refer to entries: they step aside while the table of entries is another
    op.execute("CREATE TABLE audit_payload_2 AS SELECT seq, salt, payload FROM audit_payload")
    op.drop_table("audit_payload")
    move_entries()
    op.create_table(
        "audit_payload",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("salt", sa.CHAR(length=64), nullable=True),
        sa.Column("payload", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["seq"], ["audit_log.seq"], name=op.f("fk_audit_payload_audit_log")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_payload")),
    )
    op.execute("INSERT INTO audit_payload SELECT seq, salt, payload FROM audit_payload_2 ORDER BY seq")
    op.drop_table("audit_payload_2")
    for statement in (*triggers, LINKS):
        bind.exec_driver_sql(statement)


def move_entries() -> None:
    """The table of entries without the rules over hashes."""
    op.create_table(
        "audit_log_2",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prev", sa.CHAR(length=64), nullable=False),
        sa.Column("leaf", sa.CHAR(length=64), nullable=False),
        sa.Column("action", sa.VARCHAR(length=64), nullable=False),
        sa.Column("actor", sa.VARCHAR(length=128), nullable=False),
        sa.Column("entity", sa.VARCHAR(length=160), nullable=False),
        sa.Column("ts", sa.CHAR(length=27), nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
    )
    columns = "seq, prev, leaf, action, actor, entity, ts, body"
    op.execute(f"INSERT INTO audit_log_2 ({columns}) SELECT {columns} FROM audit_log ORDER BY seq")  # noqa: S608
    op.drop_table("audit_log")
    op.rename_table("audit_log_2", "audit_log")
    op.create_index("ix_audit_log_action", "audit_log", ["action"], unique=False)
    op.create_index("ix_audit_log_entity", "audit_log", ["entity"], unique=False)


def downgrade() -> None:
    """Nothing is gained by the rules over hashes, and the log is not copied twice."""
    raise NotImplementedError("the log is not copied back; restore a backup instead")
