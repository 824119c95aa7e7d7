"""The model inventory: versions of models with their life cycle, and what their validators answered.

Revision ID: 0008
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from credit_review.adapters.store.migrations.insert_only import insert_only_triggers

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.CHAR(length=27)
BEFORE = "in use before the inventory was kept; nothing of it was validated here"
COLUMNS = (
    "digest", "model_id", "version", "kind", "status", "title", "owner_id", "tier", "purpose", "data", "limits_of_use", "developers",
    "card_digest", "registered_by", "registered_at", "validated_by", "validated_at", "report_digest", "valid_from", "valid_to",
    "retired_by", "retired_at", "retired_reason", "signature",
)  # fmt: skip


def upgrade() -> None:
    """Versions may change (their state), answers may not; scorecards that were submitted before enter as they stand."""
    _create_versions()
    _create_validations()
    _take_over()


def _create_versions() -> None:
    op.create_table(
        "model_version",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("model_id", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("tier", sa.BigInteger(), nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("data", TEXT, nullable=False),
        sa.Column("limits_of_use", TEXT, nullable=False),
        sa.Column("developers", TEXT, nullable=False),
        sa.Column("card_digest", TEXT, nullable=False),
        sa.Column("registered_by", TEXT, nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("validated_by", TEXT, nullable=False),
        sa.Column("validated_at", MOMENT, nullable=True),
        sa.Column("report_digest", TEXT, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("retired_by", TEXT, nullable=False),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.Column("retired_reason", TEXT, nullable=False),
        sa.Column("signature", TEXT, nullable=False),
        *_rules_of_versions(),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_model_version")),
        sa.UniqueConstraint("model_id", "version", name="one_model_version"),
        sa.UniqueConstraint("digest", "developers", name="model_and_developers"),
    )
    op.create_index(
        "one_model_in_force",
        "model_version",
        ["model_id"],
        unique=True,
        sqlite_where=sa.text("status = 'in_force' AND valid_to IS NULL"),
        postgresql_where=sa.text("status = 'in_force' AND valid_to IS NULL"),
    )


def _create_validations() -> None:
    op.create_table(
        "model_validation",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("developers", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("authority", TEXT, nullable=False),
        sa.Column("report_digest", sa.CHAR(length=64), nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.CheckConstraint("verdict IN ('accepted', 'rejected')", name=op.f("ck_model_validation_verdict_known")),
        sa.CheckConstraint("person_id <> ''", name=op.f("ck_model_validation_by_somebody")),
        sa.CheckConstraint("comment <> ''", name=op.f("ck_model_validation_says_why")),
        sa.CheckConstraint(
            "replace('|' || developers || '|', '|' || person_id || '|', '') = '|' || developers || '|'",
            name=op.f("ck_model_validation_validator_is_no_developer"),
        ),
        sa.ForeignKeyConstraint(
            ["digest", "developers"], ["model_version.digest", "model_version.developers"], name="fk_model_validation_model"
        ),
        sa.PrimaryKeyConstraint("digest", "person_id", "at", name=op.f("pk_model_validation")),
    )
    for statement in insert_only_triggers("model_validation", op.get_bind().dialect.name):
        op.execute(statement)


def _rules_of_versions() -> list[sa.CheckConstraint]:
    """What the database itself refuses of a version, whoever writes it."""
    return [
        sa.CheckConstraint("kind IN ('scorecard', 'challenger')", name=op.f("ck_model_version_kind_known")),
        sa.CheckConstraint("status IN ('draft', 'validated', 'in_force', 'retired')", name=op.f("ck_model_version_status_known")),
        sa.CheckConstraint("tier BETWEEN 1 AND 3", name=op.f("ck_model_version_tier_in_range")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_model_version_version_in_range")),
        sa.CheckConstraint("developers <> ''", name=op.f("ck_model_version_has_a_developer")),
        sa.CheckConstraint(
            "(validated_by = '') = (report_digest = '') AND (validated_by = '') = (validated_at IS NULL)",
            name=op.f("ck_model_version_validation_whole"),
        ),
        sa.CheckConstraint(
            "validated_by <> '' OR status IN ('draft', 'retired') OR (status = 'in_force' AND tier > 1)",
            name=op.f("ck_model_version_validated_before_use"),
        ),
        sa.CheckConstraint("status <> 'in_force' OR valid_from IS NOT NULL", name=op.f("ck_model_version_in_force_from_a_day")),
        sa.CheckConstraint("(status = 'retired') = (retired_at IS NOT NULL)", name=op.f("ck_model_version_retired_by_somebody")),
        sa.CheckConstraint(
            "replace('|' || developers || '|', '|' || validated_by || '|', '') = '|' || developers || '|'",
            name=op.f("ck_model_version_validated_by_another"),
        ),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_model_version_ends_after_start")),
    ]


def _take_over() -> None:
    """Scorecards known before: the one adopted last is in force, those adopted earlier are retired, the others drafts."""
    documents = op.get_bind().execute(
        sa.text(
            "SELECT digest, content, author_id, submitted_at, adopted_at FROM governed_document WHERE kind = 'scorecard' "
            "ORDER BY submitted_at, digest"
        )
    )
    rows = list(_versions(documents.all()))
    if rows:
        columns, values = ", ".join(COLUMNS), ", ".join(f":{name}" for name in COLUMNS)
        op.get_bind().execute(sa.text(f"INSERT INTO model_version ({columns}) VALUES ({values})"), rows)  # noqa: S608  names of our own


def _versions(documents: Sequence[Any]) -> Iterator[dict[str, Any]]:
    adopted = sorted(one.adopted_at for one in documents if one.adopted_at)
    for number, one in enumerate(documents, start=1):
        later = [at for at in adopted if one.adopted_at and at > one.adopted_at]
        status = ("retired" if later else "in_force") if one.adopted_at else "draft"
        yield dict.fromkeys(COLUMNS, "") | {
            "digest": one.digest, "model_id": "scorecard", "version": number, "kind": "scorecard", "status": status,
            "title": _title(one.content), "tier": 2, "limits_of_use": BEFORE if one.adopted_at else "", "developers": one.author_id,
            "registered_by": "system:inventory", "registered_at": one.submitted_at, "validated_at": None,
            "valid_from": one.adopted_at[:10] if one.adopted_at else None, "valid_to": later[0][:10] if later else None,
            "retired_by": "system:inventory" if later else "", "retired_at": later[0] if later else None,
        }  # fmt: skip


def _title(content: str) -> str:
    try:
        return str(json.loads(content)["name"])
    except (ValueError, KeyError, TypeError):
        return ""


def downgrade() -> None:
    """Who validated what would be lost, and stands nowhere else."""
    raise NotImplementedError("the model inventory would be lost; restore a backup instead")
