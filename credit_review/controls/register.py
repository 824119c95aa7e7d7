"""The register of controls: what watches over approvals, and how an alarm is to be read. docs/audit/controls.md documents each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from credit_review.controls import dips, hard, signals, upkeep
from credit_review.controls.alarm import Alarm, Severity
from credit_review.controls.history import History
from credit_review.words import marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control: `name` stands in alarms, `says` is one sentence about an exception, `evidence` names the frames it reads.

    `severity` is the gravest it reports. `of_review`: what it finds belongs to a review, so that it can be asked of one.
    """

    name: str
    says: str
    severity: Severity
    evidence: tuple[str, ...]
    check: Callable[[History], Iterator[Alarm]]
    of_review: bool = True


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

REGISTER: tuple[Control, ...] = (
    Control(
        name=hard.OWN,
        says=marked("somebody approved what he made or changed himself, under whichever name"),
        severity=HIGH,
        evidence=("decisions", "proposals", "makers", "people", "held"),
        check=hard.own_proposal,
    ),
    Control(
        name=hard.ADMINISTRATOR,
        says=marked("an administrator of database or software approves, or could"),
        severity=HIGH,
        evidence=("decisions", "documents", "people", "held"),
        check=hard.administrator_approves,
    ),
    Control(
        name=hard.AUTHORITY,
        says=marked("an approval was given without the authority for it at that moment"),
        severity=HIGH,
        evidence=("decisions", "proposals", "documents", "people", "held"),
        check=hard.authority_in_force,
    ),
    Control(
        name=hard.UNAPPROVED,
        says=marked("a limit was applied without the approvals it needs"),
        severity=HIGH,
        evidence=("changes", "decisions", "proposals", "makers", "conditions", "documents", "people", "held"),
        check=hard.applied_without_approvals,
    ),
    Control(
        name=upkeep.SHORT_LIVED,
        says=marked("a policy, matrix, mapping or scorecard was in force for a short time only"),
        severity=HIGH,
        evidence=("documents",),
        check=upkeep.short_lived_change,
        of_review=False,
    ),
    Control(
        name=upkeep.LEAVERS,
        says=marked("somebody who left still holds an account, tier, delegation or right"),
        severity=HIGH,
        evidence=("people", "held", "documents"),
        check=upkeep.leaver_enabled,
        of_review=False,
    ),
    Control(
        name=upkeep.UNUSED,
        says=marked("a tier or delegation is held and never used"),
        severity=LOW,
        evidence=("decisions", "held", "documents"),
        check=upkeep.unused_right,
        of_review=False,
    ),
    Control(
        name=upkeep.COVERAGE,
        says=marked("a customer was not reviewed for a year, or a review has no whole certificate"),
        severity=HIGH,
        evidence=("reviews", "coverage"),
        check=upkeep.coverage,
    ),
    Control(
        name=upkeep.ERP,
        says=marked("the ERP and our limit in force have differed for too long"),
        severity=MEDIUM,
        evidence=("differences",),
        check=upkeep.erp_difference,
        of_review=False,
    ),
    Control(
        name=signals.FAST,
        says=marked("somebody approves faster than one can read"),
        severity=MEDIUM,
        evidence=("decisions", "proposals"),
        check=signals.fast_approvals,
    ),
    Control(
        name=signals.BULK,
        says=marked("somebody approves many proposals one right after the other"),
        severity=MEDIUM,
        evidence=("decisions", "proposals"),
        check=signals.bulk_approvals,
    ),
    Control(
        name=signals.BUNCHED,
        says=marked("amounts lie just under the bound of a tier more often than beside it"),
        severity=MEDIUM,
        evidence=("decisions", "proposals", "makers"),
        check=signals.bunched_amounts,
    ),
    Control(
        name=signals.TEMPORARY,
        says=marked("one customer gets temporary limits again and again"),
        severity=MEDIUM,
        evidence=("changes",),
        check=signals.repeated_temporary,
        of_review=False,
    ),
    Control(
        name=signals.PAIR,
        says=marked("one maker's proposals are approved by one person more often than chance explains"),
        severity=MEDIUM,
        evidence=("decisions", "proposals", "makers"),
        check=signals.fixed_pair,
        of_review=False,
    ),
    Control(
        name=signals.RUSH,
        says=marked("increases asked for crowd into the last days of a quarter"),
        severity=MEDIUM,
        evidence=("decisions", "proposals"),
        check=signals.quarter_end_rush,
        of_review=False,
    ),
    Control(
        name=dips.DIP,
        says=marked("exposure is low on the review's day, and only then"),
        severity=MEDIUM,
        evidence=("dips",),
        check=dips.exposure_dip,
        of_review=False,
    ),
)


def watch(history: History, controls: Sequence[Control] = REGISTER) -> list[Alarm]:
    """Every alarm of these controls over the history, each once, in the order of the register and then of the subjects."""
    found: dict[str, Alarm] = {}
    for control in controls:
        for alarm in sorted(control.check(history), key=lambda one: (one.subject, one.entries)):
            found.setdefault(alarm.key, alarm)
    return list(found.values())
