"""Why: the whole derivation of a proposal, for a modal. Nothing in it is new; everything stands on record and can be looked up again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from credit_review.limits.explain import REPORTED_CAP
from credit_review.messages.card import DONE
from credit_review.messages.text import Block, cleaned, heading, lines, modal, section
from credit_review.model.money import Money
from credit_review.model.records import Decision, LimitChange, Proposal
from credit_review.model.states import Verdict
from credit_review.words import Words, said, said_many, unpacked

WHY_VIEW = "credit_review_why_view"
_LONGEST_LIST = 12
_UNLICENSED = said("not shown here: it would say what the external report says")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a review's files and the record say about one customer.

    `features` are (name, figure as text), `points` are (factor in words, points), `score` what they add up to, `basis` how need and caps
    were computed, `path` is what it takes to reach the limit wished for (first whether it can be reached), `data_dates` are (what, day),
    `quarantined` are sentences, `changes` and `decisions` are of the customer's limits, oldest first. `picture` is the id of an uploaded
    image. `licensed`: figures of external reports may be shown in Slack.
    `policy` is its version.
    """

    features: Sequence[tuple[str, str]] = ()
    points: Sequence[tuple[str, int]] = ()
    score: Sequence[tuple[str, str]] = ()
    basis: Sequence[tuple[str, str]] = ()
    path: Sequence[str] = ()
    data_dates: Sequence[tuple[str, date | None]] = ()
    quarantined: Sequence[str] = ()
    changes: Sequence[LimitChange] = ()
    decisions: Sequence[Decision] = ()
    currency: str = ""
    hidden: str = ""
    licensed: bool = False
    policy: str = ""
    picture: str = ""
    missing: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


def wished_minor(proposal: Proposal) -> int | None:
    """The limit that somebody would like and the engine does not find: what was asked for beyond its figure, or the limit it lowers."""
    engine = proposal.engine_minor
    if engine is not None and proposal.to_minor > engine:
        return proposal.to_minor
    lowered = proposal.from_minor is not None and proposal.to_minor < proposal.from_minor
    return proposal.from_minor if lowered else None


def why(proposal: Proposal, ask: str, evidence: Evidence | None, words: Words, card: Sequence[tuple[str, str]] = ()) -> Block:
    """The modal, with all that the `card` may say; without evidence yet it says that it is being looked up."""
    w = words
    packet = json.loads(proposal.packet_json)
    blocks = [section(ask)]
    if card:
        blocks += [heading(w.say(said("The card in full"))), lines(card)]
    blocks.append(heading(w.say(said("From need to the proposed limit"))))
    steps = [(unpacked(label), unpacked(figure)) for label, figure in packet["derivation"]]
    if evidence is None or not evidence.licensed:
        steps = [(label, _UNLICENSED if label == REPORTED_CAP else figure) for label, figure in steps]
    blocks.append(lines([(w.say(label), w.say(figure)) for label, figure in steps] or [("", "-")]))
    if evidence is None:
        blocks.append(section(w.say(said("Looking up features, points and history …"))))
    else:
        blocks += _evidence(evidence, w)
    rules = [
        (w.say(said("Policy")), " · ".join(filter(None, (evidence.policy if evidence else "", proposal.policy_digest[:16])))),
        (w.say(said("Authority matrix")), proposal.authority_digest[:16]),
        (w.say(said("Scorecard")), (packet.get("scorecard") or "-")[:16]),
        (w.say(said("Review")), f"{packet.get('review', {}).get('label', '')} · {packet.get('manifest', '')[:16]}"),
        (w.say(said("Proposal")), proposal.proposal_id),
        (w.say(said("Packet")), proposal.digest),
    ]
    blocks += [heading(w.say(said("What it rests on"))), lines(rules)]
    return modal(WHY_VIEW, w.say(said("Why")), blocks, close=w.say(said("Close")))


def _evidence(found: Evidence, w: Words) -> list[Block]:
    blocks: list[Block] = []
    if found.missing:
        blocks.append(section(w.say(found.missing)))
    if found.picture:
        alt = w.say(said("Ageing of open items, and exposure at month ends"))
        blocks.append({"type": "image", "slack_file": {"id": found.picture}, "alt_text": alt})
    if found.basis:
        blocks.append(heading(w.say(said("How need and caps were computed"))))
        blocks.append(lines([(w.say(label), w.say(text)) for label, text in found.basis]))
    if found.path:
        blocks.append(heading(w.say(said("What it takes to reach it"))))
        blocks.append(lines([("", w.say(sentence)) for sentence in found.path]))
    if found.points:
        blocks.append(heading(w.say(said("Points of the score"))))
        rows = [(w.say(name), f"{points:+d}") for name, points in found.points]
        blocks.append(lines([*rows, *((w.say(label), w.say(text)) for label, text in found.score)]))
    if found.features:
        blocks.append(heading(w.say(said("Figures of the customer"))))
        blocks.append(lines([(w.say(name), w.say(figure)) for name, figure in found.features]))
    if found.hidden:
        blocks.append(section(w.say(found.hidden)))
    if found.data_dates:
        dated = [(w.say(what), w.day(day) if day else w.say(said("not known"))) for what, day in found.data_dates]
        blocks += [heading(w.say(said("Dates of the data"))), lines(dated)]
    if found.quarantined:
        rows = [("", cleaned(w.say(row), 200)) for row in found.quarantined[:_LONGEST_LIST]]
        blocks += [heading(w.say(said("Rows in quarantine"))), lines([*rows, *_more(len(found.quarantined), w)])]
    if found.changes or found.decisions:
        blocks += [heading(w.say(said("History of its limits"))), lines(_history(found, w))]
    return blocks


def _history(found: Evidence, w: Words) -> list[tuple[str, str]]:
    events: list[tuple[datetime, str]] = []
    for one in found.changes:
        old = said("none") if one.old_minor is None else Money(one.old_minor, found.currency)
        new = said("none") if one.new_minor is None else Money(one.new_minor, found.currency)
        events.append((one.applied_at, w.say(said("limit {old} to {new} ({kind})", old=old, new=new, kind=said(one.kind)))))
    for answer in found.decisions:
        who, what = found.names.get(answer.approver_id, answer.approver_id), DONE[Verdict(answer.verdict)]
        events.append((answer.at, w.say(said("{who} {done}", who=who, done=what))))
    return [*_more(len(events), w), *((w.moment(at), text) for at, text in sorted(events)[-_LONGEST_LIST:])]


def _more(count: int, w: Words) -> list[tuple[str, str]]:
    """How many a list has no room for; the report, the quarantine and the log have them all."""
    left = count - _LONGEST_LIST
    return [("", w.say(said_many("and {n} more", "and {n} more", n=left)))] if left > 0 else []


def unknown(what: str) -> Any:
    """Evidence that could not be read, and why."""
    return Evidence(missing=said("The review's files could not be read: {what}", what=what))
