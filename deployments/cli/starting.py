"""`init` and `doctor`: from nothing to a configuration that works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from credit_review.adapters import settings as configuration
from credit_review.errors import BadInput, CreditReviewError

STARTER_FILES = ("settings.yaml", "policy.yaml", "authority.yaml", "mapping.yaml")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `next_step` is empty when it is in order."""

    subject: str
    ok: bool
    found: str
    next_step: str = ""


def write_starter(folder: Path) -> list[Path]:
    """Write the starter configuration into `folder`. Raises BadInput when one of the files is already there; then nothing is written."""
    there = [name for name in STARTER_FILES if (folder / name).exists()]
    if there:
        raise BadInput(
            f"{folder} already holds {', '.join(there)}",
            expected="a folder without a configuration",
            next_step="name another folder, or edit the files that are there",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with as_file(files("deployments") / "starter") as starter:
        for name in STARTER_FILES:
            shutil.copyfile(starter / name, folder / name)
    return [folder / name for name in STARTER_FILES]


def examine(folder: Path) -> Iterator[Finding]:
    """What `doctor` checks, in the order in which a newcomer would mend it."""
    try:
        settings = configuration.load(folder)
    except CreditReviewError as error:
        yield Finding("settings", False, error.what, error.next_step or error.expected)
        return
    yield Finding("settings", True, str(folder / configuration.FILE_NAME))
    yield from _documents(settings)
    yield from _sources(settings)
    yield from _database(settings)
    yield from _slack(settings)
    yield from _prefect()


def _documents(settings: configuration.Settings) -> Iterator[Finding]:
    from credit_review import authority, policy, receivables, scoring

    loaders = [("policy", settings.policy, policy.load), ("authority matrix", settings.authority, authority.load)]
    loaders += [(f"mapping {place.mapping}", place.mapping, receivables.load) for place in settings.sources]
    for subject, name, load in loaders:
        try:
            load(settings.document(name))
        except CreditReviewError as error:
            yield Finding(subject, False, error.what, error.next_step or error.expected)
        else:
            yield Finding(subject, True, name)
    try:
        card = scoring.load(configuration.read_text(settings.path(settings.scorecard), known_as=settings.scorecard))
    except CreditReviewError as error:
        yield Finding("scorecard", False, error.what, "`credit-review scorecard fit` writes one from your history, or the expert scorecard")
    else:
        yield Finding("scorecard", True, f"{settings.scorecard}: {card.name}")


def _sources(settings: configuration.Settings) -> Iterator[Finding]:
    for place in settings.sources:
        folder = settings.path(place.folder)
        ok = folder.is_dir()
        yield Finding(f"ledger folder {place.folder}", ok, str(folder), "" if ok else "create it, or correct `folder` in settings.yaml")


def _database(settings: configuration.Settings) -> Iterator[Finding]:
    from credit_review.adapters.store import engine, migrations

    url = settings.database_url()
    shown = engine.shown(url)
    try:
        current, newest = migrations.current(url), migrations.newest()
    except CreditReviewError as error:
        yield Finding("database", False, f"{shown}: {error.what}", error.next_step or "check the URL, and that the server runs")
        return
    ok = current == newest
    yield Finding("database", ok, f"{shown}: schema {current or 'missing'}", "" if ok else "run `credit-review db upgrade`")
    if ok:
        yield from _people(settings)


def _people(settings: configuration.Settings) -> Iterator[Finding]:
    from credit_review.adapters.wiring import open_services
    from credit_review.review import directory

    services = open_services(settings)
    with services.store.read() as uow:
        now = services.clock.now()
        people = directory.persons(uow, on=now.astimezone(settings.zone).date(), known_at=now)
    active = [p for p in people if p.active]
    ok = len(active) >= 2
    yield Finding("people", ok, f"{len(active)} active", "" if ok else "run `credit-review people first-pair`: nobody decides alone")


def _slack(settings: configuration.Settings) -> Iterator[Finding]:
    mode = settings.slack.mode
    if mode == "none":
        yield Finding("Slack", True, "off: people decide with `credit-review decide`")
        return
    needed = ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN" if mode == "socket" else "SLACK_SIGNING_SECRET"]
    missing = [f"CREDIT_REVIEW_{name}" for name in needed if configuration.secret(name) is None]
    if missing:
        yield Finding("Slack", False, f"{mode}: {', '.join(missing)} not set", "set them in the environment or in secret files")
        return
    from credit_review.adapters.slack_chat import SlackChat

    try:
        who = SlackChat.from_settings(settings).signed_in_as()
    except CreditReviewError as error:
        yield Finding("Slack", False, error.what, error.next_step or "check the bot token")
    else:
        yield Finding("Slack", True, f"{mode}: signed in as {who}")


def _prefect() -> Iterator[Finding]:
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        yield Finding("Prefect", True, "no server configured: runs start one of their own; schedules need a server (README, Schedules)")
        return
    import httpx

    try:
        httpx.get(f"{url}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        yield Finding("Prefect", False, f"{url}: {error}", "start it with `prefect server start`, or unset PREFECT_API_URL")
    else:
        yield Finding("Prefect", True, url)
