"""Alembic's entry: runs migrations on the connection `schema.upgrade` opened, inside its transaction."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from credit_review.adapters.store.models import Base, UtcTime


def _render(kind: str, value: Any, _context: AutogenContext) -> str | Literal[False]:
    # a migration must not change when our type does
    return "sa.CHAR(length=27)" if kind == "type" and isinstance(value, UtcTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=_render,
    transactional_ddl=True,
)
context.run_migrations()
