"""`policy diff` where two policies call other members bad for their group: groups are added up anew, by the grades each gives."""

from __future__ import annotations

import pandas as pd
import pytest

from credit_review import authority, documents, policy
from credit_review.model.records import Review
from tasks import policy_diff, prepare

BAD = ("D", "E")
"""Grades that are bad for a group under the new policy, whose bands are narrower than those of the review."""


@pytest.fixture
def asked(reviewed):
    """The adopted policy against one with narrower bands, by which customers of grades D and E are bad for their group."""
    text = (reviewed.config / "policy.yaml").read_text(encoding="utf-8")
    new = text.replace("bad_grades: []", f"bad_grades: [{', '.join(BAD)}]").replace("bad_statuses: []", "bad_statuses: [blocked]")
    for bound, narrower in (("below: 0.01}", "below: 0.005}"), ("below: 0.03}", "below: 0.012}"), ("below: 0.08}", "below: 0.02}")):
        new = new.replace(bound, narrower)
    before, after = (documents.parse(one, name="policy.yaml") for one in (text, new))
    matrix = documents.parse((reviewed.config / "authority.yaml").read_text(encoding="utf-8"), name="authority.yaml")
    return policy_diff.Asked(
        before=(before, policy.load(before)), after=(after, policy.load(after)),
        matrix_before=(matrix, authority.load(matrix)), matrix_after=(matrix, authority.load(matrix)),
    )  # fmt: skip


def test_bad_members_of_each_group_are_those_of_the_grades_that_the_new_policy_gives(reviewed, asked):
    plan = prepare.plan_of(str(reviewed.config), reviewed.one(Review).review_id)
    stored = plan.workspace.read("groups")
    with policy_diff._book(plan, asked, reviewed.opened) as book:
        assert not book.stored_scores
        before, after = book.group_frames
    pd.testing.assert_frame_equal(before, stored)
    scores, features = (plan.workspace.read_all(name, plan.buckets).set_index("customer_id") for name in ("scores", "features"))
    bands = asked.after[1].grades
    bad: dict[str, list[str]] = {}
    for customer, row in features.iterrows():
        fraction = scores.loc[customer, "pd_fraction"]
        graded = next(band.grade for band in bands if fraction < band.below or band is bands[-1])
        if (scores.loc[customer, "grade"] and graded in BAD) or row["status"] == "blocked":
            bad.setdefault(row["group_id"] or customer, []).append(customer)
    told = {row.group_id: row.bad_members for row in after.itertuples() if row.bad_members}
    assert told == {group: "|".join(sorted(ids)) for group, ids in bad.items()} and told
    own = scores["grade"].isin(BAD)
    assert len([one for ids in bad.values() for one in ids]) > own.sum(), "the new bands make more members bad than the review's own grades"
    pd.testing.assert_frame_equal(after.drop(columns="bad_members"), stored.drop(columns="bad_members"))
