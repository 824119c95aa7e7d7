"""Comparing what is stored with what was computed again, value by value, and saying it with the names people know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credit_review.model.money import EXPONENTS, Money
from credit_review.words import marked, said, unpacked

if TYPE_CHECKING:
    import pandas as pd

NAMES: Mapping[str, str] = {
    "open_items_minor": marked("open items"),
    "not_due_minor": marked("not due"),
    "dpd_1_30_minor": marked("1 to 30 days past due"),
    "dpd_31_60_minor": marked("31 to 60 days past due"),
    "dpd_61_90_minor": marked("61 to 90 days past due"),
    "dpd_over_90_minor": marked("more than 90 days past due"),
    "overdue_minor": marked("overdue"),
    "disputed_minor": marked("disputed"),
    "unapplied_credits_minor": marked("unapplied credits"),
    "unbilled_deliveries_minor": marked("unbilled deliveries"),
    "open_orders_minor": marked("open orders"),
    "exposure_minor": marked("exposure"),
    "quarantined_minor": marked("quarantined amount"),
    "insured_minor": marked("insured"),
    "security_minor": marked("security"),
    "own_risk_minor": marked("own risk"),
    "oldest_dpd_days": marked("oldest days past due"),
    "average_days_late": marked("average days late"),
    "days_late_trend": marked("days late trend"),
    "sales_12m_minor": marked("sales of 12 months"),
    "peak_balance_minor": marked("highest balance of 12 months"),
    "need_minor": marked("need"),
    "need_by_terms_minor": marked("need by sales and terms"),
    "utilisation_fraction": marked("utilisation"),
    "overdue_fraction": marked("overdue share"),
    "recommended_limit_minor": marked("recommended limit"),
    "tangible_net_worth_minor": marked("tangible net worth"),
    "limit_minor": marked("limit in force"),
    "from_minor": marked("limit in force"),
    "terms_days": marked("payment terms"),
    "from_terms_days": marked("payment terms in force"),
    "to_terms_days": marked("payment terms"),
    "points": marked("points"),
    "pd_fraction": marked("probability of the outcome"),
    "grade": marked("grade"),
    "behaviour_points": marked("points of payment behaviour"),
    "financial_points": marked("points of financial standing"),
    "band_grade": marked("grade of the score's band"),
    "previous_grade": marked("grade of the last review"),
    "grade_rule": marked("why another grade than the band's"),
    "altman_z2": marked("Altman Z''"),
    "altman_zone": marked("Altman zone"),
    "equity_ratio": marked("equity over total assets"),
    "interest_coverage": marked("EBIT over interest"),
    "reason_codes": marked("reasons"),
    "state": marked("state"),
    "state_reason": marked("reason of the state"),
    "direction": marked("direction"),
    "formula_minor": marked("result of the formula"),
    "policy_segment": marked("segment of the policy"),
    "derivation": marked("figures of policy's formula"),
    "cap_net_worth_minor": marked("cap by net worth"),
    "cap_recommended_minor": marked("cap by recommendation"),
    "cap_grade_minor": marked("cap by grade"),
    "cap_need_minor": marked("cap by need"),
    "secured_minor": marked("security in the caps"),
    "cap_cover_minor": marked("cap by cover"),
    "bad_members": marked("bad members of the group"),
    "kept_by": marked("why the limit was kept"),
    "rate_used": marked("rate of policy's amounts"),
    "season_peak_minor": marked("highest balance of the season"),
    "forecast_minor": marked("need by the account owner's forecast"),
    "forecast_note": marked("how the forecast counts"),
    "need_at_terms_minor": marked("need at the proposed terms"),
    "cover_caps": marked("cap by cover on days to come"),
    "cover_notes": marked("cover that does not count"),
    "cover_cap_minor": marked("cap by cover"),
    "cap_entity_minor": marked("cap by the limit for all our companies"),
    "cap_ceiling_minor": marked("cap by the ceiling in force"),
    "cap_segment_minor": marked("cap by the segment limit in force"),
    "cap_pool_minor": marked("cap by the shared pool"),
    "pool_minor": marked("shared pool of the group"),
    "pool_free_minor": marked("what others leave of the shared pool"),
    "layers_converted": marked("rates of layers in force"),
    "after_caps_minor": marked("after caps"),
    "after_step_minor": marked("after the step limit"),
    "after_rounding_minor": marked("after rounding"),
    "to_minor": marked("limit"),
    "engine_minor": marked("limit of the engine"),
    "blocked_orders_minor": marked("orders that would stop"),
    "over_limit_minor": marked("exposure over the limit"),
    "tier": marked("tier"),
    "approvals": marked("approvals"),
    "assigned_to": marked("worklist"),
    "because": marked("reasons of the tier"),
    "rule": marked("straight-through rule"),
    "to": marked("route"),
    "digest": marked("digest of the packet"),
    "limits_minor": marked("limits of the group"),
}
"""Names of figures; any other goes by its field in the data dictionary."""

NOTHING = marked("nothing")


@dataclass(frozen=True, slots=True)
class Figure:
    """One value: its field, as it is stored and as it was computed again (plain values), and the currency of amounts."""

    name: str
    stored: Any
    found: Any
    currency: str = ""

    def text(self) -> str:
        """`sales of 12 months 1,200,000 EUR stored, 1,100,000 EUR recomputed`."""
        return said(
            "{figure} {stored} stored, {found} recomputed",
            figure=said(NAMES[self.name]) if self.name in NAMES else self.name,
            stored=self._shown(self.stored),
            found=self._shown(self.found),
        )

    def _shown(self, value: Any) -> Any:
        if value is None or value == "":
            return said(NOTHING)
        if self.name.endswith("_minor") and isinstance(value, int) and self.currency in EXPONENTS:
            return Money(value, self.currency)
        return str(value)


def of_values(stored: Mapping[str, Any], found: Mapping[str, Any], *, currency: str, but: Iterable[str] = ()) -> list[Figure]:
    """Fields of two plain mappings that differ, those inside a field as `field.part`; in the order of what was found."""
    left = set(but)
    names = [name for name in [*found, *(n for n in stored if n not in found)] if name not in left]
    figures: list[Figure] = []
    for name in names:
        one, other = _parts(stored.get(name)), _parts(found.get(name))
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            figures += [Figure(f"{name}.{f.name}", f.stored, f.found, currency) for f in of_values(one, other, currency=currency)]
        elif one != other or type(one) is not type(other):
            figures.append(Figure(name, _whole(one), _whole(other), currency))
    return figures


def _parts(value: Any) -> Any:
    """A list as one text, or, where it is of labels and figures or of mappings, by label or position."""
    if not isinstance(value, list):
        return value
    if value and all(isinstance(one, list) and len(one) == 2 for one in value):
        return {str(unpacked(label)): str(unpacked(figure)) for label, figure in value}
    if any(isinstance(one, list | Mapping) for one in value):
        return {str(at): one for at, one in enumerate(value)}
    return ", ".join(str(one) for one in value)


def _whole(value: Any) -> Any:
    return str(value) if isinstance(value, Mapping) else value


def unlike(stored: pd.DataFrame, found: pd.DataFrame, *, key: str) -> dict[str, list[Figure]]:
    """By key, the cells of two frames of one dataset that are not exactly equal; a row that one of them lacks is one figure, `row`."""
    left, right = stored.set_index(key), found.set_index(key)
    figures: dict[str, list[Figure]] = {}
    for one in sorted(set(left.index) ^ set(right.index)):
        figures[str(one)] = [Figure("row", one if one in left.index else None, one if one in right.index else None)]
    both = [one for one in right.index if one in left.index]
    left, right = left.loc[both], right.loc[both]
    currencies = right["currency"].tolist() if "currency" in right.columns else [""] * len(both)
    for name in right.columns:
        pairs = zip(both, _plain(left, name), _plain(right, name), currencies, strict=True)
        for one, before, after, currency in pairs:
            if before != after:
                figures.setdefault(str(one), []).append(Figure(str(name), before, after, currency))
    return figures


def _plain(frame: pd.DataFrame, name: str) -> Sequence[Any]:
    """A column as plain values, missing as None; None for every row where the column is missing."""
    if name not in frame.columns:
        return [None] * len(frame)
    column = frame[name]
    return list(column.astype(object).where(column.notna(), None))
