"""What a cycle leaves behind, without times, salts and hashes: equal for an uninterrupted run and for one that was killed and resumed."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import fields
from pathlib import Path

from credit_review.adapters import settings
from credit_review.adapters.store.verify import verify_log
from credit_review.adapters.wiring import open_services, open_write_back
from credit_review.model import records
from credit_review.review.relay import ERP

NOT_COMPARED = frozenset(
    {
        "at", "created_at", "decided_at", "started_at", "recorded_at", "expires_at", "applied_at", "raised_at", "found_at", "closed_at",
        "not_before", "settled_at", "hold_at", "leased_by", "lease_until", "attempts", "last_error", "delivery_key", "packet_json",
        "digest", "confirmed_json", "note_id", "failure", "payload_json", "released_at",
    }
)  # fmt: skip
COMPARED = (
    "Review", "ReviewBatch", "CustomerAlias", "GroupMembership", "Rate", "LimitAccount", "Proposal", "Maker", "Note", "Decision",
    "LimitChange", "CreditLimit", "OutboxEntry", "Deferral", "RiskKept", "ErpDifference",
)  # fmt: skip
RESUMED = "run.resumed"


def look(config: Path):
    """Tables, files, log entries and ERP, as JSON values."""
    opened = open_services(settings.load(config))
    with opened.store.read() as uow:
        tables = {name: _rows(uow, getattr(records, name)) for name in COMPARED}
        entries = Counter(f"{e.action} {e.entity} by {e.actor}" for e in uow.find(records.AuditRow) if e.action != RESUMED)
        accounts = [limit.account_id for limit in uow.find(records.CreditLimit)]
        delivered = [row.dedup_key for row in uow.find(records.OutboxEntry, kind=ERP)]
    verified = verify_log(opened.store.engine)
    data = config / "data"
    return {
        "tables": tables,
        "entries": dict(sorted(entries.items())),
        "log": [verified.exit_code, verified.text().split(":")[0]],
        "owed_twice": [key for key, count in Counter(delivered).items() if count > 1],
        "erp": {key: dict(held) for key, held in open_write_back(opened.settings).read_back(accounts).items()},
        "dropped": _dropped(config / "erp_drop"),
        "certificates": {name: json.loads(text) for name, text in _texts(data, "certificate.json").items()},
        "manifests": _texts(data, "manifest.json"),
        "proposals": _texts(data, "proposals.csv"),
        "files": sorted(str(p.relative_to(data)) for part in ("reviews", "snapshots") for p in (data / part).rglob("*") if p.is_file()),
        "half_written": sorted(str(p) for p in config.rglob(".*") if p.name.endswith(".part") or p.name.startswith(".new-")),
    }


def _texts(data, name):
    """What that file says, by review; a review that was killed early has none, and is missed where it should have one."""
    return {path.parent.name: path.read_text() for path in sorted((data / "reviews").glob(f"*/{name}"))}


def _rows(uow, record):
    names = [field.name for field in fields(record) if field.name not in NOT_COMPARED]
    return sorted([[str(getattr(one, name)) for name in names] for one in uow.find(record)])


def _dropped(folder):
    """The ERP's files by name, how many rows its answer holds of each change (one, since it reads a file once), and lists of orders."""
    files = {path.name: path.read_text() for path in sorted(folder.glob("*.csv")) if path.name != "applied.csv"}
    orders = {path.name: path.read_text() for path in sorted(folder.glob("orders/*.csv"))}
    answers = folder / "applied.csv"
    rows = list(csv.DictReader(answers.open())) if answers.exists() else []
    return [files, sorted(row["change_id"] for row in rows), orders]
