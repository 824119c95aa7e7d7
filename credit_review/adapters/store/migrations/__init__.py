"""Alembic migrations of the store. A released migration is never edited: a change of schema is a new one."""
