"""The README's commands, run as they stand there, in order, by somebody with a small ledger; what cannot run here says which test does.

One process answers all of them, see tests/at_hand.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.at_hand import credit_review_at_hand

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

FIRST_USE = "Your own ledger, in ten minutes"
RUN_ELSEWHERE = {
    "Two commands": (".ci/run", "Makefile"),  # `make test` runs this test, and continuous integration runs `make test` on a clean clone
    "Schedules, and a shared server": ("tests/flows/test_server.py",),  # runs these lines, with a server and a worker
}
"""Sections whose commands are not run here, and what runs them."""

LEDGER = """Kunde;Beleg;Art;Buchung;Fällig;Währung;Betrag
1001;R1;RE;03.03.2026;02.04.2026;EUR;12.400,00
1001;R2;RE;10.08.2026;09.10.2026;EUR;8.150,50
1001;Z1;ZA;20.04.2026;20.04.2026;EUR;12.400,00-
1002;R3;RE;15.06.2026;15.07.2026;EUR;2.300,00
1002;G1;GS;01.07.2026;01.07.2026;EUR;300,00-
1003;R4;RE;31.08.2026;31.10.2026;EUR;54.000,00
1003;R5;RE;01.09.2026;31.11.2026;EUR;1.000,00
"""


def sections():
    return {part.partition("\n")[0]: part for part in re.split(r"^## ", README, flags=re.M)[1:]}


def blocks(text, kind):
    """Fenced blocks of one kind, without the indentation of a list."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```", text, re.S | re.M)
    return ["\n".join(line.removeprefix(indent) for line in body.splitlines()) for indent, body in found]


def bash(folder, server, *commands):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_REVIEW_")}
    environment["PREFECT_API_URL"] = server
    with credit_review_at_hand(folder / "bin", environment) as at_hand:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
            cwd=folder,
            env=environment | {"PATH": f"{at_hand}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )


def test_every_block_of_commands_is_run_by_a_test():
    with_commands = {title for title, text in sections().items() if blocks(text, "sh")}
    assert with_commands == {FIRST_USE, *RUN_ELSEWHERE}
    assert [path for paths in RUN_ELSEWHERE.values() for path in paths if not (ROOT / path).exists()] == []
    assert not re.findall(r"^ *```(?!sh$|yaml$|$).+", README, re.M), "a fence of a kind this test does not know"


@pytest.mark.prefect
def test_a_newcomers_first_review_works_as_the_readme_says(tmp_path, prefect_server):
    first, *others = blocks(sections()[FIRST_USE], "sh")
    (mapping,) = blocks(sections()[FIRST_USE], "yaml")
    put_there = ["cp mine/ledger.csv my-review/ledger/ledger.csv", "cp mine/mapping.yaml my-review/mapping.yaml"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/ledger.csv").write_text(LEDGER, encoding="latin-1")
    (tmp_path / "mine/mapping.yaml").write_text(mapping, encoding="utf-8")
    # that a command starts a server of its own where none is named, test_demo.py and test_review_run.py show
    server = json.loads((prefect_server / "server.json").read_text())["url"]
    done = bash(tmp_path, server, first, *put_there, *others)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "WRONG" not in done.stdout and done.stdout.count(" is in force") == 4
    assert "Anna Berg: 3 to release" in done.stdout
    (review,) = (tmp_path / "my-review/data/reviews").iterdir()
    assert str(review / "report.html") in done.stdout and "3 customers" in done.stdout
    report = (review / "report.html").read_text(encoding="utf-8")
    assert "R5" in report and "31.11.2026" in report, "the row with a day that does not exist is named"
    assert "oldest invoices first" in report
