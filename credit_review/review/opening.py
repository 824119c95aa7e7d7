"""Takes over what the ERP holds before this system decides anything: the first review adopts the limits and terms on file, as openings.

An opening has no proposal: its approval is not evidenced here. It comes from a snapshot, is version 1, and a named person answers for
it. Afterwards a limit that the ERP shows and we did not set is a difference with an owner, neither adopted nor overwritten.
No limit on file is an account without an opening; a limit of 0 is an opening of 0; blocked is a status and keeps its limit.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.errors import BadInput, Refused, ReviewStopped
from credit_review.limits.layers import in_force_on
from credit_review.model.records import (
    CreditLimit,
    CustomerAlias,
    ErpDifference,
    GroupMembership,
    LimitAccount,
    LimitChange,
    OutboxEntry,
    Rate,
    Review,
    ReviewBatch,
)
from credit_review.model.states import ChangeKind, Layer, OutboxState, ReviewState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.directory import active_person
from credit_review.review.lifecycle import AT_ONCE, BATCH, entity, require_state, review_of
from credit_review.review.manifest import digest_of, from_json
from credit_review.review.naming import SYSTEM, account_id, actor, opening_id, short_id
from credit_review.review.propose import account_entry
from credit_review.words import said

OPENING_STAGE = "opening"
"""Stage under which a review records that it has taken over what the ERP held."""

_OPEN_STATES = (ReviewState.SNAPSHOTTED, ReviewState.VALIDATED, ReviewState.SCORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFile:
    """What the ERP holds for one customer: the limit (None: none on file; 0: a limit of nothing) in minor units, and net days."""

    customer_id: str
    legal_entity: str
    currency: str
    limit_minor: int | None
    terms_days: int | None
    account_id: str = field(init=False)
    """The base account it belongs to, worked out once because bulk steps ask for it often."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "account_id", account_id("customer", self.customer_id, self.legal_entity, Layer.BASE, self.currency))


OPENED_AT_ONCE = 2_000
"""Limits taken over in one transaction: a third of a second. Hardly anybody waits, since an entity has no card before its first review."""


@dataclass(frozen=True, slots=True)
class Total:
    """How many limits there are in a currency, and their sum in minor units."""

    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Counts of a take-over: limits opened, accounts without a limit, already there and equal, and ids of differences found."""

    opened: int = 0
    without_limit: int = 0
    existing: int = 0
    differences: tuple[str, ...] = ()

    def __add__(self, other: TakenOver) -> TakenOver:
        return TakenOver(
            self.opened + other.opened,
            self.without_limit + other.without_limit,
            self.existing + other.existing,
            self.differences + other.differences,
        )


def take_over(
    store: Store, review_id: str, rows: Sequence[OnFile], stated: Mapping[str, Total], *, person_id: str, on: date, clock: Clock
) -> TakenOver:
    """What was adopted and what differs, for all customers of a snapshot, a transaction at a time; may run again after a crash.

    Rows of a legal entity whose limits were never taken over are adopted, in the name of `person_id`: count and total per currency of
    all rows must be `stated` (the control totals) before the first is stored, and those of the adopted are read back from the store at
    the end. Rows of other entities are compared; `person_id` owns the differences. Raises ReviewStopped when totals do not tie.
    """
    with store.read() as uow:
        active_person(uow, person_id, on=on, known_at=clock.now())
        known = opened_entities(uow, except_review=review_id)
        again = uow.find(ReviewBatch, review_id=review_id, stage=OPENING_STAGE)
    ordered = sorted(rows, key=lambda r: r.account_id)
    adopted = [r for r in ordered if r.legal_entity not in known]
    compared = [r for r in ordered if r.legal_entity in known]
    if adopted:
        _tie(totals(rows), stated, "the customer master")
    done = TakenOver()
    for batch in _batches(adopted, OPENED_AT_ONCE):
        with store.begin(interactive=False) as uow:
            done += adopt_limits(uow, review_id, batch, person_id=person_id, now=clock.now())
            uow.commit()
    for batch in _batches(compared, AT_ONCE):
        with store.begin(interactive=False) as uow:
            done += compare_limits(uow, review_id, batch, owner_id=person_id, now=clock.now())
            uow.commit()
    if adopted and not again:
        with store.begin(interactive=False) as uow:
            _conclude(uow, review_id, adopted, person_id)
            uow.commit()
    return done


def totals(rows: Iterable[OnFile]) -> dict[str, Total]:
    """Count and sum of the limits on file, per currency; customers without a limit do not count."""
    count: Counter[str] = Counter()
    minor: Counter[str] = Counter()
    for row in rows:
        if row.limit_minor is not None:
            count[row.currency] += 1
            minor[row.currency] += row.limit_minor
    return {currency: Total(count[currency], minor[currency]) for currency in sorted(count)}


def opened_entities(uow: UnitOfWork, *, except_review: str = "") -> frozenset[str]:
    """Legal entities whose limits an earlier review has taken over."""
    concluded = [b for b in uow.find(ReviewBatch, stage=OPENING_STAGE) if b.review_id != except_review]
    return frozenset(name for b in concluded for name in json.loads(b.counts_json)["legal_entities"])


def adopt_limits(uow: UnitOfWork, review_id: str, rows: Sequence[OnFile], *, person_id: str, now: datetime) -> TakenOver:
    """What became of up to `OPENED_AT_ONCE` rows: an opening with its entry each, or an account alone where no limit is on file.

    An account that has a version keeps it: a row that says otherwise is a difference. The caller commits.
    """
    review = _open_review(uow, review_id, rows, OPENED_AT_ONCE)
    accounts, limits = _accounts_of(uow, rows)
    fresh = [r for r in rows if r.account_id not in limits]
    new = [r for r in fresh if r.account_id not in accounts]
    uow.add(*(_account(r) for r in new))
    snapshot = from_json(review.manifest_json).snapshot
    openings = [_opening(r, snapshot, review.as_of, person_id, now) for r in fresh if r.limit_minor is not None]
    uow.add(*openings)
    uow.add(*(_in_force(c) for c in openings))
    by_account = {r.account_id: r for r in fresh}
    uow.append(*(_opened_entry(c, by_account[c.account_id], review_id, person_id) for c in openings))
    bare = [r for r in new if r.limit_minor is None]
    uow.append(*(account_entry(_account(r), person_id) for r in bare))
    others = _differences(uow, review, [r for r in rows if r.account_id in limits], limits, person_id, now)
    return TakenOver(
        opened=len(openings),
        without_limit=len(bare),
        existing=len(rows) - len(openings) - len(bare) - len(others),
        differences=others,
    )


def compare_limits(uow: UnitOfWork, review_id: str, rows: Sequence[OnFile], *, owner_id: str, now: datetime) -> TakenOver:
    """Differences between up to 500 rows of the ERP and what is in force here, recorded with an owner and an entry each.

    A customer that appeared since gets an account; a limit it already has in the ERP is a difference. The caller commits.
    """
    review = _open_review(uow, review_id, rows, BATCH)
    accounts, limits = _accounts_of(uow, rows)
    new = [r for r in rows if r.account_id not in accounts]
    uow.add(*(_account(r) for r in new))
    uow.append(*(account_entry(_account(r), SYSTEM) for r in new))
    others = _differences(uow, review, rows, limits, owner_id, now)
    return TakenOver(without_limit=len(new), existing=len(rows) - len(new) - len(set(others)), differences=others)


def settle_difference(uow: UnitOfWork, difference_id: str, *, person_id: str, reason: str, on: date, now: datetime) -> None:
    """Records how a difference ended. Refused when it is unknown or settled; the limit itself changes only by a proposal."""
    if not reason.strip():
        raise BadInput(
            said("a difference is settled with a reason"), expected=said("what was done about it"), next_step=said("add --reason")
        )
    active_person(uow, person_id, on=on, known_at=now)
    changed = uow.change(
        ErpDifference, where={"difference_id": difference_id, "settled_at": None}, to={"settled_at": now, "reason": reason}
    )
    if not changed:
        raise Refused(
            "difference.not_open",
            said("there is no open difference {difference_id}", difference_id=difference_id),
            expected=said("one that `credit-review differences list` shows"),
        )
    found = f"difference:{difference_id}"
    uow.append(Entry(action=Action.ERP_DIFFERENCE_SETTLED, actor=actor(person_id), entity=found, payload={"reason": reason}))


def record_aliases(uow: UnitOfWork, rows: Sequence[CustomerAlias], *, by: str = SYSTEM) -> int:
    """How many of the aliases are new or name another customer than before; each is recorded with its entry. The caller commits.

    A number of which a later day is on record is left as it is: the newest row speaks for every day from its first, so what a review
    of an earlier day finds would overrule it.
    """
    known: dict[tuple[str, str, str], str] = {}
    later: set[tuple[str, str, str]] = set()
    for source, legal_entity in sorted({(r.source, r.legal_entity) for r in rows}):
        part = [r for r in rows if (r.source, r.legal_entity) == (source, legal_entity)]
        day, moment = max(r.valid_from for r in part), max(r.recorded_at for r in part)
        about: dict[str, Any] = {"source": source, "legal_entity": legal_entity, "source_number": sorted({r.source_number for r in part})}
        later |= {(source, legal_entity, a.source_number) for a in uow.find(CustomerAlias, **about) if a.valid_from > day}
        for fact in uow.facts(CustomerAlias, valid_at=day, known_at=moment, **about):
            known[source, legal_entity, fact.source_number] = fact.customer_id
    keyed = [((r.source, r.legal_entity, r.source_number), r) for r in rows]
    fresh = [r for key, r in keyed if key not in later and known.get(key) != r.customer_id]
    uow.add(*fresh)
    uow.append(*(_alias_entry(r, known.get((r.source, r.legal_entity, r.source_number)), by) for r in fresh))
    return len(fresh)


def record_memberships(uow: UnitOfWork, rows: Sequence[GroupMembership], *, by: str = SYSTEM) -> int:
    """How many customers belong to another group than recorded before; each is recorded with its entry. The caller commits.

    A customer whose group of a later day is on record stays in it: see `record_aliases`.
    """
    if not rows:
        return 0
    day, moment = max(r.valid_from for r in rows), max(r.recorded_at for r in rows)
    ids = sorted({r.customer_id for r in rows})
    known = {m.customer_id: m.group_id for m in uow.facts(GroupMembership, valid_at=day, known_at=moment, customer_id=ids)}
    later = {m.customer_id for m in uow.find(GroupMembership, customer_id=ids) if m.valid_from > day}
    fresh = [r for r in rows if r.customer_id not in later and known.get(r.customer_id, r.customer_id) != r.group_id]
    uow.add(*fresh)
    uow.append(
        *(
            Entry(
                action=Action.GROUP_CHANGED,
                actor=actor(by),
                entity=f"customer:{r.customer_id}",
                data={"from": known.get(r.customer_id), "to": r.group_id, "valid_from": r.valid_from.isoformat()},
            )
            for r in fresh
        )
    )
    return len(fresh)


def record_rates(uow: UnitOfWork, rows: Sequence[Rate], *, by: str = SYSTEM) -> int:
    """How many rates are new or differ from the one recorded for their day; each is recorded with its entry. The caller commits."""
    if not rows:
        return 0
    days = sorted({r.valid_from for r in rows})
    known: dict[tuple[str, str, date], str] = {}
    for fact in uow.find(Rate, valid_from=days, order_by=("recorded_at",)):
        known[fact.base, fact.quote, fact.valid_from] = fact.rate
    fresh = [r for r in rows if known.get((r.base, r.quote, r.valid_from)) != r.rate]
    uow.add(*fresh)
    uow.append(
        *(
            Entry(
                action=Action.RATE_RECORDED,
                actor=actor(by),
                entity=f"rate:{r.base}{r.quote}",
                data={"rate": r.rate, "valid_from": r.valid_from.isoformat(), "source": r.source},
            )
            for r in fresh
        )
    )
    return len(fresh)


def _alias_entry(row: CustomerAlias, before: str | None, by: str) -> Entry:
    data = {"source": row.source, "legal_entity": row.legal_entity, "number": row.source_number, "from": before, "to": row.customer_id}
    data |= {"decided_by": row.decided_by, "valid_from": row.valid_from.isoformat()}
    return Entry(action=Action.IDENTITY_CHANGED, actor=actor(by), entity=f"customer:{row.customer_id}", data=data)


def _open_review(uow: UnitOfWork, review_id: str, rows: Sequence[OnFile], most: int) -> Review:
    if len(rows) > most or len({r.account_id for r in rows}) != len(rows):
        raise BadInput(said("{rows} rows in one transaction", rows=len(rows)), expected=said("at most {batch}, one an account", batch=most))
    review = review_of(uow, review_id, lock=True)
    require_state(review, *_OPEN_STATES)
    return review


def _accounts_of(uow: UnitOfWork, rows: Sequence[OnFile]) -> tuple[set[str], dict[str, CreditLimit]]:
    ids = sorted(r.account_id for r in rows)
    accounts = {a.account_id for a in uow.find(LimitAccount, account_id=ids, lock=True)}
    return accounts, {limit.account_id: limit for limit in uow.find(CreditLimit, account_id=ids)}


def _account(row: OnFile) -> LimitAccount:
    return LimitAccount(
        account_id=row.account_id,
        subject_kind="customer",
        subject_id=row.customer_id,
        legal_entity=row.legal_entity,
        layer=Layer.BASE,
        currency=row.currency,
    )


def _opening(row: OnFile, snapshot: str, as_of: date, person_id: str, now: datetime) -> LimitChange:
    return LimitChange(
        change_id=opening_id(row.account_id),
        account_id=row.account_id,
        version=1,
        kind=ChangeKind.OPENING,
        proposal_id=None,
        reverses_id=None,
        snapshot_digest=snapshot,
        old_minor=None,
        new_minor=row.limit_minor,
        old_terms_days=None,
        new_terms_days=row.terms_days,
        effective_from=as_of,
        effective_to=None,
        applied_by=person_id,
        applied_at=now,
    )


def _in_force(change: LimitChange) -> CreditLimit:
    return CreditLimit(
        account_id=change.account_id,
        version=change.version,
        amount_minor=change.new_minor,
        terms_days=change.new_terms_days,
        effective_from=change.effective_from,
        effective_to=None,
    )


def _opened_entry(change: LimitChange, row: OnFile, review_id: str, person_id: str) -> Entry:
    data = {
        "review": review_id,
        "customer": row.customer_id,
        "legal_entity": row.legal_entity,
        "currency": row.currency,
        "change": change.change_id,
        "version": change.version,
        "from_minor": None,
        "to_minor": change.new_minor,
        "to_terms_days": change.new_terms_days,
        "effective_from": change.effective_from.isoformat(),
        "snapshot": change.snapshot_digest,
    }
    return Entry(action=Action.LIMIT_OPENED, actor=actor(person_id), entity=f"account:{change.account_id}", data=data)


def _differences(
    uow: UnitOfWork, review: Review, rows: Sequence[OnFile], limits: Mapping[str, CreditLimit], owner_id: str, now: datetime
) -> tuple[str, ...]:
    """Ids of the differences recorded: of those neither open with the same figures already, nor on their way to the ERP, nor older than a
    change that was made here after the as-of date.
    """
    apart = _without_older(uow, review, [r for r in rows if _differs(r, limits.get(r.account_id))])
    if not apart:
        return ()
    owed = uow.find(OutboxEntry, kind="erp", state=(OutboxState.QUEUED, OutboxState.LEASED))
    on_the_way = {json.loads(o.payload_json).get("account_id") for o in owed}
    open_ones = uow.find(ErpDifference, account_id=[r.account_id for r in apart], settled_at=None)
    reported = {(d.account_id, d.found_minor, d.found_terms_days) for d in open_ones}
    told = [r for r in apart if r.account_id not in on_the_way and (r.account_id, r.limit_minor, r.terms_days) not in reported]
    found = [_difference(r, limits.get(r.account_id), review.review_id, owner_id, now) for r in told]
    uow.add(*found)
    uow.append(*(_difference_entry(d, r, review.review_id) for d, r in zip(found, told, strict=True)))
    return tuple(d.difference_id for d in found)


def _without_older(uow: UnitOfWork, review: Review, rows: Sequence[OnFile]) -> list[OnFile]:
    """The rows without those that state what was in force on the as-of date: the extract is older than the change that followed."""
    changes: dict[str, list[LimitChange]] = defaultdict(list)
    for change in uow.find(LimitChange, account_id=[r.account_id for r in rows]) if rows else []:
        changes[change.account_id].append(change)
    then = {account: in_force_on(some, review.as_of) for account, some in changes.items()}
    return [r for r in rows if (known := then.get(r.account_id)) is None or _states(r) != (known.new_minor, known.new_terms_days)]


def _states(row: OnFile) -> tuple[int | None, int | None]:
    return row.limit_minor, row.terms_days


def _differs(row: OnFile, limit: CreditLimit | None) -> bool:
    if limit is None:
        return row.limit_minor is not None
    return _states(row) != (limit.amount_minor, limit.terms_days)


def _difference(row: OnFile, limit: CreditLimit | None, review_id: str, owner_id: str, now: datetime) -> ErpDifference:
    return ErpDifference(
        difference_id=short_id("e", review_id, row.account_id),
        account_id=row.account_id,
        found_minor=row.limit_minor,
        expected_minor=limit.amount_minor if limit else None,
        found_terms_days=row.terms_days,
        expected_terms_days=limit.terms_days if limit else None,
        found_at=now,
        owner_id=owner_id,
        settled_at=None,
        reason="",
    )


def _difference_entry(difference: ErpDifference, row: OnFile, review_id: str) -> Entry:
    data = {
        "review": review_id,
        "account": difference.account_id,
        "customer": row.customer_id,
        "currency": row.currency,
        "found_minor": difference.found_minor,
        "expected_minor": difference.expected_minor,
        "found_terms_days": difference.found_terms_days,
        "expected_terms_days": difference.expected_terms_days,
        "owner": difference.owner_id,
    }
    who = f"difference:{difference.difference_id}"
    return Entry(action=Action.ERP_DIFFERENCE_FOUND, actor=actor(SYSTEM), entity=who, data=data)


def _conclude(uow: UnitOfWork, review_id: str, rows: Sequence[OnFile], person_id: str) -> None:
    """Ties what the store now holds to the rows adopted, and records that their legal entities are taken over."""
    entities = sorted({r.legal_entity for r in rows})
    held = _held(uow, rows)
    _tie(held, totals(rows), "the store")
    counts = canonical({"legal_entities": entities, "totals": {c: {"count": t.count, "minor": t.minor} for c, t in held.items()}})
    root = digest_of(counts)
    uow.add(ReviewBatch(review_id=review_id, stage=OPENING_STAGE, bucket=0, path="", sha256="", root=root, counts_json=counts))
    data = {**json.loads(counts), "approval": "not evidenced here"}
    uow.append(Entry(action=Action.LIMIT_OPENINGS_TIED, actor=actor(person_id), entity=entity(review_id), data=data))


def _held(uow: UnitOfWork, rows: Sequence[OnFile]) -> dict[str, Total]:
    held: dict[str, Total] = {}
    for currency in sorted({r.currency for r in rows}):
        ids, count, minor = iter([r.account_id for r in rows if r.currency == currency]), 0, 0
        while part := list(islice(ids, BATCH)):
            opened = {"account_id": part, "version": 1, "kind": ChangeKind.OPENING}
            for _, found, total in uow.tally(LimitChange, by=("version",), total=("new_minor",), **opened):
                count, minor = count + found, minor + total
        if count:
            held[currency] = Total(count, minor)
    return held


def _tie(found: Mapping[str, Total], stated: Mapping[str, Total], where: str) -> None:
    for currency in sorted(set(found) | set(stated)):
        one, other = found.get(currency, Total(0, 0)), stated.get(currency, Total(0, 0))
        if one != other:
            raise ReviewStopped(
                said(
                    "limits on file in {currency} do not tie: {where} has {count} limits of {minor} minor units in all",
                    currency=currency,
                    where=where,
                    count=one.count,
                    minor=one.minor,
                ),
                expected=said("{count} limits of {minor} minor units, as the control totals say", count=other.count, minor=other.minor),
                next_step=said("correct the extract or its control totals, then start again with --supersede"),
            )


def _batches(rows: Sequence[OnFile], size: int) -> Iterator[list[OnFile]]:
    rest = iter(rows)
    while batch := list(islice(rest, size)):
        yield batch
