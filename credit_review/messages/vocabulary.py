"""Words that stand in records and are shown to people, for the catalogues: states, kinds and statuses are said by their stored names."""

from credit_review.words import marked

STORED_WORDS = (
    marked("draft"), marked("pending"), marked("approved"), marked("applied"), marked("rejected"), marked("returned"),
    marked("expired"), marked("superseded"), marked("opening"), marked("decision"), marked("reversal"), marked("base"),
    marked("temporary"), marked("group"), marked("segment"), marked("insured"), marked("ceiling"), marked("active"),
    marked("prepayment"), marked("blocked"), marked("legal"), marked("insolvent"), marked("intercompany"), marked("one off"),
    marked("dormant"), marked("new"), marked("reviewed"), marked("not due"), marked("quarantined"), marked("excluded"), marked("deferred"),
    marked("by rule"), marked("condition lapsed"), marked("approver invalid"), marked("base changed"), marked("limit changed"),
    marked("snapshotted"), marked("validated"), marked("scored"), marked("proposed"), marked("routed"), marked("settled"), marked("closed"),
    marked("failed"), marked("up"), marked("down"), marked("same"), marked("approve"), marked("reject"), marked("return"),
    marked("counter"), marked("comment"), marked("attachment"),
    marked("question"), marked("requested"), marked("released"), marked("amended"),
    marked("answered"), marked("policy"), marked("authority"), marked("scorecard"), marked("mapping"),
    marked("reduction"), marked("group limit"), marked("increases 12m"), marked("exceptional"), marked("first limit"),
    marked("as routed"), marked("no rate"), marked("need"), marked("net worth"), marked("recommendation"), marked("grade ceiling"),
    marked("not_due"), marked("Expert"), marked("Fitted"), marked("probability of default"), marked("probability of serious lateness"),
)  # fmt: skip
"""Stored names, underscores as spaces (as stored where the command line shows that): states, kinds, statuses, verdicts, rules, caps."""
