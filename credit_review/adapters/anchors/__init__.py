"""Where signed checkpoints are kept outside the database. Each kind is a file; which are used stands in settings.yaml under `audit`."""

from __future__ import annotations

from typing import assert_never

from credit_review.adapters.settings import (
    AnchorSettings,
    DirectoryAnchorSettings,
    GitAnchorSettings,
    MailAnchorSettings,
    Settings,
    SlackAnchorSettings,
    TimestampAnchorSettings,
)
from credit_review.ports import Anchor


def open_anchors(settings: Settings) -> list[Anchor]:
    """The anchors of an installation, in the order of its settings. Raises BadInput where one lacks a secret or a file."""
    return [_open(settings, one) for one in settings.audit.anchors]


def _open(settings: Settings, chosen: AnchorSettings) -> Anchor:
    match chosen:
        case DirectoryAnchorSettings():
            from credit_review.adapters.anchors.directory import DirectoryAnchor

            return DirectoryAnchor(chosen.name, chosen.administrator, settings.path(chosen.folder))
        case GitAnchorSettings():
            from credit_review.adapters.anchors.git import GitAnchor

            remote = chosen.remote if "://" in chosen.remote or "@" in chosen.remote else str(settings.path(chosen.remote))
            return GitAnchor(
                chosen.name, chosen.administrator, remote, chosen.branch, settings.path(settings.audit.notary_dir) / chosen.name
            )
        case TimestampAnchorSettings():
            from credit_review.adapters.anchors.timestamp import TimestampAnchor

            folder = settings.path(settings.audit.notary_dir) / chosen.name
            return TimestampAnchor.open(chosen, folder=folder, certificate=settings.path(chosen.root_certificate))
        case MailAnchorSettings():
            from credit_review.adapters.anchors.mail import MailAnchor

            return MailAnchor.from_settings(chosen)
        case SlackAnchorSettings():
            from credit_review.adapters.anchors.slack import SlackAnchor

            return SlackAnchor.from_settings(chosen)
        case _:
            assert_never(chosen)
