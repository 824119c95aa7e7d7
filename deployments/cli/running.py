"""`apply`, `follow-up`: what the scheduler does, by hand."""

from __future__ import annotations

from pathlib import Path

from deployments.cli.frame import services, show_json, show_pairs
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
