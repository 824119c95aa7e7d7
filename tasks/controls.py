"""The controls that watch, as a step: what they found becomes an artifact, and each alarm a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from credit_review.adapters import watching
from credit_review.controls.alarm import Alarm
from credit_review.controls.register import REGISTER
from credit_review.words import said, said_many
from tasks.defaults import outside
from tasks.prepare import services


@dataclass(frozen=True, slots=True)
class Watched:
    """What the controls said: one line, and a row an alarm of ids, codes and counts."""

    headline: str
    rows: Sequence[Mapping[str, str | int]]


@outside(name="run the controls", task_run_name="run the controls")
def watch(config: str) -> Watched:
    """Every control of the register over the whole record; safe to repeat, the same exception is the same alarm."""
    found = watching.run(services(config))
    controls = len({one.control for one in found})
    counted = said_many("{n} alarm", "{n} alarms", n=len(found))
    headline = said("{alarms} of {controls} controls, {register} ran", alarms=counted, controls=controls, register=len(REGISTER))
    return Watched(headline=headline, rows=[_row(one) for one in found])


def _row(alarm: Alarm) -> dict[str, str | int]:
    facts = ", ".join(f"{name} {value}" for name, value in sorted(alarm.facts.items()))
    entries = " ".join(str(seq) for seq in alarm.entries)
    return {"control": alarm.control, "severity": str(alarm.severity), "subject": alarm.subject, "facts": facts, "entries": entries}
