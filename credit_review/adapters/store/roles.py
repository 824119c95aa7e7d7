"""PostgreSQL roles that keep the application from rewriting what it wrote. Optional: an administrator runs `create_roles` once, and
migrations give the roles what they add (`keep_up`). Roles are the server's, not the database's: no migration makes them.

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

_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,40}")


def role_statements(prefix: str) -> list[str]:
    """The SQL that makes the four roles and hands the tables over, in order. Raises BadInput for a prefix that is no plain name."""
    if not _PREFIX.fullmatch(prefix):
        raise BadInput(f"role prefix {prefix!r} is no plain name", expected="lower-case letters, digits and _, such as credit_review")
    return [*(f"CREATE ROLE {prefix}_{role} NOLOGIN" for role in ("owner", "app", "auditor", "notary")), *_rights(prefix)]


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
        f"GRANT USAGE ON SCHEMA public TO {app}, {auditor}, {notary}",
        f"GRANT SELECT ON {', '.join((*tables, 'alembic_version'))} TO {app}, {auditor}",
        f"GRANT INSERT ON {', '.join(name for name in tables if name not in not_inserted)} TO {app}",
        f"GRANT UPDATE ON {', '.join((*changeable, 'audit_head'))} TO {app}",
        f"GRANT SELECT ON {', '.join(sorted(log))} TO {notary}",
        f"GRANT INSERT ON audit_checkpoint TO {notary}",
        f"ALTER FUNCTION {ASK} OWNER TO {owner}",
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
    """After a migration, on PostgreSQL: where the tables belong to roles that `create_roles` made, these get what the migration added."""
    if connection.dialect.name != "postgresql":
        return
    owner = str(connection.scalar(text("SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'audit_log'")))
    prefix = owner.removesuffix("_owner")
    made = connection.scalar(
        text("SELECT count(*) FROM pg_roles WHERE rolname IN (:app, :auditor, :notary)"),
        {role: f"{prefix}_{role}" for role in ("app", "auditor", "notary")},
    )
    if prefix != owner and _PREFIX.fullmatch(prefix) and made == 3:
        for statement in _rights(prefix):
            connection.execute(text(statement))
