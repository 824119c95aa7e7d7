"""The log is remembered entry by entry: what it said before any of them can be asked."""

from __future__ import annotations

from credit_review.replay import History

TS = "2026-10-01T12:00:00.000000Z"


def told(*entries):
    """A history of `r` that took these (action, actor, entity, data)."""
    history = History(review_id="r")
    for seq, (action, actor, entity, data) in enumerate(entries):
        history.take(seq, {"action": action, "actor": actor, "entity": entity, "ts": TS, "data": data})
    return history


def opened(account, minor):
    data = {"change": f"l-{account}", "version": 1, "from_minor": None, "to_minor": minor, "to_terms_days": 30}
    return "limit.opened", "person:p", f"account:{account}", {**data, "effective_from": "2026-09-30", "effective_to": None}


def created(key, *, cause=None, review="r"):
    data = {
        "review": review,
        "account": f"a-{key}",
        "currency": "EUR",
        "to_minor": 5,
        "terms_days": 30,
        "effective_to": None,
        "digest": key,
    }
    return "proposal.created", "system:x", f"proposal:{key}", {**data, **({"cause": cause} if cause else {"manifest": "m"})}


def routed(key):
    return "proposal.assigned", "system:x", f"proposal:{key}", {"from": "draft", "to": "draft"}


def test_a_limit_is_what_it_was_before_an_entry():
    history = told(opened("a", 100), opened("b", 200))
    assert history.at("credit_limit", "b", 1) is None and history.at("credit_limit", "b", 2)[1] == 200
    assert not history.opened("b", 1) and history.opened("b", 2) and not history.opened("never", 9)


def test_proposals_of_one_transaction_stand_together_with_what_came_before_them_in_it():
    account = ("account.opened", "system:x", "account:a-p1", {})
    history = told(opened("a", 1), account, created("p1"), created("p2"), opened("b", 1), created("p3"), created("q", review="other"))
    assert [(one.before, list(one.steps)) for one in history.created] == [(1, ["p1", "p2"]), (5, ["p3"])]


def test_a_transaction_ends_at_500_proposals():
    history = told(*(created(f"p{n}") for n in range(501)))
    assert [len(one.steps) for one in history.created] == [500, 1]


def test_only_the_first_route_is_the_engines_and_a_successor_is_pending_at_once():
    history = told(
        created("p1"), routed("p1"), ("proposal.released", "person:p", "proposal:p1", {"to": "pending"}), created("p2", cause="countered")
    )
    assert [list(one.steps) for one in history.routed] == [["p1"]]
    assert [step.action for step in history.later["p1"]] == ["proposal.assigned", "proposal.released"]
    assert history.at("limit_proposal", "p2", 9)[0] == "pending" and len(history.created) == 1


def test_a_comment_changes_the_digest_of_the_packet():
    history = told(created("p1"), ("proposal.commented", "person:p", "proposal:p1", {"digest": "d2"}))
    assert history.digest_now("p1") == "d2"
