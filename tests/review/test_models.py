"""The model inventory: who made, validated, adopted, published and retired which version, and what a review may use; on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycle_world import DIGESTS, NOON, TEXTS, TODAY, Ledger, World
from test_races import at_once

from credit_review.adapters.store.business import compare_with_tables
from credit_review.adapters.store.unit_of_work import open_store
from credit_review.audit.notes import SigningKey
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput, Conflict, CreditReviewError, Refused
from credit_review.model.records import Finding, GovernedDocument, ModelValidation, ModelVersion
from credit_review.model.states import MODEL_NEXT, DocumentOfRecord, ModelKind, ModelStatus, ModelVerdict
from credit_review.review import adopt, models, publishing
from credit_review.review.models import Described
from credit_review.review.working import Company

KEY = SigningKey.from_seed("example.com/models", b"k" * 32)
OTHER = SigningKey.from_seed("example.com/others", b"o" * 32)
REPORT = "ab" * 32
ROUNDS = 3
ACCEPTED, REJECTED = ModelVerdict.ACCEPTED, ModelVerdict.REJECTED
COMPANY = Company(calendar=WorkingCalendar("DE"), zone=ZoneInfo("Europe/Berlin"))
MIDNIGHT = "T00:00:00.000000Z"


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def card(name="Fitted", kind="fitted", **more):
    return json.dumps({"kind": kind, "name": name, **more})


def draft(world, text=None, *, developers=("p-three",), described=None):
    document = world.do(
        adopt.submit, kind=DocumentOfRecord.SCORECARD, name="scorecard.json", content=text or card(), authors=developers, by="p-three",
        now=NOON, described=described,
    )  # fmt: skip
    return world.one(ModelVersion, digest=document.digest)


def answer(world, digest, by="p-analyst", verdict=ACCEPTED, *, report=REPORT, comment="ranks as it says", now=NOON):
    return world.do(
        models.validate, digest, verdict=verdict, report_digest=report, comment=comment, by=by, on=now.date(), now=now,
        company=COMPANY,
    )  # fmt: skip


def adopted(world, digest, who=("p-one", "p-two"), now=NOON):
    for one in who:
        world.do(adopt.adopt, digest, person_id=one, on=now.date(), now=now)
    return world.one(ModelVersion, digest=digest)


def published(world, digest, by="p-one", *, key=KEY, keys=(KEY.key,), now=NOON):
    return world.do(models.publish, digest, key=key, keys=keys, by=by, on=now.date(), now=now)


def usable(world, digest, *, on=TODAY, keys=()):
    return world.ask(models.require_usable, digest, on=on, keys=keys)


# --- the life of a version --------------------------------------------------------------------------------------------------------------


def test_a_fitted_scorecard_goes_from_draft_to_validated_to_in_force_with_one_entry_a_step(world):
    ledger = Ledger(world)
    one = draft(world)
    assert (one.model_id, one.version, one.status, one.tier, one.developers) == ("scorecard", 1, "draft", 1, "p-three")
    assert ledger.check() == {"document": 1, "model": 1}
    assert answer(world, one.digest).status == "validated"
    assert ledger.check() == {"model": 1}
    one = adopted(world, one.digest)
    assert (one.status, one.valid_from, one.valid_to, one.validated_by, one.report_digest) == ("in_force", TODAY, None, "p-analyst", REPORT)
    assert ledger.check() == {"adoption": 2, "model": 1}
    [validation] = world.find(ModelValidation)
    assert (validation.person_id, validation.authority, validation.verdict, validation.at) == ("p-analyst", "independent", "accepted", NOON)
    [entry] = world.entries("model.registered")
    assert entry["entity"] == f"model:{one.digest}" and entry["data"]["validated_by"] == "p-analyst"


def test_a_fitted_scorecard_that_nobody_validated_is_not_adopted(world):
    one = draft(world)
    with pytest.raises(Refused) as refused:
        adopted(world, one.digest)
    assert refused.value.code == "model.not_validated" and "scorecard validate" in refused.value.text()
    assert world.one(GovernedDocument).adopted_at is None


def test_an_expert_scorecard_comes_into_force_by_two_adoptions_alone(world):
    one = draft(world, card(kind="expert"), developers=("system:init",))
    assert one.tier == 2 and adopted(world, one.digest).status == "in_force"
    assert usable(world, one.digest).digest == one.digest


def test_a_text_that_is_no_scorecard_counts_as_fitted(world):
    assert draft(world, "no JSON").tier == 1


def test_no_developer_validates_or_publishes(world):
    one = draft(world, developers=("p-three", "p-four"))
    for verdict in ModelVerdict:
        with pytest.raises(Refused) as refused:
            answer(world, one.digest, by="p-three", verdict=verdict)
        assert refused.value.code == "model.own"
    answer(world, one.digest)
    with pytest.raises(Refused) as refused:
        published(world, one.digest, by="p-three")
    assert refused.value.code == "model.own"


def test_the_database_itself_refuses_a_developer_as_validator(world):
    one = draft(world, developers=("p-three", "p-two"))
    own = ModelValidation(
        digest=one.digest, person_id="p-two", at=NOON, developers=one.developers, verdict="accepted", authority="independent",
        report_digest=REPORT, comment="fine",
    )  # fmt: skip
    with pytest.raises(Conflict, match="validator_is_no_developer"):
        world.do(lambda uow: uow.add(own))
    with pytest.raises(Conflict, match="fk_model_validation_model"):
        world.do(lambda uow: uow.add(replace(own, developers="p-chair")))
    with pytest.raises(Conflict, match="validated_by_another"):
        to = {"validated_by": "p-two", "validated_at": NOON, "report_digest": REPORT}
        world.do(lambda uow: uow.change(ModelVersion, where={"digest": one.digest}, to=to))
    with pytest.raises(Conflict, match="validated_before_use"):
        world.do(lambda uow: uow.change(ModelVersion, where={"digest": one.digest}, to={"status": "in_force", "valid_from": TODAY}))
    # an id in which LIKE would see a placeholder is another person
    like = draft(world, card("other"), developers=("pXtwo",))
    world.do(lambda uow: uow.add(replace(own, digest=like.digest, developers="pXtwo", person_id="p_two")))


def test_where_the_matrix_names_validators_only_they_answer(world):
    named = TEXTS["authority"].replace("model_validators: []", "model_validators: [p-chair]")
    world.adopt("authority", named)
    one = draft(world)
    with pytest.raises(Refused) as refused:
        answer(world, one.digest)
    assert refused.value.code == "sign.lacks_office" and "model validators" in refused.value.text()
    answer(world, one.digest, by="p-chair")
    assert world.one(ModelValidation).authority == "model_validators"


def test_a_rejection_keeps_a_draft_a_draft_and_takes_a_validation_back(world):
    one = draft(world)
    assert answer(world, one.digest, verdict=REJECTED).status == "draft"
    answer(world, one.digest, now=NOON + timedelta(hours=1))
    world.do(adopt.adopt, one.digest, person_id="p-one", on=TODAY, now=NOON)
    back = answer(world, one.digest, verdict=REJECTED, now=NOON + timedelta(hours=2))
    assert (back.status, back.validated_by, back.report_digest) == ("draft", "", "")
    with pytest.raises(Refused, match="validated before"):
        adopted(world, one.digest, ("p-two",))
    assert [v.verdict for v in world.ask(models.validations, one.digest)] == ["rejected", "accepted", "rejected"]


def test_a_rejection_of_what_is_in_force_is_on_record_and_stops_nothing(world):
    one = draft(world)
    answer(world, one.digest)
    adopted(world, one.digest)
    answer(world, one.digest, by="p-cfo", verdict=REJECTED, now=NOON + timedelta(days=1))
    assert usable(world, one.digest).validated_by == "p-analyst" and world.ask(models.doubted, one.digest)


def test_a_rejection_of_what_is_in_force_is_a_finding_of_its_owner_that_no_developer_closes(world):
    one = draft(world, described=Described(owner_id="p-cfo"))
    answer(world, one.digest, verdict=REJECTED)
    assert not world.find(Finding)
    answer(world, one.digest, now=NOON + timedelta(hours=1))
    adopted(world, one.digest)
    ledger = Ledger(world)
    answer(world, one.digest, verdict=REJECTED, comment="ranks by luck", now=NOON + timedelta(days=1))
    assert ledger.check() == {"model": 1, "finding": 1}
    found = world.one(Finding)
    assert (found.control, found.subject, found.severity) == ("model_rejected", f"model:{one.digest}", "high")
    assert (found.owner_id, found.about, found.text, found.opened_by) == ("p-cfo", "p-three", "ranks by luck", "p-analyst")
    assert json.loads(found.facts_json)["report"] == REPORT
    answer(world, one.digest, verdict=REJECTED, now=NOON + timedelta(days=2))
    assert world.one(Finding) == found and compare_with_tables(world.store.engine) == []


def test_a_validation_says_why(world):
    with pytest.raises(BadInput, match="says why"):
        answer(world, draft(world).digest, comment=" ")


def test_the_same_file_again_is_the_same_version_and_another_one_counts_on_with_owner_and_purpose(world):
    about = Described(owner_id="p-cfo", purpose="limits of trade customers", data="ledger to September")
    first = draft(world, described=about)
    assert draft(world) == first
    second = draft(world, card("Refit"))
    assert (second.version, second.owner_id, second.purpose, second.data) == (2, "p-cfo", "limits of trade customers", "")


def test_a_tier_may_be_raised_and_never_lowered(world):
    expert = draft(world, card(kind="expert"), described=Described(tier=1))
    with pytest.raises(Refused, match="validated before"):
        adopted(world, expert.digest)
    for wanted in (2, 3, 0):
        with pytest.raises(BadInput, match="tier"):
            world.do(models.describe, expert.digest, Described(tier=wanted), by="p-one", on=TODAY, now=NOON)
    with pytest.raises(BadInput, match="tier"):
        draft(world, described=Described(tier=2))


def test_what_a_validator_signed_for_is_not_described_anew_but_its_owner_may_change(world):
    one = draft(world)
    ledger = Ledger(world)
    world.do(models.describe, one.digest, Described(purpose="limits", owner_id="p-cfo"), by="p-one", on=TODAY, now=NOON)
    assert ledger.check() == {"model": 1}
    answer(world, one.digest)
    with pytest.raises(Refused, match="is validated"):
        world.do(models.describe, one.digest, Described(purpose="anything"), by="p-one", on=TODAY, now=NOON)
    assert world.do(models.describe, one.digest, Described(owner_id="p-ceo"), by="p-one", on=TODAY, now=NOON).owner_id == "p-ceo"
    assert len(world.entries("model.described")) == 2


# --- one at a time ----------------------------------------------------------------------------------------------------------------------


def in_turn(world, *texts, now=NOON):
    made = []
    for text in texts:
        made.append(draft(world, text))
        answer(world, made[-1].digest)
        adopted(world, made[-1].digest, now=now)
    return [world.one(ModelVersion, digest=one.digest) for one in made]


def test_a_new_version_takes_the_place_of_the_one_before(world):
    before, after = in_turn(world, card("1"), card("2"))
    assert (before.status, before.valid_to, after.status) == ("retired", TODAY, "in_force")
    with pytest.raises(Refused, match="out of use since"):
        usable(world, before.digest)
    assert usable(world, after.digest) == after


def test_a_version_that_begins_later_leaves_the_one_before_in_force_until_that_day(world):
    before, after = in_turn(world, card("1"), card("2", valid_from="2027-01-01"))
    first = date(2027, 1, 1)
    assert (before.status, before.valid_to, after.valid_from) == ("in_force", first, first)
    assert usable(world, before.digest) == before
    with pytest.raises(Refused, match="is in force from 2027-01-01 on"):
        usable(world, after.digest)
    assert usable(world, after.digest, on=first) == after
    ledger = Ledger(world)
    assert world.do(models.retire_due, on=TODAY, now=NOON) == [] and ledger.check() == {}
    assert [one.digest for one in world.do(models.retire_due, on=first, now=NOON)] == [before.digest]
    assert ledger.check() == {"model": 1} and world.do(models.retire_due, on=first, now=NOON) == []


def test_a_version_put_before_one_to_come_takes_its_place_too(world):
    first, planned, urgent = in_turn(world, card("1"), card("2", valid_from="2027-01-01"), card("3", valid_from="2026-12-01"))
    assert (first.valid_to, urgent.valid_from, urgent.valid_to) == (date(2026, 12, 1), date(2026, 12, 1), None)
    assert planned.valid_to == planned.valid_from
    assert [usable(world, one.digest, on=day).version for one, day in ((first, TODAY), (urgent, date(2027, 1, 1)))] == [1, 3]


def test_an_owner_retires_with_a_reason_and_a_review_is_told(world):
    [one] = in_turn(world, card())
    world.do(models.describe, one.digest, Described(owner_id="p-cfo"), by="p-one", on=TODAY, now=NOON)
    with pytest.raises(BadInput, match="reason"):
        world.do(models.retire, one.digest, reason=" ", by="p-cfo", on=TODAY, now=NOON)
    gone = world.do(models.retire, one.digest, reason="ranks no better than chance", by="p-cfo", on=TODAY, now=NOON)
    assert (gone.status, gone.valid_to, gone.retired_by, gone.retired_reason) == ("retired", TODAY, "p-cfo", "ranks no better than chance")
    with pytest.raises(Refused, match="out of use"):
        usable(world, one.digest)
    with pytest.raises(Refused, match="is retired"):
        world.do(models.retire, one.digest, reason="again", by="p-cfo", on=TODAY, now=NOON)


def test_somebody_else_does_not_retire_it(world):
    world.adopt_all()
    [one] = in_turn(world, card())
    with pytest.raises(Refused, match="may not retire"):
        world.do(models.retire, one.digest, reason="dislike", by="p-deputy", on=TODAY, now=NOON)


def test_two_people_who_put_two_versions_in_force_at_once_leave_one_in_force(world):
    for n in range(ROUNDS):
        pair = [draft(world, card(f"{n}/{side}")) for side in "ab"]
        for one in pair:
            answer(world, one.digest)
            world.do(adopt.adopt, one.digest, person_id="p-one", on=TODAY, now=NOON)
        at_once(*(lambda d=one.digest: adopted(world, d, ("p-two",)) for one in pair), seed=n)
        assert len(world.find(ModelVersion, status="in_force")) == 1
        assert {one.status for one in world.find(ModelVersion, digest=[one.digest for one in pair])} == {"in_force", "retired"}


def test_a_rejection_and_an_adoption_at_once_never_leave_an_unvalidated_version_in_force(world):
    for n in range(ROUNDS):
        one = draft(world, card(str(n)))
        answer(world, one.digest)
        world.do(adopt.adopt, one.digest, person_id="p-one", on=TODAY, now=NOON)
        at_once(
            refusable(answer, world, one.digest, verdict=REJECTED, now=NOON + timedelta(hours=1)),
            refusable(adopted, world, one.digest, ("p-two",)),
            seed=n,
        )
        now = world.one(ModelVersion, digest=one.digest)
        assert now.validated_by == ("p-analyst" if now.status == "in_force" else "")
    assert not world.find(ModelVersion, status="in_force", validated_by="")


def test_the_same_file_registered_by_two_people_at_once_is_one_version(world):
    for n in range(ROUNDS):
        at_once(*(refusable(draft, world, card(str(n))) for _ in range(2)), seed=n)
    found = world.find(ModelVersion, order_by=("version",))
    assert [one.version for one in found] == list(range(1, len(found) + 1)) and len({one.digest for one in found}) == ROUNDS


def refusable(act, *args, **fields):
    """The call, whose business refusal is a result like any other."""

    def call():
        try:
            return act(*args, **fields)
        except Refused as refused:
            return refused

    return call


# --- publication ------------------------------------------------------------------------------------------------------------------------


def test_what_is_published_is_signed_over_who_what_and_when(world):
    [one] = in_turn(world, card())
    ledger = Ledger(world)
    signed = published(world, one.digest)
    assert ledger.check() == {"model": 1}
    assert signed.signature.startswith(
        "credit-review publishes a model, statement 1\nkind scorecard\n"
        f"digest {one.digest}\nmodel scorecard\nversion 1\nby p-one\nat 2026-10-01T12:00:00.000000Z\n\n— example.com/models "
    )
    assert publishing.signed_by(signed, [OTHER.key, KEY.key]) == "example.com/models"
    assert publishing.published_by(signed) == ("p-one", "2026-10-01T12:00:00.000000Z")
    assert usable(world, one.digest, keys=[KEY.key]) == signed


def test_a_missing_or_wrong_signature_stops_a_review(world):
    world.adopt_all()
    start = {"model_keys": (KEY.key,)}
    with pytest.raises(Refused, match="it has no signature") as refused:
        start_with(world, **start)
    assert "scorecard publish scorecard/1" in refused.value.text()
    published(world, DIGESTS["scorecard"])
    start_with(world, **start)
    with pytest.raises(Refused, match="does not hold"):
        start_with(world, model_keys=(OTHER.key,))


def test_a_review_that_names_a_draft_is_told_what_comes_before_its_adoption(world):
    world.adopt_all()
    one = draft(world)
    with pytest.raises(Refused, match="is validated before it is used"):
        world.start(scorecard=one.digest)
    answer(world, one.digest)
    with pytest.raises(Refused, match="is not adopted"):
        world.start(scorecard=one.digest)


def start_with(world, **changed):
    from lifecycle_world import start_command

    from credit_review.review import lifecycle

    return world.do(lifecycle.start, replace(start_command(supersede="again"), **changed), NOON)


def test_taking_the_keys_out_of_the_settings_does_not_take_signatures_away(world):
    world.adopt_all()
    published(world, DIGESTS["scorecard"])
    with pytest.raises(Refused, match="names no key"):
        start_with(world)
    [after] = in_turn(world, card("2"))
    with pytest.raises(Refused, match="it has no signature"):
        usable(world, after.digest)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"model_id": "challenger"}, {"kind": "challenger"}, {"digest": "cd" * 32},
        {"signature": ""}, {"signature": "by p-one\n"}, {"by": "p-two"}, {"at": "2026-10-02"},
    ],
)  # fmt: skip
def test_a_signature_is_of_one_version_and_of_no_other(sqlite_store, clock, change):
    world = World(sqlite_store, clock)
    one = draft(world, card(kind="expert"))
    signed = published(world, one.digest)
    fields = {name: value for name, value in change.items() if name not in ("by", "at")}
    if "by" in change:
        fields["signature"] = signed.signature.replace("by p-one", f"by {change['by']}")
    if "at" in change:
        fields["signature"] = signed.signature.replace("at 2026-10-01", f"at {change['at']}")
    assert publishing.signed_by(replace(signed, **fields), [KEY.key]) == ""


def test_a_key_that_reviews_do_not_accept_publishes_nothing(world):
    one = draft(world, card(kind="expert"))
    with pytest.raises(BadInput, match="does not name the key"):
        published(world, one.digest, key=OTHER)


def test_a_draft_that_needs_a_validation_is_not_published(world):
    with pytest.raises(Refused, match="validated before"):
        published(world, draft(world).digest)


def challenger(world, digest="ef" * 32, developers=("p-three",)):
    return world.do(
        models.register, digest=digest, kind=ModelKind.CHALLENGER, content={"name": "trees"}, developers=developers, by="p-three", now=NOON
    )


def test_a_challenger_may_be_loaded_once_it_is_published_and_only_under_a_key_of_ours(world):
    one = challenger(world)
    assert (one.model_id, one.tier, one.status) == ("challenger", 3, "draft")

    def registered(digest=one.digest, at=NOON, keys=(KEY.key,)):
        return world.ask(models.registered, digest, at, keys=keys)

    assert registered() is None
    signed = published(world, one.digest)
    assert signed.status == "in_force" and registered() == signed
    assert registered(keys=()) is None and registered(keys=(OTHER.key,)) is None and registered("ab" * 32) is None
    assert registered(at=NOON - timedelta(days=1)) is None
    after = challenger(world, "aa" * 32)
    published(world, after.digest)
    assert registered() is None and registered(after.digest) is not None


# --- whatever people do -----------------------------------------------------------------------------------------------------------------

_WHO = st.sampled_from(["p-one", "p-two", "p-three", "p-analyst"])
_WHICH = st.integers(0, 2)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), _WHICH, _WHO, st.sampled_from(list(ModelVerdict))),
        st.tuples(st.just("adopt"), _WHICH, _WHO),
        st.tuples(st.just("publish"), _WHICH, _WHO),
        st.tuples(st.just("retire"), _WHICH, _WHO),
        st.tuples(st.just("day")),
    ),
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
def test_whatever_the_order_what_is_in_force_was_validated_by_another_adopted_by_two_and_stands_alone(
    sqlite_template, tmp_path_factory, clock, steps
):
    path = tmp_path_factory.mktemp("db") / "x.db"
    path.write_bytes(sqlite_template.read_bytes())
    world, now = World(open_store(f"sqlite:///{path}", clock), clock), NOON
    about = Described(owner_id="p-one")
    digests = [draft(world, card(str(n), valid_from=day), described=about).digest for n, day in enumerate((None, "2026-10-03", None))]
    ledger, seen = Ledger(world), {d: "draft" for d in digests}
    for n, (what, *rest) in enumerate(steps):
        now += timedelta(days=1) if what == "day" else timedelta(minutes=1)
        try:
            if what == "day":
                world.do(models.retire_due, on=now.date(), now=now)
            elif what == "answer":
                answer(world, digests[rest[0]], rest[1], rest[2], now=now)
            elif what == "adopt":
                adopted(world, digests[rest[0]], (rest[1],), now=now)
            elif what == "publish":
                published(world, digests[rest[0]], rest[1], now=now)
            else:
                world.do(models.retire, digests[rest[0]], reason=str(n), by=rest[1], on=now.date(), now=now)
        except CreditReviewError:
            pass
        ledger.check()
        holds(world, now.date(), seen)


def holds(world, today, seen):
    every = {one.digest: one for one in world.find(ModelVersion)}
    assert len([one for one in every.values() if models.holds_on(one, today)]) <= 1
    documents = {one.digest: one for one in world.find(GovernedDocument)}
    for digest, one in every.items():
        assert seen[digest] == one.status or one.status in reachable(seen[digest])
        seen[digest] = one.status
        assert one.validated_by not in one.developers.split("|")
        if one.status == ModelStatus.IN_FORCE:
            assert one.validated_by and documents[digest].adopted_at is not None


def reachable(status):
    """Where one step, or two in one transaction (in force, and ended by then), lead."""
    direct = set(MODEL_NEXT[ModelStatus(status)])
    return direct | {after for one in direct for after in MODEL_NEXT[one]}


# --- what the log says of them ----------------------------------------------------------------------------------------------------------


def test_log_and_inventory_agree_and_a_status_changed_by_hand_is_found(world):
    in_turn(world, card("1"), card("2", valid_from="2027-01-01"))
    world.do(models.retire_due, on=date(2027, 1, 1), now=NOON)
    third = draft(world, card("3"))
    answer(world, third.digest)
    answer(world, third.digest, verdict=REJECTED, now=NOON + timedelta(hours=1))
    assert compare_with_tables(world.store.engine) == []
    validated = {"status": "validated", "validated_by": "p-cfo", "validated_at": NOON, "report_digest": REPORT}
    world.do(lambda uow: uow.change(ModelVersion, where={"digest": third.digest}, to=validated))
    [found] = compare_with_tables(world.store.engine)
    assert f"model_version {third.digest}" in found.what


def test_scorecards_adopted_before_the_inventory_are_taken_over_as_they_stand(sqlite_url, clock, tmp_path):
    """The migration itself, on a database of the version before; and the log's older entries say the same."""
    from alembic import command
    from sqlalchemy import create_engine, text

    from credit_review.adapters.store import schema

    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection, connection.begin():
        command.upgrade(schema._config(connection), "0007")
        for n, (name, adopted) in enumerate((("one", "2026-01-05"), ("two", "2026-03-01"), ("three", ""))):
            connection.execute(
                text("INSERT INTO governed_document VALUES (:d, 'scorecard', 'scorecard.json', :c, 'p-three', :s, :a)"),
                {
                    "d": str(n) * 64,
                    "c": card(name),
                    "s": f"2026-01-0{n + 1}T00:00:00.000000Z",
                    "a": f"{adopted}T00:00:00.000000Z" if adopted else None,
                },
            )
        command.upgrade(schema._config(connection), "head")
    engine.dispose()
    world_store = open_store(f"sqlite:///{tmp_path / 'old.db'}", clock)
    with world_store.read() as uow:
        found = uow.find(ModelVersion, order_by=("version",))
        assert [(one.title, one.status, one.tier) for one in found] == [
            ("one", "retired", 2),
            ("two", "in_force", 2),
            ("three", "draft", 2),
        ]
        assert models.require_usable(uow, "1" * 64, on=TODAY, keys=()).valid_from == date(2026, 3, 1)
    world_store.close()
