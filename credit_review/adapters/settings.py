"""Settings of an installation: one YAML file, plus secrets from the environment or secret files. Nothing else reads either."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from credit_review import documents
from credit_review.audit.anchored import Trust
from credit_review.audit.notes import VerificationKey
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput
from credit_review.review.addressing import NOWHERE, Destinations
from credit_review.words import LANGUAGES, Words, said, words_for

PREFIX = "CREDIT_REVIEW_"
FILE_NAME = "settings.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(said("expected an IANA time zone such as Europe/Berlin"))
    return name


def _known_language(name: str) -> str:
    if name not in LANGUAGES:
        raise ValueError(said("unknown language {name}; expected one of {known}", name=repr(name), known=", ".join(LANGUAGES)))
    return name


def _known_locale(name: str) -> str:
    try:
        words_for(locale=name)
    except BadInput as error:
        raise ValueError(said("{what}; expected {expected}", what=error.what, expected=error.expected)) from None
    return name


class CalendarSettings(_Part):
    """Which days are working days."""

    country: str = Field(pattern=r"^[A-Z]{2}$")
    extra_holidays: tuple[date, ...] = ()


class Location(_Part):
    """A ledger source: the mapping that says how to read it, and the folder its file names are relative to."""

    mapping: str
    folder: str = "."


class PostedThrough(_Part):
    """Where the source states the day through which cash is posted: a file with a date, or a query with one value."""

    file: str | None = None
    query: str | None = None
    url_secret: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> PostedThrough:
        if (self.file is None) == (self.query is None) or (self.query is None) != (self.url_secret is None):
            raise ValueError(said("expected either file, or query together with url_secret"))
        return self


class ReviewSettings(_Part):
    """How a review is computed; buckets and seed are part of the manifest, runner and workers are not."""

    buckets: int = Field(default=16, ge=1, le=4096)
    seed: int = Field(default=20260101, ge=0)
    runner: Literal["threads", "processes", "dask"] = "threads"
    workers: int = Field(default=2, ge=1, le=256)


class WriteBackSettings(_Part):
    """Where applied limits go; with `orders` also the lists of open orders that a changed limit puts inside or outside, beside them."""

    kind: Literal["csv_drop", "table", "none"] = "none"
    folder: str | None = None
    answers: bool = True
    url_secret: str | None = None
    table: str = Field(default="credit_limits", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    orders: bool = False

    @model_validator(mode="after")
    def _place(self) -> WriteBackSettings:
        if self.kind == "csv_drop" and not self.folder:
            raise ValueError(said("expected folder, the drop folder the ERP reads"))
        if self.kind == "table" and not self.url_secret:
            raise ValueError(said("expected url_secret, the secret that holds the ERP's SQLAlchemy URL"))
        if self.orders and self.kind == "none":
            raise ValueError(said("orders go to the ERP beside the limits: expected kind csv_drop or table"))
        return self


class SlackSettings(_Part):
    """How approvers are reached. Tokens are secrets and never stand here."""

    mode: Literal["none", "socket", "http"] = "none"
    team_ids: tuple[str, ...] = ()
    enterprise_id: str = ""
    channel: str = ""
    digest_above: int = Field(default=20, ge=1, le=1000)
    show_providers: tuple[str, ...] = ()
    api_url: str = "https://slack.com/api/"

    @model_validator(mode="after")
    def _complete(self) -> SlackSettings:
        if self.mode != "none" and not self.team_ids:
            raise ValueError(said("expected team_ids, since mode is not none"))
        return self

    def destinations(self) -> Destinations:
        """Where messages go."""
        return NOWHERE if self.mode == "none" else Destinations(direct=True, channel=self.channel, digest_above=self.digest_above)


class StepUpSettings(_Part):
    """The page outside Slack: where it is reached, and the company's sign-in (OpenID Connect). An empty `url`: there is none.

    `claim` says who signed in: `email` (only when verified), or another claim that equals an `sso` account of the person. `second_factor`
    are values of the claim `amr` or `acr` that show one; `acr_values` are asked for (left out: those of `second_factor`).
    """

    url: str = ""
    issuer: str = ""
    client_id: str = ""
    claim: str = "email"
    second_factor: tuple[str, ...] = ("mfa", "otp", "hwk", "fido")
    acr_values: tuple[str, ...] | None = None


class _AnchorSettings(_Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    administrator: str = Field(min_length=1)


class DirectoryAnchorSettings(_AnchorSettings):
    """A folder that keeps what is written once: a mounted object store with a lock, or a folder of another operating-system user."""

    kind: Literal["directory"]
    folder: str


class GitAnchorSettings(_AnchorSettings):
    """A branch of a Git repository that others administer and that may only move forward. Credentials are git's own, never here."""

    kind: Literal["git"]
    remote: str
    branch: str = Field(default="checkpoints", pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,99}$")


class TimestampAnchorSettings(_AnchorSettings):
    """A time-stamp authority (RFC 3161), and the root certificate its tokens are checked with."""

    kind: Literal["timestamp"]
    url: str
    root_certificate: str


class MailAnchorSettings(_AnchorSettings):
    """A mailbox that internal audit reads. The password, if the server asks for one, is a secret."""

    kind: Literal["mail"]
    host: str
    port: int = Field(default=587, ge=1, le=65535)
    tls: bool = True
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    to: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    user: str = ""
    password_secret: str = ""


class SlackAnchorSettings(_AnchorSettings):
    """A channel, through an app of the notary's own, not the approval app. Weak: apps may change what they posted."""

    kind: Literal["slack"]
    channel: str = Field(pattern=r"^[CG][A-Z0-9]{2,}$")
    token_secret: str = "NOTARY_SLACK_TOKEN"  # noqa: S105 - the name of a secret
    api_url: str = "https://slack.com/api/"


AnchorSettings = Annotated[
    DirectoryAnchorSettings | GitAnchorSettings | TimestampAnchorSettings | MailAnchorSettings | SlackAnchorSettings,
    Field(discriminator="kind"),
]


class AuditSettings(_Part):
    """Who signs for the audit log, and where its checkpoints are kept outside the database.

    `origin` names the log (empty: no notary yet), `keys` are the verification keys that signed first, `witnesses` those of internal audit.
    `administrators` is how many different ones must hold a checkpoint; `oldest_minutes` is how old an entry without one may be.
    `key_secret` names the secret that holds the signing key, which only the notary's process has.
    """

    origin: str = Field(default="", pattern=r"^(?:[^\s+]{1,200}/[1-9][0-9]*)?$")
    keys: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    administrators: int = Field(default=2, ge=1, le=10)
    oldest_minutes: int = Field(default=30, ge=1)
    notary_dir: str = "notary"
    key_secret: str = "NOTARY_KEY"  # noqa: S105 - the name of a secret
    anchors: tuple[AnchorSettings, ...] = ()

    @model_validator(mode="after")
    def _different_names(self) -> AuditSettings:
        names = [anchor.name for anchor in self.anchors]
        if len(names) != len(set(names)):
            raise ValueError("expected a different name for every anchor")
        if self.anchors and not self.origin:
            raise ValueError("expected origin, since there are anchors: such as company.example/credit-audit/1")
        return self

    def trust(self) -> Trust:
        """What a verifier takes as given. Raises BadNote for a key that is none."""
        return Trust(
            origin=self.origin,
            keys=tuple(VerificationKey.read(key) for key in self.keys),
            witnesses=tuple(VerificationKey.read(key) for key in self.witnesses),
            domains=self.administrators,
        )


class ModelSettings(_Part):
    """Under which keys models are published. No key: nothing is signed, and nothing that was ever signed is used.

    `keys` are verification keys; `key_secret` names the secret that holds the signing key, which only whoever publishes has.
    """

    keys: tuple[str, ...] = ()
    key_secret: str = "MODEL_KEY"  # noqa: S105 - the name of a secret

    def trusted(self) -> tuple[VerificationKey, ...]:
        """The keys under which models are published. Raises BadNote for a key that is none."""
        return tuple(VerificationKey.read(key) for key in self.keys)


class Settings(_Part):
    """Everything `settings.yaml` says. Relative paths are relative to the file's folder."""

    company: str
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    calendar: CalendarSettings
    database: str
    data_dir: str
    policy: str
    authority: str
    scorecard: str
    challenger: str = ""
    letters_dir: str = ""
    limits_owner: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    sources: tuple[Location, ...] = Field(min_length=1)
    posted_through: PostedThrough | None = None
    review: ReviewSettings = ReviewSettings()
    write_back: WriteBackSettings = WriteBackSettings()
    slack: SlackSettings = SlackSettings()
    step_up: StepUpSettings = StepUpSettings()
    audit: AuditSettings = AuditSettings()
    models: ModelSettings = ModelSettings()
    language: Annotated[str, AfterValidator(_known_language)] = "en"
    locale: Annotated[str, AfterValidator(_known_locale)] = ""
    folder: Path = Field(default=Path(), exclude=True)

    def path(self, name: str) -> Path:
        """A path named in the settings, absolute."""
        return (self.folder / name).resolve()

    @property
    def data(self) -> Path:
        """The data folder: snapshots/ and reviews/."""
        return self.path(self.data_dir)

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.time_zone)

    def working_days(self) -> WorkingCalendar:
        """The company's working days."""
        return WorkingCalendar(self.calendar.country, frozenset(self.calendar.extra_holidays))

    def words(self) -> Words:
        """How the company reads, where a person chose nothing. Raises BadInput for a language or locale nobody knows."""
        return words_for(language=self.language, locale=self.locale, zone=self.time_zone)

    def database_url(self) -> str:
        """SQLAlchemy URL of the store: the secret DATABASE_URL when set, else `database`, relative SQLite files made absolute."""
        url = secret("DATABASE_URL") or self.database
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            return "sqlite:///" + str(self.path(url.removeprefix("sqlite:///")))
        return url

    def document(self, name: str) -> documents.Document:
        """A governed document named in the settings, parsed. Raises BadInput when it is missing or not UTF-8."""
        return documents.parse(read_text(self.path(name), known_as=name), name=name)


def load(folder: Path) -> Settings:
    """Settings of the configuration folder. Raises BadInput naming file, line and field."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise BadInput(
            said("no {file_name} in {folder}", file_name=FILE_NAME, folder=folder),
            expected=said("a configuration folder"),
            next_step=said("run `credit-review init FOLDER`, or name another folder with --config"),
        )
    document = documents.parse(read_text(path, known_as=FILE_NAME), name=FILE_NAME)
    settings = documents.check(document, Settings)
    if "@" in settings.database and "://" in settings.database:
        raise BadInput(
            said("{name} line {line}, database holds a user or password", name=FILE_NAME, line=document.lines["database",]),
            expected=said("no credentials in configuration files"),
            next_step=said("set {prefix}DATABASE_URL in the environment or in a secret file", prefix=PREFIX),
        )
    return settings.model_copy(update={"folder": folder.resolve()})


def read_text(path: Path, *, known_as: str) -> str:
    """Text of a configuration file. Raises BadInput when it is missing or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(
            said("{known_as} is missing", known_as=known_as),
            expected=said("a file at {path}", path=path),
            next_step=said("`credit-review init` writes a starter"),
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput(
            said("{known_as} is not UTF-8 (byte {start})", known_as=known_as, start=error.start), expected=said("UTF-8 text")
        ) from None


def secret(name: str) -> str | None:
    """A secret by name: environment CREDIT_REVIEW_<NAME>, else the file <name> in the folder CREDIT_REVIEW_SECRETS_DIR; None when unset.

    Raises BadInput where this operating-system user may not read the file.
    """
    value = os.environ.get(PREFIX + name)
    if value:
        return value
    folder = os.environ.get(PREFIX + "SECRETS_DIR")
    if folder:
        for candidate in (Path(folder) / name, Path(folder) / name.lower()):
            try:
                return candidate.read_text(encoding="utf-8").strip()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except PermissionError:
                raise BadInput(
                    said("secret {name} may not be read by this operating-system user", name=name),
                    expected=said("a file at {path}", path=candidate),
                    next_step=said("run this as the user whom the secret belongs to"),
                ) from None
    return None


def require_secret(name: str) -> str:
    """A secret that must be there. Raises BadInput naming the variable; never shows a value."""
    value = secret(name)
    if value is None:
        raise BadInput(
            said("secret {name} is not set", name=name),
            expected=said(
                "environment variable {prefix}{name}, or a file {name} in the folder {prefix}SECRETS_DIR names", prefix=PREFIX, name=name
            ),
        )
    return value
