"""`rehearse` and `rehearsals`: cases of a past review, some with a mistake, and who holds a pass."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from credit_review import messages
from credit_review.adapters.sandbox import Sandbox, open_sandbox
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from credit_review.model.records import Proposal, Rehearsal
from credit_review.model.states import RehearsalState, Verdict
from credit_review.policy import Policy
from credit_review.rehearsal import Answer, Case, Score
from credit_review.rehearsal import score as scored
from credit_review.review import rehearsing
from credit_review.review.passes import Passes
from credit_review.review.standing import policy_in_force
from credit_review.words import marked, said, unpacked
from deployments.cli import language
from deployments.cli.frame import names_of, services, show_json, show_pairs, show_table, tell
from deployments.cli.governing import me

ANSWERS = (Verdict.APPROVE, Verdict.REJECT, Verdict.RETURN)
_STATES = {
    RehearsalState.OPEN: marked("not answered yet"),
    RehearsalState.PASSED: marked("passed"),
    RehearsalState.FAILED: marked("failed"),
}


@dataclass(frozen=True, slots=True)
class _Room:
    """A rehearsal with its cases, where its person answers them, and the policy that judges it."""

    one: Rehearsal
    cases: Sequence[Case]
    sandbox: Sandbox
    policy: Policy
    practice: bool


def rehearse(config: Path, review_id: str, *, seed: str, cases: int | None, answers: Path | None, as_person: str, as_json: bool) -> None:
    """Show cases of a past review, take the answers, and record how it went; with a seed nothing is recorded."""
    opened = services(config)
    room = _room(opened, review_id, seed=seed, cases=cases, as_person=as_person)
    try:
        if answers is not None:
            given = read_answers(answers, [case.number for case in room.cases])
            rehearsing.complete(given, room.cases)
            for number, answer in given.items():
                room.sandbox.answer(number, answer.verdict, answer.reason, opened.clock.now())
        elif sys.stdin.isatty() and not as_json:
            _ask(opened, room)
        else:
            _show_all(room, as_json=as_json)
            return
        _conclude(opened, room, as_json=as_json)
    finally:
        room.sandbox.close()


def _room(opened: Services, review_id: str, *, seed: str, cases: int | None, as_person: str) -> _Room:
    now = opened.clock.now()
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        policy = policy_in_force(uow, now)
        least = policy.rehearsal.cases
        wanted = least if cases is None else cases
        given: dict[str, Any] = {"cases": wanted, "case_days": rehearsing.report_days(policy), "now": now}
        if seed:
            one = rehearsing.practice(uow, person.person_id, review_id, seed=seed, **given)
        else:
            if wanted < least:
                raise BadInput(
                    said("{cases} cases", cases=wanted), expected=said("{least} at least, as policy asks for a pass", least=least),
                    next_step=said("more --cases, or a --seed of your own to practise without a record"),
                )  # fmt: skip
            one = rehearsing.begin(uow, person.person_id, review_id, seed=secrets.token_hex(16), **given)
        found = rehearsing.cases_of(uow, one, language.words().say)
        uow.commit()
    if one.review_id != review_id:
        tell(said("your rehearsal on review {review} is not answered yet, and comes first", review=one.review_id), err=True)
    folder = opened.settings.data / "rehearsals" / one.rehearsal_id
    real, packets = opened.settings.database_url(), [case.packet for case in found]
    sandbox = open_sandbox(folder, packets, real=real, person_id=person.person_id, clock=opened.clock)
    return _Room(one, found, sandbox, policy, practice=bool(seed))


# --- the cases ------------------------------------------------------------------------------------------------------------------------


def _ask(opened: Services, room: _Room) -> None:
    """Asks for each case that has no answer yet; what is answered is kept, and stays as it is."""
    known = room.sandbox.answers()
    tell(_introduction(room))
    for number, proposal in enumerate(room.sandbox.proposals(), start=1):
        if number in known:
            continue
        typer.echo()
        _show(proposal, number, len(room.cases))
        verdict, reason = _one_answer()
        room.sandbox.answer(number, verdict, reason, opened.clock.now())


def _one_answer() -> tuple[Verdict, str]:
    while True:
        word = typer.prompt(language.say(said("approve, reject or return"))).strip().lower()
        if word in ANSWERS:
            break
        tell(said("{word} is no answer", word=repr(word)))
    verdict = Verdict(word)
    reason = ""
    while verdict != Verdict.APPROVE and not reason.strip():
        reason = typer.prompt(language.say(said("why")))
    return verdict, reason


def _introduction(room: _Room) -> str:
    return said(
        "{cases} cases; some have a mistake. Answer each as you would decide it: approve, reject or return. Names and ids are taken away.",
        cases=len(room.cases),
    )


def _show(proposal: Proposal, number: int, of: int) -> None:
    """A case as `show` shows a proposal."""
    packet = json.loads(proposal.packet_json)
    tell(said("Case {number} of {of}", number=number, of=of))
    typer.echo(messages.asked(proposal, packet["customer_name"], language.words()))
    show_pairs(_figures(packet))
    tell(said("Why this amount"))
    show_pairs({f"  {language.say(unpacked(label))}": unpacked(figure) for label, figure in packet["derivation"]})
    for note in packet["notes"]:
        tell(said("{who}, {kind}: {text}", who=said("analyst"), kind=said(note["kind"]), text=messages.cleaned(note["text"], 300)))


def _figures(packet: Mapping[str, Any]) -> dict[str, str]:
    return {label: messages.cleaned(text, 300) for label, text in messages.figures(packet, language.words())}


def _show_all(room: _Room, *, as_json: bool) -> None:
    proposals = room.sandbox.proposals()
    if as_json:
        shown = [{"case": n, "digest": p.digest, "packet": json.loads(p.packet_json)} for n, p in enumerate(proposals, start=1)]
        show_json({"rehearsal": room.one.rehearsal_id, "practice": room.practice, "cases": shown})
        return
    tell(_introduction(room))
    for number, proposal in enumerate(proposals, start=1):
        typer.echo()
        _show(proposal, number, len(proposals))
    typer.echo()
    tell(said("this is no terminal: answer with --answers FILE, lines of `CASE approve|reject|return [REASON]`"))


def read_answers(path: Path, numbers: Sequence[int]) -> dict[int, Answer]:
    """Answers from a file of lines `CASE approve|reject|return [REASON]`; empty lines and those that begin with # are passed over.

    Raises BadInput naming file and line.
    """
    found: dict[int, Answer] = {}
    for at, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        case = int(words[0]) if words[0].isdecimal() else 0
        if len(words) < 2 or words[1] not in ANSWERS or case not in numbers or case in found:
            raise BadInput(
                said("{file}, line {line}: {text}", file=path, line=at, text=repr(line)[:80]),
                expected=said("`CASE approve|reject|return [REASON]`, each case from 1 to {last} once", last=len(numbers)),
            )
        found[case] = Answer(Verdict(words[1]), words[2] if len(words) > 2 else "")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(said("{file} cannot be read: {error}", file=path, error=str(error)), expected=said("a text file")) from None


# --- how it went ----------------------------------------------------------------------------------------------------------------------


def _conclude(opened: Services, room: _Room, *, as_json: bool) -> None:
    """Scores what stands in the sandbox, records it unless it was practice, and explains."""
    given = {number: Answer(Verdict(verdict), reason) for number, (verdict, reason) in room.sandbox.answers().items()}
    rehearsing.complete(given, room.cases)
    if room.practice:
        rules, found = room.policy.rehearsal, scored(room.cases, given)
        passed = found.passes(caught_percent=rules.caught_percent, false_alarms_up_to=rules.false_alarms_up_to)
        done = None
    else:
        with opened.store.begin() as uow:
            now = opened.clock.now()
            done, found = rehearsing.record(uow, room.one, room.cases, given, room.policy, today=opened.today(), now=now)
            uow.commit()
        passed = done.state == RehearsalState.PASSED
    if as_json:
        explained = [_explained(case, given[case.number]) for case in room.cases]
        until = done.valid_until if done else None
        show_json({"passed": passed, "practice": room.practice, "valid_until": until, **asdict(found), "cases_explained": explained})
        return
    _explain(room.cases, given)
    _verdict(found, done, passed=passed)


def _explained(case: Case, answer: Answer) -> dict[str, Any]:
    tell_of = case.tell
    told = {"figure": language.say(tell_of.label), "why": language.say(tell_of.why)} if tell_of else {}
    return {"case": case.number, "answer": answer.verdict, "mistake": case.mistake, **told}


def _explain(cases: Sequence[Case], given: Mapping[int, Answer]) -> None:
    rows = []
    for case in cases:
        refused = given[case.number].verdict != Verdict.APPROVE
        if case.tell is None:
            rows.append([str(case.number), said("a false alarm") if refused else said("rightly approved"), "", ""])
        else:
            rows.append([str(case.number), said("caught") if refused else said("missed"), case.tell.label, case.tell.why])
    show_table(said("How it went"), [said("case"), said("answer"), said("figure"), said("what gave it away")], rows)


def _verdict(found: Score, done: Rehearsal | None, *, passed: bool) -> None:
    about: dict[str, Any] = {"caught": found.caught, "seeded": found.seeded, "alarms": found.false_alarms}
    tell(said("{caught} of {seeded} mistakes caught, {alarms} false alarms", **about))
    if done is None:
        tell(said("that would be a pass; practice is not recorded") if passed else said("that would be no pass; practice is not recorded"))
    elif passed:
        tell(said("passed; the pass holds until {day}, that day not included", day=done.valid_until))
    else:
        tell(said("not passed; `credit-review rehearse REVIEW` draws other cases"))


def list_rehearsals(config: Path, *, person: str, as_json: bool) -> None:
    """Rehearsals, the newest first; seeds are shown to nobody."""
    opened = services(config)
    with opened.store.read() as uow:
        found = uow.find(Rehearsal, order_by=("drawn_at", "rehearsal_id"), **({"person_id": person} if person else {}))
        current = Passes.read(uow, opened.clock.now()).holding(opened.today())
        names = names_of(uow)
    found.reverse()
    if as_json:
        show_json([_plain(one) | {"holds_a_pass": one.person_id in current} for one in found])
    elif found:
        columns = [said("rehearsal"), said("person"), said("review"), said("on"), said("result"), said("caught"), said("until")]
        show_table(said("Rehearsals"), columns, [_row(one, names) for one in found])
    else:
        tell(said("nobody rehearsed"))


def _plain(one: Rehearsal) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name not in ("seed", "case_days", *_hidden(one))}


def _hidden(one: Rehearsal) -> tuple[str, ...]:
    return ("seeded", "caught", "false_alarms") if one.state == RehearsalState.OPEN else ()


def _row(one: Rehearsal, names: Mapping[str, str]) -> list[Any]:
    state = said(_STATES[RehearsalState(one.state)])
    about: dict[str, Any] = {"caught": one.caught, "seeded": one.seeded, "alarms": one.false_alarms}
    caught = "" if one.state == RehearsalState.OPEN else said("{caught} of {seeded}, {alarms} false alarms", **about)
    until = one.valid_until or ""
    return [one.rehearsal_id, names.get(one.person_id, one.person_id), one.review_id, one.drawn_at.date(), state, caught, until]
