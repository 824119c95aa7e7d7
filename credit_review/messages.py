"""Slack cards: a view of a proposal, rebuilt from the record each time. Data only ever stands in plain-text objects or is escaped."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from credit_review.authority import judge
from credit_review.errors import BadInput
from credit_review.model.money import format_minor
from credit_review.model.records import Decision, Proposal
from credit_review.model.states import ProposalState, Verdict
from credit_review.ports import Clock, UnitOfWork
from credit_review.review.relay import Card, Render
from credit_review.review.standing import gather, matrix_in_force

APPROVE, REJECT, REJECT_FORM = "credit_review_approve", "credit_review_reject", "credit_review_reject_form"
REASON_BLOCK, REASON_INPUT = "reason", "text"

_OUTCOMES = {
    ProposalState.APPROVED: "Approved, waiting to be applied",
    ProposalState.APPLIED: "Approved and applied",
    ProposalState.REJECTED: "Rejected",
    ProposalState.RETURNED: "Returned with a question",
    ProposalState.EXPIRED: "Expired: nobody decided in time",
    ProposalState.SUPERSEDED: "Replaced by a newer proposal",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A Slack message: fall-back text (escaped) and Block Kit blocks."""

    text: str
    blocks: tuple[Mapping[str, Any], ...]


def cleaned(text: str, longest: int) -> str:
    """`text` without control and bidirectional characters, on one line, at most `longest` characters."""
    kept = "".join(c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else " " for c in text)
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def escaped(text: str) -> str:
    """`text` for mrkdwn or fall-back text: no mention, channel, link or markup of Slack's survives."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def button_value(proposal_id: str, digest: str) -> str:
    """What a button carries: which proposal, and the packet that was shown."""
    return json.dumps({"digest": digest, "proposal": proposal_id}, sort_keys=True, separators=(",", ":"))


def read_button(value: str) -> tuple[str, str]:
    """Proposal id and digest of a button. Raises BadInput when the value is none of ours."""
    try:
        found = json.loads(value)
        return str(found["proposal"]), str(found["digest"])
    except (ValueError, KeyError, TypeError):
        raise BadInput("this button is not one of ours", next_step="open the newest card of the proposal") from None


def renderer(clock: Clock, zone: tzinfo) -> Render:
    """What the relay calls to draw a proposal's card as the record stands when it is sent; drafts have none."""

    def render(uow: UnitOfWork, proposal: Proposal) -> Card | None:
        if proposal.state == ProposalState.DRAFT:
            return None
        now = clock.now()
        matrix = matrix_in_force(uow, now)
        standing = gather(uow, proposal.proposal_id, matrix, now, zone=zone)
        judgement = judge(standing, matrix, now)
        names = [standing.persons[p].name if p in standing.persons else p for p in judgement.who_may]
        who_may = f"{', '.join(names) or 'nobody'} may approve ({', '.join(judgement.because).replace('_', ' ')})"
        shown = card(standing.proposal, who_may=who_may, decisions=standing.decisions)
        return Card(shown.text, shown.blocks, standing.proposal.digest)

    return render


def card(proposal: Proposal, *, who_may: str, decisions: Sequence[Decision] = ()) -> Message:
    """The card of a proposal; `who_may` says who may approve and why.

    While pending it has Approve and Reject; in any other state the outcome stands in their place.
    """
    packet = json.loads(proposal.packet_json)
    ask = asked(proposal, packet["customer_name"])
    blocks: list[Mapping[str, Any]] = [
        {"type": "header", "text": _plain(cleaned(ask, 150))},
        {"type": "section", "fields": [_plain(f"{label}: {cleaned(text, 300)}") for label, text in figures(packet)]},
        {"type": "context", "elements": [_plain(cleaned(_standing(proposal, who_may, decisions), 1000))]},
    ]
    if proposal.state == ProposalState.PENDING:
        blocks.append(_buttons(proposal))
    return Message(escaped(cleaned(ask, 300)), tuple(blocks))


def figures(packet: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Up to ten labelled figures of a packet, those an approver needs first."""
    currency = packet["currency"]
    shown = [
        ("Exposure", packet["exposure_minor"]),
        ("Own risk", packet["own_risk_minor"]),
        ("Overdue", packet["overdue_minor"]),
        ("Above the new limit", packet["over_limit_minor"]),
        ("Orders that would stop", packet["blocked_orders_minor"]),
    ]
    found = [(label, format_minor(minor, currency)) for label, minor in shown if minor is not None]
    found.append(("Grade", f"{packet['grade'] or 'none'}{', probability ' + packet['pd'] if packet['pd'] else ''}"))
    if packet["terms_days"] != packet["from_terms_days"]:
        found.append(("Terms", f"{_days(packet['from_terms_days'])} to {_days(packet['terms_days'])}"))
    found += [("Asked because", packet["request"]["reason"])] if packet.get("request") else []
    found += [("Reasons", "; ".join(packet["reasons"][:4]))] if packet["reasons"] else []
    found += [("Never automatic", ", ".join(packet["exceptional"]).replace("_", " "))] if packet["exceptional"] else []
    found += [("Analyst", packet["notes"][-1]["text"])] if packet["notes"] else []
    return found[:10]


def _days(days: int | None) -> str:
    return "no terms" if days is None else f"{days} days"


def asked(proposal: Proposal, name: str) -> str:
    """What is asked in one line: customer, from, to, change in percent and amount."""
    to = format_minor(proposal.to_minor, proposal.currency)
    if proposal.effective_to is not None:
        now = "" if proposal.from_minor is None else f" (now {format_minor(proposal.from_minor, proposal.currency)})"
        return f"{name} ({proposal.customer_id}): temporary limit {to} until {proposal.effective_to}{now}"
    if proposal.from_minor is None:
        return f"{name} ({proposal.customer_id}): first limit {to}"
    change = proposal.to_minor - proposal.from_minor
    percent = f"{100 * change / proposal.from_minor:+.0f}%, " if proposal.from_minor else ""
    amount = f"{'+' if change >= 0 else ''}{format_minor(change, proposal.currency)}"
    return f"{name} ({proposal.customer_id}): {format_minor(proposal.from_minor, proposal.currency)} to {to} ({percent}{amount})"


def reject_form(proposal_id: str, digest: str, ask: str) -> Mapping[str, Any]:
    """The modal that asks for the reason of a rejection."""
    return {
        "type": "modal",
        "callback_id": REJECT_FORM,
        "private_metadata": button_value(proposal_id, digest),
        "title": _plain("Reject"),
        "submit": _plain("Reject"),
        "close": _plain("Cancel"),
        "blocks": [
            {"type": "section", "text": _plain(cleaned(ask, 300))},
            {
                "type": "input",
                "block_id": REASON_BLOCK,
                "label": _plain("Reason (the analyst and the auditor read it)"),
                "element": {"type": "plain_text_input", "action_id": REASON_INPUT, "multiline": True, "min_length": 3, "max_length": 1000},
            },
        ],
    }


def answer(text: str) -> Message:
    """A short answer to the person who clicked."""
    return Message(escaped(cleaned(text, 500)), ({"type": "section", "text": _plain(cleaned(text, 2900))},))


def _standing(proposal: Proposal, who_may: str, decisions: Sequence[Decision]) -> str:
    given = sum(1 for d in decisions if d.verdict == Verdict.APPROVE)
    if proposal.state != ProposalState.PENDING:
        return f"{_OUTCOMES[ProposalState(proposal.state)]} · {proposal.proposal_id} · packet {proposal.digest[:12]}"
    until = f" · expires {proposal.expires_at:%Y-%m-%d}" if proposal.expires_at else ""
    needed = f"{given} of {proposal.required_approvals} approvals"
    return f"{proposal.tier}, {needed} · {who_may}{until} · {proposal.proposal_id} · packet {proposal.digest[:12]}"


def _buttons(proposal: Proposal) -> Mapping[str, Any]:
    value = button_value(proposal.proposal_id, proposal.digest)
    return {
        "type": "actions",
        "block_id": f"decide:{proposal.proposal_id}:{proposal.digest[:12]}",
        "elements": [
            {"type": "button", "action_id": APPROVE, "style": "primary", "text": _plain("Approve"), "value": value},
            {"type": "button", "action_id": REJECT, "style": "danger", "text": _plain("Reject"), "value": value},
        ],
    }


def _plain(text: str) -> Mapping[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}
