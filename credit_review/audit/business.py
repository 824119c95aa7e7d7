"""What the log says is so: limits in force, changes, decisions and states, rebuilt from its entries alone, and compared with the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from credit_review.audit.actions import Action
from credit_review.model.states import ModelStatus, ProposalState, ReviewState

Facts = dict[str, dict[str, tuple[Any, ...]]]
"""By table, by key: the figures that the log commits to, in the order of COLUMNS."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "review": ("state",),
    "limit_proposal": ("state", "account_id", "currency", "to_minor", "terms_days", "effective_to", "digest"),
    "approval_decision": ("verdict", "digest", "on_behalf_of"),
    "limit_change": (
        "account_id",
        "version",
        "kind",
        "proposal_id",
        "old_minor",
        "new_minor",
        "new_terms_days",
        "effective_from",
        "effective_to",
    ),
    "credit_limit": ("version", "amount_minor", "terms_days", "effective_from", "effective_to"),
    "finding": ("state", "severity", "owner_id", "due", "remedied_by", "closed_by"),
    "model_version": ("status", "validated_by", "report_digest"),
    "policy_exception": ("state", "owner_id", "ends", "due_on", "how"),
    "rehearsal": ("person_id", "state", "seeded", "caught", "false_alarms", "answers_digest", "valid_from", "valid_until"),
    "customer_letter": ("state", "change_id", "sha256", "settled_by"),
    "committee_sitting": ("committee", "state", "pack_digest"),
    "committee_case": ("digest", "outcome"),
    "committee_vote": ("vote",),
    "adverse_action": ("classified", "confirmed_by", "notice_due", "notified_on", "reasons_given_on", "retain_until"),
}
_KINDS = {
    Action.LIMIT_OPENED: "opening",
    Action.LIMIT_APPLIED: "decision",
    Action.LIMIT_OVERRIDE: "decision",
    Action.LIMIT_REVERTED: "reversal",
}
_VERDICTS = {
    Action.DECISION_APPROVE: "approve",
    Action.DECISION_REJECT: "reject",
    Action.DECISION_RETURN: "return",
    Action.DECISION_COUNTER: "counter",
}
_FINDINGS = frozenset(
    {Action.FINDING_OPENED, Action.FINDING_ASSIGNED, Action.FINDING_REMEDIED, Action.FINDING_CLOSED, Action.FINDING_REOPENED}
)
_STATES = {Action.PROPOSAL_SUPERSEDED: ProposalState.SUPERSEDED}
"""What a proposal is after an action whose entry does not say so in `to`."""
_PROPOSAL_STATES, _REVIEW_STATES = frozenset(ProposalState), frozenset(ReviewState)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that log and tables, or two entries, say otherwise. `seq` is the entry concerned, where there is one."""

    what: str
    seq: int | None = None


@dataclass(slots=True)
class Rebuilt:
    """The state that the entries taken so far amount to. `take` is given every verified body in order."""

    facts: Facts = field(default_factory=lambda: {table: {} for table in COLUMNS})
    contradictions: list[Difference] = field(default_factory=list)
    _by_rule: set[str] = field(default_factory=set)
    _seqs: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, seq: int, body: Mapping[str, Any]) -> None:
        """One more entry."""
        action, data = body["action"], body["data"]
        kind, _, key = body["entity"].partition(":")
        if action == Action.RUN_STARTED:
            self._set("review", key, (str(ReviewState.DRAFT),), seq)
        elif kind == "review":
            self._review(key, data, seq)
        elif action in _KINDS:
            self._limit(action, key, data, seq)
        elif kind == "proposal":
            self._committee(action, key, body, seq)
            self._proposal(action, key, body, seq)
        elif kind == "sitting":
            self._sitting(action, key, data, seq)
        elif action in _FINDINGS:
            self._finding(action, key, body, seq)
        elif kind == "exception":
            self._exception(key, data, seq)
        elif kind == "rehearsal":
            self._rehearsal(key, data, seq)
        elif kind == "adverse":
            self._adverse(key, body, seq)
        elif kind == "letter":
            data = body["data"]
            by = body["actor"].removeprefix("person:") if action != Action.LETTER_DRAFTED else ""
            self._set("customer_letter", key, (data["to"], data["change"], data["sha256"], by), seq)
        elif kind == "model" or (kind == "document" and data.get("kind") == "scorecard"):
            self._model(action, key, body, seq)

    def seq_of(self, table: str, key: str) -> int | None:
        """The newest entry about one row."""
        return self._seqs.get((table, key))

    def _set(self, table: str, key: str, values: tuple[Any, ...], seq: int) -> None:
        self.facts[table][key] = values
        self._seqs[table, key] = seq

    def _review(self, key: str, data: Mapping[str, Any], seq: int) -> None:
        if data.get("to") in _REVIEW_STATES and key in self.facts["review"]:
            self._set("review", key, (data["to"],), seq)

    def _proposal(self, action: str, key: str, body: Mapping[str, Any], seq: int) -> None:
        data, known = body["data"], self.facts["limit_proposal"].get(key)
        if action == Action.PROPOSAL_CREATED:
            figures = (data[name] for name in ("account", "currency", "to_minor", "terms_days", "effective_to", "digest"))
            # a successor names what it comes of, and is before the approvers at once
            self._set("limit_proposal", key, (str(ProposalState.PENDING if "cause" in data else ProposalState.DRAFT), *figures), seq)
            return
        if known is None:
            return
        state, account, currency, minor, terms, until, digest = known
        if action in (Action.PROPOSAL_AMENDED, Action.PROPOSAL_COMMENTED):
            digest = data["digest"]
        if action == Action.PROPOSAL_AMENDED:
            after = data["after"]
            minor, terms, until = after["to_minor"], after["terms_days"], after["effective_to"]
        to = data.get("to")
        state = to if to in _PROPOSAL_STATES else _STATES.get(Action(action), state) if action in _STATES else state
        if action == Action.PROPOSAL_AUTO_APPROVED:
            self._by_rule.add(key)
        if action == Action.OVERRIDE_APPROVED:
            self._approvals(key, data, seq)
        self._set("limit_proposal", key, (state, account, currency, minor, terms, until, digest), seq)
        if action in _VERDICTS:
            person = body["actor"].removeprefix("person:")
            values = (_VERDICTS[Action(action)], data["digest"], data["on_behalf_of"])
            self._set("approval_decision", f"{key} {person}", values, seq)

    def _sitting(self, action: str, key: str, data: Mapping[str, Any], seq: int) -> None:
        """A sitting and its agenda; one that is called anew takes the place of the one before."""
        known = self.facts["committee_sitting"].get(key, (data["committee"], "", data.get("pack", "")))
        self._set("committee_sitting", key, (known[0], data.get("to", known[1]), known[2]), seq)
        if action == Action.COMMITTEE_CALLED:
            for proposal, digest in data["cases"].items():
                self._set("committee_case", f"{key} {proposal}", (digest, ""), seq)
            if (old := data["replaces"]) is not None and old in self.facts["committee_sitting"]:
                committee, _, pack = self.facts["committee_sitting"][old]
                self._set("committee_sitting", old, (committee, "superseded", pack), seq)
        for proposal, outcome in (data["cases"] if action == Action.COMMITTEE_CLOSED else {}).items():
            digest, _ = self.facts["committee_case"].get(f"{key} {proposal}", ("", ""))
            self._set("committee_case", f"{key} {proposal}", (digest, outcome), seq)

    def _committee(self, action: str, key: str, body: Mapping[str, Any], seq: int) -> None:
        """A member's vote; and a committee's decision, whose votes are those that its members gave."""
        data = body["data"]
        if action in (Action.COMMITTEE_VOTED, Action.COMMITTEE_RECUSED):
            vote = data["vote"] if action == Action.COMMITTEE_VOTED else "recused"
            self._set("committee_vote", f"{data['sitting']} {key} {body['actor'].removeprefix('person:')}", (vote,), seq)
        elif action == Action.COMMITTEE_DECIDED:
            for person, vote in data["votes"].items():
                if self.facts["committee_vote"].get(f"{data['sitting']} {key} {person}") != (vote,):
                    self._contradiction(f"the committee's decision on {key} names a vote of {person} that was not given", seq)
            quorum = data["quorum"]
            short = len(data["present"]) < quorum["present"] or len(data["voters"]) < quorum["voters"]
            if short and data["outcome"] in ("approved", "rejected", "returned"):
                self._contradiction(f"the committee decided on {key} without quorum", seq)

    def _finding(self, action: str, key: str, body: Mapping[str, Any], seq: int) -> None:
        data, person = body["data"], body["actor"].removeprefix("person:")
        if action == Action.FINDING_OPENED:
            self._set("finding", key, (data["to"], data["severity"], data["owner"] or "", data["due"], "", ""), seq)
            return
        state, severity, owner, due, remedied_by, closed_by = self.facts["finding"].get(key, ("", "", "", "", "", ""))
        state, due = data.get("to", state), data.get("due", due)
        if "owner" in data:
            owner = data["owner"] or ""
        if action == Action.FINDING_REMEDIED:
            remedied_by = person
        elif action == Action.FINDING_CLOSED:
            closed_by = person
        elif action == Action.FINDING_REOPENED:
            remedied_by = closed_by = ""
        self._set("finding", key, (state, severity, owner, due, remedied_by, closed_by), seq)

    def _model(self, action: str, key: str, body: Mapping[str, Any], seq: int) -> None:
        data, person = body["data"], body["actor"].removeprefix("person:")
        status, validated_by, report = self.facts["model_version"].get(key, (str(ModelStatus.DRAFT), "", ""))
        if action == Action.MODEL_REGISTERED and body["entity"].startswith("document:"):
            self._took_its_place(seq)  # entries from before the inventory, which the migration took over
            status = str(ModelStatus.IN_FORCE)
        status = data.get("to", status)
        if action == Action.MODEL_VALIDATED:
            validated_by, report = person, data["report"]
        elif action == Action.MODEL_REJECTED and status == ModelStatus.DRAFT:
            validated_by = report = ""
        self._set("model_version", key, (status, validated_by, report), seq)

    def _exception(self, key: str, data: Mapping[str, Any], seq: int) -> None:
        state, owner, ends, due_on, how = self.facts["policy_exception"].get(key, ("", "", None, None, ""))
        state, owner, how = data.get("to", state), data.get("owner", owner), data.get("how", how)
        self._set("policy_exception", key, (state, owner, data.get("ends", ends), data.get("due_on", due_on), how), seq)

    def _rehearsal(self, key: str, data: Mapping[str, Any], seq: int) -> None:
        known = self.facts["rehearsal"].get(key, ("", "", 0, 0, 0, "", None, None))
        names = ("person", "to", "seeded", "caught", "false_alarms", "answers", "valid_from", "valid_until")
        self._set("rehearsal", key, tuple(data.get(name, was) for name, was in zip(names, known, strict=True)), seq)

    def _adverse(self, key: str, body: Mapping[str, Any], seq: int) -> None:
        data = body["data"]
        classified, confirmed_by, *_ = self.facts["adverse_action"].get(key, (None, None))
        if "classified" in data:
            classified, confirmed_by = data["classified"], body["actor"].removeprefix("person:")
        days = (data[name] for name in COLUMNS["adverse_action"][2:])
        self._set("adverse_action", key, (classified, confirmed_by, *days), seq)

    def _took_its_place(self, seq: int) -> None:
        for key, (status, *rest) in list(self.facts["model_version"].items()):
            if status == ModelStatus.IN_FORCE:
                self._set("model_version", key, (str(ModelStatus.RETIRED), *rest), seq)

    def _limit(self, action: str, account: str, data: Mapping[str, Any], seq: int) -> None:
        kind = _KINDS[Action(action)]
        proposal = data.get("proposal") if kind == "decision" else None
        before = self.facts["credit_limit"].get(account)
        version = data["version"]
        if version != (before[0] + 1 if before else 1):
            self._contradiction(f"account {account}: version {version} follows version {before[0] if before else 0}", seq)
        change = (account, version, kind, proposal, data["from_minor"], data["to_minor"], data["to_terms_days"])
        days = (data["effective_from"], data.get("effective_to"))
        self._set("limit_change", data["change"], (*change, *days), seq)
        self._set("credit_limit", account, (version, data["to_minor"], data["to_terms_days"], *days), seq)
        if proposal is not None:
            self._applied(proposal, account, data, seq, waits=action == Action.LIMIT_OVERRIDE)

    def _applied(self, key: str, account: str, data: Mapping[str, Any], seq: int, *, waits: bool) -> None:
        """What an applied change needs to stand on: its proposal, approved, and every approval it names; an override `waits` for both."""
        known = self.facts["limit_proposal"].get(key)
        if known is None or (known[1], known[3], known[6]) != (account, data["to_minor"], data["digest"]):
            self._contradiction(f"limit change {data['change']} is not what proposal {key} asked for", seq)
            return
        expected = ProposalState.PENDING if waits else ProposalState.APPROVED
        if known[0] != expected:
            self._contradiction(f"limit change {data['change']} was applied while proposal {key} was {known[0]}", seq)
        if waits:
            return
        self._approvals(key, data, seq)
        self._set("limit_proposal", key, (str(ProposalState.APPLIED), *known[1:]), seq)

    def _approvals(self, key: str, data: Mapping[str, Any], seq: int) -> None:
        for one in data["approvers"]:
            given = self.facts["approval_decision"].get(f"{key} {one['approver']}")
            if given is None or given[0] != "approve" or given[1] != data["digest"]:
                self._contradiction(f"limit change {data['change']} names an approval of {one['approver']} that was not given", seq)
        if not data["approvers"] and key not in self._by_rule:
            self._contradiction(f"limit change {data['change']} was applied without an approval or a rule", seq)

    def _contradiction(self, what: str, seq: int) -> None:
        self.contradictions.append(Difference(what, seq))


def differences(rebuilt: Rebuilt, tables: Mapping[str, Iterable[tuple[str, tuple[Any, ...]]]]) -> Iterator[Difference]:
    """Everything the entries contradict among themselves, then, table by table, what log and rows say otherwise, both ways.

    `tables` gives each row of COLUMNS as its key and its values, dates as ISO text.
    """
    yield from rebuilt.contradictions
    for table, expected in rebuilt.facts.items():
        seen = set()
        for key, values in tables[table]:
            seen.add(key)
            seq = rebuilt.seq_of(table, key)
            if key not in expected:
                yield Difference(f"{table} {key} stands in the database, and no entry made it")
            elif expected[key] != values:
                yield Difference(f"{table} {key}: {_unlike(table, expected[key], values)}", seq)
        for key in expected.keys() - seen:
            yield Difference(f"{table} {key} is in the log, and not in the database", rebuilt.seq_of(table, key))


def _unlike(table: str, expected: tuple[Any, ...], found: tuple[Any, ...]) -> str:
    pairs = zip(COLUMNS[table], expected, found, strict=True)
    return ", ".join(f"{name} is {there!r}, the log says {logged!r}" for name, logged, there in pairs if logged != there)
