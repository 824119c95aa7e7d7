"""A whole review of 500 customers, in buckets and with people's decisions behind it, comes out again byte for byte."""

from __future__ import annotations

from installed import AS_OF, install, set_in

from credit_review.adapters import build_info
from credit_review.model.records import AuditRow, Proposal, Review
from deployments.cli import reviewing
from tasks import effects, prepare, replaying


def test_a_review_of_500_customers_replays_equal_also_after_limits_were_applied(tmp_path, plain_flows, monkeypatch):
    monkeypatch.setattr(build_info, "code_commit", lambda: "c0ffee")  # whoever saves a file meanwhile makes no difference
    config = tmp_path / "config"
    install(config, customers=500, seed=17)
    set_in(config, review={"buckets": 4})
    reviewing.run_flow(config, as_of=AS_OF)
    effects.apply_approved.fn(str(config))
    with prepare.services(str(config)).store.read() as uow:
        (review,) = uow.find(Review)
        proposals = len(uow.find(Proposal))
        applied = len(uow.find(AuditRow, action="limit.applied"))
    found = replaying.replay(str(config), review.review_id)
    assert found.exit_code == 0, (found.inputs, found.missing, found.differences[:10])
    assert (found.customers, found.proposals, found.routes) == (500, proposals, proposals)
    assert proposals > 200 and applied > 5 and not found.notes
