"""What Slack looks up in a review's files: `/credit` for every customer, and the figures behind a derivation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pandas as pd
import pytest

from credit_review.adapters.workspace import Workspace
from credit_review.errors import BadInput
from credit_review.limits.codes import CAP_WORDS, Cap
from credit_review.messages import why as derivation
from credit_review.model.records import Proposal, Review
from credit_review.review.directory import person_on
from credit_review.scoring.scorecard import Fragment, TextModel
from credit_review.words import ENGLISH
from deployments.slack_listener import credit, evidence
from tests.slack.test_in_sandbox import text


def desk(reviewed):
    opened = reviewed.opened
    person = lambda uow, _: person_on(uow, "p-controller", on=opened.today(), known_at=opened.clock.now())  # noqa: E731
    return SimpleNamespace(services=opened, person=person)


def answers(reviewed):
    """The results of the newest review, and how `/credit` answers about a customer."""
    (review,) = reviewed.find(Review)
    frame = Workspace(reviewed.opened.settings.data, review.review_id).read("proposals", 0)
    return frame, lambda customer: text(credit.answer(desk(reviewed), {"text": customer}, ENGLISH).blocks)


def test_every_reviewed_customer_has_its_exposure_also_where_nothing_was_proposed(reviewed):
    frame, answer = answers(reviewed)
    proposed = {p.customer_id for p in reviewed.find(Proposal)}
    unmoved = frame[(frame["state"] == "reviewed") & ~frame["customer_id"].isin(proposed)].iloc[0]
    shown = answer(str(unmoved["customer_id"]))
    assert ENGLISH.money(int(unmoved["exposure_minor"]), str(unmoved["currency"])) + " at the last review" in shown


def test_who_was_left_out_of_the_newest_review_is_said_to_be_and_why(reviewed):
    frame, answer = answers(reviewed)
    left_out = frame[frame["state"].isin(["quarantined", "excluded"])]
    assert len(left_out)
    for _, row in left_out.head(3).iterrows():
        assert f": {row['state']}, " in answer(str(row["customer_id"]))


def test_a_declaration_names_a_customer_by_id_or_exact_name_and_nothing_else(reviewed):
    frame, _ = answers(reviewed)
    office, customer = desk(reviewed), str(frame["customer_id"].iloc[0])
    with reviewed.opened.store.read() as uow:
        review = credit._newest(uow)
        name = next(str(r["name"]) for r in credit._customers(office, review) if r["customer_id"] == customer)
        assert credit.known_customer(office, uow, customer) == credit.known_customer(office, uow, name.upper()) == customer
        with pytest.raises(BadInput, match="no customer"):
            credit.known_customer(office, uow, name[:4])


def test_why_says_the_score_in_all_how_need_was_computed_and_the_factor_behind_the_bureaus_cap(reviewed):
    frame, _ = answers(reviewed)
    wanted = frame[frame["cap_recommended_minor"].notna() & frame["need_minor"].notna()]
    proposals = {p.customer_id: p for p in reviewed.find(Proposal)}
    row = next(r for _, r in wanted.iterrows() if r["customer_id"] in proposals and not r["substitutes"])
    proposal = proposals[row["customer_id"]]
    opened = reviewed.opened
    found = evidence.gather(opened, proposal, {}, ENGLISH)
    basis = dict(found.basis)
    policy = Workspace(opened.settings.data, proposal.review_id).policy()
    assert f"= {ENGLISH.money(int(row['need_minor']), proposal.currency)}" in ENGLISH.say(basis["need"]) and " / 365 " in basis["need"]
    assert f"x {policy.limits.caps.recommendation.factor:.2f}" in basis["cap by the bureau's recommendation"]
    assert "the recommended limit x" in basis["cap by the bureau's recommendation"], "the provider's own figure is not licensed here"
    assert dict(found.score)["points in all"] == str(row["points"])
    views = [ENGLISH.say(dict(found.score)[f"{view} alone"]) for view in ("payment behaviour", "financial standing")]
    assert any("points, probability" in view for view in views) and all("points" in view or view == "not known" for view in views)
    shown = text(derivation.why(proposal, "X", found, ENGLISH)["blocks"])
    assert "How need and caps were computed" in shown and "probability of serious lateness" in shown
    assert f"{policy.version} · {proposal.policy_digest[:16]}" in shown


def test_where_the_providers_licence_does_not_allow_it_why_says_nothing_from_which_its_report_could_be_told(reviewed):
    frame, _ = answers(reviewed)
    wanted = set(frame.loc[frame["cap_recommended_minor"].notna(), "customer_id"])
    proposal = next(p for p in reviewed.find(Proposal) if p.customer_id in wanted)
    cap = int(frame.set_index("customer_id").loc[proposal.customer_id, "cap_recommended_minor"])
    label, figure = f"Cap: {CAP_WORDS[Cap.RECOMMENDATION]}", ENGLISH.money(cap, proposal.currency)

    def line(found):
        rows = [e for b in derivation.why(proposal, "X", found, ENGLISH)["blocks"] for e in b.get("elements", ())]
        (said,) = [text(row) for row in rows if label in text(row)]
        return said

    opened = reviewed.opened
    closed = evidence.gather(opened, proposal, {}, ENGLISH)
    assert "not shown here" in line(closed) and figure not in line(closed) and "licence" in closed.hidden
    assert "not shown here" in line(None), "nor while the licence is being looked up"
    slack = opened.settings.slack.model_copy(update={"show_providers": ("*",)})
    allowed = replace(opened, settings=opened.settings.model_copy(update={"slack": slack}))
    assert figure in line(evidence.gather(allowed, proposal, {}, ENGLISH))


def test_why_of_a_lowered_limit_says_what_would_keep_it_and_the_command_line_how_to_ask(office):
    lowered = min((p for p in office.find(Proposal) if p.direction == "down"), key=lambda p: p.customer_id)
    raised = next(p for p in office.find(Proposal) if p.direction == "up")
    found = evidence.gather(office.opened, lowered, {}, ENGLISH)
    shown = text(derivation.why(lowered, "X", found, ENGLISH)["blocks"])
    kept = ENGLISH.money(lowered.from_minor, lowered.currency)
    assert "What it takes to reach it" in shown and any(kept in ENGLISH.say(sentence) for sentence in found.path)
    assert evidence._path(office.opened, raised, licensed=True) == []
    hint = f'credit-review path {lowered.customer_id} --review {lowered.review_id} --limit "{kept}"'
    assert hint in " ".join(office.run("show", lowered.proposal_id, who="p-analyst").fine().out.split())
    assert "credit-review path" not in office.run("show", raised.proposal_id, who="p-analyst").fine().out


def test_a_row_of_an_unlicensed_report_in_quarantine_is_named_without_what_it_says():
    row = {"dataset": "external", "row_key": "e-1", "reason": "pd 1.7 is no probability", "column": "pd_fraction", "value": "1.7"}
    assert "1.7" not in ENGLISH.say(evidence._sentence(row, licensed=False)) and "e-1" in evidence._sentence(row, licensed=False)
    assert "1.7" in ENGLISH.say(evidence._sentence(row, licensed=True))
    assert "1.7" in ENGLISH.say(evidence._sentence({**row, "dataset": "items"}, licensed=False))


def test_the_picture_shows_open_items_by_age_and_what_was_open_at_the_last_month_ends(reviewed):
    proposal = reviewed.find(Proposal)[0]
    png = evidence.picture(reviewed.opened, proposal, ENGLISH)
    assert png.startswith(b"\x89PNG") and len(png) > 5_000
    assert evidence.picture(reviewed.opened, replace(proposal, review_id="r-none"), ENGLISH) == b""
    day = pd.Timestamp
    items = pd.DataFrame(
        [
            (day("2026-06-10"), pd.NaT, 500, 300),  # open, settled in part
            (day("2026-06-30"), day("2026-08-31"), 70, 0),  # cleared on a month end: no longer open then
            (day("2026-09-30"), pd.NaT, 9, 9),  # posted on the last day
        ],
        columns=["posting_date", "clearing_date", "amount_minor", "open_minor"],
    )
    ends = dict(evidence._month_ends(items, date(2026, 9, 30)))
    assert len(ends) == 12 and [ends[date(2026, m, d)] for m, d in ((5, 31), (6, 30), (7, 31), (8, 31), (9, 30))] == [0, 370, 370, 300, 309]


def test_the_words_in_remarks_that_count_against_a_customer_are_shown_where_the_scorecard_lets_them_count():
    class Kept:
        def __init__(self, model):
            self.model = model

        def scorecard(self):
            return SimpleNamespace(text=self.model)

    parts = [Fragment(text=one, rarity=1.0, weight=0.5) for one in (" che", "cheq", "eque", "ue ")]
    model = TextModel(kind="character fragments", customers=9, bad=5, fragments=tuple(sorted(parts, key=lambda f: f.text)))
    row = {"remarks": "The cheque bounced.\nPaid on Friday."}
    assert [ENGLISH.say(text) for _, text in evidence._written(row, Kept(model))] == ["cheque"]
    assert [ENGLISH.say(text) for _, text in evidence._written({"remarks": "All fine"}, Kept(model))] == ["none"]
    assert list(evidence._written(row, Kept(None))) == list(evidence._written({"remarks": ""}, Kept(model))) == []
