"""A scorecard examined on the ledger's own history, and its model card written: what a validator reads and signs for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review import policy, receivables, scoring
from credit_review.adapters import reading
from credit_review.adapters.model_files import CARD, REPORT, ModelFiles
from credit_review.adapters.wiring import Services
from credit_review.model.records import ModelValidation, ModelVersion
from credit_review.monitoring import examination
from credit_review.report.model_card import Presented, model_card
from credit_review.review.directory import called
from credit_review.review.manifest import digest_of
from credit_review.review.models import validations
from credit_review.scoring import leakage
from tasks import intake, prepare, training
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.monitoring.examination import Examined
    from credit_review.policy import Policy
    from credit_review.scoring import Scorecard


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An examination with its report and model card, each by SHA-256 and as a file."""

    examined: Examined
    report_digest: str
    report: Path
    card_digest: str
    card: Path


def examine(config: str, text: str, *, as_of: date | None) -> Written:
    """The examination of a scorecard's text on what the sources hold, its report and its card kept in the data folder."""
    opened = prepare.services(config)
    rules = policy.load(opened.settings.document(opened.settings.policy))
    day = as_of or opened.today()
    return write(opened, text, history(opened, rules, day), rules, as_of=day)


def history(opened: Services, rules: Policy, day: date) -> pd.DataFrame:
    """Rows of `scoring.training_set` from the sources: every cut-off whose outcomes are known by the day."""
    mappings = [receivables.load(opened.settings.document(place.mapping)) for place in opened.settings.sources]
    with stage("Reading the sources"):
        with opened.store.read() as uow:
            known = intake.decided_identities(uow, day, opened.clock.now())
        book = reading.read_book(opened.settings, mappings, as_of=day, policy=rules, known=known)
    return training.training_rows(book, mappings, rules, as_of=day)


def write(opened: Services, text: str, rows: pd.DataFrame, rules: Policy, *, as_of: date) -> Written:
    """As `examine`, on rows that are here already."""
    card = scoring.load(text)
    with stage("Examining the scorecard"):
        seed = opened.settings.review.seed
        found = examination.examine(card, rows, rules, as_of=as_of, seed=seed, leaks=_leaks(card, rows, rules))
    files, digest = ModelFiles(opened.settings.data), digest_of(text)
    report_digest = files.keep(digest, REPORT, found.text())
    with stage("Drawing the model card"):
        card_digest = files.keep(digest, CARD, _card(opened, card, digest, found, report_digest))
    return Written(
        examined=found,
        report_digest=report_digest,
        report=files.path(digest, REPORT, report_digest),
        card_digest=card_digest,
        card=files.path(digest, CARD, card_digest),
    )


def _card(opened: Services, card: Scorecard, digest: str, found: Examined, report_digest: str) -> str:
    with opened.store.read() as uow:
        version = uow.get(ModelVersion, digest=digest)
        answers: Sequence[ModelValidation] = validations(uow, digest) if version else ()
        named = {one: called(uow, one) for one in _people(version, answers)}
    about = Presented(
        company=opened.settings.company, card=card, digest=digest, examined=found, report_digest=report_digest, version=version,
        validations=tuple(answers), names=named,
    )  # fmt: skip
    return model_card(about, opened.settings.words())


def _people(version: ModelVersion | None, answers: Sequence[ModelValidation]) -> set[str]:
    if version is None:
        return set()
    return {version.owner_id, version.registered_by, *version.developers.split("|"), *(one.person_id for one in answers)} - {""}


def _leaks(card: Scorecard, rows: pd.DataFrame, rules: Policy) -> list[tuple[str, str]]:
    """Factors of the card that may know what came after the cut-off."""
    used = {one.name for one in card.factors}
    found = leakage.of_factors(rows, rules) if len(rows) else ()
    return [(one.feature, str(one.why)) for one in found if one.feature in used]
