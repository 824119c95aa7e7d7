"""What people made of the proposals of a review, for its report."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from credit_review import report
from credit_review.model.records import Decision, Exclusion, Proposal
from credit_review.model.states import Direction, Layer, ProposalState
from credit_review.review.request import REQUESTED

if TYPE_CHECKING:
    import pandas as pd

OPEN = (ProposalState.DRAFT, ProposalState.PENDING)
EXCLUDED = "excluded"


def ended(
    proposals: Iterable[Proposal],
    decisions: Sequence[Decision],
    exclusions: Sequence[Exclusion],
    people: Mapping[str, str],
    tiers: Mapping[str, str],
) -> tuple[report.EndedLine, ...]:
    """How the proposals that needed people ended: a line a tier, end and people who answered. `people` and `tiers` are names by id."""
    by: dict[str, set[str]] = defaultdict(set)
    for one in decisions:
        by[one.proposal_id].add(people.get(one.approver_id, one.approver_id))
    owners = {one.customer_id: people.get(one.owner_id, one.owner_id) for one in exclusions}
    found: Counter[tuple[str, str, str]] = Counter()
    for one in proposals:
        if one.state in OPEN or not one.tier:
            continue
        out = one.outcome_code == EXCLUDED
        who = {owners[one.customer_id]} if out and one.customer_id in owners else by[one.proposal_id]
        found[one.tier, EXCLUDED if out else str(one.state), ", ".join(sorted(who))] += 1
    return tuple(
        report.EndedLine(tier=f"{tier} {tiers.get(tier, '')}".strip(), how=how, by=who, count=n)
        for (tier, how, who), n in sorted(found.items())
    )


def asked(proposals: Iterable[Proposal], people: Mapping[str, str]) -> tuple[report.AskedLine, ...]:
    """Of a request, what a person asked for and what became of it, where that is not what the engine found of itself."""
    return tuple(
        report.AskedLine(
            customer_id=one.customer_id,
            currency=one.currency,
            layer=packet.get("layer", Layer.BASE),
            by=people.get(packet["request"]["by"], packet["request"]["by"]),
            asked_minor=packet["request"]["amount_minor"],
            engine_minor=one.engine_minor,
            to_minor=one.to_minor,
            state=one.state,
        )
        for one, packet in _requested(proposals)
    )


def as_asked(frame: pd.DataFrame, proposals: Iterable[Proposal]) -> pd.DataFrame:
    """PROPOSALS of a request with what is proposed on record for what the engine found: base limits, and temporary ones while they last.

    Bounds stay out of it: they are no limit of their own. Temporary limits below the base limit leave it as it is.
    """
    found = frame.copy()
    for one, packet in _requested(proposals):
        rows = found["customer_id"].eq(one.customer_id)
        layer = packet.get("layer", Layer.BASE)
        if layer not in (Layer.BASE, Layer.TEMPORARY) or not rows.any():
            continue
        had = found.loc[rows, "from_minor"].iloc[0]
        to, way, terms = one.to_minor, one.direction, one.terms_days
        if layer == Layer.TEMPORARY and had == had and had is not None:
            to = max(to, int(had))
            way = Direction.UP if to > had else Direction.SAME
        figures: dict[str, Any] = {"to_minor": to, "direction": str(way), "exceptional": one.exceptional}
        figures |= {name: packet.get(name) for name in ("over_limit_minor", "blocked_orders_minor")}
        if terms is not None:
            figures["to_terms_days"] = terms
        for name, value in figures.items():
            found.loc[rows, name] = value
    return found


def _requested(proposals: Iterable[Proposal]) -> list[tuple[Proposal, dict[str, Any]]]:
    """The last proposal a customer and its packet, where a person asked for it and it is not the engine's figure for the limit itself."""
    requested = (one for one in proposals if REQUESTED in one.exceptional.split("|"))
    last = {one.customer_id: one for one in sorted(requested, key=attrgetter("created_at", "proposal_id"))}
    found = [(one, json.loads(one.packet_json)) for one in last.values()]
    return [
        (one, p) for one, p in found if p.get("request") and (one.to_minor != one.engine_minor or p.get("layer", Layer.BASE) != Layer.BASE)
    ]
