"""What a challenger says of itself, in plain JSON beside its model file: features, versions, history, figures, and the file's SHA-256.

The digest of this text is what is registered and signed; it names the model file by its own SHA-256, so one digest stands for both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from credit_review.errors import BadInput
from credit_review.scoring.scorecard import Outcome, TrainedOn
from credit_review.words import said

MODEL_SUFFIX = ".skops"
"""Ending of the model file beside `NAME.json`."""
LIBRARIES = ("scikit-learn", "skops", "numpy")
"""Libraries whose versions must be those of the fit: a model file is theirs to read."""

Text = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Setting = Annotated[int | float, Field(union_mode="smart")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NumberFeature(_Part):
    """A number the trees see; NaN where it is missing. Risk goes the declared way, whatever the history says."""

    name: Text
    kind: Literal["number"] = "number"
    direction: Literal["higher_is_worse", "lower_is_worse", "none"] = "none"


class CategoryFeature(_Part):
    """A code the trees see as one column for each of `values`; rarer, unknown and missing ones are none of them."""

    name: Text
    kind: Literal["category"] = "category"
    values: Annotated[tuple[Text, ...], Field(strict=False)] = ()


Feature = Annotated[NumberFeature | CategoryFeature, Field(discriminator="kind")]


class ModelFile(_Part):
    """The model file beside: SHA-256 and size in bytes."""

    sha256: Digest
    size: Count


class Tried(_Part):
    """Settings tried, with the mean log loss on groups not fitted on, 6 decimals: the least was taken."""

    settings: dict[str, Setting]
    log_loss: Finite


class Judged(_Part):
    """How well challengers fitted without a row's group, and in time before it, did: AUC and calibration error with 95% intervals, Brier.

    `of` names the rows judged by; figures are null with the reason in `why_not`. 4 decimals.
    """

    of: Text
    rows: Count
    bad: Count
    auc: Finite | None
    auc_low: Finite | None
    auc_high: Finite | None
    brier: Finite | None
    calibration_error: Finite | None
    why_not: str = ""


class Challenger(_Part):
    """A challenger: what it predicts, from which features, as fitted on which history with which seed, settings and library versions."""

    format: Literal[1]
    kind: Literal["challenger"]
    name: Text
    outcome: Outcome
    features: Annotated[tuple[Feature, ...], Field(strict=False, min_length=1)]
    left_out: dict[str, str]
    seed: Count
    settings: dict[str, Setting]
    tried: Annotated[tuple[Tried, ...], Field(strict=False)]
    trained_on: TrainedOn
    judged: Annotated[tuple[Judged, ...], Field(strict=False)]
    libraries: dict[str, Text]
    model: ModelFile

    @model_validator(mode="after")
    def _sound(self) -> Challenger:
        names = [one.name for one in self.features]
        if len(names) != len(set(names)):
            raise ValueError(said("expected each feature once"))
        if set(self.libraries) != set(LIBRARIES):
            raise ValueError(said("libraries: expected {names}", names=", ".join(LIBRARIES)))
        return self


def dump(card: Challenger) -> str:
    """The challenger as JSON text, always the same for the same challenger."""
    return json.dumps(card.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"


def digest(text: str) -> str:
    """SHA-256 (hex) of the text: what is registered, signed and stands in the log."""
    return sha256(text.encode()).hexdigest()


def wanted() -> str:
    """What is expected of a file that should be a challenger, as a sentence to show."""
    return said("a challenger as `credit-review scorecard fit --challenger` writes it")


def load(text: str, *, known_as: str) -> Challenger:
    """The challenger a text describes. Raises BadInput naming file and field."""
    try:
        return Challenger.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or said("the whole file")
        raise BadInput(
            said("{file}, {field}: {problem}", file=known_as, field=place, problem=first["msg"]),
            expected=wanted(),
        ) from None
    except (ValueError, RecursionError):
        raise BadInput(said("{file} is not JSON", file=known_as), expected=wanted()) from None


def require_model(card: Challenger, data: bytes, *, known_as: str) -> None:
    """Return if these bytes are the card's model. Raises BadInput for another file."""
    found = sha256(data).hexdigest()
    if found != card.model.sha256:
        raise BadInput(
            said("{file} is not the model that its description names (SHA-256 {found})", file=known_as, found=found[:12]),
            expected=said("the file with SHA-256 {wanted}", wanted=card.model.sha256[:12]),
            next_step=said("restore the two files that were written together, or fit and register the challenger anew"),
        )


def require_libraries(card: Challenger, installed: Mapping[str, str]) -> None:
    """Return if the libraries are those of the fit. Raises BadInput naming the one that is not."""
    for name in LIBRARIES:
        if installed.get(name) != card.libraries[name]:
            raise BadInput(
                said(
                    "the challenger was fitted with {library} {wanted}, and {found} is installed",
                    library=name,
                    wanted=card.libraries[name],
                    found=installed.get(name, ""),
                ),
                expected=said("the same version: another may read the model file differently"),
                next_step=said("fit, validate and publish the challenger anew with this version"),
            )
