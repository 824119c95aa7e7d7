"""`apply`, `follow-up`, `scorecard monitor`: what the scheduler does, by hand; and the challenger's commands."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from credit_review.errors import BadInput
from credit_review.words import said
from deployments.cli.frame import services, show_json, show_pairs, tell
from deployments.cli.watching import watched

CHALLENGER = "challenger.json"
"""Where a challenger is written when settings.yaml names none yet."""


def apply_limits(config: Path, *, as_json: bool) -> None:
    """Apply, deliver, compare."""
    services(config)
    with watched():
        from tasks import effects

        steps = (effects.apply_approved, effects.draft_letters, effects.hand_off_orders, effects.relay_outbox, effects.reconcile)
        done = [step.fn(str(config)) for step in steps]
    _say(done, as_json=as_json)


def follow_up(config: Path, *, as_json: bool) -> None:
    """Sweep, ask again, deliver, compare."""
    services(config)
    with watched():
        from tasks import effects

        done = [
            step.fn(str(config))
            for step in (effects.sweep, effects.follow_up, effects.hand_off_orders, effects.relay_outbox, effects.reconcile)
        ]
    _say(done, as_json=as_json)


def _say(done: list[object], *, as_json: bool) -> None:
    if as_json:
        show_json([{"step": d.key, "headline": d.headline, "rows": list(d.rows)} for d in done])  # type: ignore[attr-defined]
        return
    show_pairs({d.title: d.headline for d in done})  # type: ignore[attr-defined]


def monitor_scorecard(config: Path, *, as_json: bool) -> int:
    """Look at the scorecard in use; returns 0 when there is no exception, else 1."""
    services(config)
    with watched():
        from tasks import monitoring

        done = monitoring.monitor.fn(str(config))
    if as_json:
        show_json({"headline": done.headline, "report": done.report, "report_sha256": done.report_sha256, **done.figures})
        return 1 if done.alarms else 0
    tell(done.headline)
    if done.report is not None:
        for line in done.lines:
            tell(line)
        tell(said("wrote {path}", path=done.report))
    return 1 if done.alarms else 0


def fit_challenger(config: Path, *, as_of: date | None, out: Path | None) -> None:
    """Fit a challenger and write its two files; say how well it tells good from bad."""
    opened = services(config)
    path = out or opened.settings.path(opened.settings.challenger or CHALLENGER)
    if path.suffix != ".json":
        raise BadInput(said("{path} is no .json file", path=path), expected=said("NAME.json; the model is written beside as NAME.skops"))
    with watched():
        from credit_review.adapters import challengers
        from tasks import training

        fitted = training.fit_challenger(str(config), as_of=as_of)
        digest = challengers.write(path, fitted)
    for line in fitted.lines():
        tell(line)
    tell(said("wrote {path} and its model file; its digest is {digest}", path=path, digest=digest))
    tell(
        said(
            "next: `credit-review scorecard register {name} --kind challenger`; somebody else validates and publishes it; then it is named "
            "under `challenger` in settings.yaml, and the next review runs it",
            name=path.name,
        )
    )


def compare_challenger(config: Path, review: str, *, as_of: date | None, as_json: bool) -> None:
    """Write the comparison of a review's challenger with its scorecard, and say it in short."""
    services(config)
    with watched():
        from credit_review import report
        from tasks import challenger

        found, page = challenger.compare(str(config), review, as_of=as_of)
    if as_json:
        show_json(report.challenger_figures(found) | {"report": str(page)})
        return
    for line in report.challenger_summary(found):
        tell(line)
    tell(said("wrote {path}", path=page))
