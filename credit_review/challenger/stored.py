"""The model file: skops with an explicit list of types, stored unpacked, and the same bytes for the same model. No pickle in it or near it.

skops is no sandbox, so a file is looked at before skops sees it: which members it has, how large they are, and whether every node of its
schema is of a type on our own list, not only of one that skops trusts. It is read only by a process without credentials all the same.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from credit_review.errors import BadInput
from credit_review.words import said

MOST_BYTES = 64 * 1024 * 1024
MOST_MEMBERS = 20_000
MOST_DEPTH = 60
SCHEMA = "schema.json"
TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""What skops does not trust by itself and these trees need."""

_TREES = "sklearn.ensemble._hist_gradient_boosting"
ALLOWED = frozenset(
    {
        (f"{_TREES}.gradient_boosting", "HistGradientBoostingClassifier", "ObjectNode"),
        (f"{_TREES}.binning", "_BinMapper", "ObjectNode"),
        (f"{_TREES}.predictor", "TreePredictor", "ObjectNode"),
        ("sklearn.preprocessing._label", "LabelEncoder", "ObjectNode"),
        ("sklearn._loss.loss", "HalfBinomialLoss", "ObjectNode"),
        ("sklearn._loss._loss", "CyHalfBinomialLoss", "LossNode"),
        ("sklearn._loss.link", "LogitLink", "ObjectNode"),
        ("sklearn._loss.link", "Interval", "ObjectNode"),
        ("numpy", "ndarray", "NdArrayNode"),
        ("numpy", "uint64", "NdArrayNode"),
        ("builtins", "dict", "DictNode"),
        ("builtins", "list", "ListNode"),
        ("builtins", "tuple", "TupleNode"),
        ("builtins", "str", "JsonNode"),
        ("builtins", "str", "TypeNode"),
    }
)
"""Every (module, class, loader) a challenger's schema may hold."""

_MEMBER = re.compile(r"[0-9]{1,9}\.npy\Z")
_MARKS = ("__module__", "__class__", "__loader__")
_TRAINING_ONLY = ("_feature_subsample_rng", "_scorer")
"""What the trees keep of their fit and never need to predict."""


def packed(model: Any) -> bytes:
    """A fitted HistGradientBoostingClassifier as the bytes of its file, the same for the same model."""
    import skops.io

    for name in _TRAINING_ONLY:
        vars(model).pop(name, None)
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as made:
        schema = json.loads(made.read(SCHEMA))
        members = _renumbered(schema)
        with io.BytesIO() as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
                for old, new in members.items():
                    file.writestr(zipfile.ZipInfo(new), made.read(old))
                file.writestr(zipfile.ZipInfo(SCHEMA), json.dumps(schema))
            return out.getvalue()


def _renumbered(schema: Any) -> dict[str, str]:
    """Node numbers, which are addresses of the process that fitted, become 1, 2, 3 in place; returns the new name of every member."""
    numbers: dict[int, int] = {}
    members: dict[str, str] = {}
    for count, node in enumerate(_nodes(schema), 1):
        if "__id__" in node:
            own = node["__loader__"] == "JsonNode"  # whether two constants are one object is chance
            node["__id__"] = count if own else numbers.setdefault(node["__id__"], count)
        if "file" in node:
            node["file"] = members.setdefault(node["file"], f"{len(members) + 1}.npy")
    return members


def unpacked(data: bytes) -> Any:
    """The trees in these bytes. Raises BadInput for anything but a file that `packed` wrote; call it in a process without credentials."""
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier

    require_plain(data)
    try:
        model = skops.io.loads(data, trusted=list(TRUSTED))
    except Exception as error:
        raise _no_model(said("skops cannot read it ({error})", error=type(error).__name__)) from None
    if type(model) is not HistGradientBoostingClassifier or not hasattr(model, "_predictors"):
        raise _no_model(said("it holds no fitted trees"))
    return model


def require_plain(data: bytes) -> None:
    """Return if a model file holds only what a challenger may hold; nothing of it is built. Raises BadInput naming the type or member."""
    if len(data) > MOST_BYTES:
        raise _no_model(said("it has {bytes} bytes", bytes=len(data)), expected=said("at most {most} bytes", most=MOST_BYTES))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            _require_members(file.infolist())
            schema = json.loads(file.read(SCHEMA))
    except (zipfile.BadZipFile, ValueError, KeyError, RecursionError, NotImplementedError, EOFError, OSError):
        raise _no_model(said("it is no whole skops file")) from None
    names = {info.filename for info in file.infolist()}
    for node in _nodes(schema):
        _require_node(node, names)
    if not isinstance(schema, dict) or schema.get("__class__") != "HistGradientBoostingClassifier":
        raise _no_model(said("it holds no fitted trees"))


def _require_members(members: list[zipfile.ZipInfo]) -> None:
    names = [one.filename for one in members]
    if len(names) > MOST_MEMBERS or len(names) != len(set(names)):
        raise _no_model(said("{n} files inside", n=len(names)), expected=said("at most {most}, each once", most=MOST_MEMBERS))
    for one in members:
        if one.filename != SCHEMA and not _MEMBER.match(one.filename):
            raise _no_model(said("the file {name} inside", name=repr(one.filename)), expected=said("arrays and a schema"))
        if one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size:
            raise _no_model(said("{name} inside is packed", name=one.filename), expected=said("files stored as they are"))


def _require_node(node: dict[str, Any], members: set[str]) -> None:
    marks = tuple(node.get(mark) for mark in _MARKS)
    if any(mark in node for mark in (*_MARKS, "__id__")) and marks not in ALLOWED:
        module, name, loader = (str(mark) for mark in marks)
        raise _no_model(
            said("it holds {type} ({loader})", type=f"{module}.{name}"[:120], loader=loader[:40]),
            expected=said("boosted trees and nothing else"),
        )
    if marks[2] == "NdArrayNode" and (node.get("type") != "numpy" or node.get("file") not in members):
        raise _no_model(said("an array inside is not a plain one"), expected=said("arrays of numbers"))


def _nodes(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Every JSON object of a schema, parents first. Raises BadInput for one nested too deep."""
    if depth > MOST_DEPTH:
        raise _no_model(said("its schema is nested too deep"))
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, depth + 1)


def _no_model(what: str, *, expected: str = "") -> BadInput:
    return BadInput(
        said("the challenger's model file is refused: {what}", what=what),
        expected=expected or said("a model file as `credit-review scorecard fit --challenger` writes it"),
        next_step=said("find out where the file comes from; then fit and register the challenger anew"),
    )
