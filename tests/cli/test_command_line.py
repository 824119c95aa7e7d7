"""What every command shares: start-up without heavy imports, exit codes as documented, JSON where a script reads, plain text elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from office import run

from credit_review import errors
from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.money import EXPONENTS, format_minor, typed
from deployments.cli import frame, main, reviewing
from deployments.cli.requesting import content_of

ROOT = Path(__file__).parents[2]
HEAVY = ("prefect", "pandas", "great_expectations", "sklearn", "sqlalchemy", "matplotlib", "slack_bolt", "numpy", "alembic")
ANSWERS = {
    "adopt", "adverse answered", "adverse asked", "adverse confirm", "adverse list", "adverse notified", "adverse show", "apply",
    "audit checkpoint", "audit coaching", "audit controls", "audit entries", "audit sample draw", "audit sample project",
    "audit special", "audit verify", "canaries", "committee agenda", "committee attend", "committee close", "committee list",
    "committee minutes", "committee open", "committee recuse", "committee show", "committee vote", "conditions list", "decide",
    "defer", "deliveries list", "deliveries requeue", "differences list", "differences settle", "doctor", "evidence pack",
    "exceptions end", "exceptions hand-over", "exceptions list", "exceptions show", "exclude", "finding assign", "finding close",
    "finding list", "finding open", "finding remedy", "finding reopen", "finding show", "follow-up", "forecast accuracy",
    "forecast import", "forecast list", "forecast record", "forecast withdraw", "inbox", "insurance tasks", "letters drop",
    "letters list", "letters send", "letters show", "limit end-season", "limit show", "override", "path", "people delegate",
    "people delegations", "people end-delegation", "people list", "policy diff", "policy effectiveness", "policy lint", "rehearsals",
    "rehearse", "release", "replay", "report", "request", "review close", "review confirm", "review list", "review resume",
    "review run", "review show", "risk-kept", "scorecard compare", "scorecard compare-challenger", "scorecard inventory",
    "scorecard monitor", "scorecard publish", "scorecard register", "scorecard retire", "scorecard show", "scorecard validate", "show",
    "source check",
}  # fmt: skip
"""Commands whose answer a script would read."""


def commands():
    """Every command by its words."""
    yield from below(typer.main.get_command(main.app), ())


def below(group, words):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from below(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


def process(*words, **environment):
    program = [str(Path(sys.executable).parent / "credit-review"), *words]
    env = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_REVIEW_")} | environment
    return subprocess.run(program, capture_output=True, text=True, timeout=120, env=env, check=False)


def imported(*words):
    """Heavy modules that a command imports, told by a process of its own."""
    code = (
        "import sys\nsys.argv = ['credit-review', *sys.argv[1:]]\nfrom deployments.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        f"print('IMPORTED', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split()[1:]), done.stdout


@pytest.mark.parametrize("words", [("--help",), ("review", "--help"), ("request", "--help"), ("decide", "--help")])
def test_help_starts_without_anything_heavy(words):
    found, shown = imported(*words)
    assert found == set() and "Usage: credit-review" in shown


def test_a_daily_command_starts_without_prefect_and_pandas(reviewed):
    found, shown = imported("inbox", "--config", str(reviewed.config), "--as", "p-analyst")
    assert found == {"sqlalchemy"} and "Anna Berg: " in shown


def test_every_command_explains_itself_and_every_argument():
    for words, command in commands():
        assert command.help and command.help.strip().endswith("."), words
        unexplained = [p.name for p in command.params if not getattr(p, "help", None) and p.name != "help"]
        assert not unexplained, (words, unexplained)


def test_what_a_script_would_read_is_there_as_json():
    assert {words for words, command in commands() if any("--json" in p.opts for p in command.params)} == ANSWERS


def test_every_error_has_a_documented_exit_code():
    kinds = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, CreditReviewError)}
    assert {kind.exit_code for kind in kinds} | {0, 2, 130} == set(frame.EXIT_CODES)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    table = {int(code): meaning.strip() for code, meaning in re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.M)}
    assert table == frame.EXIT_CODES
    shown = " ".join(run("--help").fine().out.split())
    assert all(f"{code} {meaning}" in shown for code, meaning in frame.EXIT_CODES.items())


@pytest.mark.parametrize("kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, CreditReviewError)])
def test_an_error_ends_with_its_code_and_its_three_lines_and_no_traceback(kind, monkeypatch):
    code = ("some.code",) if kind is errors.Refused else ()

    def raises(**_):
        raise kind(*code, "the thing", expected="another thing", next_step="do this")

    monkeypatch.setattr(main, "app", raises)
    done = run()
    assert (done.code, done.out, done.err) == (kind.exit_code, "", "the thing\n  expected: another thing\n  next: do this\n")


def test_a_stopped_command_says_how_to_go_on(monkeypatch):
    """Through the real entry point: typer turns Ctrl-C into an exit of its own."""

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(reviewing, "list_all", stopped)
    done = run("review", "list")
    assert done.code == 130 and "`credit-review review resume REVIEW`" in done.err and "review list" in done.err


def test_the_program_itself_gives_the_same_answers(reviewed, tmp_path):
    """One pass through processes of their own, as a shell or cron would start them."""
    listed = process("review", "list", "--json", CREDIT_REVIEW_CONFIG=str(reviewed.config))
    assert listed.returncode == 0 and json.loads(listed.stdout)[0]["state"] == "routed"
    assert process("audit", "verify", "-c", str(reviewed.config)).returncode == 2
    missing = process("inbox", "-c", str(tmp_path))
    assert (missing.returncode, missing.stdout) == (3, "") and missing.stderr.startswith("no settings.yaml in ")
    assert process("review", "run", "--as-of", "yesterday").returncode == 2


def test_a_list_that_cannot_be_read_is_named_with_the_next_step(tmp_path):
    with pytest.raises(BadInput, match=r"nofile\.csv cannot be read: No such file") as error:
        content_of(tmp_path / "nofile.csv")
    assert error.value.next_step


# --- amounts as people type them ----------------------------------------------------------------------------------------------------


@given(minor=st.integers(0, 10**12), currency=st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_as_we_write_it_is_read_as_it_was(minor, currency):
    assert typed(format_minor(minor, currency), currency) == minor
    assert typed(format_minor(minor, currency).replace(",", "").lower(), currency) == minor


@pytest.mark.parametrize("text", ["60.000", "1234,50", "1,2,3", "12,34", "1e3", "", " ", "60 000,00", "0x10", "∞", "NaN", "5 EUR USD", "٣"])
def test_what_could_be_read_as_another_amount_is_refused(text):
    with pytest.raises(BadInput):
        typed(text, "EUR")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5000 USD", "'5000' is in USD; expected an amount in EUR"),
        ("abc EUR", "'abc' is not an amount"),
        ("abc USD", "'abc' is not an amount"),
        ("abc", "'abc' is not an amount"),
        ("1.2.3 eur", "'1.2.3' is not an amount"),
    ],
)
def test_a_refused_amount_is_quoted_without_the_currency_that_a_list_has_beside_it(text, why):
    with pytest.raises(BadInput) as error:
        typed(text, "EUR")
    assert f"{error.value.what}; expected {error.value.expected}".startswith(why)


def test_decimals_are_those_of_the_currency():
    assert (typed("1.5", "EUR"), typed("1.500", "BHD"), typed("1500", "JPY")) == (150, 1500, 1500)
    with pytest.raises(BadInput):
        typed("1.5", "JPY")
