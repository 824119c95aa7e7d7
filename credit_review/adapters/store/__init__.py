"""The store: records of `credit_review.model.records` in SQLite or PostgreSQL, and the audit log written with them."""
