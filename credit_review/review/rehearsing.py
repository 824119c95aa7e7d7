"""Rehearsals on record: whose, on which review, how it went, until when the pass holds, and what becomes of authority when it lapses.

Cases are drawn from the proposals of a review that is over, so that the same seed gives the same cases whenever it is asked. The seed is
made when they are drawn and shown to nobody; what a person answered stands in the log as a digest only. The caller commits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from credit_review import rehearsal as cases_and_scores
from credit_review.audit import Action, canonical
from credit_review.authority import SYSTEM
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import Proposal, Rehearsal
from credit_review.model.states import RehearsalState, ReviewState
from credit_review.policy import Policy
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.rehearsal.drawing import FEWEST, Answer, Case, Score
from credit_review.rehearsal.mistakes import Given, Say
from credit_review.review.addressing import Destinations
from credit_review.review.lifecycle import review_of
from credit_review.review.naming import actor, short_id
from credit_review.review.passes import Passes
from credit_review.review.rerouting import reroute
from credit_review.review.working import Company
from credit_review.words import said

LAPSES = "system:follow_up"
_OVER = (ReviewState.SETTLED, ReviewState.CLOSED)


def report_days(policy: Policy) -> int:
    """How old an external report may be that policy reads."""
    return int(policy.limits.caps.recommendation.max_age_days)


def packets_of(uow: UnitOfWork, review_id: str) -> dict[str, dict[str, Any]]:
    """By proposal, the packets of a review that is over. Refused while any of them could still change."""
    review = review_of(uow, review_id)
    if review.state not in _OVER:
        raise Refused(
            "rehearsal.not_over",
            said("review {review} is {state}", review=review_id, state=said(review.state)),
            expected=said("a review that is settled or closed: cases come from what is over"),
            next_step=said("`credit-review review list` shows which are"),
        )
    found = uow.find(Proposal, review_id=review_id, proposer_id=SYSTEM, order_by=("proposal_id",))
    return {one.proposal_id: json.loads(one.packet_json) for one in found}


def cases_of(uow: UnitOfWork, one: Rehearsal, say: Say) -> tuple[Case, ...]:
    """The cases of a rehearsal, in the reader's language; the same ones every time."""
    given = Given(say, one.case_days)
    return cases_and_scores.draw(packets_of(uow, one.review_id), seed=one.seed, cases=one.cases, given=given)


def require_enough(uow: UnitOfWork, review_id: str, cases: int) -> None:
    """Returns if a review has so many proposals that can be cases. Raises BadInput, Refused."""
    able = sum(cases_and_scores.fit(packet) for packet in packets_of(uow, review_id).values())
    if not FEWEST <= cases <= able:
        raise BadInput(
            said("{cases} cases of review {review}", cases=cases, review=review_id),
            expected=said("{least} to {able}: so many of its proposals can be cases", least=FEWEST, able=able),
            next_step=said("another review, or another --cases"),
        )


def practice(uow: UnitOfWork, person_id: str, review_id: str, *, seed: str, cases: int, case_days: int, now: datetime) -> Rehearsal:
    """A rehearsal that is not recorded, with a seed that its person may know."""
    require_enough(uow, review_id, cases)
    return _drawn(person_id, review_id, f"practice {seed}", cases, case_days, now)


def begin(uow: UnitOfWork, person_id: str, review_id: str, *, seed: str, cases: int, case_days: int, now: datetime) -> Rehearsal:
    """The person's open rehearsal, or a new one with this seed, which must be new and which nobody may know (another refuses a Conflict).

    Cases that are drawn are answered: leaving them and drawing others is no way to see more of them.
    """
    known = uow.find(Rehearsal, person_id=person_id, state=RehearsalState.OPEN)
    if known:
        return known[0]
    require_enough(uow, review_id, cases)
    one = _drawn(person_id, review_id, seed, cases, case_days, now)
    uow.add(one)
    data = {"person": person_id, "review": review_id, "cases": cases, "seed": sha256(seed.encode()).hexdigest(), "to": one.state}
    _append(uow, Action.REHEARSAL_DRAWN, one, person_id, data)
    return one


def _drawn(person_id: str, review_id: str, seed: str, cases: int, case_days: int, now: datetime) -> Rehearsal:
    return Rehearsal(
        rehearsal_id=short_id("rh", person_id, seed),
        person_id=person_id,
        review_id=review_id,
        seed=seed,
        cases=cases,
        case_days=case_days,
        drawn_at=now,
        state=RehearsalState.OPEN,
        seeded=0,
        caught=0,
        false_alarms=0,
        answers_digest="",
        answered_at=None,
        valid_from=None,
        valid_until=None,
        lapsed_at=None,
    )


def complete(answers: Mapping[int, Answer], cases: Sequence[Case]) -> None:
    """Returns if every case has an answer, and every refusal its words. Raises BadInput naming the first case that lacks them."""
    for case in cases:
        given = answers.get(case.number)
        if given is None:
            raise BadInput(
                said("case {case} has no answer", case=case.number), expected=said("approve, reject or return for each case"),
                next_step=said("answer all of them: a rehearsal is scored as a whole"),
            )  # fmt: skip
        if given.verdict != "approve" and not given.reason.strip():
            raise BadInput(
                said("case {case} is refused without a reason", case=case.number), expected=said("why, as when deciding"),
            )  # fmt: skip


def record(
    uow: UnitOfWork, one: Rehearsal, cases: Sequence[Case], answers: Mapping[int, Answer], policy: Policy, *, today: date, now: datetime
) -> tuple[Rehearsal, Score]:
    """The rehearsal as answered, passed or failed by policy, and its score. Raises Conflict where it was answered meanwhile."""
    complete(answers, cases)
    rules, found = policy.rehearsal, cases_and_scores.score(cases, answers)
    passed = found.passes(caught_percent=rules.caught_percent, false_alarms_up_to=rules.false_alarms_up_to)
    to: dict[str, Any] = {"seeded": found.seeded, "caught": found.caught, "false_alarms": found.false_alarms, "answered_at": now}
    to |= {"state": RehearsalState.PASSED if passed else RehearsalState.FAILED, "answers_digest": digest_of(answers)}
    if passed:
        to |= {"valid_from": today, "valid_until": today + timedelta(days=rules.valid_days)}
    where = {"rehearsal_id": one.rehearsal_id, "state": RehearsalState.OPEN}
    if uow.change(Rehearsal, where=where, to=to) != 1:
        raise Conflict(said("this rehearsal was answered meanwhile"), next_step=said("`credit-review rehearsals` shows how it went"))
    done = replace(one, **to)
    data = {"person": one.person_id, "review": one.review_id, "from": one.state, "to": done.state, "cases": found.cases}
    data |= {"seeded": found.seeded, "caught": found.caught, "false_alarms": found.false_alarms, "answers": done.answers_digest}
    data |= {"valid_from": _day(done.valid_from), "valid_until": _day(done.valid_until), "policy": rules.model_dump()}
    _append(uow, Action.REHEARSAL_PASSED if passed else Action.REHEARSAL_FAILED, done, one.person_id, data)
    return done, found


def digest_of(answers: Mapping[int, Answer]) -> str:
    """SHA-256 of the answers in the order of their cases; which of them were seeded does not stand in it."""
    plain = [[number, str(one.verdict), one.reason] for number, one in sorted(answers.items())]
    return sha256(canonical(plain).encode()).hexdigest()


# --- the end of a pass ----------------------------------------------------------------------------------------------------------------


def lapse(store: Store, clock: Clock, company: Company, to: Destinations) -> tuple[str, ...]:
    """People whose pass ended without another, noted once; what waited for them is put before who would be asked today."""
    now = clock.now()
    today = now.astimezone(company.zone).date()
    with store.read() as uow:
        over = [one.rehearsal_id for one in uow.find(Rehearsal, state=RehearsalState.PASSED, lapsed_at=None) if _over(one, today)]
    done: list[str] = []
    for rehearsal_id in over:
        with store.begin(interactive=False) as uow:
            one = uow.get(Rehearsal, rehearsal_id=rehearsal_id, lock=True)
            if one is None or one.lapsed_at is not None or not _over(one, today):
                continue
            uow.change(Rehearsal, where={"rehearsal_id": rehearsal_id}, to={"lapsed_at": now})
            renewed = Passes.read(uow, now).until(one.person_id, today) is not None
            data = {"person": one.person_id, "valid_until": _day(one.valid_until), "renewed": int(renewed)}
            _append(uow, Action.REHEARSAL_LAPSED, one, LAPSES, data)
            if not renewed:
                reroute(uow, [one.person_id], to, now, zone=company.zone, by=LAPSES)
                done.append(one.person_id)
            uow.commit()
    return tuple(done)


def _over(one: Rehearsal, today: date) -> bool:
    return one.valid_until is not None and one.valid_until <= today


def ends_soon(passes: Passes, today: date, warn_days: int) -> dict[str, date]:
    """By person the day on which the last pass ends, where that comes within so many days."""
    found = {person: max(end for _, end in held) for person, held in passes.held.items()}
    return {person: end for person, end in found.items() if today < end <= today + timedelta(days=warn_days)}


def _append(uow: UnitOfWork, action: Action, one: Rehearsal, by: str, data: Mapping[str, Any]) -> None:
    uow.append(Entry(action=action, actor=actor(by), entity=f"rehearsal:{one.rehearsal_id}", data=data))


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
