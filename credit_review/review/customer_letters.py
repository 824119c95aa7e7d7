"""Letters to customers where policy says: drafted once for each change, listed, and released or dropped by a person.

That a change may want a letter is an effect owed by its transaction. `draft` takes what is owed, has each page made and kept outside of any
transaction, and in one transaction stores the letters, settles what was owed and appends the entries. What is a notice of adverse action is
no letter here, so no customer gets two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Any

from credit_review import adverse
from credit_review.audit import Action, canonical
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.fx import MissingRate
from credit_review.model.records import AdverseAction, CustomerLetter, LimitAccount, LimitChange, OutboxEntry, Proposal
from credit_review.model.states import ChangeKind, Layer, LetterKind, LetterState, OutboxState, ProposalState
from credit_review.policy import Policy
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.adverse_actions import require_desk
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import LETTER, owed
from credit_review.review.owners import behind_change
from credit_review.review.standing import policy_in_force, rates_to
from credit_review.words import said

DRAFTER = "system:letters"
BATCH = 200
_TOLD = (Layer.BASE, Layer.TEMPORARY)
"""Layers a customer is written to about: bounds above them are ours."""
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A letter that policy asks for: what changed in whose account, and who the customer is. `language` is of his region, empty: ours."""

    letter_id: str
    kind: LetterKind
    change: LimitChange
    customer_id: str
    name: str
    currency: str
    language: str


@dataclass(frozen=True, slots=True)
class Page:
    """A letter as kept: its language, its file in the data folder, and the SHA-256 of the file."""

    language: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """What a run did: letters drafted, changes that have their notice of adverse action instead, and changes policy asks no letter for."""

    letters: tuple[str, ...] = ()
    notices: int = 0
    none: int = 0


WritePages = Callable[[Sequence[Wanted]], Sequence[Page]]
"""Makes and keeps the pages, in order. Raises BadInput for a template that is none."""
SegmentsOf = Callable[[Collection[str]], Mapping[str, str]]
"""The business segment of each customer, as the newest review's ledger has it."""


def owe_letter(uow: UnitOfWork, change: LimitChange, now: datetime) -> None:
    """Queues the question whether a change wants a letter."""
    uow.add(owed(LETTER, f"{LETTER}:{change.change_id}", {"change_id": change.change_id}, now))


def kind_of(change: LimitChange, layer: str) -> LetterKind | None:
    """What a letter about a change of an account of this layer is about; None where there is nothing to write."""
    if layer not in _TOLD or change.kind == ChangeKind.OPENING:
        return None
    if change.kind == ChangeKind.REVERSAL:
        return LetterKind.ENDED
    if change.effective_to is not None:
        return LetterKind.TEMPORARY
    if change.old_minor is None:
        return LetterKind.FIRST
    if change.new_minor == change.old_minor:
        return LetterKind.TERMS if change.new_terms_days != change.old_terms_days else None
    return LetterKind.INCREASE if (change.new_minor or 0) > change.old_minor else LetterKind.REDUCTION


def draft(store: Store, clock: Clock, *, zone: tzinfo, segments: SegmentsOf, write: WritePages) -> Drafted:
    """Drafts the letters that policy asks for. Safe to run twice at once and after any crash; what cannot be written stays owed."""
    letters: list[str] = []
    notices = none = 0
    while due := _due(store):
        now = clock.now()
        with store.read() as uow:
            found = _judged(uow, due, segments, zone, now)
        wanted = [one for one in found if isinstance(one, Wanted)]
        pages = dict(zip((one.letter_id for one in wanted), write(wanted) if wanted else (), strict=True))
        if not _stored(store, due, found, pages, now):
            continue  # another run took some of them
        letters += [one.letter_id for one in wanted]
        notices += sum(one == "adverse_notice" for one in found)
        none += sum(one == "no_letter" for one in found)
    return Drafted(letters=tuple(letters), notices=notices, none=none)


def _due(store: Store) -> list[OutboxEntry]:
    with store.read() as uow:
        return uow.find(OutboxEntry, kind=LETTER, state=OutboxState.QUEUED, order_by=("created_at", "outbox_id"), limit=BATCH)


def _judged(uow: UnitOfWork, due: Sequence[OutboxEntry], segments: SegmentsOf, zone: tzinfo, now: datetime) -> list[Wanted | str]:
    """For each row the letter it wants, or the code that says why it wants none."""
    policy, today = policy_in_force(uow, now), now.astimezone(zone).date()
    if not policy.letters:
        return ["no_letter"] * len(due)
    changes = {c.change_id: c for c in uow.find(LimitChange, change_id=[_change_id(row) for row in due])}
    accounts = {a.account_id: a for a in uow.find(LimitAccount, account_id=sorted({c.account_id for c in changes.values()}))}
    customers = {a.subject_id for a in accounts.values() if a.subject_kind == "customer"}
    known = segments(customers) if any(rule.segments for rule in policy.letters) else {}
    return [_wanted(uow, changes[_change_id(row)], accounts[changes[_change_id(row)].account_id], policy, known, today, now) for row in due]


def _change_id(row: OutboxEntry) -> str:
    return str(json.loads(row.payload_json)["change_id"])


def _wanted(
    uow: UnitOfWork, change: LimitChange, account: LimitAccount, policy: Policy, segments: Mapping[str, str], today: date, now: datetime
) -> Wanted | str:
    kind = kind_of(change, account.layer)
    if kind is None or account.subject_kind != "customer":
        return "no_letter"
    proposal = behind_change(uow, change)
    packet: dict[str, Any] = json.loads(proposal.packet_json) if proposal else {}
    if proposal is not None and proposal.proposal_id == change.proposal_id and is_notice(policy, proposal):
        return "adverse_notice"
    moved = _in_control(uow, abs((change.new_minor or 0) - (change.old_minor or 0)), account.currency, policy, today, now)
    status, segment = str(packet.get("status") or ""), segments.get(account.subject_id, "")
    least = [(rule, policy.minor(rule.minimum_change)) for rule in policy.letters]
    if not any(one.wants(kind, status=status, segment=segment, change_minor=moved, minimum_minor=minor) for one, minor in least):
        return "no_letter"
    return Wanted(
        letter_id=short_id("l", change.change_id),
        kind=kind,
        change=change,
        customer_id=account.subject_id,
        name=str(packet.get("customer_name") or account.subject_id),
        currency=account.currency,
        language=policy.adverse_action.languages.get(proposal.region, "") if proposal else "",
    )


def is_notice(policy: Policy, proposal: Proposal) -> bool:
    """Whether what a proposal came to is told by a notice of adverse action (`credit-review adverse`), and so by no letter."""
    if policy.adverse_action.profile == "none":
        return False
    applied = proposal.state in (ProposalState.APPLIED, ProposalState.APPROVED)
    return adverse.unwelcome(json.loads(proposal.packet_json), applied=applied) is not None


def _in_control(uow: UnitOfWork, minor: int, currency: str, policy: Policy, today: date, now: datetime) -> int | None:
    control = policy.control_currency
    try:
        rates = rates_to(uow, {currency} - {control}, control, today, now)
        return rates.convert(minor, base=currency, quote=control, on=today).minor
    except MissingRate:
        return None


def _stored(store: Store, due: Sequence[OutboxEntry], found: Sequence[Wanted | str], pages: Mapping[str, Page], now: datetime) -> bool:
    with store.begin(interactive=False) as uow:
        ids = [row.outbox_id for row in due]
        still = uow.find(OutboxEntry, outbox_id=ids, state=OutboxState.QUEUED, lock=True)
        if len(still) != len(ids):
            return False
        codes: dict[str, list[str]] = {}
        for row, one in zip(due, found, strict=True):
            codes.setdefault(one if isinstance(one, str) else "drafted", []).append(row.outbox_id)
            if isinstance(one, Wanted):
                _store(uow, one, pages[one.letter_id], now)
        for code, rows in codes.items():
            done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": code})}
            uow.change(OutboxEntry, where={"outbox_id": rows, "state": OutboxState.QUEUED}, to=done)
        uow.commit()
    return True


def _store(uow: UnitOfWork, wanted: Wanted, page: Page, now: datetime) -> None:
    letter = CustomerLetter(
        letter_id=wanted.letter_id,
        change_id=wanted.change.change_id,
        customer_id=wanted.customer_id,
        kind=wanted.kind,
        language=page.language,
        file=page.file,
        sha256=page.sha256,
        state=LetterState.DRAFT,
        drafted_at=now,
        settled_by="",
        settled_at=None,
        reason="",
    )
    uow.add(letter)
    _append(uow, Action.LETTER_DRAFTED, letter, DRAFTER)


# --- what people do with them -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasing:
    """Who answers for letters, at which moment; with the policy in force."""

    person_id: str
    now: datetime
    policy: Policy

    @classmethod
    def admitted(cls, uow: UnitOfWork, person_id: str, now: datetime, zone: tzinfo) -> Releasing:
        """The active person, who has a worklist or a tier. Refused otherwise."""
        return cls(person_id=person_id, now=now, policy=require_desk(uow, person_id, now, zone))


def send(uow: UnitOfWork, letter_id: str, by: Releasing) -> CustomerLetter:
    """Releases a draft: from then on it counts as sent. Refused where it was answered for, or a notice says the same.

    The caller commits.
    """
    letter = _draft_of(uow, letter_id)
    change = uow.get(LimitChange, change_id=letter.change_id)
    proposal = uow.get(Proposal, proposal_id=change.proposal_id) if change and change.proposal_id else None
    if proposal is not None and _has_notice(uow, by.policy, proposal):
        raise Refused(
            "letter.notice_instead",
            said("what letter {letter} says is told by a notice of adverse action", letter=letter_id),
            expected=said("one letter to a customer about one change"),
            next_step=said("`credit-review adverse show {proposal}`, and drop the letter", proposal=proposal.proposal_id),
        )
    return _settle(uow, letter, by, LetterState.SENT, Action.LETTER_SENT, "")


def _has_notice(uow: UnitOfWork, policy: Policy, proposal: Proposal) -> bool:
    return is_notice(policy, proposal) or uow.get(AdverseAction, proposal_id=proposal.proposal_id) is not None


def drop(uow: UnitOfWork, letter_id: str, by: Releasing, *, reason: str) -> CustomerLetter:
    """Drops a draft for a reason: it is not sent. The caller commits."""
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise BadInput(said("no reason given"), expected=said("a reason of 1 to {most} characters", most=_LONGEST_REASON))
    return _settle(uow, _draft_of(uow, letter_id), by, LetterState.DROPPED, Action.LETTER_DROPPED, reason)


def _draft_of(uow: UnitOfWork, letter_id: str) -> CustomerLetter:
    letter = uow.get(CustomerLetter, letter_id=letter_id, lock=True)
    if letter is None:
        raise BadInput(
            said("there is no letter {letter}", letter=letter_id), expected=said("an id that `credit-review letters list` shows")
        )
    if letter.state != LetterState.DRAFT:
        raise Refused(
            "letter.settled",
            said("letter {letter} is {state} already", letter=letter_id, state=said(letter.state)),
            next_step=said("`credit-review letters show {letter}`", letter=letter_id),
        )
    return letter


def _settle(uow: UnitOfWork, letter: CustomerLetter, by: Releasing, state: LetterState, action: Action, reason: str) -> CustomerLetter:
    to: dict[str, Any] = {"state": state, "settled_by": by.person_id, "settled_at": by.now, "reason": reason}
    if uow.change(CustomerLetter, where={"letter_id": letter.letter_id, "state": LetterState.DRAFT}, to=to) != 1:
        raise Conflict(said("letter {letter} changed meanwhile", letter=letter.letter_id), next_step=said("read it again"))
    done = replace(letter, **to)
    _append(uow, action, done, actor(by.person_id))
    return done


def _append(uow: UnitOfWork, action: Action, letter: CustomerLetter, who: str) -> None:
    names = ("change_id", "customer_id", "kind", "language", "file", "sha256")
    data = {"to": letter.state, **{name.removesuffix("_id"): str(getattr(letter, name)) for name in names}}
    payload = {"reason": letter.reason} if letter.reason else None
    uow.append(Entry(action=action, actor=who, entity=f"letter:{letter.letter_id}", data=data, payload=payload))
