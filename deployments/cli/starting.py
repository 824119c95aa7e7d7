"""`init` and `doctor`: from nothing to a configuration that works."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from credit_review import authority
from credit_review.adapters import posting
from credit_review.adapters import settings as configuration
from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.records import ModelVersion, PersonAccount
from credit_review.model.states import DocumentOfRecord
from credit_review.review import manifest
from credit_review.words import listed, marked, said
from deployments.cli import language
from deployments.cli.frame import acting, show_json, speak_to, tell

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services
    from credit_review.ports import UnitOfWork

STARTER_FILES = ("settings.yaml", "policy.yaml", "authority.yaml", "mapping.yaml")

SCHEMA = "policy.schema.json"
"""The JSON Schema of a policy, by which editors complete and check it while it is written."""

_TOKENS = {
    "SLACK_BOT_TOKEN": (said("bot token (xoxb-...)"), r"xoxb-\S+"),
    "SLACK_APP_TOKEN": (said("app token (xapp-...)"), r"xapp-\S+"),
    "SLACK_SIGNING_SECRET": (said("signing secret (32 hexadecimal characters)"), r"[0-9a-f]{32}"),
}

SCORECARD = "scorecard.json"
EXPIRES_SOON_DAYS = 90
"""So many days before a scorecard's last one `doctor` speaks of it: fit, validation and adoption take people their time."""

WRITTEN_BY_INIT = marked("the expert scorecard that `credit-review init` wrote")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `next_step` is empty when it is in order."""

    subject: str
    ok: bool
    found: str
    next_step: str = ""


def write_starter(folder: Path) -> list[Path]:
    """Write the starter configuration into `folder`. Raises BadInput when one of the files is already there; then nothing is written."""
    there = [name for name in (*STARTER_FILES, SCORECARD) if (folder / name).exists()]
    if there:
        raise BadInput(
            said("{folder} already holds {files}", folder=str(folder), files=listed(there)),
            expected=said("a folder without a configuration"),
            next_step=said("name another folder, or edit the files that are there"),
        )
    folder.mkdir(parents=True, exist_ok=True)
    with as_file(files("deployments") / "starter") as starter:
        for name in (*STARTER_FILES, SCHEMA):
            shutil.copyfile(starter / name, folder / name)
    return [*(folder / name for name in STARTER_FILES), _write_scorecard(folder)]


def is_starter(name: str, text: str) -> bool:
    """Whether a file is the starter as `init` wrote it: then no person is its author."""
    if name in STARTER_FILES:
        return (files("deployments") / "starter" / name).read_text(encoding="utf-8") == text
    from credit_review import scoring

    try:
        return scoring.load(text).why == WRITTEN_BY_INIT
    except CreditReviewError:
        return False


def _write_scorecard(folder: Path) -> Path:
    """The expert scorecard for the starter policy: a review can start before there is history to fit one on."""
    from credit_review import policy, receivables, scoring

    settings = configuration.load(folder)
    mapping = receivables.load(settings.document(settings.sources[0].mapping))
    rules = policy.load(settings.document(settings.policy))
    card = scoring.expert(rules, why=WRITTEN_BY_INIT, not_available=scoring.not_available(receivables.capabilities([mapping])))
    path = folder / SCORECARD
    path.write_text(scoring.dump(card), encoding="utf-8")
    return path


def report_findings(folder: Path, *, as_json: bool) -> None:
    """Print what `doctor` found; exit code 3 when something is wrong."""
    found = list(examine(folder))
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        for one in found:
            sentence = marked("ok    {subject}: {found}") if one.ok else marked("WRONG {subject}: {found}")
            tell(said(sentence, subject=one.subject, found=one.found))
            if one.next_step:
                typer.echo("      " + language.say(said("next: {step}", step=one.next_step)))
    if not all(one.ok for one in found):
        raise SystemExit(BadInput.exit_code)


def create_write_back_table(folder: Path) -> None:
    """Create the table applied limits go to. Raises BadInput unless write_back is a table."""
    from sqlalchemy import create_engine

    from credit_review.adapters.write_back import TableWriteBack

    chosen = configuration.load(folder).write_back
    if chosen.kind != "table":
        raise BadInput(said("write_back is {kind} in settings.yaml", kind=chosen.kind), expected=said("kind table"))
    table = TableWriteBack(create_engine(configuration.require_secret(chosen.url_secret or "")), chosen.table)
    table.create()
    tell(said("{table} is there", table=table.name))
    if chosen.orders:
        from credit_review.adapters.order_desk import SUFFIX, OrderTable

        orders = OrderTable(table.engine, chosen.table + SUFFIX, lambda name, sha256: "")
        orders.create()
        tell(said("{table} is there", table=orders.name))


def upgrade_database(folder: Path) -> None:
    """Create the schema or bring it up to date."""
    from credit_review.adapters.store import engine, schema

    settings = configuration.load(folder)
    settings.data.mkdir(parents=True, exist_ok=True)
    url = settings.database_url()
    file = engine.sqlite_file(engine.parse_url(url))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    tell(said("{database} has schema {schema}", database=_shown(url), schema=schema.upgrade(url)))


def create_database_roles(folder: Path, prefix: str) -> None:
    """Make owner, app, auditor and notary, and hand the tables over."""
    from credit_review.adapters.store.engine import open_engine
    from credit_review.adapters.store.roles import create_roles

    url = configuration.load(folder).database_url()
    create_roles(open_engine(url), prefix)
    tell(
        said(
            "{database} has the roles {prefix}_owner, _app, _auditor and _notary; grant them to login roles",
            database=_shown(url),
            prefix=prefix,
        )
    )


def _shown(url: str) -> str:
    """A database URL without its password."""
    from credit_review.adapters.store import engine

    return engine.parse_url(url).render_as_string(hide_password=True)


def examine(folder: Path) -> Iterator[Finding]:
    """What `doctor` checks, in the order in which a newcomer would mend it."""
    try:
        settings = configuration.load(folder)
    except CreditReviewError as error:
        yield wrong(said("settings"), error)
        return
    language.speak(language.of_company(settings))
    yield Finding(said("settings"), True, str(folder / configuration.FILE_NAME))
    yield from _documents(settings)
    yield from _sources(settings)
    yield from _database(settings)
    yield from _write_back(settings)
    yield from _letters(settings)
    yield from _slack(settings)
    yield from _prefect()


def wrong(subject: str, error: CreditReviewError, next_step: str = "") -> Finding:
    """What is wrong as the error says it, with the next step, or what was expected."""
    return Finding(subject, False, error.what, next_step or error.next_step or error.expected)


def _documents(settings: configuration.Settings) -> Iterator[Finding]:
    from credit_review import authority, policy, receivables, scoring

    loaders = [(said("policy"), settings.policy, policy.load), (said("authority matrix"), settings.authority, authority.load)]
    loaders += [(said("mapping {name}", name=place.mapping), place.mapping, receivables.load) for place in settings.sources]
    for subject, name, load in loaders:
        try:
            load(settings.document(name))
        except CreditReviewError as error:
            yield wrong(subject, error)
        else:
            yield Finding(subject, True, name)
    try:
        card = scoring.load(configuration.read_text(settings.path(settings.scorecard), known_as=settings.scorecard))
    except CreditReviewError as error:
        yield wrong(said("scorecard"), error, said("`credit-review scorecard fit` writes one from your history, or the expert scorecard"))
    else:
        yield Finding(said("scorecard"), True, f"{settings.scorecard}: {card.name}")


def _sources(settings: configuration.Settings) -> Iterator[Finding]:
    for place in settings.sources:
        folder = settings.path(place.folder)
        ok = folder.is_dir()
        mend = "" if ok else said("create it, or correct `folder` in settings.yaml")
        yield Finding(said("ledger folder {folder}", folder=place.folder), ok, str(folder), mend)
    stated = settings.posted_through
    if stated is not None and stated.file is not None and not settings.path(stated.file).exists():
        later = said("{file} is not there yet: a scheduled review needs it, `review run --as-of` does not", file=stated.file)
        yield Finding(said("posted through"), True, later)
        return
    try:
        posted = posting.posted_through(settings)
    except CreditReviewError as error:
        yield wrong(said("posted through"), error, said("correct `posted_through` in settings.yaml, or have the source state the day"))
    else:
        found = said("not stated: scheduled reviews start on their day") if posted is None else said("{day}", day=posted)
        yield Finding(said("posted through"), True, found)


def _database(settings: configuration.Settings) -> Iterator[Finding]:
    from credit_review.adapters.store import engine, schema

    try:
        url = settings.database_url()
        shown = _shown(url)
    except CreditReviewError as error:
        mend = said("correct `database` in settings.yaml or CREDIT_REVIEW_DATABASE_URL: {expected}", expected=error.expected)
        yield wrong(said("database"), error, mend)
        return
    try:
        current, newest = schema.current(url), schema.newest()
    except CreditReviewError as error:
        made_by_upgrade = engine.sqlite_file(engine.parse_url(url)) is not None
        creates = said("run `credit-review db upgrade`, which creates it")
        mend = creates if made_by_upgrade else said("check the URL, and that the server runs")
        yield Finding(said("database"), False, said("{database}: {problem}", database=shown, problem=error.what), mend)
        return
    ok = current == newest
    found = said("{database}: schema {schema}", database=shown, schema=current or said("missing"))
    yield Finding(said("database"), ok, found, "" if ok else said("run `credit-review db upgrade`"))
    if ok:
        yield from _record(settings)


def _record(settings: configuration.Settings) -> Iterator[Finding]:
    """What the database must hold before a review can start: two people, me among them, and adopted documents."""
    from credit_review.adapters.wiring import open_services
    from credit_review.review import directory

    opened = open_services(settings)
    speak_to(opened)
    with opened.store.read() as uow:
        active = [p for p in directory.persons(uow, on=opened.today(), known_at=opened.clock.now()) if p.active]
        ok = len(active) >= 2
        mend = "" if ok else said("run `credit-review people first-pair`: nobody decides alone")
        yield Finding(said("people"), ok, said("{count} active", count=len(active)), mend)
        if active:
            yield _signed_in(opened, uow)
            yield from _tiers(settings, frozenset(p.person_id for p in active), opened.today())
            yield from _passes(opened, uow, frozenset(p.person_id for p in active))
        yield from _adopted(opened, uow)
        yield from _dates(opened, uow)


def _tiers(settings: configuration.Settings, active: frozenset[str], today: date) -> Iterator[Finding]:
    """Whether each tier has enough active people of the directory today; who stands in the matrix only can decide nothing."""
    try:
        matrix = authority.load(settings.document(settings.authority))
    except CreditReviewError:
        return  # said already, where the document itself is checked
    held = {h.person for h in matrix.holders if h.on(today)} | {p for committee in matrix.committees for p in committee.on(today)}
    absent = sorted(held - active)
    for rank, tier in enumerate(matrix.tiers):
        able = sorted({h.person for h in matrix.holders if h.on(today) and matrix.rank(h.tier) >= rank and h.person in active})
        if (committee := matrix.committee(tier.committee)) is not None:
            yield _seats(committee, tier, active, today)
            continue
        ok = len(able) >= tier.approvers
        mend: str = said("add more people with `credit-review people add`, and name them in authority.yaml")
        if absent:
            mend = said("add them with `credit-review people add`: {people}", people=listed(absent))
        found = said("{n} of the {needed} it takes: {people}", n=len(able), needed=tier.approvers, people=listed(able) or said("nobody"))
        yield Finding(said("tier {tier}", tier=tier.tier), ok, found, "" if ok else mend)


def _passes(opened: Services, uow: UnitOfWork, active: frozenset[str]) -> Iterator[Finding]:
    """Whether each tier that needs a pass of a rehearsal has enough people who hold one today."""
    try:
        matrix = authority.load(opened.settings.document(opened.settings.authority))
    except CreditReviewError:
        return  # said already, where the document itself is checked
    for tier, people, needed in lacking_passes(opened, uow, matrix, active):
        found = said("{n} of the {needed} it takes: {people}", n=len(people), needed=needed, people=listed(people) or said("nobody"))
        mend = said("each of them runs `credit-review rehearse REVIEW`, or `rehearsal_from` names a higher tier")
        yield Finding(said("passes for tier {tier}", tier=tier), False, found, mend)


def lacking_passes(opened: Services, uow: UnitOfWork, matrix: authority.Matrix, active: frozenset[str]) -> list[tuple[str, list[str], int]]:
    """Tiers that need a pass and have too few active holders with one today."""
    from credit_review.review.passes import Passes

    if matrix.rehearsal_from is None:
        return []
    return Passes.read(uow, opened.clock.now()).lacking(matrix, active, opened.today())


def _seats(committee: authority.Committee, tier: authority.Tier, active: frozenset[str], today: date) -> Finding:
    """Whether the committee that decides a tier can come together today; a member who is not in the directory can vote on nothing."""
    members = committee.on(today)
    here, absent = sorted(members.keys() & active), sorted(members.keys() - active)
    needed = max(committee.quorum.present, tier.approvers)
    found = said("{n} of the {needed} it takes: {people}", n=len(here), needed=needed, people=listed(here) or said("nobody"))
    if absent:
        found = said("{found}; not in the directory: {people}", found=found, people=listed(absent))
    mend = said("add them with `credit-review people add`: {people}", people=listed(absent)) if absent else ""
    about = said("tier {tier}, committee {committee}", tier=tier.tier, committee=committee.committee)
    return Finding(about, len(here) >= needed and not absent, found, mend)


def _signed_in(opened: Services, uow: UnitOfWork) -> Finding:
    """Whom commands run here act as."""
    from credit_review.review import directory

    today, now = opened.today(), opened.clock.now()
    if uow.find(PersonAccount, kind="demo", limit=1):
        return Finding(said("you"), True, said("a demo's directory: act as anybody with --as PERSON"))
    try:
        kind, account = acting(opened)
        person = directory.person_for(uow, kind, account, on=today, known_at=now)
    except CreditReviewError as error:
        return wrong(said("you"), error)
    found = said("{name} ({person}), by {kind} account {account}", name=person.name, person=person.person_id, kind=kind, account=account)
    return Finding(said("you"), True, found)


def _adopted(opened: Services, uow: UnitOfWork) -> Iterator[Finding]:
    """Whether a review may use each document as it stands in its file now."""
    from credit_review.review import adopt, models

    settings = opened.settings
    named = [(DocumentOfRecord.POLICY, settings.policy), (DocumentOfRecord.AUTHORITY, settings.authority)]
    named += [(DocumentOfRecord.SCORECARD, settings.scorecard)]
    named += [(DocumentOfRecord.MAPPING, place.mapping) for place in settings.sources]
    for kind, name in named:
        path = settings.path(name)
        if not path.is_file():
            continue  # said already, where the document itself is checked
        digest = manifest.digest_of(configuration.read_text(path, known_as=name))
        try:
            adopt.require_adopted(uow, kind, name, digest, at=opened.clock.now())
            if kind == DocumentOfRecord.SCORECARD:
                models.require_usable(uow, digest, on=opened.today(), keys=settings.models.trusted())
        except CreditReviewError as error:
            yield wrong(said("adoption of {name}", name=name), error)
        else:
            yield Finding(said("adoption of {name}", name=name), True, said("in force (digest {digest})", digest=digest[:12]))


def _dates(opened: Services, uow: UnitOfWork) -> Iterator[Finding]:
    """Whether the scorecard that the settings name holds today by its own dates, and for how long."""
    from credit_review import scoring

    name, today = opened.settings.scorecard, opened.today()
    try:
        text = configuration.read_text(opened.settings.path(name), known_as=name)
        card = scoring.load(text)
    except CreditReviewError:
        return  # said already, where the document itself is checked
    subject = said("dates of {name}", name=name)
    if card.valid_from is not None and today < card.valid_from:
        mend = said("name the scorecard that holds today under `scorecard` in settings.yaml until then")
        yield Finding(subject, False, said("holds only from {day} on", day=card.valid_from), mend)
    elif card.valid_to is None:
        yield Finding(subject, True, said("no last day"))
    else:
        yield _end(uow, subject, manifest.digest_of(text), card.valid_to, today)


def _end(uow: UnitOfWork, subject: str, digest: str, end: date, today: date) -> Finding:
    """What is to be said of a scorecard's last day; one that another takes the place of by then needs nothing."""
    left = (end - today).days
    if left > EXPIRES_SOON_DAYS:
        return Finding(subject, True, said("holds until before {day}", day=end))
    version = uow.get(ModelVersion, digest=digest)
    if left > 0 and version is not None and version.valid_to is not None and version.valid_to <= end:
        return Finding(subject, True, said("holds until {day}, when another version takes its place", day=version.valid_to))
    found = said("expires in {n} days, on {day}", n=left, day=end) if left > 0 else said("expired: it held until before {day}", day=end)
    mend = said("fit the next one with `credit-review scorecard fit`, have it validated and adopt it; it takes the place of this one")
    return Finding(subject, False, found, mend)


def _letters(settings: configuration.Settings) -> Iterator[Finding]:
    """Whether every template of letters is sound, the company's own among them; nothing to say where it has none."""
    from credit_review.adapters import letter_files

    subject = said("letters")
    if not settings.letters_dir:
        return
    if not settings.path(settings.letters_dir).is_dir():
        yield wrong(subject, BadInput(said("no folder {name}", name=settings.letters_dir), next_step=said("correct letters_dir")))
        return
    try:
        own, strange = letter_files.check(settings), letter_files.strangers(settings)
    except CreditReviewError as error:
        yield wrong(subject, error)
        return
    if strange:
        expected = said("names such as reduction.en.txt")
        yield wrong(subject, BadInput(said("never read: {names}", names=", ".join(strange)), expected=expected))
        return
    yield Finding(subject, True, said("{own} templates of the company's own", own=own))


def _write_back(settings: configuration.Settings) -> Iterator[Finding]:
    from credit_review.adapters.wiring import open_order_desk, open_write_back

    chosen = settings.write_back
    try:
        open_write_back(settings)
        open_order_desk(settings)
    except CreditReviewError as error:
        yield wrong(said("write-back"), error)
    else:
        found = said("off: nobody is told") if chosen.kind == "none" else f"{chosen.kind} {chosen.folder or chosen.table}"
        yield Finding(said("write-back"), True, found)


def _slack(settings: configuration.Settings) -> Iterator[Finding]:
    mode = settings.slack.mode
    if mode == "none":
        yield Finding("Slack", True, said("off: people decide with `credit-review decide`"))
        return
    needed = ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN" if mode == "socket" else "SLACK_SIGNING_SECRET"]
    missing = [f"CREDIT_REVIEW_{name}" for name in needed if configuration.secret(name) is None]
    if missing:
        found = said("{mode}: {names} not set", mode=mode, names=listed(missing))
        yield Finding("Slack", False, found, said("set them in the environment or in secret files"))
        return
    malformed: list[str] = [
        said("{name} is no {form}", name=f"CREDIT_REVIEW_{name}", form=form)
        for name, (form, pattern) in _TOKENS.items()
        if name in needed and not _formed(name, pattern)
    ]
    if malformed:
        found = listed(malformed, by=marked("{first}; {rest}"))
        yield Finding("Slack", False, found, said("copy it from the app's settings at api.slack.com/apps"))
        return
    from deployments.cli import slack_health

    yield from slack_health.examine(settings)


def _formed(name: str, form: str) -> bool:
    return re.fullmatch(form, configuration.secret(name) or "") is not None


def _prefect() -> Iterator[Finding]:
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        found = said("no server configured: runs start one of their own; schedules need a server (README, Schedules)")
        yield Finding("Prefect", True, found)
        return
    import httpx

    try:
        httpx.get(f"{url}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        yield Finding("Prefect", False, f"{url}: {error}", said("start it with `prefect server start`, or unset PREFECT_API_URL"))
    else:
        yield Finding("Prefect", True, url)
