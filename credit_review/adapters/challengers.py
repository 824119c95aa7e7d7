"""A challenger's two files, and its probabilities from a process apart: features go in and probabilities come out, as Arrow.

That process has an empty environment, an empty working folder, no settings and no database; once it has imported what it needs, it can
open no file and no connection. Whatever a model file does there, it does to that process.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review.adapters import apart, files
from credit_review.challenger import card as cards
from credit_review.challenger.card import Challenger
from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.words import packed, said, unpacked

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from credit_review.challenger.fitting import Fitted

MOST_MEMORY = 3 * 1024 * 1024 * 1024
MOST_SECONDS = 600
"""Address space in bytes and processor time, in seconds, that one prediction may take."""

_DONE, _REFUSED = b"done\n", b"refused\n"
_MODULE = "credit_review.adapters.challengers"


@dataclass(frozen=True, slots=True)
class Held:
    """A challenger as read from its files, neither of which was believed yet: description, its digest, and the model's bytes."""

    card: Challenger
    digest: str
    text: str
    model: bytes
    known_as: str


def installed() -> dict[str, str]:
    """The versions of the libraries that fit and read a challenger."""
    return {name: _version(name) for name in cards.LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def write(path: Path, fitted: Fitted) -> str:
    """Write the description to NAME.json and the model file beside it; returns the digest to register."""
    text = cards.dump(fitted.card)
    with files.replacing(path.with_suffix(cards.MODEL_SUFFIX)) as part:
        part.write_bytes(fitted.model)
    files.write_text(path, text)
    return cards.digest(text)


def read(path: Path, *, known_as: str) -> Held:
    """The challenger whose description this is. Raises BadInput for a file that is missing, none of ours, or not the model described."""
    beside = path.with_suffix(cards.MODEL_SUFFIX)
    raw = _bytes(path, known_as)
    text = raw.decode("utf-8", "replace")
    card = cards.load(text, known_as=known_as)
    if text.encode() != raw:  # its digest would be another than that of the file
        raise BadInput(said("{file} is no UTF-8 text", file=known_as), expected=cards.wanted())
    name = f"{Path(known_as).stem}{cards.MODEL_SUFFIX}"
    model = _bytes(beside, name)
    cards.require_model(card, model, known_as=name)
    return Held(card, cards.digest(text), text, model, known_as)


def _bytes(path: Path, known_as: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            said("{file} cannot be read: {error}", file=known_as, error=error.strerror or ""),
            expected=said("a file at {path}", path=path),
            next_step=said(
                "`credit-review scorecard fit --challenger` writes both files; without a challenger, leave it out of settings.yaml"
            ),
        ) from None


def require_registered(held: Held, registered: Callable[[str], Any]) -> None:
    """Return if the challenger's digest is registered, signed and in force, as `registered` says of a digest. Refused otherwise."""
    if not registered(held.digest):
        raise Refused(
            "challenger.unregistered",
            said("{file}: the challenger with digest {digest} is not registered and signed", file=held.known_as, digest=held.digest[:12]),
            expected=said("a version that the model inventory has in force, under a signature we accept"),
            next_step=said("`credit-review scorecard inventory` lists what is; one that was checked is published by `scorecard publish`"),
        )


def require_readable(held: Held) -> None:
    """Return if the challenger gives a probability for a customer of whom nothing is known, in a process apart. Raises BadInput otherwise.

    Whatever its files claim, this process builds nothing of the model.
    """
    import pandas as pd

    unknown = {one.name: "" if isinstance(one, cards.CategoryFeature) else float("nan") for one in held.card.features}
    predict(held, pd.DataFrame([unknown]))


def predict(held: Held, frame: pd.DataFrame, *, memory: int = MOST_MEMORY, seconds: int = MOST_SECONDS) -> NDArray[np.float64]:
    """The probability of the outcome for each row of a frame with the challenger's features, from a process apart.

    Call `require_registered` before: whatever the model file does, it does in there, but nobody asked it to. Raises BadInput where the
    features lack a column, the libraries are of other versions, the file holds what it must not, or the process fails or is ended.
    """
    from credit_review.challenger.columns import matrix

    cards.require_libraries(held.card, installed())
    matrix(frame.head(0), held.card.features)  # says which column is missing, before a process starts
    names = [one.name for one in held.card.features]
    about = json.dumps({"memory": memory, "seconds": seconds, "card": len(held.text.encode()), "model": len(held.model)})
    sent = b"".join([about.encode(), b"\n", held.text.encode(), held.model, _arrow(frame[names])])
    found: NDArray[np.float64] = _answer(sent, seconds)
    if len(found) != len(frame):
        raise _failed(said("it answered for {found} of {rows} rows", found=len(found), rows=len(frame)))
    return found


def _answer(sent: bytes, seconds: int) -> Any:
    """What the process apart answers. Raises BadInput where that is a refusal or nothing."""
    with tempfile.TemporaryDirectory(prefix="challenger-") as nowhere:
        try:
            done = subprocess.run(
                apart.command(_MODULE, isolated=True),
                input=sent,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                cwd=nowhere,
                timeout=2 * seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(said("it takes more than {seconds} seconds", seconds=2 * seconds)) from None
    if done.stdout.startswith(_REFUSED):
        what, expected, next_step = (unpacked(one) for one in json.loads(done.stdout.removeprefix(_REFUSED)))
        raise BadInput(what, expected=expected, next_step=next_step)
    if not done.stdout.startswith(_DONE):
        raise _failed(said("its process ended with code {code}", code=done.returncode))
    return _probabilities(done.stdout.removeprefix(_DONE))


def _probabilities(answer: bytes) -> Any:
    """The answer, believed no further than what it must be: probabilities and nothing else."""
    import numpy as np
    import pyarrow as pa

    try:
        found = pa.ipc.open_stream(answer).read_all().column("probability").to_numpy()
    except (pa.ArrowException, KeyError, ValueError, OSError):
        raise _failed(said("its answer cannot be read")) from None
    if found.dtype != np.float64 or not ((found >= 0) & (found <= 1)).all():
        raise _failed(said("its answer holds what is no probability"))
    return found


def _failed(why: str) -> BadInput:
    return BadInput(
        said("the challenger gave no probabilities: {why}", why=why),
        expected=said("a prediction within {bytes} bytes and {seconds} seconds", bytes=MOST_MEMORY, seconds=MOST_SECONDS),
        next_step=said("find out where its model file comes from; then fit and register the challenger anew"),
    )


def _arrow(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    with io.BytesIO() as out:
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        return out.getvalue()


# --- the process apart ------------------------------------------------------------------------------------------------------------------


def _predict_here() -> None:
    """What the process apart does: limits first, then the model is read and asked; a refusal or the probabilities go out."""
    import pandas as pd
    import pyarrow as pa
    import sklearn.ensemble
    import skops.io
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    from credit_review.challenger import columns, fitting, stored

    about = json.loads(sys.stdin.buffer.readline())
    apart.bound(memory=about["memory"], seconds=about["seconds"])
    text, model = sys.stdin.buffer.read(about["card"]), sys.stdin.buffer.read(about["model"])
    frame = pa.ipc.open_stream(sys.stdin.buffer.read()).read_all().to_pandas()
    with threadpool_limits(limits=1):  # finds its libraries while files may still be opened
        _warm_up(skops.io, sklearn.ensemble)
        apart.shut_in()
        try:
            card = cards.load(text.decode(), known_as="challenger")
            found = fitting.predicted(stored.unpacked(model), columns.matrix(frame, card.features))
        except CreditReviewError as error:
            sys.stdout.buffer.write(_REFUSED + json.dumps([packed(one) for one in (error.what, error.expected, error.next_step)]).encode())
            return
    sys.stdout.buffer.write(_DONE + _arrow(pd.DataFrame({"probability": found})))


def _warm_up(skops_io: Any, ensemble: Any) -> None:
    """Reads and asks trees of our own once: modules that load when first used can be loaded no more afterwards."""
    import numpy as np

    from credit_review.challenger import stored

    rows = np.arange(40, dtype=np.float64)[:, None]
    trees = ensemble.HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=1).fit(rows, rows[:, 0] > 20)
    stored.unpacked(stored.packed(trees)).predict_proba(rows)


if __name__ == "__main__":
    _predict_here()
