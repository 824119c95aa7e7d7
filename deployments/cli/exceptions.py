"""`exceptions …`: standing departures from policy, each with owner, reason and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from credit_review.model.records import AuditPayload, AuditRow, PolicyException
from credit_review.model.states import ExceptionEnd, ExceptionKind, ExceptionState
from credit_review.review import exceptions
from credit_review.review.exceptions import ENDS, KINDS, STATES
from credit_review.review.working import Company
from credit_review.words import marked, said
from deployments.cli.findings import history_of, show_history
from deployments.cli.frame import names_of, services, show_json, show_pairs, show_table, tell
from deployments.cli.governing import signing_as

_NO_END = marked("none on record")


def list_exceptions(config: Path, *, everything: bool, owner: str, as_json: bool) -> None:
    """Standing exceptions, those that end first first; those without an end on record before them."""
    opened = services(config)
    with opened.store.read() as uow:
        found = uow.find(PolicyException, **({} if everything else {"state": exceptions.STANDING}))
        left = {one.exception_id for one in exceptions.orphaned(uow, opened.today(), opened.clock.now())}
        names = names_of(uow)
    mine = [one for one in found if owner in ("", one.owner_id)]
    mine.sort(key=lambda one: (one.ends is not None, one.ends or one.starts, one.exception_id))
    if as_json:
        show_json([asdict(one) | {"owner_left": one.exception_id in left} for one in mine])
        return
    if not mine:
        tell(said("no exception"))
        return
    columns = [said("exception"), said("kind"), said("customer"), said("from policy"), said("owner"), said("until"), said("state")]
    rows = [_row(one, names, left=one.exception_id in left) for one in mine]
    show_table(said("Exceptions (credit-review exceptions show EXCEPTION)"), columns, rows)


def _row(one: PolicyException, names: Mapping[str, str], *, left: bool) -> list[Any]:
    owner = names.get(one.owner_id, one.owner_id)
    shown = said("{name}, who left", name=owner) if left else owner
    until = one.ends or said(_NO_END)
    return [one.exception_id, said(KINDS[ExceptionKind(one.kind)]), one.customer_id, exceptions.departs(one), shown, until, _state(one)]


def _state(one: PolicyException) -> str:
    state = said(STATES[ExceptionState(one.state)])
    return said("{state}, {how}", state=state, how=said(ENDS[ExceptionEnd(one.how)])) if one.how else state


def show(config: Path, exception_id: str, *, as_json: bool) -> None:
    """One exception with its history from the audit log."""
    opened = services(config)
    with opened.store.read() as uow:
        one = uow.get(PolicyException, exception_id=exception_id)
        if one is None:
            raise BadInput(
                said("no exception {exception}", exception=exception_id), expected=said("an id that `credit-review exceptions list` shows")
            )
        rows = uow.find(AuditRow, entity=f"exception:{exception_id}", order_by=("seq",))
        told = {p.seq: p.payload for p in uow.find(AuditPayload, seq=[row.seq for row in rows])} if rows else {}
        names = names_of(uow)
    if as_json:
        show_json(asdict(one) | {"history": history_of(rows, told)})
        return
    show_pairs(
        {
            said("exception"): one.exception_id,
            said("kind"): said(KINDS[ExceptionKind(one.kind)]),
            said("customer"): one.customer_id,
            said("from policy"): exceptions.departs(one),
            said("reason"): one.reason,
            said("owner"): names.get(one.owner_id, one.owner_id),
            said("since"): one.starts,
            said("until"): one.ends or said(_NO_END),
            said("state"): _state(one),
            said("stands on"): one.source,
            said("proposal"): one.proposal_id,
            said("renews"): one.renews_id or said("none"),
        }
    )
    show_history(rows, told, names)


def end(config: Path, exception_id: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """End an exception early."""
    opened = services(config)
    with signing_as(opened, as_person, f"exception:{exception_id}") as (uow, person):
        given: Any = {"by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = exceptions.end(uow, exception_id, reason=reason, **given)
        uow.commit()
    _tell(done, as_json=as_json)


def hand_over(config: Path, exception_id: str, *, to: str, reason: str, as_person: str, as_json: bool) -> None:
    """Give an exception another owner."""
    opened = services(config)
    with signing_as(opened, as_person, f"exception:{exception_id}") as (uow, person):
        given: Any = {"by": person.person_id, "company": _company(opened), "now": opened.clock.now()}
        done = exceptions.hand_over(uow, exception_id, to=to, reason=reason, **given)
        names = names_of(uow)
        uow.commit()
    if as_json:
        show_json(done)
    else:
        tell(said("exception {exception} belongs to {owner}", exception=exception_id, owner=names.get(done.owner_id, done.owner_id)))


def _company(opened: Services) -> Company:
    return Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)


def _tell(done: PolicyException, *, as_json: bool) -> None:
    if as_json:
        show_json(done)
    elif done.state == ExceptionState.DUE:
        tell(said("exception {exception} is due: the next review proposes by policy", exception=done.exception_id))
    else:
        tell(said("exception {exception} is ended", exception=done.exception_id))
