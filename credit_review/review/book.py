"""Which reviews are of the whole book and have results: the ones that later work looks back on."""

from __future__ import annotations

from credit_review.model.records import Review
from credit_review.model.states import ReviewState
from credit_review.ports import UnitOfWork

WITH_RESULTS = (ReviewState.PROPOSED, ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)


def of_book(review: Review) -> bool:
    """Whether the review was of the book, not of one customer or a list."""
    return ":" not in review.scope and review.state != ReviewState.SUPERSEDED


def reviews_of_book(uow: UnitOfWork) -> list[Review]:
    """Reviews of the book with results, oldest first, one a day: of several the one started last."""
    known = uow.find(Review, order_by=("as_of", "started_at"))
    return [*{r.as_of: r for r in known if of_book(r) and r.state in WITH_RESULTS}.values()]
