"""Documents say what the program does: commands exist, links lead somewhere, the dictionary is current, the README's mapping reads."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from credit_review import documents, receivables
from deployments.cli.main import app
from tests.docs import dictionary

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [p for room in ("credit_review", "tasks", "flows", "deployments", "expectations") for p in (ROOT / room).rglob("*.py")]


@cache
def _commands():
    group = typer.main.get_command(app)
    found = set(group.commands)
    for name, command in group.commands.items():
        found |= {f"{name} {sub}" for sub in getattr(command, "commands", {})}
    return found


def _named(text):
    return re.findall(r"`(?:\.venv/bin/)?credit-review ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)", text)


@pytest.mark.parametrize("path", [*PAGES, *SOURCES, *(ROOT / "deployments/starter").iterdir()], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_a_text_names_exists(path):
    known = _commands()
    for words in _named(path.read_text(encoding="utf-8")):
        first = words.split()[0]
        assert first in known, words
        if any(c.startswith(f"{first} ") for c in known):
            assert words in known or words == first, words


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", path.read_text(encoding="utf-8")):
        page = path.parent / target if target else path
        assert page.exists(), target
        assert not anchor or anchor in _anchors(page), f"{target}#{anchor}"


@cache
def _anchors(page):
    """What a page's headings are linked by, as hosts of Markdown make it of their words."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_data_dictionary_is_current():
    assert dictionary.PATH.read_text(encoding="utf-8") == dictionary.text(), "run `python -m tests.docs.dictionary`"


def test_make_has_the_two_commands_of_the_readme():
    makefile = (ROOT / "Makefile").read_text()
    for line in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.M):
        assert re.search(rf"^{line}:", makefile, re.M), line


def test_the_mapping_of_the_readme_reads_its_ledger():
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S).group(1)
    text = "\n".join(line.removeprefix("   ") for line in block.splitlines())
    mapping = receivables.load(documents.parse(text, name="mapping.yaml"))
    assert mapping.items.from_.csv == "ledger.csv" and mapping.items.codes["kind"]["RE"] == "invoice"


def test_the_locks_carry_no_address():
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_prefect_yaml_is_read_by_everybody_the_same():
    assert yaml.safe_load((ROOT / "prefect.yaml").read_text())["name"] == "credit-review"


def test_what_a_message_sends_people_to_stands_in_the_document():
    texts = [*SOURCES, *(ROOT / "deployments/starter").iterdir()]
    sent = {found for p in texts for found in re.findall(r"(docs/[a-z-]+\.md), \"?([A-Z][A-Za-z ]+)", p.read_text(encoding="utf-8"))}
    assert ("docs/runbook.md", "The page outside Slack") in sent
    assert [(page, part) for page, part in sorted(sent) if part not in (ROOT / page).read_text(encoding="utf-8")] == []
