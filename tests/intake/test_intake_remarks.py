"""What was written about customers: read by the mapping, kept out of every result but the features, off unless policy turns it on."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from intake_world import AS_OF, MAPPING, Place, PlainSettings, mapping, row, starter_policy

from credit_review import exposure, fx, receivables
from credit_review.adapters import files, reading, snapshot
from credit_review.model.frames import COVER, CUSTOMERS, EXTERNAL, ITEMS, REMARKS
from expectations import gate
from expectations.promise import Context

WITH_REMARKS = (
    MAPPING
    + """
remarks:
  from: {csv: remarks.csv}
  row_key: [id]
  columns: {source_number: number, remark_date: written, kind: kind, remark: text}
  codes: {kind: {D: dispute, C: collection}}
"""
)
HEADER = "id,number,written,kind,text"
SECRET = "Herr Beispiel sagt er ist krank"


def read(*lines):
    names = HEADER.split(",")
    raw = pd.DataFrame([dict(zip(names, line.split(","), strict=True)) for line in lines], dtype="str")
    raw.index = pd.RangeIndex(2, len(raw) + 2)
    return receivables.read_remarks([raw], mapping(WITH_REMARKS), AS_OF, origin="remarks.csv")


def test_a_row_is_read_as_it_was_written_and_later_ones_are_left_out():
    found = read("n1,0042,2026-02-03,C,客户要求延期付款", "n2,0042,2027-01-01,D,too late")
    assert found.frame.iloc[0].to_dict() == {
        "row_key": "n1", "customer_id": "42", "source_number": "0042", "remark_date": pd.Timestamp(2026, 2, 3), "kind": "collection",
        "remark": "客户要求延期付款",
    }  # fmt: skip
    assert len(found.frame) == 1 and found.notes == ("1 remarks dated after the as-of date are left out",)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (f"n1,0042,soon,C,{SECRET}", "remark_date"),
        (f"n1,0042,,C,{SECRET}", "remark_date"),
        (f"n1,0042,2026-02-03,X,{SECRET}", "kind"),
        ("n1,0042,2026-02-03,C,", "remark"),
        (f"n1,,2026-02-03,C,{SECRET}", "source_number"),
    ],
)
def test_a_row_that_cannot_be_read_is_quarantined_by_its_key_and_its_text_stays_out(line, column):
    found = read(line)
    assert found.frame.empty and column in found.quarantine["column"].tolist()
    assert found.quarantine["row_key"].tolist() == ["n1"] * len(found.quarantine)
    assert "Beispiel" not in found.quarantine.to_csv()


def test_a_snapshot_holds_remarks_only_where_a_source_hands_them_over(tmp_path):
    names = "key,number,type,posted,due,cleared,currency,amount,open,disputed"
    (tmp_path / "ledger.csv").write_text("\n".join([names, ",".join(row())]) + "\n", encoding="utf-8")
    (tmp_path / "remarks.csv").write_text(f"{HEADER}\nn1,0042,2026-02-03,C,{SECRET}\n", encoding="utf-8")
    places = PlainSettings((Place(str(tmp_path)),))
    found = reading.read_book(places, [mapping(WITH_REMARKS)], as_of=AS_OF, policy=starter_policy())
    opened = snapshot.open_snapshot(snapshot.write(tmp_path / "snapshots", found, buckets=2).folder)
    assert opened.whole("remarks")["remark"].tolist() == [SECRET] and "remarks" in opened.digests
    bare = reading.read_book(places, [mapping(MAPPING)], as_of=AS_OF, policy=starter_policy())
    assert "remarks" not in snapshot.write(tmp_path / "snapshots", bare, buckets=2).digests


def remarks(*rows):
    frame = pd.DataFrame([dict(zip(("row_key", "customer_id", "remark_date", "remark"), r, strict=True)) for r in rows])
    return frame.reindex(columns=list(REMARKS.names), fill_value="").astype(files.empty_frame(REMARKS).dtypes.to_dict())


def test_the_gate_refuses_remarks_about_nobody_or_of_no_day_and_shows_no_text():
    rows = [("n1", "c1", date(2026, 1, 1), SECRET), ("n2", "c9", date(2026, 1, 1), SECRET), ("n3", "c1", date(2027, 1, 1), SECRET)]
    found = gate.check("remarks", remarks(*rows), context=Context(as_of=AS_OF, master=frozenset({"c1"})))
    assert found.clean["row_key"].tolist() == ["n1"] and sorted(found.quarantine["row_key"]) == ["n2", "n3"]
    assert "Beispiel" not in found.quarantine.to_csv() and "Beispiel" not in str(found.verdict.to_dict())


def features(policy, written):
    master = files.empty_frame(CUSTOMERS).reindex([0, 1])
    master = master.fillna({c.name: "" for c in CUSTOMERS.columns if c.dtype == "str"}).astype(
        files.empty_frame(CUSTOMERS).dtypes.to_dict()
    )
    master = master.assign(customer_id=pd.Series(["c1", "c2"], dtype="str"), currency=pd.Series(["EUR", "EUR"], dtype="str"))
    empty = [files.empty_frame(one) for one in (ITEMS, EXTERNAL, COVER)]
    return exposure.features(
        empty[0], master, empty[1], empty[2], as_of=AS_OF, policy=policy, rates=fx.RateTable.from_rows([]), capabilities=("remarks",),
        remarks=written,
    ).frame.set_index("customer_id")["remarks"]  # fmt: skip


def test_features_hold_what_was_written_in_policys_months_oldest_first_and_nothing_where_policy_has_it_off():
    policy = starter_policy()
    day = pd.Timestamp(AS_OF)
    written = remarks(
        ("n3", "c1", day, "third"), ("n2", "c1", day - pd.Timedelta(days=30), "second"), ("n1", "c1", day - pd.Timedelta(days=30), "first"),
        ("n0", "c1", day - pd.DateOffset(months=12), "a year ago"), ("n4", "c1", day + pd.Timedelta(days=1), "tomorrow"),
    )  # fmt: skip
    assert features(policy, written).tolist() == ["", ""]
    on = policy.model_copy(
        update={"scoring": policy.scoring.model_copy(update={"text": policy.scoring.text.model_copy(update={"use": True})})}
    )
    assert features(on, written).tolist() == ["first\nsecond\nthird", ""] and features(on, None).tolist() == ["", ""]
    assert features(on, written.iloc[::-1]).tolist() == features(on, written).tolist()
