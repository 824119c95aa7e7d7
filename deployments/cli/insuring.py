"""`insurance tasks`: what must be done until which day so that cover goes on."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

from credit_review.errors import BadInput
from credit_review.words import said
from deployments.cli.frame import services, show_json, show_table, tell


def show_tasks(config: Path, until: date | None, *, as_json: bool) -> None:
    """Print the calendar of insurance by the newest review of the book."""
    opened = services(config)
    from credit_review.adapters import layered

    with opened.store.read() as uow:
        review = layered.newest_of_book(uow, opened.today())
    if review is None:
        raise BadInput(said("no review of the book has results yet"), next_step=said("run `credit-review review run`"))
    found = [t for t in layered.insurance_tasks(opened.settings.data, review) if until is None or t.due <= until]
    if as_json:
        show_json({"review": review.review_id, "as_of": review.as_of, "tasks": [asdict(t) | {"text": str(t.text)} for t in found]})
        return
    today = opened.today()
    rows = [[t.due, said("overdue") if t.due < today else "", t.customer_id, t.reference, t.text] for t in found]
    tell(said("Insurance by {review} as of {day}: {n} task(s)", review=review.label, day=review.as_of, n=len(found)))
    if rows:
        show_table("", (said("Until"), "", said("Customer"), said("Reference"), said("What to do")), rows)
