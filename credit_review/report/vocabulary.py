"""Names that stand in results and records and are shown in a report, for the catalogues: they are said by their stored names."""

from credit_review.words import marked

STORED_WORDS = (
    # states and kinds of a review, answers, causes
    marked("snapshotted"), marked("validated"), marked("scored"), marked("proposed"), marked("routed"), marked("settled"),
    marked("closed"), marked("failed"), marked("periodic"), marked("ad hoc"), marked("event"),
    marked("approve"), marked("reject"), marked("return"), marked("counter"),
    # what the scorecard predicts
    marked("probability of default"), marked("probability of serious lateness"),
    # lines of the certificate
    marked("duplicates removed"), marked("unattributed"), marked("posted later"), marked("control total"), marked("duplicates"),
    marked("source"),
    # datasets and inputs of the manifest
    marked("items"), marked("customers"), marked("external"), marked("statements"), marked("cover"), marked("rates"), marked("limits"),
    marked("history"),
    marked("features"), marked("proposals"), marked("scores"), marked("snapshot"), marked("ledger"), marked("identities"),
    marked("policy"), marked("authority"), marked("scorecard"), marked("mapping {source}"), marked("stated totals"),
    # kinds of document
    marked("invoice"), marked("credit note"), marked("payment"), marked("on account"), marked("note"), marked("order"),
    marked("delivery"),
    # figures that may not be computable, and what a source may lack
    marked("sales 12m"), marked("need"), marked("last invoice"), marked("average days late"), marked("days late trend"),
    marked("cleared count"), marked("peak balance"), marked("open orders"), marked("unbilled deliveries"), marked("notes"),
    marked("limit"), marked("utilisation"), marked("disputed"), marked("overdue"), marked("months on book"), marked("external grade"),
    marked("external pd"), marked("external age"), marked("recommended limit"), marked("tangible net worth"), marked("net worth age"),
    marked("exposure"), marked("sales"), marked("cleared items"), marked("orders"), marked("deliveries"), marked("disputes"),
    # fields that a row may lack
    marked("document date"), marked("posting date"), marked("due date"), marked("clearing date"), marked("report date"),
    marked("net worth date"), marked("customer since"), marked("valid from"), marked("valid to"), marked("rate date"),
    marked("cover fraction"), marked("pd fraction"), marked("terms days"), marked("max terms days"), marked("rows"),
    marked("currency"), marked("legal entity"), marked("group id"), marked("portfolio"), marked("segment"), marked("region"),
    marked("name"), marked("country"), marked("account owner id"),
)  # fmt: skip
"""Stored names, underscores as spaces."""
