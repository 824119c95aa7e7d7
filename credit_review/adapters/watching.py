"""Runs the controls over the record of an installation. Reads only, and leaves making findings of alarms to its callers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd

from credit_review import authority, documents, policy
from credit_review.adapters import reviewed
from credit_review.adapters.store import watched
from credit_review.adapters.wiring import Services
from credit_review.adapters.workspace import Workspace
from credit_review.controls.alarm import Alarm
from credit_review.controls.history import History, empty
from credit_review.controls.register import REGISTER, Control, watch
from credit_review.errors import BadInput
from credit_review.model.records import Review
from credit_review.model.states import DocumentOfRecord
from credit_review.policy import ControlRules, Policy
from credit_review.review.book import WITH_RESULTS, of_book
from credit_review.review.governed import in_force
from credit_review.review.lifecycle import review_of
from credit_review.words import said

_OF_PROPOSALS = ("decisions", "makers", "conditions")
_OF_BOOK = {"coverage", "dips"}


def run(opened: Services, review_id: str = "", *, book: bool = True) -> list[Alarm]:
    """Every alarm of the record; or of one review, by the controls that can be asked of one. Raises BadInput for an unknown review.

    Without `book` the files of the newest review of the book are not read: after a request they are the ones that its review was judged by.
    """
    history = history_of(opened, book=book)
    if not review_id:
        return watch(history, controls_of(book=book))
    if review_id not in set(history["reviews"]["review_id"]):
        with opened.store.read() as uow:
            review_of(uow, review_id)  # refuses one that is nowhere; controls say nothing of older ones
        old = said("review {review} is older than what controls look at", review=review_id)
        raise BadInput(old, expected=said("a review since {day}", day=history.since.date()))
    return watch(of_review(history, review_id), [one for one in REGISTER if one.of_review])


def controls_of(*, book: bool) -> tuple[Control, ...]:
    """The register; without `book` those that read something else beside the files of a review of the book."""
    return tuple(one for one in REGISTER if book or not set(one.evidence) <= _OF_BOOK)


def history_of(opened: Services, *, book: bool = True) -> History:
    """The record as controls read it, from the year in which 400 days ago lie; without `book`, the frames of its files are empty."""
    now, zone = opened.clock.now(), opened.settings.zone
    start = watched.since(now, zone)
    frames, texts = watched.read(opened.store.engine, start)
    matrices = {digest: authority.load(documents.parse(text, name=digest)) for digest, text in texts.items()}
    with opened.store.read() as uow:
        document = in_force(uow, DocumentOfRecord.POLICY, now)
        known = uow.find(Review, order_by=("as_of", "started_at"))
    rules = policy.load(documents.parse(document.content, name=document.name)) if document else None
    places = [(one, Workspace(opened.settings.data, one.review_id)) for one in known if one.started_at >= start]
    begun = min((one.as_of for one in known), default=start.date())
    return History(
        now=now,
        since=start,
        zone=zone,
        rules=rules.controls if rules else ControlRules(),
        control_currency=rules.control_currency if rules else "EUR",
        listed=bool(rules and rules.approvals.approve_listed_up_to),
        matrices=matrices,
        frames=frames | {"reviews": reviewed.reviews(places)} | _of_newest(places if book else [], rules, begun),
    )


def _of_newest(places: list[tuple[Review, Workspace]], rules: Policy | None, begun: date) -> dict[str, pd.DataFrame]:
    """Coverage and dips, from the newest review of the book that came to proposals."""
    done = [(r, w) for r, w in places if of_book(r) and r.state in WITH_RESULTS]
    if not done or rules is None:
        return {"coverage": empty("coverage"), "dips": empty("dips")}
    review, workspace = done[-1]
    days = sorted({r.as_of for r, _ in done if r.as_of < review.as_of})
    return {"coverage": reviewed.coverage(review, workspace, begun), "dips": reviewed.dips_around(review, workspace, days, rules)}


def of_review(history: History, review_id: str) -> History:
    """The part of a history that belongs to one review; people, documents and matrices stay whole."""
    frames = dict(history.frames)
    frames["proposals"] = _where(frames["proposals"], "review_id", {review_id})
    ids = set(frames["proposals"]["proposal_id"])
    frames |= {name: _where(frames[name], "proposal_id", ids) for name in _OF_PROPOSALS}
    frames["changes"] = _where(frames["changes"], "proposal_id", ids)
    frames |= {name: _where(frames[name], "review_id", {review_id}) for name in ("reviews", "coverage")}
    return replace(history, frames=frames)


def _where(frame: pd.DataFrame, column: str, values: set[str]) -> pd.DataFrame:
    return frame[frame[column].isin(values)].reset_index(drop=True)
