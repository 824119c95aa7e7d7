"""The record as controls read it: a dozen streamed queries whose rows become columns part by part; memory holds frames, no records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

import pandas as pd
from sqlalchemy import CHAR, Connection, Engine, Select, and_, func, or_, select, type_coerce

from credit_review.adapters.store.refusals import translated
from credit_review.adapters.store.statements import table_of
from credit_review.audit import Action, timestamp
from credit_review.controls.history import COLUMNS, empty, typed
from credit_review.model.records import (
    AccessRight,
    Addressee,
    ApprovalCondition,
    AuditRow,
    Decision,
    Delegation,
    ErpDifference,
    GovernedDocument,
    LimitAccount,
    LimitChange,
    Maker,
    Person,
    PersonAccount,
    Proposal,
    Review,
)
from credit_review.model.states import OPEN_PROPOSAL_STATES

LOOK_BACK = timedelta(days=400)
"""How far back controls look at least: a year, and the weeks in which somebody still works on what is older."""
ROWS_AT_ONCE = 5_000
Frames = dict[str, pd.DataFrame]

_DECIDED = (Action.DECISION_APPROVE, Action.DECISION_REJECT, Action.DECISION_RETURN, Action.DECISION_COUNTER)
_MOVED = (Action.LIMIT_OPENED, Action.LIMIT_APPLIED, Action.LIMIT_OVERRIDE, Action.LIMIT_REVERTED)
_IN_FORCE = (Action.POLICY_CHANGED, Action.AUTHORITY_CHANGED, Action.MAPPING_CHANGED, Action.MODEL_REGISTERED)

_decision, _proposal, _change = table_of(Decision).c, table_of(Proposal).c, table_of(LimitChange).c
_account, _review, _log = table_of(LimitAccount).c, table_of(Review).c, table_of(AuditRow).c


def since(now: datetime, zone: tzinfo) -> datetime:
    """The start of the calendar year in which LOOK_BACK ends: quarters and years that are looked at are looked at whole."""
    return datetime((now - LOOK_BACK).astimezone(zone).year, 1, 1, tzinfo=zone).astimezone(UTC)


def read(engine: Engine, start: datetime) -> tuple[Frames, dict[str, str]]:
    """The frames of a `History` that the database has, from one state of it, and every authority matrix ever adopted as text, by digest.

    Decisions, proposals and changes go back to `start`, and further where a change of that time needs it. Raises Unavailable.
    """
    with translated(None, None), engine.connect() as connection, connection.begin():
        cut = timestamp(start)
        earliest = connection.execute(
            select(func.min(_text(_proposal.created_at))).join(table_of(LimitChange), _change.proposal_id == _proposal.proposal_id)
            .where(_text(_change.applied_at) >= cut)
        ).scalar()  # fmt: skip
        begun = min(cut, earliest or cut)
        logged = _logged(connection, begun)
        frames = {
            "decisions": _decisions(connection, begun, logged),
            "proposals": _proposals(connection, begun, logged),
            "makers": _frame(connection, "makers", _of_proposals(Maker, begun, "proposal_id", "person_id", "how")),
            "conditions": _frame(connection, "conditions", _of_proposals(ApprovalCondition, begun, "proposal_id", "state", "settled_at")),
            "changes": _changes(connection, cut, logged),
            "people": _frame(connection, "people", _plain(Person)),
            "held": _held(connection),
            "documents": _documents(connection, logged),
            "differences": _differences(connection, cut, logged),
        }
        return frames, _matrices(connection)


def _text(column: Any) -> Any:
    """A time as the 27 characters stored, which sort in time order and are read in bulk."""
    return type_coerce(column, CHAR(27))


def _plain(record: type[Any], *names: str) -> Select[Any]:
    stored = table_of(record).c
    wanted = names or tuple(COLUMNS["people"])
    return select(*(_text(stored[n]) if n.endswith("_at") or n == "at" else stored[n] for n in wanted))


def _open_since(begun: str) -> Any:
    """Proposals that were decided since, or still may be."""
    return or_(_text(_proposal.decided_at) >= begun, _proposal.state.in_([str(state) for state in OPEN_PROPOSAL_STATES]))


def _of_proposals(record: type[Any], begun: str, *names: str) -> Select[Any]:
    stored = table_of(record).c
    return _plain(record, *names).join(table_of(Proposal), _proposal.proposal_id == stored.proposal_id).where(_open_since(begun))


# --- rows to frames -------------------------------------------------------------------------------------------------------------------


_More = Callable[[pd.DataFrame], pd.DataFrame]


def _frame(connection: Connection, name: str, query: Select[Any], more: _More = lambda f: f) -> pd.DataFrame:
    """The frame of that name from the rows of a query, part by part; `more` adds what the query does not say."""
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    columns = list(result.keys())
    parts = [typed(name, _readable(name, more(pd.DataFrame.from_records(rows, columns=columns)))) for rows in _parts(map(tuple, result))]
    return pd.concat(parts, ignore_index=True) if parts else empty(name)


def _parts(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    stream = iter(rows)
    while part := list(islice(stream, ROWS_AT_ONCE)):
        yield part


def _readable(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Missing text as the empty string, times and days as pandas reads them."""
    found = frame.copy()
    for column, dtype in COLUMNS[name].items():
        if dtype == "str":
            found[column] = found[column].fillna("") if column in found else ""
        elif dtype == "time":
            found[column] = pd.to_datetime(found[column], utc=True, format="ISO8601")
        elif dtype == "date":
            found[column] = pd.to_datetime(found[column]).astype("datetime64[s]")
    return found


# --- the log --------------------------------------------------------------------------------------------------------------------------


class _Logged:
    """What entries say that rows do not, by key: entry numbers, and of a decision its sums and its matrix."""

    def __init__(self) -> None:
        self.decisions: dict[tuple[str, str], tuple[int, str, int | None, int | None]] = {}
        self.shown: dict[tuple[str, str], str] = {}
        self.ruled: dict[str, int] = {}
        self.seqs: dict[str, int] = {}
        self.overrides: dict[str, str] = {}
        self.waiting: set[str] = set()
        self.taken_back: set[str] = set()

    def take(self, seq: int, action: str, actor: str, entity: str, ts: str, data: Mapping[str, Any]) -> None:
        """One entry."""
        key = entity.partition(":")[2]
        if action in _DECIDED:
            sums = data.get("group_limit_minor"), data.get("increases_12m_minor")
            self.decisions[key, actor.removeprefix("person:")] = (seq, str(data.get("authority", "")), *sums)
        elif action == Action.PROPOSAL_POSTED:
            self.shown.setdefault((key, str(data.get("to") or "")), ts)
        elif action == Action.PROPOSAL_AUTO_APPROVED:
            self.ruled[key] = seq
        elif action in _MOVED:
            self.seqs[f"change:{data.get('change')}"] = seq
            self._overridden(action, data)
        elif action == Action.OVERRIDE_APPROVED:
            self.overrides[str(data["change"])] = ts
            self.waiting.discard(str(data["change"]))
        else:
            self.seqs[entity] = seq

    def _overridden(self, action: str, data: Mapping[str, Any]) -> None:
        """Until when an override is to be approved; that one without approval was taken back."""
        change = str(data.get("change"))
        if action == Action.LIMIT_OVERRIDE:
            self.overrides[change] = str(data["approve_by"])
            self.waiting.add(change)
        elif data.get("reverses") in self.waiting and "proposal" in data:  # one that ended by itself names none
            self.taken_back |= {change, str(data["reverses"])}


def _logged(connection: Connection, begun: str) -> _Logged:
    found = _Logged()
    beside = (Action.PROPOSAL_POSTED, Action.PROPOSAL_AUTO_APPROVED, Action.OVERRIDE_APPROVED, Action.ERP_DIFFERENCE_FOUND)
    wanted = (*_DECIDED, *_MOVED, *_IN_FORCE, *beside)
    always = _log.action.in_([str(one) for one in (*_IN_FORCE, Action.ERP_DIFFERENCE_FOUND)])
    query = select(_log.seq, _log.action, _log.actor, _log.entity, _log.ts, _log.body)
    query = query.where(_log.action.in_([str(one) for one in wanted]), or_(always, _log.ts >= begun)).order_by(_log.seq)
    for seq, action, actor, entity, ts, body in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query):
        found.take(seq, action, actor, entity, ts, json.loads(body)["data"])
    return found


def _numbered(logged: _Logged, kind: str, column: str) -> _More:
    """Adds the number of the entry about each row."""
    return lambda frame: frame.assign(seq=[logged.seqs.get(f"{kind}:{key}", -1) for key in frame[column]])


# --- frames that take more than one table ---------------------------------------------------------------------------------------------


def _decisions(connection: Connection, begun: str, logged: _Logged) -> pd.DataFrame:
    put = table_of(Addressee)
    names = ("proposal_id", "approver_id", "on_behalf_of", "verdict", "digest", "tier")
    beside = and_(put.c.proposal_id == _decision.proposal_id, put.c.person_id == _decision.approver_id)
    query = select(*(_decision[n] for n in names), _text(_decision.at).label("at"), _text(put.c.at).label("put_at"))
    query = query.select_from(table_of(Decision).outerjoin(put, beside)).where(_text(_decision.at) >= begun)

    def more(frame: pd.DataFrame) -> pd.DataFrame:
        pairs = list(zip(frame["proposal_id"], frame["approver_id"], strict=True))
        said = [logged.decisions.get(pair, (-1, "", None, None)) for pair in pairs]
        columns = dict(zip(("seq", "authority", "group_limit_minor", "increases_12m_minor"), zip(*said, strict=True), strict=True))
        shown = pd.Series([_first_shown(logged, pair, put_at) for pair, put_at in zip(pairs, frame["put_at"], strict=True)], dtype="str")
        figures = {name: pd.array(list(columns[name]), dtype="Int64") for name in ("group_limit_minor", "increases_12m_minor")}
        return frame.assign(seq=list(columns["seq"]), authority=list(columns["authority"]), shown_at=shown, **figures)

    return _frame(connection, "decisions", query, more)


def _first_shown(logged: _Logged, pair: tuple[str, str], put_at: Any) -> str | None:
    """When a card first stood where the approver reads, else when the proposal was put before him."""
    cards = [ts for to in (pair[1], "") if (ts := logged.shown.get((pair[0], to)))]
    return min(cards) if cards else put_at if isinstance(put_at, str) else None


def _proposals(connection: Connection, begun: str, logged: _Logged) -> pd.DataFrame:
    names = [n for n in COLUMNS["proposals"] if n not in ("review_kind", "layer", "rule_seq")]
    query = select(*(_proposal[n] for n in names), _review.kind.label("review_kind"), _account.layer)
    query = query.join(table_of(Review), _review.review_id == _proposal.review_id)
    query = query.join(table_of(LimitAccount), _account.account_id == _proposal.account_id).where(_open_since(begun))
    return _frame(connection, "proposals", query, lambda f: f.assign(rule_seq=[logged.ruled.get(p, -1) for p in f["proposal_id"]]))


def _changes(connection: Connection, cut: str, logged: _Logged) -> pd.DataFrame:
    ended = table_of(LimitChange).alias("ended")
    names = ("change_id", "account_id", "version", "kind", "proposal_id", "effective_from", "effective_to")
    query = select(*(_change[n] for n in names), _text(_change.applied_at).label("applied_at"))
    query = query.add_columns(_account.subject_id.label("customer_id"), _account.layer, ended.c.effective_to.label("ended"))
    query = query.join(table_of(LimitAccount), _account.account_id == _change.account_id)
    query = query.outerjoin(ended, ended.c.change_id == _change.reverses_id).where(_text(_change.applied_at) >= cut)

    def more(frame: pd.DataFrame) -> pd.DataFrame:
        pairs = zip(frame["change_id"], frame["applied_at"], strict=True)
        due = [logged.overrides.get(change, applied_at) for change, applied_at in pairs]
        numbered = _numbered(logged, "change", "change_id")(frame)
        return numbered.assign(due=due, taken_back=frame["change_id"].isin(logged.taken_back))

    return _frame(connection, "changes", query, more)


def _held(connection: Connection) -> pd.DataFrame:
    kinds: Sequence[tuple[str, type[Any], Sequence[str], str, str]] = (
        ("account", PersonAccount, ("kind", "account"), "person_id", ""),
        ("delegation", Delegation, ("delegation_id",), "delegate_id", "principal_id"),
        ("access", AccessRight, ("person_id", "access"), "person_id", ""),
    )
    found = []
    for kind, record, key, person, other in kinds:
        stored = table_of(record).c
        text = stored[key[0]] if len(key) == 1 else stored[key[0]] + " " + stored[key[1]]
        query = select(text.label("key"), stored[person].label("person_id"), stored.valid_from, stored.valid_to)
        query = query.add_columns(_text(stored.recorded_at).label("recorded_at"), *([stored[other].label("other_id")] if other else []))
        found.append(_frame(connection, "held", query, lambda f, kind=kind: f.assign(kind=kind)))  # type: ignore[misc]
    return pd.concat(found, ignore_index=True)


def _documents(connection: Connection, logged: _Logged) -> pd.DataFrame:
    stored = table_of(GovernedDocument).c
    query = _plain(GovernedDocument, "kind", "name", "digest", "adopted_at").where(stored.adopted_at.is_not(None))
    return _frame(connection, "documents", query, lambda frame: frame.assign(seq=[_adopted(logged, digest) for digest in frame["digest"]]))


def _adopted(logged: _Logged, digest: str) -> int:
    """The entry by which a document took effect; that of a scorecard is about the version of the model it is."""
    return logged.seqs.get(f"document:{digest}", logged.seqs.get(f"model:{digest}", -1))


def _matrices(connection: Connection) -> dict[str, str]:
    stored = table_of(GovernedDocument).c
    query = select(stored.digest, stored.content).where(stored.kind == "authority", stored.adopted_at.is_not(None))
    return {str(digest): str(content) for digest, content in connection.execute(query)}


def _differences(connection: Connection, cut: str, logged: _Logged) -> pd.DataFrame:
    stored = table_of(ErpDifference).c
    query = _plain(ErpDifference, "difference_id", "account_id", "owner_id", "found_at", "settled_at")
    query = query.where(or_(stored.settled_at.is_(None), _text(stored.found_at) >= cut))
    return _frame(
        connection, "differences", query, lambda f: f.assign(seq=[logged.seqs.get(f"difference:{d}", -1) for d in f["difference_id"]])
    )
