"""E18 from the model inventory: each version in force with who answered for it, and what is missing, planted and found."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from lifecycle_world import NOON, TODAY, World
from test_evidence_artefacts import made, say
from test_models import REJECTED, adopted, answer, card, draft, published

from credit_review.adapters.model_files import ModelFiles
from credit_review.review import models
from credit_review.review.models import Described


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    return World(store, clock)


CARD = sha256(b"<p>card").hexdigest()


def test_a_version_is_listed_with_owner_validator_report_adopters_and_signature(world, tmp_path):
    text = card("First", trained_on={"rows": 9})
    one = draft(world, text, developers=("p-three", "p-one"), described=Described(owner_id="p-cfo", card_digest=CARD))
    files = ModelFiles(tmp_path)
    report = files.keep(one.digest, "validation", "{}")
    assert files.keep(one.digest, "card", "<p>card") == CARD
    answer(world, one.digest, report=report)
    adopted(world, one.digest)
    published(world, one.digest, by="p-two")
    [row], told = made(world, "E18-model", data=tmp_path)
    assert (row["model"], row["version"], row["tier"], row["owner"], row["digest"]) == ("scorecard", 1, 1, "p-cfo", one.digest)
    assert (row["developers"], row["validated_by"], row["authority"]) == ("p-one|p-three", "p-analyst", "independent")
    assert (row["report_sha256"], row["card_sha256"], row["rejections"]) == (report, CARD, 0)
    assert (row["adopters"], row["independent_adopters"], row["published_by"]) == ("p-one|p-two", "p-two", "p-two")
    assert row["signed_by"].startswith("example.com/models+") and row["lacks"] == "" and told.exceptions == 0
    assert told.beside == {f"models/{CARD}.html": "<p>card", f"models/{report}.json": "{}"}
    assert (row["card_file"], row["report_file"]) == tuple(told.beside)


def test_a_card_or_report_that_is_changed_or_gone_is_named_and_not_in_the_pack(world, tmp_path):
    one = draft(world, described=Described(owner_id="p-cfo", card_digest=CARD))
    files = ModelFiles(tmp_path)
    files.keep(one.digest, "card", "<p>card")
    answer(world, one.digest)
    adopted(world, one.digest)
    [row], told = made(world, "E18-model", data=tmp_path)
    assert (row["lacks"], row["report_file"], list(told.beside)) == ("report_file", None, [f"models/{CARD}.html"])
    files.path(one.digest, "card", CARD).write_text("<p>cards")
    [row], told = made(world, "E18-model", data=tmp_path)
    assert (row["lacks"], told.beside, told.exceptions) == ("card_file|report_file", {}, 1)


def test_what_a_version_lacks_is_named(world):
    one = draft(world)
    answer(world, one.digest)
    adopted(world, one.digest)
    world.clock.set(NOON + timedelta(hours=1))
    answer(world, one.digest, by="p-cfo", verdict=REJECTED, now=NOON + timedelta(hours=1))
    [row], told = made(world, "E18-model")
    assert (row["lacks"], told.exceptions) == ("validation_rejected_since|report_file", 1)


def test_a_forged_life_is_found(world):
    """Entries as a forger with our rights would write them: validated by a developer, or in force without a validation."""
    about = {"model": "scorecard", "kind": "scorecard", "tier": 1, "owner": None, "developers": ["p-three"], "card": None, "to": "draft"}
    say(world, "model.drafted", "model:aa", version=1, **about)
    say(world, "model.validated", "model:aa", by="person:p-three", report="ef", authority="independent", to="validated")
    say(
        world,
        "model.registered",
        "model:aa",
        model="scorecard",
        version=1,
        kind="scorecard",
        name="a.json",
        adopters=["p-one"],
        to="in_force",
    )
    say(world, "model.drafted", "model:bb", version=2, **about)
    say(
        world,
        "model.registered",
        "model:bb",
        model="scorecard",
        version=2,
        kind="scorecard",
        name="a.json",
        adopters=["p-one"],
        to="in_force",
    )
    rows, told = made(world, "E18-model")
    assert [row["lacks"] for row in rows] == ["independent_validator|owner|report_file", "validation|owner"] and told.exceptions == 2


def test_a_version_that_ended_before_the_period_is_not_in_it(world):
    one = draft(world, described=Described(owner_id="p-cfo"))
    answer(world, one.digest)
    adopted(world, one.digest)
    world.do(models.retire, one.digest, reason="merger", by="p-cfo", on=TODAY, now=NOON)
    tomorrow = TODAY + timedelta(days=1)
    assert len(made(world, "E18-model")[0]) == 1
    assert made(world, "E18-model", first=tomorrow, last=tomorrow)[0] == []
