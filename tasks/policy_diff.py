"""A policy change on reviews that are over: computed again under the old and the new policy by the review's own functions.

Features, scores and states of a review are taken as they are stored where neither policy would change them; else both are computed anew,
so that what differs is the policy and nothing else. Work goes bucket by bucket; nothing of a review is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import completeness, fx, groups, limits, scoring
from credit_review.adapters.wiring import Services
from credit_review.authority import Matrix
from credit_review.documents import Document
from credit_review.errors import BadInput
from credit_review.model.frames import QUARANTINE, STATES
from credit_review.model.records import LimitAccount, LimitChange, Review
from credit_review.model.states import ChangeKind
from credit_review.policy import Exclude, Policy
from credit_review.review.book import reviews_of_book
from credit_review.words import said
from tasks import assess, intake, prepare, validate
from tasks.progress import stage
from tasks.since import Since

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.policy_effect.difference import Side, Tally
    from credit_review.policy_effect.result import OnReview, PolicyDiff
    from credit_review.policy_effect.routes import Sums
    from tasks.plan import Plan

LARGEST = 100
"""Customers of each review that are kept for people to read; the list has all."""
_MOST_KNOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is compared: two policies and two authority matrices, each with the document it stands in."""

    before: tuple[Document, Policy]
    after: tuple[Document, Policy]
    matrix_before: tuple[Document, Matrix]
    matrix_after: tuple[Document, Matrix]

    @property
    def policies(self) -> tuple[Policy, Policy]:
        """Old and new policy."""
        return self.before[1], self.after[1]


Write = Callable[["pd.DataFrame"], None]
"""Takes the rows of each bucket that differ, with review, as_of and customer, its name."""


def diff(config: str, asked: Asked, *, review: str = "", reviews: int = 1, write: Write) -> PolicyDiff:
    """What the change would have done on the last reviews. Raises BadInput naming what is missing and the next step."""
    from credit_review.policy_effect.result import PolicyDiff, Text, changed_fields

    _require_comparable(asked)
    opened = prepare.services(config)
    plans = _plans(config, opened, review, reviews)
    found = []
    shown = Since(plans, _plans(config, opened, "", 1)[0], asked.before[1])
    for plan in plans:
        with stage("Computing under both policies") as at, _book(plan, asked, opened) as book:
            found.append(_on_review(book, shown, write))
            at.rows = found[-1].tally.size["customers"]

    def text(document: Document, of: Policy | Matrix) -> Text:
        return Text(name=document.name, version=of.version, digest=document.digest)

    return PolicyDiff(
        before=text(*asked.before),
        after=text(*asked.after),
        matrix_before=text(*asked.matrix_before),
        matrix_after=text(*asked.matrix_after),
        control_currency=asked.before[1].control_currency,
        grades=asked.before[1].grade_names,
        day=opened.today(),
        fields=(*changed_fields(*asked.policies), *changed_fields(asked.matrix_before[1], asked.matrix_after[1])),
        reviews=tuple(found),
    )


def _require_comparable(asked: Asked) -> None:
    old, new = asked.policies
    if old.grade_names != new.grade_names:
        raise BadInput(
            said("the grades of {name} are {new}, those of {name2} {old}", name=asked.after[0].name, new=", ".join(new.grade_names),
                 name2=asked.before[0].name, old=", ".join(old.grade_names)),
            expected=said("the same grades, best first: customers cannot be said to move between other scales"),
            next_step=said("keep the grades and move their bounds; another scale of grades is a change of its own, with its scorecard"),
        )  # fmt: skip
    currencies = {
        old.control_currency,
        new.control_currency,
        asked.matrix_before[1].control_currency,
        asked.matrix_after[1].control_currency,
    }
    if len(currencies) > 1:
        raise BadInput(
            said("policies and authority matrices are in {currencies}", currencies=", ".join(sorted(currencies))),
            expected=said("one control currency"),
            next_step=said("compare documents of one control currency"),
        )


# --- which reviews --------------------------------------------------------------------------------------------------------------------


def _plans(config: str, opened: Services, wanted: str, count: int) -> list[Plan]:
    """Plans of the last reviews of the book up to the one named, oldest first, one a day: of several the one started last."""
    with opened.store.read() as uow:
        known = reviews_of_book(uow)
    last = _named(known, wanted)
    chosen = [r for r in known if r.as_of <= last.as_of][-count:]
    plans = [prepare.plan_of(config, r.review_id) for r in chosen]
    for plan in plans:
        _require_files(plan)
    return plans


def _named(reviews: Sequence[Review], wanted: str) -> Review:
    """The review of that id or label; the newest where none is named."""
    found = [r for r in reviews if not wanted or wanted in (r.review_id, r.label)]
    if found:
        return found[-1]
    labels = ", ".join(r.label for r in reviews[-_MOST_KNOWN:])
    if not labels:
        raise BadInput(
            said("there is no review of the book with results yet"),
            expected=said("a review to compute the change on"),
            next_step=said("run `credit-review review run`"),
        )
    raise BadInput(
        said("no review of the book with results is called {wanted}", wanted=wanted),
        expected=said("one of {labels}, or a review id", labels=labels),
        next_step=said("see `credit-review review list`"),
    )


def _require_files(plan: Plan) -> None:
    lost = [name for name in ("features", "scores", "states", "groups", "history") if not plan.workspace.has(name)]
    if lost or not (plan.workspace.snapshots / plan.snapshot_digest).is_dir():
        raise BadInput(
            said("review {label} has no {files} any more in {folder}", label=plan.label, files=lost[0] if lost else "snapshot",
                 folder=plan.workspace.folder),
            expected=said("the results that the review wrote"),
            next_step=said("restore its folder from a backup, or name a later review with --review and fewer with --reviews"),
        )  # fmt: skip


# --- one review -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Book:
    """A review's book under both policies. `folders` hold features of either policy where those stored will not do."""

    plan: Plan
    asked: Asked
    opened: Services
    stored_features: bool
    folders: tuple[Plan, Plan]

    @cached_property
    def rates(self) -> fx.RateTable:
        """Rates of the review's snapshot."""
        return assess.rates(self.plan)

    @cached_property
    def card(self) -> scoring.Scorecard:
        """The review's scorecard."""
        return self.plan.workspace.scorecard()

    @cached_property
    def own(self) -> Policy:
        """The policy the review was run with."""
        return self.plan.workspace.policy()

    @cached_property
    def history(self) -> pd.DataFrame:
        """Earlier reviews as the review saw them."""
        return self.plan.workspace.read("history")

    @cached_property
    def held(self) -> tuple[Any, Any]:
        """Deferrals and exclusions as the review saw them."""
        return intake.deferrals_and_exclusions(self.plan)

    @cached_property
    def again(self) -> Mapping[str, date]:
        """Customers due again as the review saw them."""
        return intake.due_again(self.plan)

    @cached_property
    def stored_scores(self) -> bool:
        """Whether neither policy scores otherwise than the review did."""
        same = (p.scoring == self.own.scoring and p.grades == self.own.grades for p in self.asked.policies)
        return self.stored_features and all(same)

    @cached_property
    def stored_states(self) -> bool:
        """Whether neither policy would review other customers than the review did."""
        return self.stored_features and all(_scope_rules(p) == _scope_rules(self.own) for p in self.asked.policies)

    @cached_property
    def group_frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Group figures under either policy, with the members it calls bad for their group."""
        if self.stored_scores and all(p.groups == self.own.groups for p in self.asked.policies):
            stored = self.plan.workspace.read("groups")
            return stored, stored
        before, after = (self._rolled_up(at) for at in (0, 1))
        return before, after

    def source(self, at: int) -> Plan:
        """Where the features under one of the two policies are."""
        return self.plan if self.stored_features else self.folders[at]

    def _rolled_up(self, at: int) -> pd.DataFrame:
        control, other = self.asked.before[1].control_currency, self.plan.workspace.read("other_limits")
        features, named = self.source(at).workspace.read_all("features", self.plan.buckets), self.asked.policies[at].groups
        bad = groups.bad_members(features, self._all_scores(at), statuses=named.bad_statuses, grades=named.bad_grades)
        return groups.roll_up(features, rates=self.rates, control_currency=control, as_of=self.plan.as_of, other_limits=other, bad=bad)

    def _all_scores(self, at: int) -> pd.DataFrame:
        import pandas as pd

        policy, buckets = self.asked.policies[at], self.plan.buckets
        if self.stored_scores or not policy.groups.bad_grades:
            return self.plan.workspace.read_all("scores", buckets)
        features = (self.source(at).workspace.read("features", bucket) for bucket in range(buckets))
        return pd.concat([_scores(self, one, policy, self.history) for one in features], ignore_index=True)

    @cached_property
    def sums(self) -> tuple[Sums, Sums]:
        """What tiers are reckoned by, under either policy."""
        from credit_review.policy_effect.routes import Sums

        increases = _increases(self)
        before, after = (Sums(limits=one.set_index("group_id")["limits_minor"], increases=increases) for one in self.group_frames)
        return before, after


def _scope_rules(policy: Policy) -> tuple[Any, ...]:
    """What decides who is reviewed."""
    excluded = {name: rule for name, rule in policy.classes.items() if isinstance(rule, Exclude)}
    review = policy.review
    cadence = (review.cadence_months, review.large_exposure, review.longest_months)
    return cadence, policy.segments, policy.intake.review_quarantined_below, excluded, policy.grade_names, policy.control_currency


def _feature_rules(policy: Policy) -> tuple[Any, ...]:
    """What decides the features."""
    read = (policy.scoring.statements, policy.scoring.text)
    stands_behind = (policy.insurance, policy.limits.need.season_days)
    return policy.exposure, policy.intake.review_quarantined_below, *read, *stands_behind, policy.control_currency


@contextmanager
def _book(plan: Plan, asked: Asked, opened: Services) -> Iterator[_Book]:
    """The review's book, with features computed anew under either policy where one of them needs others than those stored."""
    own = _feature_rules(plan.workspace.policy())
    stored = all(_feature_rules(policy) == own for policy in asked.policies)
    with tempfile.TemporaryDirectory(prefix="credit-review-policy-") as root:
        before, after = (plan.but(data=str(Path(root) / side)) for side in ("before", "after"))
        if not stored:
            for folder, policy in zip((before, after), asked.policies, strict=True):
                for bucket in range(plan.buckets):
                    found, gated = assess.measured(plan, bucket, policy)
                    folder.workspace.write("features", gated.clean, bucket)
                    folder.workspace.write(validate.FEATURES_REFUSED, assess.refused(found, gated), bucket, of=QUARANTINE)
        yield _Book(plan, asked, opened, stored, (before, after))


def _on_review(book: _Book, shown: Since, write: Write) -> OnReview:
    import pandas as pd

    from credit_review.policy_effect.difference import MOVED, Tally
    from credit_review.policy_effect.result import OnReview

    plan, tally, listed = book.plan, Tally(), 0
    largest = pd.DataFrame(columns=list(MOVED))
    later = shown.of(plan)
    for bucket in range(plan.buckets):
        counted, moved, names = _bucket(book, bucket, later)
        tally.add(counted)
        listed += len(moved)
        if not len(moved):
            continue
        listing = moved.assign(
            review=plan.label, as_of=plan.as_of.isoformat(), customer=names.reindex(moved["customer_id"]).fillna("").to_numpy()
        )
        write(listing)
        largest = _largest(listing if not len(largest) else pd.concat([largest, listing], ignore_index=True))
    return OnReview(
        review_id=plan.review_id,
        label=plan.label,
        as_of=plan.as_of,
        known=shown.known(plan),
        why_unknown=shown.why_unknown(plan),
        tally=tally,
        largest=largest,
        listed=listed,
    )


def _largest(moved: pd.DataFrame) -> pd.DataFrame:
    size = moved["difference_control_minor"].abs()
    order = moved.assign(size=size).sort_values(["size", "customer_id"], ascending=[False, True], kind="stable")
    return order.drop(columns="size").head(LARGEST).reset_index(drop=True)


def _bucket(book: _Book, bucket: int, later: pd.Series[Any]) -> tuple[Tally, pd.DataFrame, pd.Series[Any]]:
    """Tally and differing rows of a bucket, and its customers' names."""
    from credit_review.policy_effect.difference import compare

    customers = book.plan.snapshot.frame("customers", bucket).set_index("customer_id")
    before, after = (_side(book, at, bucket, customers) for at in (0, 1))
    counted, moved = compare(before, after, statuses=customers["status"], later=later, as_of=book.plan.as_of, rates=book.rates)
    return counted, moved, customers["name"]


def _side(book: _Book, at: int, bucket: int, customers: pd.DataFrame) -> Side:
    """What one of the two policies makes of a bucket."""
    from credit_review.policy_effect.difference import Side
    from credit_review.policy_effect.routes import routes
    from credit_review.policy_effect.rules import fired

    plan, policy = book.plan, book.asked.policies[at]
    matrix = (book.asked.matrix_before, book.asked.matrix_after)[at][1]
    features = book.source(at).workspace.read("features", bucket)
    stored = plan.workspace.read("states", bucket, of=STATES)
    past = (
        book.history[book.history["customer_id"].isin(stored["customer_id"])] if not (book.stored_scores and book.stored_states) else None
    )
    scores = plan.workspace.read("scores", bucket) if past is None or book.stored_scores else _scores(book, features, policy, past)
    states = stored if past is None or book.stored_states else _states(book, at, bucket, features, stored, past)
    proposals = limits.propose(features, scores, book.group_frames[at], states, policy=policy, as_of=plan.as_of, rates=book.rates)
    regions = customers["region"].reindex(proposals["customer_id"])
    day = book.opened.today()
    ways = routes(proposals, matrix, book.sums[at], regions=regions, day=day, as_of=plan.as_of, rates=book.rates)
    return Side(policy=policy, proposals=proposals, routes=ways, fired=fired(proposals, policy, as_of=plan.as_of, rates=book.rates))


def _scores(book: _Book, features: pd.DataFrame, policy: Policy, past: pd.DataFrame) -> pd.DataFrame:
    return scoring.score(features, book.card, policy, previous=completeness.last_grades(past, book.plan.as_of))


def _states(book: _Book, at: int, bucket: int, features: pd.DataFrame, stored: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    """STATES of a bucket under a policy; who is in the book does not depend on it."""
    import pandas as pd

    plan, policy = book.plan, book.asked.policies[at]
    source = plan if book.stored_features else book.folders[at]
    refused = [validate.refused_so_far(plan, bucket), source.workspace.read(validate.FEATURES_REFUSED, bucket, of=QUARANTINE)]
    customers = plan.snapshot.frame("customers", bucket)
    return completeness.assign_states(
        customers,
        features,
        pd.concat(refused, ignore_index=True),
        past,
        *book.held,
        scope=plan.scope,
        policy=policy,
        as_of=plan.as_of,
        rates=book.rates,
        ledger_customers=stored["customer_id"].tolist(),
        due_again=book.again,
    )


def _increases(book: _Book) -> pd.Series[Any]:
    """By group, increases decided in the twelve months before the review, in control currency; a change without a rate is in none."""
    import pandas as pd

    plan = book.plan
    since = (pd.Timestamp(plan.as_of) - pd.DateOffset(years=1)).date()
    with book.opened.store.read() as uow:
        started = uow.find(Review, review_id=plan.review_id)[0].started_at
        changes = uow.find(LimitChange, kind=ChangeKind.DECISION)
        accounts = {a.account_id: a for a in uow.find(LimitAccount)} if changes else {}
    zone = book.opened.settings.zone
    rows = [
        (accounts[c.account_id].subject_id, accounts[c.account_id].currency, max(0, (c.new_minor or 0) - (c.old_minor or 0)))
        for c in changes
        if c.applied_at <= started and c.applied_at.astimezone(zone).date() >= since
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "currency", "minor"])
    control = book.asked.before[1].control_currency
    found, _ = fx.convert_column(frame["minor"].astype("Int64"), frame["currency"], control, on=plan.as_of, rates=book.rates)
    group_of = _group_of(plan)
    group = frame["customer_id"].map(group_of).fillna(frame["customer_id"])
    return found.fillna(0).astype("int64").groupby(group.astype("str")).sum()


def _group_of(plan: Plan) -> Mapping[str, str]:
    """By customer, its group, for customers of a group of several."""
    found: dict[str, str] = {}
    for bucket in range(plan.buckets):
        features = plan.workspace.read("features", bucket)[["customer_id", "group_id"]]
        told = features[(features["group_id"] != "") & (features["group_id"] != features["customer_id"])]
        found |= dict(zip(told["customer_id"], told["group_id"], strict=True))
    return found
