"""What auditors read with a role that only reads, asked for through one function; and when packets were first opened.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

ASK = """
CREATE FUNCTION audit_read_requested(what text, about text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO public.audit_read_request (request_id, asked_at, account, what, about, taken_at)
  VALUES (
    gen_random_uuid()::text,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    session_user, what, about, NULL
  )
$$
"""
"""Runs as its owner, whoever calls it: it can add a request in the caller's login name and do nothing else."""


def upgrade() -> None:
    """The requests with the one way to add one, and openings, which are facts."""
    dialect = op.get_bind().dialect.name
    op.create_table(
        "packet_opening",
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("opened_at", sa.CHAR(length=27), nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_packet_opening_proposal_id_limit_proposal")),
        sa.PrimaryKeyConstraint("proposal_id", "person_id", name=op.f("pk_packet_opening")),
    )
    for statement in insert_only_triggers("packet_opening", dialect):
        op.execute(statement)
    op.create_table(
        "audit_read_request",
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("asked_at", sa.CHAR(length=27), nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("about", TEXT, nullable=False),
        sa.Column("taken_at", sa.CHAR(length=27), nullable=True),
        sa.CheckConstraint("length(what) BETWEEN 1 AND 40", name=op.f("ck_audit_read_request_what_is_short")),
        sa.CheckConstraint("length(about) <= 2000", name=op.f("ck_audit_read_request_about_is_short")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_audit_read_request")),
    )
    op.create_index("ix_audit_read_request_taken_at", "audit_read_request", ["taken_at"])
    if dialect == "postgresql":
        op.execute(ASK)
        op.execute("REVOKE ALL ON FUNCTION audit_read_requested(text, text) FROM PUBLIC")


def downgrade() -> None:
    """Requests that were taken up stand in the log."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_read_requested(text, text)")
    op.drop_table("audit_read_request")
    op.drop_table("packet_opening")
