"""A Git repository that others administer: one commit a checkpoint on a branch that may only move forward."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from credit_review.adapters.anchors.directory import file_name
from credit_review.errors import Tampered, Unavailable
from credit_review.words import said

_SETTINGS = [
    part
    for setting in ("user.name=credit-review notary", "user.email=notary@invalid", "core.autocrlf=false", "core.hooksPath=/dev/null")
    for part in ("-c", setting)
]
SECONDS = 60


class GitAnchor:
    """Pushes checkpoints to a branch of a remote, never with force; the clone is made anew each time.

    That the branch only moves forward is the remote's rule (protected branch, `receive.denyNonFastForwards`), which is its administrator's.
    """

    weak = False
    readable = True

    def __init__(self, name: str, administrator: str, remote: str, branch: str, folder: Path) -> None:
        self.name, self.administrator = name, administrator
        self._remote, self._branch, self._folder = remote, branch, folder

    def keep(self, name: str, note: str) -> None:
        """Commit the note under its name and push it. Raises Unavailable, or Tampered when another note stands there."""
        self._fetch()
        there = self._shown(file_name(name))
        if there is not None:
            if there != note:
                raise Tampered(said("anchor {name} holds another checkpoint under {file}", name=self.name, file=file_name(name)))
            return
        (self._folder / file_name(name)).write_text(note, encoding="utf-8", newline="")
        self._git("add", "--", file_name(name))
        self._git("commit", "--quiet", "--no-gpg-sign", "-m", f"Checkpoint {name}")
        self._git("push", "--quiet", "origin", f"HEAD:refs/heads/{self._branch}")

    def held(self) -> list[str]:
        """Every note on the remote's branch, oldest first. Raises Unavailable."""
        self._fetch()
        return [self._shown(path.name) or "" for path in sorted(self._folder.glob("*.checkpoint"))]

    def _fetch(self) -> None:
        """A clone that is as the remote's branch is now: what was committed here and never pushed is forgotten, its note is sent again."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch", self._branch)
        self._git("remote", "add", "origin", self._remote)
        if self._git("ls-remote", "--heads", "origin", self._branch).strip():
            self._git("fetch", "--quiet", "--depth", "1", "origin", f"refs/heads/{self._branch}")
            self._git("reset", "--quiet", "--hard", "FETCH_HEAD")

    def _shown(self, name: str) -> str | None:
        path = self._folder / name
        return path.read_bytes().decode("utf-8", "replace") if path.is_file() else None

    def _git(self, *command: str) -> str:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
        try:
            done = subprocess.run(
                ("git", *_SETTINGS, *command),
                cwd=self._folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
                timeout=SECONDS,
            )
        except FileNotFoundError:
            raise Unavailable(
                said("git is not installed"), next_step=said("install git, or take this anchor out of settings.yaml")
            ) from None
        except subprocess.TimeoutExpired:
            raise self._unreachable(said("no answer within {seconds} s", seconds=SECONDS)) from None
        except subprocess.CalledProcessError as error:
            raise self._unreachable((error.stderr or error.stdout).strip().rpartition("\n")[2]) from None
        return done.stdout

    def _unreachable(self, error: str) -> Unavailable:
        return Unavailable(
            said("anchor {name} cannot be reached: {error}", name=self.name, error=error),
            next_step=said("its administrator is {administrator}", administrator=self.administrator),
        )
