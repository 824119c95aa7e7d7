"""PostgreSQL roles that keep the application from rewriting what it wrote. Every migration makes the auditor's, where it may (`keep_up`);
the others an administrator makes once (`create_roles`), and migrations give them what they add.

`<prefix>_owner` owns the tables and runs migrations, `<prefix>_app` is for the program, `<prefix>_auditor` reads everything
and may say that it did (`audit_read_requested`),
`<prefix>_notary` reads the log and stores checkpoints. None can log in: grant them to login roles. A superuser is bound by none of
this; that is what anchors outside the database are for.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, Engine, text

from credit_review.adapters.store.engine import WRITE_BUDGET
from credit_review.adapters.store.models import INSERT_ONLY, RECORDS, WRITTEN_BY_APPEND, Base
from credit_review.adapters.store.patience import BATCH_BUDGET
from credit_review.adapters.store.refusals import translated
from credit_review.errors import BadInput

ASKED, ASK = "audit_read_request", "audit_read_requested(text, text)"
"""Where an auditor's reads are asked to be recorded, and the function through which alone he can."""

PREFIX = "credit_review"
"""Of the auditor's role where nobody chose another."""

_MAKE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
"""A role is the server's: another database's migration may have made it, or do so at this moment."""

_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,40}")


def role_statements(prefix: str) -> list[str]:
    """The SQL that makes the four roles and hands the tables over, in order. Raises BadInput for a prefix that is no plain name."""
    if not _PREFIX.fullmatch(prefix):
        raise BadInput(f"role prefix {prefix!r} is no plain name", expected="lower-case letters, digits and _, such as credit_review")
    return [*(_MAKE.format(role=f"{prefix}_{role}") for role in ("owner", "app", "auditor", "notary")), *_rights(prefix)]


def _rights(prefix: str) -> list[str]:
    """The SQL that gives each role what it may, over all tables there are; to run it again changes nothing."""
    owner, app, auditor, notary = (f"{prefix}_{role}" for role in ("owner", "app", "auditor", "notary"))
    tables = sorted(Base.metadata.tables)
    log = {RECORDS[record].__tablename__ for record in WRITTEN_BY_APPEND}
    insert_only = {RECORDS[record].__tablename__ for record in INSERT_ONLY}
    not_inserted = ("audit_head", "audit_checkpoint", ASKED)
    changeable = [name for name in tables if name not in log | insert_only]
    return [
        *(f"ALTER TABLE {name} OWNER TO {owner}" for name in (*tables, "alembic_version")),
        f"GRANT USAGE ON SCHEMA public TO {app}, {notary}",
        f"GRANT SELECT ON {', '.join((*tables, 'alembic_version'))} TO {app}",
        f"GRANT INSERT ON {', '.join(name for name in tables if name not in not_inserted)} TO {app}",
        f"GRANT UPDATE ON {', '.join((*changeable, 'audit_head'))} TO {app}",
        f"GRANT SELECT ON {', '.join(sorted(log))} TO {notary}",
        f"GRANT INSERT ON audit_checkpoint TO {notary}",
        f"ALTER FUNCTION {ASK} OWNER TO {owner}",
        *_reading(auditor),
    ]


def _reading(auditor: str) -> list[str]:
    """The SQL that lets a role read everything and ask that it is recorded, and nothing else."""
    return [
        f"GRANT USAGE ON SCHEMA public TO {auditor}",
        f"GRANT SELECT ON {', '.join((*sorted(Base.metadata.tables), 'alembic_version'))} TO {auditor}",
        f"GRANT EXECUTE ON FUNCTION {ASK} TO {auditor}",
    ]


def create_roles(engine: Engine, prefix: str) -> None:
    """Makes the roles in a migrated PostgreSQL database; needs an administrator's connection. Raises BadInput or Unavailable."""
    if engine.dialect.name != "postgresql":
        raise BadInput("roles exist on PostgreSQL only", expected="a postgresql:// database")
    with translated(None, None), engine.connect().execution_options(**{WRITE_BUDGET: BATCH_BUDGET}) as connection, connection.begin():
        for statement in role_statements(prefix):
            connection.execute(text(statement))


def keep_up(connection: Connection) -> None:
    """After a migration, on PostgreSQL: roles that `create_roles` made get what it added; else the auditor's role is made, where one may.

    Roles are the server's, so a login that may make none leaves them to an administrator.
    """
    if connection.dialect.name != "postgresql":
        return
    owner = str(connection.scalar(text("SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'audit_log'")))
    prefix = owner.removesuffix("_owner")
    made = connection.scalar(
        text("SELECT count(*) FROM pg_roles WHERE rolname IN (:app, :auditor, :notary)"),
        {role: f"{prefix}_{role}" for role in ("app", "auditor", "notary")},
    )
    if prefix != owner and _PREFIX.fullmatch(prefix) and made == 3:
        statements = _rights(prefix)
    elif connection.scalar(text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")):
        statements = [_MAKE.format(role=f"{PREFIX}_auditor"), *_reading(f"{PREFIX}_auditor")]
    else:
        return
    for statement in statements:
        connection.execute(text(statement))
