"""A request runs as a flow: the message that follows it is owed by the flow and says what came of it, and the controls run at its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import without_prefect
from installed import AS_OF, install, set_in

from credit_review import messages
from credit_review.adapters import watching
from credit_review.adapters.clock import FixedClock
from credit_review.adapters.wiring import open_services
from credit_review.errors import CreditReviewError
from credit_review.model.records import CreditLimit, Finding, LimitAccount, OutboxEntry, Proposal, Review
from credit_review.review.showing import Showing
from flows import limit_request, periodic_review
from tasks import controls, prepare
from tests.drawings import draw_once

ADOPTED, NOW = datetime(2026, 10, 1, 12, tzinfo=UTC), datetime(2026, 10, 7, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A reviewed installation for both tests, each of which asks for a customer that nothing is asked for yet."""
    folder = tmp_path_factory.mktemp("asked") / "config"
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.apply(patch)
        without_prefect.ride_once(patch)
        without_prefect.check_once(patch)
        draw_once(patch)
        patch.setattr(prepare, "open_services", lambda found: open_services(found, clock=FixedClock(NOW)))
        install(folder, customers=30, seed=4, clock=FixedClock(ADOPTED))
        set_in(folder, slack={"mode": "socket", "team_ids": ["T1"]}, review={"buckets": 1})
        periodic_review.periodic_review.fn(config=str(folder), as_of=AS_OF)
        yield str(folder)


def unasked(config):
    """The account with the smallest limit in force of those that the review reached and left as they are, and its limit, minor units."""
    with prepare.services(config).store.read() as uow:
        (review,) = uow.find(Review, kind="periodic")
        busy = {p.account_id for p in uow.find(Proposal)}
        limits = {c.account_id: c.amount_minor for c in uow.find(CreditLimit)}
        accounts = uow.find(LimitAccount, layer="base", currency="EUR")
    frame = prepare.plan_of(config, review.review_id).workspace.read("proposals", 0)
    reached = set(frame.loc[frame["state"] == "reviewed", "customer_id"])
    free = [a for a in accounts if limits.get(a.account_id) is not None and a.account_id not in busy and a.subject_id in reached]
    account = min(free, key=lambda a: (limits[a.account_id], a.subject_id))
    return account, limits[account.account_id]


def followed(config, review_id):
    """The status message of a request as it would be sent now."""
    opened = prepare.services(config)
    with opened.store.read() as uow:
        subject = f"request:{review_id}"
        (row,) = uow.find(OutboxEntry, dedup_key=f"slack_post:{subject}:@p-cfo")
        draw = messages.renderer(opened.clock, messages.Company(opened.settings.words()))
        return json.dumps(draw(uow, Showing(subject, "@p-cfo", json.loads(row.payload_json))).blocks)


def test_who_asks_gets_a_status_that_says_with_whom_it_is_or_why_it_came_to_nothing(config):
    store = prepare.services(config).store
    account, limit = unasked(config)
    whole, more = f"{limit // 100}", f"{limit // 100 + 5000}"
    with pytest.raises(CreditReviewError):
        limit_request.limit_request.fn(account.subject_id, whole, "as it is", "p-cfo", config=config)
    failed = review_in(store, "failed")
    assert f"Not possible: customer {account.subject_id} already has that limit and those terms" in followed(config, failed)
    limit_request.limit_request.fn(account.subject_id, more, "season", "p-cfo", config=config)
    assert "With the analyst, who puts it before the approvers" in followed(config, review_in(store, "routed"))


def test_the_controls_run_at_the_end_of_a_request_and_what_they_find_is_one_finding_however_often(config):
    opened, (account, limit) = prepare.services(config), unasked(config)
    with opened.store.read() as uow:
        (review,) = uow.find(Review, kind="periodic")
    (opened.settings.data / "reviews" / review.review_id / "certificate.json").unlink()
    limit_request.limit_request.fn(account.subject_id, f"{limit // 100 + 5000}", "season", "p-cfo", config=config)
    with opened.store.read() as uow:
        assert [(f.control, f.subject) for f in uow.find(Finding)] == [("coverage", f"review:{review.review_id}")]
    again = controls.watch.fn(config, book=False)
    assert again.headline == "15 controls ran: 1 exception found, 0 of them new"
    whole, after = watching.history_of(opened), watching.history_of(opened, book=False)
    assert len(whole["coverage"]) and not len(after["coverage"]), "the files of the review of the book are not read for a request"


def review_in(store, state):
    """The one request in a state."""
    with store.read() as uow:
        (review,) = uow.find(Review, kind="ad_hoc", state=state)
        return review.review_id
