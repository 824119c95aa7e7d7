"""`apply`, `follow-up`, `scorecard monitor`: what the scheduler does, by hand."""

from __future__ import annotations

from pathlib import Path

from credit_review.words import said
from deployments.cli.frame import services, show_json, show_pairs, tell
from deployments.cli.watching import watched


def apply_limits(config: Path, *, as_json: bool) -> None:
    """Apply, deliver, compare."""
    services(config)
    with watched():
        from tasks import effects

        done = [step.fn(str(config)) for step in (effects.apply_approved, effects.relay_outbox, effects.reconcile)]
    _say(done, as_json=as_json)


def follow_up(config: Path, *, as_json: bool) -> None:
    """Sweep, ask again, deliver, compare."""
    services(config)
    with watched():
        from tasks import effects

        done = [step.fn(str(config)) for step in (effects.sweep, effects.follow_up, effects.relay_outbox, effects.reconcile)]
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
