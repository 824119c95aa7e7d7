"""`audit controls`: the controls that watch, run now, by whoever wants to know."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.words import said, said_many
from deployments.cli.frame import services, show_json, show_table, tell

if TYPE_CHECKING:
    from credit_review.controls.alarm import Alarm

MOST = 200
"""Alarms that are listed; the rest is counted."""


def controls(config: Path, review: str, *, as_json: bool) -> int:
    """Print each alarm under the sentence of its control; returns 0 when there is none, else 1."""
    opened = services(config)
    from credit_review.adapters import watching

    found = watching.run(opened, review)
    if as_json:
        show_json([{**asdict(one), "facts": dict(one.facts), "key": one.key} for one in found])
    else:
        _tell(found, of_review=bool(review))
    return 1 if found else 0


def _tell(found: list[Alarm], *, of_review: bool) -> None:
    from credit_review.controls.register import REGISTER

    ran = [one for one in REGISTER if one.of_review or not of_review]
    shown = found[:MOST]
    for control in ran:
        mine = [one for one in shown if one.control == control.name]
        if mine:
            tell(said("{control}: {sentence}", control=control.name, sentence=said(control.says)))
            columns = [said("Subject"), said("Severity"), said("Entries"), said("Facts")]
            show_table("", columns, [_cells(one) for one in mine])
    tell(said_many("{n} control ran", "{n} controls ran", n=len(ran)))
    tell(said_many("{n} exception found", "{n} exceptions found", n=len(found)) if found else said("no exception found"))


def _cells(alarm: Alarm) -> list[str]:
    facts = ", ".join(f"{name} {value}" for name, value in sorted(alarm.facts.items()))
    return [alarm.subject, said(str(alarm.severity)), " ".join(map(str, alarm.entries)), facts]
