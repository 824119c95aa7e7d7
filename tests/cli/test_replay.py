"""Replay at the command line: what stands comes out again, and what does not is named down to the figure."""

from __future__ import annotations

import pytest
from office import AS_OF

from credit_review.model.records import Review

pytestmark = pytest.mark.prefect


def test_a_review_replays_equal(reviewed):
    review = reviewed.one(Review, as_of=AS_OF)
    done = reviewed.run("replay", review.review_id)
    assert done.code == 0, done.out[-6000:] + done.err[-3000:]
    print(done.out)
    assert 0
