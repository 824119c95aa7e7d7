from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_world import AS_OF, COLUMNS, MAPPING, ROW, frame, lines, mapping, read, row

from credit_review import receivables
from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.frames import ITEMS, QUARANTINE


def test_a_row_becomes_an_item_with_exact_amounts_and_our_customer_id() -> None:
    item = read(ROW).frame.iloc[0]
    assert (item["row_key"], item["source_number"], item["customer_id"], item["kind"]) == ("1", "0042", "42", "invoice")
    assert (item["amount_minor"], item["open_minor"], item["due_date"]) == (10000, 10000, pd.Timestamp("2026-02-10"))


@pytest.mark.parametrize(
    ("fields", "column", "expectation"),
    [
        ({"amount": "12,50"}, "amount", "amount_is_a_number"),
        ({"amount": "100.001"}, "amount", "amount_fits_currency"),
        ({"amount": "99999999999999999"}, "amount", "amount_in_range"),
        ({"amount": ""}, "amount", "amount_is_present"),
        ({"open": "x"}, "open", "amount_is_a_number"),
        ({"currency": "EUX"}, "currency", "currency_is_iso4217"),
        ({"currency": ""}, "currency", "currency_is_iso4217"),
        ({"type": "ZZ"}, "kind", "kind_is_known"),
        ({"posted": "2026-02-30"}, "posting_date", "posting_date_is_a_date"),
        ({"posted": ""}, "posting_date", "posting_date_is_present"),
        ({"posted": "2062-01-10"}, "posting_date", "posting_date_is_plausible"),
        ({"due": "soon"}, "due_date", "due_date_is_a_date"),
        ({"cleared": "?"}, "clearing_date", "clearing_date_is_a_date"),
    ],
)
def test_a_field_that_cannot_be_read_quarantines_its_row_by_name(fields: dict[str, str], column: str, expectation: str) -> None:
    result = read(ROW, row(key="2", **fields))
    assert lines(result) == {"items": 1, "quarantined": 1}
    found = result.quarantine.iloc[0]
    assert (found["row_key"], found["source_number"], found["customer_id"]) == ("2", "0042", "42")
    assert (found["column"], found["expectation"], found["severity"], found["could_raise"]) == (column, expectation, "warning", True)
    assert found["value"] == next(iter(fields.values())) and found["reason"]


def test_unreadable_credit_in_cash_beyond_doubt_cannot_raise_exposure() -> None:
    found = read(row(type="PY", amount="-5.00", open="-5.00", due="never")).quarantine.iloc[0]
    assert not found["could_raise"] and found["amount_minor"] == -500


def test_an_unreadable_flag_is_listed_and_the_row_stays() -> None:
    result = read(row(disputed="perhaps"))
    assert lines(result) == {"items": 1} and not result.frame["disputed"].iloc[0]
    assert result.quarantine[["severity", "could_raise"]].to_numpy().tolist() == [["info", False]]


def test_exact_duplicates_are_removed_counted_and_listed() -> None:
    result = read(ROW, ROW, row(number="42"))
    assert lines(result) == {"items": 1, "duplicates": 2}
    assert set(result.duplicates["row_key"]) == {"1#2", "1#3"} and set(result.duplicates["kept_row_key"]) == {"1"}
    assert result.duplicates["amount_minor"].tolist() == [10000, 10000]


def test_of_two_different_rows_with_one_key_neither_is_believed() -> None:
    result = read(ROW, row(amount="900.00", open="900.00"), row(key="2"))
    assert lines(result) == {"items": 1, "quarantined": 2}
    assert result.quarantine["expectation"].tolist() == ["row_key_is_unique"] * 2
    assert sorted(result.quarantine["row_key"]) == ["1", "1#2"]


def test_unreadable_rows_that_are_twice_there_are_quarantined_once() -> None:
    bad = row(amount="x")
    result = read(bad, bad, row(amount="y"))
    assert lines(result) == {"quarantined": 2, "duplicates": 1}
    assert result.quarantine["row_key"].is_unique


def test_without_a_key_only_rows_equal_in_every_column_are_duplicates() -> None:
    result = read(ROW, ROW, row(disputed="no"), text=MAPPING.replace("  row_key: [key]\n", ""))
    assert lines(result) == {"items": 2, "duplicates": 1}
    assert result.frame["row_key"].tolist() == ["ledger.csv:2", "ledger.csv:4"]


def test_a_row_that_names_no_customer_stays_with_an_empty_id() -> None:
    result = read(ROW, row(key="2", number="  "), row(key="3", number="000"))
    assert lines(result) == {"items": 1, "unattributed": 2}
    assert result.frame["customer_id"].tolist() == ["42", "", ""]
    assert result.numbers["customer_id"].tolist() == ["42"]


def test_rows_out_by_rule_or_posted_later_are_counted_under_their_names() -> None:
    text = MAPPING.replace("PY: payment}", "PY: payment, DRAFT: invoice}")
    result = read(ROW, row(key="2", type="DRAFT"), row(key="3", posted="2026-04-01"), text=text)
    assert lines(result) == {"items": 1, "out: drafts are out": 1, "posted later": 1}


def test_an_item_cleared_after_the_day_was_still_open_on_it() -> None:
    cleared = row(cleared="2026-03-15", open="0.00")
    assert read(cleared).frame[["open_minor"]].iloc[0, 0] == 0
    before = read(cleared, as_of=date(2026, 3, 14)).frame.iloc[0]
    assert before["open_minor"] == 10000 and pd.isna(before["clearing_date"])


def test_an_item_without_open_amount_is_open_in_full_until_cleared() -> None:
    result = read(row(open=""), row(key="2", open="", cleared="2026-02-01"))
    assert result.frame["open_minor"].tolist() == [10000, 0]


def test_signs_are_turned_where_the_mapping_says_so() -> None:
    text = MAPPING.replace("  filters:", "  signs: {payment: reversed}\n  negative_invoices: credit_note\n  filters:")
    result = read(row(type="PY", amount="5.00", open="5.00"), row(key="2", amount="-7.00", open="-7.00"), text=text)
    assert result.frame[["kind", "amount_minor"]].to_numpy().tolist() == [["payment", -500], ["credit_note", -700]]
    assert any("credit notes" in note for note in result.notes)


def test_terms_give_a_due_date_only_where_the_source_leaves_it_empty() -> None:
    text = MAPPING.replace("  filters:", "  constants: {terms: N30}\n  filters:") + "terms: {N30: 30}\n"
    result = read(row(due=""), row(key="2"), row(key="3", due="bad"), text=text)
    assert result.frame["due_date"].dt.strftime("%Y-%m-%d").tolist() == ["2026-02-09", "2026-02-10"]
    assert lines(result) == {"items": 2, "quarantined": 1}


def test_a_missing_column_names_file_column_columns_found_and_the_nearest() -> None:
    with pytest.raises(BadInput) as refused:
        receivables.read_items(frame([ROW[:-1]], COLUMNS[:-1]).rename(columns={"amount": "amuont"}), mapping(), AS_OF)
    assert "ledger.csv: no column 'amount'; nearest is 'amuont'" in str(refused.value)
    assert "key, number" in str(refused.value)


def test_amounts_that_cannot_be_added_exactly_stop_the_review_naming_the_row() -> None:
    huge = "90071992547409.00"
    assert len(read(row(amount=huge, open=huge)).frame) == 1
    with pytest.raises(ReviewStopped, match="largest, row 2 of customer 0042"):
        read(ROW, row(key="2", amount=huge, open=huge))


def test_chunks_give_the_same_result_as_one_frame() -> None:
    rows = [row(key=str(k % 7), amount="x" if k == 3 else "5.00", number=str(k % 3)) for k in range(20)]
    whole, chunked = read(*rows), receivables.read_items([frame(rows[:9]), frame(rows[9:])], mapping(), AS_OF)
    for name in ("frame", "quarantine", "duplicates", "numbers", "parties"):
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(chunked, name))


TEXTS = st.one_of(
    st.sampled_from(["", " ", "0", "-1.00", "1.005", "1e5", "EUR", "JPY", "RV", "2026-01-01", "31.12.2025", "2026-02-30", "nan", "٣", "#"]),
    st.text(max_size=6),
)


@settings(max_examples=settings().max_examples // 5, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(COLUMNS), TEXTS), max_size=8), st.permutations(range(6)))
def test_whatever_is_damaged_every_row_ends_in_one_place_and_in_any_order(damage: list[tuple[int, str, str]], order: list[int]) -> None:
    rows = [list(row(key=str(at // 2), number=str(at), amount=f"{at + 1}.00", open=f"{at + 1}.00")) for at in range(6)]
    for at, column, text in damage:
        rows[at][COLUMNS.index(column)] = text
    result = read(*map(tuple, rows))
    count = lines(result)
    assert result.rows_read == sum(count.values()) == 6
    assert len(result.frame) == count.get("items", 0) + count.get("unattributed", 0)
    assert len(result.duplicates) == count.get("duplicates", 0)
    stopped = result.quarantine[result.quarantine["severity"] != "info"]
    assert stopped["row_key"].nunique() == count.get("quarantined", 0)
    assert result.frame["row_key"].is_unique and not result.quarantine.duplicated(list(QUARANTINE.key)).any()
    assert list(result.frame.columns) == list(ITEMS.names) and list(result.quarantine.columns) == list(QUARANTINE.names)
    assert int(result.accounting.loc[result.accounting["line"] == "quarantined", "open_minor"].sum()) == int(
        stopped.drop_duplicates("row_key")["amount_minor"].fillna(0).sum()
    )
    again = read(*(tuple(rows[at]) for at in order))
    if all(one[0].strip() for one in rows):  # keys that are empty are named by line
        for name in ("frame", "quarantine", "duplicates", "accounting"):
            pd.testing.assert_frame_equal(getattr(again, name), getattr(result, name))
