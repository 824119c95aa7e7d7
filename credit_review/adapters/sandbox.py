"""The database of a rehearsal: a file of its own that holds the cases and the answers, and never the answers' key.

Nothing here is given the real store. A file that is the real database, or that holds anything but cases, is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from credit_review.adapters.store import schema
from credit_review.adapters.store.engine import parse_url, sqlite_file
from credit_review.adapters.store.unit_of_work import SqlStore, open_store
from credit_review.audit import canonical
from credit_review.errors import Refused
from credit_review.model.records import Decision, LimitAccount, Proposal, Review
from credit_review.model.states import Assurance, ProposalState, Verdict
from credit_review.ports import Clock, Entry
from credit_review.review.manifest import digest_of
from credit_review.words import said

REVIEW = "rehearsal"
"""Id of the only review that such a database holds."""
FILE_NAME = "sandbox.db"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The cases of one rehearsal in their database."""

    store: SqlStore
    person_id: str

    def proposals(self) -> list[Proposal]:
        """The cases in order, as proposals that wait."""
        with self.store.read() as uow:
            return sorted(uow.find(Proposal), key=lambda one: int(one.proposal_id.removeprefix("case-")))

    def answers(self) -> dict[int, tuple[str, str]]:
        """Verdict and reason of the cases answered so far, by number."""
        with self.store.read() as uow:
            return {int(d.proposal_id.removeprefix("case-")): (d.verdict, d.reason) for d in uow.find(Decision)}

    def answer(self, number: int, verdict: Verdict, reason: str, now: datetime) -> None:
        """Keeps the answer to a case, the first one for good."""
        with self.store.begin() as uow:
            one = uow.get(Proposal, proposal_id=f"case-{number}")
            assert one is not None  # noqa: S101  the caller goes by `proposals`
            uow.add_if_absent(
                Decision(
                    proposal_id=one.proposal_id, approver_id=self.person_id, on_behalf_of=None, proposer_id=one.proposer_id,
                    verdict=verdict, digest=one.digest, tier="", reason=reason, channel="rehearsal", delivery_key=one.proposal_id, at=now,
                    assurance=Assurance.CLICK,
                )
            )  # fmt: skip
            data = {"digest": one.digest, "channel": "rehearsal", "on_behalf_of": None}
            uow.append(
                Entry(action=f"decision.{verdict}", actor=f"person:{self.person_id}", entity=f"proposal:{one.proposal_id}", data=data)
            )
            uow.commit()

    def close(self) -> None:
        """Lets go of the file."""
        self.store.close()


def open_sandbox(folder: Path, packets: Sequence[Mapping[str, Any]], *, real: str, person_id: str, clock: Clock) -> Sandbox:
    """The sandbox in a folder, made with these packets where it is not there yet. `real` is the URL of the real database.

    Refused `rehearsal.no_sandbox` where the file is that database, or holds what is no rehearsal.
    """
    path = (folder / FILE_NAME).resolve()
    _require_another(path, real)
    if not path.exists():
        _make(folder, packets, clock)
    store = open_store(f"sqlite:///{path}", clock)
    with store.read() as uow:
        reviews = [one.review_id for one in uow.find(Review)]
    if reviews != [REVIEW]:
        store.close()
        raise _refused(path)
    return Sandbox(store, person_id)


def _make(folder: Path, packets: Sequence[Mapping[str, Any]], clock: Clock) -> None:
    """Makes the file beside and puts it in its place whole: what a killed process left half done is made anew."""
    beside = folder.with_name(folder.name + ".making")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    url = f"sqlite:///{(beside / FILE_NAME).resolve()}"
    schema.upgrade(url)
    store = open_store(url, clock)
    with store.begin() as uow:
        now = clock.now()
        uow.add(_review(now))
        for packet in packets:
            uow.add(_account(packet), _proposal(packet, now))
        uow.commit()
    store.close()
    beside.rename(folder)


def _require_another(path: Path, real: str) -> None:
    known = sqlite_file(parse_url(real))
    if known is not None and Path(known).resolve() == path:
        raise _refused(path)


def _refused(path: Path) -> Refused:
    return Refused(
        "rehearsal.no_sandbox",
        said("{path} is no database of a rehearsal", path=path),
        expected=said("a file of its own, which the rehearsal makes"),
        next_step=said("move that file away; nothing in it was changed"),
    )


def _review(now: datetime) -> Review:
    return Review(
        review_id=REVIEW, label=REVIEW, kind="ad_hoc", scope="all", as_of=now.date(), attempt=1, state="routed", last_good_state="routed",
        failure="", manifest_digest="0" * 64, manifest_json="{}", started_by="system", started_at=now, supersede_reason="", hold="",
        hold_released_by="", closed_by="", closed_at=None,
    )  # fmt: skip


def _account(packet: Mapping[str, Any]) -> LimitAccount:
    return LimitAccount(
        account_id=packet["account_id"], subject_kind="customer", subject_id=packet["customer_id"], legal_entity="ALL", layer="base",
        currency=packet["currency"],
    )  # fmt: skip


def _proposal(packet: Mapping[str, Any], now: datetime) -> Proposal:
    text = canonical(dict(packet))
    return Proposal(
        proposal_id=packet["proposal_id"], review_id=REVIEW, account_id=packet["account_id"], customer_id=packet["customer_id"],
        group_id=packet["group_id"], proposer_id="system", state=ProposalState.PENDING, direction="up", currency=packet["currency"],
        from_minor=packet["from_minor"], to_minor=packet["to_minor"], engine_minor=packet["engine_minor"],
        from_terms_days=packet["from_terms_days"], terms_days=packet["terms_days"], effective_from=now.date(), effective_to=None,
        base_version=0, grade=packet["grade"], region=packet["region"], exposure_minor=packet["exposure_minor"],
        own_risk_minor=packet["own_risk_minor"], exceptional="|".join(packet["exceptional"]), straight_through_rule="", assigned_to="",
        tier="", required_approvals=1, packet_json=text, digest=digest_of(text), created_at=now, expires_at=None, decided_at=None,
        outcome_code="", supersedes_id=None, policy_digest=packet["policy"], authority_digest=packet["authority"],
    )  # fmt: skip
