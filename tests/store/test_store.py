"""The store keeps its port's promises on both databases."""

from __future__ import annotations

from credit_review.model.records import InboxEntry


def test_what_is_committed_is_read_back(store, clock):
    with store.begin() as uow:
        uow.add(InboxEntry(delivery_key="k", outcome_json="{}", at=clock.now()))
        uow.commit()
    with store.read() as uow:
        assert uow.get(InboxEntry, delivery_key="k") == InboxEntry(delivery_key="k", outcome_json="{}", at=clock.now())
