import subprocess
import sys

import pytest
from intake_world import MAPPING, MAPPINGS, STARTER, load, mapping

from credit_review.errors import BadInput
from credit_review.receivables.mapping import Items


@pytest.mark.parametrize("path", [STARTER / "mapping.yaml", *sorted(MAPPINGS.glob("*.yaml"))], ids=lambda p: p.stem)
def test_ready_mappings_load_and_declare_what_they_assume(path) -> None:
    found = load(path)
    assert found.assumptions and len(found.digest) == 64
    assert set(found.has) | set(found.lacks) == {
        "sales", "cleared_items", "orders", "deliveries", "limits", "disputes", "notes", "write_offs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("amount: amount", "amuont: amount", "columns.amuont is no field of items"),
        ("posting_date: posted, ", "", "items needs posting_date under columns or constants"),
        ("RV: invoice", "RV: invoyce", "kind: 'invoyce' is not known; expected one of credit_note"),
        ("{csv: ledger.csv}", "{csv: ledger.csv, parquet: x}", "exactly one of csv, parquet"),
        ("{csv: ledger.csv}", "{csv: ../ledger.csv}", "a file inside the source's folder"),
        ("{csv: ledger.csv}", "{csv: ledger.csv, table: x}", "belong to a database, not to a file"),
        ("{csv: ledger.csv}", "{url_secret: LEDGER_URL}", "a database's table (or view), or a query"),
        ("{csv: ledger.csv}", "{url: 'postgresql://u:p@h/d', table: x}", "unknown field"),
        ("{csv: ledger.csv}", "{url_secret: LEDGER_URL, table: 'x; drop table y'}", "letters, digits and _"),
        ('["%Y-%m-%d", "%d.%m.%Y"]', '["YYYY-MM-DD"]', "is no date format"),
        ("  row_key", "  numbers: {decimal: '.', thousands: '.'}\n  row_key", "different decimal and thousands marks"),
        ("  row_key", "  allocation: oldest_first\n  row_key", "leave those columns out"),
        ("  row_key", "  constants: {currency: EUR}\n  row_key", "currency stands under columns and under constants"),
        ("  row_key", "  customer_columns: {nmae: x}\n  row_key", "customer_columns: nmae is not known"),
        ("has: [cleared_items]", "has: [invoices]", "has[0]"),
        ("{from: ledger, constants: {status: active}}", "{from: ledger, constants: {status: ok}}", "constants.status: 'ok' is not known"),
        (
            "{from: ledger, constants: {status: active}}",
            "{from: {csv: c.csv}, columns: {source_number: n}}",
            "customers needs currency, status",
        ),
        ("source: erp", "source: erp\nsource: crm", "stands twice"),
        ("source: erp", "source: 'a b'", "source"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_with_line_and_field(old: str, new: str, says: str) -> None:
    assert old in MAPPING
    with pytest.raises(BadInput) as refused:
        mapping(MAPPING.replace(old, new))
    assert says in str(refused.value)
    assert str(refused.value).startswith("mapping.yaml line ")


def test_only_named_columns_are_needed_of_a_source() -> None:
    items = mapping().items
    assert isinstance(items, Items)
    assert set(items.sources()) == {"key", "number", "type", "posted", "due", "cleared", "currency", "amount", "open", "disputed"}


def test_a_mapping_loads_without_pandas() -> None:
    code = (
        "import sys; from credit_review import documents, receivables;"
        f"receivables.load(documents.parse(open({str(STARTER / 'mapping.yaml')!r}).read(), name='m'));"
        "sys.exit('pandas' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
