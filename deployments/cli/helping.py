"""Help and usage errors in the reader's language. Typer has no translations of its own: its command tree is walked and translated once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import typer

from credit_review.words import marked, said
from deployments.cli import language

_LABELS = {
    "ARGUMENTS_PANEL_TITLE": marked("Arguments"),
    "OPTIONS_PANEL_TITLE": marked("Options"),
    "COMMANDS_PANEL_TITLE": marked("Commands"),
    "ERRORS_PANEL_TITLE": marked("Error"),
    "ABORTED_TEXT": marked("Aborted."),
    "DEFAULT_STRING": marked("[default: {}]"),
    "ENVVAR_STRING": marked("[env var: {}]"),
    "REQUIRED_LONG_STRING": marked("[required]"),
    "RICH_HELP": marked("Try [blue]'{command_path} {help_option}'[/] for help."),
}
"""What typer writes around our texts, by the names it has in typer.rich_utils."""

_USAGE = marked("Usage: ")

_USAGE_ERRORS = (
    (r"Missing option (?P<name>.+?)\.", marked("Missing option {name}.")),
    (r"Missing argument (?P<name>.+?)\.", marked("Missing argument {name}.")),
    (r"Missing command\.", marked("Missing command.")),
    (r"No such command (?P<name>[^.]+)\.", marked("No such command {name}.")),
    (r"No such command (?P<name>.+)\. Did you mean (?P<known>.+)\?", marked("No such command {name}. Did you mean {known}?")),
    (r"No such option: (?P<name>\S+)", marked("No such option: {name}")),
    (r"No such option: (?P<name>\S+) \(Possible options: (?P<known>.+)\)", marked("No such option: {name} (Possible options: {known})")),
    (r"Option (?P<name>.+) requires an argument\.", marked("Option {name} requires an argument.")),
    (r"Option (?P<name>.+) does not take a value\.", marked("Option {name} does not take a value.")),
    (r"Got unexpected extra arguments? \((?P<names>.+)\)", marked("Got unexpected extra arguments ({names})")),
    (r"Got unexpected extra argument\(s\) \((?P<names>.+)\)", marked("Got unexpected extra arguments ({names})")),
    (r"Invalid value for (?P<name>.+?): (?P<why>.+)", marked("Invalid value for {name}: {why}")),
    (
        r"(?:Value error, )?(?P<value>.+) does not match the formats? (?P<formats>.+?)\.",
        marked("{value} does not match the format {formats}."),
    ),
    (r"Input should be a valid integer, .+", marked("a whole number is needed")),
    (r"Input should be less than or equal to (?P<most>\S+)", marked("at most {most} is allowed")),
    (r"Input should be greater than or equal to (?P<least>\S+)", marked("at least {least} is needed")),
    (r"(?:[Ff]ile|[Pp]ath) (?P<name>.+) does not exist\.", marked("File {name} does not exist.")),
    (r"(?:[Ff]ile|[Pp]ath) (?P<name>.+) is a directory\.", marked("File {name} is a directory.")),
)
"""Usage errors in typer's words, and the sentence each one is; one that is not here is shown in English."""


def run(app: typer.Typer) -> None:
    """Run the command line in the reader's language, help and usage errors included."""
    if language.is_english():
        app()
        return
    from typer import rich_utils

    usage_error: Any = typer.BadParameter.__base__  # typer keeps its click to itself; this is the family of usage errors
    with _typer_speaks(rich_utils):
        command: Any = typer.main.get_command(app)
        translate(command)
        try:
            code = command(standalone_mode=False)
        except usage_error as error:
            text = explained(error.format_message())
            error.format_message = lambda: text
            rich_utils.rich_format_error(error)
            code = error.exit_code
        except typer.Abort:
            rich_utils.rich_abort_error()
            code = 1
    raise SystemExit(code if isinstance(code, int) else 0)


@contextmanager
def _typer_speaks(rich_utils: Any) -> Iterator[None]:
    """Typer's own words in the reader's language while the block runs."""
    before = {name: getattr(rich_utils, name) for name in (*_LABELS, "_make_rich_text")}
    for name, text in _LABELS.items():
        setattr(rich_utils, name, language.say(said(text)))
    rich_utils._make_rich_text = _folding(rich_utils._make_rich_text)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(rich_utils, name, value)


def translate(command: Any) -> None:
    """Put every text of the command tree in the reader's language."""
    for one in _tree(command):
        for place, name, text in _texts(one):
            setattr(place, name, language.say(said(text)))
        one.get_usage = _in_words(one.get_usage)


def _folding(made: Callable[..., Any]) -> Callable[..., Any]:
    """Typer's maker of texts, for texts without spaces: folded, where rich would cut them off at the end of the column."""

    def folded(**how: Any) -> Any:
        text = made(**how)
        text.overflow = "fold"
        return text

    return folded


def _in_words(usage: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda context: usage(context).replace(_USAGE, language.say(said(_USAGE)), 1)


def explained(text: str) -> str:
    """A usage error in the reader's language."""
    for pattern, template in _USAGE_ERRORS:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            parts = found.groupdict()
            return language.say(said(template, **parts | ({"why": explained(parts["why"])} if "why" in parts else {})))
    return text


def _tree(command: Any) -> Iterator[Any]:
    """The command and everything below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _tree(below)


def _texts(command: Any) -> Iterator[tuple[Any, str, str]]:
    """Every text of one command: whose it is, by which name, and what it says."""
    context = typer.Context(command)
    names = ("help", "short_help", "epilog", "rich_help_panel", "options_metavar", "subcommand_metavar")
    for place in (command, *command.get_params(context)):
        for name in names:
            text = getattr(place, name, None)
            if isinstance(text, str):
                yield place, name, text


def extract(file: IO[bytes], keywords: Any, comment_tags: Any, options: Any) -> Iterator[Any]:
    """For `make words` and its test, on the file of the commands: what any Python file says, and every text of the command tree."""
    from babel.messages.extract import extract_python

    from deployments.cli.main import app

    yield from extract_python(file, keywords, comment_tags, options)
    for command in _tree(typer.main.get_command(app)):
        for _, _, text in _texts(command):
            yield 0, "", text, []
