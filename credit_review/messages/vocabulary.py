"""Words that stand in records and are shown to people, for the catalogues: states, kinds and statuses are said by their stored names."""

from credit_review.words import marked

STORED_WORDS = (
    marked("draft"), marked("pending"), marked("approved"), marked("applied"), marked("rejected"), marked("returned"),
    marked("expired"), marked("superseded"), marked("opening"), marked("decision"), marked("reversal"), marked("base"),
    marked("temporary"), marked("group"), marked("segment"), marked("insured"), marked("ceiling"), marked("active"),
    marked("prepayment"), marked("blocked"), marked("legal"), marked("insolvent"), marked("intercompany"), marked("one off"),
    marked("dormant"), marked("new"), marked("reviewed"), marked("not due"), marked("quarantined"), marked("excluded"), marked("deferred"),
    marked("by rule"), marked("condition lapsed"), marked("approver invalid"), marked("base changed"), marked("limit changed"),
)  # fmt: skip
"""Stored names, underscores as spaces: proposal states, change kinds, layers, credit statuses, customer states."""
