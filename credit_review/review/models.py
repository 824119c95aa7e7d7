"""The model inventory: every version of every model, who owns, made and validated it, what it is for, and where it stands in its life.

A version is a draft, is validated by somebody who did not make it, comes into force, and is retired. Scorecards come into force when two
people have adopted them, challengers when they are published. The functions write and append entries; the caller commits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from credit_review.audit import Action
from credit_review.audit.notes import SigningKey, VerificationKey
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import ModelValidation, ModelVersion, Person
from credit_review.model.states import MODEL_NEXT, ModelKind, ModelStatus, ModelVerdict
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person, called
from credit_review.review.findings import open_for
from credit_review.review.naming import SYSTEM, actor
from credit_review.review.publishing import note, require_signature, signed_by
from credit_review.review.signing import Office, require_office
from credit_review.review.standing import matrix_in_force
from credit_review.review.working import Company
from credit_review.words import listed, marked, said

SCORECARD, CHALLENGER = "scorecard", "challenger"
"""The models an installation has: `model_id` of their versions."""
DECIDES_BY_FIT, DECIDES_BY_JUDGEMENT, DECIDES_NOTHING = 1, 2, 3
"""Tiers. 1: moves limits, and nobody can check its figures by reading them. 2: moves limits, and its points are judgement that two people
can read. 3: runs in the shadow."""
VALIDATED_FIRST = frozenset({DECIDES_BY_FIT})
"""Tiers of which a version must be validated before it comes into force (docs/decisions/0014)."""
OWN = "model.own"
"""Code of what a developer is refused about his own model."""
REJECTED_IN_USE = "model_rejected"
"""Control of the finding that a validator rejected a version which is in force."""
INDEPENDENT = "independent"
"""In what right somebody validates where the matrix names nobody for it."""

PURPOSE = marked("Ranks trade customers for the periodic review of limits and terms; policy turns grades into limits.")
"""What a scorecard is for where nobody said more."""
LIMITS = (
    marked("Business customers that buy on account from this company; not consumers, and nothing but limits and terms."),
    marked("Customers whose class policy does not review for credit are not scored by it."),
    marked("A figure the source cannot state earns the points of its missing bin: read the reasons before the number."),
    marked("It says how customers of the past with these figures fared; what changes for all of them at once it cannot know."),
)
"""Limits of use that hold for every scorecard of this system; those of one version stand beside them."""
_DATA = marked("{rows} rows of {customers} customers, {bad} of them with the outcome, at cut-offs {first} to {last}")
_NO_DATA = marked("none: its points are judgement")

SWEEP = "system:sweep"
_LONGEST_TEXT = 2000
_AND = marked("{first} and {rest}")
STATUSES = {
    ModelStatus.DRAFT: marked("draft"),
    ModelStatus.VALIDATED: marked("validated"),
    ModelStatus.IN_FORCE: marked("in force"),
    ModelStatus.RETIRED: marked("retired"),
}
KINDS = {ModelKind.SCORECARD: marked("scorecard"), ModelKind.CHALLENGER: marked("challenger")}
VERDICTS = {ModelVerdict.ACCEPTED: marked("accepted"), ModelVerdict.REJECTED: marked("rejected")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What people say of a model; empty says nothing (yet). `tier` None is the one its kind and file ask for."""

    owner_id: str = ""
    tier: int | None = None
    purpose: str = ""
    data: str = ""
    limits_of_use: str = ""
    card_digest: str = ""


def tier_asked(kind: ModelKind, content: Mapping[str, Any]) -> int:
    """The tier of a model by what it is; whatever does not say that people set its points counts as fitted."""
    if kind == ModelKind.CHALLENGER:
        return DECIDES_NOTHING
    return DECIDES_BY_JUDGEMENT if content.get("kind") == "expert" else DECIDES_BY_FIT


def written(text: str) -> Mapping[str, Any]:
    """A scorecard's fields as written, whatever sense they make; none for a text that is no JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def data_of(content: Mapping[str, Any]) -> str:
    """What a scorecard was made from, as it says itself."""
    of = content.get("trained_on")
    if not isinstance(of, dict) or not of.get("cutoffs"):
        return _NO_DATA if content.get("kind") == "expert" else ""
    figures = {name: f"{int(of.get(name, 0)):,}" for name in ("rows", "customers", "bad")}
    return _DATA.format(first=of["cutoffs"][0], last=of["cutoffs"][-1], **figures)


def first_day(content: Mapping[str, Any]) -> date | None:
    """The day from which a scorecard says it holds; None where it says nothing of the kind."""
    try:
        return date.fromisoformat(str(content.get("valid_from")))
    except ValueError:
        return None


# --- into the inventory ---------------------------------------------------------------------------------------------------------------


def register(
    uow: UnitOfWork,
    *,
    digest: str,
    kind: ModelKind,
    content: Mapping[str, Any],
    developers: Sequence[str],
    by: str,
    now: datetime,
    described: Described | None = None,
) -> ModelVersion:
    """The version with this digest, recorded as a draft of its model; one already known is returned as it is.

    `content` is what a scorecard says of itself (`written`), or a challenger's name as {"name": …}. `developers` are person ids, or
    `system:<part>`. Raises BadInput without one, or for a tier below the one asked for.
    """
    there = uow.get(ModelVersion, digest=digest)
    if there is not None:
        return there
    about = described or Described()
    made_by = sorted(set(developers))
    if not made_by or not all(one and "|" not in one for one in made_by):
        raise BadInput(said("the model has no developer"), expected=said("at least one person id"), next_step=said("say who made it"))
    model_id = SCORECARD if kind == ModelKind.SCORECARD else CHALLENGER
    earlier = uow.find(ModelVersion, model_id=model_id, order_by=("version",), lock=True)
    version = ModelVersion(
        digest=digest,
        model_id=model_id,
        version=1 + max((one.version for one in earlier), default=0),
        kind=kind,
        status=ModelStatus.DRAFT,
        title=str(content.get("name", "")),
        owner_id=about.owner_id or _same(earlier, "owner_id") or ("" if by.startswith(SYSTEM) else by),
        tier=_tier(kind, content, about.tier),
        purpose=about.purpose or _same(earlier, "purpose") or (PURPOSE if kind == ModelKind.SCORECARD else ""),
        data=about.data or data_of(content),
        limits_of_use=about.limits_of_use or _same(earlier, "limits_of_use"),
        developers="|".join(made_by),
        card_digest=about.card_digest,
        registered_by=by,
        registered_at=now,
        validated_by="",
        validated_at=None,
        report_digest="",
        valid_from=None,
        valid_to=None,
        retired_by="",
        retired_at=None,
        retired_reason="",
        signature="",
    )
    uow.add(version)
    data = {"model": model_id, "version": version.version, "kind": kind, "to": version.status, "tier": version.tier}
    data |= {"owner": version.owner_id or None, "developers": made_by, "card": version.card_digest or None}
    _append(uow, Action.MODEL_DRAFTED, version, by, data, _worded_parts(version))
    return version


def _same(earlier: Sequence[ModelVersion], field: str) -> str:
    """What the newest earlier version says, so that a refit keeps owner, purpose and limits of use."""
    return next((str(getattr(one, field)) for one in reversed(earlier) if getattr(one, field)), "")


def _tier(kind: ModelKind, content: Mapping[str, Any], wanted: int | None) -> int:
    asked = tier_asked(kind, content)
    if wanted is None:
        return asked
    if not DECIDES_BY_FIT <= wanted <= asked:
        raise BadInput(
            said("tier {tier} is too low for this model", tier=wanted),
            expected=said("a tier from {highest} (the highest) to {asked}", highest=DECIDES_BY_FIT, asked=asked),
        )
    return wanted


def describe(uow: UnitOfWork, digest: str, about: Described, *, by: str, on: date, now: datetime) -> ModelVersion:
    """The version, described anew: what is empty stays. A validator signs for all of it, so after that only the owner may change."""
    version = of(uow, digest)
    active_person(uow, by, on=on, known_at=now)
    if about.owner_id:
        active_person(uow, about.owner_id, on=on, known_at=now)
    given = {name: getattr(about, name) for name in ("owner_id", "purpose", "data", "limits_of_use", "card_digest") if getattr(about, name)}
    if about.tier is not None:
        given["tier"] = _raised(version, about.tier)
    for text in (about.purpose, about.data, about.limits_of_use):
        _short(text)
    to = {name: value for name, value in given.items() if value != getattr(version, name)}
    if not to:
        return version
    allowed = (ModelStatus.DRAFT,) if set(to) - {"owner_id"} else tuple(one for one in ModelStatus if one != ModelStatus.RETIRED)
    _require_status(uow, version, allowed)
    done = _change(uow, version, to)
    data = {name: to[name] for name in ("tier",) if name in to}
    data |= {short: to[name] for short, name in (("owner", "owner_id"), ("card", "card_digest")) if name in to}
    _append(uow, Action.MODEL_DESCRIBED, done, by, data, {k: v for k, v in to.items() if k in ("purpose", "data", "limits_of_use")})
    return done


def carded(uow: UnitOfWork, digest: str, card_digest: str, *, by: str) -> ModelVersion:
    """The draft with the card that was written of it."""
    version = of(uow, digest)
    if version.card_digest == card_digest:
        return version
    _require_status(uow, version, (ModelStatus.DRAFT,))
    done = _change(uow, version, {"card_digest": card_digest})
    _append(uow, Action.MODEL_DESCRIBED, done, by, {"card": card_digest})
    return done


def _raised(version: ModelVersion, wanted: int) -> int:
    if not DECIDES_BY_FIT <= wanted <= version.tier:
        raise BadInput(
            said("tier {tier} is too low for this model", tier=wanted),
            expected=said("a tier from {highest} (the highest) to {asked}", highest=DECIDES_BY_FIT, asked=version.tier),
        )
    return wanted


# --- validation -----------------------------------------------------------------------------------------------------------------------


def validate(
    uow: UnitOfWork,
    digest: str,
    *,
    verdict: ModelVerdict,
    report_digest: str,
    comment: str,
    by: str,
    on: date,
    now: datetime,
    company: Company,
    card_digest: str = "",
) -> ModelVersion:
    """The version after somebody who did not make it answered a validation report: validated, or a draft again.

    `card_digest` is the model card written with that report, the version's own from then on.

    A version in force stays in force whatever the answer, and stands on the newest accepted one; `doubted` tells those last rejected, and
    a finding is opened for each.
    Refused for a developer, for somebody without the right, and for a retired version.
    """
    version = of(uow, digest)
    person, authority = _validator(uow, version, by, on=on, now=now)
    if not comment.strip() or len(comment) > _LONGEST_TEXT:
        raise BadInput(
            said("a validation says why"), expected=said("1 to {most} characters", most=_LONGEST_TEXT), next_step=said("add --reason")
        )
    _require_status(uow, version, (ModelStatus.DRAFT, ModelStatus.VALIDATED, ModelStatus.IN_FORCE))
    answer = ModelValidation(
        digest=digest,
        person_id=person.person_id,
        at=now,
        developers=version.developers,
        verdict=verdict,
        authority=authority,
        report_digest=report_digest,
        comment=comment.strip(),
    )
    uow.add(answer)
    done = _answered(uow, version, answer)
    if card_digest and card_digest != done.card_digest:
        done = _change(uow, done, {"card_digest": card_digest})
    action = Action.MODEL_VALIDATED if verdict == ModelVerdict.ACCEPTED else Action.MODEL_REJECTED
    data = {"model": version.model_id, "version": version.version, "from": version.status, "to": done.status}
    data |= {"report": report_digest, "card": done.card_digest or None, "authority": authority, "developers": version.developers.split("|")}
    _append(uow, action, done, by, data, {"comment": answer.comment})
    if verdict == ModelVerdict.REJECTED and done.status == ModelStatus.IN_FORCE:
        alarm = _rejected(done, report_digest)
        open_for(uow, [alarm], company, now, by=by, texts={alarm.key: answer.comment})
    return done


def _rejected(version: ModelVersion, report_digest: str) -> Alarm:
    """What speaks against a version in force; about its developers, so that none of them closes it. Its owner answers for it."""
    facts: dict[str, str | int] = {"model": f"{version.model_id}/{version.version}", "tier": version.tier, "report": report_digest}
    made_by = [one for one in version.developers.split("|") if not one.startswith(SYSTEM)]
    return Alarm(
        control=REJECTED_IN_USE,
        subject=f"model:{version.digest}",
        severity=Severity.MEDIUM if version.tier == DECIDES_NOTHING else Severity.HIGH,
        facts=facts | {"owner": version.owner_id} | ({"developers": "|".join(made_by)} if made_by else {}),
    )


def _answered(uow: UnitOfWork, version: ModelVersion, answer: ModelValidation) -> ModelVersion:
    stands: dict[str, Any] = {"validated_by": answer.person_id, "validated_at": answer.at, "report_digest": answer.report_digest}
    if version.status == ModelStatus.IN_FORCE:
        return _change(uow, version, stands) if answer.verdict == ModelVerdict.ACCEPTED else version
    if answer.verdict == ModelVerdict.ACCEPTED:
        return _change(uow, version, {"status": ModelStatus.VALIDATED, **stands})
    fallen = {"status": ModelStatus.DRAFT, "validated_by": "", "validated_at": None, "report_digest": ""}
    return _change(uow, version, fallen) if version.status == ModelStatus.VALIDATED else version


def _validator(uow: UnitOfWork, version: ModelVersion, by: str, *, on: date, now: datetime) -> tuple[Person, str]:
    """Who validates, and in what right. Refused for a developer, and for others than the office's people where the matrix names some."""
    person = active_person(uow, by, on=on, known_at=now)
    if by in version.developers.split("|"):
        raise Refused(
            OWN,
            said("{name} may not validate {model}: he or she made it", name=person.name, model=named(version)),
            expected=said("somebody who is none of its developers: {names}", names=_people(uow, version.developers)),
            next_step=said("ask somebody else to run `credit-review scorecard validate`"),
        )
    if not _validators(uow, now):
        return person, INDEPENDENT
    require_office(uow, Office.MODEL_VALIDATORS, said("validate {model}", model=named(version)), by, on=on, now=now)
    return person, Office.MODEL_VALIDATORS


def _validators(uow: UnitOfWork, now: datetime) -> tuple[str, ...]:
    try:
        return matrix_in_force(uow, now).offices.model_validators
    except Refused:  # before the first matrix nobody has an office
        return ()


def validations(uow: UnitOfWork, digest: str) -> list[ModelValidation]:
    """Everything validators answered about a version, oldest first."""
    return uow.find(ModelValidation, digest=digest, order_by=("at", "person_id"))


def doubted(uow: UnitOfWork, digest: str) -> bool:
    """Whether the newest answer about a version was a rejection."""
    answers = validations(uow, digest)
    return bool(answers) and answers[-1].verdict == ModelVerdict.REJECTED


# --- into force and out of it ---------------------------------------------------------------------------------------------------------


def require_ready(uow: UnitOfWork, version: ModelVersion) -> None:
    """Returns if a version may come into force: validated where its tier asks for it, and not retired. Refused otherwise."""
    if version.status == ModelStatus.RETIRED:
        raise Refused(
            "model.retired",
            said("{model} is retired: {reason}", model=named(version), reason=version.retired_reason),
            expected=said("a version that is not"),
            next_step=said("fit it anew with `credit-review scorecard fit`"),
        )
    if version.tier in VALIDATED_FIRST and not version.validated_by:
        raise Refused(
            "model.not_validated",
            said("{model} is a draft, and a model of tier {tier} is validated before it is used", model=named(version), tier=version.tier),
            expected=said("a validation by somebody who is none of its developers: {names}", names=_people(uow, version.developers)),
            next_step=said(
                "one of the others runs `credit-review scorecard validate`, reads the report and answers with --accept or --reject"
            ),
        )


def put_in_force(
    uow: UnitOfWork, digest: str, *, valid_from: date | None, by: str, on: date, now: datetime, data: Mapping[str, Any]
) -> ModelVersion:
    """The version in force from a day on (today at the earliest), in the place of the one before, which ends that day.

    Refused unless it is ready. One that ends in the future is retired by `retire_due` on that day, one that has ended is at once.
    """
    # every version of the model at once and in one order: two people who put two of them in force wait for each other, and never both do
    every = uow.find(ModelVersion, model_id=known(uow, digest).model_id, lock=True)
    version = next(one for one in every if one.digest == digest)
    require_ready(uow, version)
    if version.status == ModelStatus.IN_FORCE:
        return version
    start = max(on, valid_from or on)
    ended = []
    for one in every:
        if one.status != ModelStatus.IN_FORCE:
            continue
        end = ended_by(one, start)
        if end is not None:
            ended.append(_change(uow, one, {"valid_to": end}))
    done = _change(uow, version, {"status": ModelStatus.IN_FORCE, "valid_from": start, "valid_to": None})
    about = {"model": version.model_id, "version": version.version, "tier": version.tier, "from": version.status, "to": done.status}
    about |= {"valid_from": start.isoformat(), "ends": [one.digest for one in ended], "validated_by": version.validated_by or None}
    _append(uow, Action.MODEL_REGISTERED, done, by, {**data, **about})
    for one in ended:
        if one.valid_to is not None and one.valid_to <= on:
            _retire(uow, one, said("replaced by {model}", model=named(done)), by=by, now=now)
    return done


def ended_by(version: ModelVersion, start: date) -> date | None:
    """The day on which a version in force ends because another begins on `start`; None when it has ended by then anyway."""
    if version.valid_to is not None and version.valid_to <= start:
        return None
    return max(version.valid_from or start, start)


def retire(uow: UnitOfWork, digest: str, *, reason: str, by: str, on: date, now: datetime) -> ModelVersion:
    """The version, out of use from today on, by its owner or a control owner. Refused to others; a retired one stays as it is."""
    version = of(uow, digest)
    active_person(uow, by, on=on, known_at=now)
    if by != version.owner_id:
        require_office(uow, Office.CONTROL_OWNER, said("retire {model}", model=named(version)), by, on=on, now=now)
    if not reason.strip() or len(reason) > _LONGEST_TEXT:
        raise BadInput(
            said("a model is retired for a reason"),
            expected=said("1 to {most} characters", most=_LONGEST_TEXT),
            next_step=said("add --reason"),
        )
    _require_status(uow, version, tuple(one for one in ModelStatus if ModelStatus.RETIRED in MODEL_NEXT[one]))
    if version.valid_from is not None and (version.valid_to is None or version.valid_to > on):
        version = _change(uow, version, {"valid_to": max(on, version.valid_from)})
    return _retire(uow, version, reason.strip(), by=by, now=now)


def retire_due(uow: UnitOfWork, *, on: date, now: datetime) -> list[ModelVersion]:
    """Versions whose last day has passed, retired with an entry each."""
    over = [
        one for one in uow.find(ModelVersion, status=ModelStatus.IN_FORCE, lock=True) if one.valid_to is not None and one.valid_to <= on
    ]
    return [_retire(uow, one, said("another version took its place"), by=SWEEP, now=now) for one in over]


def _retire(uow: UnitOfWork, version: ModelVersion, reason: str, *, by: str, now: datetime) -> ModelVersion:
    done = _change(uow, version, {"status": ModelStatus.RETIRED, "retired_by": by, "retired_at": now, "retired_reason": str(reason)})
    data = {"model": version.model_id, "version": version.version, "from": version.status, "to": done.status}
    data |= {"valid_to": done.valid_to.isoformat() if done.valid_to else None}
    _append(uow, Action.MODEL_RETIRED, done, by, data, {"reason": str(reason)})
    return done


# --- publication ----------------------------------------------------------------------------------------------------------------------


def publish(
    uow: UnitOfWork, digest: str, *, key: SigningKey, keys: Sequence[VerificationKey], by: str, on: date, now: datetime
) -> ModelVersion:
    """The version with the signed note of its publication; a challenger is in force with it, in the shadow.

    Refused for a developer, and until it is validated where its tier asks for that. Raises BadInput for a key that reviews do not accept.
    """
    version = of(uow, digest)
    person = active_person(uow, by, on=on, known_at=now)
    if by in version.developers.split("|"):
        raise Refused(
            OWN,
            said("{name} may not publish {model}: he or she made it", name=person.name, model=named(version)),
            expected=said("somebody who is none of its developers: {names}", names=_people(uow, version.developers)),
        )
    require_ready(uow, version)
    if key.key not in keys:
        raise BadInput(
            said("settings.yaml does not name the key {key} as one that publishes models", key=key.key.text()),
            expected=said("one of {keys}", keys=", ".join(one.text() for one in keys) or said("the keys under models.keys")),
            next_step=said("add it to `models.keys`, or sign with one that stands there"),
        )
    done = _change(uow, version, {"signature": note(version, key, by=by, at=now)})
    data = {"model": version.model_id, "version": version.version, "key": key.key.text(), "replaces": int(bool(version.signature))}
    _append(uow, Action.MODEL_PUBLISHED, done, by, data)
    if done.kind == ModelKind.CHALLENGER:
        done = put_in_force(uow, digest, valid_from=None, by=by, on=on, now=now, data={"kind": done.kind, "name": done.title})
    return done


# --- use ------------------------------------------------------------------------------------------------------------------------------


def holds_on(version: ModelVersion, on: date) -> bool:
    """Whether a version is the one to use on a day."""
    known = version.status in (ModelStatus.IN_FORCE, ModelStatus.RETIRED) and version.valid_from is not None
    return known and version.valid_from <= on and (version.valid_to is None or on < version.valid_to)  # type: ignore[operator]


def in_force(uow: UnitOfWork, model_id: str, on: date) -> ModelVersion | None:
    """The version of a model to use on a day; None when there is none."""
    return next((one for one in uow.find(ModelVersion, model_id=model_id) if holds_on(one, on)), None)


def registered(uow: UnitOfWork, digest: str, at: datetime, *, keys: Sequence[VerificationKey]) -> ModelVersion | None:
    """The version with this digest if its file may be loaded at a time: in force then, and published under one of `keys`.

    None otherwise, and so without keys: a model whose signature nobody can check is not loaded, whatever file there is. `keys` are
    `settings.models.trusted()`.
    """
    version = uow.get(ModelVersion, digest=digest)
    return version if version is not None and holds_on(version, at.date()) and signed_by(version, keys) else None


def require_usable(uow: UnitOfWork, digest: str, *, on: date, keys: Sequence[VerificationKey]) -> ModelVersion:
    """The version, if a review of a day may use it: in force on that day, and signed wherever signatures are asked for. Refused otherwise.

    Asked for where settings name keys, or where any version of the model was ever signed: deleting the keys does not do away with it.
    """
    version = uow.get(ModelVersion, digest=digest)
    if version is None:
        raise Refused(
            "model.unknown",
            said("the model with digest {digest} is not in the inventory", digest=digest[:12]),
            expected=said("a version that `credit-review scorecard inventory` lists"),
            next_step=said("two people adopt it with `credit-review adopt`"),
        )
    if not holds_on(version, on):
        raise _not_in_force(uow, version, on)
    if keys or any(one.signature for one in uow.find(ModelVersion, model_id=version.model_id)):
        require_signature(version, keys)
    return version


def _not_in_force(uow: UnitOfWork, version: ModelVersion, on: date) -> Refused:
    current = in_force(uow, version.model_id, on)
    what = said("{model} is {status}", model=named(version), status=said(STATUSES[ModelStatus(version.status)]))
    if version.status == ModelStatus.IN_FORCE and version.valid_from is not None and version.valid_from > on:
        what = said("{model} is in force from {day} on", model=named(version), day=version.valid_from)
    elif version.valid_to is not None and version.valid_to <= on:
        what = said("{model} is out of use since {day}", model=named(version), day=version.valid_to)
    return Refused(
        "model.not_in_force",
        what,
        expected=said("the version in force on {day}: {model}", day=on, model=named(current)) if current else said("a version in force"),
        next_step=said("`credit-review scorecard inventory` shows which version stands where"),
    )


def named(version: ModelVersion) -> str:
    """A version as sentences name it."""
    return said("{model} version {version} (digest {digest})", model=version.model_id, version=version.version, digest=version.digest[:12])


def find(uow: UnitOfWork, wanted: str) -> ModelVersion:
    """The version that a person means: a digest or its beginning, or `scorecard/3`. Raises BadInput when it is none or several."""
    model_id, _, number = wanted.partition("/")
    every = uow.find(ModelVersion, order_by=("model_id", "version"))
    if number.isdigit():
        found = [one for one in every if one.model_id == model_id and one.version == int(number)]
    else:
        found = [one for one in every if len(wanted) >= 6 and one.digest.startswith(wanted.lower())]
    if len(found) != 1:
        raise BadInput(
            said("{wanted} is no version of the inventory", wanted=repr(wanted))
            if not found
            else said("{wanted} may be several versions", wanted=repr(wanted)),
            expected=said("model and version such as scorecard/3, or the beginning of a digest"),
            next_step=said("`credit-review scorecard inventory` lists them"),
        )
    return found[0]


# --- writing --------------------------------------------------------------------------------------------------------------------------


def of(uow: UnitOfWork, digest: str) -> ModelVersion:
    """The version with this digest, held until the end of the transaction. Raises BadInput when it is not in the inventory."""
    return known(uow, digest, lock=True)


def known(uow: UnitOfWork, digest: str, *, lock: bool = False) -> ModelVersion:
    """The version with this digest. Raises BadInput when it is not in the inventory."""
    version = uow.get(ModelVersion, digest=digest, lock=lock)
    if version is None:
        raise BadInput(
            said("the model with digest {digest} is not in the inventory", digest=digest[:12]),
            expected=said("a version that `credit-review scorecard inventory` lists"),
        )
    return version


def _require_status(uow: UnitOfWork, version: ModelVersion, allowed: Sequence[ModelStatus]) -> None:
    if version.status not in allowed:
        raise Refused(
            "model.status",
            said("{model} is {status}", model=named(version), status=said(STATUSES[ModelStatus(version.status)])),
            expected=listed([said(STATUSES[one]) for one in allowed], by=marked("{first} or {rest}")),
            next_step=said("`credit-review scorecard show {model}/{version}`", model=version.model_id, version=version.version),
        )


def _short(text: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise BadInput(said("the text is too long"), expected=said("1 to {most} characters", most=_LONGEST_TEXT))


def _people(uow: UnitOfWork, joined: str) -> str:
    return listed([called(uow, one) for one in joined.split("|")], by=_AND)


def _worded_parts(version: ModelVersion) -> Mapping[str, Any]:
    return {name: getattr(version, name) for name in ("title", "purpose", "data", "limits_of_use") if getattr(version, name)}


def _change(uow: UnitOfWork, version: ModelVersion, to: Mapping[str, Any]) -> ModelVersion:
    """The version with its new values; a status it cannot reach from where it stands is refused."""
    status = to.get("status", version.status)
    if status != version.status and status not in MODEL_NEXT[ModelStatus(version.status)]:
        _require_status(uow, version, [one for one in ModelStatus if status in MODEL_NEXT[one]])
    if uow.change(ModelVersion, where={"digest": version.digest, "status": version.status}, to=to) != 1:
        raise Conflict(said("{model} changed meanwhile", model=named(version)), next_step=said("read it again"))
    return replace(version, **to)


def _append(
    uow: UnitOfWork, action: Action, version: ModelVersion, by: str, data: Mapping[str, Any], payload: Mapping[str, Any] | None = None
) -> None:
    uow.append(Entry(action=action, actor=actor(by), entity=f"model:{version.digest}", data=data, payload=payload or None))
