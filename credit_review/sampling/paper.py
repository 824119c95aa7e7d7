"""Work papers: everything the record has of one drawn item, as Markdown that an auditor completes; and the page in front of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, parse_timestamp
from credit_review.model.money import Money
from credit_review.model.records import ApprovalCondition, Decision, LimitChange, Proposal
from credit_review.model.states import Verdict
from credit_review.sampling.drawing import Sample
from credit_review.sampling.population import Frozen, Item
from credit_review.words import Words, said

NOT_REPLAYED = said("not replayed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One audit entry: number, leaf, the bytes it is of, and what they say."""

    seq: int
    leaf: str
    text: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is on record of a drawn item. `replayed` is what recomputing its decision found."""

    item: Item
    proposal: Proposal | None
    change: LimitChange | None
    decisions: tuple[Decision, ...]
    makers: tuple[str, ...]
    conditions: tuple[ApprovalCondition, ...]
    entries: tuple[Logged, ...]
    replayed: str = NOT_REPLAYED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How papers are written: the reader's words, names of people by id, and which entries have a proof (`proofs/SEQ.tlog-proof`)."""

    words: Words
    names: Mapping[str, str]
    proven: frozenset[int] = frozenset()

    def say(self, value: Any) -> str:
        """A sentence or figure in the reader's language, as Markdown that stays one line whatever it holds."""
        return escaped(self.words.shown(value))

    def who(self, person_id: str | None) -> str:
        """A person's name and id."""
        if not person_id:
            return "-"
        return escaped(f"{self.names[person_id]} ({person_id})" if person_id in self.names else person_id)

    def amount(self, minor: int | None, currency: str) -> str:
        """An amount; what stands where there is none."""
        return self.say(said("no limit on file") if minor is None else Money(minor, currency))


def escaped(text: str) -> str:
    """Text that people wrote, as Markdown that can form no heading, link, table or HTML of its own."""
    plain = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#|!~" else char for char in plain)


def paper(number: int, dossier: Dossier, reader: Reader) -> str:
    """The work paper of one item, Markdown."""
    say = reader.say
    lines = [f"# {number:03d} · {escaped(dossier.item.item)}", ""]
    for title, section in (
        (said("What it is"), _what(dossier, reader)),
        (said("Proposal"), _proposal(dossier, reader)),
        (said("Decisions"), _decisions(dossier, reader)),
        (said("Applied"), _applied(dossier, reader)),
        (said("Recomputed while this paper was written"), _checked(dossier, reader)),
    ):
        body = list(section)
        if body:
            lines += [f"## {say(title)}", "", *body, ""]
    lines += [f"## {say(said('Replay'))}", "", say(dossier.replayed), ""]
    lines += [f"## {say(said('Audit entries'))}", "", *_entries(dossier, reader), ""]
    lines += [
        f"## {say(said('Conclusion of the auditor'))}",
        "",
        say(said("to be entered in conclusions.csv, line {number}", number=number)),
        "",
    ]
    return "\n".join(lines)


def _pair(reader: Reader, label: str, value: str) -> str:
    return f"- {reader.say(label)}: {value}"


def _code(text: str) -> str:
    return f"`{text}`" if text else "-"


def _what(dossier: Dossier, reader: Reader) -> Iterator[str]:
    one = dossier.item
    yield _pair(reader, said("entry"), str(one.seq))
    yield _pair(reader, said("recorded at"), reader.say(parse_timestamp(one.at)))
    for label, value in (
        (said("customer"), one.customer), (said("account"), one.account), (said("review"), one.review), (said("tier"), one.tier),
        (said("approved by rule"), one.rule),
    ):  # fmt: skip
        if value:
            yield _pair(reader, label, escaped(value))
    if one.currency:
        yield _pair(reader, said("amount it was drawn by"), reader.amount(one.amount_minor, one.currency))


def _proposal(dossier: Dossier, reader: Reader) -> Iterator[str]:
    one = dossier.proposal
    if one is None:
        return
    yield _pair(reader, said("proposal"), escaped(one.proposal_id))
    yield _pair(reader, said("state"), reader.say(said(one.state)))
    yield _pair(reader, said("limit before"), reader.amount(one.from_minor, one.currency))
    yield _pair(reader, said("limit proposed"), reader.amount(one.to_minor, one.currency))
    if one.engine_minor is not None:
        yield _pair(reader, said("what the engine said"), reader.amount(one.engine_minor, one.currency))
    yield _pair(reader, said("who made it"), ", ".join(map(reader.who, dossier.makers)) or escaped(one.proposer_id))
    yield _pair(reader, said("created at"), reader.say(one.created_at))
    yield _pair(reader, said("digest of the packet shown"), _code(one.digest))
    yield _pair(reader, said("digest of the policy"), _code(one.policy_digest))
    yield _pair(reader, said("digest of the authority matrix"), _code(one.authority_digest))


def _decisions(dossier: Dossier, reader: Reader) -> Iterator[str]:
    for one in dossier.decisions:
        who = reader.who(one.approver_id)
        if one.on_behalf_of:
            who += f" → {reader.who(one.on_behalf_of)}"
        where = reader.say(said("through {channel}, tier {tier}", channel=one.channel, tier=one.tier or "-"))
        yield f"- {reader.say(one.at)}: {who}: {reader.say(said(one.verdict))}, {where}, {_code(one.digest)}"
        if one.reason:
            yield f"  - {escaped(one.reason)}"
    for condition in dossier.conditions:
        settled = reader.who(condition.settled_by) if condition.settled_by else "-"
        yield _pair(reader, said("condition"), f"{escaped(condition.text)}: {reader.say(said(condition.state))}, {settled}")


def _applied(dossier: Dossier, reader: Reader) -> Iterator[str]:
    change = dossier.change
    if change is None:
        return
    currency = dossier.item.currency
    yield _pair(reader, said("change"), escaped(f"{change.change_id} (v{change.version})"))
    yield _pair(reader, said("limit before"), reader.amount(change.old_minor, currency))
    yield _pair(reader, said("limit put in force"), reader.amount(change.new_minor, currency))
    yield _pair(reader, said("in force from"), reader.say(change.effective_from))
    if change.effective_to:
        yield _pair(reader, said("until"), reader.say(change.effective_to))
    yield _pair(reader, said("applied at"), reader.say(change.applied_at))
    applied = _approved(dossier)
    if applied:
        yield _pair(reader, said("authority matrix in force then"), _code(str(applied["authority"])))
    confirmed = _entry(dossier, Action.ERP_CONFIRMED)
    shown = reader.amount(confirmed["held_minor"], currency) if confirmed else reader.say(said("not confirmed"))
    yield _pair(reader, said("what the ERP confirmed"), shown)


def _entry(dossier: Dossier, action: Action) -> Mapping[str, Any] | None:
    """The data of the newest entry of an action."""
    found = [one.body["data"] for one in dossier.entries if one.body["action"] == action]
    return found[-1] if found else None


def _approved(dossier: Dossier) -> Mapping[str, Any] | None:
    """What names the approvals: the application, or that an override was approved afterwards."""
    return _entry(dossier, Action.LIMIT_APPLIED) or _entry(dossier, Action.OVERRIDE_APPROVED)


def _checked(dossier: Dossier, reader: Reader) -> Iterator[str]:
    for sentence, holds in checks(dossier):
        yield f"- {reader.say(said('yes') if holds else said('NO'))}: {reader.say(sentence)}"


def checks(dossier: Dossier) -> list[tuple[str, bool]]:
    """What can be recomputed from the record alone, each with whether it holds. They prepare the auditor's conclusion and replace none."""
    found: list[tuple[str, bool]] = []
    proposal, change = dossier.proposal, dossier.change
    if proposal is None:
        return found
    approvals = [one for one in dossier.decisions if one.verdict == Verdict.APPROVE]
    found.append((said("the stored packet has its digest"), sha256(proposal.packet_json.encode()).hexdigest() == proposal.digest))
    found.append((said("every decision was on that packet"), all(one.digest == proposal.digest for one in dossier.decisions)))
    makers = {*dossier.makers, proposal.proposer_id}
    deciders = {name for one in approvals for name in (one.approver_id, one.on_behalf_of) if name}
    found.append((said("nobody who approved made the proposal"), not makers & deciders))
    if change is None:
        return found
    found.append(
        (
            said("the limit put in force is the one proposed"),
            (change.old_minor, change.new_minor) == (proposal.from_minor, proposal.to_minor),
        )
    )
    applied = _approved(dossier) or {}
    entitled = {one["approver"] for one in applied.get("approvers", ())}
    given = {one.approver_id for one in approvals}
    enough = bool(applied) and entitled <= given and (len(entitled) >= max(1, proposal.required_approvals) or bool(applied.get("rule")))
    found.append((said("those named when it was applied approved it, as many as its tier asks for, or a rule did"), enough))
    confirmed = _entry(dossier, Action.ERP_CONFIRMED)
    found.append((said("the ERP confirmed that limit"), confirmed is not None and confirmed["held_minor"] == change.new_minor))
    return found


def _entries(dossier: Dossier, reader: Reader) -> Iterator[str]:
    heads = (said("entry"), said("action"), said("who"), said("time"), said("leaf"), said("proof"))
    yield f"| {' | '.join(map(reader.say, heads))} |"
    yield "|---" * len(heads) + "|"
    for one in dossier.entries:
        proof = f"[{one.seq}](../proofs/{one.seq}.tlog-proof)" if one.seq in reader.proven else "-"
        cells = (
            f"[{one.seq}](../entries/{one.seq}.json)",
            _code(one.body["action"]),
            escaped(one.body["actor"]),
            one.body["ts"],
            _code(one.leaf),
            proof,
        )
        yield f"| {' | '.join(cells)} |"


def cover(frozen: Frozen, sample: Sample, told: Sequence[str], reader: Reader, *, proven_up_to: int) -> str:
    """The page in front of the papers, Markdown: what was drawn from what and how, what it buys, and the list of papers."""
    say, facts = reader.say, frozen.facts()
    period = said("{what} from {first} to {last}", what=said(frozen.of), first=frozen.first_day, last=frozen.last_day)
    counted = [
        said("{count} audit entries", count=f"{len(frozen.items):,}"),
        said("{count} rows of the database", count=f"{frozen.rows:,}"),
    ]
    if frozen.versions is not None:
        counted.append(said("{count} versions that limits moved by", count=f"{frozen.versions:,}"))
    lines = [f"# {say(said('Audit sample'))}", "", *(f"- {say(one)}" for one in told), "", f"## {say(said('Population'))}", ""]
    lines += [f"- {say(one)}" for one in (period, *counted)]
    lines += [
        _pair(reader, said("digest of population.csv"), _code(facts["digest"])),
        _pair(reader, said("first and last entry"), f"{facts['first_seq']}, {facts['last_seq']}"),
        _pair(reader, said("size and root of the log"), f"{frozen.size}, {_code(frozen.root)}"),
        _pair(reader, said("entries under a signed checkpoint"), str(proven_up_to) if proven_up_to else say(said("none yet"))),
        "", f"## {say(said('Work papers'))}", "",
    ]  # fmt: skip
    for number, one in enumerate(sample.drawn, start=1):
        amount = f", {reader.amount(one.amount_minor, one.currency)}" if one.currency else ""
        lines.append(f"{number}. [{escaped(one.item)}](papers/{number:03d}.md){amount}")
    return "\n".join([*lines, ""])
