"""One family of errors. Each says what is wrong, what was expected and what to do next; none needs a traceback to be understood."""

from __future__ import annotations

import re
from typing import Any

MOST_TOLD = 200
"""Characters of an unforeseen error's own words that are kept."""
_HIDDEN = "…"
_SECRETS = (
    (re.compile(r"(?<=://)[^\s@/]*(?=@)"), _HIDDEN),
    (re.compile(r"(?i)((?:password|passwd|pwd|secret|token|key)[\"']?\s*[=:]\s*)\S+"), rf"\g<1>{_HIDDEN}"),
    (re.compile(r"(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{20,}"), _HIDDEN),
)
"""What may be a secret in words that are not ours: sign-in data of a URL, what is called a secret, long runs of letters and digits."""


class CreditReviewError(Exception):
    """Anything this program refuses or cannot do, told to the person who can mend it.

    `what` names the thing (file, line, row key, field); `expected` and `next_step` are whole phrases.
    `exit_code` is what the command line returns (docs/cli.md).
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", next_step: str = "") -> None:
        self.what = what
        self.expected = expected
        self.next_step = next_step
        super().__init__(self.text())

    def __reduce__(self) -> tuple[Any, ...]:
        """How it travels home from a bucket task in another process: by its fields, whatever its constructor asks for."""
        return _as_raised, (type(self), self.__dict__)

    def text(self) -> str:
        """The message in up to three lines: what, expected, next step."""
        lines = [self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.next_step:
            lines.append(f"  next: {self.next_step}")
        return "\n".join(lines)


def unforeseen(error: BaseException) -> str:
    """Kind and first words of an error that is none of ours, at most MOST_TOLD characters: no traceback, nothing that may be a secret."""
    words = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    for secret, instead in _SECRETS:
        words = secret.sub(instead, words)
    return f"{type(error).__name__}: {words[:MOST_TOLD]}" if words else type(error).__name__


def _as_raised(kind: type[CreditReviewError], fields: dict[str, Any]) -> CreditReviewError:
    error = kind.__new__(kind)
    error.__dict__.update(fields)
    error.args = (error.text(),)
    return error


class BadInput(CreditReviewError):
    """A file, row, setting or argument is not what it must be."""

    exit_code = 3


class Refused(CreditReviewError):
    """A business rule says no. `code` is stable and goes into the audit log; the text may change."""

    exit_code = 4

    def __init__(self, code: str, what: str, *, expected: str = "", next_step: str = "") -> None:
        self.code = code
        super().__init__(what, expected=expected, next_step=next_step)


class ReviewStopped(CreditReviewError):
    """A review cannot go on: critical validation, a control total that does not tie, an expectation that raised."""

    exit_code = 5


class Unavailable(CreditReviewError):
    """Something outside (database, Slack, source) did not answer; trying again later may work.

    `retry_after_seconds` is how long the other side asked us to wait, when it did.
    """

    exit_code = 6

    def __init__(self, what: str, *, expected: str = "", next_step: str = "", retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(what, expected=expected, next_step=next_step)


class Conflict(CreditReviewError):
    """A constraint of the store refused a write: somebody else was first, or an invariant would break."""

    exit_code = 7


class Tampered(CreditReviewError):
    """The audit log, or a file it commits to, is not what was written."""

    exit_code = 1
