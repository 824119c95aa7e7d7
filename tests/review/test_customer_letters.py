"""Letters to customers: of which changes, in which language, drafted once, released by a person, never beside a notice; both databases."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from hashlib import sha256
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from decision_world import NOON, POLICY_TEXT, World, document
from hypothesis import given
from hypothesis import strategies as st
from test_apply import approved
from test_notices import signed

from credit_review import documents, policy
from credit_review.adapters import letter_files
from credit_review.errors import BadInput, Refused
from credit_review.letters import PLACEHOLDERS, Letter, as_text, builtin, parsed
from credit_review.model.records import CustomerLetter
from credit_review.model.states import LetterKind
from credit_review.review.customer_letters import Page, Releasing, draft, drop, kind_of, send
from credit_review.words import LANGUAGES, Words, words_for

BERLIN = ZoneInfo("Europe/Berlin")
ALL = "[increase, reduction, terms, first, temporary, ended]"
LETTERS = f"\nletters:\n  - kinds: {ALL}\n"


def with_letters(section):
    """The starter's policy with this section in the place of its own."""
    assert POLICY_TEXT.count("\nletters: []") == 1
    head, _, rest = POLICY_TEXT.partition("\nletters: []")
    return f"{head}\n{section.strip()}\n{rest.partition(chr(10))[2]}"


class Scribe:
    """Writes pages into memory."""

    def __init__(self):
        self.pages, self.wanted = {}, []

    def write(self, wanted):
        self.wanted += wanted
        return [self.page(one) for one in wanted]

    def page(self, one):
        text = f"{one.name}: {one.kind}"
        self.pages[one.letter_id] = text
        return Page(one.language or "en", f"{one.letter_id}.html", sha256(text.encode()).hexdigest())


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    return World(store)


def adopt(world, text):
    policy.load(documents.parse(with_letters(text), name="policy.yaml"))
    world.write(document(with_letters(text), "policy", adopted_at=NOON))


def applied(world, customer="c-1", *, had=50_000_00, to=60_000_00, **fields):
    proposal = approved(world, customer, had=had, to=to, **signed(customer, to, had=had, **fields))
    assert world.apply(proposal).state == "applied"
    return proposal


def drafted(world, clock, scribe, segments=None):
    return draft(world.store, clock, zone=BERLIN, segments=lambda ids: segments or {}, write=scribe.write)


def acting(world, clock, act, *args, who="p-analyst", **fields):
    with world.store.begin() as uow:
        done = act(uow, *args, Releasing.admitted(uow, who, clock.now(), BERLIN), **fields)
        uow.commit()
        return done


# --- which changes ------------------------------------------------------------------------------------------------------------------


def test_without_letters_in_the_policy_none_is_drafted_and_nothing_stays_owed(world, clock):
    applied(world)
    scribe = Scribe()
    assert drafted(world, clock, scribe).none == 1 and scribe.wanted == [] and world.find(CustomerLetter) == []
    assert [row.state for row in world.owed("letter")] == ["confirmed"]


def change(**fields):
    known = {
        "kind": "decision", "old_minor": 5, "new_minor": 9, "old_terms_days": 30, "new_terms_days": 30, "effective_to": None,
    }  # fmt: skip
    return SimpleNamespace(**(known | fields))


@pytest.mark.parametrize(
    ("fields", "layer", "kind"),
    [
        ({}, "base", "increase"),
        ({"new_minor": 2}, "base", "reduction"),
        ({"new_minor": 5, "new_terms_days": 14}, "base", "terms"),
        ({"new_minor": 5}, "base", None),
        ({"old_minor": None}, "base", "first"),
        ({"effective_to": date(2026, 12, 1)}, "temporary", "temporary"),
        ({"kind": "reversal"}, "temporary", "ended"),
        ({"kind": "opening"}, "base", None),
        ({}, "ceiling", None),
        ({}, "group", None),
    ],
)
def test_a_letter_is_about_what_changed_and_bounds_that_are_ours_are_not_written_of(fields, layer, kind):
    assert kind_of(change(**fields), layer) == kind


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ("[{kinds: [increase], statuses: [sleepy]}]", "letters[0].statuses[0]: unknown credit status 'sleepy'"),
        ("[{kinds: [increase]}, {kinds: [increase], minimum_change: 5}]", "letters[1]: the rule can never fire"),
        ("[{kinds: [rise]}]", "letters[0].kinds[0]"),
        ("[{kinds: []}]", "letters[0].kinds"),
    ],
)
def test_a_rule_of_letters_that_makes_no_sense_is_named_by_line_and_field(rules, where):
    with pytest.raises(BadInput, match=re.escape(where)):
        policy.load(documents.parse(with_letters(f"letters: {rules}"), name="policy.yaml"))


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        ("kinds: [increase]", True),
        ("kinds: [reduction]", False),
        ("kinds: [increase], statuses: [active]", True),
        ("kinds: [increase], statuses: [dormant]", False),
        ("kinds: [increase], segments: [retail]", True),
        ("kinds: [increase], segments: [export]", False),
        ("kinds: [increase], minimum_change: 10000", True),
        ("kinds: [increase], minimum_change: 10000.01", False),
    ],
)
def test_policy_says_by_kind_class_segment_and_least_change_who_is_written_to(sqlite_store, clock, rule, written):
    world = World(sqlite_store)
    applied(world)
    adopt(world, f"\nletters:\n  - {{{rule}}}\n")
    drafted(world, clock, Scribe(), {"c-1": "retail"})
    assert bool(world.find(CustomerLetter)) == written


def test_the_language_is_that_of_the_customers_region(sqlite_store, clock):
    world, scribe = World(sqlite_store), Scribe()
    text = with_letters(LETTERS).replace("  profile: none", "  languages: {CN: zh_CN}\n  profile: none")
    assert "zh_CN" in text
    applied(world, "c-1", region="CN"), applied(world, "c-2", region="DE")
    world.write(document(text, "policy", adopted_at=NOON))
    drafted(world, clock, scribe)
    assert {one.customer_id: one.language for one in scribe.wanted} == {"c-1": "zh_CN", "c-2": ""}


# --- once ---------------------------------------------------------------------------------------------------------------------------


def test_a_letter_is_drafted_once_with_its_digest_in_the_log(world, clock):
    applied(world)
    adopt(world, LETTERS)
    scribe = Scribe()
    done = drafted(world, clock, scribe)
    (letter,), (entry,) = world.find(CustomerLetter), world.entries("letter.drafted")
    assert done.letters == (letter.letter_id,) and (letter.kind, letter.state) == ("increase", "draft")
    assert entry["data"]["sha256"] == letter.sha256 == sha256(scribe.pages[letter.letter_id].encode()).hexdigest()
    assert drafted(world, clock, scribe).letters == () and len(scribe.wanted) == 1


def test_a_crash_while_writing_and_a_bad_template_leave_the_letter_owed(world, clock):
    applied(world)
    adopt(world, LETTERS)

    def fails(wanted):
        raise BadInput("increase.en.txt line 3: unknown placeholder {nmae}")

    with pytest.raises(BadInput):
        draft(world.store, clock, zone=BERLIN, segments=lambda ids: {}, write=fails)
    assert [row.state for row in world.owed("letter")] == ["queued"]
    assert len(drafted(world, clock, Scribe()).letters) == 1


def test_two_runs_at_once_draft_each_letter_once(world, clock):
    for n in range(3):
        applied(world, f"c-{n}")
    adopt(world, LETTERS)
    both = threading.Barrier(2)

    class Together(Scribe):
        def write(self, wanted):
            if not self.wanted:
                both.wait(20)
            return super().write(wanted)

    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda scribe: drafted(world, clock, scribe), [Together(), Together()])
        assert sorted(len(one.letters) for one in done) == [0, 3], "the other run finds nothing left, and no fault"
    assert len(world.find(CustomerLetter)) == len(world.entries("letter.drafted")) == 3


# --- released by a person -----------------------------------------------------------------------------------------------------------


def test_a_person_releases_or_drops_a_letter_once_and_by_name(world, clock):
    applied(world, "c-1"), applied(world, "c-2")
    adopt(world, LETTERS)
    one, two = drafted(world, clock, Scribe()).letters
    acting(world, clock, send, one)
    with pytest.raises(BadInput):
        acting(world, clock, drop, two, reason=" ")
    acting(world, clock, drop, two, who="p-manager", reason="told by phone")
    assert {e["entity"]: (e["actor"], e["data"]["to"]) for e in world.entries("letter.sent") + world.entries("letter.dropped")} == {
        f"letter:{one}": ("person:p-analyst", "sent"),
        f"letter:{two}": ("person:p-manager", "dropped"),
    }
    for again in (one, two):
        with pytest.raises(Refused, match="already"):
            acting(world, clock, send, again)
    with pytest.raises(BadInput):
        acting(world, clock, send, "l-none")
    with pytest.raises(Refused, match="neither a worklist nor a tier"):
        acting(world, clock, send, two, who="p-deputy")


def test_what_a_notice_of_adverse_action_says_is_no_letter(world, clock):
    text = with_letters(LETTERS).replace("profile: none", "profile: us_trade_credit")
    assert "us_trade_credit" in text
    applied(world, "c-1", to=20_000_00, notice=0), applied(world, "c-2")
    world.write(document(text, "policy", adopted_at=NOON))
    done = drafted(world, clock, Scribe())
    assert done.notices == 1 and [one.customer_id for one in world.find(CustomerLetter)] == ["c-2"]


def test_a_letter_drafted_before_a_notice_was_owed_is_not_sent_beside_it(world, clock):
    proposal = applied(world, "c-1", to=20_000_00, notice=0)
    adopt(world, LETTERS)
    (letter,) = drafted(world, clock, Scribe()).letters
    text = with_letters(LETTERS).replace("profile: none", "profile: us_trade_credit")
    world.write(document(text, "policy", adopted_at=NOON + timedelta(minutes=1)))
    clock.set(NOON + timedelta(minutes=2))
    with pytest.raises(Refused, match="notice of adverse action") as refused:
        acting(world, clock, send, letter)
    assert proposal in refused.value.next_step
    acting(world, clock, drop, letter, reason="the notice says it")


# --- templates ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", LetterKind)
def test_every_kind_has_a_template_in_every_language_that_names_what_matters(kind, language):
    found = builtin(kind, language)
    text = " ".join((found.subject, *found.paragraphs))
    assert "{new_limit}" in text and "{from}" in text
    assert ("{old_limit}" in text) == (kind in ("increase", "reduction", "ended")) and ("{until}" in text) == (kind == "temporary")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("Limit\n\nDear {custmer},", "own/increase.en.txt line 3: unknown placeholder {custmer}"),
        ("Limit\n\nuntil {until}", "line 3: unknown placeholder {until}"),
        ("Limit {\n\nsome text", "line 1: unknown placeholder {"),
        ("Limit\n\nsome {new_limit.__class__}", "unknown placeholder {new_limit.__class__}"),
        ("only a subject", "line 1 is no letter"),
        ("", "line 1 is no letter"),
    ],
)
def test_a_template_that_is_not_sound_is_named_by_file_and_line(text, where):
    with pytest.raises(BadInput) as refused:
        parsed(text, name="own/increase.en.txt", kind=LetterKind.INCREASE)
    assert where in refused.value.what


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="{}\r\n"), min_size=1, max_size=30)


@given(name=TEXTS, company=TEXTS)
def test_a_letter_is_filled_with_what_others_wrote_and_its_page_shows_it_as_text(name, company):
    wanted = SimpleNamespace(name=name, currency="EUR", change=change(effective_from=date(2026, 10, 1)))
    letter = letter_files.filled(wanted, builtin(LetterKind.INCREASE, "en"), Words(), company=company, today=date(2026, 10, 1))
    assert "0.09 EUR" in letter.paragraphs[0] and letter.to == name
    assert as_text(letter).startswith(company)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_self_contained_and_escapes_what_others_wrote(language):
    words = words_for(language=language, zone="Europe/Berlin")
    letter = Letter(company="A & Co", day="today", to="<script>alert(1)</script>", subject="S", paragraphs=("{p} <b>",), foot="f")
    page = letter_files.page(letter, words)
    assert "<script" not in page and "&lt;script" in page and "{p} &lt;b&gt;" in page and f'lang="{language.replace("_", "-")}"' in page
    assert "http" not in page.replace("http-equiv", "") and "src=" not in page and "default-src &#39;none&#39;" not in page


def test_the_companys_own_template_stands_in_the_place_of_ours(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "first.en.txt").write_text("Welcome\n\nYou have {new_limit},\nfrom {from}.\n")
    (tmp_path / "own" / "frist.en.txt").write_text("typo")
    own = SimpleNamespace(letters_dir="own", path=lambda name: tmp_path / name)
    found = letter_files.template(own, LetterKind.FIRST, "en")
    assert found.paragraphs == ("You have {new_limit}, from {from}.",)
    assert letter_files.template(own, LetterKind.FIRST, "zh_CN") == builtin(LetterKind.FIRST, "zh_CN")
    assert letter_files.check(own) == 1 and letter_files.strangers(own) == ["frist.en.txt"]
    assert set(PLACEHOLDERS) == set(LetterKind)
