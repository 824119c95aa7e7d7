"""Controls of what surrounds decisions: rules, rights, coverage, the ERP. Each counts days, and policy says how many are too many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pandas as pd

from credit_review.controls.alarm import Alarm, Severity
from credit_review.controls.facts import now_in_force
from credit_review.controls.hard import current_matrix, entries
from credit_review.controls.history import History, having, rows_of
from credit_review.model.states import CustomerState, DocumentOfRecord, ReviewState

SHORT_LIVED, LEAVERS, UNUSED, COVERAGE, ERP = "short_lived_change", "leaver_enabled", "unused_right", "coverage", "erp_difference"
UNREVIEWED_MONTHS = 12
_SINGLE = (DocumentOfRecord.POLICY.value, DocumentOfRecord.AUTHORITY.value)
_CERTIFIED = (ReviewState.PROPOSED, ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)


def short_lived_change(history: History) -> Iterator[Alarm]:
    """Documents replaced within days of their adoption: policy and matrix by any other, mapping and scorecard by one of the same name.

    The first of a line replaces nothing, and a text that comes back after another is what the control looks for; both count by time alone.
    """
    of = history["documents"].sort_values(["adopted_at", "digest"], kind="stable")
    line = of["kind"].where(of["kind"].isin(_SINGLE), of["kind"] + "/" + of["name"])
    of = of.assign(until=of.groupby(line)["adopted_at"].shift(-1), by=of.groupby(line)["digest"].shift(-1))
    lived = of["until"] - of["adopted_at"]
    for row in rows_of(of.assign(lived=lived)[lived < pd.Timedelta(days=history.rules.short_lived_days)]):
        grave = row.kind in _SINGLE
        facts = {"kind": row.kind, "replaced_by": row.by, "minutes": int(row.lived.total_seconds() // 60)}
        severity = Severity.HIGH if grave else Severity.MEDIUM
        yield Alarm(control=SHORT_LIVED, subject=f"document:{row.digest}", severity=severity, facts=facts, entries=entries(row.seq))


def leaver_enabled(history: History) -> Iterator[Alarm]:
    """People who are not active and still hold something: a tier, or an account, delegation (either side) or right in force."""
    since = pd.Timestamp(history.today).as_unit("s") - pd.Timedelta(days=history.rules.leaver_days)
    gone = _left(history)
    left = set(gone[gone["gone"] <= since]["person_id"])
    held = now_in_force(history, history["held"], ["kind", "key"])[["kind", "person_id", "other_id"]]
    tiers = [("tier", h.person, "") for _, matrix in current_matrix(history) for h in matrix.holders if h.on(history.today)]
    held = pd.concat([held, held.assign(person_id=held["other_id"]), pd.DataFrame(tiers, columns=["kind", "person_id", "other_id"])])
    counts = held[held["person_id"].isin(left)].groupby(["person_id", "kind"], sort=True).size().reset_index(name="items")
    for row in rows_of(counts):
        facts: dict[str, str | int] = {"person": row.person_id, "holds": row.kind, "count": int(row.items)}
        yield Alarm(control=LEAVERS, subject=f"person:{row.person_id}/{row.kind}", severity=Severity.HIGH, facts=facts)


def _left(history: History) -> pd.DataFrame:
    """People not active today: `person_id` and `gone`, their first day away as far as it is known."""
    spoken = now_in_force(history, history["people"], ["person_id"])
    here = set(spoken[spoken["active"]]["person_id"])
    people = history["people"].sort_values("recorded_at")
    gone = people[~people["person_id"].isin(here)].drop_duplicates("person_id", keep="last")
    ended = gone["valid_to"].where(gone["active"] & gone["valid_to"].notna(), gone["valid_from"])
    told = history.days(gone["recorded_at"])
    return pd.DataFrame({"person_id": gone["person_id"], "gone": ended.where(ended > told, told)})


def unused_right(history: History) -> Iterator[Alarm]:
    """Tiers and delegations held all through the last days without one decision: access that nobody needs."""
    days = history.rules.unused_days
    since = history.today - timedelta(days=days)
    of = history["decisions"]
    of = of[history.days(of["at"]) >= pd.Timestamp(since)]
    used = {*of["approver_id"], *of["on_behalf_of"]}
    for person, tier, held in _tiers_held(history):
        if held <= since and person not in used:
            facts: dict[str, str | int] = {"person": person, "right": "tier", "what": tier, "days": (history.today - held).days}
            yield Alarm(control=UNUSED, subject=f"person:{person}/{tier}", severity=Severity.LOW, facts=facts)
    pairs = set(zip(of["approver_id"], of["on_behalf_of"], strict=True))
    given = now_in_force(history, having(history["held"], kind="delegation"), ["kind", "key"])
    for row in rows_of(given):
        begun = max(row.valid_from.date(), row.recorded_at.tz_convert(history.zone).date())
        if begun <= since and (row.person_id, row.other_id) not in pairs:
            facts = {"right": "delegation", "delegate": row.person_id, "days": (history.today - begun).days}
            yield Alarm(control=UNUSED, subject=f"delegation:{row.key}", severity=Severity.LOW, facts=facts)


def _tiers_held(history: History) -> Iterator[tuple[str, str, date]]:
    """Who holds which tier today, and since when by the record: the day from which all matrices in force named him for it."""
    adopted = having(history["documents"], kind=DocumentOfRecord.AUTHORITY).sort_values(["adopted_at", "digest"])
    days = history.days(adopted["adopted_at"]).dt.date
    since: dict[tuple[str, str], date] = {}
    for digest, day in zip(adopted["digest"], days, strict=True):
        named = {(h.person, h.tier): max(day, h.since) for h in history.matrices[digest].holders if h.until is None or h.until > day}
        since = {key: min(since.get(key, first), first) for key, first in named.items()}
    for _, matrix in current_matrix(history):
        for one in matrix.holders:
            if one.on(history.today):
                yield one.person, one.tier, since[one.person, one.tier]


def coverage(history: History) -> Iterator[Alarm]:
    """Reviews without a whole certificate, and active customers that no review has reached for twelve months."""
    for row in rows_of(having(history["reviews"], state=_CERTIFIED, certificate=("", "altered", "missing"))):
        facts = {"code": f"certificate_{row.certificate or 'missing'}"}
        yield Alarm(control=COVERAGE, subject=f"review:{row.review_id}", severity=Severity.HIGH, facts=facts)
    of = history["coverage"]
    last = of["last_review"].fillna(of["since"])
    oldest = of["as_of"] - pd.DateOffset(months=UNREVIEWED_MONTHS)
    missed = of["active"] & ~of["state"].isin([CustomerState.REVIEWED.value, CustomerState.EXCLUDED.value]) & (last < oldest)
    for row in rows_of(of.assign(last=last)[missed].sort_values("customer_id")):
        facts = {"code": "unreviewed", "state": row.state, "last": row.last.date().isoformat(), "review": row.review_id}
        subject = f"customer:{row.customer_id}/{row.last.date().isoformat()}"
        yield Alarm(control=COVERAGE, subject=subject, severity=Severity.MEDIUM, facts=facts)


def erp_difference(history: History) -> Iterator[Alarm]:
    """Differences between the ERP and our limit in force that stayed open for too long."""
    of = history["differences"]
    age = (pd.Timestamp(history.now) - of["found_at"]).dt.days
    for row in rows_of(of.assign(days=age)[of["settled_at"].isna() & (age >= history.rules.difference_days)].sort_values("found_at")):
        facts = {"account": row.account_id, "days": int(row.days), "owner": row.owner_id}
        subject = f"difference:{row.difference_id}"
        yield Alarm(control=ERP, subject=subject, severity=Severity.MEDIUM, facts=facts, entries=entries(row.seq))
