"""The one thing that changes anything: an answer sent with the form. Link used and proposal decided are one commit, or neither is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from credit_review.errors import BadInput
from credit_review.model.money import typed as read_amount
from credit_review.model.records import InboxEntry, Proposal, StepUpLink
from credit_review.model.states import ReasonCode, Verdict
from credit_review.ports import UnitOfWork
from credit_review.review import step_up
from credit_review.review.decide import LONGEST_REASON, DecideCommand, Outcome, decide
from credit_review.words import Words, said
from deployments.step_up.desk import Desk
from deployments.step_up.identity import Identity
from deployments.step_up.sheet import Forms, Sheet, Typed, sheet_of

VERDICTS = (Verdict.APPROVE, Verdict.REJECT, Verdict.RETURN)
_SHORTEST_REASON = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a form: an outcome, or the sheet again with what must be corrected (nothing was decided then)."""

    words: Words
    outcome: Outcome | None = None
    again: Sheet | None = None


def answer(desk: Desk, token: str, identity: Identity, forms: Forms) -> Answered:
    """Decide as the form says, once for each link; a form sent again is told the first outcome, and does nothing.

    Refused for an unknown or ended link and for anybody but its person; Conflict and Unavailable of the store leave nothing behind.
    """
    now = desk.services.clock.now()
    with desk.services.store.begin(interactive=True) as uow:
        # locked: of two forms sent at once the second waits here, and then finds the first one's outcome
        link = step_up.known_link(uow, token, lock=True)
        words = desk.company.reader(uow, desk.require_person(uow, link, identity).person_id, now)
        if stored := uow.get(InboxEntry, delivery_key=step_up.delivery_key(link)):
            return Answered(words, outcome=Outcome.repeat(stored.outcome_json))
        step_up.require_usable(link, now)
        try:
            command = _command(uow, link, identity, forms.typed)
        except BadInput as slip:
            # the form sees a slip of the finger by itself, so the link lives on: it must not cost a walk back to Slack
            again = replace(forms, wrong=words.error(slip))
            return Answered(words, again=sheet_of(uow, link, desk.company, again, now))
        return Answered(words, outcome=_decided(desk, uow, link, command))


def _command(uow: UnitOfWork, link: StepUpLink, identity: Identity, typed: Typed) -> DecideCommand:
    """The answer as `decide` takes it. Raises BadInput for what the person can correct at once."""
    proposal = uow.get(Proposal, proposal_id=link.proposal_id)
    assert proposal is not None  # noqa: S101  the link's foreign key
    if typed.verdict not in VERDICTS:
        raise BadInput(said("choose whether to approve, reject or return it"))
    _require_reason(typed)
    return DecideCommand(
        delivery_key=step_up.delivery_key(link),
        proposal_id=link.proposal_id,
        digest=link.digest,
        verdict=Verdict(typed.verdict),
        account_kind=identity.kind,
        account=identity.account,
        channel="web",
        reason=typed.reason.strip(),
        reason_code="" if typed.verdict == Verdict.APPROVE else typed.reason_code,
        on_behalf_of=typed.on_behalf_of or None,
        typed_minor=_amount(proposal, typed.amount) if typed.verdict == Verdict.APPROVE and proposal.digest == link.digest else None,
        signed_in=True,
    )


def _require_reason(typed: Typed) -> None:
    length = len(typed.reason.strip())
    if length < _SHORTEST_REASON:
        raise BadInput(said("say why: the analyst and the auditor read it"))
    if length > LONGEST_REASON:
        raise BadInput(said("the text has {length} characters; at most {most} are kept", length=length, most=LONGEST_REASON))
    if typed.reason_code and typed.reason_code not in tuple(ReasonCode):
        raise BadInput(said("there is no reason {code}", code=typed.reason_code))


def _amount(proposal: Proposal, text: str) -> int:
    """The amount typed, which must be the one shown; of a packet that changed meanwhile `decide` speaks."""
    if not text.strip():
        raise BadInput(said("type the amount you approve"))
    minor = read_amount(text, proposal.currency)
    if minor != proposal.to_minor:
        raise BadInput(said("the amount you typed is not the one you would approve; nothing was decided"))
    return minor


def _decided(desk: Desk, uow: UnitOfWork, link: StepUpLink, command: DecideCommand) -> Outcome:
    """One transaction: `decide` commits what is written before it, and its own refusals with it.

    A refusal uses the link up as well. What decide refuses (tier, state, digest, conflict of interest ...) holds for this person and
    this packet, so that whatever mends it comes with a new card and a new link; the refusal is on record under the link's one delivery
    key, a second try would only repeat it; and a link that outlived refusals could be used to try out what is let through.
    """
    services = desk.services
    now = services.clock.now()
    step_up.use(uow, link, now)
    return decide(command, uow, now, zone=services.settings.zone, to=services.settings.slack.destinations())
