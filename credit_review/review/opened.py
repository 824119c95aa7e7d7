"""When a person first opened a packet, for coaching. It decides nothing, so it is written after the person has been answered."""

from __future__ import annotations

import logging
from datetime import datetime

from credit_review.errors import CreditReviewError
from credit_review.model.records import PacketOpening
from credit_review.ports import Store

LOG = logging.getLogger("credit_review.opened")


def note_opening(store: Store, proposal_id: str, person_id: str, now: datetime) -> None:
    """Keep that this person opened the packet now, unless he did before; behind all who decide, and never an error to anybody."""
    try:
        with store.read() as uow:
            if uow.get(PacketOpening, proposal_id=proposal_id, person_id=person_id) is not None:
                return
        with store.begin(interactive=False) as uow:
            uow.add_if_absent(PacketOpening(proposal_id=proposal_id, person_id=person_id, opened_at=now))
            uow.commit()
    except CreditReviewError as error:  # such as a role that only reads, or a database under load: one turnaround fewer
        LOG.info("an opening was not noted: %s", error.what)
