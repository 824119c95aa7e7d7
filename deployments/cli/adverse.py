"""`adverse …`: what reductions and refusals are to the customer, and the notices about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from credit_review import adverse, letters
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from credit_review.model.money import Money
from credit_review.model.records import AdverseAction
from credit_review.model.states import AdverseClass
from credit_review.policy import AdverseRules
from credit_review.ports import UnitOfWork
from credit_review.review import adverse_actions
from credit_review.review.adverse_actions import Case, Clerk
from credit_review.review.standing import policy_in_force
from credit_review.words import Words, listed, said, words_for
from deployments.cli.frame import joined, names_of, services, show_json, show_pairs, show_table, tell, write_new
from deployments.cli.governing import me


def list_cases(config: Path, *, everything: bool, as_json: bool) -> None:
    """Decided reductions and refusals that still owe something to the customer or the file, those due first first."""
    opened = services(config)
    with opened.store.read() as uow:
        rules = _rules(opened, uow)
        found = adverse_actions.cases(uow, rules, zone=opened.settings.zone, shares=_shares(opened))
    clock = adverse.clock_of(rules)
    open_cases = [one for one in found if everything or _owed(one, clock) is not None]
    open_cases.sort(key=lambda one: (_owed(one, clock) or date.max, one.proposal.proposal_id))
    if as_json:
        show_json([_plain(one, clock) for one in open_cases])
    elif rules.profile == "none":
        tell(said("the policy names no jurisdiction, so no notice is owed"))
    elif open_cases:
        columns = [said("proposal"), said("customer"), said("what"), said("from"), said("to"), said("class"), said("due"), said("state")]
        show_table(said("Adverse action (credit-review adverse confirm PROPOSAL)"), columns, [_row(one, clock) for one in open_cases])
    else:
        tell(said("nothing is owed"))


def _rules(opened: Services, uow: UnitOfWork) -> AdverseRules:
    return policy_in_force(uow, opened.clock.now()).adverse_action


def _shares(opened: Services) -> adverse_actions.Shares:
    """How much of its class each customer's reduction reached, from the files of its review; asked only where policy suggests by it."""

    def lowered(review_id: str) -> Mapping[str, float]:
        from credit_review.adapters import reviewed  # pandas is slow to start

        return reviewed.shares_lowered(opened.settings.data, review_id)

    return lowered


def _owed(case: Case, clock: adverse.Clock | None) -> date | None:
    """The day by which something is to be done next; None when nothing is."""
    one = case.confirmed
    if one is None:
        return adverse.notice_due(AdverseClass.ADVERSE, clock, case.decided)
    if one.notice_due is not None and one.notified_on is None:
        return one.notice_due
    return one.reasons_due if one.reasons_given_on is None else None


def _state(case: Case) -> str:
    one = case.confirmed
    if one is None:
        return said("to be confirmed")
    if one.notice_due is not None and one.notified_on is None:
        return said("notice to be given")
    if one.reasons_due is not None and one.reasons_given_on is None:
        return said("reasons to be given")
    return said("done")


def _class(case: Case) -> str:
    return adverse.CLASS_WORDS[case.confirmed.classified if case.confirmed else case.suggested]


def _row(case: Case, clock: adverse.Clock | None) -> list[Any]:
    one = case.proposal
    had = said("none on file") if case.from_minor is None else Money(case.from_minor, one.currency)
    kind = adverse.KIND_WORDS[case.kind]
    due = _owed(case, clock) or said("none")
    return [one.proposal_id, one.customer_id, kind, had, Money(one.to_minor, one.currency), _class(case), due, _state(case)]


def _plain(case: Case, clock: adverse.Clock | None) -> dict[str, Any]:
    one = case.proposal
    return {
        "proposal": one.proposal_id,
        "customer": one.customer_id,
        "kind": case.kind,
        "decided": case.decided,
        "currency": one.currency,
        "from_minor": case.from_minor,
        "to_minor": one.to_minor,
        "suggested": case.suggested,
        "due": _owed(case, clock),
        "reasons": list(case.reasons),
        "confirmed": asdict(case.confirmed) if case.confirmed else None,
    }


def show(config: Path, proposal_id: str, *, as_json: bool) -> None:
    """One case: what was decided, what it is, its reasons and its days."""
    opened = services(config)
    with opened.store.read() as uow:
        rules = _rules(opened, uow)
        case, names = _one(opened, uow, rules, proposal_id), names_of(uow)
    clock = adverse.clock_of(rules)
    if as_json:
        show_json(_plain(case, clock))
        return
    one = case.confirmed
    pairs: dict[str, Any] = {
        said("proposal"): case.proposal.proposal_id,
        said("customer"): case.proposal.customer_id,
        said("what"): adverse.KIND_WORDS[case.kind],
        said("decided"): case.decided,
        said("suggested"): adverse.CLASS_WORDS[case.suggested],
        said("principal reasons"): joined([said(reason) for reason in case.reasons], said("none")),
        said("state"): _state(case),
    }
    if one is not None:
        pairs |= {
            said("class"): adverse.CLASS_WORDS[one.classified],
            said("confirmed by"): names.get(one.confirmed_by, one.confirmed_by),
            said("reason"): one.reason or said("none"),
            said("notice due"): one.notice_due or said("none"),
            said("notice given"): one.notified_on or said("none"),
            said("reasons asked for"): one.asked_on or said("none"),
            said("reasons due"): one.reasons_due or said("none"),
            said("reasons given"): one.reasons_given_on or said("none"),
            said("keep the file until"): one.retain_until or said("none"),
        }
    show_pairs(pairs)


def _one(opened: Services, uow: UnitOfWork, rules: AdverseRules, proposal_id: str) -> Case:
    found = adverse_actions.cases(uow, rules, zone=opened.settings.zone, shares=_shares(opened), proposal_id=proposal_id)
    if not found:
        raise BadInput(
            said("{proposal} is no decided reduction or refusal", proposal=proposal_id),
            expected=said("an id that `credit-review adverse list` shows"),
        )
    return found[0]


def letter(config: Path, proposal_id: str, *, out: Path | None, language: str) -> None:
    """Print the draft of the notice in the customer's language, or write it; as a page where the file's name ends in .html."""
    opened = services(config)
    with opened.store.read() as uow:
        rules = _rules(opened, uow)
        case = _one(opened, uow, rules, proposal_id)
    words = _words(opened, rules, case, language)
    drafted = adverse.letter(
        case.packet, case.kind, case.reasons,
        words, company=opened.settings.company, on=opened.today(), clock=adverse.clock_of(rules),
    )  # fmt: skip
    if out is None:
        print(letters.as_text(drafted), end="")
        return
    if out.suffix == ".html":
        from credit_review.adapters import letter_files

        write_new(out, letter_files.page(drafted, words))
    else:
        write_new(out, letters.as_text(drafted))


def _words(opened: Services, rules: AdverseRules, case: Case, language: str) -> Words:
    chosen = language or rules.languages.get(case.proposal.region, "")
    return words_for(language=chosen, zone=opened.settings.time_zone) if chosen else opened.settings.words()


# --- acts -----------------------------------------------------------------------------------------------------------------------------


def confirm(config: Path, proposal_ids: Sequence[str], *, as_class: str, reason: str, as_person: str, as_json: bool) -> None:
    """Say what each of these is to the customer: as suggested, or another class with a reason. All of them, or none."""
    if as_class and as_class not in tuple(AdverseClass):
        raise BadInput(said("unknown class {name}", name=repr(as_class)), expected=listed([str(one) for one in AdverseClass]))
    chosen = AdverseClass(as_class) if as_class else None
    done = _acting(
        config, as_person, lambda uow, by: [adverse_actions.classify(uow, one, by, as_class=chosen, reason=reason) for one in proposal_ids]
    )
    _tell(done, as_json=as_json)


def notified(config: Path, proposal_id: str, *, on: date | None, file: Path | None, as_person: str, as_json: bool) -> None:
    """Record that the customer was given notice, with the letter's digest where there is one."""
    digest = _digest(file) if file else ""
    done = _acting(
        config, as_person, lambda uow, by: [adverse_actions.notified(uow, proposal_id, by, on=on or by.today, letter_sha256=digest)]
    )
    _tell(done, as_json=as_json)


def asked(config: Path, proposal_id: str, *, on: date | None, as_person: str, as_json: bool) -> None:
    """Record that the customer asked in writing for the reasons."""
    _tell(_acting(config, as_person, lambda uow, by: [adverse_actions.asked(uow, proposal_id, by, on=on or by.today)]), as_json=as_json)


def answered(config: Path, proposal_id: str, *, on: date | None, as_person: str, as_json: bool) -> None:
    """Record that the reasons were given in writing."""
    _tell(_acting(config, as_person, lambda uow, by: [adverse_actions.answered(uow, proposal_id, by, on=on or by.today)]), as_json=as_json)


def _acting(config: Path, as_person: str, act: Callable[[UnitOfWork, Clerk], list[AdverseAction]]) -> list[AdverseAction]:
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        done = act(uow, Clerk.admitted(uow, person.person_id, opened.clock.now(), opened.settings.zone, _shares(opened)))
        uow.commit()
    return done


def _digest(file: Path) -> str:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(said("{file} cannot be read: {error}", file=str(file), error=error.strerror or "")) from None


def _tell(done: Sequence[AdverseAction], *, as_json: bool) -> None:
    if as_json:
        show_json([asdict(one) | {"reasons": json.loads(one.reasons_json)} for one in done])
        return
    for one in done:
        due = said("notice is due by {day}", day=one.notice_due) if one.notice_due and not one.notified_on else said("no notice is open")
        tell(said("{proposal}: {class_}; {due}", proposal=one.proposal_id, class_=adverse.CLASS_WORDS[one.classified], due=due))
