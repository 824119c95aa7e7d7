"""How the controls do on generated histories: `python -m tests.controls.calibrate SEEDS` prints the table of docs/audit/controls.md."""

from __future__ import annotations

import sys
from collections import Counter

from credit_review.controls.register import REGISTER, watch
from tests.controls.histories import FIRST, PLANTED, REVIEWS, Past


def measured(seeds):
    """By control: false alarms over the clean reviews, the most in one history of REVIEWS, and planted cases found and missed."""
    false, most, found, missed = Counter(), Counter(), Counter(), []
    for seed in seeds:
        past = Past(seed)
        alarms = Counter(a.control for a in clean_alarms(past))
        false.update(alarms)
        most.update({name: max(0, count - most[name]) for name, count in alarms.items()})
        for control in REGISTER:
            if planted_found(past, control, seed):
                found[control.name] += 1
            else:
                missed.append((control.name, seed))
    return false, most, found, missed


def clean_alarms(past):
    """What the controls say about a clean history, and about a clean ledger of each of its years."""
    yield from watch(past.history(), [c for c in REGISTER if c.name != "exposure_dip"])
    for year in range(FIRST.year, past.last.year + 1):
        past.dips(year, past.ledger(year), floor=100_000)
        yield from watch(past.history(only=("dips",)), [c for c in REGISTER if c.name == "exposure_dip"])
    past.rows["dips"] = []


def planted_found(past, control, seed):
    """Whether the control finds its case, planted in a copy of the history."""
    dirty = past.copy()
    subject = PLANTED[control.name](dirty, seed)
    return any(
        a.subject == subject or (subject.endswith("/") and a.subject.startswith(subject))
        for a in watch(dirty.history(only=control.evidence), [control])
    )


def table(seeds):
    false, most, found, missed = measured(seeds)
    lines = ["| control | planted cases found | false alarms | most in 20 reviews |", "|---|---|---|---|"]
    for control in REGISTER:
        name = control.name
        lines.append(f"| `{name}` | {found[name]} of {len(seeds)} | {false[name]} in {len(seeds) * REVIEWS} clean reviews | {most[name]} |")
    return lines, missed


if __name__ == "__main__":
    lines, missed = table(range(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
    print("\n".join(lines))
    for name, seed in missed:
        print(f"missed: {name} with seed {seed}")
