"""The benchmark of the audit log counts what it wrote and judges its figures by their reach."""

from __future__ import annotations

from types import SimpleNamespace

from benchmarks import audit_log
from benchmarks.audit_log import Figure


def test_a_small_run_loses_nothing_and_reports_every_figure(sqlite_url, monkeypatch, capsys):
    monkeypatch.setattr(audit_log, "WRITERS", 2)
    found = {one.name: one for one in audit_log.measured(sqlite_url, SimpleNamespace(singles=5, batches=1, each=3))}
    assert found["entries not found again"].value == 0 and found["16 writers, refused"].value == 0
    assert len(found) == 9 and "checkpoint of the empty log" in capsys.readouterr().out


def test_a_figure_is_judged_on_its_own_side():
    assert Figure("speed", 400, 400, "a second").reached and not Figure("speed", 399, 400, "a second").reached
    late = Figure("wait", 16, 15, "ms", at_most=True)
    assert not late.reached and "MISSED" in late.text() and "at most 15" in late.text()
