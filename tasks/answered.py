"""What people made of the proposals of a review, for its report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from credit_review import report
from credit_review.model.records import Decision, Exclusion, Proposal
from credit_review.model.states import ProposalState

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
