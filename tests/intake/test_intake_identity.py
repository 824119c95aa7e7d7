import pandas as pd
from intake_world import MAPPING, mapping, read, row

from credit_review import identity, receivables
from credit_review.receivables.read import NUMBERS

COLUMNS = "number,name,group,entity,currency,status,limit,terms,worth"
MASTER = (
    MAPPING[: MAPPING.index("customers:")]
    + """
customers:
  from: {csv: customers.csv}
  columns: {source_number: number, name: name, group: group, legal_entity: entity, currency: currency, status: status, limit: limit,
            terms_code: terms, tangible_net_worth: worth}
  codes: {status: {A: active, L: legal}}
terms: {N30: 30}
"""
)


def master(*lines: str) -> receivables.ReadResult:
    rows = [line.split(",") for line in lines]
    raw = pd.DataFrame(rows, columns=COLUMNS.split(","), dtype="str")
    return receivables.read_customers(raw, mapping(MASTER))


def numbers(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([("erp", "", number, customer) for number, customer in pairs], columns=list(NUMBERS), dtype="str")


def test_every_number_becomes_an_alias_and_every_join_is_listed() -> None:
    result = read(row(), row(key="2", number="42"), row(key="3", number="7"))
    who = identity.resolve(result.numbers, decided_by="mapping:abc")
    assert who.aliases[["source_number", "customer_id", "decided_by"]].to_numpy().tolist() == [
        ["0042", "42", "mapping:abc"], ["42", "42", "source"], ["7", "7", "source"],
    ]  # fmt: skip
    assert who.joins[["customer_id", "numbers", "count", "decided_by"]].to_numpy().tolist() == [["42", "0042|42", 2, "mapping:abc"]]
    assert who.moved.empty


def test_what_a_person_decided_wins_over_the_mapping_and_can_take_a_join_apart() -> None:
    decided = pd.DataFrame([("erp", "", "0042", "42-old", "p-analyst")], columns=[*NUMBERS, "decided_by"])
    result = read(row(), row(key="2", number="42"))
    who = identity.resolve(result.numbers, decided_by="mapping:abc", known=decided)
    assert who.aliases["customer_id"].tolist() == ["42-old", "42"] and who.aliases["decided_by"].tolist() == ["p-analyst", "source"]
    assert who.joins.empty
    assert identity.renamed(result.frame, who.moved)["customer_id"].tolist() == ["42-old", "42"]


def test_names_alone_never_join_but_are_shown_to_a_person() -> None:
    found = master("1,Müller GmbH,,1000,EUR,A,1,N30,", "2,MÜLLER  gmbh.,,1000,EUR,A,1,N30,", "3,Other,,1000,EUR,A,1,N30,")
    customers, _ = identity.one_row_each(found.frame)
    assert len(customers) == 3
    assert identity.same_names(customers)[["customers", "customer_ids"]].to_numpy().tolist() == [[2, "1|2"]]


def test_no_limit_on_file_and_a_limit_of_nothing_are_two_facts() -> None:
    found = master("1,A,,1000,EUR,A,,N30,", "2,B,,1000,EUR,A,0,N30,").frame
    assert found["limit_minor"].isna().tolist() == [True, False] and found["limit_minor"].iloc[1] == 0
    assert found["terms_days"].tolist() == [30, 30]


def test_a_group_is_named_by_the_parents_own_id_and_alone_by_ones_own() -> None:
    assert master("1,A,0009,1000,EUR,A,,N30,", "2,B,,1000,EUR,A,,N30,").frame["group_id"].tolist() == ["9", "2"]


def test_a_master_field_that_cannot_be_read_is_missing_and_named_and_the_customer_stays() -> None:
    found = master("1,A,,1000,EUR,A,many,N30,", "2,B,,1000,EUR,?,5,N30,", "3,C,,1000,EUX,A,5,N30,", "4,D,,1000,EUR,A,5,N99,x")
    assert found.frame["customer_id"].tolist() == ["1", "2", "3", "4"]
    listed = found.quarantine[["customer_id", "column", "severity", "could_raise"]].to_numpy().tolist()
    assert listed == [
        ["1", "limit", "warning", True], ["2", "status", "warning", True], ["3", "currency", "warning", True],
        ["4", "tangible_net_worth", "info", False], ["4", "terms_code", "info", False],
    ]  # fmt: skip


def test_rows_of_one_customer_become_one_and_contradictions_are_named() -> None:
    found = master("0042,A,,1000,EUR,A,500,N30,", "42,A & Co,,2000,EUR,L,300,N30,7").frame
    customers, quarantine = identity.one_row_each(found)
    one = customers.iloc[0]
    assert len(customers) == 1
    assert (one["source_number"], one["name"], one["limit_minor"], one["legal_entity"]) == ("0042", "A", 30000, "ALL")
    assert one["tangible_net_worth_minor"] == 700
    assert quarantine[["column", "severity", "value"]].to_numpy().tolist() == [
        ["limit_minor", "warning", "50000 / 30000"], ["name", "info", "A / A & Co"], ["status", "warning", "active / legal"],
    ]  # fmt: skip


def test_master_rows_that_say_the_same_twice_are_counted_once() -> None:
    found = master("1,A,,1000,EUR,A,500,N30,", "1,A,,1000,EUR,A,500,N30,")
    assert len(found.frame) == 1 and found.accounting.set_index("line")["rows"].to_dict() == {"items": 1, "duplicates": 1}


def test_a_customer_made_of_ledger_rows_takes_the_most_frequent_spelling() -> None:
    text = MAPPING.replace("  filters:", "  customer_columns: {name: disputed}\n  filters:").replace(", disputed: disputed", "")
    names = ["B", "A", "A", "B", "C"]
    result = read(*(row(key=str(k), disputed=name) for k, name in enumerate(names)), text=text)
    made = identity.from_ledger(result.parties, source="erp", terms={}, constants={"status": "new"})
    assert made[["customer_id", "name", "status", "currency", "group_id"]].to_numpy().tolist() == [["42", "A", "new", "EUR", "42"]]
    assert made["limit_minor"].isna().all()
