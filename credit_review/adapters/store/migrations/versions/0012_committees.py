"""Committees: sittings with their agenda, who came, and each member's vote.

Revision ID: 0012
"""

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
OUTCOMES = "'', 'approved', 'rejected', 'returned', 'no_quorum', 'not_decided'"
LIVE = sa.text("state IN ('called', 'open')")

VOTE_WHILE_OPEN = {
    "sqlite": [
        f"CREATE TRIGGER committee_vote_while_open_{what.lower()} BEFORE {what} ON committee_vote"  # noqa: S608  our own words
        " WHEN NOT EXISTS (SELECT 1 FROM committee_sitting s WHERE s.sitting_id = NEW.sitting_id AND s.state = 'open')"
        " BEGIN SELECT RAISE(ABORT, 'committee_vote_while_open'); END"
        for what in ("INSERT", "UPDATE")
    ]
    + [
        "CREATE TRIGGER committee_vote_no_delete BEFORE DELETE ON committee_vote BEGIN SELECT RAISE(ABORT, 'committee_vote_no_delete'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION committee_vote_while_open() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF NOT EXISTS (SELECT 1 FROM committee_sitting s WHERE s.sitting_id = NEW.sitting_id AND s.state = 'open') THEN"
        " RAISE EXCEPTION 'committee_vote_while_open'"
        " USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'committee_vote_while_open'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER committee_vote_while_open BEFORE INSERT OR UPDATE ON committee_vote"
        " FOR EACH ROW EXECUTE FUNCTION committee_vote_while_open()",
        "CREATE TRIGGER committee_vote_no_delete BEFORE DELETE ON committee_vote"
        " FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('committee_vote_no_delete')",
    ],
}


def upgrade() -> None:
    """What a member said can change until the chair closes, and not afterwards; who came is a fact."""
    _sittings()
    _votes()
    dialect = op.get_bind().dialect.name
    for statement in (*insert_only_triggers("committee_attendance", dialect), *VOTE_WHILE_OPEN[dialect]):
        op.execute(statement)


def _sittings() -> None:
    op.create_table(
        "committee_sitting",
        sa.Column("sitting_id", TEXT, nullable=False),
        sa.Column("committee", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("sits_on", sa.Date(), nullable=False),
        sa.Column("pack_digest", sa.CHAR(length=64), nullable=False),
        sa.Column("called_by", TEXT, nullable=False),
        sa.Column("called_at", MOMENT, nullable=False),
        sa.Column("opened_by", TEXT, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("closed_by", TEXT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('called', 'open', 'closed', 'superseded')", name=op.f("ck_committee_sitting_state_known")),
        sa.CheckConstraint("(opened_at IS NULL) = (opened_by = '')", name=op.f("ck_committee_sitting_opened_by_somebody")),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by = '')", name=op.f("ck_committee_sitting_closed_by_somebody")),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_committee_sitting_closed_has_a_time")),
        sa.PrimaryKeyConstraint("sitting_id", name=op.f("pk_committee_sitting")),
    )
    op.create_index(
        "uq_committee_sitting_one_at_a_time", "committee_sitting", ["committee"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_table(
        "committee_case",
        sa.Column("sitting_id", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("tally_json", TEXT, nullable=False),
        sa.CheckConstraint(f"outcome IN ({OUTCOMES})", name=op.f("ck_committee_case_outcome_known")),
        sa.CheckConstraint("(outcome = '') = (tally_json = '')", name=op.f("ck_committee_case_outcome_says_why")),
        sa.ForeignKeyConstraint(["sitting_id"], ["committee_sitting.sitting_id"], name=op.f("fk_committee_case_committee_sitting")),
        sa.ForeignKeyConstraint(["proposal_id"], ["limit_proposal.proposal_id"], name=op.f("fk_committee_case_limit_proposal")),
        sa.PrimaryKeyConstraint("sitting_id", "proposal_id", name=op.f("pk_committee_case")),
    )
    op.create_index("ix_committee_case_proposal_id", "committee_case", ["proposal_id"], unique=False)


def _votes() -> None:
    op.create_table(
        "committee_attendance",
        sa.Column("sitting_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("noted_by", TEXT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["sitting_id"], ["committee_sitting.sitting_id"], name=op.f("fk_committee_attendance_committee_sitting")),
        sa.PrimaryKeyConstraint("sitting_id", "person_id", name=op.f("pk_committee_attendance")),
    )
    op.create_table(
        "committee_vote",
        sa.Column("sitting_id", TEXT, nullable=False),
        sa.Column("proposal_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("vote", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("assurance", TEXT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("vote IN ('approve', 'reject', 'abstain', 'recused')", name=op.f("ck_committee_vote_vote_known")),
        sa.CheckConstraint("vote = 'approve' OR reason <> ''", name=op.f("ck_committee_vote_says_why")),
        sa.ForeignKeyConstraint(
            ["sitting_id", "proposal_id"],
            ["committee_case.sitting_id", "committee_case.proposal_id"],
            name=op.f("fk_committee_vote_committee_case"),
        ),
        sa.ForeignKeyConstraint(
            ["sitting_id", "person_id"],
            ["committee_attendance.sitting_id", "committee_attendance.person_id"],
            name=op.f("fk_committee_vote_committee_attendance"),
        ),
        sa.PrimaryKeyConstraint("sitting_id", "proposal_id", "person_id", name=op.f("pk_committee_vote")),
    )


def downgrade() -> None:
    """Who voted how would be lost."""
    raise NotImplementedError("votes of committees would be lost; restore a backup instead")
