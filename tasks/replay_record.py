"""Comparing a review that was computed again with its results, its proposals and its routes on record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review.adapters import files
from credit_review.audit import Action, canonical
from credit_review.errors import Tampered
from credit_review.model.frames import DATASETS
from credit_review.model.money import Money
from credit_review.model.records import Proposal, Review
from credit_review.replay import Bundle, Difference, Figure, History, Past, Step, about_customer, named, of_values, unlike
from credit_review.review import propose, route
from credit_review.review import request as requests
from credit_review.review.manifest import digest_of
from credit_review.review.naming import SYSTEM, proposal_id
from credit_review.words import marked, said, said_many
from tasks import outcome

if TYPE_CHECKING:
    from credit_review.ports import UnitOfWork
    from credit_review.review.lifecycle import Batch
    from credit_review.review.propose import ProposalDraft
    from tasks.plan import Plan

COMPARED = ("features", "scores", "states", "proposals")
"""Results of each bucket, in the order in which they are computed."""
KEPT_COLUMNS = (
    "customer_id", "group_id", "account_id", "currency", "from_minor", "from_terms_days", "engine_minor", "base_version", "grade", "region",
    "exposure_minor", "own_risk_minor", "proposer_id", "supersedes_id", "policy_digest", "authority_digest",
)  # fmt: skip
"""Columns of a stored proposal that nobody changes after it is made."""


@dataclass(slots=True)
class Replay:
    """A replay under way: the review as it stands, computed again (`again`), and what was found so far."""

    plan: Plan
    again: Plan
    uow: UnitOfWork
    review: Review
    history: History
    only: Proposal | None
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    others: list[Difference] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    routes: int = 0

    def add(self, customer: str, figures: list[Figure]) -> None:
        """Put figures of a customer to those found before."""
        if figures and (self.only is None or self.only.customer_id == customer):
            self.figures.setdefault(customer, []).extend(figures)

    def differences(self) -> tuple[Difference, ...]:
        """Everything that differs: files, buckets and groups first, then customer by customer."""
        return (*self.others, *(about_customer(customer, figures) for customer, figures in sorted(self.figures.items())))


# --- results of the buckets -----------------------------------------------------------------------------------------------------------


def compare_results(run: Replay) -> int:
    """Compare the files of every bucket and their entries; returns how many customers there are."""
    customers = 0
    for bucket in range(run.again.buckets):
        batch, logged = outcome.batch_of(run.again, bucket), run.history.batches.get(bucket)
        customers += batch.customers
        if logged is None:
            run.missing.append(said("bucket {bucket} has no entry `score.batch` in the audit log", bucket=bucket))
            continue
        equal = [_frame(run, name, bucket, logged["sha256"] if name == "proposals" else "") for name in COMPARED]
        _batch(run, batch, logged, same_values=all(equal))
    _frame(run, "groups", None, "")
    return customers


def _batch(run: Replay, batch: Batch, logged: Mapping[str, Any], *, same_values: bool) -> None:
    """The entry of a bucket: its Merkle root and counts, and the bytes of its file."""
    again = {"root": batch.root, "customers": batch.customers, "states": dict(batch.states), "totals": dict(batch.totals)}
    unequal = of_values({name: logged[name] for name in again}, again, currency="")
    if unequal:
        sentence = said("bucket {bucket}, entry `score.batch`: {figures}", bucket=batch.bucket, figures=named(unequal))
        if run.only:
            run.notes.append(sentence)  # it may be about others
        else:
            run.others.append(Difference(sentence))
    elif batch.sha256 != logged["sha256"] and same_values:
        run.notes.append(said("bucket {bucket}: same values, written with other bytes", bucket=batch.bucket))


def _frame(run: Replay, name: str, bucket: int | None, sha256: str) -> bool:
    """Compare one result with the file the review wrote; whether every value is the same. `sha256` is the log's, else its seal's."""
    path = run.plan.workspace.folder / (f"{name}.parquet" if bucket is None else f"{name}/{bucket:04d}.parquet")
    where, dataset = f"{run.review.review_id}/{path.relative_to(run.plan.workspace.folder)}", DATASETS[name]
    if not path.is_file():
        run.missing.append(said("{file} is missing", file=where))
        return False
    seal = path.with_name(path.name + ".sha256")
    expected = sha256 or (seal.read_text(encoding="ascii", errors="replace")[:64] if seal.is_file() else "")
    found = files.sha256_of(path)
    if found != expected:
        sentence = marked("{file}: expected SHA-256 {expected}, found {found}")
        run.others.append(Difference(said(sentence, file=where, expected=expected, found=found)))
    try:
        stored = files.read_frame(path, dataset)
    except Tampered as error:
        run.others.append(Difference(said("{file} cannot be read: {error}", file=where, error=error.what)))
        return False
    figures = unlike(stored, run.again.workspace.read(name, bucket), key=dataset.key[0])
    for key, each in figures.items():
        if bucket is not None:
            run.add(key, each)
        elif run.only is None or run.only.group_id == key:
            run.others.append(Difference(said("group {group}: {figures}", group=key, figures=named(each)), "", tuple(each)))
    return not figures


# --- proposals, packets and routes ----------------------------------------------------------------------------------------------------


def compare_proposals(run: Replay) -> int:
    """Make every proposal of the review again and compare entry, packet and record, then its route; returns how many were made."""
    drafts = _drafts(run)
    made: dict[str, Proposal] = {}
    for bundle in run.history.created:
        past = Past(run.uow, run.history, bundle.before, bundle.at)
        for proposal in _made(run, past, bundle, drafts):
            made[proposal.proposal_id] = proposal
        for key, step in bundle.steps.items():
            _proposal(run, key, step, made.get(key))
    if not any(step.actor.startswith("person:") for bundle in run.history.created for step in bundle.steps.values()):
        _unstored(run, drafts)
    for bundle in run.history.routed:
        _routes(run, bundle, made)
    return sum(len(bundle.steps) for bundle in run.history.created)


def _drafts(run: Replay) -> dict[str, ProposalDraft]:
    """What the engine would change, by proposal id. The day it takes effect is put in from the entry: the day it was stored."""
    day, review = run.review.as_of, run.review.review_id
    found = (draft for bucket in range(run.again.buckets) for draft in outcome.changes(run.again, bucket, day))
    return {proposal_id(review, draft.account_id): draft for draft in found}


def _made(run: Replay, past: Past, bundle: Bundle, drafts: Mapping[str, ProposalDraft]) -> list[Proposal]:
    """The proposals of one transaction, made again as the record stood before it."""
    asked = {key: step for key, step in bundle.steps.items() if step.actor.startswith("person:")}
    mine = [replace(drafts[key], effective_from=_day(step)) for key, step in bundle.steps.items() if key in drafts and key not in asked]
    made = propose.proposals_of(past, run.review, mine, bundle.at) if mine else []
    for key, step in asked.items():
        made += _requested(run, past, key, step)
    return made


def _day(step: Step) -> date:
    return date.fromisoformat(step.data["effective_from"])


def _requested(run: Replay, past: Past, key: str, step: Step) -> list[Proposal]:
    """A request is the engine's figures and what its person asked for, which only the packet holds."""
    stored = run.uow.get(Proposal, proposal_id=key)
    engine = outcome.draft_for(run.again, step.data["customer"], _day(step))
    asked = json.loads(stored.packet_json).get("request") if stored else None
    if engine is None or not asked:
        return []
    request = requests.as_kept(asked, step.data["customer"], _day(step))
    return [requests.requested(past, run.review, engine, request, step.at)]


def _proposal(run: Replay, key: str, step: Step, again: Proposal | None) -> None:
    """One proposal: the entry that created it, then the packet and the record as they stand now."""
    customer, currency = step.data["customer"], step.data["currency"]
    if again is None:
        run.add(customer, [Figure("to_minor", step.data["to_minor"], None, currency)])
        return
    entry = propose.created_entry(again, run.review.manifest_digest, SYSTEM)
    run.add(customer, of_values(step.data, _plain(entry.data), currency=currency, but=("digest",)))
    stored = run.uow.get(Proposal, proposal_id=key)
    if stored is None:
        run.add(customer, [Figure("proposal", None, key)])
        return
    run.add(customer, _packet(run, stored, step, again))
    columns = ({name: _column(one, name) for name in KEPT_COLUMNS} for one in (stored, again))
    run.add(customer, of_values(*columns, currency=currency))


def _packet(run: Replay, stored: Proposal, step: Step, again: Proposal) -> list[Figure]:
    """The packet as it stands, against the engine's with what people are on record to have changed."""
    said_by_log, found = run.history.digest_now(stored.proposal_id), digest_of(stored.packet_json)
    if found == said_by_log == stored.digest and again.digest == step.data["digest"]:
        return []
    try:
        packet = json.loads(stored.packet_json)
    except ValueError:
        return [Figure("digest", found, said_by_log)]
    expected = _as_changed(json.loads(again.packet_json), packet, run.history.later.get(stored.proposal_id, []))
    figures = of_values(packet, expected, currency=stored.currency)
    if found != said_by_log or stored.digest != said_by_log:
        figures.append(Figure("digest", found if found != said_by_log else stored.digest, said_by_log))
    elif again.digest != step.data["digest"]:
        figures.append(Figure("digest", step.data["digest"], again.digest))
    return figures


def _as_changed(engine: dict[str, Any], stored: Mapping[str, Any], steps: list[Step]) -> dict[str, Any]:
    """The engine's packet with people's figures from the log; their own words (reasons, comments) are taken as they stand."""
    packet, theirs = dict(engine), set()
    for step in steps:
        if step.action == Action.PROPOSAL_AMENDED:
            packet |= step.data["after"]
            theirs |= {"exceptional", "amendments"}
        if step.action == Action.PROPOSAL_COMMENTED:
            theirs.add("notes")
    return packet | {name: stored.get(name) for name in theirs}


def _unstored(run: Replay, drafts: Mapping[str, ProposalDraft]) -> None:
    """Changes that come out now and were not stored then, unless the record stood in their way."""
    known = {key for bundle in run.history.created for key in bundle.steps}
    rest = [draft for key, draft in sorted(drafts.items()) if key not in known]
    past = Past(
        run.uow,
        run.history,
        run.history.proposed or run.history.size,
        run.history.created[-1].at if run.history.created else run.review.started_at,
    )
    since = outcome.left(run.plan)
    for start in range(0, len(rest), propose.BATCH):
        batch = rest[start : start + propose.BATCH]
        for one in propose.proposals_of(past, run.review, batch, past.known_at, reviewed_since=since):
            run.add(one.customer_id, [Figure("to_minor", None, one.to_minor, one.currency)])


def _routes(run: Replay, bundle: Bundle, made: Mapping[str, Proposal]) -> None:
    """The routes of one transaction, worked out again as the record stood before it."""
    past = Past(run.uow, run.history, bundle.before, bundle.at, made)
    found = [made[key] for key in sorted(bundle.steps) if key in made]
    rules = outcome.rules_of(run.again)
    standings = route.standings_of(past, found, rules, bundle.at)
    for way in route.ways_of(past, found, standings, rules, bundle.at):
        step = bundle.steps[way.proposal.proposal_id]
        if run.only is None or run.only.proposal_id == way.proposal.proposal_id:
            run.routes += 1
        again = _plain(way.entry(SYSTEM).data)
        run.add(way.proposal.customer_id, of_values(step.data, again, currency="", but=("digest",)))


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Data of an entry as the log holds it."""
    plain: dict[str, Any] = json.loads(canonical(dict(data)))
    return plain


def _column(record: Proposal, name: str) -> Any:
    value = getattr(record, name)
    return value.isoformat() if isinstance(value, date) else value


# --- what people did ------------------------------------------------------------------------------------------------------------------

_DID = {
    Action.PROPOSAL_COMMENTED: marked("{who} added a comment or a file"),
    Action.PROPOSAL_RELEASED: marked("{who} released it"),
    Action.PROPOSAL_REJECTED: marked("{who} rejected it"),
    Action.PROPOSAL_RETURNED: marked("{who} returned it"),
    Action.DECISION_APPROVE: marked("{who} approved it"),
    Action.DECISION_REJECT: marked("{who} rejected it"),
    Action.DECISION_RETURN: marked("{who} returned it"),
    Action.DECISION_COUNTER: marked("{who} made a counter-offer"),
}


def by_people(run: Replay) -> Iterator[str]:
    """What people did to the proposal and its successors, in order; of a whole review, how many proposals they changed."""
    later = run.history.later
    if run.only is None:
        touched = sum(any(s.action in (Action.PROPOSAL_AMENDED, Action.DECISION_COUNTER) for s in steps) for steps in later.values())
        if touched:
            yield said_many(
                "people changed the figures of {n} proposal; it is compared as the engine made it",
                "people changed the figures of {n} proposals; they are compared as the engine made them",
                n=touched,
            )
        return
    chain, steps = [run.only.proposal_id], list(later.get(run.only.proposal_id, ()))
    while successors := run.uow.find(Proposal, supersedes_id=chain[-1], review_id=run.review.review_id):
        chain.append(successors[0].proposal_id)
        steps += later.get(chain[-1], [])
    for step in sorted(steps, key=lambda one: one.seq):
        sentence = _sentence(step, run.only.currency)
        if sentence:
            yield said("{at}: {what}", at=step.at, what=sentence)


def _sentence(step: Step, currency: str) -> str:
    who = step.actor.partition(":")[2]
    if step.action == Action.PROPOSAL_AMENDED:
        amounts = {name: Money(step.data[name]["to_minor"], currency) for name in ("before", "after")}
        return said("{who} amended it: limit {before} to {after}", who=who, **amounts)
    if step.action in (Action.LIMIT_APPLIED, Action.LIMIT_OVERRIDE):
        return said(
            "applied as version {version}: limit {limit}", version=step.data["version"], limit=Money(step.data["to_minor"], currency)
        )
    if step.action in _DID and step.actor.startswith("person:"):
        return said(_DID[Action(step.action)], who=who)
    return ""
