"""A log in a real database, its notary, and anchors that others administer."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from credit_review import audit, notary
from credit_review.adapters.anchors.directory import DirectoryAnchor
from credit_review.adapters.anchors.git import GitAnchor
from credit_review.adapters.clock import FixedClock
from credit_review.adapters.notebook import FolderNotebook
from credit_review.adapters.store.log import SqlLog
from credit_review.adapters.store.unit_of_work import SqlStore
from credit_review.adapters.store.verify import Outside, Verdict, verify_log
from credit_review.audit.anchored import Trust
from credit_review.audit.notes import SigningKey
from credit_review.ports import Anchor, Entry

ORIGIN = "company.example/credit-audit/1"
KEY = SigningKey.from_seed(ORIGIN, bytes(range(32)))
NEXT_KEY = SigningKey.from_seed(ORIGIN, bytes(range(2, 34)))
TRUST = Trust(origin=ORIGIN, keys=(KEY.key,))
OLDEST = timedelta(minutes=30)


@dataclass
class World:
    """`grow` appends, `notarise` runs the notary as its process would, `verdict` is what `audit verify` says."""

    store: SqlStore
    clock: FixedClock
    folder: Path
    anchors: list[Anchor]
    trust: Trust = TRUST
    key: SigningKey = KEY

    @property
    def book(self) -> FolderNotebook:
        return FolderNotebook(self.folder / "notary")

    @property
    def log(self) -> SqlLog:
        return SqlLog(self.store.engine)

    def grow(self, count: int = 3, **entry) -> None:
        start = self.size()
        with self.store.begin() as uow:
            for number in range(start, start + count):
                uow.append(Entry(**({"action": audit.Action.CONFIG_LOADED, "actor": "system:test", "entity": f"config:{number}"} | entry)))
            uow.commit()

    def size(self) -> int:
        with self.log.reading() as view:
            return view.head.size if view.head else 0

    def notarise(self) -> notary.Outcome:
        return notary.run(self.log, self.book, self.key, self.anchors, self.trust, now=self.clock.now(), oldest=OLDEST)

    def verdict(self, **outside) -> Verdict:
        given = {"anchors": self.anchors, "trust": self.trust, "now": self.clock.now(), "oldest": OLDEST} | outside
        return verify_log(self.store.engine, Outside(**given))

    def with_trust(self, **changes) -> None:
        self.trust = replace(self.trust, **changes)


def directory(folder: Path, name: str, administrator: str) -> DirectoryAnchor:
    """An anchor in a folder of its own."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    return DirectoryAnchor(name, administrator, folder / name)


def git(folder: Path, name: str = "repository", administrator: str = "platform team") -> GitAnchor:
    """An anchor on a bare repository that refuses to rewrite its branch."""
    remote = folder / f"{name}.git"
    if not remote.is_dir():
        subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
        for rule in ("receive.denyNonFastForwards", "receive.denyDeletes"):
            subprocess.run(["git", "-C", str(remote), "config", rule, "true"], check=True)
    return GitAnchor(name, administrator, str(remote), "checkpoints", folder / "clone")
