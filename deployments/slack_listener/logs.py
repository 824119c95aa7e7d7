"""What the listener's logs must never hold: tokens, secrets, and what bolt writes of request bodies."""

from __future__ import annotations

import logging

from credit_review.adapters import settings as configuration
from credit_review.adapters.slack_chat import without_tokens

SECRETS = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET")
_FORMAT = logging.Formatter()


class WithoutSecrets(logging.Filter):
    """Strikes tokens and our secrets out of messages and of what is shown of exceptions."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets = sorted(filter(None, map(configuration.secret, SECRETS)), key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass, mended."""
        try:
            text = record.getMessage()
        except (ValueError, TypeError):  # a library's slip in its own arguments
            text = str(record.msg)
        record.msg, record.args = self._struck(text), ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = self._struck(_FORMAT.formatException(record.exc_info))
            record.exc_info = None  # some handlers show it themselves; its text stays
        return True

    def _struck(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return without_tokens(text)


def guard_logs() -> None:
    """Puts the filter on every handler there is, and a guarded handler where there is none; records of every logger pass one of them."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    names = ["credit_review", *(n for n in logging.root.manager.loggerDict if n.startswith(("credit_review", "slack_", "uvicorn")))]
    for logger in (root, *map(logging.getLogger, names)):
        for handler in logger.handlers:
            if not any(isinstance(one, WithoutSecrets) for one in handler.filters):
                handler.addFilter(WithoutSecrets())


def quiet_logger() -> logging.Logger:
    """Bolt's log without request bodies (it writes rejected ones, signatures included, at INFO), and without secrets."""
    logger = logging.getLogger("credit_review.slack.bolt")
    logger.setLevel(logging.WARNING)
    logger.filters[:] = [WithoutSecrets()]
    return logger
