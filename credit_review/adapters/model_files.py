"""Model cards and validation reports, kept under the digest of their text: what a validator signed for is what can be read later."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from credit_review.adapters import files
from credit_review.errors import BadInput, Tampered
from credit_review.words import said

CARD, REPORT = "card", "validation"
_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_SUFFIX = {CARD: "html", REPORT: "json"}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The folder `models` of an installation's data, one folder a version."""

    data: Path

    def keep(self, model: str, what: str, text: str) -> str:
        """Keep a text of a version (its digest), CARD or REPORT; returns the text's SHA-256. The same text again is the same file."""
        digest = sha256(text.encode()).hexdigest()
        path = self.path(model, what, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            files.write_text(path, text)
        return digest

    def path(self, model: str, what: str, digest: str) -> Path:
        """Where a text of a version is kept."""
        return self.data / "models" / model[:16] / f"{what}-{digest[:16]}.{_SUFFIX[what]}"

    def keep_model(self, text: str) -> Path:
        """Keep a scorecard that was fitted by schedule; returns its file."""
        path = self.data / "models" / sha256(text.encode()).hexdigest()[:16] / "scorecard.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            files.write_text(path, text)
        return path

    def card_with(self, model: str, report_digest: str) -> str:
        """The SHA-256 of the newest card that shows this report; empty when there is none."""
        every = sorted((self.data / "models" / model[:16]).glob(f"{CARD}-*.html"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        texts = (path.read_text(encoding="utf-8") for path in every)
        return next((sha256(text.encode()).hexdigest() for text in texts if report_digest in text), "")

    def kept(self, model: str, what: str, digest: str) -> str | None:
        """A kept text by its whole digest; None where none is kept, or where it is not what was written."""
        path = self.path(model, what, digest)
        text = path.read_text(encoding="utf-8", errors="replace") if _DIGEST.fullmatch(digest) and path.is_file() else None
        return text if text is not None and sha256(text.encode()).hexdigest() == digest else None

    def read(self, model: str, what: str, digest: str) -> tuple[str, str]:
        """A kept text by the beginning of its digest, and the whole digest. Raises BadInput for none, Tampered for a changed one."""
        folder = self.data / "models" / model[:16]
        found = sorted(folder.glob(f"{what}-{digest[:16]}*.{_SUFFIX[what]}")) if _DIGEST.fullmatch(digest) else []
        if len(found) != 1:
            raise BadInput(
                said("no validation report {digest} of this model is kept here", digest=digest),
                expected=said("the digest that `credit-review scorecard validate` printed"),
                next_step=said("run `credit-review scorecard validate` without an answer first, and read its report"),
            )
        text = found[0].read_text(encoding="utf-8")
        whole = sha256(text.encode()).hexdigest()
        if not whole.startswith(digest[:64]) or found[0].stem != f"{what}-{whole[:16]}":
            raise Tampered(said("{file} is not what was written", file=str(found[0])), expected=f"SHA-256 {digest}")
        return text, whole
