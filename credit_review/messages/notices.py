"""Short messages: what became of a request, a question to the analyst, reminders, the daily summary, what an account owner is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from credit_review.messages.card import CONFIRM, DONE, OUTCOMES, asked, condition_in_words
from credit_review.messages.text import Message, button, buttons, cleaned, escaped, header, lines, notes, section, value_of
from credit_review.model.money import Money
from credit_review.model.records import ApprovalCondition, Decision, Proposal
from credit_review.model.states import ConditionState, ProposalState, Verdict
from credit_review.review.outbox import (
    CONDITION,
    DAILY,
    DIGEST,
    LAPSED,
    OWNER,
    PARKED,
    PROPOSAL,
    QUESTION,
    REMINDER,
    REQUEST,
    SUMMARY,
    person_of,
)  # fmt: skip
from credit_review.words import Words, marked, said, said_many

ANSWER = "credit_review_answer"
_MOST = 20


def answer(text: str) -> Message:
    """A short answer to the person who clicked."""
    return Message(escaped(cleaned(text, 500)), (section(text),))


def question(proposal: Proposal, name: str, text: str, who: str, words: Words, *, answered: bool) -> Message:
    """An approver's question to who can answer it; a reply in its thread, or the button, is the answer."""
    w = words
    title = w.say(said("{who} asks about {ask}", who=who, ask=asked(proposal, name, w)))
    blocks = [header(w.say(said("A question about your proposal"))), section(title), lines([("", f"“{cleaned(text, 2000)}”")])]
    if answered:
        blocks.append(notes(w.say(said("Answered; a fresh card is with the approvers."))))
    else:
        value = value_of(proposal=proposal.proposal_id)
        blocks.append(buttons(f"answer:{proposal.proposal_id}", button(ANSWER, w.say(said("Answer")), value)))
        blocks.append(notes(w.say(said("Answer with the button, or reply in this thread."))))
    return Message(escaped(title), tuple(blocks))


def condition(
    one: ApprovalCondition, proposal: Proposal, name: str, words: Words, names: Mapping[str, str], *, may: bool, lapsed: bool = False
) -> Message:
    """A condition of an approval, to who may confirm it (`may`) with a button; what became of it afterwards, and that it `lapsed`."""
    w = words
    titles = {
        ConditionState.OPEN: said("An approval waits for your confirmation") if may else said("An approval waits for a condition"),
        ConditionState.MET: said("A condition was confirmed"),
        ConditionState.LAPSED: said("A condition was not confirmed in time: the approval lapsed"),
    }
    title = w.say(titles[ConditionState.LAPSED if lapsed else ConditionState(one.state)])
    rows = [
        (w.say(said("Condition")), w.say(condition_in_words(one))),
        (w.say(said("Due")), w.say(said("{day}, set by {name}", day=one.due, name=names.get(one.asked_by, one.asked_by)))),
    ]
    if one.state == ConditionState.MET:
        rows.append((w.say(said("Confirmed by")), f"{names.get(one.settled_by, one.settled_by)}: “{cleaned(one.evidence, 300)}”"))
    blocks = [header(title), section(asked(proposal, name, w)), lines(rows)]
    if may and one.state == ConditionState.OPEN and proposal.state in (ProposalState.PENDING, ProposalState.APPROVED):
        value = value_of(condition=one.condition_id)
        blocks.append(buttons(f"condition:{one.condition_id}", button(CONFIRM, w.say(said("Confirm with evidence")), value)))
        blocks.append(notes(w.say(said("The limit is applied once it is confirmed; who set the condition cannot confirm it."))))
    return Message(escaped(title), tuple(blocks))


def request_status(proposal: Proposal, name: str, words: Words, *, documents: Sequence[str]) -> Message:
    """What became of a request, for who asked: status and missing documents, no scores and no bureau data."""
    w = words
    ask = asked(proposal, name, w)
    state = w.say(OUTCOMES.get(ProposalState(proposal.state), said("With the analyst")))
    rows = [(w.say(said("Status")), state)]
    if proposal.state in (ProposalState.APPROVED, ProposalState.APPLIED):
        rows.append((w.say(said("From")), w.day(proposal.effective_from)))
    if documents:
        rows.append((w.say(said("Missing documents")), "; ".join(w.say(d) for d in documents)))
    return Message(escaped(cleaned(ask, 300)), (header(w.say(said("Your request"))), section(ask), lines(rows)))


def missing_documents(packet: Mapping[str, Any]) -> list[str]:
    """Documents whose absence held the engine back, in words: what a customer could send."""
    wanted = {"Missing data": said("statements, or a newer external report")}
    return [wanted["Missing data"]] if "missing_data" in packet["exceptional"] else []


def reminder(proposals: Sequence[tuple[Proposal, str]], words: Words) -> Message:
    """What still waits for the reader, the most urgent first."""
    w = words
    title = w.say(said_many("{n} proposal still waits for you", "{n} proposals still wait for you", n=len(proposals)))
    rows = [(w.say(_expires(p)), cleaned(asked(p, name, w), 200)) for p, name in proposals[:_MOST]]
    return Message(escaped(title), (header(title), lines(rows)))


def _expires(proposal: Proposal) -> str:
    return said("until {moment}", moment=proposal.expires_at) if proposal.expires_at else said("no end")


def daily_summary(
    day: date, decided: Sequence[tuple[Decision, Proposal, str]], reader: str, words: Words, names: Mapping[str, str]
) -> Message:
    """What was decided in the reader's name on a day: by himself, and on his behalf."""
    w = words
    title = w.say(said_many("{n} decision in your name on {day}", "{n} decisions in your name on {day}", n=len(decided), day=day))
    rows = []
    for one, proposal, name in decided[:30]:
        by = (
            w.say(said("by you"))
            if one.approver_id == reader
            else w.say(said("by {who} for you", who=names.get(one.approver_id, one.approver_id)))
        )
        rows.append((f"{w.say(DONE[Verdict(one.verdict)])} {by}", cleaned(asked(proposal, name, w), 200)))
    foot = w.say(said("If you did not decide one of these, call the risk team and internal audit at once."))
    return Message(escaped(title), (header(title), lines(rows), notes(foot)))


def owner_notice(changes: Sequence[tuple[Proposal, str]], words: Words) -> Message:
    """What a sales owner is told of his customers: outcome, from when, and what the customer can do."""
    w = words
    title = w.say(said_many("{n} decision about your customers", "{n} decisions about your customers", n=len(changes)))
    rows: list[tuple[str, str]] = []
    for proposal, name in changes[:_MOST]:
        rows.append((cleaned(name, 80) or proposal.customer_id, w.say(_for_owner(proposal))))
    if len(changes) > _MOST:
        rows.append(
            ("", w.say(said_many("and {n} more: `/credit NAME` tells", "and {n} more: `/credit NAME` tells", n=len(changes) - _MOST)))
        )
    return Message(escaped(title), (header(title), lines(rows)))


def _for_owner(proposal: Proposal) -> str:
    amount = Money(proposal.to_minor, proposal.currency)
    if proposal.state not in (ProposalState.APPROVED, ProposalState.APPLIED):
        return said("{outcome}; the limit stays as it is", outcome=OUTCOMES[ProposalState(proposal.state)])
    if proposal.from_minor is not None and proposal.to_minor < proposal.from_minor:
        had = Money(proposal.from_minor, proposal.currency)
        text = marked(
            "limit goes from {had} to {amount} on {day}. The customer can pay open invoices, bring a guarantee, or send newer accounts."
        )
        return said(text, had=had, amount=amount, day=proposal.effective_from)
    return said("limit of {amount} from {day}", amount=amount, day=proposal.effective_from)


def parked(rows: Sequence[tuple[str, str, str]], names: Mapping[str, str], words: Words) -> Message:
    """Messages (subject, address, why) that did not reach anybody, for who sees to it that they do."""
    w = words
    title = w.say(said_many("{n} message could not be delivered", "{n} messages could not be delivered", n=len(rows)))
    shown = [(w.say(what(subject)), w.say(_undelivered(address, why, names))) for subject, address, why in rows[:_MOST]]
    foot = said("`credit-review deliveries list` shows all; when the cause is mended, `credit-review deliveries requeue --all` sends them.")
    return Message(escaped(title), (header(title), lines(shown), notes(w.say(foot))))


def _undelivered(address: str, why: str, names: Mapping[str, str]) -> str:
    return said("to {address}: {why}", address=whose(address, names), why=why)


def what(subject: str) -> str:
    """What a message shows, in words."""
    kind, _, key = subject.partition(":")
    return said(_SUBJECTS[kind], key=key)


def whose(address: str, names: Mapping[str, str]) -> str:
    """Who sees a message: a person by name and id, or the channel's id."""
    person_id = person_of(address)
    return f"{names.get(person_id, person_id)} ({person_id})" if person_id else address


_SUBJECTS = {
    PROPOSAL: marked("card of proposal {key}"),
    DIGEST: marked("list of review {key}"),
    SUMMARY: marked("summary of review {key}"),
    QUESTION: marked("question about proposal {key}"),
    REQUEST: marked("status of request {key}"),
    REMINDER: marked("reminder of {key}"),
    DAILY: marked("daily summary of {key}"),
    OWNER: marked("news for an account owner of {key}"),
    PARKED: marked("notice of messages not delivered, {key}"),
    CONDITION: marked("condition of proposal {key}"),
    LAPSED: marked("lapsed condition of proposal {key}"),
}


def credit_answer(facts: Sequence[tuple[str, str]], title: str, words: Words) -> Message:
    """What `/credit NAME` answers."""
    rows = [(words.say(label), words.say(text)) for label, text in facts]
    return Message(escaped(cleaned(title, 300)), (header(cleaned(title, 150)), lines(rows)))
