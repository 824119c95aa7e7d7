from __future__ import annotations

import json
import sys
import textwrap

import pandas as pd
import pytest

from benchmarks import bench

STAND_IN = """
    import json, subprocess, sys
    from pathlib import Path
    import pandas as pd

    config, card, policy, shift = *map(Path, sys.argv[1:4]), int(sys.argv[4])
    given = [config / "ledger", "--policy", policy, "--scorecard", card, "--out", config / "own.parquet"]
    subprocess.run([sys.executable, "-m", "benchmarks.bare", *given], check=True)
    found = pd.read_parquet(config / "own.parquet").assign(state="reviewed", direction="up")
    found.loc[found.index[:1], "to_minor"] += shift
    review = config / "data" / "reviews" / "r1"
    (review / "proposals").mkdir(parents=True)
    found.to_parquet(review / "proposals" / "0000.parquet")
    stages = [{"stage": "Reading", "seconds": len(found) / 1000, "rows": len(found), "peak_rss_bytes": 10**8}]
    (review / "stages.jsonl").write_text("".join(json.dumps(one) + "\\n" for one in stages))
"""


def run(folder, shift):
    script = folder / "stand_in.py"
    script.write_text(textwrap.dedent(STAND_IN))
    review = f"{{python}} {script} {{config}} {{scorecard}} {bench.STARTER / 'policy.yaml'} {shift}"
    given = ["--customers", "300", "--work", str(folder / "work"), "--install", "{python} -c pass", "--review", review, "--repeat", "1"]
    code = bench.Bench(bench.arguments(given)).whole()
    return code, json.loads((folder / "work" / "result.json").read_text())


@pytest.mark.soak
def test_a_review_with_the_scripts_limits_is_equal_and_one_other_limit_is_named(tmp_path):
    (tmp_path / "same").mkdir()
    _, same = run(tmp_path / "same", 0)
    assert same["differences"] == []
    assert same["items"] == 6_000
    (tmp_path / "other").mkdir()
    code, other = run(tmp_path / "other", 100)
    assert code == 1
    assert len(other["differences"]) == 1 and other["differences"][0].startswith("to_minor of 1 customers, such as customer 1000001")


def test_customers_missing_on_one_side_are_named():
    columns = ["to_minor", "to_terms_days", "points", "grade", "exposure_minor", "own_risk_minor", "need_minor", "overdue_minor"]
    bare = pd.DataFrame([["a", *range(8)], ["b", *range(8)]], columns=["customer_id", *columns])
    review = bare.iloc[:1].assign(state="reviewed")
    assert bench.differences(review, bare) == ["1 customers only in the script, such as b"]
    assert bench.differences(review.assign(state="quarantined"), bare)[0].startswith("2 customers only in the script")
    assert bench.differences(bare.assign(state="reviewed"), bare) == []


FIGURES = ["to_minor", "to_terms_days", "points", "grade", "exposure_minor", "own_risk_minor", "need_minor", "overdue_minor"]
EMPTY = pd.DataFrame(columns=["customer_id", *FIGURES])


def review(customers, **seconds):
    stages = [{"stage": name, "seconds": s, "rows": customers, "peak_rss_bytes": 1} for name, s in seconds.items()]
    return bench.Review(customers, bench.Run(1.0, 1, ""), stages, pd.DataFrame())


def test_growth_is_judged_without_the_fixed_seconds_and_short_stages_are_not_judged():
    tiny, small = review(10, read=1.0, sort=0.0, blink=0.0), review(10_000, read=2.0, sort=1.0, blink=0.01)
    found = bench.growth(tiny, small, review(100_000, read=11.0, sort=30.0, blink=0.4))
    assert found.loc[["read", "sort"], "excess"].tolist() == [1.0, 3.0]
    assert pd.isna(found.loc["blink", "excess"])


def test_a_slow_small_run_does_not_flatter_the_review(capsys):
    tiny, small, large = review(10, read=1.0), review(10_000, read=3.0), review(100_000, read=21.0)
    slow = bench.Review(10, bench.Run(40.0, 1, ""), tiny.stages, tiny.proposals)
    whole = bench.Review(100_000, bench.Run(45.0, 1, ""), large.stages, EMPTY.assign(state="", direction=""))
    found = bench.conclude(slow, small, whole, [({"seconds": 5.0, "stages": {}}, bench.Run(6.0, 1, ""))], EMPTY)
    assert (found["marginal_seconds_by_wall"], found["marginal_seconds"], found["ratio"]) == (5.0, 20.0, 4.0)
    assert not all(found["reached"].values())


def test_memory_counts_the_whole_process_tree():
    child = "import time; block = bytearray(60_000_000); time.sleep(0.6)"
    parent = f"import subprocess, sys; block = bytearray(60_000_000); subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    found = bench.measure([sys.executable, "-c", parent])
    assert found.peak_bytes > 120_000_000
    assert found.seconds > 0.6


def test_a_command_that_fails_says_what_it_said():
    with pytest.raises(RuntimeError, match="no such luck"):
        bench.measure([sys.executable, "-c", "raise SystemExit('no such luck')"])
