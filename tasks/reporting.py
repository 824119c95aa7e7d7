"""The report of a review: read the results and the record, hand them to `credit_review.report`, write the files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import authority, completeness, fx, report
from credit_review.adapters import files
from credit_review.errors import Refused
from credit_review.exposure.concentration import concentration
from credit_review.exposure.forecasts import stated
from credit_review.forecasts import FEW_CASES, tracked
from credit_review.hearing import heard
from credit_review.model.frames import STATES
from credit_review.model.money import format_minor
from credit_review.model.records import Decision, Exclusion, Person, PolicyException, Proposal, Review, RiskKept
from credit_review.model.states import CustomerState, Direction, ExceptionKind, ExceptionState, ProposalState, ReviewState
from credit_review.review import exceptions, lifecycle, manifest
from credit_review.review.close import Certified
from credit_review.review.propose import ERP_DIFFERENCE
from credit_review.words import LANGUAGES, Words, said, words_for
from tasks import assess, challenger, figures, outcome, prepare, validate
from tasks.answered import EXCLUDED, OPEN, as_asked, asked, ended
from tasks.artifacts import MOST_ROWS
from tasks.defaults import task

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.settings import Settings
    from tasks.outcome import Summary
    from tasks.plan import Plan


@task(name="write the report", task_run_name="write the report of {plan.review_id}")
def write(plan: Plan) -> Summary:
    """Write validation, complete lists (CSV, and proposals as Parquet) and report, pages in every language; returns what the UI shows."""
    workspace = plan.workspace
    record, proposals, risks, decisions, people = _record(plan)
    engine = workspace.read_all("proposals", plan.buckets).sort_values("customer_id", kind="stable", ignore_index=True)
    frame = _as_routed(engine, record, proposals)
    quarantine = validate.quarantine(plan)
    facts = _facts(plan, record, people)
    readers = readers_of(prepare.services(plan.config).settings)
    pages = report.validation_pages(validate.verdicts(plan), readers, facts=facts, quarantine=quarantine)
    outputs = [
        (name, digest, said("what was promised about the data and what was found"))
        for name, digest in _written(plan, "validation", readers, pages).items()
    ]
    for name, listed, what in (
        ("proposals.csv", _listed(plan, frame), said("every customer, for spreadsheets")),
        ("quarantine.csv", quarantine, said("every row left out, with key, rule and value")),
        ("duplicates.csv", plan.snapshot.whole("duplicates"), said("every row that said the same thing twice")),
        ("aliases.csv", plan.snapshot.joined_aliases(), said("every customer that stands under several numbers")),
    ):
        outputs.append((name, workspace.write_text(name, report.safe_csv(listed)), what))
    listed_as = said("exposure by largest groups, segment and country")
    outputs.append(("concentration.json", workspace.write_text("concentration.json", _concentration(plan)), listed_as))
    path = workspace.write("proposals", frame)
    outputs.append(("proposals.parquet", files.sha256_of(path), said("every customer, every figure")))
    data = _data(plan, record, proposals, risks, decisions, people, frame, quarantine, facts, outputs)
    written = _written(plan, "report", readers, report.pages(data, readers))
    return _summary(plan, record, proposals, frame, quarantine, written)


def _concentration(plan: Plan) -> str:
    """Concentration of the book as JSON."""
    workspace = plan.workspace
    found = concentration(
        workspace.read_all("features", plan.buckets),
        plan.snapshot.whole("customers"),
        rates=assess.rates(plan),
        control_currency=workspace.policy().control_currency,
        as_of=plan.as_of,
    )
    return json.dumps(found, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def readers_of(settings: Settings) -> list[Words]:
    """The company, and a reader of each other language: who chose one finds the report in it, whoever else reads it."""
    company = settings.words()
    return [company, *(words_for(language=one, zone=settings.time_zone) for one in sorted(LANGUAGES) if one != company.language)]


def _written(plan: Plan, page: str, readers: Sequence[Words], pages: Sequence[str]) -> dict[str, str]:
    """Digest by name of the pages, the company's last: a review that has it has them all."""
    names = [report.file_name(page, reader.language, readers[0].language) for reader in readers]
    digests = {name: plan.workspace.write_text(name, text) for name, text in reversed(list(zip(names, pages, strict=True)))}
    return {name: digests[name] for name in names}


def _record(plan: Plan) -> tuple[Review, list[Proposal], list[RiskKept], list[Decision], dict[str, str]]:
    """Review, proposals, risks kept and decisions as they stand, and the newest name of every person."""
    with prepare.services(plan.config).store.read() as uow:
        review = lifecycle.review_of(uow, plan.review_id)
        proposals, risks = uow.find(Proposal, review_id=plan.review_id), uow.find(RiskKept, review_id=plan.review_id)
        answered = [p.proposal_id for p in proposals if p.state != ProposalState.DRAFT and p.outcome_code != "by_rule"]
        decisions = uow.find(Decision, proposal_id=answered) if answered else []
        people = {p.person_id: p.name for p in uow.find(Person, order_by=("recorded_at",))}
    return review, proposals, risks, decisions, people


ROUTED = (ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)


def _as_routed(engine: pd.DataFrame, record: Review, proposals: list[Proposal]) -> pd.DataFrame:
    """PROPOSALS in which `straight_through` is what the record says once the review is routed: sums of the group may ask for people.

    The rule stays beside a proposal that fits it and was not approved by it; it goes where the proposal on record fits none.
    """
    if record.last_good_state not in ROUTED:
        return engine
    by_rule = [p.customer_id for p in proposals if p.straight_through_rule and p.state != ProposalState.DRAFT]
    fitting = [p.customer_id for p in proposals if ERP_DIFFERENCE not in p.exceptional.split("|")]
    rule = engine["straight_through_rule"].where(engine["customer_id"].isin(fitting), "")
    return engine.assign(straight_through=engine["straight_through"] & engine["customer_id"].isin(by_rule), straight_through_rule=rule)


def _listed(plan: Plan, frame: pd.DataFrame) -> pd.DataFrame:
    """Proposals with the customer's name in front, for people."""
    names = plan.snapshot.whole("customers").set_index("customer_id")["name"]
    listed = frame.copy()
    listed.insert(1, "name", names.reindex(frame["customer_id"]).fillna("").to_numpy())
    return listed


def _facts(plan: Plan, record: Review, people: Mapping[str, str]) -> report.ReviewFacts:
    opened = prepare.services(plan.config)
    policy, card = plan.workspace.policy(), plan.workspace.scorecard()
    return report.ReviewFacts(
        company=opened.settings.company,
        review_id=plan.review_id,
        label=plan.label,
        as_of=plan.as_of,
        state=record.state,
        kind=plan.kind,
        scope=plan.scope,
        attempt=record.attempt,
        control_currency=policy.control_currency,
        policy=said("{name}, version {version}", name=policy.name, version=policy.version),
        outcome=card.figure,
        scorecard=said("{name}: {why}", name=heard(card.name), why=heard(card.why)) if card.why else heard(card.name),
        produced_at=f"{opened.clock.now().astimezone(opened.settings.zone):%Y-%m-%d %H:%M %Z}",
        signed_off=_signed_off(record, people),
    )


def _signed_off(record: Review, people: Mapping[str, str]) -> str:
    if record.closed_at is None:
        return ""
    return said("Signed off by {who} on {day}", who=people.get(record.closed_by, record.closed_by), day=record.closed_at.date())


def _data(
    plan: Plan,
    record: Review,
    proposals: list[Proposal],
    risks: list[RiskKept],
    decisions: list[Decision],
    people: Mapping[str, str],
    frame: pd.DataFrame,
    quarantine: pd.DataFrame,
    facts: report.ReviewFacts,
    outputs: list[tuple[str, str, str]],
) -> report.ReportData:
    workspace, snapshot = plan.workspace, plan.snapshot
    policy = workspace.policy()
    kept = manifest.from_json(record.manifest_json)
    currencies = sorted(set(frame["currency"]) - {""})
    return report.ReportData(
        facts=facts,
        customers=snapshot.whole("customers"),
        features=workspace.read_all("features", plan.buckets),
        scores=workspace.read_all("scores", plan.buckets),
        proposals=as_asked(frame, proposals),
        asked=asked(proposals, people),
        portfolio=tuple(figures.portfolio(plan)),
        certificate=_certificate(plan),
        verdicts=validate.verdicts(plan),
        quarantine=quarantine,
        duplicates=snapshot.whole("duplicates"),
        aliases=snapshot.joined_aliases(),
        groups=workspace.read("groups"),
        routes=_routes(plan, record, proposals, people),
        ended=_ended(plan, proposals, decisions, people),
        states=_with_names(_states(plan, frame), people),
        decided=_decided(plan, proposals, decisions, people),
        previous_grades=_previous_grades(plan),
        sources=snapshot.sources(),
        control_totals=snapshot.control_totals(),
        risk_kept=tuple(_risk(one, people) for one in risks),
        exceptions=_exceptions(plan, people),
        order_rates=_order_rates(assess.rates(plan), currencies, policy.control_currency, plan),
        lateness_hold=float(policy.review.bulk_lateness_hold),
        assumptions=tuple(text for mapping in workspace.mappings() for text in mapping.assumptions),
        warnings=(*_hold_words(record, people), *_left_words(plan), *_date_words(plan), *challenger.warnings(plan)),
        left_to_newer=frozenset(outcome.left(plan)),
        notes=snapshot.notes(),
        files=tuple(report.OutputFile(name=name, sha256=digest, what=what) for name, digest, what in outputs),
        manifest=_inputs(kept),
        manifest_digest=record.manifest_digest,
        concentration=workspace.read_json("concentration.json"),
        foreseen=tuple((people.get(owner, owner), customer, one) for owner, customer, one in tracked(stated(snapshot.whole("forecasts")))),
        least_forecasts=policy.limits.need.forecast.least_cases if policy.limits.need.forecast else FEW_CASES,
        run_facts=((said("code"), kept.code_commit), (said("libraries"), kept.lock_sha256[:12]), (said("buckets"), str(plan.buckets))),
    )


def _hold_words(record: Review, people: Mapping[str, str]) -> tuple[str, ...]:
    """Whether routing waits for a person, or who confirmed the extract."""
    if not record.hold:
        return ()
    if record.hold_released_by:
        who = people.get(record.hold_released_by, record.hold_released_by)
        return (said("Routing was held ({why}); {who} has confirmed that the extract is complete.", why=heard(record.hold), who=who),)
    return (
        said(
            "Routing is held until a person confirms that the extract is complete (`{command}`): {why}.",
            command=f"credit-review review confirm {record.review_id}",
            why=heard(record.hold),
        ),
    )


def _left_words(plan: Plan) -> tuple[str, ...]:
    """The changes this review finds and does not propose, because a newer review has seen the customers since."""
    counts = Counter(outcome.left(plan).values())
    return tuple(
        said(
            "Changes of {n} customers that this review finds are not proposed: review {newer} is newer and has reviewed them.",
            n=n,
            newer=newer,
        )
        for newer, n in sorted(counts.items())
    )


def _date_words(plan: Plan) -> tuple[str, ...]:
    """That the scorecard was used outside its dates, which policy allows."""
    dates = prepare.outside_its_dates(plan.workspace.scorecard(), plan)
    return (said("Outside its dates: {dates}.", dates=dates),) if dates else ()


def _certificate(plan: Plan) -> report.Certificate:
    found = plan.workspace.read_json("certificate.json")
    digest = files.sha256_of(plan.workspace.path("certificate.json"))

    def line(one: Mapping[str, Any]) -> report.CertificateLine:
        names = ("line", "customers", "amounts", "rows", "quarantined_rows")
        return report.CertificateLine(**{name: one[name] for name in names})

    return report.Certificate(
        lines=tuple(map(line, found["lines"])),
        total=line(found["total"]),
        ties=True,
        digest=digest,
        canaries=found.get("canaries", {}).get("of", 0),  # certificates of earlier versions have none
    )


def _states(plan: Plan, frame: pd.DataFrame) -> pd.DataFrame:
    """STATES as the review ended."""
    workspace = plan.workspace
    return completeness.with_outcome(
        workspace.read_all("states", plan.buckets, of=STATES),
        frame,
        plan.snapshot.whole("customers"),
        workspace.read("history"),
        policy=workspace.policy(),
        as_of=plan.as_of,
    )


def _with_names(states: pd.DataFrame, people: Mapping[str, str]) -> pd.DataFrame:
    """STATES whose escalations name people as people know them: the last words say who is to resolve it."""
    words = states["escalate"].copy()
    for person_id, name in people.items():
        words = words.str.replace(f"; {person_id} to resolve", f"; {name} to resolve", regex=False)
    return states.assign(escalate=words)


def _decided(
    plan: Plan, proposals: list[Proposal], decisions: list[Decision], people: Mapping[str, str]
) -> tuple[report.DecisionLine, ...]:
    """What people have answered, oldest first; an answer given for somebody else says for whom."""
    zone, asked = prepare.services(plan.config).settings.zone, {p.proposal_id: p for p in proposals}

    def line(one: Decision) -> report.DecisionLine:
        proposal, by = asked[one.proposal_id], people.get(one.approver_id, one.approver_id)
        principal = people.get(one.on_behalf_of or "", one.on_behalf_of or "")
        return report.DecisionLine(
            customer_id=proposal.customer_id,
            currency=proposal.currency,
            from_minor=proposal.from_minor,
            to_minor=proposal.to_minor,
            verdict=one.verdict,
            by=said("{who} for {principal}", who=by, principal=principal) if principal else by,
            on=f"{one.at.astimezone(zone):%Y-%m-%d %H:%M}",
            reason=one.reason,
        )

    return tuple(line(one) for one in sorted(decisions, key=lambda d: (d.at, d.proposal_id, d.approver_id)))


def _ended(plan: Plan, proposals: list[Proposal], decisions: list[Decision], people: Mapping[str, str]) -> tuple[report.EndedLine, ...]:
    exclusions: list[Exclusion] = []
    if any(p.outcome_code == EXCLUDED for p in proposals):
        with prepare.services(plan.config).store.read() as uow:
            exclusions = uow.find(Exclusion, review_id=plan.review_id)
    return ended(proposals, decisions, exclusions, people, {tier.tier: tier.name for tier in plan.workspace.matrix().tiers})


def all_ended(record: Review, proposals: Sequence[Proposal]) -> bool:
    """Whether the review was routed and nothing of it waits any more."""
    return record.last_good_state in ROUTED and bool(proposals) and not any(p.state in OPEN for p in proposals)


def _routes(plan: Plan, record: Review, proposals: list[Proposal], people: Mapping[str, str]) -> pd.DataFrame | None:
    """Who must approve what: one row a proposal that waits for people, none once all have ended; None before routing."""
    import pandas as pd

    from credit_review.report.data import ROUTES

    matrix = plan.workspace.matrix()
    opened = prepare.services(plan.config)
    names = {tier.tier: tier.name for tier in matrix.tiers}
    waiting = [p for p in proposals if p.state in OPEN and p.tier]
    if not waiting and not all_ended(record, proposals):
        return None
    rows = [
        {
            "customer_id": p.customer_id,
            "proposal_id": p.proposal_id,
            "tier": p.tier,
            "tier_name": names.get(p.tier, p.tier),
            "approvals": p.required_approvals,
            "holders": ", ".join(people.get(one, one) for one in _holders(matrix, p, opened.today())),
            "state": p.state,
        }
        for p in waiting
    ]
    return pd.DataFrame(rows, columns=list(ROUTES))


def _holders(matrix: authority.Matrix, proposal: Proposal, day: Any) -> list[str]:
    least = matrix.rank(proposal.tier)
    return sorted(
        {h.person for h in matrix.holders if h.on(day) and h.covers(proposal.region) and matrix.rank(h.tier) >= least},
    )


def _previous_grades(plan: Plan) -> dict[str, str] | None:
    history = plan.workspace.read("history")
    graded = history[history["grade"] != ""].sort_values("as_of").drop_duplicates("customer_id", keep="last")
    return None if graded.empty else dict(zip(graded["customer_id"], graded["grade"], strict=True))


def _risk(one: RiskKept, people: Mapping[str, str]) -> report.RiskKeptLine:
    return report.RiskKeptLine(
        customer_id=one.customer_id,
        currency=one.currency,
        amount_minor=one.amount_minor,
        cause=one.cause,
        by=people.get(one.decided_by or "", one.decided_by or ""),
        reason=one.reason,
        until=one.until,
    )


def _exceptions(plan: Plan, people: Mapping[str, str]) -> tuple[report.ExceptionLine, ...]:
    """Standing departures from policy, as they are when the report is written, those that end first first."""
    opened = prepare.services(plan.config)
    with opened.store.read() as uow:
        found = uow.find(PolicyException, state=exceptions.STANDING, order_by=("ends", "exception_id"))
        left = {one.exception_id for one in exceptions.orphaned(uow, opened.today(), opened.clock.now())} if found else set()
    return tuple(
        report.ExceptionLine(
            customer_id=one.customer_id,
            kind=said(exceptions.KINDS[ExceptionKind(one.kind)]),
            departs=exceptions.departs(one),
            owner=people.get(one.owner_id, one.owner_id),
            left=one.exception_id in left,
            reason=one.reason,
            until=one.ends,
            state=said(exceptions.STATES[ExceptionState(one.state)]),
        )
        for one in found
    )


def _order_rates(table: fx.RateTable, currencies: list[str], control: str, plan: Plan) -> dict[str, float]:
    """Major units of control currency for one of each; a currency without a rate is left out."""
    from credit_review.model.money import exponent

    found: dict[str, float] = {}
    for code in currencies:
        try:
            whole = table.convert(10 ** exponent(code) * 10_000, base=code, quote=control, on=plan.as_of).minor
        except fx.MissingRate:
            continue
        found[code] = whole / 10_000 / 10 ** exponent(control)
    return found


def _inputs(kept: manifest.Manifest) -> dict[str, str]:
    names = (*manifest.SNAPSHOT_INPUTS, "policy", "authority", "scorecard")
    return {name: getattr(kept, name) for name in names if getattr(kept, name)} | {f"mapping {k}": v for k, v in kept.mappings.items()}


def _summary(
    plan: Plan, record: Review, proposals: list[Proposal], frame: pd.DataFrame, quarantine: pd.DataFrame, pages: Mapping[str, str]
) -> Summary:
    frame = as_asked(frame, proposals)
    states = {str(k): int(v) for k, v in frame["state"].value_counts().items()}
    ways = {str(k): int(v) for k, v in frame.loc[frame["state"] == CustomerState.REVIEWED, "direction"].value_counts().items()}
    moves = ", ".join(f"{ways.get(way, 0)} {way}" for way in Direction)
    waiting = sum(p.state in OPEN for p in proposals)
    automatic = sum(p.state == ProposalState.APPROVED for p in proposals)
    headline = f"{len(frame)} customers: {moves}; {automatic} approved by rule, {waiting} wait for people"
    if record.state != ReviewState.ROUTED and record.hold and not record.hold_released_by:
        headline = f"{len(frame)} customers: {moves}; held until a person confirms the extract is complete"
    newer = sorted(set(outcome.left(plan).values()))
    if newer:
        headline += f"; {len(outcome.left(plan))} left to the newer review {', '.join(newer)}"
    facts = {f"customers {name}": str(count) for name, count in sorted(states.items())} | _totals(frame)
    facts |= {"quarantined rows": str(len(quarantine)), "state": str(record.state)}
    kept = manifest.from_json(record.manifest_json)
    coverage = _coverage_rows(plan)
    return outcome.Summary(
        headline=headline,
        facts=facts,
        digests=_inputs(kept) | {"manifest": record.manifest_digest, "certificate": _certificate(plan).digest, **pages},
        tables={
            "proposals": ("Proposals", len(proposals), _proposal_rows(proposals)),
            "quarantine": ("Quarantine", len(quarantine), _quarantine_rows(quarantine)),
            "coverage": ("Coverage", len(coverage), coverage),
        },
        report=plan.workspace.path("report.html").resolve(),
        report_sha256=pages["report.html"],
        snapshot=plan.snapshot.folder.resolve(),
        snapshot_digest=kept.snapshot,
    )


def _totals(frame: pd.DataFrame) -> dict[str, str]:
    """Limits before and after, per currency, of reviewed customers."""
    reviewed = frame[frame["state"] == CustomerState.REVIEWED]
    found = reviewed.groupby("currency")[["from_minor", "to_minor"]].sum()
    return {
        f"limits in {code}": f"{format_minor(int(row['from_minor']), str(code))} to {format_minor(int(row['to_minor']), str(code))}"
        for code, row in found.iterrows()
    }


def _proposal_rows(proposals: list[Proposal]) -> list[dict[str, str]]:
    largest = sorted(proposals, key=lambda p: (-abs(p.to_minor - (p.from_minor or 0)), p.proposal_id))
    return [
        {
            "proposal": p.proposal_id,
            "customer": p.customer_id,
            "way": p.direction,
            "currency": p.currency,
            "from_minor": "" if p.from_minor is None else str(p.from_minor),
            "to_minor": str(p.to_minor),
            "grade": p.grade,
            "tier": p.tier,
            "state": p.state,
            "exceptional": p.exceptional,
        }
        for p in largest[:MOST_ROWS]
    ]


def _quarantine_rows(quarantine: pd.DataFrame) -> list[dict[str, str]]:
    names = ["dataset", "row_key", "expectation", "column", "severity"]
    return [{name: str(row[name]) for name in names} for row in quarantine[names].head(MOST_ROWS).to_dict("records")]


def _coverage_rows(plan: Plan) -> list[dict[str, str]]:
    found = plan.workspace.read_json("certificate.json")
    return [
        {"line": one["line"], "customers": str(one["customers"] or ""), "rows": str(one["rows"]), "amounts": json.dumps(one["amounts"])}
        for one in (*found["lines"], found["total"])
    ]


def refuse_unwritten(plan: Plan) -> None:
    """Return if the review has results to report on. Refused otherwise."""
    if not plan.workspace.has("certificate.json"):
        raise Refused("report.none", f"review {plan.review_id} has no results yet", next_step="`credit-review review resume` goes on")


def write_again(config: str, review_id: str, *, language: str = "") -> Path:
    """Write the report of a review as its record stands now; returns where it is, in that language or the company's.

    Refused when it has no results yet. Raises BadInput for a language nobody knows.
    """
    plan = prepare.plan_of(config, review_id)
    refuse_unwritten(plan)
    company = prepare.services(config).settings.words().language
    name = report.file_name("report", words_for(language=language or company).language, company)
    return write.fn(plan).report.with_name(name)


def certified(config: str, review_id: str) -> Certified:
    """What the review's completeness certificate says. Refused when it has none yet."""
    plan = prepare.plan_of(config, review_id)
    refuse_unwritten(plan)
    found = plan.workspace.read_json("certificate.json")
    customers = {one["line"]: one["customers"] for one in found["lines"] if one["customers"] is not None}
    digest = files.sha256_of(plan.workspace.path("certificate.json"))
    return Certified(digest=digest, customers=customers, quarantined_rows=len(validate.quarantine(plan)))
