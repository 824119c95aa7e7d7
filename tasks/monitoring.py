"""The monthly look at a scorecard in use: the reviews on record are read, and report, audit entry and findings written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import report, scoring
from credit_review.adapters import files
from credit_review.audit import Action
from credit_review.controls.alarm import Alarm
from credit_review.monitoring.overrides import QUARTERS
from credit_review.ports import Entry
from credit_review.review import coaching, findings
from credit_review.review.book import reviews_of_book
from credit_review.review.working import Company
from credit_review.words import LANGUAGES, marked, said, said_many, words_for
from tasks import hindsight, prepare
from tasks.defaults import outside

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.wiring import Services
    from credit_review.monitoring.book import Monitored, Past
    from credit_review.policy import Policy
    from tasks.plan import Plan

SYSTEM = "system:monitor_scorecard"
MOST_REVIEWS = 16
"""Reviews that are looked back on: four years of quarters."""
_SCORES = ["customer_id", "scorecard", "points", "pd_fraction", "grade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What monitoring left: one line, tables of ids, codes and counts, where the report is, and the figures as JSON values.

    `report` None: there was nothing to look at. `alarms` counts exceptions.
    """

    headline: str
    tables: Mapping[str, tuple[str, Sequence[Mapping[str, str | int]]]]
    report: Path | None
    report_sha256: str
    alarms: int
    lines: Sequence[str]
    figures: Mapping[str, Any]


@outside(name="monitor the scorecard", task_run_name="monitor the scorecard")
def monitor(config: str) -> Done:
    """Look at the scorecard of the newest review; a finding each exception, one audit entry. Safe to repeat."""
    from credit_review.monitoring.book import monitor as judge
    from credit_review.monitoring.book import plain

    opened = prepare.services(config)
    plans = _plans(config, opened)
    if not plans:
        nothing = said("no review has scored customers yet: nothing to monitor")
        return Done(headline=nothing, tables={}, report=None, report_sha256="", alarms=0, lines=(), figures={})
    found = judge(past_of(config, opened, plans))
    figures = json.loads(json.dumps(plain(found), default=str))
    path, digest = _written(opened, found, figures)
    fresh = _recorded(opened, found, digest)
    counted = said_many("{n} exception found", "{n} exceptions found", n=len(found.alarms))
    headline = said("{card}, {reviews} reviews: {exceptions}, {fresh} of them new", card=found.card.name, reviews=len(found.days),
                    exceptions=counted, fresh=fresh)  # fmt: skip
    return Done(headline=headline, tables=_tables(found), report=path, report_sha256=digest, alarms=len(found.alarms),
                lines=report.monitoring_summary(found), figures=figures)  # fmt: skip


def _plans(config: str, opened: Services) -> list[Plan]:
    """Reviews of the book with scores, oldest first, one a day: of several the one started last."""
    with opened.store.read() as uow:
        known = reviews_of_book(uow)
    plans = [prepare.plan_of(config, one.review_id) for one in known]
    return [one for one in plans if one.workspace.has("scores")][-MOST_REVIEWS:]


def past_of(config: str, opened: Services, plans: Sequence[Plan]) -> Past:
    """What these reviews say, as `monitoring.book` reads it."""
    import pandas as pd

    from credit_review.monitoring.book import Past, factor_counts

    newest = plans[-1]
    card, policy = newest.workspace.scorecard(), newest.workspace.policy()
    digest = scoring.digest(card)
    scores = pd.concat([_scores(one) for one in plans], ignore_index=True)
    mine = scores.loc[scores["scorecard"] == digest, "as_of"]
    first = next(one for one in plans if pd.Timestamp(one.as_of) == mine.min())
    outcomes, why = _outcomes(plans, policy)
    with opened.store.read() as uow:
        overrides = coaching.gather(uow, date.min, opened.today(), opened.settings.zone)[1]
    return Past(
        card=card,
        digest=digest,
        grades=policy.grade_names,
        window_months=policy.outcome.window_months,
        seed=opened.settings.review.seed,
        today=opened.today(),
        scores=scores,
        outcomes=outcomes,
        no_outcomes=why,
        factors=factor_counts(card, newest.workspace.read_all("features", newest.buckets)),
        first_factors={} if first is newest else factor_counts(card, first.workspace.read_all("features", first.buckets)),
        overrides=tuple(overrides),
        hindsight=hindsight.hindsight(config, overrides),
    )


def _scores(plan: Plan) -> pd.DataFrame:
    import pandas as pd

    scores = plan.workspace.read_all("scores", plan.buckets)[_SCORES]
    features = plan.workspace.read_all("features", plan.buckets)[["customer_id", "group_id", "oldest_dpd_days"]]
    both = scores.merge(features, on="customer_id")
    late = both["oldest_dpd_days"] > plan.workspace.policy().outcome.days_past_due
    return both.drop(columns="oldest_dpd_days").assign(late=late, as_of=pd.Timestamp(plan.as_of).as_unit("s"))


def _outcomes(plans: Sequence[Plan], policy: Policy) -> tuple[pd.DataFrame, str]:
    """What became of the customers of each review, by the ledger of the newest one and the rule that cards are fitted by."""
    import pandas as pd

    newest = plans[-1]
    empty = pd.DataFrame({"as_of": pd.Series(dtype="datetime64[s]"), "quarters": pd.Series(dtype="int64"), "whole": pd.Series(dtype=bool),
                          "customer_id": pd.Series(dtype="str"), "outcome": pd.Series(dtype="int64")})  # fmt: skip
    if "cleared_items" not in newest.workspace.capabilities():
        return empty, marked("the source states no cleared items, so what became of customers is not known")
    parts = [empty]
    for bucket in range(newest.buckets):
        items, customers = newest.snapshot.frame("items", bucket), newest.snapshot.frame("customers", bucket)
        for plan in plans[:-1]:
            for months in looks(policy.outcome.window_months):
                parts.append(_outcome(items, customers, plan.as_of, newest.as_of, policy, months))
    return pd.concat([one for one in parts if len(one)] or [empty], ignore_index=True), ""


def looks(window_months: int) -> list[int]:
    """Months after a review at which outcomes are counted: two and four quarters, and the window of the probability; none beyond it."""
    return sorted({min(3 * quarters, window_months) for quarters in QUARTERS} | {window_months})


def _outcome(items: pd.DataFrame, customers: pd.DataFrame, day: date, known: date, policy: Policy, months: int) -> pd.DataFrame:
    import pandas as pd

    from credit_review.scoring.outcomes import window_end

    within = policy.model_copy(update={"outcome": policy.outcome.model_copy(update={"window_months": months})})
    if window_end(day, within) > known:
        return pd.DataFrame()
    found = scoring.outcome(items, customers, cutoff=day, as_of=known, policy=within)
    counted = found.loc[found["left_out"] == "", ["customer_id", "outcome"]]
    whole = months == policy.outcome.window_months
    return counted.assign(as_of=pd.Timestamp(day).as_unit("s"), quarters=-(-months // 3), whole=whole)


# --- what it leaves -------------------------------------------------------------------------------------------------------------------


def _written(opened: Services, found: Monitored, figures: Mapping[str, Any]) -> tuple[Path, str]:
    """The pages in every language and the figures as JSON, in a folder of this run; path and SHA-256 of the company's page."""
    settings, now = opened.settings, opened.clock.now()
    folder = settings.data / "monitoring" / f"{now:%Y-%m-%dT%H%M%SZ}"
    folder.mkdir(parents=True, exist_ok=True)
    company = settings.words()
    readers = [company, *(words_for(language=one, zone=settings.time_zone) for one in sorted(LANGUAGES) if one != company.language)]
    produced = f"{now.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}"
    pages = report.monitoring_pages(found, readers, company=settings.company, produced_at=produced)
    for reader, page in reversed(list(zip(readers, pages, strict=True))):
        files.write_text(folder / report.file_name("monitoring", reader.language, company.language), page)
    files.write_text(folder / "monitoring.json", json.dumps(figures, ensure_ascii=False, sort_keys=True, indent=1) + "\n", sealed=True)
    path = folder / "monitoring.html"
    return path, files.sha256_of(path)


def _recorded(opened: Services, found: Monitored, digest: str) -> int:
    """One audit entry, and a finding each exception, in one transaction; how many findings are new."""
    company = Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)
    data = {"report": digest, "reviews": [day.isoformat() for day in found.days], "customers": found.customers}
    data |= {"alarms": [one.key for one in found.alarms], "waits": dict(found.waits)}
    with opened.store.begin(interactive=False) as uow:
        became = findings.open_for(uow, found.alarms, company, opened.clock.now())
        uow.append(Entry(action=Action.MODEL_MONITORED, actor=SYSTEM, entity=f"document:{found.digest}", data=data))
        uow.commit()
    return len(became.opened) + len(became.reopened)


def _tables(found: Monitored) -> dict[str, tuple[str, list[dict[str, str | int]]]]:
    """What the Prefect UI shows: figures and their counts. Overrides only in sums: whoever reads artifacts is not who reads them."""
    drifts = [one for one in (found.score_drift, *found.factor_drift) if one is not None]
    return {
        "scorecard-alarms": ("Exceptions of the scorecard", [_alarm(one) for one in found.alarms]),
        "scorecard-back-test": ("Said and found, by review and grade", [
            {"review": c.as_of.isoformat(), "quarters": c.quarters, "grade": c.grade or "all", "customers": c.found.of, "bad": c.found.bad,
             "said": f"{c.expected:.4f}", "low": f"{c.found.low:.4f}", "high": f"{c.found.high:.4f}", "verdict": str(c.verdict)}
            for c in found.cells
        ]),
        "scorecard-drift": ("Drift", [
            {"what": d.what, "before": sum(d.before), "now": sum(d.now), "psi": f"{d.psi:.4f}", "limit": f"{d.limit:.4f}",
             "alarms": "yes" if d.alarms else "no"}
            for d in drifts
        ]),
        "scorecard-overrides": ("Overrides in hindsight", [
            {"way": "up" if s.up else "down", "quarters": s.quarters, "made": s.made, "known": s.late.of, "late": s.late.bad,
             "engine": "" if s.engine is None else f"{s.engine:.4f}", "left_alone": s.left_alone.of, "late_of_them": s.left_alone.bad}
            for s in found.scored if s.made
        ]),
        "scorecard-waits": ("Needs more quarters", [{"part": part, "quarters": n} for part, n in sorted(found.waits.items())]),
    }  # fmt: skip


def _alarm(alarm: Alarm) -> dict[str, str | int]:
    facts = ", ".join(f"{name} {value}" for name, value in sorted(alarm.facts.items()))
    return {"control": alarm.control, "severity": str(alarm.severity), "subject": alarm.subject, "facts": facts}
