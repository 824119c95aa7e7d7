"""The challenger in the shadow of a review: run after the proposals are on record, kept beside, and compared with the scorecard on demand.

It decides nothing, and nothing it does stops a review: a challenger that fails is a warning in the report and an entry in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import limits, policy, receivables, report, scoring
from credit_review.adapters import challengers, files, reading
from credit_review.errors import BadInput, CreditReviewError, Refused, unforeseen
from credit_review.model.frames import STATES
from credit_review.review import models
from credit_review.review.shadow import ShadowRun, record_shadow
from credit_review.words import Words, packed, said, unpacked
from tasks import assess, intake, prepare
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.wiring import Services
    from credit_review.challenger.comparison import Comparison, Known
    from credit_review.model.records import ModelVersion
    from tasks.plan import Plan

RESULT, CARD, SCORES = "challenger.json", "challenger/card.json", "challenger/scores"
"""What came of the run, the challenger's description, and its SHADOW rows; written once a review."""
PAGE = "challenger"


def ride(plan: Plan) -> None:
    """Run the challenger that the settings name on the review's customers, once; without one nothing happens."""
    opened = prepare.services(plan.config)
    if not opened.settings.challenger:
        return
    with stage("Running the challenger in the shadow", folder=plan.workspace.folder) as at:
        at.rows = run(plan)


@task(name="run the challenger in the shadow", task_run_name="run the challenger in the shadow")
def run(plan: Plan) -> int:
    """Customers scored; the result is written beside and on record, or why there is none."""
    workspace = plan.workspace
    if not workspace.has(RESULT):
        workspace.write_json(RESULT, _result(plan))
    found = workspace.read_json(RESULT)
    ran = ShadowRun(
        challenger=found["challenger"], customers=found["customers"], result=found["result"], why=str(unpacked(found["why"] or ""))
    )
    opened = prepare.services(plan.config)
    with opened.store.begin(interactive=False) as uow:
        if record_shadow(uow, plan.review_id, ran, by=prepare.SYSTEM):
            uow.commit()
    return ran.customers


def _result(plan: Plan) -> dict[str, Any]:
    result: dict[str, Any] = {"challenger": "", "customers": 0, "result": "", "why": None}
    try:
        held = _held(prepare.services(plan.config))
        result["challenger"] = held.digest
        found = _shadow(plan, held)
        plan.workspace.write_text(CARD, held.text)
        path = plan.workspace.write(SCORES, found)
        result |= {"customers": len(found), "result": files.sha256_of(path)}
    except CreditReviewError as error:
        result["why"] = packed(
            said("{what}; next: {next_step}", what=error.what, next_step=error.next_step) if error.next_step else error.what
        )
    except Exception as error:  # a review does not stop for what decides nothing
        result["why"] = packed(_unexpected(error, prepare.services(plan.config).settings.challenger, result["challenger"]))
    return result


def _unexpected(error: Exception, file: str, digest: str) -> str:
    """What an error that nobody foresaw said, of which file, and what to do: no traceback, and nothing that may be a secret."""
    return said(
        "the challenger {file} (digest {digest}) failed: {error}; next: `credit-review scorecard register {file} --kind challenger` reads "
        "it apart and names what is wrong with it; where it finds nothing, fit it anew",
        file=file,
        digest=digest[:12] or said("unknown"),
        error=unforeseen(error),
    )


def _held(opened: Services) -> challengers.Held:
    """The settings' challenger, read and registered. Raises BadInput, or Refused when it is not registered."""
    name = opened.settings.challenger
    held = challengers.read(opened.settings.path(name), known_as=name)
    challengers.require_registered(held, registry(opened))
    return held


def registry(opened: Services) -> Callable[[str], Any]:
    """What tells whether a digest may be loaded now: the model inventory has it in force, published under a key the settings trust."""
    keys = opened.settings.models.trusted()

    def registered(digest: str) -> ModelVersion | None:
        with opened.store.read() as uow:
            return models.registered(uow, digest, opened.clock.now(), keys=keys)

    return registered


def _shadow(plan: Plan, held: challengers.Held) -> pd.DataFrame:
    from credit_review.challenger import columns, comparison

    workspace = plan.workspace
    rules = workspace.policy()
    features, scores = workspace.read_all("features", plan.buckets), workspace.read_all("scores", plan.buckets)
    scores = scores.set_index("customer_id").loc[features["customer_id"]].reset_index()
    frame = columns.of_factors(features, [one.name for one in held.card.features], rules)
    probability = challengers.predict(held, frame)
    return comparison.shadow(features, scores, probability, workspace.scorecard(), rules)


def warnings(plan: Plan) -> tuple[str, ...]:
    """What the report says first when the challenger gave nothing."""
    if not plan.workspace.has(RESULT):
        return ()
    why = plan.workspace.read_json(RESULT)["why"]
    return (said("The challenger was not compared: {why}. Nothing that is proposed depends on it.", why=unpacked(why)),) if why else ()


# --- on demand ------------------------------------------------------------------------------------------------------------------------


def compare(config: str, review_id: str, *, as_of: date | None) -> tuple[Comparison, Path]:
    """The comparison of a review's challenger with its scorecard, written as pages beside the review's; and the company's page.

    What came true by `as_of` (today) is judged where the outcome window of the review is over by then. Refused when no challenger ran.
    """
    plan = prepare.plan_of(config, review_id)
    require_result(plan)
    opened = prepare.services(config)
    day = as_of or opened.today()
    found = _compared(plan, day)
    readers = _readers(opened)
    pages = report.challenger_pages(found, readers, facts=_facts(plan, opened, day))
    for reader, text in zip(readers, pages, strict=True):
        plan.workspace.write_text(report.file_name(PAGE, reader.language, readers[0].language), text)
    return found, plan.workspace.path(f"{PAGE}.html")


def require_result(plan: Plan) -> None:
    """Return if a challenger's result is there. Refused otherwise, with why."""
    found = plan.workspace.read_json(RESULT) if plan.workspace.has(RESULT) else {"result": "", "why": None}
    if not found["result"]:
        raise Refused(
            "challenger.none",
            unpacked(found["why"]) if found["why"] else said("no challenger ran in review {review}", review=plan.review_id),
            expected=said("a review with a challenger's result"),
            next_step=said("name a registered challenger in settings.yaml; the next review runs it"),
        )
    files.require_same(plan.workspace.frame_path(SCORES), found["result"])


def _compared(plan: Plan, day: date) -> Comparison:
    import pandas as pd

    from credit_review.challenger import comparison

    workspace = plan.workspace
    rules, rates = workspace.policy(), assess.rates(plan)
    scores, found = workspace.read_all("scores", plan.buckets), workspace.read(SCORES)
    would = pd.concat(
        [
            limits.propose(
                workspace.read("features", bucket),
                comparison.scores_by(workspace.read("scores", bucket), found),
                workspace.read("groups"),
                workspace.read("states", bucket, of=STATES),
                policy=rules,
                as_of=plan.as_of,
                rates=rates,
            )
            for bucket in range(plan.buckets)
        ],
        ignore_index=True,
    )
    known, why = _known(plan, scores, found, day)
    proposed = workspace.read_all("proposals", plan.buckets)
    return comparison.compared(scores, found, proposed, would, policy=rules, rates=rates, as_of=plan.as_of, known=known, why_unknown=why)


def _known(plan: Plan, scores: pd.DataFrame, found: pd.DataFrame, day: date) -> tuple[Known | None, str]:
    """What came true of the review's customers by a day; or why that is not known."""
    from credit_review.challenger import comparison
    from credit_review.scoring.outcomes import window_end

    opened, rules = prepare.services(plan.config), plan.workspace.policy()
    end = window_end(plan.as_of, rules)
    if end > day:
        return None, said("the outcome window of this review ends on {end}", end=end)
    mappings = [receivables.load(opened.settings.document(place.mapping)) for place in opened.settings.sources]
    current = policy.load(opened.settings.document(opened.settings.policy))
    try:
        with opened.store.read() as uow:
            identities = intake.decided_identities(uow, day, opened.clock.now())
        book = reading.read_book(opened.settings, mappings, as_of=day, policy=current, known=identities)
        items, customers = book.frames["items"], book.frames["customers"]
        outcome = scoring.outcome(items[items["customer_id"] != ""], customers, cutoff=plan.as_of, as_of=day, policy=rules)
    except BadInput as error:
        return None, error.what
    groups = plan.workspace.read_all("features", plan.buckets).set_index("customer_id")["group_id"]
    return comparison.known_outcomes(scores, found, outcome, groups, until=end, seed=opened.settings.review.seed), ""


def _readers(opened: Services) -> list[Words]:
    from tasks.reporting import readers_of

    return readers_of(opened.settings)


def _facts(plan: Plan, opened: Services, day: date) -> report.ChallengerFacts:
    from credit_review.challenger import card as cards

    text = plan.workspace.path(CARD).read_text(encoding="utf-8")
    held, own = cards.load(text, known_as=CARD), plan.workspace.scorecard()
    return report.ChallengerFacts(
        company=opened.settings.company,
        review_id=plan.review_id,
        label=plan.label,
        as_of=plan.as_of,
        day=day,
        challenger=held,
        digest=cards.digest(text),
        scorecard=own,
        scorecard_digest=scoring.digest(own),
    )
