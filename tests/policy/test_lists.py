"""Lists that people hand in: rows by column from CSV and YAML, and every bad row named."""

from __future__ import annotations

import pytest

from credit_review import lists
from credit_review.errors import BadInput, Refused

NEEDED, KNOWN = ("customer", "reason"), ("customer", "reason", "amount", "documents")


def read(text, name="a.csv", **more):
    rows = lists.read(text, name=name, of="requests", needed=NEEDED, known=KNOWN, **more)
    return lists.taken(name, rows, lambda row: row)


def test_csv_and_yaml_say_the_same():
    csv = read('\ufeffcustomer,reason,amount,documents\nc-1," season ","60,000",a.pdf;b.pdf\n\nc-2,"two\nlines",,\n')
    yaml = read(
        "requests:\n  - {customer: c-1, reason: season, amount: '60,000', documents: [a.pdf, b.pdf]}\n  - customer: c-2\n    reason: x\n",
        "a.yaml",
    )
    assert [row.line for row in csv] == [2, 4] and [row.line for row in yaml] == [2, 3]
    assert (
        dict(csv[0].values)
        == dict(yaml[0].values)
        == {"customer": "c-1", "reason": "season", "amount": "60,000", "documents": "a.pdf;b.pdf"}
    )
    assert csv[1]["reason"] == "two\nlines" and yaml[1]["amount"] == ""


def test_every_bad_row_is_named_with_its_line():
    with pytest.raises(BadInput) as error:
        read("customer,reason\nc-1,\n,\nc-3,fine\n,x\n")
    assert "a.csv: 2 of 3 rows" in str(error.value)  # a row of blanks is none
    assert "line 2: reason is missing" in str(error.value) and "line 5: customer is missing" in str(error.value)
    with pytest.raises(BadInput) as error:
        read("customer,reason\nc-1,\nc-2,x,5,000\nc-3\n")
    assert [line[:17] for line in str(error.value.what).splitlines()[1:]] == ["line 2: reason is", "line 3: it has 4 ", "line 4: it has 1 "]
    with pytest.raises(BadInput, match="line 2: unknown field amuont"):
        read("requests:\n  - {customer: c-1, reason: x, amuont: 3}\n", "a.yml")


def test_rows_that_the_record_refuses_are_named_together_with_those_whose_columns_are_bad():
    rows = lists.read("customer,reason\nc-9,x\nc-1,\nc-1,y\nc-8,z\n", name="a.csv", of="requests", needed=NEEDED, known=KNOWN)
    asked = []

    def take(row):
        asked.append(row.line)
        if row["customer"] != "c-1":
            raise Refused("nobody", f"there is no customer {row['customer']}", expected="one of ours")

    with pytest.raises(BadInput) as error:
        lists.taken("a.csv", rows, take)
    assert str(error.value.what).splitlines() == [
        "a.csv: 3 of 4 rows cannot be taken",
        "line 2: there is no customer c-9; expected one of ours",
        "line 3: reason is missing",
        "line 5: there is no customer c-8; expected one of ours",
    ]
    assert asked == [2, 4, 5]


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("", "a.csv", "the first line"),
        ("customer\nc-1\n", "a.csv", "a header of columns"),
        ("customer,reason,colour\n", "a.csv", "a header of columns"),
        ("customer,reason,reason\n", "a.csv", "the first line"),
        ("customer,reason\n", "a.csv", "no rows"),
        ("customer,reason\nc-1,x,y\n", "a.csv", "line 2: it has 3 fields; expected 2"),
        ('customer,reason\nc-1,"x\n', "a.csv", "is no CSV"),
        ("requests: 3\n", "a.yaml", "is no list of requests"),
        ("requests: [3]\n", "a.yaml", "line 1: it is no row"),
        ("others: []\n", "a.yaml", "is no list of requests"),
        ("requests: []\n", "a.yaml", "no rows"),
    ],
)
def test_what_is_no_list_is_refused(text, name, why):
    with pytest.raises(BadInput) as error:
        read(text, name)
    assert why in str(error.value)


def test_a_list_has_so_many_rows_at_most():
    with pytest.raises(BadInput, match="3 rows"):
        read("customer,reason\na,x\nb,x\nc,x\n", most=2)
