"""index.html and README.md of a pack: one page for a browser without network, and what to run. Both in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from credit_review.audit import parse_timestamp
from credit_review.evidence.pack import LOG, MANIFEST, SCRIPTS, SIGNATURE, Facts, Made
from credit_review.report.text import clean
from credit_review.words import Words, said, said_many

_STYLE = """
:root { --ink: #1c2733; --muted: #5c6b7a; --line: #d9dfe6; --soft: #f4f6f9; --navy: #1f3a5f; --red: #a53f22; --amber: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 15px/1.5 Inter, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans",
  "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 28px 60px; }
.company { color: var(--muted); font-size: 14px; letter-spacing: .04em; text-transform: uppercase; }
h1 { font-size: 30px; line-height: 1.2; margin: 4px 0 10px; color: var(--navy); }
h2 { font-size: 20px; margin: 40px 0 10px; padding-top: 12px; border-top: 2px solid var(--navy); color: var(--navy); }
p { margin: 0 0 8px; max-width: 112ch; }
a { color: var(--navy); text-underline-offset: 2px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 20px; margin: 12px 0 0; font-size: 14px; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
code, .hash { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: 12.5px; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px; font-size: 12.5px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
section { display: grid; grid-template-columns: 62px 1fr; border-top: 1px solid var(--line); padding: 12px 0; break-inside: avoid; }
section > b { font-size: 20px; color: var(--navy); font-weight: 650; }
section h3 { font-size: 16px; margin: 2px 0 2px; }
.file + .file { margin-top: 14px; padding-top: 12px; border-top: 1px dashed var(--line); }
.came { margin: 4px 0; }
.count { font-weight: 650; }
.look { color: var(--red); font-weight: 650; }
.none { color: var(--amber); font-weight: 650; }
.lacks, .hash { color: var(--muted); font-size: 13px; }
.hash { font-size: 11.5px; overflow-wrap: anywhere; }
@media (max-width: 640px) { main { padding: 20px 16px; } section { grid-template-columns: 46px 1fr; } dl { grid-template-columns: 1fr; } }
@page { size: A4; margin: 16mm 14mm; }
@media print { body { font-size: 9.5pt; } main { max-width: none; padding: 0; }
  h1 { font-size: 19pt; } h2 { font-size: 13pt; break-after: avoid; }
  section h3 { font-size: 11pt; } pre, code { font-size: 8pt; } .hash { font-size: 7pt; } .lacks { font-size: 8.5pt; } }
"""


def index(facts: Facts, made: Sequence[Made], words: Words, *, key: str) -> str:
    """The page: what the pack is of, every number with what came out and what is not recorded, and how to check it."""
    say = _Saying(words)
    lang = words.language.replace("_", "-")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
    )
    head += f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{say(title(facts))}</title><style>{_STYLE}</style>'
    parts = [
        f'<div class="company">{say(facts.company)}</div><h1>{say(title(facts))}</h1>',
        f"<p>{say(_INTRODUCTION)}</p>",
        _facts(facts, say, key=key),
        f"<h2>{say(_CONTENTS)}</h2>",
        *(_number(number, list(some), say) for number, some in groupby(made, key=lambda one: one.number)),
        f"<h2>{say(_HOW)}</h2>",
        *(f"<p>{say(line)}</p>" for line in _CHECKING),
        f"<pre>{escape(_script(facts))}</pre>",
        f"<p>{say(_THEN)}</p>",
    ]
    return f'<!DOCTYPE html>\n<html lang="{lang}"><head>{head}</head><body><main>\n' + "\n".join(parts) + "\n</main></body></html>\n"


class _Saying:
    """How the page says a value: in the reader's language, cleaned and escaped, whoever wrote it."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def __call__(self, value: Any) -> str:
        return escape(clean(self._words.shown(value)))


def title(facts: Facts) -> str:
    """What the pack is, in one line."""
    days = {"first": facts.first_day, "last": facts.last_day}
    if facts.subject:
        return said("Special audit: {subject}, {first} to {last}", subject=facts.subject, **days)
    return said("Evidence pack: {first} to {last}", **days)


# texts inside of f-strings are not found for the catalogues
_CONTENTS, _HOW, _PLACES, _NONE = said("What is in it"), said("How to check it"), said("What lies where"), said("none recorded")
_INTRODUCTION = said(
    "Each file has the number of the request it answers. Where nothing happened, or this system does not record it, the file "
    "is empty and the reason "
    "stands here; no line of this page is a conclusion. How each file was made stands in manifest.json."
)
_CHECKING = (
    said(
        "You need three things from outside this folder: the key of whoever made the pack, the first key of the log, and your "
        "own copies of the scripts."
    ),
    said(
        "Keys and notes in this folder are here to be compared with yours. Who made the folder could have made them up: what "
        "you wrote down when they "
        "were handed over decides."
    ),
)
_THEN = said(
    "The first command finds any changed byte and checks the proofs; the second the log; the third rebuilds every limit in "
    "force and lists changes "
    "without their approvals. Each ends with 0 when all holds, with 1 and the first finding when it does not, with 2 when it cannot tell."
)


def _facts(facts: Facts, say: _Saying, *, key: str) -> str:
    pairs: list[tuple[str, Any]] = [
        (said("Made"), said("{at} by {by}", at=parse_timestamp(facts.made_at), by=facts.made_by)),
        (said("Signed with the key"), key),
        (said("Audit log"), said("{size} entries, root {root}", size=f"{facts.size:,}", root=facts.root)),
        (said("Entries that count here"), f"{facts.entries:,}"),
        (
            said("Newest signed checkpoint"),
            f"{facts.checkpoint:,}" if facts.checkpoint else said("none: nobody outside vouches for this log yet"),
        ),
        (said("Origin and keys of the log"), " · ".join([facts.origin, *facts.keys]) if facts.keys else said("no notary is set up")),
        (said("Code"), facts.code),
    ]
    return "<dl>" + "".join(f"<dt>{say(label)}</dt><dd>{say(value)}</dd>" for label, value in pairs) + "</dl>"


def _number(number: str, some: Sequence[Made], say: _Saying) -> str:
    return f"<section><b>{escape(number)}</b><div>" + "".join(_file(one, say) for one in some) + "</div></section>"


def _file(one: Made, say: _Saying) -> str:
    """One file: what it is, what came out, what this system does not record."""
    notes = "".join(f" · {say(note)}" for note in one.notes)
    lines = [
        f"<h3>{say(one.title)}</h3><p>{say(one.shows)}</p>",
        f'<p class="came"><a href="{escape(one.file)}">{escape(one.file)}</a>: {_came(one, say)}{notes}</p>',
        f'<p class="lacks">{say(one.lacks)}</p>' if one.lacks else "",
        f'<div class="hash">SHA-256 {one.sha256}</div>',
    ]
    return f'<div class="file">{"".join(lines)}</div>'


def _came(one: Made, say: _Saying) -> str:
    """How many rows, what to look at; why there is none. Never an empty green tick."""
    if one.rows:
        counted = say(said_many("{n} row", "{n} rows", one.rows))
        shown = f'<span class="count">{counted}</span>'
    else:
        shown = f'<span class="none">{say(_NONE)}</span> ({say(one.none)})'
    if one.exceptions:
        look = say(said("{n} to look at", n=one.exceptions))
        shown += f' · <span class="look">{look}</span>'
    return shown


def _script(facts: Facts) -> str:
    """The commands, as they are typed in the folder above the scripts."""
    keys = "".join(" --log-key 'LOG KEY'" for _ in facts.keys[:1])
    lines = [f"python3 -I check_pack.py . --key 'PACK KEY'{keys}"]
    if not facts.subject:
        notes = "".join(f" \\\n  --notes '{who}={place}'" for place, who in sorted(facts.administrators.items()))
        lines += [
            f"python3 -I verify_audit.py {LOG} --key 'LOG KEY' --now {facts.made_at[:19]}{notes}",
            f"python3 -I reperform_limits.py {LOG} --limits limits.csv",
        ]
    return "\n".join(lines)


def readme(facts: Facts, words: Words, *, files: Mapping[str, str]) -> str:
    """README.md: what to run, in which order, and what it means."""
    say = words.shown
    lines = [f"# {say(title(facts))}", "", say(facts.company), "", say(_INTRODUCTION), "", f"## {say(_HOW)}", ""]
    lines += [f"{say(line)}\n" for line in _CHECKING]
    lines += ["```", _script(facts), "```", "", say(_THEN), "", f"## {say(_PLACES)}", ""]
    lines += [f"- `{place}`: {say(meaning)}" for place, meaning in _places(facts, files)]
    return "\n".join([*lines, ""])


def _places(facts: Facts, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What each part of the folder is; only those that are there."""
    known = (
        ("index.html", said("this pack in a browser, without network")),
        (MANIFEST, said("how each file was made, and the SHA-256 of every file")),
        (SIGNATURE, said("the signature of manifest.json")),
        (LOG, said("the whole audit log as JSON lines, with names and free texts that were not erased: keep it as you keep personal data")),
        ("anchors/", said("signed checkpoints as each anchor held them, a folder an anchor")),
        ("weak/", said("the same of anchors that their writer can change: they count for nobody")),
        ("documents/", said("policies, matrices, mappings and scorecards, each under its digest")),
        ("sample/", said("work papers, exact bytes of entries, and their proofs")),
        ("entries/", said("exact bytes of every entry about the subject")),
        ("proofs/", said("their proofs against a signed checkpoint")),
        ("payloads/", said("names and free texts of these entries with their salts, those that were not erased")),
        (", ".join(SCRIPTS), said("the scripts: compare them with your own copies, or run those")),
    )
    for place, meaning in known:
        if place in (MANIFEST, SIGNATURE, "index.html") or any(name.startswith(place.partition(",")[0]) for name in files):
            yield place, meaning
