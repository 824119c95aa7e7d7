"""A scorecard's life as people type it: recorded, examined, validated, compared, adopted, published, looked up and retired."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from office import AS_OF

from credit_review.adapters.model_files import ModelFiles
from credit_review.errors import Refused
from credit_review.model.records import AuditRow, ModelVersion
from tasks import prepare, refitting

REASON = ("--reason", "the report bears it out")


def fitted(office, name="fitted.json", **changes):
    """A card that says it was fitted: the expert one with another name and harsher on lateness."""
    card = json.loads((office.config / "scorecard.json").read_text(encoding="utf-8"))
    card |= {"kind": "fitted", "name": "Fitted by hand"} | changes
    for factor in card["factors"]:
        if factor["name"] == "overdue_fraction":
            for last in factor["bins"][-3:]:
                last["points"] -= 60
    path = office.config / name
    path.write_text(json.dumps(card, indent=1), encoding="utf-8")
    return path


def registered(office, **changes):
    path = fitted(office, **changes)
    office.run("scorecard", "register", str(path), "--owner", "p-cfo", who="p-analyst").fine()
    return path


def examined(office, path):
    return office.run("scorecard", "validate", str(path), "--json").fine().json


def accept(office, path, report, who="p-controller"):
    return office.run("scorecard", "validate", str(path), "--accept", "--report", report[:16], *REASON, who=who)


def test_a_fitted_card_goes_all_the_way_and_every_step_says_the_next(office):
    path = fitted(office)
    told = office.run("scorecard", "register", str(path), "--owner", "p-cfo", "--limits-of-use", "not for banks", who="p-analyst").fine()
    assert "scorecard version 2" in told.out and "scorecard validate fitted.json" in told.out
    office.run("adopt", str(path), "--kind", "scorecard", who="p-cfo").refused(4, "is validated before it is used", "scorecard validate")
    shown = examined(office, path)
    digest = sha256(path.read_bytes()).hexdigest()
    assert shown["model"] == digest
    accept(office, path, shown["report"], who="p-analyst").refused(4, "he or she made it")
    assert office.refusals() == [("person:p-analyst", f"model:{digest}", "model.own")]
    rejected = office.run(
        "scorecard", "validate", str(path), "--reject", "--report", shown["report"], "--reason", "read it again", who="p-ceo"
    ).fine()
    assert "rejected; it is draft" in rejected.out
    done = accept(office, path, shown["report"]).fine()
    assert "accepted; it is validated" in done.out and "credit-review adopt" in done.out
    office.run("adopt", str(path), "--kind", "scorecard", who="p-cfo").fine()
    assert "in force" in office.run("adopt", str(path), "--kind", "scorecard", who="p-manager").fine().out
    first, second = office.run("scorecard", "inventory", "--json").fine().json
    assert (first["status"], second["status"], second["used_today"], second["tier"]) == ("retired", "in_force", True, 1)
    assert (second["owner_id"], second["developers"], second["validated_by"]) == ("p-cfo", ["p-analyst"], "p-controller")
    assert (second["report_digest"], second["card_digest"]) == (shown["report"], shown["card"])
    told = office.run("scorecard", "show", "scorecard/2").fine().out
    assert "not for banks" in told and "read it again" in told
    assert "Carl Ohm" in office.run("scorecard", "inventory").fine().out
    office.run("scorecard", "retire", "scorecard/2", "--reason", "merger", who="p-manager").refused(4, "may not retire")
    assert office.run("scorecard", "retire", "scorecard/2", "--reason", "merger", "--json", who="p-cfo").fine().json["status"] == "retired"


def test_report_and_card_are_kept_as_they_were_signed_for_and_a_changed_one_is_not_signed(office):
    path = registered(office)
    shown = examined(office, path)
    for what in ("report", "card"):
        assert sha256(Path(shown[f"{what}_file"]).read_bytes()).hexdigest() == shown[what]
    accept(office, path, "ab" * 8).refused(3, "no validation report")
    office.run("scorecard", "validate", str(path), "--accept", *REASON, who="p-controller").refused(3, "names the report that was read")
    office.run("scorecard", "validate", str(path), "--accept", "--reject", who="p-controller").refused(3, "one answer only")
    with Path(shown["report_file"]).open("a", encoding="utf-8") as file:
        file.write(" ")
    assert accept(office, path, shown["report"]).code != 0
    assert office.one(ModelVersion, version=2).status == "draft"


def test_compare_counts_what_an_independent_recomputation_counts(office):
    path = fitted(office)
    found = office.run("scorecard", "compare", "scorecard.json", str(path), "--json").fine().json
    plan = prepare.newest_plan(str(office.config))
    features = plan.workspace.read_all("features", plan.buckets).set_index("customer_id")
    scores = plan.workspace.read_all("scores", plan.buckets).set_index("customer_id")
    policy = plan.workspace.policy()
    before = plan.workspace.read_all("proposals", plan.buckets)
    reviewed = before[before["state"] == "reviewed"].set_index("customer_id")
    harsher = features["overdue_fraction"].reindex(reviewed.index) >= 0.1
    card = json.loads(path.read_text(encoding="utf-8"))
    bins = next(f["bins"] for f in card["factors"] if f["name"] == "overdue_fraction")
    assert bins[-4]["below"] == 0.1
    points = scores["points"].reindex(reviewed.index) - 60 * harsher
    grade = [policy.grade_for(plan.workspace.scorecard().probability(int(one))) for one in points]
    worse = sum(policy.grade_names.index(b) > policy.grade_names.index(a) for a, b in zip(reviewed["grade"], grade, strict=True))
    assert (found["customers"], found["better"], found["worse"]) == (len(reviewed), 0, worse)
    assert worse > 0 and all(one["up"] == 0 for one in found["money"])
    same = office.run("scorecard", "compare", "scorecard.json", "scorecard/1", "--json").fine().json
    assert same["movers"] == [] and same["worse"] == 0
    assert "0 would get a better grade" in office.run("scorecard", "compare", "scorecard.json", str(path)).fine().out


def test_a_published_card_is_signed_and_a_review_stops_without_the_signature(office, tmp_path):
    key = office_key(tmp_path)
    office.run("scorecard", "publish", "--key", str(key), who="p-cfo").refused(3, "does not name the key")
    trust(office, tmp_path)
    with pytest.raises(Refused, match="it has no signature"):
        open_again(office)
    assert "it has no signature" in office.run("doctor").out
    office.run("scorecard", "publish", "--key", str(key), who="p-analyst").refused(4, "he or she made it")
    assert "signed by example.com/models" in office.run("scorecard", "publish", "--key", str(key), who="p-cfo").fine().out
    assert "the signature holds" in office.run("scorecard", "show").fine().out
    assert open_again(office).review_id


def office_key(folder):
    from office import run

    made = run("audit", "key", "example.com/models", "--out", str(folder / "models.key")).fine()
    (folder / "models.pub").write_text(made.out.strip(), encoding="utf-8")
    return folder / "models.key"


def trust(office, folder):
    path = office.config / "settings.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(found | {"models": {"keys": [(folder / "models.pub").read_text()]}}), encoding="utf-8")
    prepare.services.cache_clear()


def open_again(office):
    plan = prepare.planned(office.opened.settings, str(office.config), AS_OF, "all", "periodic")
    return prepare.open_review.fn(plan, "again", "p-cfo")


def test_from_a_decision_s_entry_to_the_card_it_rests_on(office):
    proposal = office.waiting(tier="T2")[0]
    office.run("release", proposal, who="p-analyst").fine()
    office.run("decide", proposal, "approve", who="p-manager").fine()
    [entry] = office.find(AuditRow, action="decision.approve")
    digest = json.loads(entry.body)["data"]["scorecard"]
    [created] = [row for row in office.find(AuditRow, action="proposal.created") if row.entity == f"proposal:{proposal}"]
    plan = prepare.newest_plan(str(office.config))
    assert {digest} == {json.loads(created.body)["data"]["scorecard"], *plan.workspace.read_all("scores", plan.buckets)["scorecard"]}
    shown = office.run("scorecard", "show", digest, "--json").fine().json
    assert shown["version"]["digest"] == digest == sha256((office.config / "scorecard.json").read_bytes()).hexdigest()
    assert [factor["name"] for factor in shown["scorecard"]["factors"]]


def test_what_is_no_model_is_refused_with_where_to_look(office):
    office.run("scorecard", "show", "scorecard/9").refused(3, "no version of the inventory", "scorecard inventory")
    office.run("scorecard", "register", "nothing.json", who="p-cfo").refused(3, "nothing.json is missing")
    path = fitted(office)
    accept(office, path, "ab" * 8).refused(3, "is not in the inventory", "scorecard register")
    office.run("scorecard", "register", str(path), "--tier", "2", who="p-analyst").refused(3, "tier 2 is too low")


def test_a_refit_makes_a_draft_with_its_card_and_puts_nothing_in_force(office):
    config = str(office.config)
    nothing = refitting.refit.fn(config)
    assert nothing.headline.startswith("no draft: history is too thin") and len(office.find(ModelVersion)) == 1
    text = (office.config / "policy.yaml").read_text(encoding="utf-8")
    (office.config / "policy.yaml").write_text(re.sub(r"smallest_history: \{[^}]*\}", "smallest_history: {customers: 20, bad: 3}", text))
    prepare.services.cache_clear()
    done = refitting.refit.fn(config)
    first, draft = office.find(ModelVersion, order_by=("version",))
    assert (first.status, draft.status, draft.tier, draft.registered_by) == ("in_force", "draft", 1, "system:refit")
    assert draft.developers == "p-analyst|system:refit" and draft.owner_id == first.owner_id
    card = ModelFiles(office.opened.settings.data).path(draft.digest, "card", draft.card_digest)
    assert sha256(card.read_bytes()).hexdigest() == draft.card_digest == done.facts["model card"]
    assert sha256(Path(done.facts["scorecard"]).read_bytes()).hexdigest() == draft.digest
    refitting.refit.fn(config)
    assert len(office.find(ModelVersion)) == 2, "the same history is the same draft"
    office.run(
        "scorecard", "validate", "scorecard/2", "--accept", "--report", done.facts["validation report"], *REASON, who="p-analyst"
    ).refused(4)
