"""`replay`: a review, or the review of one proposal, computed again and compared with what is on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.words import said, said_many
from deployments.cli.frame import services, show_json, show_pairs, tell
from deployments.cli.watching import watched

if TYPE_CHECKING:
    from credit_review.replay import Found

MOST = 100
"""Differences that are listed; the rest is counted."""


def replay(config: Path, subject: str, *, anyway: bool, as_json: bool) -> int:
    """Print what came out another; returns 0 equal, 1 different, 2 cannot tell."""
    services(config)
    with watched():
        from tasks import replaying

        found = replaying.replay(str(config), subject, anyway=anyway)
    if as_json:
        show_json({"answer": ("equal", "different", "cannot tell")[found.exit_code], **_plain(found)})
    else:
        _tell(found, anyway=anyway)
    return found.exit_code


def _plain(found: Found) -> dict[str, object]:
    return {
        "review": found.review_id,
        "proposal": found.proposal_id or None,
        "compared": {"inputs": found.checked, "customers": found.customers, "proposals": found.proposals, "routes": found.routes},
        "inputs": [{"input": one.name, "where": one.where, "expected": one.expected, "found": one.found} for one in found.inputs],
        "missing": list(found.missing),
        "differences": [
            {
                "customer": one.customer or None,
                "text": one.text,
                "figures": [{"name": f.name, "stored": f.stored, "recomputed": f.found, "currency": f.currency} for f in one.figures],
            }
            for one in found.differences
        ],
        "people": list(found.people),
        "notes": list(found.notes),
    }


def _tell(found: Found, *, anyway: bool) -> None:
    show_pairs({said("Review"): found.review_id} | ({said("Proposal"): found.proposal_id} if found.proposal_id else {}))
    show_pairs(
        {
            said("Inputs compared"): found.checked,
            said("Customers computed again"): found.customers,
            said("Proposals made again"): found.proposals,
            said("Routes worked out again"): found.routes,
        }
    )
    for sentence in (*found.notes, *found.people):
        tell(sentence)
    for one in found.inputs:
        tell(one.text())
    for sentence in found.missing:
        tell(sentence)
    for difference in found.differences[:MOST]:
        tell(difference.text)
    _conclude(found, anyway=anyway)


def _conclude(found: Found, *, anyway: bool) -> None:
    count = len(found.inputs) + len(found.differences)
    if count:
        tell(said_many("different: {n} difference", "different: {n} differences", n=count))
        if found.inputs and not anyway:
            tell(said("nothing was computed again; --anyway goes on with the inputs as they stand and names the figures that differ"))
    elif found.missing:
        tell(said("cannot tell: something needed is missing"))
    else:
        tell(said("equal: everything that was computed again is on record as it came out, byte for byte"))
