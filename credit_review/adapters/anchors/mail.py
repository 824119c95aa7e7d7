"""A mailbox of internal audit: every checkpoint as a message. It is evidence for people; the program does not read it again."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

from credit_review.adapters.settings import MailAnchorSettings, secret
from credit_review.errors import Unavailable
from credit_review.words import said

SECONDS = 30


class MailAnchor:
    """Sends each checkpoint to a mailbox that others administer, with journaling on."""

    weak = False
    readable = False

    def __init__(self, chosen: MailAnchorSettings, password: str | None) -> None:
        self.name, self.administrator = chosen.name, chosen.administrator
        self._chosen, self._password = chosen, password

    @classmethod
    def from_settings(cls, chosen: MailAnchorSettings) -> MailAnchor:
        """The anchor of the settings; its password, if it needs one, is a secret."""
        return cls(chosen, secret(chosen.password_secret) if chosen.password_secret else None)

    def keep(self, name: str, note: str) -> None:
        """Send the note. Raises Unavailable."""
        message = EmailMessage()
        message["From"], message["To"] = self._chosen.sender, self._chosen.to
        message["Subject"] = f"credit-review checkpoint {name}"
        message["Message-ID"] = f"<checkpoint-{name}-{self.name}@{self._chosen.sender.rpartition('@')[2]}>"
        message.set_content(note, cte="base64")
        try:
            with smtplib.SMTP(self._chosen.host, self._chosen.port, timeout=SECONDS) as server:
                if self._chosen.tls:
                    server.starttls()
                if self._password is not None:
                    server.login(self._chosen.user or self._chosen.sender, self._password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(
                said("anchor {name} cannot be reached: {error}", name=self.name, error=type(error).__name__),
                next_step=said("its administrator is {administrator}", administrator=self.administrator),
            ) from None

    def held(self) -> list[str]:
        """Nothing: a mailbox is read by people."""
        return []
