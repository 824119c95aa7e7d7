"""A company with two founders, adopted documents and a review, in a real database, for the tests of a review's life."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from credit_review import authority, policy
from credit_review.documents import parse
from credit_review.model import records
from credit_review.model.records import AuditRow, CreditLimit, LimitAccount, LimitChange, Person, PersonAccount, Proposal
from credit_review.model.states import DocumentOfRecord, ReviewState
from credit_review.review import adopt, lifecycle, opening, propose, route
from credit_review.review.addressing import Destinations
from credit_review.review.lifecycle import Start, Used
from credit_review.review.manifest import Manifest, digest_of
from credit_review.review.propose import ProposalDraft
from credit_review.review.release import Analyst

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
TODAY = NOON.date()
AS_OF = date(2026, 9, 30)
LONG_AGO = date(2020, 1, 1)
RECORDED = datetime(2020, 1, 1, tzinfo=UTC)
STARTER = Path(__file__).parents[2] / "deployments" / "starter"
TEXTS = {
    "policy": (STARTER / "policy.yaml").read_text(),
    "authority": (STARTER / "authority.yaml").read_text(),
    "scorecard": '{"kind":"expert"}',
    "mapping": (STARTER / "mapping.yaml").read_text(),
}
DIGESTS = {kind: digest_of(text) for kind, text in TEXTS.items()}
POLICY = policy.load(parse(TEXTS["policy"], name="policy.yaml"))
MATRIX = authority.load(parse(TEXTS["authority"], name="authority.yaml"))
RULES = route.Rules(policy=POLICY, matrix=MATRIX, zone=ZoneInfo("Europe/Berlin"), to=Destinations(channel="C1"))
PEOPLE = ("p-one", "p-two", "p-three", "p-analyst", "p-deputy", "p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair")


class World:
    """One store and the few sentences tests say about it; everybody has an operating-system account named like him."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        with self.store.begin() as uow:
            uow.add(*(person(p) for p in PEOPLE))
            uow.add(*(os_account(p) for p in PEOPLE))
            uow.commit()

    def do(self, function, *args, **kwargs):
        """Runs a function of the review over one unit of work and commits."""
        with self.store.begin() as uow:
            result = function(uow, *args, **kwargs)
            uow.commit()
        return result

    def find(self, record, **filters):
        with self.store.read() as uow:
            return uow.find(record, **filters)

    def ask(self, function, *args, **kwargs):
        with self.store.read() as uow:
            return function(uow, *args, **kwargs)

    def one(self, record, **filters):
        found = self.find(record, **filters)
        assert len(found) == 1, found
        return found[0]

    def entries(self, *actions):
        bodies = [json.loads(r.body) for r in self.find(AuditRow, order_by=("seq",))]
        return [b for b in bodies if not actions or b["action"] in actions]

    def adopt_all(self):
        """The four documents, each adopted by two people, in one transaction."""
        with self.store.begin() as uow:
            for kind, text in TEXTS.items():
                document = adopt.submit(
                    uow, kind=DocumentOfRecord(kind), name=f"{kind}.yaml", content=text, authors=("p-three",), by="p-three", now=NOON
                )
                for who in ("p-one", "p-two"):
                    adopt.adopt(uow, document.digest, person_id=who, on=TODAY, now=NOON)
            uow.commit()

    def adopt(self, kind, text, *, name=None, authors=("p-three",), adopters=("p-one", "p-two"), now=NOON):
        document = self.do(
            adopt.submit, kind=DocumentOfRecord(kind), name=name or f"{kind}.yaml", content=text, authors=authors, by="p-three", now=now
        )
        for who in adopters:
            document = self.do(adopt.adopt, document.digest, person_id=who, on=now.date(), now=now)
        return document

    def start(self, *, supersede="", **changed):
        return self.do(lifecycle.start, start_command(supersede=supersede, **changed), NOON)

    def review(self, state=ReviewState.SCORED, **changed):
        """A review with a complete manifest, led to a state."""
        if not self.find(records.GovernedDocument):
            self.adopt_all()
        supersede = changed.pop("supersede", "")
        with self.store.begin() as uow:
            review = lifecycle.start(uow, start_command(supersede=supersede, **changed), NOON)
            review = lifecycle.complete_manifest(uow, review.review_id, whole(lifecycle.manifests.from_json(review.manifest_json)))
            for to in (ReviewState.VALIDATED, ReviewState.SCORED, ReviewState.PROPOSED, ReviewState.ROUTED):
                if review.state == state:
                    break
                review = lifecycle.advance(uow, review.review_id, to)
            uow.commit()
        return review

    def open_limits(self, review_id, rows, person_id="p-one", store=None):
        return opening.take_over(
            store or self.store, review_id, rows, opening.totals(rows), person_id=person_id, on=TODAY, clock=self.clock
        )

    def limit(self, customer, minor, terms=30, currency="EUR", layer="base"):
        """A limit in force by an opening, without the ceremony."""
        one = draft(customer, currency=currency, layer=layer)
        change = LimitChange(
            change_id=f"open-{one.account_id}", account_id=one.account_id, version=1, kind="opening", proposal_id=None, reverses_id=None,
            snapshot_digest="0" * 64, old_minor=None, new_minor=minor, old_terms_days=None, new_terms_days=terms,
            effective_from=LONG_AGO, effective_to=None, applied_by="p-one", applied_at=RECORDED,
        )  # fmt: skip
        limit = CreditLimit(
            account_id=one.account_id, version=1, amount_minor=minor, terms_days=terms, effective_from=LONG_AGO, effective_to=None
        )
        with self.store.begin() as uow:
            uow.add(propose.account_of(one), change, limit)
            uow.commit()

    def store_drafts(self, review_id, drafts, store=None):
        return propose.store_all(store or self.store, review_id, drafts, self.clock)

    def routed(self, drafts, *, rules=RULES, **changed):
        """A routed review with these drafts; the limits they start from are in force."""
        review = self.review(**changed)
        for one in drafts:
            if one.from_minor is not None and not self.find(LimitAccount, account_id=one.account_id):
                self.limit(one.customer_id, one.from_minor, one.from_terms_days, one.currency)
        self.store_drafts(review.review_id, drafts)
        self.do(lifecycle.advance, review.review_id, ReviewState.PROPOSED)
        route.route_all(self.store, review.review_id, rules, self.clock)
        self.do(lifecycle.advance, review.review_id, ReviewState.ROUTED)
        return review.review_id

    def proposal(self, customer, **filters):
        return self.one(Proposal, customer_id=customer, **filters)


def analyst(person_id="p-analyst", now=NOON):
    return Analyst(person_id=person_id, now=now, today=now.date())


def start_command(*, supersede="", started_by="p-one", today=TODAY, documents=None, **changed):
    manifest = replace(
        Manifest(
            review_id="", label="2026Q3", kind="periodic", scope="all", as_of=AS_OF, time_zone="Europe/Berlin", bucket_count=16, seed=7,
            code_commit="c" * 40, lock_sha256="d" * 64, policy=DIGESTS["policy"], authority=DIGESTS["authority"],
            scorecard=DIGESTS["scorecard"], mappings={"ledger": DIGESTS["mapping"]},
        ),
        **changed,
    )  # fmt: skip
    digests = {
        "policy": manifest.policy,
        "authority": manifest.authority,
        "scorecard": manifest.scorecard,
        "mapping": manifest.mappings["ledger"],
    }
    used = documents or [Used(kind=DocumentOfRecord(k), name=f"{k}.yaml", digest=d) for k, d in digests.items()]
    return Start(manifest=manifest, documents=used, started_by=started_by, today=today, supersede=supersede)


def whole(manifest, **changed):
    return manifest.completed(**{"snapshot": "a" * 64, "ledger": "b" * 64, "customers": "e" * 64, "limits": "f" * 64, **changed})


def draft(customer="c-1", *, had=20_000_00, to=25_000_00, rule="", **changed):
    direction = "new" if had is None else "up" if to > had else "down" if to < had else "same"
    one = ProposalDraft(
        customer_id=customer, customer_name=f"{customer} Müller GmbH", group_id=customer, currency="EUR", direction=direction,
        from_minor=had, to_minor=to, from_terms_days=30, terms_days=30, effective_from=TODAY, grade="B", points=540, pd="0.021000",
        reasons=("LATE",), exposure_minor=15_000_00, own_risk_minor=12_000_00, straight_through_rule=rule,
        derivation=(("need", "30,000 EUR"), ("step", "25,000 EUR")),
    )  # fmt: skip
    return replace(one, **changed)


def person(person_id, *, active=True, recorded_at=RECORDED):
    return Person(
        person_id=person_id, name=person_id.removeprefix("p-").title(), email=f"{person_id}@example.com", active=active,
        valid_from=LONG_AGO, valid_to=None, recorded_at=recorded_at,
    )  # fmt: skip


def os_account(person_id):
    return PersonAccount(kind="os", account=person_id, person_id=person_id, valid_from=LONG_AGO, valid_to=None, recorded_at=RECORDED)


class Crash(Exception):
    """The process dies."""


class CrashingStore:
    """A store whose n-th commit of a batch never happens, or happens and is not heard of."""

    def __init__(self, store, at, *, after):
        self.store, self.at, self.after, self.commits = store, at, after, 0

    def read(self):
        return self.store.read()

    @contextmanager
    def begin(self, *, interactive=True, deadline=None):
        with self.store.begin(interactive=interactive, deadline=deadline) as uow:
            real = uow.commit

            def commit():
                self.commits += 1
                if self.commits == self.at and not self.after:
                    raise Crash
                seqs = real()
                if self.commits == self.at:
                    raise Crash
                return seqs

            uow.commit = commit
            yield uow


def everything(world):
    """All records but the log's own, and what each entry says."""
    kinds = [
        getattr(records, name)
        for name in vars(records)
        if isinstance(getattr(records, name), type) and getattr(records, name).__module__ == records.__name__ and "Audit" not in name
    ]
    entries = [(e["action"], e["actor"], e["entity"], json.dumps(e["data"], sort_keys=True)) for e in world.entries()]
    return {kind.__name__: world.find(kind) for kind in kinds}, entries


_EXPLAINS = {
    "review": (
        "run.started", "run.state_changed", "run.failed", "run.resumed", "review.superseded", "review.held", "review.hold_released",
        "review.closed",
    ),
    "proposal": (
        "proposal.created", "proposal.assigned", "proposal.auto_approved", "proposal.released", "proposal.amended", "proposal.commented",
        "proposal.returned", "proposal.rejected", "proposal.superseded", "proposal.expired",
    ),
    "account": ("account.opened",),
    "limit": ("limit.opened", "limit.applied"),
    "person": ("person.changed",),
    "access": ("access.changed",),
    "delegation": ("delegation.changed",),
    "document": ("document.submitted",),
    "change_request": ("policy.change_requested",),
    "adoption": ("document.adopted", "policy.changed", "authority.changed", "mapping.changed"),
    "model": (
        "model.drafted", "model.described", "model.validated", "model.rejected", "model.registered", "model.published", "model.retired",
    ),
    "deferral": ("customer.deferred",),
    "exclusion": ("customer.excluded",),
    "risk": ("risk.raised", "risk.kept"),
    "difference": ("erp.difference_found", "erp.difference_settled"),
    "alias": ("identity.changed",),
    "group": ("group.changed",),
    "rate": ("rate.recorded",),
    "batch": ("score.batch", "limit.openings_tied"),
    "finding": ("finding.opened", "finding.assigned", "finding.remedied", "finding.closed", "finding.reopened"),
    "exception": ("exception.started", "exception.due", "exception.ended", "exception.handed_over"),
}  # fmt: skip
KIND_OF = {action: kind for kind, actions in _EXPLAINS.items() for action in actions}

_STATE = {
    "review": (records.Review, ("review_id",), ("state", "hold", "hold_released_by", "closed_by")),
    "proposal": (records.Proposal, ("proposal_id",), ("state", "assigned_to", "digest")),
    "limit": (records.LimitChange, ("change_id",), ()),
    "person": (records.Person, ("person_id", "recorded_at"), ()),
    "access": (records.PersonAccount, ("kind", "account", "recorded_at"), ()),
    "delegation": (records.Delegation, ("delegation_id", "recorded_at"), ()),
    "document": (records.GovernedDocument, ("digest",), ()),
    "adoption": (records.Adoption, ("digest", "person_id"), ()),
    "change_request": (records.PolicyChangeRequest, ("request_id",), ()),
    "model": (
        records.ModelVersion,
        ("digest",),
        ("status", "validated_by", "validated_at", "report_digest", "signature", "owner_id", "tier", "purpose", "card_digest"),
    ),
    "deferral": (records.Deferral, ("deferral_id",), ()),
    "exclusion": (records.Exclusion, ("exclusion_id",), ()),
    "risk": (records.RiskKept, ("proposal_id",), ("decided_by",)),
    "difference": (records.ErpDifference, ("difference_id",), ("settled_at",)),
    "alias": (records.CustomerAlias, ("source", "legal_entity", "source_number", "recorded_at"), ()),
    "group": (records.GroupMembership, ("customer_id", "recorded_at"), ()),
    "rate": (records.Rate, ("base", "quote", "valid_from", "recorded_at"), ()),
    "batch": (records.ReviewBatch, ("review_id", "stage", "bucket"), ()),
    "finding": (records.Finding, ("finding_id",), ("state", "owner_id", "times_reopened")),
    "exception": (records.PolicyException, ("exception_id",), ("state", "owner_id", "due_on", "how")),
}


def _resumed_in_place(entry):
    """A review whose process died is resumed where it stands: worth an entry, though its state did not change."""
    return entry["action"] == "run.resumed" and entry["data"]["from"] == entry["data"]["to"]


class Ledger:
    """Compares, between two moments, what changed in the tables with what the log says changed."""

    def __init__(self, world):
        self.world = world
        self.before, self.size = self.states(), len(world.entries())

    def states(self):
        found = {}
        for kind, (record, key, fields) in _STATE.items():
            for one in self.world.find(record):
                found[kind, tuple(getattr(one, k) for k in key)] = tuple(getattr(one, f) for f in fields)
        for given in self.world.find(records.ModelValidation):  # an answer is a change of the version it is about
            found["model", (given.digest,)] += (given.at, given.person_id)
        opened = {c.account_id for c in self.world.find(records.LimitChange, version=1, kind="opening")}
        for account in self.world.find(records.LimitAccount):
            if account.account_id not in opened:
                found["account", (account.account_id,)] = ()
        return found

    def check(self):
        """What changed since the last check, by kind; asserts that each change has one entry and each entry one change."""
        after = self.states()
        changed = Counter(kind for (kind, key), value in after.items() if self.before.get((kind, key), "absent") != value)
        entries = self.world.entries()
        said = Counter(KIND_OF[e["action"]] for e in entries[self.size :] if not _resumed_in_place(e))
        assert changed == said, (changed, said)
        assert not [k for k in self.before if k not in after]
        self.before, self.size = after, len(entries)
        return changed
