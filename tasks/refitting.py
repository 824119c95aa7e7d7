"""The yearly refit: a draft with its card and its examination, for people to validate and adopt. It puts nothing in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from credit_review import policy
from credit_review.adapters.model_files import ModelFiles
from credit_review.adapters.wiring import Services
from credit_review.model.records import ModelVersion
from credit_review.model.states import DocumentOfRecord
from credit_review.review import adopt, models
from credit_review.words import said, said_many
from tasks import examining, prepare, training
from tasks.defaults import outside

SYSTEM = "system:refit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """What a refit came to: one line, and totals and digests by label."""

    headline: str
    facts: Mapping[str, str]


@outside(name="refit the scorecard", task_run_name="refit the scorecard")
def refit(config: str) -> Refitted:
    """A draft fitted on what the sources hold today; none where the history is too thin. The same history again is the same draft."""
    opened = prepare.services(config)
    fitted = training.fit(config, as_of=None, expert=False)
    content = models.written(fitted.text)
    if content.get("kind") != "fitted" or fitted.rows is None:
        return Refitted(headline=said("no draft: {why}", why=str(content.get("why", ""))), facts={})
    version = _drafted(opened, fitted.text)
    rules = policy.load(opened.settings.document(opened.settings.policy))
    written = examining.write(opened, fitted.text, fitted.rows, rules, as_of=opened.today())
    with opened.store.begin(interactive=False) as uow:
        if version.status == "draft":
            models.carded(uow, version.digest, written.card_digest, by=SYSTEM)
            uow.commit()
    path = ModelFiles(opened.settings.data).keep_model(fitted.text)
    test = written.examined.test
    against = said_many("{n} thing speaks against it", "{n} things speak against it", n=len(written.examined.concerns))
    return Refitted(
        headline=said("{model} is a draft; {against}; next: somebody validates it", model=models.named(version), against=against),
        facts={
            "scorecard": str(path),
            "sha256": version.digest,
            "validation report": written.report_digest,
            "model card": written.card_digest,
            "rows": f"{len(fitted.rows):,}",
            "customers with the outcome": f"{fitted.rows.loc[fitted.rows['outcome'] == 1, 'customer_id'].nunique():,}",
            "AUC": "" if test is None or test.ranking.auc is None else f"{test.ranking.auc:.3f}",
        },
    )


def _drafted(opened: Services, text: str) -> ModelVersion:
    """The draft on record; who made the version in force made this one as well, and so may not validate it."""
    with opened.store.begin(interactive=False) as uow:
        before = models.in_force(uow, models.SCORECARD, opened.today())
        made_by = {SYSTEM, *(before.developers.split("|") if before else ())}
        document = adopt.submit(
            uow,
            kind=DocumentOfRecord.SCORECARD,
            name=opened.settings.scorecard,
            content=text,
            authors=sorted(made_by),
            by=SYSTEM,
            now=opened.clock.now(),
        )
        version = models.known(uow, document.digest)
        uow.commit()
    return version
