"""Forecasts of account owners and what became of them, and recurring limits that recur no more.

Revision ID: 0011
"""

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
MOST = 2**53 - 1


def upgrade() -> None:
    """All three are facts: what was said does not change afterwards, and a forecast ends once."""
    _seasons_ended()
    _forecast()
    _forecast_outcome()
    for table in ("seasons_ended", "forecast", "forecast_outcome"):
        for statement in insert_only_triggers(table, op.get_bind().dialect.name):
            op.execute(statement)


def _seasons_ended() -> None:
    op.create_table(
        "seasons_ended",
        sa.Column("change_id", TEXT, nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("ended_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.CheckConstraint("ended_by <> ''", name=op.f("ck_seasons_ended_by_somebody")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_seasons_ended_says_why")),
        sa.ForeignKeyConstraint(["change_id"], ["limit_change.change_id"], name=op.f("fk_seasons_ended_limit_change")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_seasons_ended")),
    )


def _forecast() -> None:
    op.create_table(
        "forecast",
        sa.Column("forecast_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("terms_days", sa.BigInteger(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("recorded_by", TEXT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('peak', 'sales')", name=op.f("ck_forecast_kind_known")),
        sa.CheckConstraint(f"amount_minor BETWEEN 1 AND {MOST}", name=op.f("ck_forecast_amount_minor_in_range")),
        sa.CheckConstraint("terms_days BETWEEN 0 AND 3650", name=op.f("ck_forecast_terms_days_in_range")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_forecast_ends_after_start")),
        sa.CheckConstraint("(kind = 'sales') = (terms_days IS NOT NULL)", name=op.f("ck_forecast_sales_have_terms")),
        sa.CheckConstraint("owner_id <> '' AND recorded_by <> ''", name=op.f("ck_forecast_by_somebody")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_forecast_says_why")),
        sa.PrimaryKeyConstraint("forecast_id", name=op.f("pk_forecast")),
    )
    op.create_index("ix_forecast_customer_id", "forecast", ["customer_id"], unique=False)


def _forecast_outcome() -> None:
    op.create_table(
        "forecast_outcome",
        sa.Column("forecast_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("actual_minor", sa.BigInteger(), nullable=True),
        sa.Column("review_id", TEXT, nullable=True),
        sa.Column("ended_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('withdrawn', 'over')", name=op.f("ck_forecast_outcome_kind_known")),
        sa.CheckConstraint(f"actual_minor BETWEEN 0 AND {MOST}", name=op.f("ck_forecast_outcome_actual_minor_in_range")),
        sa.CheckConstraint(
            "(kind = 'over') = (actual_minor IS NOT NULL AND review_id IS NOT NULL)", name=op.f("ck_forecast_outcome_over_by_a_ledger")
        ),
        sa.CheckConstraint("kind <> 'withdrawn' OR reason <> ''", name=op.f("ck_forecast_outcome_withdrawn_says_why")),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecast.forecast_id"], name=op.f("fk_forecast_outcome_forecast")),
        sa.ForeignKeyConstraint(["review_id"], ["review.review_id"], name=op.f("fk_forecast_outcome_review")),
        sa.PrimaryKeyConstraint("forecast_id", name=op.f("pk_forecast_outcome")),
    )


def downgrade() -> None:
    """What people said would be lost, and stands nowhere else."""
    raise NotImplementedError("forecasts and ended recurrences would be lost; restore a backup instead")
