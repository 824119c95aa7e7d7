"""What code is running: for the manifest, so that a decision names the program that made it."""

from __future__ import annotations

import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions, version
from pathlib import Path


def code_commit() -> str:
    """Git commit of the running checkout (`-dirty` when changed), or `release <version>` when installed from a wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return f"release {version('credit-review')}"
    try:
        described = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return f"release {version('credit-review')}"
    return described.stdout.strip()


@cache
def lock_hash() -> str:
    """SHA-256 (hex) over the sorted `name==version` lines of each installed distribution, as first seen: the libraries that run."""
    lines = sorted({f"{(d.metadata['Name'] or '').lower()}=={d.version}" for d in distributions()})
    return sha256("\n".join(lines).encode()).hexdigest()
