"""`canaries`: the synthetic customers under the documents as they stand in their files, before a review or an adoption."""

from __future__ import annotations

import tempfile
from pathlib import Path

from credit_review.model.money import Money
from credit_review.words import Said, marked, said
from deployments.cli.frame import services, show_json, show_table, tell
from deployments.cli.watching import watched

_ROUTES = {"by rule": marked("by rule"), "worklist": marked("worklist"), "approvers": marked("approvers")}


def canaries(config: Path, *, as_json: bool) -> int:
    """Print what must come of each canary and what does; returns 0, or 5 when one differs."""
    opened = services(config)
    with watched(), tempfile.TemporaryDirectory(prefix="credit-review-canaries-") as folder:
        from credit_review.canaries import CANARIES, ledger
        from credit_review.model.states import ReviewKind
        from tasks import canaries as riding
        from tasks import prepare

        plan = prepare.planned(opened.settings, str(config), opened.today(), "all", ReviewKind.AD_HOC)
        plan = plan.but(data=folder, review_id="canaries", buckets=1)
        plan.workspace.keep_documents(prepare.governed_documents(opened.settings))
        result = riding.result_of(plan)
        currency = ledger.currencies(plan.workspace.policy().control_currency)
    if as_json:
        show_json(result.plain())
        return 0 if result.held else 5
    columns = (said("Canary"), said("What it is"), said("State"), said("Grade"), said("Limit"), said("Route"))
    rows = [(c.customer_id, said(c.about), *_expected(result.expected[c.customer_id], currency[c.customer_id])) for c in CANARIES]
    show_table(said("What must come of the canaries"), columns, rows)
    for one in result.differences:
        tell(one.text(), err=True)
    tell(said("canaries: {n} of {total} as expected", n=result.as_expected, total=result.of))
    return 0 if result.held else 5


def _expected(figures: object, currency: str) -> tuple[Said | str, ...]:
    assert isinstance(figures, dict)  # noqa: S101  a mapping of plain figures
    to = figures.get("to_minor")
    return (
        said(figures["state"]),
        figures["grade"],
        "" if to is None else said("{amount}", amount=Money(to, currency)),
        said(_ROUTES[figures["route"]]) if figures.get("route") else "",
    )
