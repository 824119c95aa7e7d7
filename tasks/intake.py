"""From the sources to a snapshot that never changes: read, resolve identities, write once, tie, take over limits, fix the manifest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from credit_review import audit, identity
from credit_review.adapters import reading
from credit_review.adapters import snapshot as snapshots
from credit_review.completeness import HISTORY
from credit_review.limits.layers import ALL, in_force_on
from credit_review.model.frames import ALIASES, FORECASTS, LAYERS_IN_FORCE, PANDAS
from credit_review.model.records import (
    AuditHead,
    CreditLimit,
    CustomerAlias,
    Deferral,
    Exclusion,
    GroupMembership,
    LimitAccount,
    LimitChange,
    Rate,
    Review,
)
from credit_review.model.states import Layer, ReviewState
from credit_review.review import exceptions, forecasts, lifecycle, manifest, opening
from credit_review.review.lifecycle import BATCH
from credit_review.words import marked, said
from tasks import prepare
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    from datetime import date, datetime

    import pandas as pd

    from credit_review.ports import UnitOfWork
    from tasks.plan import Plan


LAYERS = "layers"
"""Layers in force, beside the limits that a review starts from; reviews before there were any have none."""


def take_snapshot(plan: Plan) -> Plan:
    """The plan with a snapshot: what the sources hold, read once, written under its content digest, tied to the stated totals."""
    if plan.snapshot_digest:
        return plan
    with stage("Reading the sources", folder=plan.workspace.folder) as at:
        written = read_and_write(plan)
        at.rows = written.rows
        at.say(said("{rows} rows", rows=f"{written.rows:,}"))
    return plan.but(snapshot_digest=written.digest)


@task(name="read sources into a snapshot", task_run_name="read sources into a snapshot")
def read_and_write(plan: Plan) -> snapshots.Written:
    """Read every source and write one snapshot; a control total beyond policy's tolerance stops the review."""
    opened = prepare.services(plan.config)
    policy = plan.workspace.policy()
    with opened.store.read() as uow:
        started = lifecycle.review_of(uow, plan.review_id).started_at
        known, foreseen = decided_identities(uow, plan.as_of, started), forecasts_known(uow, started)
    book = reading.read_book(opened.settings, plan.workspace.mappings(), as_of=plan.as_of, policy=policy, known=known)
    if foreseen is not None:
        book = replace(book, frames={**book.frames, "forecasts": foreseen})
    return snapshots.write(plan.workspace.snapshots, book, buckets=plan.buckets)


def decided_identities(uow: UnitOfWork, day: date, known_at: datetime) -> pd.DataFrame:
    """ALIASES that a person decided, in force on a day; they win over the mapping's rules."""
    import pandas as pd

    facts = uow.facts(CustomerAlias, valid_at=day, known_at=known_at)
    names = list(ALIASES.names)
    rows = [[getattr(f, name) for name in names] for f in facts if identity.by_a_person(f.decided_by)]
    return pd.DataFrame(rows, columns=names).astype("str")


def forecasts_known(uow: UnitOfWork, known_at: datetime) -> pd.DataFrame | None:
    """FORECASTS as known at a moment; None where nobody ever made one, so that a review is as before there were any."""
    import pandas as pd

    found = forecasts.known_by(uow, known_at)
    if not found:
        return None
    rows = pd.DataFrame([[getattr(one, name) for name in FORECASTS.names] for one in found], columns=list(FORECASTS.names))
    return rows.astype({c.name: PANDAS[c.dtype] for c in FORECASTS.columns})


@task(name="take over limits in force", task_run_name="take over limits in force")
def adopt_limits(plan: Plan) -> opening.TakenOver:
    """Adopt the limits found in the ERP in the first review, compare them in later ones; aliases, groups and rates go on record too."""
    opened = prepare.services(plan.config)
    _record_facts(plan, plan.snapshot.whole("customers"))
    rows = on_file(plan)
    return opening.take_over(
        opened.store,
        plan.review_id,
        rows,
        opening.totals(rows),
        person_id=opened.settings.limits_owner,
        on=opened.today(),  # who answers for them is asked now, whatever past day the review is as of
        clock=opened.clock,
    )


def adopt_opening_limits(plan: Plan) -> None:
    """Limits found in the ERP are taken over in the first review, and compared with what is in force here in later ones."""
    if prepare.reached(plan, ReviewState.VALIDATED):
        return
    with stage("Taking over limits in force", folder=plan.workspace.folder) as at:
        taken = adopt_limits(plan)
        at.rows = taken.opened + taken.existing + taken.without_limit
        sentence = marked("{opened} taken over, {differ} differ from what is in force here")
        at.say(said(sentence, opened=taken.opened, differ=len(taken.differences)))


def on_file(plan: Plan) -> list[opening.OnFile]:
    """What the ERP holds for every customer of the master that has a currency."""
    names = ("customer_id", "legal_entity", "currency", "limit_minor", "terms_days")
    return [
        opening.OnFile(customer_id=customer, legal_entity=entity, currency=currency, limit_minor=_int(limit), terms_days=_int(terms))
        for customer, entity, currency, limit, terms in _tuples(plan.snapshot.whole("customers"), names)
        if currency
    ]


def _record_facts(plan: Plan, customers: pd.DataFrame) -> None:
    """Aliases that the id alone does not tell, groups and rates, as dated facts; what is known already is not written again."""
    opened = prepare.services(plan.config)
    now = opened.clock.now()
    times: dict[str, Any] = {"valid_from": plan.as_of, "valid_to": None, "recorded_at": now}
    aliases = plan.snapshot.whole("aliases")
    several = plan.snapshot.joined_aliases()["customer_id"].unique()
    joined = aliases[(aliases["decided_by"] != "source") | aliases["customer_id"].isin(several)]
    names = ("source", "legal_entity", "source_number", "customer_id", "decided_by")
    rows: list[tuple[Any, list[Any]]] = [
        (opening.record_aliases, [CustomerAlias(evidence="", **_named(names, row), **times) for row in _tuples(joined, names)]),
        (opening.record_memberships, [GroupMembership(**_named(("customer_id", "group_id"), row), **times) for row in _members(customers)]),
        (opening.record_rates, _rates(plan.snapshot.whole("rates"), plan, now)),
    ]
    for record, facts in rows:
        for start in range(0, len(facts), BATCH):
            with opened.store.begin(interactive=False) as uow:
                record(uow, facts[start : start + BATCH], by=prepare.SYSTEM)
                uow.commit()


def _rates(found: pd.DataFrame, plan: Plan, now: Any) -> list[Rate]:
    """The newest rate of each pair up to the as-of date: what authority is reckoned with."""
    import pandas as pd

    usable = found[found["rate_date"] <= pd.Timestamp(plan.as_of)].sort_values("rate_date").drop_duplicates(["base", "quote"], keep="last")
    return [
        Rate(base=base, quote=quote, rate=rate, source=source, valid_from=day.date(), valid_to=None, recorded_at=now)
        for day, base, quote, rate, source in _tuples(usable, ("rate_date", "base", "quote", "rate", "source"))
    ]


def _members(customers: pd.DataFrame) -> list[tuple[Any, ...]]:
    grouped = customers[(customers["group_id"] != "") & (customers["group_id"] != customers["customer_id"])]
    alone = customers[~customers["customer_id"].isin(set(grouped["customer_id"]))]  # a head with a parent of its own stands there already
    heads = alone[alone["customer_id"].isin(set(grouped["group_id"]))].assign(group_id=lambda f: f["customer_id"])
    return [*_tuples(grouped, ("customer_id", "group_id")), *_tuples(heads, ("customer_id", "group_id"))]


def _tuples(frame: pd.DataFrame, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(frame[list(names)].itertuples(index=False, name=None))


def _named(names: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))


def _int(value: Any) -> int | None:
    import pandas as pd

    return None if pd.isna(value) else int(value)


@task(name="write limits in force", task_run_name="write limits in force")
def write_limits(plan: Plan) -> int:
    """What is in force, as files for the bucket tasks: base limits (limits), temporary ones (other_limits), layers that bound them
    (layers); and earlier outcomes (history).

    Returns how many entries the audit log had when they were read: a replay reads them there.

    A customer whose legal entity was not taken over yet has the limit of the ERP: it is taken over, as this file says, once the
    manifest is fixed.
    """
    with prepare.services(plan.config).store.read() as uow:
        head = uow.get(AuditHead, id=1)
        base, temporary = limits_in_force(uow, plan)
        layers = layers_in_force(uow, started_on(uow, plan))
    plan.workspace.write("limits", base)
    plan.workspace.write("other_limits", temporary)
    plan.workspace.write(LAYERS, layers)
    plan.workspace.write("history", _history(plan))
    return head.size if head else 0


def limits_in_force(uow: UnitOfWork, plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Base and temporary limits as the record stands in `uow`, as `write_limits` keeps them."""
    import pandas as pd

    accounts = uow.find(LimitAccount, subject_kind="customer", layer=(Layer.BASE, Layer.TEMPORARY))
    held = {limit.account_id: limit for limit in uow.find(CreditLimit)}
    opened = opening.opened_entities(uow, except_review=plan.review_id)
    base = {
        r.account_id: (r.customer_id, r.account_id, r.currency, r.limit_minor, r.terms_days)
        for r in on_file(plan)
        if r.legal_entity not in opened
    }
    other = []
    for account in accounts:
        limit = held.get(account.account_id)
        if account.layer == Layer.BASE and account.legal_entity in opened:
            amount, terms = (limit.amount_minor, limit.terms_days) if limit else (None, None)
            base[account.account_id] = (account.subject_id, account.account_id, account.currency, amount, terms)
        elif account.layer == Layer.TEMPORARY and limit is not None and limit.amount_minor:
            other.append((account.subject_id, account.currency, limit.amount_minor))
    limits = pd.DataFrame(
        sorted(base.values(), key=lambda r: r[:3]), columns=["customer_id", "account_id", "currency", "limit_minor", "terms_days"]
    )
    limits = limits.drop_duplicates("customer_id").astype({"limit_minor": "Int64", "terms_days": "Int64"})
    temporary = pd.DataFrame(sorted(other), columns=["customer_id", "currency", "amount_minor"])
    return (
        limits.astype(dict.fromkeys(("customer_id", "account_id", "currency"), "str")),
        temporary.astype({"customer_id": "str", "currency": "str", "amount_minor": "int64"}),
    )


def started_on(uow: UnitOfWork, plan: Plan) -> date:
    """The company's day on which the review started: the first on which what it proposes could be in force."""
    review = lifecycle.review_of(uow, plan.review_id)
    return review.started_at.astimezone(ZoneInfo(manifest.from_json(review.manifest_json).time_zone)).date()


def layers_in_force(uow: UnitOfWork, on: date) -> pd.DataFrame:
    """What bounds limits on a day by the record in `uow`, columns LAYERS_IN_FORCE: ceilings, segment limits, shared pools, and base limits
    kept for all our companies. One that is lifted (no limit on file) bounds nothing."""
    import pandas as pd

    found = uow.find(LimitAccount, layer=(Layer.CEILING, Layer.SEGMENT, Layer.GROUP, Layer.BASE))
    accounts = {a.account_id: a for a in found if a.layer != Layer.BASE or a.legal_entity == ALL}
    changes: dict[str, list[LimitChange]] = {}
    for change in uow.find(LimitChange, account_id=sorted(accounts)) if accounts else []:
        changes.setdefault(change.account_id, []).append(change)
    held = ((accounts[i], in_force_on(some, on)) for i, some in changes.items())
    rows = [(a.subject_id, a.layer, a.legal_entity, a.currency, c.new_minor) for a, c in held if c is not None and c.new_minor is not None]
    kinds = dict.fromkeys(LAYERS_IN_FORCE, "str") | {"amount_minor": "int64"}
    return pd.DataFrame(sorted(rows), columns=list(LAYERS_IN_FORCE)).astype(kinds)


def _history(plan: Plan) -> pd.DataFrame:
    """Outcomes (columns HISTORY) of earlier reviews that were not superseded."""
    import pandas as pd

    from credit_review.adapters.workspace import Workspace

    with prepare.services(plan.config).store.read() as uow:
        earlier = [r for r in uow.find(Review) if r.as_of < plan.as_of and r.state != ReviewState.SUPERSEDED]
    kept = [Workspace(plan.workspace.data, r.review_id) for r in sorted(earlier, key=lambda r: (r.as_of, r.review_id))]
    parts = [w.read("outcome") for w in kept if w.has("outcome")]
    types = {"customer_id": "str", "as_of": "datetime64[s]", "state": "str", "grade": "str", "dso_days": "float64"}
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(HISTORY)).astype(types)


def fix_manifest(plan: Plan) -> Plan:
    """The plan whose manifest is complete and never changes after, also written beside; the review is snapshotted."""
    if not prepare.reached(plan, ReviewState.SNAPSHOTTED):
        _complete_manifest(plan, write_limits(plan))
    if not plan.workspace.has("manifest.json"):
        with prepare.services(plan.config).store.read() as uow:
            review = lifecycle.review_of(uow, plan.review_id)
        plan.workspace.write_text("manifest.json", manifest.from_json(review.manifest_json).to_json())
    return plan


def _complete_manifest(plan: Plan, limits_before: int) -> None:
    digests = plan.snapshot.digests
    kept = {name: plan.workspace.read(name) for name in ("limits", "other_limits", "history")}
    inputs = {
        "snapshot": plan.snapshot_digest,
        "ledger": digests["items"],
        "customers": digests["customers"],
        "identities": digests["aliases"],
        "external": digests["external"],
        **{name: digests.get(name, "") for name in manifest.OPTIONAL_INPUTS},
        "cover": digests["cover"],
        "rates": digests["rates"],
        "limits": content_digest(kept["limits"], kept["other_limits"]),
        "layers": layers_digest(plan.workspace.read(LAYERS)),
        "history": history_digest(plan, kept["history"]),
    }
    with prepare.services(plan.config).store.begin(interactive=False) as uow:
        review = lifecycle.review_of(uow, plan.review_id)
        whole = manifest.from_json(review.manifest_json).completed(**inputs)
        lifecycle.complete_manifest(uow, plan.review_id, whole, by=prepare.SYSTEM, limits_before=limits_before)
        uow.commit()


def layers_digest(layers: pd.DataFrame) -> str:
    """SHA-256 over the layers in force; empty where there are none, as of reviews that knew none."""
    return content_digest(layers) if len(layers) else ""


def history_digest(plan: Plan, history: pd.DataFrame) -> str:
    """SHA-256 over earlier outcomes (HISTORY), and what people put off or excluded before the review started."""
    deferrals, exclusions = deferrals_and_exclusions(plan)
    parts = [content_digest(history), manifest.digest_of_records(deferrals), manifest.digest_of_records(exclusions)]
    if ended := due_again(plan):
        parts.append(manifest.digest_of(audit.canonical({customer: day.isoformat() for customer, day in sorted(ended.items())})))
    return manifest.digest_of("\n".join(parts))


def content_digest(*frames: pd.DataFrame) -> str:
    """SHA-256 over the values of our own small frames: column names, then one canonical line a row."""
    lines: list[str] = []
    for frame in frames:
        lines.append(audit.canonical(list(frame.columns)))
        values = frame.astype(object).where(frame.notna(), None)
        lines += [audit.canonical([_value(v) for v in row]) for row in values.itertuples(index=False, name=None)]
    return sha256("\n".join(lines).encode()).hexdigest()


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return value.date().isoformat() if hasattr(value, "date") else int(value)


def deferrals_and_exclusions(plan: Plan) -> tuple[list[Deferral], list[Exclusion]]:
    """Customers put off or excluded by people, as known when the review started."""
    with prepare.services(plan.config).store.read() as uow:
        started = lifecycle.review_of(uow, plan.review_id).started_at
        deferrals = [d for d in uow.find(Deferral) if d.recorded_at <= started]
        return deferrals, [e for e in uow.find(Exclusion) if e.recorded_at <= started]


def due_again(plan: Plan) -> dict[str, date]:
    """By customer the day on which an exception ended without a decision in its place, as known when the review started."""
    with prepare.services(plan.config).store.read() as uow:
        return exceptions.due_again(uow, lifecycle.review_of(uow, plan.review_id).started_at, plan.as_of)
