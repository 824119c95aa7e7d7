"""How far cash is posted, as the source states it."""

from __future__ import annotations

from datetime import date, datetime

from credit_review.adapters.settings import Settings, read_text, require_secret
from credit_review.errors import BadInput, Unavailable
from credit_review.words import said


def posted_through(settings: Settings) -> date | None:
    """The day through which the source says cash is posted; None when it states none. Raises BadInput or Unavailable."""
    stated = settings.posted_through
    if stated is None:
        return None
    if stated.file is not None:
        return _day(read_text(settings.path(stated.file), known_as=stated.file).strip(), stated.file)
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(require_secret(stated.url_secret or ""))
    try:
        with engine.connect() as connection:
            found = connection.execute(text(stated.query or "")).scalar()
    except SQLAlchemyError as error:
        raise Unavailable(
            said("the query for posted_through failed: {name}", name=type(error).__name__), next_step=said("run the query by hand")
        ) from None
    finally:
        engine.dispose()
    return _day(found, "the query for posted_through")


def _day(value: object, named: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise BadInput(said("{named} states {value}", named=named, value=repr(value)), expected=said("a date such as 2026-09-30")) from None
