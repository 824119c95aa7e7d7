"""`committee …`: agenda pack, sitting, each member's own vote, and the minutes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from credit_review import messages, report
from credit_review.adapters import files
from credit_review.adapters.wiring import Services
from credit_review.authority import Carried, Committee, Standing, requirement
from credit_review.authority.committee import Rule
from credit_review.errors import BadInput, Refused
from credit_review.limits.codes import EXCEPTIONAL_WORDS
from credit_review.model.money import Money
from credit_review.model.records import AuditRow, CommitteeAttendance, CommitteeCase, CommitteeSitting, CommitteeVote, Maker, Proposal
from credit_review.model.states import SittingState, Vote
from credit_review.ports import UnitOfWork
from credit_review.report import committee as pages
from credit_review.review import collective
from credit_review.review import committee as sittings
from credit_review.review.standing import matrix_in_force
from credit_review.words import LANGUAGES, Words, marked, said, unpacked, words_for
from deployments.cli import language
from deployments.cli.frame import acting, joined, names_of, services, show_json, show_pairs, show_table, speak_to, tell
from deployments.cli.governing import me
from deployments.cli.working import Counter, Why, decide, rules_in_words

OUTCOMES = {
    Carried.APPROVED: said("approved by the committee"),
    Carried.REJECTED: said("rejected by the committee"),
    Carried.RETURNED: said("returned: neither side carried"),
    Carried.NO_QUORUM: said("not decided for want of a quorum: it waits for the next sitting"),
    Carried.NOT_DECIDED: said("not decided"),
}
RULES = {
    Rule.MAJORITY: marked("more than half of those who may vote and are present must be in favour"),
    Rule.UNANIMOUS: marked("all who may vote and are present must be in favour"),
    Rule.NO_VOTES_AGAINST: marked("nobody may be against"),
}
_CODES = {
    "own_proposal": said("had a hand in the case"),
    "conflict_of_interest": said("declared a conflict of interest"),
    "not_member": said("does not sit on the committee any more"),
    "inactive": said("is not active in our directory any more"),
    "no_votes": said("nobody voted"),
    "another_tier": said("it is not the committee's any more"),
}
_SAFE = ("proposal_id", "customer_id", "currency", "from_minor", "to_minor", "engine_minor", "terms_days", "effective_from", "effective_to",
         "grade", "exposure_minor", "own_risk_minor", "group_id", "digest")  # fmt: skip


# --- the agenda -----------------------------------------------------------------------------------------------------------------------


def agenda(config: Path, *, committee: str, on: date | None, out: Path | None, as_person: str, as_json: bool) -> None:
    """Write the agenda pack and call the sitting."""
    opened = services(config)
    now, day = opened.clock.now(), on or opened.today()
    to = opened.settings.slack.destinations()
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        chosen = sittings.committee_named(matrix_in_force(uow, now), committee)
        collective.renew_outdated(uow, chosen, by=person.person_id, now=now, zone=opened.settings.zone, to=to)
        uow.commit()
    with opened.store.read() as uow:
        waiting = _waiting(opened, uow, chosen, now)
    if not waiting:
        raise BadInput(said("no case waits for {committee}", committee=chosen.name))
    sitting = sittings.sitting_id(chosen.committee, day, now)
    folder = out or opened.settings.data / "committee" / sitting
    files.require_free(folder)
    with files.whole_folder(folder) as part:
        digest = _write_pack(opened, part, chosen, waiting, sitting=sitting, day=day)
        packets = [(one.standing.proposal.proposal_id, one.standing.proposal.digest) for one in waiting]
        pack = sittings.Pack(sitting_id=sitting, sits_on=day, digest=digest, cases=packets)
        with opened.store.begin() as uow:
            found = sittings.call(uow, chosen, pack, by=person.person_id, on=opened.today(), now=now, tell=to.direct)
            uow.commit()
    if as_json:
        show_json(asdict(found) | {"cases": dict(packets), "folder": str(folder)})
        return
    tell(
        said(
            "sitting {sitting} of {committee} is called for {day}: {n} cases",
            sitting=sitting,
            committee=chosen.name,
            day=day,
            n=len(packets),
        )
    )
    tell(said("agenda pack: {path}, digest {digest}", path=folder / "committee_agenda.html", digest=digest))
    tell(said("on the day the chair runs `credit-review committee open`"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A case with what is on record about it."""

    standing: Standing
    because: Sequence[str]
    makers: Sequence[str]

    @property
    def packet(self) -> Mapping[str, Any]:
        """The proposal's packet."""
        packet: Mapping[str, Any] = json.loads(self.standing.proposal.packet_json)
        return packet


def _waiting(opened: Services, uow: UnitOfWork, committee: Committee, now: datetime) -> list[_Case]:
    matrix, names = matrix_in_force(uow, now), names_of(uow)
    found = []
    for standing in sittings.cases_of(uow, matrix, committee, now, zone=opened.settings.zone):
        hands = sorted({m.person_id for m in uow.find(Maker, proposal_id=standing.proposal.proposal_id)} & set(names))
        because = requirement(standing, matrix).because
        found.append(_Case(standing=standing, because=because, makers=[names[p] for p in hands]))
    return found


def _readers(opened: Services) -> list[Words]:
    company = opened.settings.words()
    others = sorted(LANGUAGES.keys() - {company.language})
    return [company, *(words_for(language=one, zone=opened.settings.time_zone) for one in others)]


def _write_pack(opened: Services, folder: Path, committee: Committee, waiting: Sequence[_Case], *, sitting: str, day: date) -> str:
    """The pack's files; the SHA-256 of `pack.sha256`, which has that of each (`sha256sum -c pack.sha256`)."""
    readers = _readers(opened)
    with opened.store.read() as uow:
        names = names_of(uow)
    head = _head(opened, committee, sitting, day, [said("{n} cases", n=len(waiting))])
    members = [(names.get(person, person), role or "-") for person, role in committee.on(day).items()]
    made = report.sitting_pages(
        "committee_agenda", readers, lambda reader: pages.agenda(head, [_on_agenda(one, reader, names) for one in waiting], members)
    )
    texts = {report.file_name("committee_agenda", r.language, readers[0].language): page for r, page in zip(readers, made, strict=True)}
    texts["cases.csv"] = _csv(waiting)
    for name, text in texts.items():
        files.write_below(folder, name, text)
    sums = "".join(f"{sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(texts.items()))
    files.write_below(folder, "pack.sha256", sums)
    return sha256(sums.encode()).hexdigest()


def _head(opened: Services, committee: Committee, sitting: str, day: date, facts: Sequence[str], digest: str = "") -> pages.Sitting:
    quorum = committee.quorum
    rule: str = said(
        "Quorum: {present} members present, of whom {voters} may vote on a case. To pass, {rule}.",
        present=quorum.present, voters=quorum.voters, rule=said(RULES[committee.rule]),
    )  # fmt: skip
    if quorum.role:
        rule = said("{rule} One of those who may vote must be {role}.", rule=rule, role=quorum.role)
    shown = [said("sitting {sitting}", sitting=sitting), *facts]
    company = opened.settings.company
    return pages.Sitting(name=committee.name, sitting_id=sitting, company=company, day=day, facts=shown, rule=rule, pack_digest=digest)


def _on_agenda(one: _Case, reader: Words, names: Mapping[str, str]) -> pages.AgendaCase:
    packet, standing, proposal = one.packet, one.standing, one.standing.proposal
    control = standing.control_currency
    group = said(
        "{group}: limits {limits} with this one, increases of 12 months {increases}",
        group=proposal.group_id or proposal.customer_id,
        limits=Money(standing.group_limit_minor, control),
        increases=Money(standing.increases_12m_minor, control),
    )
    return pages.AgendaCase(
        proposal_id=proposal.proposal_id,
        title=messages.asked(proposal, packet["customer_name"], reader),
        figures=messages.figures(packet, reader),
        path=[(unpacked(label), unpacked(text)) for label, text in packet["derivation"]],
        group=reader.say(group),
        rules=[reader.say(rule) for rule in rules_in_words(one.because)],
        exceptions=[reader.say(said(EXCEPTIONAL_WORDS.get(code, code.replace("_", " ")))) for code in packet["exceptional"]],
        makers=one.makers,
        notes=[(names.get(note["by"], note["by"]), messages.cleaned(note["text"], 1000)) for note in packet["notes"] if note["text"]],
        digest=proposal.digest,
    )


def _csv(waiting: Sequence[_Case]) -> str:
    import pandas as pd

    rows = []
    for one in waiting:
        standing, proposal = one.standing, one.standing.proposal
        row = {name: getattr(proposal, name) for name in _SAFE}
        sums = {"group_limit_minor": standing.group_limit_minor, "increases_12m_minor": standing.increases_12m_minor}
        more = {"control_currency": standing.control_currency, "exceptional": proposal.exceptional, "because": "|".join(one.because)}
        rows.append({"customer_name": one.packet["customer_name"], **row, **sums, **more})
    return report.safe_csv(pd.DataFrame(rows))


# --- the sitting ----------------------------------------------------------------------------------------------------------------------


def list_sittings(config: Path, *, as_json: bool) -> None:
    """Sittings, the newest first."""
    opened = services(config)
    with opened.store.read() as uow:
        found = uow.find(CommitteeSitting, order_by=("called_at",))[::-1]
        sizes = {one.sitting_id: len(sittings.cases(uow, one.sitting_id)) for one in found}
    if as_json:
        show_json([asdict(one) | {"cases": sizes[one.sitting_id]} for one in found])
    elif found:
        rows = [[one.sitting_id, one.committee, one.sits_on, sittings.state_of(one), sizes[one.sitting_id]] for one in found]
        show_table(said("Sittings"), [said("sitting"), said("committee"), said("day"), said("state"), said("cases")], rows)
    else:
        tell(said("no sitting; `credit-review committee agenda` calls one"))


def show(config: Path, sitting: str, *, as_json: bool) -> None:
    """A sitting: who is there, and how each case stands."""
    opened = services(config)
    with opened.store.read() as uow:
        one = _sitting(uow, sitting)
        found, names = sittings.cases(uow, one.sitting_id), names_of(uow)
        present = uow.find(CommitteeAttendance, sitting_id=one.sitting_id, order_by=("at",))
        votes = uow.find(CommitteeVote, sitting_id=one.sitting_id, order_by=("at",))
        proposals = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=[case.proposal_id for case in found])}
    if as_json:
        show_json(
            asdict(one)
            | {"present": [asdict(p) for p in present], "cases": [asdict(c) for c in found], "votes": [asdict(v) for v in votes]}
        )
        return
    show_pairs(
        {
            said("sitting"): one.sitting_id,
            said("committee"): one.committee,
            said("day"): one.sits_on,
            said("state"): sittings.state_of(one),
            said("agenda pack"): one.pack_digest,
            said("present"): joined([names.get(p.person_id, p.person_id) for p in present], said("nobody")),
        }
    )
    rows = [[case.proposal_id, _title(proposals[case.proposal_id]), *_stand(case, votes)] for case in found]
    show_table(said("Cases"), [said("proposal"), said("case"), said("in favour"), said("against"), said("outcome")], rows)


def _title(proposal: Proposal) -> str:
    return messages.asked(proposal, json.loads(proposal.packet_json)["customer_name"], language.words())


def _stand(case: CommitteeCase, votes: Sequence[CommitteeVote]) -> list[Any]:
    mine = [v.vote for v in votes if v.proposal_id == case.proposal_id]
    return [mine.count(Vote.APPROVE), mine.count(Vote.REJECT), said(OUTCOMES[Carried(case.outcome)]) if case.outcome else "-"]


def _sitting(uow: UnitOfWork, sitting: str) -> CommitteeSitting:
    """The sitting named; where none is named the one that is called or open. Raises BadInput where there is none, or several."""
    if sitting:
        return sittings.sitting_of(uow, sitting)
    live = uow.find(CommitteeSitting, state=sittings.LIVE)
    if len(live) == 1:
        return live[0]
    known = joined([one.sitting_id for one in live], said("none is called; `credit-review committee agenda` calls one"))
    raise BadInput(said("say which sitting"), expected=known)


def open_one(config: Path, sitting: str, *, as_person: str, as_json: bool) -> None:
    """Open a sitting for votes, as its chair."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        found = sittings.open_sitting(
            uow, _sitting(uow, sitting).sitting_id, by=person.person_id, on=opened.today(), now=opened.clock.now()
        )
        uow.commit()
    _tell(found, said("sitting {sitting} is open: members attend, and vote case by case", sitting=found.sitting_id), as_json=as_json)


def _tell(found: Any, sentence: str, *, as_json: bool) -> None:
    show_json(found) if as_json else tell(sentence)


def attend(config: Path, sitting: str, *, member: str, as_person: str, as_json: bool) -> None:
    """Note that I am there, or, as the chair, that a member is."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        found = _sitting(uow, sitting)
        who = member or person.person_id
        fresh = sittings.attend(uow, found.sitting_id, who, by=person.person_id, on=opened.today(), now=opened.clock.now())
        name = names_of(uow).get(who, who)
        uow.commit()
    sentence = said("{name} is present", name=name) if fresh else said("{name} was noted as present before", name=name)
    _tell({"sitting": found.sitting_id, "member": who, "noted": fresh}, sentence, as_json=as_json)


def recuse(config: Path, proposal: str, *, sitting: str, reason: str, as_person: str, as_json: bool) -> None:
    """Take no part in a case, and say why."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        found = _sitting(uow, sitting)
        given: Any = {"by": person.person_id, "reason": reason, "on": opened.today(), "now": opened.clock.now()}
        sittings.recuse(uow, found.sitting_id, proposal, **given)
        uow.commit()
    _tell({"sitting": found.sitting_id, "proposal": proposal}, said("{name} is recused from this case", name=person.name), as_json=as_json)


def vote(config: Path, proposal: str, verdict: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """Vote on a case through the decision function, on the packet that the agenda has."""
    if verdict not in ("approve", "reject", "abstain"):
        raise BadInput(said("unknown vote {vote}", vote=repr(verdict)), expected="approve, reject, abstain")
    opened = services(config)
    account = acting(opened, as_person)
    speak_to(opened, as_person)
    with opened.store.read() as uow:
        live = [one.sitting_id for one in uow.find(CommitteeSitting, state=SittingState.OPEN)]
        shown = [case.digest for case in uow.find(CommitteeCase, sitting_id=live, proposal_id=proposal)] if live else []
    outcome = decide(opened, account, proposal, verdict, Counter(), Why(reason=reason), digest=shown[0] if shown else "")
    _tell(outcome, outcome.text, as_json=as_json)
    if not outcome.accepted:
        raise SystemExit(Refused.exit_code)


def close(config: Path, sitting: str, *, as_person: str, as_json: bool) -> None:
    """Close a sitting, as its chair: quorum, rule and votes decide each case."""
    opened = services(config)
    to = opened.settings.slack.destinations()
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        found = _sitting(uow, sitting)
        decided = collective.close(uow, found.sitting_id, by=person.person_id, now=opened.clock.now(), zone=opened.settings.zone, to=to)
        uow.commit()
    if as_json:
        show_json({"sitting": found.sitting_id, "cases": [asdict(one) for one in decided]})
        return
    for one in decided:
        tell(said("{proposal}: {outcome}", proposal=one.proposal_id, outcome=_outcome(one.outcome, one.code)))
    tell(said("sitting {sitting} is closed; minutes: `credit-review committee minutes {sitting}`", sitting=found.sitting_id))


def _outcome(outcome: str, code: str) -> str:
    text: str = said(OUTCOMES[Carried(outcome)])
    return said("{text} ({why})", text=text, why=_CODES.get(code, said(code.replace("_", " ")))) if code else text


# --- minutes --------------------------------------------------------------------------------------------------------------------------


def minutes(config: Path, sitting: str, *, out: Path | None, as_json: bool) -> None:
    """Write the minutes of a closed sitting, from the record."""
    opened = services(config)
    with opened.store.read() as uow:
        found = sittings.sitting_of(uow, sitting)
        if found.state != SittingState.CLOSED or found.closed_at is None:
            raise Refused(sittings.NO_SITTING, said("sitting {sitting} is {state}", sitting=sitting, state=sittings.state_of(found)))
        committee = sittings.committee_named(matrix_in_force(uow, found.closed_at), found.committee)
        readers = _readers(opened)
        made = report.sitting_pages("committee_minutes", readers, lambda reader: _minutes(opened, uow, found, committee, reader))
    folder = out or opened.settings.data / "committee" / f"{sitting}-minutes"
    written = []
    for reader, page in zip(readers, made, strict=True):
        path = folder / report.file_name("committee_minutes", reader.language, readers[0].language)
        files.write_text(path, page)
        written.append(path)
    if as_json:
        show_json({"sitting": sitting, "minutes": {str(path): files.sha256_of(path) for path in written}})
        return
    for path in written:
        tell(said("minutes: {path}, SHA-256 {digest}", path=path, digest=files.sha256_of(path)))


def _minutes(opened: Services, uow: UnitOfWork, found: CommitteeSitting, committee: Committee, reader: Words) -> dict[str, Any]:
    names = names_of(uow)
    came = {one.person_id: one for one in uow.find(CommitteeAttendance, sitting_id=found.sitting_id)}
    facts = [
        said(
            "opened {moment} by {name}",
            moment=reader.moment(found.opened_at or found.called_at),
            name=names.get(found.opened_by, found.opened_by),
        ),
        said(
            "closed {moment} by {name}",
            moment=reader.moment(found.closed_at or found.called_at),
            name=names.get(found.closed_by, found.closed_by),
        ),
        said("agenda pack {digest}", digest=found.pack_digest[:16]),
    ]
    attendance = []
    for person, role in committee.on(found.sits_on).items():
        how: str = said("absent")
        if (one := came.get(person)) is not None:
            noted = names.get(one.noted_by, one.noted_by)
            how = said("present") if one.noted_by == person else said("present, noted by {name}", name=noted)
        attendance.append((names.get(person, person), role or "-", reader.say(how)))
    head = _head(opened, committee, found.sitting_id, found.sits_on, facts, found.pack_digest)
    cases = [_minuted(uow, case, names, reader) for case in sittings.cases(uow, found.sitting_id)]
    return pages.minutes(head, cases, attendance)


def _minuted(uow: UnitOfWork, case: CommitteeCase, names: Mapping[str, str], reader: Words) -> pages.MinutedCase:
    tally, proposal = json.loads(case.tally_json), uow.get(Proposal, proposal_id=case.proposal_id)
    assert proposal is not None  # noqa: S101  a foreign key holds it
    votes = uow.find(CommitteeVote, sitting_id=case.sitting_id, proposal_id=case.proposal_id, order_by=("at", "person_id"))
    row = next(_entries(uow, case), None)
    counted = {vote: sum(v.vote == vote and v.person_id in tally["voters"] for v in votes) for vote in Vote}
    numbers = said(
        "{present} present, {voters} of them may vote: {yes} in favour, {no} against, {abstained} abstained.",
        present=len(tally["present"]), voters=len(tally["voters"]), yes=counted[Vote.APPROVE], no=counted[Vote.REJECT],
        abstained=counted[Vote.ABSTAIN],
    )  # fmt: skip
    barred = [(names.get(p, p), reader.say(_CODES.get(code, said(code.replace("_", " "))))) for p, code in tally["barred"].items()]
    return pages.MinutedCase(
        proposal_id=case.proposal_id,
        title=messages.asked(proposal, json.loads(proposal.packet_json)["customer_name"], reader),
        outcome=reader.say(_outcome(case.outcome, tally["code"])),
        numbers=reader.say(numbers),
        votes=[_ballot(one, names, reader) for one in votes],
        barred=barred,
        entry=reader.say(said("audit entry {seq}, leaf {leaf}", seq=row.seq, leaf=row.leaf)) if row else "",
        digest=case.digest,
    )


def _ballot(one: CommitteeVote, names: Mapping[str, str], reader: Words) -> pages.Ballot:
    who = names.get(one.person_id, one.person_id)
    return pages.Ballot(who=who, vote=reader.say(said(sittings.VOTES[Vote(one.vote)])), reason=one.reason, when=reader.moment(one.at))


def _entries(uow: UnitOfWork, case: CommitteeCase) -> Iterator[AuditRow]:
    """The entry of what this sitting decided on a case."""
    for row in uow.find(AuditRow, entity=f"proposal:{case.proposal_id}", action="committee.decided", order_by=("seq",)):
        if json.loads(row.body)["data"]["sitting"] == case.sitting_id:
            yield row
