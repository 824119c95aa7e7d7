"""`policy schema` and `policy lint`: what helps to write a policy, before `check` and `adopt`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from credit_review.adapters.clock import SystemClock
from credit_review.adapters.settings import read_text
from credit_review.documents import Document, parse, where
from credit_review.errors import BadInput
from credit_review.model.states import DocumentOfRecord
from credit_review.words import said, said_many
from deployments.cli import language, starting
from deployments.cli.frame import show_json, tell

if TYPE_CHECKING:
    from credit_review.policy_lint import Finding

FOUND = 1
"""Exit code where the lint finds something: for continuous integration."""


def write_schema(out: Path | None) -> None:
    """The JSON Schema of a policy, to a file or as the answer. Raises BadInput when the file cannot be written."""
    text = (files("deployments") / "starter" / starting.SCHEMA).read_text(encoding="utf-8")
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadInput(
            said("{path} cannot be written: {reason}", path=str(out), reason=reason), expected=said("a file in a folder")
        ) from None
    line = f"# yaml-language-server: $schema={out.name}"
    tell(said("{path} is written; a first line `{line}` in policy.yaml makes editors use it", path=str(out), line=line))


def lint_files(file: Path, matrix: Path | None, *, as_json: bool) -> None:
    """Say what a policy says in vain, against itself or against a matrix; exit code 1 when there is something.

    Raises BadInput, as `check` does, for a document that is not sound.
    """
    from credit_review import authority, policy
    from credit_review.policy_lint import lint

    documents = {DocumentOfRecord.POLICY: _document(file)}
    rules = policy.load(documents[DocumentOfRecord.POLICY])
    held = None
    if matrix is not None:
        documents[DocumentOfRecord.AUTHORITY] = _document(matrix)
        held = authority.load(documents[DocumentOfRecord.AUTHORITY])
    found = lint(rules, held, on=SystemClock().now().date())
    _show(found, documents, file, as_json=as_json)
    if found:
        raise SystemExit(FOUND)


def _document(file: Path) -> Document:
    return parse(read_text(file, known_as=str(file)), name=file.name)


def _show(found: Iterable[Finding], documents: dict[DocumentOfRecord, Document], file: Path, *, as_json: bool) -> None:
    from credit_review.documents import field_path, line_of
    from credit_review.policy_lint.finding import KIND_WORDS

    listed = list(found)
    if as_json:
        show_json([
            {"kind": one.kind, "file": documents[one.document].name, "line": line_of(documents[one.document], one.path),
             "field": field_path(one.path), "text": language.say(one.text)}
            for one in listed
        ])  # fmt: skip
        return
    for one in listed:
        tell(said("{where}: {kind}: {text}", where=where(documents[one.document], one.path), kind=KIND_WORDS[one.kind], text=one.text))
    if listed:
        tell(said_many("{n} finding", "{n} findings", n=len(listed)))
    else:
        tell(said("{file}: nothing found", file=file.name))
