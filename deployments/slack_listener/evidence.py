"""What a review's files say about one customer, for Why: features, points, dates of the data, rows in quarantine, and a small picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review.adapters.snapshot import open_snapshot
from credit_review.adapters.wiring import Services
from credit_review.adapters.workspace import Workspace
from credit_review.errors import CreditReviewError
from credit_review.hearing import heard
from credit_review.messages.why import Evidence, unknown, wished_minor
from credit_review.model.frames import EXTERNAL, QUARANTINE, bucket_of
from credit_review.model.money import Money, exponent
from credit_review.model.records import Decision, LimitChange, Proposal, Review
from credit_review.ports import UnitOfWork
from credit_review.review.manifest import Manifest, from_json
from credit_review.scoring.reasons import ALREADY, COMBINED, REASONS
from credit_review.statements.models import Zone
from credit_review.words import Words, listed, marked, said

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.policy import LimitRules, Policy

_FIGURES: dict[str, str] = {
    "open_items_minor": said("open items"),
    "overdue_minor": said("overdue"),
    "disputed_minor": said("in dispute"),
    "unapplied_credits_minor": said("unapplied credits"),
    "open_orders_minor": said("open orders"),
    "unbilled_deliveries_minor": said("unbilled deliveries"),
    "exposure_minor": said("exposure"),
    "insured_minor": said("insured"),
    "security_minor": said("secured"),
    "own_risk_minor": said("own risk"),
    "sales_12m_minor": said("sales of 12 months"),
    "peak_balance_minor": said("highest balance of 12 months"),
    "need_minor": said("need"),
    "oldest_dpd_days": said("days past due of the oldest invoice"),
    "average_days_late": said("average days late"),
    "days_late_trend": said("trend of days late"),
    "utilisation_fraction": said("use of the limit"),
    "overdue_fraction": said("overdue share"),
    "months_on_book": said("months on book"),
    "altman_z2": said("Altman Z''"),
    "altman_score": said("Altman score of its kind of company"),
    "altman_zone": said("Altman zone"),
    "altman_z2_trend": said("change of Altman Z'' a year"),
    "equity_ratio": said("equity over total assets"),
    "interest_coverage": said("EBIT over interest"),
    "current_ratio": said("current assets over current liabilities"),
    "net_margin": said("net income over sales"),
    "statements_audited": said("statements"),
    "statements_age_days": said("age of the statements"),
}
_PLAIN = ("altman_z2", "altman_score", "altman_z2_trend", "equity_ratio", "interest_coverage", "current_ratio", "net_margin")
"""Figures without a unit."""
_CODES = {
    Zone.SAFE: said("safe"),
    Zone.GREY: said("grey"),
    Zone.DISTRESS: said("distress"),
    "audited": said("audited"),
    "reviewed": said("looked through by an auditor"),
    "unaudited": said("unaudited"),
}
_LICENSED: dict[str, str] = {
    "external_grade": said("grade of the external report"),
    "external_pd_fraction": said("probability in the external report"),
    "recommended_limit_minor": said("recommended limit of the external report"),
}
_AGES = ("not_due_minor", "dpd_1_30_minor", "dpd_31_60_minor", "dpd_61_90_minor", "dpd_over_90_minor")
_MONTHS = 12


def gather(services: Services, proposal: Proposal, names: Mapping[str, str], words: Words) -> Evidence:
    """The evidence behind a proposal; says what is missing where a file cannot be read."""
    with services.store.read() as uow:
        review = uow.get(Review, review_id=proposal.review_id)
        record = _on_record(uow, proposal, names)
    try:
        if review is None:
            return record
        return replace(record, **_from_files(services, proposal, from_json(review.manifest_json), words))
    except (CreditReviewError, OSError) as error:
        return replace(record, missing=unknown(str(error)).missing)


def _on_record(uow: UnitOfWork, proposal: Proposal, names: Mapping[str, str]) -> Evidence:
    changes = uow.find(LimitChange, account_id=proposal.account_id, order_by=("version",))
    earlier = uow.find(Proposal, account_id=proposal.account_id)
    decisions = uow.find(Decision, proposal_id=[p.proposal_id for p in earlier])
    return Evidence(changes=changes, decisions=decisions, currency=proposal.currency, names=names)


def _from_files(services: Services, proposal: Proposal, manifest: Manifest, words: Words) -> dict[str, Any]:
    workspace, customer = Workspace(services.settings.data, proposal.review_id), proposal.customer_id
    bucket = bucket_of(customer, manifest.bucket_count)
    snapshot = open_snapshot(workspace.snapshots / manifest.snapshot)
    row = _row(workspace.read("features", bucket), customer)
    score = _row(workspace.read("scores", bucket), customer)
    refused = [*_of(snapshot.frame("quarantine", bucket), customer).to_dict("records")]
    refused += _of(workspace.read("quarantine", bucket, of=QUARANTINE), customer).to_dict("records")
    providers = set(_of(snapshot.frame("external", bucket), customer)["provider"])
    policy = workspace.policy()
    shown = providers <= set(services.settings.slack.show_providers) or "*" in services.settings.slack.show_providers
    return {
        "features": [*_figures(row, proposal.currency, words, _FIGURES | (_LICENSED if shown else {})), *_written(row, workspace)],
        "licensed": shown,
        "policy": policy.version,
        "hidden": "" if shown else said("Data of external reports is not shown here: the provider's licence does not allow it."),
        "points": list(_points(score)),
        "score": list(_score(score, workspace.scorecard().figure, policy, words)),
        "basis": list(_basis(row, _row(workspace.read("proposals", bucket), customer), policy.limits, words, licensed=shown)),
        "path": _path(services, proposal, licensed=shown),
        "data_dates": _dates(manifest, row),
        "quarantined": [_sentence(r, licensed=shown) for r in refused],
    }


def _path(services: Services, proposal: Proposal, *, licensed: bool) -> list[str]:
    """What it takes to reach the limit that was asked for beyond the engine's figure, or that is lowered; nothing where neither is."""
    wished = wished_minor(proposal)
    if wished is None:
        return []
    from credit_review import path_to_yes
    from tasks import prepare, what_it_takes

    plan = prepare.plan_of(str(services.settings.folder), proposal.review_id)
    customer = what_it_takes.customer_of(plan, proposal.customer_id)
    worth = customer.policy.limits.caps.net_worth
    return path_to_yes.sentences(path_to_yes.find(customer, wished), accounts_max_age_days=worth.max_age_days, licensed=licensed)


def _row(frame: pd.DataFrame, customer: str) -> Mapping[str, Any]:
    found = _of(frame, customer).to_dict("records")
    return found[0] if found else {}  # type: ignore[return-value]


def _of(frame: pd.DataFrame, customer: str) -> pd.DataFrame:
    return frame[frame["customer_id"] == customer]


def _figures(row: Mapping[str, Any], currency: str, w: Words, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    missing = dict(part.split(": ", 1) for part in str(row.get("not_computable") or "").split("; ") if ": " in part)
    for name, label in wanted.items():
        value = row.get(name)
        known = value is not None and value == value and str(value) not in ("<NA>", "")
        if not known:
            if name in missing or name.removesuffix("_minor") in missing:
                yield label, said("not computable: {why}", why=heard(missing.get(name) or missing[name.removesuffix("_minor")]))
        elif name.endswith("_minor"):
            yield label, said("{amount}", amount=Money(int(value), currency))  # type: ignore[arg-type]
        elif name.endswith("_fraction"):
            yield label, w.percent(float(value), decimals=1)  # type: ignore[arg-type]
        elif isinstance(value, str):
            yield label, _CODES.get(value, value) if name in ("altman_zone", "statements_audited") else value
        elif name in _PLAIN:
            yield label, f"{float(value):.2f}"  # type: ignore[arg-type]
        else:
            figure = w.number(float(value))  # type: ignore[arg-type]
            yield label, said("{figure} months", figure=figure) if name.startswith("months") else said("{figure} days", figure=figure)


def _written(row: Mapping[str, Any], workspace: Workspace) -> Iterator[tuple[str, str]]:
    """The words in remarks about the customer that count against it, where the scorecard lets remarks count."""
    model = workspace.scorecard().text
    if model is not None and row.get("remarks"):
        from credit_review.scoring import text

        words = [word for word, _ in text.drivers(model, str(row["remarks"]))]
        yield said("words in remarks that count against it"), listed(words) if words else said("none")


def _points(score: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    from credit_review.scoring.factors import FACTORS

    in_words = {"base": said("base points"), ALREADY: REASONS["R20"], COMBINED: said("the two views combined")}
    in_words |= {f.name: said(f.words) for f in FACTORS.values()}
    for part in str(score.get("factor_points") or "").split("|"):
        name, _, points = part.partition("=")
        if points:
            yield in_words.get(name, name.replace("_", " ")), int(points)


def _score(score: Mapping[str, Any], figure: str, policy: Policy, w: Words) -> Iterator[tuple[str, str]]:
    """What the points add up to, and what that means."""
    if score.get("points") is not None:
        yield said("points in all"), f"{int(score['points'])}"
        yield said(figure), w.percent(float(score["pd_fraction"]), decimals=2)
        yield said("grade"), policy.grade_title(str(score["grade"]))
    for view, label in _VIEWS.items():
        chance = float(score.get(f"{view}_pd_fraction", "nan"))
        if chance == chance:
            points = int(score[f"{view}_points"])
            yield label, said("{points} points, probability {chance}", points=points, chance=w.percent(chance, decimals=2))
        elif score.get("views"):
            yield label, said("not known")
    if score.get("grade_rule"):
        yield said("grade of the score's band"), policy.grade_title(str(score["band_grade"]))


_VIEWS = {"behaviour": said("payment behaviour alone"), "financial": said("financial standing alone")}


def _basis(row: Mapping[str, Any], found: Mapping[str, Any], rules: LimitRules, w: Words, *, licensed: bool) -> Iterator[tuple[str, str]]:
    """How need and the caps were computed, with the figures that went in: what the derivation begins with."""
    currency = str(found.get("currency") or "")

    def money(value: Any) -> Money | None:
        return None if value is None or value != value or str(value) == "<NA>" else Money(int(value), currency)

    sales, need = money(row.get("sales_12m_minor")), money(row.get("need_minor"))
    if sales is not None and need is not None:
        late = row.get("average_days_late")
        delay = w.number(max(float(late), 0.0)) if late is not None and late == late else "0"
        text = marked("sales of 12 months {sales} x ({terms} days of terms + {late} days late on average) / 365 = {need}")
        yield said("need"), said(text, sales=sales, terms=int(row["terms_days"]), late=delay, need=need)
    stated, cap = money(row.get("recommended_limit_minor")), money(found.get("cap_recommended_minor"))
    if stated is not None and cap is not None:
        factor = f"{rules.caps.recommendation.factor:.2f}"
        shown: Any = stated if licensed else said("the recommended limit")
        yield said("cap by the bureau's recommendation"), said("{stated} x {factor}", stated=shown, factor=factor)
    worth, grade = money(row.get("tangible_net_worth_minor")), rules.by_grade.get(str(found.get("grade") or ""))
    if worth is not None and grade is not None and money(found.get("cap_net_worth_minor")) is not None:
        share = w.percent(float(grade.net_worth_fraction), decimals=1)
        yield (
            said("cap by tangible net worth"),
            said("{worth} x {share} (grade {grade})", worth=worth, share=share, grade=str(found["grade"])),
        )


def _dates(manifest: Manifest, row: Mapping[str, Any]) -> list[tuple[str, date | None]]:
    dates: list[tuple[str, date | None]] = [(said("ledger as of"), manifest.as_of)]
    age = row.get("external_age_days")
    if age is not None and age == age:
        dates.append((said("external report of"), manifest.as_of - timedelta(days=int(age))))
    return dates


def _sentence(row: Mapping[Any, Any], *, licensed: bool) -> str:
    if row["dataset"] == EXTERNAL.name and not licensed:  # neither value nor reason, which may repeat it
        return said("{row}: a row of the external report was set aside ({column})", row=str(row["row_key"]), column=str(row["column"]))
    found = {"row": str(row["row_key"]), "why": heard(str(row["reason"])), "column": str(row["column"]), "value": repr(row["value"])}
    return said("{row}: {why} ({column} = {value})", **found)


# --- the picture --------------------------------------------------------------------------------------------------------------------


def picture(services: Services, proposal: Proposal, words: Words) -> bytes:
    """A small PNG: open items by age, and open items at month ends. Empty when the review's files cannot be read."""
    with services.store.read() as uow:
        review = uow.get(Review, review_id=proposal.review_id)
    if review is None:
        return b""
    try:
        manifest = from_json(review.manifest_json)
        workspace, bucket = Workspace(services.settings.data, proposal.review_id), bucket_of(proposal.customer_id, manifest.bucket_count)
        row = _row(workspace.read("features", bucket), proposal.customer_id)
        items = _of(open_snapshot(workspace.snapshots / manifest.snapshot).frame("items", bucket), proposal.customer_id)
    except (CreditReviewError, OSError):
        return b""
    return _drawn(row, _month_ends(items, manifest.as_of), proposal.currency, words) if row else b""


def _month_ends(items: pd.DataFrame, as_of: date) -> list[tuple[date, int]]:
    """Open items (minor units) at the last twelve month ends up to the as-of day."""
    import pandas as pd

    posted, cleared = pd.to_datetime(items["posting_date"]), pd.to_datetime(items["clearing_date"])
    amount = items["amount_minor"].where(cleared.notna(), items["open_minor"])
    ends = [pd.Timestamp(as_of) - pd.offsets.MonthEnd(n) if n else pd.Timestamp(as_of) for n in range(_MONTHS - 1, -1, -1)]
    return [(end.date(), int(amount[(posted <= end) & (cleared.isna() | (cleared > end))].sum())) for end in ends]


_CHINESE = (
    "NotoSansCJK-Regular", "NotoSansCJKsc-Regular", "NotoSansSC-Regular", "SourceHanSansSC-Regular", "PingFang", "msyh", "wqy-microhei",
    "wqy-zenhei",
)  # fmt: skip
"""Files of fonts with Chinese characters, the best first: a picture carries its letters with it, so who draws it must have one."""


@lru_cache(maxsize=4)
def _fonts(language: str) -> list[str]:
    """The fonts to draw a language with, in order; empty when none of this machine can write it."""
    from matplotlib import font_manager

    if language == "en":
        return ["DejaVu Sans"]
    there = {Path(path).stem: path for path in font_manager.findSystemFonts()}
    found = next((there[name] for name in _CHINESE if name in there), "")
    if not found:
        return []
    font_manager.fontManager.addfont(found)  # which need not be in the list matplotlib keeps
    return [font_manager.get_font(found).family_name, "DejaVu Sans"]


def _drawn(row: Mapping[str, Any], months: list[tuple[date, int]], currency: str, w: Words) -> bytes:
    from matplotlib.figure import Figure

    unit, fonts = 10 ** exponent(currency), _fonts(w.language)
    say: Callable[[str], str] = w.say if fonts else str
    figure = Figure(figsize=(6.4, 2.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = [say(said("not due")), "1-30", "31-60", "61-90", ">90"]
    left.bar(labels, [int(row.get(name) or 0) / unit for name in _AGES], color=["#2a7f62", "#8bbf9f", "#e9c46a", "#f4a261", "#c8553d"])
    left.set_title(say(said("Open items by days past due, {currency}", currency=currency)), fontsize=8, fontfamily=fonts or None)
    right.plot([day for day, _ in months], [minor / unit for _, minor in months], color="#22577a", marker="o", markersize=3)
    right.set_title(say(said("Open items at month ends, {currency}", currency=currency)), fontsize=8, fontfamily=fonts or None)
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.tick_params(labelsize=7, labelfontfamily=fonts or None)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter(lambda value, _: w.number(value))
    figure.autofmt_xdate(rotation=30)
    for label in left.get_xticklabels():
        label.set_rotation(0)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
