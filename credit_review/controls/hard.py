"""Hard controls of decisions and limits: each exception is one too many."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from credit_review.authority import Matrix
from credit_review.authority.standing import SYSTEM
from credit_review.controls.alarm import Alarm, Severity
from credit_review.controls.approvals import approvals, by_rule, distinct
from credit_review.controls.facts import first_of, human, humans
from credit_review.controls.history import History, having, rows_of
from credit_review.model.states import ChangeKind, ConditionState, DocumentOfRecord, ProposalState, Verdict

OWN, ADMINISTRATOR, AUTHORITY, UNAPPROVED = "own_proposal", "administrator_approves", "authority_in_force", "applied_without_approvals"


def entries(*seqs: int) -> tuple[int, ...]:
    """Entry numbers to name in an alarm; -1 is none."""
    return tuple(int(seq) for seq in seqs if seq >= 0)


def own_proposal(history: History) -> Iterator[Alarm]:
    """Approvals by the human being who made or changed the proposal, in his own name or another's, by whichever account."""
    same = humans(history)
    proposers = history["proposals"][["proposal_id", "proposer_id"]].rename(columns={"proposer_id": "person_id"})
    made = pd.concat([history["makers"][["proposal_id", "person_id"]], proposers[proposers["person_id"] != SYSTEM]]).drop_duplicates()
    made["human"] = human(same, made["person_id"])
    given = having(history["decisions"], verdict=Verdict.APPROVE)
    behind = given[given["on_behalf_of"] != ""]
    people = pd.concat([given.assign(who=given["approver_id"]), behind.assign(who=behind["on_behalf_of"])])
    people["human"] = human(same, people["who"])
    found = (
        people.merge(made, on=["proposal_id", "human"]).sort_values(["seq", "person_id"]).drop_duplicates(["proposal_id", "approver_id"])
    )
    for row in rows_of(found):
        facts = {"approver": row.approver_id, "behind": row.who, "maker": row.person_id}
        yield Alarm(control=OWN, subject=f"proposal:{row.proposal_id}", severity=Severity.HIGH, facts=facts, entries=entries(row.seq))


def administrator_approves(history: History) -> Iterator[Alarm]:
    """Administrators of database or software, by any matrix of the record, who decided, or who hold a tier today."""
    same = humans(history)
    offices = {person for matrix in history.matrices.values() for person in matrix.offices.administrators}
    behind = {same.get(person, person) for person in offices}
    of = history["decisions"].sort_values("seq")
    of = of[human(same, of["approver_id"]).isin(behind) | human(same, of["on_behalf_of"]).isin(behind)]
    decided = of.assign(person=of["approver_id"]).groupby("person", sort=True).agg(decisions=("seq", "size"), seq=("seq", "min"))
    for row in rows_of(decided):
        facts: dict[str, str | int] = {"decisions": int(row.decisions), "first_entry": int(row.seq)}
        yield Alarm(control=ADMINISTRATOR, subject=f"person:{row.Index}", severity=Severity.HIGH, facts=facts)
    current = current_matrix(history)
    for person, tier, digest in [(h.person, h.tier, d) for d, m in current for h in m.holders if h.on(history.today)]:
        if same.get(person, person) in behind and person not in decided.index:
            facts = {"tier": tier, "authority": digest}
            yield Alarm(control=ADMINISTRATOR, subject=f"person:{person}", severity=Severity.MEDIUM, facts=facts)


def current_matrix(history: History) -> list[tuple[str, Matrix]]:
    """The matrix in force now with its digest, as a list of at most one."""
    adopted = having(history["documents"], kind=DocumentOfRecord.AUTHORITY).sort_values(["adopted_at", "digest"])
    newest = adopted["digest"].tolist()[-1:]
    return [(digest, history.matrices[digest]) for digest in newest]


def authority_in_force(history: History) -> Iterator[Alarm]:
    """Approvals that lacked authority when given, and approved proposals with approvals of fewer human beings than the tier asks for."""
    given = approvals(history)
    for row in rows_of(given[given["lacks"] != ""]):
        facts = {"code": row.lacks, "approver": row.approver_id, "holder": row.holder, "tier": row.tier, "needed_rank": int(row.needed)}
        yield Alarm(control=AUTHORITY, subject=f"proposal:{row.proposal_id}", severity=Severity.HIGH, facts=facts, entries=entries(row.seq))
    done = having(history["proposals"], state=(ProposalState.APPROVED, ProposalState.APPLIED))["proposal_id"]
    counted = distinct(given[given["lacks"] == ""])
    for row in rows_of(counted[counted.index.isin(done) & (counted["given"] < counted["needed"])]):
        facts = {"code": "too_few_people", "given": int(row.given), "needed": int(row.needed)}
        yield Alarm(control=AUTHORITY, subject=f"proposal:{row.Index}", severity=Severity.HIGH, facts=facts, entries=entries(row.seq))


def applied_without_approvals(history: History) -> Iterator[Alarm]:
    """Changes of a limit that lack what their kind needs, with the first thing they lack."""
    of = history["changes"].merge(history["proposals"][["proposal_id", "state"]], on="proposal_id", how="left")
    given = distinct(_before(history, of))
    enough = given.index[given["given"] >= given["needed"]]
    carried = of["proposal_id"].isin(enough) | of["proposal_id"].isin(by_rule(history))
    decided, reversal = of["kind"] == ChangeKind.DECISION, of["kind"] == ChangeKind.REVERSAL
    faults = {
        "no_entry": of["seq"] < 0,
        "no_proposal": decided & of["state"].isna(),
        "not_approved": decided & ~carried & ~of["taken_back"] & (of["due"] <= history.now),
        "condition_open": decided & _waits(history, of),
        "nothing_ended": reversal & ~of["taken_back"] & ~(of["ended"] <= history.days(of["applied_at"])),
        "opening_again": (of["kind"] == ChangeKind.OPENING) & (of["version"] != 1),
    }
    of = of.assign(code=first_of(faults))
    for row in rows_of(of[of["code"] != ""]):
        facts = {"code": row.code, "change": row.change_id, "kind": row.kind, "proposal": row.proposal_id}
        subject = f"account:{row.account_id}"
        yield Alarm(control=UNAPPROVED, subject=subject, severity=Severity.HIGH, facts=facts, entries=entries(row.seq))


def _before(history: History, changes: pd.DataFrame) -> pd.DataFrame:
    """Approvals in order that were given in time: by the application of their change, or of an override afterwards."""
    rows = approvals(history)
    applied = changes[changes["proposal_id"] != ""][["proposal_id", "due"]]
    rows = rows[rows["lacks"] == ""].merge(applied, on="proposal_id")
    return rows[rows["at"] <= rows["due"]]


def _waits(history: History, changes: pd.DataFrame) -> pd.Series[bool]:
    """Whether each change was applied before every condition of its approval was met."""
    conditions = history["conditions"].merge(changes[["proposal_id", "applied_at"]], on="proposal_id")
    met = (conditions["state"] == ConditionState.MET) & (conditions["settled_at"] <= conditions["applied_at"])
    return changes["proposal_id"].isin(conditions.loc[~met, "proposal_id"])
