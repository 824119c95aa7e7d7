"""The yearly report on the policy in force: the reviews it was used in are read, report and figures written, one audit entry appended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import documents, fx, report
from credit_review import policy as policies
from credit_review.adapters import files
from credit_review.audit import Action
from credit_review.documents import Document
from credit_review.errors import BadInput
from credit_review.model.records import GovernedDocument, Proposal, Review
from credit_review.model.states import DocumentOfRecord, ProposalState
from credit_review.ports import Entry
from credit_review.review import manifest as manifests
from credit_review.review.book import reviews_of_book
from credit_review.review.governed import in_force
from credit_review.words import LANGUAGES, marked, said, words_for
from tasks import assess, prepare
from tasks.defaults import outside
from tasks.progress import stage
from tasks.since import Since

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.wiring import Services
    from credit_review.policy import Policy
    from credit_review.policy_effect.effectiveness import Effectiveness
    from tasks.plan import Plan

SYSTEM = "system:policy_effectiveness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the report left: one line, sentences in short, the figures as JSON values, and where the page is; None: nothing to look at."""

    headline: str
    lines: Sequence[str]
    figures: Mapping[str, Any]
    rows: Sequence[Mapping[str, str | int]]
    page: Path | None
    page_digest: str


@outside(name="report on the policy", task_run_name="report on the policy of {year}")
def effectiveness(config: str, year: int) -> Reported:
    """The report on the policy in force over a year; 0: the year before today's. If no review of that year used it, on the one most used.
    Raises BadInput without a policy. Safe to repeat."""
    opened = prepare.services(config)
    year = year or opened.today().year - 1
    reviews = _reviews(opened, year)
    current = _current(opened)
    used = [manifests.from_json(r.manifest_json).policy for r in reviews]
    document, policy = _policy(opened, current, told_of(current.digest, used), year)
    mine = [r for r in reviews if manifests.from_json(r.manifest_json).policy == document.digest]
    plans = [plan for plan in (prepare.plan_of(config, r.review_id) for r in mine) if plan.workspace.has("proposals")]
    if not plans:
        nothing = said("no review of {year} was made under {name}, version {version}: nothing to say of it", year=year, name=document.name,
                       version=policy.version)  # fmt: skip
        return Reported(headline=nothing, lines=(), figures={}, rows=(), page=None, page_digest="")
    found = _found(config, opened, year, (document, policy), reviews, plans)
    done = _written(opened, found)
    if document.digest == current.digest:
        return done
    return replace(done, lines=(done.headline, said(_EARLIER, year=year, name=current.name), *done.lines[1:]))


_EARLIER = marked("The policy in force today, {name}, was used in no review of {year}: this is the one that most of them used.")


def told_of(current: str, used: Sequence[str]) -> str:
    """The digest of the policy to report on: the one in force if a review of the year used it, else the one most of them used, of several
    the latest. `used` are the digests of the reviews, oldest first."""
    if current in used or not used:
        return current
    counts, last = Counter(used), {digest: n for n, digest in enumerate(used)}
    return max(counts, key=lambda digest: (counts[digest], last[digest]))


def _policy(opened: Services, current: GovernedDocument, digest: str, year: int) -> tuple[Document, Policy]:
    """The policy of that digest; the one in force where it is not on record."""
    with opened.store.read() as uow:
        found = uow.find(GovernedDocument, kind=DocumentOfRecord.POLICY, digest=digest)
    one = found[0] if found else current
    document = documents.parse(one.content, name=one.name)
    try:
        return document, policies.load(document)
    except BadInput as error:
        if one.digest == current.digest:
            raise
        raise BadInput(
            said("the policy of the reviews of {year} cannot be read by this version: {error}", year=year, error=error.what),
            expected=said("a policy of this version"),
        ) from error


def _current(opened: Services) -> GovernedDocument:
    with opened.store.read() as uow:
        current = in_force(uow, DocumentOfRecord.POLICY, opened.clock.now())
    if current is None:
        raise BadInput(
            said("no policy is in force"), expected=said("a policy that two people adopted"),
            next_step=said("two people run `credit-review adopt policy.yaml`"),
        )  # fmt: skip
    return current


def _reviews(opened: Services, year: int) -> list[Review]:
    with opened.store.read() as uow:
        return [r for r in reviews_of_book(uow) if r.as_of.year == year]


def _found(
    config: str, opened: Services, year: int, policy: tuple[Document, Policy], reviews: Sequence[Review], plans: Sequence[Plan]
) -> Effectiveness:
    from credit_review.policy_effect.effectiveness import Effectiveness

    document, rules = policy
    with opened.store.read() as uow:
        newest = prepare.plan_of(config, reviews_of_book(uow)[-1].review_id)
    since = Since(plans, newest, rules)
    figures: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    with stage("Reading the reviews of the year") as at:
        for plan in plans:
            figures.update(_of_review(plan, newest, since, rules, seen))
        at.rows = len(seen)
    rejected, minor = _rejected(opened, plans, rules)
    first, known = plans[0], [since.known(plan) for plan in plans]
    return Effectiveness(
        year=year,
        name=document.name,
        version=rules.version,
        digest=document.digest,
        control_currency=rules.control_currency,
        grades=rules.grade_names,
        window_months=rules.outcome.window_months,
        reviews=tuple(_line(r, document.digest) for r in reviews),
        known=next((day for day in known if day), None),
        why_unknown=since.why_unknown(first),
        figures={key: n for key, n in figures.items() if n},
        rejected=rejected,
        rejected_minor=minor,
    )


def _line(review: Review, digest: str) -> Any:
    from credit_review.policy_effect.effectiveness import Reviewed

    used = manifests.from_json(review.manifest_json).policy
    return Reviewed(label=review.label, as_of=review.as_of, version=used[:12], counts=used == digest)


def _of_review(plan: Plan, newest: Plan, since: Since, rules: Policy, seen: set[str]) -> Counter[tuple[str, str]]:
    """Figures of the customers that this review is the first of the year to reach; they are added to `seen`."""
    from credit_review.policy_effect.effectiveness import count

    figures: Counter[tuple[str, str]] = Counter()
    later, lost, rates = since.of(plan), since.lost(plan), assess.rates(plan)
    after = _sales_since(plan, newest)
    for bucket in range(plan.buckets):
        proposals = plan.workspace.read("proposals", bucket)
        fresh = proposals[(proposals["state"] == "reviewed") & ~proposals["customer_id"].isin(seen)]
        seen.update(fresh["customer_id"])
        before = plan.workspace.read("features", bucket).set_index("customer_id")["sales_12m_minor"]
        sales = before.to_frame("before").assign(after=after.reindex(before.index))
        figures.update(count(fresh, later, lost, sales, policy=rules, as_of=plan.as_of, rates=rates))
    return figures


def _sales_since(plan: Plan, newest: Plan) -> pd.Series[Any]:
    """Sales of the twelve months before the newest review, by customer, where all of these lie after the review; else empty."""
    import pandas as pd

    if (pd.Timestamp(plan.as_of) + pd.DateOffset(years=1)).date() > newest.as_of:
        return pd.Series(dtype="Int64")
    features = newest.workspace.read_all("features", newest.buckets)
    return features.set_index("customer_id")["sales_12m_minor"].astype("Int64")


def _rejected(opened: Services, plans: Sequence[Plan], rules: Policy) -> tuple[int, int]:
    """Proposals of these reviews that people rejected: how many, and by how much they would have raised limits, in control currency."""
    by_review = {plan.review_id: assess.rates(plan) for plan in plans}
    days = {plan.review_id: plan.as_of for plan in plans}
    with opened.store.read() as uow:
        found = uow.find(Proposal, review_id=sorted(by_review), state=ProposalState.REJECTED)
    minor = 0
    for one in found:
        more = max(0, one.to_minor - (one.from_minor or 0))
        minor += _converted(by_review[one.review_id], more, one.currency, rules.control_currency, days[one.review_id])
    return len(found), minor


def _converted(rates: fx.RateTable, minor: int, currency: str, control: str, on: date) -> int:
    return rates.convert(minor, base=currency, quote=control, on=on).minor if minor else 0


def _written(opened: Services, found: Effectiveness) -> Reported:
    """The page in every language and the figures, in a folder of this run, and the audit entry."""
    from credit_review.policy_effect.effectiveness import plain

    settings, now = opened.settings, opened.clock.now()
    folder = settings.data / "policy" / f"effectiveness-{found.year}-{now:%Y-%m-%dT%H%M%SZ}"
    company = settings.words()
    readers = [company, *(words_for(language=one, zone=settings.time_zone) for one in sorted(LANGUAGES) if one != company.language)]
    produced = f"{now.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}"
    pages = report.effectiveness_pages(found, readers, company=settings.company, produced_at=produced)
    for reader, page in zip(readers, pages, strict=True):
        files.write_text(folder / report.file_name("effectiveness", reader.language, company.language), page)
    figures = json.loads(json.dumps(plain(found)))
    files.write_text(folder / "effectiveness.json", json.dumps(figures, ensure_ascii=False, sort_keys=True, indent=1) + "\n", sealed=True)
    page = folder / report.file_name("effectiveness", company.language, company.language)
    digest = files.sha256_of(page)
    data = {"year": found.year, "reviews": [r.as_of.isoformat() for r in found.reviews if r.counts], "report": digest}
    with opened.store.begin(interactive=False) as uow:
        uow.append(Entry(action=Action.POLICY_EFFECT_REPORTED, actor=SYSTEM, entity=f"document:{found.digest}", data=data))
        uow.commit()
    lines = report.effectiveness_summary(found)
    return Reported(headline=lines[0], lines=lines, figures=figures, rows=_rows(figures), page=page, page_digest=digest)


def _rows(figures: Mapping[str, Any]) -> list[dict[str, str | int]]:
    """What the Prefect UI shows: grades and rules by code, counts and rates."""
    lines = [("all", figures["all"]), *((f"grade {g}", one) for g, one in figures["grades"].items() if one["customers"])]
    lines += figures["rules"].items()
    return [
        {
            "of": code, "customers": one["customers"], "late": one["late"], "written off": one["written_off"], "status": one["status"],
            "good": one["good"], "not yet known": one["not_yet_known"], "loss_minor": one["loss_minor"],
            "rate": "too few to say" if one["rate"] is None else f"{one['rate'][0]:.4f} ({one['rate'][1]:.4f} to {one['rate'][2]:.4f})",
        }
        for code, one in lines
    ]  # fmt: skip
