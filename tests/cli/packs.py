"""An evidence pack as an auditor holds it: keys, anchors, and the scripts run where nothing of this project is."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from office import run

SCRIPTS = Path(__file__).parents[2] / "docs" / "audit"
ORIGIN = "company.example/credit-audit/1"
SIGNER = "company.example/evidence"
ANCHORS = """audit:
  origin: {origin}
  keys: ['{key}']
  anchors:
    - {{name: worm, kind: directory, administrator: "storage team's", folder: {folder}/worm}}
    - {{name: other, kind: directory, administrator: platform team, folder: {folder}/other}}
"""


def made_keys(folder, patch):
    """Public halves of the log's key and of the one that signs packs; the secret halves are where the program looks for them."""
    found = {}
    for name, variable, of in (("log", "NOTARY_KEY", ORIGIN), ("pack", "EVIDENCE_KEY", SIGNER)):
        found[name] = run("audit", "key", of, "--out", str(folder / name)).fine().out.strip()
        patch.setenv(f"CREDIT_REVIEW_{variable}", (folder / name).read_text())
    return found


def anchored(office, keys, folder):
    """The log of an installation has anchors of two administrators, in `folder`."""
    for name in ("worm", "other"):
        (folder / name).mkdir()
    with (office.config / "settings.yaml").open("a", encoding="utf-8") as file:
        file.write(ANCHORS.format(origin=ORIGIN, key=keys["log"], folder=folder))


def rows(pack, name):
    return list(csv.DictReader((pack / name).open(encoding="utf-8", newline="")))


def manifest(pack):
    return json.loads((pack / "manifest.json").read_text(encoding="utf-8"))


def alone(script, folder, *words):
    """A script of the auditor's own, in a process that knows nothing of this project: no path, no environment, an empty directory."""
    return subprocess.run([sys.executable, "-I", script, *words], capture_output=True, text=True, cwd=folder, env={}, check=False)


def conclusions(pack, keys, empty, *more):
    """What the three scripts of the folder say, by name, given keys and nothing else."""
    facts = manifest(pack)
    notes = [word for place, who in facts["administrators"].items() for word in ("--notes", f"{who}={pack / place}")]
    log, key = str(pack / "log.jsonl"), keys["log"]
    return {
        "pack": alone(pack / "check_pack.py", empty, str(pack), "--key", keys["pack"], "--log-key", key),
        "log": alone(pack / "verify_audit.py", empty, log, "--key", key, "--now", facts["made_at"][:19], *notes),
        "limits": alone(pack / "reperform_limits.py", empty, log, *more),
    }
