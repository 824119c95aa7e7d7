"""A small company with people, a matrix and proposals, in a real database, for the tests of decisions and their application."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from credit_review import audit
from credit_review.authority import load
from credit_review.documents import parse
from credit_review.model.records import (
    AuditRow,
    CreditLimit,
    Delegation,
    GovernedDocument,
    GroupMembership,
    LimitAccount,
    LimitChange,
    Maker,
    OutboxEntry,
    Person,
    PersonAccount,
    Proposal,
    Rate,
    Review,
)
from credit_review.model.states import ProposalState, Verdict
from credit_review.review.apply import apply
from credit_review.review.decide import DecideCommand, decide
from credit_review.review.naming import account_id

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
TODAY = NOON.date()
LONG_AGO = date(2020, 1, 1)
RECORDED = datetime(2020, 1, 1, tzinfo=UTC)
MATRIX_TEXT = (Path(__file__).parents[2] / "deployments" / "starter" / "authority.yaml").read_text()
MATRIX = load(parse(MATRIX_TEXT, name="authority.yaml"))
POLICY_TEXT = (
    (Path(__file__).parents[2] / "deployments" / "starter" / "policy.yaml")
    .read_text()
    .replace("approve_listed_up_to: 0 ", "approve_listed_up_to: 100000 ")
)
PEOPLE = ("p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair", "p-analyst", "p-deputy")


def digest_of(text):
    return sha256(text.encode()).hexdigest()


AUTHORITY, POLICY = digest_of(MATRIX_TEXT), digest_of(POLICY_TEXT)


class World:
    """One store, and the few sentences tests say about it. Every account is `os` and named like its person."""

    def __init__(self, store):
        self.store = store
        self.deliveries = 0
        self.write(
            *(document(text, kind) for text, kind in ((MATRIX_TEXT, "authority"), (POLICY_TEXT, "policy"))),
            *(person(p) for p in PEOPLE),
            *(os_account(p, p) for p in PEOPLE),
            review(),
        )

    def write(self, *records):
        with self.store.begin() as uow:
            for record in records:
                uow.add(record)
            uow.commit()

    def find(self, record, **filters):
        with self.store.read() as uow:
            return uow.find(record, **filters)

    def one(self, record, **filters):
        found = self.find(record, **filters)
        assert len(found) == 1, found
        return found[0]

    def entries(self, action=None, entity=None):
        rows = self.find(AuditRow, order_by=("seq",))
        bodies = [json.loads(r.body) for r in rows]
        return [b for b in bodies if action in (None, b["action"]) and entity in (None, b["entity"])]

    def limit(self, customer, minor, *, terms=30, currency="EUR", layer="base", until=None, at=RECORDED):
        """A limit in force by an opening."""
        account = LimitAccount(
            account_id=account_id("customer", customer, "ALL", layer, currency),
            subject_kind="customer",
            subject_id=customer,
            legal_entity="ALL",
            layer=layer,
            currency=currency,
        )
        change = LimitChange(
            change_id=f"open-{account.account_id}",
            account_id=account.account_id,
            version=1,
            kind="opening",
            proposal_id=None,
            reverses_id=None,
            snapshot_digest="0" * 64,
            old_minor=None,
            new_minor=minor,
            old_terms_days=None,
            new_terms_days=terms,
            effective_from=LONG_AGO,
            effective_to=until,
            applied_by="p-analyst",
            applied_at=at,
        )
        limit = CreditLimit(
            account_id=account.account_id, version=1, amount_minor=minor, terms_days=terms, effective_from=LONG_AGO, effective_to=until
        )
        self.write(account, change, limit)
        return account.account_id

    def propose(self, customer="c-1", *, had=50_000_00, to=60_000_00, makers=(), currency="EUR", layer="base", **fields):
        """A pending proposal; `had` None means the customer has no limit on file."""
        account = account_id("customer", customer, "ALL", layer, currency)
        if not self.find(LimitAccount, account_id=account):
            if had is None:
                self.write(
                    LimitAccount(
                        account_id=account, subject_kind="customer", subject_id=customer, legal_entity="ALL", layer=layer, currency=currency
                    )
                )
            else:
                self.limit(customer, had, currency=currency, layer=layer)
        current = self.find(CreditLimit, account_id=account)
        now = current[0] if current else None
        one = proposal(customer, account, now, to, currency, **fields)
        self.write(one, *(Maker(proposal_id=one.proposal_id, person_id=m, how="released", at=NOON) for m in makers))
        return one.proposal_id

    def proposal(self, proposal_id):
        return self.one(Proposal, proposal_id=proposal_id)

    def command(self, who, proposal_id, verdict=Verdict.APPROVE, **fields):
        self.deliveries += 1
        shown = self.find(Proposal, proposal_id=proposal_id)
        known = {
            "delivery_key": f"delivery-{self.deliveries}",
            "digest": shown[0].digest if shown else "",
            "account_kind": "os",
            "account": who,
            "channel": "cli",
            "signed_in": True,
            "reason": "" if verdict in (Verdict.APPROVE, Verdict.COUNTER) else "because",
        }
        return DecideCommand(proposal_id=proposal_id, verdict=verdict, **{**known, **fields})

    def decide(self, who, proposal_id, verdict=Verdict.APPROVE, *, now=NOON, **fields):
        return self.deliver(self.command(who, proposal_id, verdict, **fields), now=now)

    def deliver(self, command, *, now=NOON):
        with self.store.begin() as uow:
            return decide(command, uow, now)

    def apply(self, proposal_id, *, now=NOON):
        with self.store.begin() as uow:
            return apply(proposal_id, uow, now)

    def deactivate(self, who, *, at=NOON):
        self.write(person(who, active=False, recorded_at=at))

    def delegate(self, principal, delegate, *, until=None):
        self.write(
            Delegation(
                delegation_id=f"{principal}>{delegate}",
                principal_id=principal,
                delegate_id=delegate,
                valid_from=LONG_AGO,
                valid_to=until,
                recorded_at=RECORDED,
                recorded_by="p-analyst",
            )
        )

    def group(self, group_id, *customers):
        self.write(
            *(
                GroupMembership(customer_id=c, group_id=group_id, valid_from=LONG_AGO, valid_to=None, recorded_at=RECORDED)
                for c in customers
            )
        )

    def rate(self, base, quote, rate, *, on=TODAY):
        self.write(Rate(base=base, quote=quote, rate=rate, source="test", valid_from=on, valid_to=None, recorded_at=RECORDED))

    def adopt_authority(self, text, *, at=NOON):
        self.write(document(text, "authority", adopted_at=at))

    def in_force(self, customer, *, currency="EUR", layer="base"):
        found = self.find(CreditLimit, account_id=account_id("customer", customer, "ALL", layer, currency))
        return found[0].amount_minor if found else None

    def owed(self, kind):
        return [e for e in self.find(OutboxEntry, kind=kind, order_by=("created_at", "outbox_id"))]


def document(text, kind, *, adopted_at=RECORDED):
    return GovernedDocument(
        digest=digest_of(text),
        kind=kind,
        name=f"{kind}.yaml",
        content=text,
        author_id="p-analyst",
        submitted_at=RECORDED,
        adopted_at=adopted_at,
    )


def person(person_id, *, active=True, recorded_at=RECORDED):
    return Person(
        person_id=person_id,
        name=person_id.removeprefix("p-").title(),
        email=f"{person_id}@example.com",
        active=active,
        valid_from=LONG_AGO,
        valid_to=None,
        recorded_at=recorded_at,
    )


def os_account(account, person_id, *, kind="os"):
    return PersonAccount(kind=kind, account=account, person_id=person_id, valid_from=LONG_AGO, valid_to=None, recorded_at=RECORDED)


def review():
    return Review(
        review_id="r-1",
        label="2026Q3",
        kind="periodic",
        scope="all",
        as_of=date(2026, 9, 30),
        attempt=1,
        state="routed",
        last_good_state="routed",
        failure="",
        manifest_digest="0" * 64,
        manifest_json="{}",
        started_by="system",
        started_at=RECORDED,
        supersede_reason="",
        hold="",
        hold_released_by="",
        closed_by="",
        closed_at=None,
    )


def proposal(customer, account, now, to, currency, **fields):
    had = now.amount_minor if now else None
    terms = now.terms_days if now else 30
    key = fields.pop("proposal_id", f"pr-{customer}-{to}")
    packet = audit.canonical({"proposal_id": key, "customer_id": customer, "to_minor": to, "terms_days": fields.get("terms_days", terms)})
    known = {
        "proposal_id": key,
        "review_id": "r-1",
        "account_id": account,
        "customer_id": customer,
        "group_id": customer,
        "proposer_id": "system",
        "state": ProposalState.PENDING,
        "direction": "new" if had is None else "same" if to == had else "up" if to > had else "down",
        "currency": currency,
        "from_minor": had,
        "to_minor": to,
        "engine_minor": to,
        "from_terms_days": now.terms_days if now else None,
        "terms_days": terms,
        "effective_from": TODAY,
        "effective_to": None,
        "base_version": now.version if now else 0,
        "grade": "B",
        "region": "",
        "exposure_minor": 0,
        "own_risk_minor": 0,
        "exceptional": "",
        "straight_through_rule": "",
        "assigned_to": "p-analyst",
        "tier": "",
        "required_approvals": 0,
        "packet_json": packet,
        "digest": digest_of(packet),
        "created_at": NOON - timedelta(days=1),
        "expires_at": NOON + timedelta(days=30),
        "decided_at": None,
        "outcome_code": "",
        "supersedes_id": None,
        "policy_digest": POLICY,
        "authority_digest": AUTHORITY,
    }
    return Proposal(**{**known, **fields})
