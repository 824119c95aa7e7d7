from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_world import AS_OF, MAPPING, mapping, read, row

from credit_review.errors import BadInput
from credit_review.receivables import as_of
from credit_review.receivables.history import oldest_first

DAYS = [f"2026-01-{day:02d}" for day in range(1, 29)]
ENTRY = st.tuples(st.sampled_from("AB"), st.booleans(), st.integers(1, 50), st.integers(0, 27))
OLDEST = (
    MAPPING.replace(", clearing_date: cleared", "")
    .replace(", open: open", "")
    .replace("  filters:", "  allocation: oldest_first\n  filters:")
)


def naive(entries: list[tuple[str, bool, int, int]]) -> tuple[list[int], list[int | None]]:
    """Open amounts and day of clearing by settling document by document, payment by payment."""
    opened = [amount if invoice else -amount for _, invoice, amount, _ in entries]
    cleared: list[int | None] = [None] * len(entries)
    order = sorted(range(len(entries)), key=lambda k: (entries[k][3], f"{k:03d}"))
    for customer in "AB":
        invoices = [k for k in order if entries[k][0] == customer and entries[k][1]]
        payments = [k for k in order if entries[k][0] == customer and not entries[k][1]]
        while invoices and payments:
            i, p = invoices[0], payments[0]
            part = min(opened[i], -opened[p])
            opened[i] -= part
            opened[p] += part
            for k, queue in ((i, invoices), (p, payments)):
                if opened[k] == 0:
                    cleared[k] = max(entries[i][3], entries[p][3])
                    queue.pop(0)
    return opened, cleared


@settings(max_examples=settings().max_examples // 5, deadline=None)
@given(st.lists(ENTRY, min_size=1, max_size=12))
def test_oldest_first_settles_as_a_clerk_would(entries: list[tuple[str, bool, int, int]]) -> None:
    rows = [
        row(key=f"{k:03d}", number=c, type="RV" if invoice else "PY", posted=DAYS[d], due=DAYS[d], amount=f"{'' if invoice else '-'}{a}.00")
        for k, (c, invoice, a, d) in enumerate(entries)
    ]
    found = read(*rows, text=OLDEST).frame
    opened, cleared = naive(entries)
    assert [o // 100 for o in found["open_minor"]] == opened
    days = [None if pd.isna(day) else DAYS.index(f"{day:%Y-%m-%d}") for day in found["clearing_date"]]
    assert days == cleared


def test_a_past_day_shows_what_was_open_then_and_nothing_posted_after_it() -> None:
    items = read(
        row(posted="2026-01-05", cleared="2026-02-01", open="0.00"),
        row(key="2", posted="2026-01-20", open="40.00"),
        row(key="3", posted="2026-03-01"),
    ).frame
    then = as_of(items, date(2026, 1, 25))
    assert then[["row_key", "open_minor"]].to_numpy().tolist() == [["1", 10000], ["2", 10000]]
    assert then["clearing_date"].isna().all()
    assert as_of(items, date(2026, 2, 1))["open_minor"].tolist() == [0, 10000]


def test_rebuilding_a_past_day_equals_reading_it_that_day() -> None:
    rows = [row(key=str(k), posted=DAYS[k], due=DAYS[k], cleared=DAYS[k + 9] if k % 2 else "", open="") for k in range(15)]
    for day in (date(2026, 1, 8), date(2026, 1, 20), AS_OF):
        pd.testing.assert_frame_equal(as_of(read(*rows).frame, day), read(*rows, as_of=day).frame)


def test_payments_are_allocated_again_on_a_past_day() -> None:
    paid = [
        row(key=str(k), type="PY", amount=amount, posted=day, due="") for k, amount, day in ((2, "-40.00", DAYS[2]), (3, "-60.00", DAYS[9]))
    ]
    items = read(row(posted=DAYS[0], due=DAYS[0]), *paid, text=OLDEST).frame
    assert items["open_minor"].tolist() == [0, 0, 0]
    assert as_of(items, date(2026, 1, 5), oldest=True)["open_minor"].tolist() == [6000, 0]


def test_rows_without_a_customer_settle_nothing() -> None:
    found = oldest_first(read(row(), row(key="2", number="", type="PY", amount="-100.00"), text=OLDEST).frame)
    assert found["open_minor"].tolist() == [10000, -10000]


def test_allocated_payments_are_a_payment_history_and_must_be_declared_as_one() -> None:
    with pytest.raises(BadInput, match="add cleared_items to has"):
        mapping(OLDEST.replace("has: [cleared_items]", "has: [sales]"))
