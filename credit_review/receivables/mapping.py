"""The mapping of one source: which of its columns mean what, how its texts are read, and what was assumed. No pandas here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from credit_review import documents
from credit_review.model.frames import STATEMENTS
from credit_review.model.money import EXPONENTS
from credit_review.model.states import CreditStatus, DocumentKind
from credit_review.words import marked, said

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")

Capability = Literal["sales", "cleared_items", "orders", "deliveries", "limits", "disputes", "notes", "write_offs"]
CAPABILITIES: tuple[Capability, ...] = (
    "sales", "cleared_items", "orders", "deliveries", "limits", "disputes", "notes", "write_offs",
)  # fmt: skip
"""What a source may hold. A figure that needs one it lacks is `not computable: no <capability> in source`."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _file_name(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\x00" in name:
        raise ValueError(said("expected a file inside the source's folder, such as open_items.csv"))
    return name


def _identifier(name: str) -> str:
    if not IDENTIFIER.match(name):
        raise ValueError(said("expected a name of letters, digits and _ (at most 63), such as open_items"))
    return name


def _one_select(query: str) -> str:
    text = query.strip()
    if not re.match(r"(?i)(select|with)\b", text) or ";" in text:
        raise ValueError(said("expected one SELECT (or WITH ... SELECT) without a semicolon"))
    return text


FileName = Annotated[str, AfterValidator(_file_name)]
Identifier = Annotated[str, AfterValidator(_identifier)]


class Input(_Part):
    """Where rows come from: exactly one of a file kind, a SQLite file, or a database whose URL is a secret."""

    csv: FileName | None = None
    parquet: FileName | None = None
    excel: FileName | None = None
    jsonl: FileName | None = None
    ecb: FileName | None = None
    sqlite: FileName | None = None
    url_secret: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]{0,62}$")
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    sheet: str | None = None
    db_schema: Identifier | None = Field(default=None, alias="schema")
    table: Identifier | None = None
    query: Annotated[str, AfterValidator(_one_select)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Input:
        kinds = [k for k in ("csv", "parquet", "excel", "jsonl", "ecb", "sqlite", "url_secret") if getattr(self, k) is not None]
        database = self.sqlite is not None or self.url_secret is not None or not kinds
        if len(kinds) > 1:
            raise ValueError(
                said("expected exactly one of csv, parquet, excel, jsonl, ecb, sqlite, url_secret; got {kinds}", kinds=", ".join(kinds))
            )
        if database and (self.table is None) == (self.query is None):
            raise ValueError(said("expected a file, or a database's table (or view), or a query"))
        if not database and (self.table or self.query or self.db_schema):
            raise ValueError(said("table, schema and query belong to a database, not to a file"))
        return self

    @property
    def name(self) -> str:
        """What people call this input: the file, the table, or `query`."""
        return self.csv or self.parquet or self.excel or self.jsonl or self.ecb or self.table or "query"


class Identity(_Part):
    """The declared rules that make one customer number of several spellings. Nothing else joins customers."""

    strip_blanks: bool = True
    strip_leading_zeros: bool = False
    upper_case: bool = False
    drop_decimal_zero: bool = False
    per_legal_entity: bool = False
    prefix: str = Field(default="", max_length=20)
    shares_numbers: bool = False


class Numbers(_Part):
    """How numbers are written."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'", "\u00a0", "\u202f", "\u2019"] = ""
    negative: tuple[Literal["leading", "trailing", "parentheses"], ...] = ("leading",)

    @model_validator(mode="after")
    def _marks_differ(self) -> Numbers:
        if self.decimal == self.thousands:
            raise ValueError(said("expected different decimal and thousands marks"))
        return self


class Filter(_Part):
    """Rows that do not belong in the ledger, by a named rule; they are counted under its name."""

    rule: str = Field(min_length=3)
    column: str
    values: tuple[str, ...] = Field(min_length=1)


class Table(_Part):
    """How one dataset is read: from where, which columns, and how texts become values."""

    dataset: ClassVar[str] = ""
    fields: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[tuple[str, ...]] = ()
    coded: ClassVar[dict[str, frozenset[str]]] = {}

    from_: Input = Field(alias="from")
    row_key: tuple[str, ...] = ()
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    defaults: dict[str, str] = {}
    dates: tuple[str, ...] = ("%Y-%m-%d",)
    numbers: Numbers = Numbers()
    empty: tuple[str, ...] = ("",)
    codes: dict[str, dict[str, str]] = {}
    filters: tuple[Filter, ...] = ()
    drop_decimal_zero: tuple[str, ...] = ()
    mojibake: bool = False

    @model_validator(mode="after")
    def _known_fields(self) -> Table:
        for part in ("columns", "constants", "defaults", "codes"):
            for name in getattr(self, part):
                if name not in self.fields:
                    known = ", ".join(sorted(self.fields))
                    sentence = marked("{field} is no field of {dataset}; expected one of {known}")
                    raise ValueError(said(sentence, field=f"{part}.{name}", dataset=self.dataset, known=known))
        missing = [name for name in self.required if name not in self.columns and name not in self.constants]
        if missing:
            raise ValueError(said("{dataset} needs {fields} under columns or constants", dataset=self.dataset, fields=", ".join(missing)))
        both = sorted(set(self.columns) & set(self.constants))
        if both:
            raise ValueError(said("{fields} stands under columns and under constants; expected one of the two", fields=", ".join(both)))
        return self

    @model_validator(mode="after")
    def _known_codes(self) -> Table:
        for name, allowed in self.coded.items():
            values = [*self.codes.get(name, {}).values(), *(v for k, v in {**self.constants, **self.defaults}.items() if k == name)]
            for value in values:
                if value not in allowed:
                    raise ValueError(_unknown_value(name, value, allowed))
        return self

    @model_validator(mode="after")
    def _known_dates(self) -> Table:
        for pattern in self.dates:
            if not re.search(r"%[YyjmdbB]", pattern) or re.search(r"%[^YymdbBjHMSfpI%]", pattern):
                raise ValueError(said("{pattern} is no date format; expected one such as %Y-%m-%d or %d.%m.%Y", pattern=repr(pattern)))
        return self

    def sources(self) -> tuple[str, ...]:
        """Every column of the source that this mapping names, once."""
        return tuple(dict.fromkeys([*self.row_key, *self.columns.values(), *(f.column for f in self.filters), *self.drop_decimal_zero]))


def _unknown_value(field: str, value: str, known: Collection[str]) -> str:
    sentence = marked("{field}: {value} is not known; expected one of {known}")
    return said(sentence, field=field, value=repr(value), known=", ".join(sorted(known)))


def _unknown_names(field: str, names: str, known: Collection[str]) -> str:
    return said("{field}: {names} is not known; expected some of {known}", field=field, names=names, known=", ".join(sorted(known)))


_FLAG = frozenset({"true", "false"})
_CURRENCY = frozenset(EXPONENTS)
_PARTY = frozenset({"name", "country", "region", "segment", "portfolio", "account_owner", "status", "terms_code", "registration_number"})


class Items(Table):
    """The receivables ledger."""

    dataset: ClassVar[str] = "items"
    fields: ClassVar[frozenset[str]] = frozenset(
        {
            "legal_entity", "source_number", "document", "kind", "document_date", "posting_date", "due_date", "clearing_date",
            "days_to_clear", "currency", "amount", "open", "disputed", "written_off", "terms",
        }
    )  # fmt: skip
    required: ClassVar[tuple[str, ...]] = ("source_number", "kind", "posting_date", "currency", "amount")
    coded: ClassVar[dict[str, frozenset[str]]] = {
        "kind": frozenset(k.value for k in DocumentKind),
        "disputed": _FLAG,
        "written_off": _FLAG,
        "currency": _CURRENCY,
    }

    customer_columns: dict[str, str] = {}
    signs: dict[DocumentKind, Literal["as_stated", "reversed"]] = {}
    negative_invoices: Literal["quarantine", "credit_note"] = "quarantine"
    allocation: Literal["as_stated", "oldest_first"] = "as_stated"

    @model_validator(mode="after")
    def _party_fields(self) -> Items:
        unknown = sorted(set(self.customer_columns) - _PARTY)
        if unknown:
            raise ValueError(_unknown_names("customer_columns", ", ".join(unknown), _PARTY))
        if self.allocation == "oldest_first" and {"open", "clearing_date", "days_to_clear"} & set(self.columns):
            raise ValueError(said("allocation oldest_first computes open amounts and clearing dates; leave those columns out"))
        return self

    def sources(self) -> tuple[str, ...]:
        """Every column of the ledger that this mapping names, once."""
        return tuple(dict.fromkeys([*super().sources(), *self.customer_columns.values()]))


class Customers(Table):
    """The customer master with limits in force."""

    dataset: ClassVar[str] = "customers"
    fields: ClassVar[frozenset[str]] = _PARTY | {
        "source_number", "group", "legal_entity", "currency", "status_since", "customer_since", "limit", "tangible_net_worth",
        "net_worth_date",
    }  # fmt: skip
    required: ClassVar[tuple[str, ...]] = ("source_number", "currency", "status")
    coded: ClassVar[dict[str, frozenset[str]]] = {"status": frozenset(s.value for s in CreditStatus), "currency": _CURRENCY}


class CustomersFromLedger(_Part):
    """No customer master: every customer number of the ledger is a customer, with the names and codes the ledger carries."""

    from_: Literal["ledger"] = Field(alias="from")
    constants: dict[str, str] = {}

    @model_validator(mode="after")
    def _known_fields(self) -> CustomersFromLedger:
        known = _PARTY | {"legal_entity", "currency"}
        for name, value in self.constants.items():
            allowed = Customers.coded.get(name)
            if name not in known:
                raise ValueError(_unknown_names("constants", name, known))
            if allowed is not None and value not in allowed:
                raise ValueError(_unknown_value(f"constants.{name}", value, allowed))
        return self


def _customers_kind(value: Any) -> str:
    from_ = value.get("from") if isinstance(value, dict) else getattr(value, "from_", None)
    return "ledger" if from_ == "ledger" else "table"


class External(Table):
    """Grades and recommended limits of bureaus, registries and insurers."""

    dataset: ClassVar[str] = "external"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"source_number", "provider", "report_date", "grade", "pd_fraction", "recommended_limit", "currency"}
    )
    required: ClassVar[tuple[str, ...]] = ("source_number", "provider", "report_date")
    coded: ClassVar[dict[str, frozenset[str]]] = {"currency": _CURRENCY}
    pd_unit: Literal["fraction", "percent"] = "fraction"


COVER_KINDS = frozenset({"insured_limit", "discretionary_limit", "guarantee"})
"""Kinds of cover: named by the insurer, within our own discretion, or promised by somebody else."""


class Cover(Table):
    """Insured limits and guarantees, with the conditions under which cover counts where the source states them."""

    dataset: ClassVar[str] = "cover"
    fields: ClassVar[frozenset[str]] = frozenset(
        {
            *("source_number", "kind", "reference", "amount", "currency", "cover_fraction", "valid_from", "valid_to", "max_terms_days"),
            *("withdrawn_on", "notice_days", "reduced_to", "stop_overdue_days", "report_overdue_days", "turnover_declared_to"),
            "declare_every_days",
        }
    )
    required: ClassVar[tuple[str, ...]] = ("source_number", "kind", "reference", "amount", "currency", "valid_from")
    coded: ClassVar[dict[str, frozenset[str]]] = {"kind": COVER_KINDS, "currency": _CURRENCY}


STATEMENT_ITEMS = tuple(name.removesuffix("_minor") for name in STATEMENTS.names if name.endswith("_minor"))
"""Amounts of a set of accounts, as the mapping names them."""


class Statements(Table):
    """Yearly statements of customers; `unit` is what one stated amount stands for, such as 1000 where accounts are in thousands."""

    dataset: ClassVar[str] = "statements"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"source_number", "period_end", "received_date", "months", "basis", "audited", "company_kind", "currency", *STATEMENT_ITEMS}
    )
    required: ClassVar[tuple[str, ...]] = ("source_number", "period_end", "currency")
    coded: ClassVar[dict[str, frozenset[str]]] = {
        "basis": frozenset({"individual", "consolidated", ""}),
        "audited": frozenset({"audited", "reviewed", "unaudited", ""}),
        "company_kind": frozenset({"listed_manufacturer", "private_manufacturer", "non_manufacturer", "emerging_market", "financial", ""}),
        "currency": _CURRENCY,
    }
    unit: Literal[1, 1000, 1000000] = 1


class Remarks(Table):
    """What people wrote about customers: reasons of disputes, notes of collectors."""

    dataset: ClassVar[str] = "remarks"
    fields: ClassVar[frozenset[str]] = frozenset({"source_number", "remark_date", "kind", "remark"})
    required: ClassVar[tuple[str, ...]] = ("source_number", "remark_date", "remark")
    coded: ClassVar[dict[str, frozenset[str]]] = {"kind": frozenset({"dispute", "collection", ""})}


_NO_LONGER = ("CYP", "EEK", "HRK", "LTL", "LVL", "MTL", "ROL", "SIT", "SKK", "TRL")
"""Currencies in the European Central Bank's file of all days that were replaced since 1999."""


class Rates(Table):
    """Exchange rates: a table of one's own, or a file of the European Central Bank (`ecb`), whose layout is known."""

    dataset: ClassVar[str] = "rates"
    fields: ClassVar[frozenset[str]] = frozenset({"rate_date", "base", "quote", "rate", "source"})
    required: ClassVar[tuple[str, ...]] = ("rate_date", "base", "quote", "rate", "source")
    coded: ClassVar[dict[str, frozenset[str]]] = {"base": _CURRENCY, "quote": _CURRENCY}

    @model_validator(mode="before")
    @classmethod
    def _known_layout(cls, given: Any) -> Any:
        where = given.get("from") if isinstance(given, dict) else None
        if not isinstance(where, dict) or "ecb" not in where:
            return given
        gone = {"rule": "currencies that no longer exist", "column": "quote", "values": _NO_LONGER}
        none = {"rule": "no rate was fixed that day", "column": "rate", "values": ("N/A", "")}
        columns = {name: name for name in cls.required}
        known = {"columns": columns, "row_key": ("rate_date", "quote"), "dates": ("%Y-%m-%d", "%d %B %Y"), "filters": (gone, none)}
        return known | given


class StatedTotals(Table):
    """Control totals that the source hands over with its rows."""

    dataset: ClassVar[str] = "stated_totals"
    fields: ClassVar[frozenset[str]] = frozenset({"dataset", "currency", "kind", "rows", "amount"})
    required: ClassVar[tuple[str, ...]] = ("rows",)
    coded: ClassVar[dict[str, frozenset[str]]] = {
        "dataset": frozenset({"items", "customers"}),
        "kind": frozenset(k.value for k in DocumentKind) | {""},
        "currency": _CURRENCY | {""},
    }
    amount_is: Literal["open", "amount"] = "open"
    duplicates: Literal["included", "excluded"] = "included"


class Mapping(_Part):
    """One source, wholly declared. `digest` is the SHA-256 of the document it was loaded from."""

    version: str
    source: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    has: tuple[Capability, ...] = ()
    assumptions: tuple[str, ...] = ()
    identity: Identity = Identity()
    items: Items
    customers: Annotated[Annotated[Customers, Tag("table")] | Annotated[CustomersFromLedger, Tag("ledger")], Discriminator(_customers_kind)]
    terms: dict[str, Annotated[int, Field(ge=0, le=3650)]] = {}
    external: External | None = None
    statements: Statements | None = None
    remarks: Remarks | None = None
    cover: Cover | None = None
    rates: Rates | None = None
    stated_totals: StatedTotals | None = None
    digest: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _allocation_is_history(self) -> Mapping:
        if self.items.allocation == "oldest_first" and "cleared_items" not in self.has:
            raise ValueError(said("allocation oldest_first makes clearing days of payments; add cleared_items to has"))
        return self

    @property
    def lacks(self) -> tuple[str, ...]:
        """Capabilities the source does not have, in their fixed order."""
        return tuple(c for c in CAPABILITIES if c not in self.has)

    @property
    def statuses(self) -> frozenset[str]:
        """Credit statuses that the source can state of a customer; a column without codes states ours as they are."""
        given = self.customers.constants.get("status")
        if isinstance(self.customers, Customers) and given is None:
            codes = self.customers.codes.get("status")
            return frozenset(codes.values()) if codes else Customers.coded["status"]
        return frozenset({given or CreditStatus.ACTIVE})

    @property
    def tables(self) -> tuple[Table, ...]:
        """The datasets that are read from somewhere, items first."""
        parts = (self.items, self.customers, self.external, self.statements, self.remarks, self.cover, self.rates, self.stated_totals)
        return tuple(part for part in parts if isinstance(part, Table))


def capabilities(mappings: Iterable[Mapping]) -> frozenset[str]:
    """What every source can tell, and `statements` and `remarks` where one hands them over: a figure that lacks its own is not computed."""
    known = list(mappings)
    handed_over = frozenset(name for name in ("statements", "remarks") if any(getattr(m, name) for m in known))
    return frozenset.intersection(*(frozenset(m.has) for m in known)) | handed_over


def load(document: documents.Document) -> Mapping:
    """The mapping in `document`. Raises BadInput naming file, line, field, what was expected and got."""
    return documents.check(document, Mapping).model_copy(update={"digest": document.digest})
