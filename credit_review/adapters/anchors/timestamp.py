"""A time-stamp authority (RFC 3161): its signed word that a checkpoint existed at a time, kept beside the note."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from credit_review.adapters import files
from credit_review.adapters.anchors.directory import file_name
from credit_review.adapters.settings import TimestampAnchorSettings
from credit_review.errors import BadInput, Tampered, Unavailable
from credit_review.words import said

SECONDS = 30


class TimestampAnchor:
    """Asks the authority for a token over each note and keeps both in a folder; a token that does not verify is never kept.

    Whoever loses the folder loses the evidence, not the truth of it: copy it to where internal audit keeps its papers.
    """

    weak = False
    readable = True

    def __init__(self, name: str, administrator: str, url: str, *, folder: Path, root: bytes) -> None:
        from cryptography.x509 import load_pem_x509_certificate
        from rfc3161_client import VerifierBuilder

        self.name, self.administrator, self._url, self._folder = name, administrator, url, folder
        self._verifier = VerifierBuilder().add_root_certificate(load_pem_x509_certificate(root)).build()

    @classmethod
    def open(cls, chosen: TimestampAnchorSettings, *, folder: Path, certificate: Path) -> TimestampAnchor:
        """The anchor of the settings. Raises BadInput when its root certificate cannot be read."""
        try:
            return cls(chosen.name, chosen.administrator, chosen.url, folder=folder, root=certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise BadInput(
                said("anchor {name}: root certificate {file}: {error}", name=chosen.name, file=str(certificate), error=str(error)),
                expected=said("the authority's root certificate as PEM"),
            ) from None

    def keep(self, name: str, note: str) -> None:
        """Have the note time-stamped, unless it is. Raises Unavailable, or Tampered when another note stands under that name."""
        path = self._folder / file_name(name)
        if path.is_file():
            if path.read_text(encoding="utf-8") != note:
                raise Tampered(said("anchor {name} holds another checkpoint under {file}", name=self.name, file=path.name))
            return
        token = self._asked(note)
        self._require(token, note, path.name)
        token_file = path.with_suffix(".tsr")
        with files.replacing(token_file) as part:
            part.write_bytes(token)
        files.write_text(path, note)

    def held(self) -> list[str]:
        """Every note with its token verified, oldest first. Raises Tampered for a token that does not belong to its note."""
        return list(self.tokens())

    def tokens(self) -> dict[str, bytes]:
        """The token (DER of a TimeStampResp) of every note, verified, oldest first. Raises Tampered like `held`."""
        found = {}
        for path in sorted(self._folder.glob("*.checkpoint")):
            note = path.read_text(encoding="utf-8", errors="replace")
            file = path.with_suffix(".tsr")
            found[note] = file.read_bytes() if file.is_file() else b""
            self._require(found[note], note, path.name)
        return found

    def stamped_at(self, name: str) -> Any:
        """When the authority saw the checkpoint of this name, as an aware datetime."""
        from rfc3161_client import decode_timestamp_response

        return decode_timestamp_response((self._folder / file_name(name)).with_suffix(".tsr").read_bytes()).tst_info.gen_time

    def _asked(self, note: str) -> bytes:
        import httpx
        from rfc3161_client import TimestampRequestBuilder
        from rfc3161_client.base import HashAlgorithm

        request = TimestampRequestBuilder().data(note.encode()).hash_algorithm(HashAlgorithm.SHA256).build()
        try:
            answer = httpx.post(
                self._url, content=request.as_bytes(), headers={"content-type": "application/timestamp-query"}, timeout=SECONDS
            ).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(
                said("anchor {name} cannot be reached: {error}", name=self.name, error=type(error).__name__),
                next_step=said("its administrator is {administrator}", administrator=self.administrator),
            ) from None
        return answer.content

    def _require(self, token: bytes, note: str, file: str) -> None:
        from rfc3161_client import VerificationError, decode_timestamp_response

        try:
            self._verifier.verify_message(decode_timestamp_response(token), note.encode())
        except (VerificationError, ValueError) as error:
            raise Tampered(
                said("anchor {name}: the time stamp of {file} does not hold: {error}", name=self.name, file=file, error=str(error))
            ) from None
