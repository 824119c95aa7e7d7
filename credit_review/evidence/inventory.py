"""The models that were in force: their card, who made, validated, adopted and published them, and what is missing (E18)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from credit_review.audit import Action, timestamp
from credit_review.evidence.artefact import Artefact, Event, Record, Row, Telling
from credit_review.evidence.limits import values
from credit_review.evidence.rules import followed
from credit_review.words import said, said_many

DECIDES_BY_FIT = 1
"""The tier whose versions are validated before use (`review.models`), as the log states it."""


@dataclass(slots=True)
class _Life:
    """What the log says of one version up to the end of the period."""

    drafted: Event | None = None
    owner: str = ""
    card: str = ""
    tier: Any = ""
    answers: list[Event] = field(default_factory=list)
    published: Event | None = None
    retired: Event | None = None

    @property
    def accepted(self) -> Event | None:
        """The newest accepted validation."""
        return next((one for one in reversed(self.answers) if one.action == Action.MODEL_VALIDATED), None)


def models(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a version that was in force in the period: what it says of itself, and who answered for it."""
    authors = {one.subject: one.data["authors"] for one in record.history(Action.DOCUMENT_SUBMITTED)}
    lives, registered = _lives(record), list(record.history(Action.MODEL_REGISTERED))
    signed = any(life.published for life in lives.values())
    after, start, lacking = followed(registered), timestamp(record.period.start), 0
    for one in registered:
        next_one, life = after.get(one.seq), lives.get(one.subject, _Life())
        ended = next_one.at if next_one else life.retired.at if life.retired else ""
        if ended and ended <= start:
            continue
        made = life.drafted.data["developers"] if life.drafted else authors.get(one.subject, [])
        kept = _kept(record, telling, one.subject, life)
        lacks = _lacks(life, made, signed=signed) + [f"{name}_file" for name, place in kept.items() if place is None]
        lacking += bool(lacks)
        yield [*_itself(record, one, life, ended), *_answered(one, life, made), *kept.values(), values(lacks)]
    telling.exceptions = lacking
    if lacking:
        telling.notes.append(
            said_many(
                "{n} version in force lacks something",
                "{n} versions in force lack something",
                lacking,
            )
        )


def _lives(record: Record) -> dict[str, _Life]:
    lives: dict[str, _Life] = {}
    for one in record.history(*_LIFE):
        life = lives.setdefault(one.subject, _Life())
        if one.action == Action.MODEL_DRAFTED:
            life.drafted = one
        elif one.action in (Action.MODEL_VALIDATED, Action.MODEL_REJECTED):
            life.answers.append(one)
        elif one.action == Action.MODEL_PUBLISHED:
            life.published = one
        elif one.action == Action.MODEL_RETIRED:
            life.retired = one
        life.owner = str(one.data.get("owner") or life.owner)
        life.card = str(one.data.get("card") or life.card)
        life.tier = one.data.get("tier", life.tier)
    return lives


def _kept(record: Record, telling: Telling, model: str, life: _Life) -> dict[str, str | None]:
    """Where card and accepted report of a version lie in the pack: empty where the log names none, None where what it names is not kept."""
    report = str(life.accepted.data.get("report") or "") if life.accepted else ""
    found: dict[str, str | None] = {}
    for name, what, digest, suffix in (("card", "card", life.card, "html"), ("report", "validation", report, "json")):
        text = record.kept(model, what, digest) if digest else ""
        found[name] = f"models/{digest}.{suffix}" if text else text
        if text:
            telling.beside[f"models/{digest}.{suffix}"] = text
    return found


_LIFE = (
    Action.MODEL_DRAFTED, Action.MODEL_DESCRIBED, Action.MODEL_VALIDATED, Action.MODEL_REJECTED, Action.MODEL_REGISTERED,
    Action.MODEL_PUBLISHED, Action.MODEL_RETIRED,
)  # fmt: skip


def _lacks(life: _Life, made: list[str], *, signed: bool) -> list[str]:
    """Codes of what a version in force should have and has not."""
    accepted = life.accepted
    found = []
    if life.tier == DECIDES_BY_FIT and accepted is None:
        found.append("validation")
    if accepted is not None and accepted.by in made:
        found.append("independent_validator")
    if life.answers and life.answers[-1].action == Action.MODEL_REJECTED:
        found.append("validation_rejected_since")
    if not life.owner:
        found.append("owner")
    if signed and life.published is None:
        found.append("signature")
    return found


def _itself(record: Record, one: Event, life: _Life, ended: str) -> list[Any]:
    card = _card(record, one.subject)
    told = [values(card.get(name)) for name in ("kind", "outcome", "outcome_words", "trained_on", "evaluation")]
    named = [one.data.get("model"), one.data.get("version"), life.tier, life.owner]
    return [one.seq, one.at, one.data.get("name"), one.subject, *named, one.data.get("valid_from"), ended, *told, life.card]


def _answered(one: Event, life: _Life, made: list[str]) -> list[Any]:
    accepted, adopters = life.accepted, one.data.get("adopters") or []
    validation: list[Any] = ["", "", "", "", ""]
    if accepted is not None:
        validation = [accepted.seq, accepted.at, accepted.by, accepted.data.get("authority"), accepted.data.get("report")]
    rejected = sum(1 for answer in life.answers if answer.action == Action.MODEL_REJECTED)
    published = [life.published.by, life.published.data.get("key")] if life.published else ["", ""]
    return [values(made), *validation, rejected, values(adopters), values(sorted(set(adopters) - set(made))), *published]


def _card(record: Record, digest: str) -> Mapping[str, Any]:
    for (content,) in record.table("governed_document", "content", digest=digest):
        try:
            found = json.loads(content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    return {}


MODELS = Artefact(
    number="E18",
    name="model",
    title=said("The model: its card and who checked it"),
    shows=said(
        "Each version of a model in force in the period, from the model inventory: what it predicts, how it was fitted and tested, tier, "
        "owner, its developers, who validated which report in what right, who adopted it without being a developer, and who signed it. "
        "The last column names what is missing."
    ),
    columns=(
        "entry", "at", "name", "digest", "model", "version", "tier", "owner", "valid_from", "ended_at", "kind", "outcome", "outcome_words",
        "trained_on", "evaluation", "card_sha256", "developers", "validation_entry", "validated_at", "validated_by", "authority",
        "report_sha256", "rejections", "adopters", "independent_adopters", "published_by", "signed_by", "card_file", "report_file",
        "lacks",
    ),
    rows=models,
    none=said("no model was in force in the period"),
    lacks=said(
        "Model cards and validation reports lie in the folder models, each under its SHA-256; card_file or report_file in the last column: "
        "the installation keeps none of the digest that was signed for. How a model does in use is in the monthly monitoring report."
    ),
)  # fmt: skip
