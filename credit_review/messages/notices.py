"""Short messages: a question to the analyst, reminders, the daily summary, what an account owner is told, declarations that are due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from credit_review.controls.alarm import Severity
from credit_review.messages.card import CONFIRM, DONE, asked, asked_briefly, condition_in_words
from credit_review.messages.text import Block, Message, button, buttons, cleaned, escaped, header, lines, notes, section, value_of
from credit_review.model.records import ApprovalCondition, Decision, Finding, PolicyException, Proposal
from credit_review.model.states import ConditionState, ExceptionKind, FindingState, ProposalState, Verdict
from credit_review.review.exceptions import KINDS
from credit_review.review.findings import SEVERITIES, STATES
from credit_review.review.outbox import (
    AGENDA,
    CONDITION,
    DAILY,
    DECLARATION,
    DIGEST,
    ENDING,
    FINDINGS,
    LAPSED,
    ORDERS,
    OVERDUE,
    OWNER,
    PARKED,
    PASS,
    PROPOSAL,
    QUESTION,
    REMINDER,
    REQUEST,
    SUMMARY,
    person_of,
)
from credit_review.words import Words, marked, said, said_many

ANSWER = "credit_review_answer"
_MOST, _MOST_OF_A_DAY = 20, 100


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


def agenda(name: str, day: date, sitting: str, proposals: Sequence[tuple[Proposal, str]], words: Words, *, closed: bool) -> Message:
    """The agenda of a committee's sitting, to each of its members; that it is over afterwards."""
    w = words
    title = w.say(said("Agenda of {name}, sitting on {day}", name=name, day=day))
    rows = [("", cleaned(asked_briefly(p, customer, w), 200)) for p, customer in proposals[:_MOST]]
    vote = said("Vote with the buttons of each card once the sitting is open, or with `credit-review committee vote`.")
    minutes = said("The sitting is over: `credit-review committee minutes {sitting}`.", sitting=sitting)
    more = _more(len(proposals) - _MOST, w)
    return Message(escaped(title), (header(title), lines(rows), *more, notes(w.say(minutes if closed else vote))))


def reminder(proposals: Sequence[tuple[Proposal, str]], words: Words) -> Message:
    """What still waits for the reader, the most urgent first."""
    w = words
    title = w.say(said_many("{n} proposal still waits for you", "{n} proposals still wait for you", n=len(proposals)))
    rows = [(w.say(_expires(p)), cleaned(asked_briefly(p, name, w), 200)) for p, name in proposals[:_MOST]]
    return Message(escaped(title), (header(title), lines(rows), *_more(len(proposals) - _MOST, w)))


def _more(count: int, words: Words) -> list[Block]:
    """How many a list has no room for; nothing where it shows all."""
    return [notes(words.say(said_many("and {n} more", "and {n} more", n=count)))] if count > 0 else []


def _expires(proposal: Proposal) -> str:
    return said("until {moment}", moment=proposal.expires_at) if proposal.expires_at else said("no end")


def daily_summary(
    day: date, decided: Sequence[tuple[Decision, Proposal, str]], reader: str, words: Words, names: Mapping[str, str]
) -> Message:
    """What was decided in the reader's name on a day: by himself, and on his behalf."""
    w = words
    title = w.say(said_many("{n} decision in your name on {day}", "{n} decisions in your name on {day}", n=len(decided), day=day))
    rows = []
    for one, proposal, name in decided[:_MOST_OF_A_DAY]:
        by = (
            w.say(said("by you"))
            if one.approver_id == reader
            else w.say(said("by {who} for you", who=names.get(one.approver_id, one.approver_id)))
        )
        rows.append((f"{w.say(DONE[Verdict(one.verdict)])} {by}", cleaned(asked_briefly(proposal, name, w), 200)))
    foot = w.say(said("If you did not decide one of these, call the risk team and internal audit at once."))
    blocks = [lines(rows[start : start + _MOST]) for start in range(0, len(rows), _MOST)]
    return Message(escaped(title), (header(title), *blocks, *_more(len(decided) - len(rows), w), notes(foot)))


def declaration_due(day: date | None, today: date, words: Words) -> Message:
    """That a declaration of interests is missing (`day` is today) or ends on a day."""
    w = words
    if day is None or day <= today:
        text = said("You may approve limits and no declaration of conflicts of interest by you is in force.")
    else:
        text = said("Your declaration of conflicts of interest ends on {day}.", day=day)
    how = said("Renew it in the App Home, customer by customer, or without a customer to state that there is none. It holds for a year.")
    title = w.say(said("Conflicts of interest: declare once a year"))
    return Message(escaped(title), (header(title), section(w.say(text)), notes(w.say(how))))


def findings(found: Sequence[Finding], words: Words, names: Mapping[str, str], *, late: bool) -> Message:
    """Findings the reader was given, or those (`late`) that were not closed by their due date."""
    w = words
    if late:
        title = said_many("{n} finding is overdue", "{n} findings are overdue", n=len(found))
    else:
        title = said_many("{n} finding is yours to remedy", "{n} findings are yours to remedy", n=len(found))
    rows = [(w.say(said("due {day}", day=one.due)), w.say(_finding(one, names))) for one in found[:_MOST]]
    foot = said("`credit-review finding show FINDING` shows one; the owner answers with `finding remedy`, somebody else closes it.")
    return Message(escaped(w.say(title)), (header(w.say(title)), lines(rows), notes(w.say(foot))))


def _finding(one: Finding, names: Mapping[str, str]) -> str:
    owner = names.get(one.owner_id, one.owner_id) or said("nobody")
    about = {"finding": one.finding_id, "severity": said(SEVERITIES[Severity(one.severity)]), "control": one.control}
    state = said(STATES[FindingState(one.state)])
    return said("{finding}: {severity}, {control}, {state}, owner {owner}", **about, state=state, owner=owner)


def ending(found: Sequence[tuple[PolicyException, str]], words: Words) -> Message:
    """Exceptions of the reader that end on a day, each with the customer's name."""
    w = words
    day = found[0][0].ends
    title = w.say(said_many("{n} exception of yours ends on {day}", "{n} exceptions of yours end on {day}", n=len(found), day=day))
    rows = [(cleaned(name, 80) or one.customer_id, w.say(said(KINDS[ExceptionKind(one.kind)]))) for one, name in found[:_MOST]]
    foot = said(
        "They end by themselves; only a fresh approval renews one. `credit-review exceptions show EXCEPTION` shows one, "
        "`exceptions hand-over` gives it to somebody else."
    )
    return Message(escaped(title), (header(title), lines(rows), *_more(len(found) - _MOST, w), notes(w.say(foot))))


def pass_ends(day: date, words: Words) -> Message:
    """That the reader's pass of a rehearsal ends on a day."""
    w = words
    title = w.say(said("Your pass ends on {day}", day=day))
    text = said("Without a current pass you decide nothing of the tiers that need one, and what waits for you goes to others.")
    how = said("`credit-review rehearse REVIEW` earns the next one, on cases of a review that is closed.")
    return Message(escaped(title), (header(title), section(w.say(text)), notes(w.say(how))))


def parked(rows: Sequence[tuple[str, str, str]], names: Mapping[str, str], words: Words) -> Message:
    """Messages (subject, address, why) that did not reach anybody, for who sees to it that they do."""
    w = words
    title = w.say(said_many("{n} message could not be delivered", "{n} messages could not be delivered", n=len(rows)))
    shown = [(w.say(what(subject)), w.say(_undelivered(address, why, names))) for subject, address, why in rows[:_MOST]]
    foot = said(
        "`credit-review deliveries list` shows all; when the cause is mended, `credit-review deliveries requeue --all` sends them. "
        "What still waits for an answer is tried again every day."
    )
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
    REQUEST: marked("status of the request of review {key}"),
    REMINDER: marked("reminder of {key}"),
    DAILY: marked("daily summary of {key}"),
    OWNER: marked("news for an account owner of {key}"),
    DECLARATION: marked("reminder of {key} to declare interests"),
    PARKED: marked("notice of messages not delivered, {key}"),
    AGENDA: marked("agenda of sitting {key}"),
    CONDITION: marked("condition of proposal {key}"),
    LAPSED: marked("lapsed condition of proposal {key}"),
    FINDINGS: marked("findings assigned on {key}"),
    OVERDUE: marked("notice of overdue findings, {key}"),
    ENDING: marked("notice of exceptions that end on {key}"),
    PASS: marked("notice of a pass that ends on {key}"),
    ORDERS: marked("list of open orders, {key}"),
}


def credit_answer(facts: Sequence[tuple[str, str]], title: str, words: Words) -> Message:
    """What `/credit NAME` answers."""
    rows = [(words.say(label), words.say(text)) for label, text in facts]
    return Message(escaped(cleaned(title, 300)), (header(cleaned(title, 150)), lines(rows)))
