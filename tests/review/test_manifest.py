"""Digests over records that a manifest carries: every field counts, the order of the records does not."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime

import pytest

from credit_review.model.records import Deferral
from credit_review.review.manifest import digest_of_records

ONE = Deferral(
    **{
        f.name: {"recorded_at": datetime(2026, 10, 1, 9, tzinfo=UTC)}.get(
            f.name, date(2026, 10, 5) if "date" in str(f.type) else f"{f.name}-1"
        )
        for f in fields(Deferral)
    }
)


@pytest.mark.parametrize("name", [f.name for f in fields(Deferral)])
def test_every_field_of_a_record_changes_the_digest(name):
    value = getattr(ONE, name)
    changed = value.replace(year=2027) if isinstance(value, date) else f"{value}x"
    assert digest_of_records([replace(ONE, **{name: changed})]) != digest_of_records([ONE])


def test_the_order_of_records_does_not_show_and_their_number_does():
    other = replace(ONE, customer_id="c-2")
    assert digest_of_records([ONE, other]) == digest_of_records([other, ONE])
    assert digest_of_records([ONE]) != digest_of_records([ONE, ONE])
