"""A special audit: everything the record has about one customer or one approver in a period, in the same form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from credit_review.audit import Action
from credit_review.evidence.artefact import Artefact, Event, Record, Row, Telling
from credit_review.evidence.limits import DECISIONS, reason, values
from credit_review.evidence.runs import EXTERNAL, manifest_of
from credit_review.words import said

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """What a special audit is about: entities that its entries name, the actor whose entries count too, and what data may name.

    `changes` are changes of limits that came of it: their deliveries are entries about other accounts.
    """

    name: str
    entities: frozenset[str]
    actor: str = ""
    customer: str = ""
    person: str = ""
    changes: frozenset[str] = frozenset()

    def has(self, one: Event) -> bool:
        """Whether an entry is about the subject, or by it."""
        if one.entity in self.entities or (self.actor and one.actor == self.actor):
            return True
        if self.customer and one.data.get("customer") == self.customer:
            return True
        if one.data.get("change") in self.changes:
            return True
        return bool(self.person) and self._names(one)

    def _names(self, one: Event) -> bool:
        """Whether an entry's data name the person: as approver, principal, delegate or owner."""
        data = one.data
        if any(self.person in (given["approver"], given["on_behalf_of"]) for given in data.get("approvers", ()) if isinstance(given, dict)):
            return True
        return self.person in (
            data.get("on_behalf_of"),
            data.get("principal"),
            data.get("delegate"),
            data.get("assigned_to"),
            data.get("owner"),
        )


def of_customer(record: Record, customer: str) -> Subject:
    """A customer: his accounts, proposals, their deliveries and differences. Whether he is known at all shows in `entities`."""
    accounts = [key for (key,) in record.table("limit_account", "account_id", subject_id=customer)]
    proposals = [key for (key,) in record.table("limit_proposal", "proposal_id", customer_id=customer)]
    differences = [key for (key,) in record.table("erp_difference", "difference_id", account_id=accounts)]
    named = (("account", accounts), ("proposal", proposals), ("difference", differences))
    known = {f"{kind}:{key}" for kind, keys in named for key in keys}
    return Subject(f"customer:{customer}", frozenset(known | {f"customer:{customer}"}), customer=customer)


def of_approver(record: Record, person: str) -> Subject:
    """A person: what he did, what was decided or made by him, and the limits that came of it."""
    decided = {
        key for column in ("approver_id", "on_behalf_of") for (key,) in record.table("approval_decision", "proposal_id", **{column: person})
    }
    made = {key for (key,) in record.table("proposal_maker", "proposal_id", person_id=person)}
    both = sorted(decided | made)
    changes = {
        key for at in range(0, len(both), CHUNK) for (key,) in record.table("limit_change", "change_id", proposal_id=both[at : at + CHUNK])
    }
    known = frozenset({f"person:{person}", *(f"proposal:{key}" for key in both)})
    return Subject(f"person:{person}", known, actor=f"person:{person}", person=person, changes=frozenset(changes))


def selected(record: Record, subject: Subject, *actions: str) -> Iterator[Event]:
    """Entries of the period about the subject, in order."""
    return (one for one in record.entries(*actions) if subject.has(one))


def special(subject: Subject) -> tuple[Artefact, ...]:
    """The files of a special audit, S01 to S10."""
    return (*(_artefact(subject, *one) for one in _PARTS), _snapshots(subject))


_COLUMNS = ("entry", "leaf", "at", "action", "entity", "by", "reason", "data")

_PARTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("S01", "entries", said("Every entry about it"), ()),
    ("S02", "proposals", said("Proposals"), (
        Action.PROPOSAL_CREATED, Action.PROPOSAL_ASSIGNED, Action.PROPOSAL_AMENDED, Action.PROPOSAL_COMMENTED, Action.PROPOSAL_RELEASED,
        Action.PROPOSAL_ESCALATED, Action.PROPOSAL_AUTO_APPROVED, Action.PROPOSAL_RETURNED, Action.PROPOSAL_REJECTED,
        Action.PROPOSAL_SUPERSEDED, Action.PROPOSAL_EXPIRED, Action.PROPOSAL_REVOKED,
    )),
    ("S03", "decisions", said("Decisions and their conditions"), (
        *DECISIONS, Action.COMMITTEE_VOTED, Action.COMMITTEE_RECUSED, Action.COMMITTEE_DECIDED, Action.CONDITION_MET,
        Action.CONDITION_LAPSED, Action.RISK_RAISED, Action.RISK_KEPT,
    )),
    ("S04", "limits", said("Limits"), (
        Action.ACCOUNT_OPENED, Action.LIMIT_OPENED, Action.LIMIT_APPLIED, Action.LIMIT_REVERTED, Action.LIMIT_OVERRIDE,
    )),
    ("S05", "deliveries", said("Deliveries to the ERP, and differences found there"), (
        Action.ERP_CONFIRMED, Action.ERP_PARKED, Action.ERP_REQUEUED, Action.ERP_DIFFERENCE_FOUND, Action.ERP_DIFFERENCE_SETTLED,
    )),
    ("S06", "messages", said("Messages"), (Action.PROPOSAL_POSTED, Action.MESSAGE_PARKED, Action.MESSAGE_REQUEUED)),
    ("S07", "quarantine", said("Quarantined, deferred, excluded"), (
        Action.QUARANTINE_ACCEPTED, Action.CUSTOMER_DEFERRED, Action.CUSTOMER_EXCLUDED, Action.CUSTOMER_ESCALATED,
    )),
    ("S08", "requests", said("Requests outside the schedule"), (Action.REQUEST_RECEIVED,)),
    ("S09", "refusals", said("What a rule refused"), (Action.DECISION_REFUSED, Action.LOGIN_REFUSED)),
)  # fmt: skip


def _artefact(subject: Subject, number: str, name: str, title: str, actions: tuple[str, ...]) -> Artefact:
    return Artefact(
        number=number, name=name, title=title, columns=_COLUMNS,
        shows=said("Entries of the period about the subject, in order, with their data and reasons."),
        rows=_rows(subject, actions), none=said("none recorded about it in the period"),
        lacks=_LACKS.get(number, ""),
    )  # fmt: skip


_LACKS = {
    "S06": said(
        "Words that people exchanged in Slack beside the cards are not recorded by this system: ask the workspace's administrator."
    ),
    "S07": said("Rows that were quarantined are in the quarantine list of each review's folder; S10 names the reviews."),
    "S09": said("A sign-in that failed names no person: it is listed only where the account is known."),
}


def _rows(subject: Subject, actions: tuple[str, ...]) -> Callable[[Record, Telling], Iterator[Row]]:
    def rows(record: Record, _: Telling) -> Iterator[Row]:
        for one in selected(record, subject, *actions):
            yield [one.seq, one.leaf, one.at, one.action, one.entity, one.by, reason(one), values(dict(one.data))]

    return rows


def _snapshots(subject: Subject) -> Artefact:
    def rows(record: Record, _: Telling) -> Iterator[Row]:
        for review in _reviews(record, subject):
            manifest, digest, named = manifest_of(record, review)
            fields = ("as_of", "scope", "snapshot", "ledger", *EXTERNAL, "policy", "authority", "scorecard", "code_commit")
            yield [review, *(manifest.get(name) for name in fields), digest, named, *_state(record, review, subject.customer)]

    return Artefact(
        number="S10",
        name="snapshots",
        title=said("Reviews and the digests of what they were computed from"),
        shows=said("Each review that the entries name: snapshot, ledger, external data and rules by digest, as its manifest fixes them."),
        columns=(
            "review", "as_of", "scope", "snapshot", "ledger", *EXTERNAL, "policy", "authority", "scorecard", "code_commit",
            "manifest", "manifest_in_log", "customer_state", "why",
        ),
        rows=rows,
        none=said("no review is named by the entries of the period"),
    )  # fmt: skip


def _state(record: Record, review: str, customer: str) -> tuple[str, str]:
    """In which state the review's certificate has a customer, and why; empty where nobody asked or there is no certificate."""
    certificate = record.file("reviews", review, "certificate.json") if customer else None
    if not certificate:
        return "", ""
    for state, reasons in certificate.get("named", {}).items():
        for why, customers in reasons.items():
            if customer in customers:
                return state, why
    return "reviewed", ""


def _reviews(record: Record, subject: Subject) -> list[str]:
    """Reviews that the subject's entries name, in order."""
    found = dict.fromkeys(str(one.data["review"]) for one in selected(record, subject) if one.data.get("review"))
    return list(found)
