"""A whole cycle of one company as its people and its scheduler run it, in phases. Each phase may be run again after a crash in it.

The flows run without Prefect here, so that hundreds of them fit into a test: their tasks are called as functions, one bucket after the
other. What Prefect itself does to a killed review is tested by the command line (test_crash.py).
"""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from credit_review.adapters.clock import FixedClock
from credit_review.adapters.wiring import open_services
from credit_review.model.records import Proposal, Review, RiskKept
from credit_review.model.states import ProposalState, ReviewState
from credit_review.review.request import unfinished_request
from deployments.cli import reviewing, story, working
from flows import apply_limits, daily_follow_up, limit_request, periodic_review
from tasks import canaries, prepare

AS_OF = date(2026, 9, 30)
FIRST_DAY = datetime(2026, 10, 7, 6, tzinfo=UTC)
A_TRY = timedelta(minutes=3)
"""Time that passes from one try to the next: longer than a lease of the outbox, so that what a killed relay held is free again."""


REVIEWED = ("review", "decide", "apply", "grant", "weeks_later", "close")
"""Phases after which everything is as if nothing had happened. A request that was killed before it was proposed is asked again."""


class Cycle:
    """The cycle in `config`, from the phase its marker names; it may be killed in the phases `fragile`."""

    def __init__(self, config: Path, points, fragile=REVIEWED):
        self.points, self.fragile = points, fragile
        self.config = str(config)
        self.marker = config / "phase.json"
        self.clock = FixedClock(FIRST_DAY)
        prepare.open_services = lambda settings: open_services(settings, clock=self.clock)
        prepare.build_info.code_commit = lambda: "c0ffee"  # whoever commits meanwhile changes no manifest
        reviewing.services = working.services = lambda config: self.opened
        self._ride, canaries.result_of = canaries.result_of, self._rode

    @property
    def opened(self):
        return prepare.services(self.config)

    def _rode(self, plan):
        """The canaries' result, computed once a company: everything of their ride but its result is thrown away by the next one, so a
        crash in it leaves nothing to spoil."""
        kept = self.marker.with_name("canaries.pickle")
        if not kept.exists():
            on, self.points.on = self.points.on, False
            kept.write_bytes(pickle.dumps(self._ride(plan)))
            self.points.on = on
        return pickle.loads(kept.read_bytes())

    def run(self):
        phases = [self.review, self.decide, self.apply, self.ask, self.grant, self.apply, self.weeks_later, self.close, self.apply]
        days = [0, 1, 2, 3, 4, 5, 60, 61, 62]
        at = json.loads(self.marker.read_text()) if self.marker.exists() else {"phase": 0, "tries": 0}
        for number in range(at["phase"], len(phases)):
            tries = at["tries"] if number == at["phase"] else 0
            self.clock.set(FIRST_DAY + timedelta(days=days[number]) + tries * A_TRY)
            self.marker.write_text(json.dumps({"phase": number, "tries": tries + 1}))
            self.points.on = phases[number].__name__ in self.fragile
            phases[number]()
            self.points.on = False
        self.marker.write_text(json.dumps({"phase": len(phases), "tries": 0}))

    # --- phases ----------------------------------------------------------------------------------------------------------------------

    def review(self):
        if self._find(Review):
            self._resume()
        else:
            periodic_review.periodic_review.fn(self.config, AS_OF)

    def _resume(self):
        """What a person does who finds a review that did not come to its end, a request that is not proposed yet excepted."""
        for review in self._find(Review):
            reported = reviewing.report_path(Path(self.config), review.review_id).exists()
            ended = review.state in (ReviewState.SUPERSEDED, ReviewState.CLOSED) or (review.state == ReviewState.ROUTED and reported)
            if not ended and not unfinished_request(review):
                periodic_review.periodic_review.fn(self.config, resume=review.review_id)

    def decide(self):
        """The analyst releases four; one is approved, one rejected, one countered with more, which others approve; one stays open."""
        chosen = self._chosen()
        drafts = [p.proposal_id for p in chosen if p.state == ProposalState.DRAFT]
        if drafts:
            working.release(Path(self.config), drafts, working.Edit(comment="checked"), keep=False, as_person="p-analyst", as_json=False)
        up, down, offer, _ = chosen
        self._answer("p-manager", up, "approve")
        self._answer("p-cfo", down, "reject", reason="paid last week")
        amount = str((offer.to_minor + (offer.to_minor - (offer.from_minor or 0)) // 4) // 100)
        self._answer("p-manager", offer, "counter", amount=amount, reason="season orders need more")
        for successor in self._find(Proposal, supersedes_id=offer.proposal_id):
            for person in ("p-cfo", "p-ceo"):
                self._answer(person, successor, "approve")

    def _chosen(self):
        """Two increases of the manager's tier and two reductions, whatever became of them."""
        of_review = [p for p in self._find(Proposal, supersedes_id=None) if p.assigned_to and p.effective_to is None]
        ups = [p for p in of_review if p.direction == "up" and p.tier == "T2"]
        downs = [p for p in of_review if p.direction == "down" and p.to_minor < (p.from_minor or 0)]
        return ups[0], downs[0], ups[1], downs[1]

    def apply(self):
        apply_limits.apply_limits.fn(self.config)
        self._erp_answers()
        apply_limits.apply_limits.fn(self.config)

    def ask(self):
        """A temporary limit for the customer whose increase was approved, until a day of the weeks to come."""
        up = self._chosen()[0]
        self._resume()
        routed = [review.review_id for review in self._find(Review) if review.state == ReviewState.ROUTED]
        if not [p for p in self._temporary() if p.review_id in routed]:
            amount = str((up.to_minor + up.to_minor // 4) // 100)
            until = (FIRST_DAY + timedelta(days=30)).date()
            limit_request.limit_request.fn(up.customer_id, amount, "season", "p-controller", self.config, until=until)

    def grant(self):
        for proposal in self._temporary():
            if proposal.state == ProposalState.DRAFT:
                ids = [proposal.proposal_id]
                working.release(Path(self.config), ids, working.Edit(), keep=False, as_person="p-analyst", as_json=False)
            for person in ("p-manager", "p-cfo", "p-ceo"):
                self._answer(person, proposal, "approve")

    def weeks_later(self):
        daily_follow_up.daily_follow_up.fn(self.config)
        self._erp_answers()

    def close(self):
        """What nobody released is put off, what did not come down is answered for, and the review is signed off."""
        config, review = Path(self.config), self._find(Review, order_by=("started_at",))[0]
        until = self.opened.today() + timedelta(days=60)
        drafts = [p.proposal_id for p in self._find(Proposal, state=ProposalState.DRAFT)]
        if drafts:
            working.defer(config, drafts, until=until, reason="next month", as_person="p-analyst", as_json=False)
        for risk in self._find(RiskKept, decided_at=None):
            working.keep_risk(config, risk.proposal_id, until=until, reason="watched", as_person="p-ceo", as_json=False)
        reviewing.close(config, review.review_id, statement="done", as_person="p-ceo", as_json=False)

    # --- with ------------------------------------------------------------------------------------------------------------------------

    def _temporary(self):
        return [p for p in self._find(Proposal) if p.effective_to is not None and p.state != ProposalState.SUPERSEDED]

    def _find(self, record, **filters):
        with self.opened.store.read() as uow:
            return uow.find(record, **filters)

    def _answer(self, person, proposal, verdict, *, amount="", reason=""):
        """Answer it, unless it has been answered: a person whose answer is on record does not answer again."""
        now = self._find(Proposal, proposal_id=proposal.proposal_id)[0]
        if now.state == ProposalState.PENDING:
            counter = working.Counter(amount=amount)
            working.uuid4 = lambda: f"{person} on {proposal.proposal_id}"  # ids that follow from an answer follow from its key
            working.decide(self.opened, ("demo", person), proposal.proposal_id, verdict, counter, working.Why(reason=reason))

    def _erp_answers(self):
        if self.opened.settings.write_back.kind == "csv_drop":
            story.demo_erp(Path(self.config))
