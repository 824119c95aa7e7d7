"""Checkpoints: what the notary signs, where they are kept, and what `audit verify` says with them, on both databases."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import pytest
from sqlalchemy import text

from credit_review import audit, notary
from credit_review.adapters.store.verify import Status
from credit_review.audit.notes import WITNESS_KEY, SigningKey, open_note
from credit_review.errors import BadInput, Tampered, Unavailable
from tests.audit.notary_world import KEY, NEXT_KEY, ORIGIN, World, directory, git
from tests.store.meddling import as_administrator


@pytest.fixture
def world(store, clock, tmp_path):
    """A log of three entries, and two anchors of different administrators."""
    made = World(store, clock, tmp_path, [directory(tmp_path, "worm", "storage team"), git(tmp_path)])
    made.grow()
    return made


def test_a_log_that_two_administrators_hold_is_verified(world):
    assert world.verdict().status == Status.CANNOT_TELL
    done = world.notarise()
    assert done.signed and done.size == 3 and done.confirmed == {"worm": 3, "repository": 3} and not done.failed and not done.overdue
    found = world.verdict()
    assert found.status == Status.VERIFIED and found.exit_code == 0 and found.anchoring.newest == {"worm": 3, "repository": 3, **COPY}


NAME_2 = "0001-0000000000000002"
COPY = {"the copy in the database": 3}


def test_what_was_signed_is_the_root_of_the_log_under_its_origin(world):
    world.notarise()
    (note,) = world.anchors[0].held()
    opened = open_note(note, [KEY.key])
    assert (opened.checkpoint.origin, opened.checkpoint.size, opened.checkpoint.root) == (ORIGIN, 3, world.verdict().root)
    assert world.anchors[1].held() == [note] == world.log.checkpoints()


def test_nothing_new_is_signed_while_nothing_happened(world):
    world.notarise()
    assert not world.notarise().signed and len(world.anchors[0].held()) == 1


def test_two_anchors_of_one_administrator_count_as_one(world):
    world.anchors[1] = directory(world.folder, "second", "storage team")
    world.notarise()
    found = world.verdict()
    assert found.status == Status.CANNOT_TELL and "only 1 of the 2 administrators" in found.finding


def test_the_copy_in_the_database_anchors_nothing(world):
    world.notarise()
    assert world.verdict(anchors=[]).status == Status.CANNOT_TELL


def test_entries_after_the_newest_checkpoint_may_be_young_but_not_old(world):
    world.notarise()
    world.grow()
    assert world.verdict().status == Status.VERIFIED
    world.clock.advance(timedelta(minutes=31))
    found = world.verdict()
    assert found.status == Status.CANNOT_TELL and "anchored only up to entry 3" in found.finding


def test_an_old_checkpoint_shown_as_the_newest_is_noticed_by_its_age(world):
    """T-40."""
    world.notarise()
    world.grow()
    world.clock.advance(timedelta(hours=1))
    world.notarise()
    assert world.verdict().status == Status.VERIFIED
    for anchor in (world.folder / "worm").glob("*6.checkpoint"):
        anchor.unlink()
    assert world.verdict().status == Status.CANNOT_TELL


def test_a_log_rewritten_from_its_first_entry_is_found(world, clock):
    """T-30: consistent by itself, and another log than the one that others hold."""
    world.notarise()
    rewritten(world)
    found = world.verdict()
    assert found.status == Status.TAMPERED and "rewritten" in found.finding


def rewritten(world):
    """The whole log written again with another first entry, by somebody who may do anything."""
    entries = [
        audit.build(audit.genesis(), [entry("config:other"), entry("config:1"), entry("config:2")], now=world.clock.now(), salt=lambda: "")
    ]
    with as_administrator(world.store) as connection:
        connection.execute(text("DELETE FROM audit_log"))
        for row in entries[0].rows:
            connection.execute(
                text("INSERT INTO audit_log VALUES (:seq, :prev, :leaf, :action, :actor, :entity, :ts, :body)"),
                {name: getattr(row, name) for name in ("seq", "prev", "leaf", "action", "actor", "entity", "ts", "body")},
            )
        head = entries[0].head
        connection.execute(
            text("UPDATE audit_head SET size = :size, leaf = :leaf, ts = :ts, frontier = :frontier"),
            {"size": head.size, "leaf": head.leaf, "ts": head.ts, "frontier": head.frontier},
        )


def entry(name):
    from credit_review.ports import Entry

    return Entry(action=audit.Action.CONFIG_LOADED, actor="system:test", entity=name)


def test_a_tail_that_was_cut_is_found(world):
    """T-11: an earlier state of the database, consistent by itself."""
    world.notarise()
    world.grow()
    world.notarise()
    built = audit.build(audit.genesis(), [entry("config:0"), entry("config:1"), entry("config:2")], now=world.clock.now(), salt=lambda: "")
    with as_administrator(world.store) as connection:
        connection.execute(text("DELETE FROM audit_log WHERE seq >= 3"))
        connection.execute(
            text("UPDATE audit_head SET size = 3, leaf = :leaf, ts = :ts, frontier = :frontier"),
            {"leaf": built.head.leaf, "ts": built.head.ts, "frontier": built.head.frontier},
        )
    found = world.verdict()
    assert found.status == Status.TAMPERED and "the tail is cut" in found.finding
    with pytest.raises(audit.TamperedEntry):
        world.notarise()


def test_the_notary_signs_nothing_that_it_did_not_verify(world):
    world.notarise()
    world.grow()
    with as_administrator(world.store) as connection:
        connection.execute(text("UPDATE audit_log SET entity = 'config:else' WHERE seq = 4"))
    with pytest.raises(audit.TamperedEntry):
        world.notarise()
    assert list(world.book.notes()) == ["0001-0000000000000003"] and len(world.anchors[0].held()) == 1


def test_the_notary_refuses_a_log_rewritten_before_what_it_signed(world):
    world.notarise()
    rewritten(world)
    world.grow()
    with pytest.raises(audit.TamperedEntry):
        world.notarise()


def test_the_notary_without_its_memory_still_refuses_a_history_that_its_notes_contradict(world):
    world.notarise()
    (world.folder / "notary" / "memory.json").unlink()
    rewritten(world)
    world.grow()
    with pytest.raises(audit.TamperedEntry, match="rewritten"):
        world.notarise()
    assert len(world.book.notes()) == 1


def test_an_anchor_that_holds_another_note_is_a_finding_and_the_others_get_theirs(world):
    world.anchors[0].keep("0001-0000000000000003", "another")
    with pytest.raises(Tampered, match="another checkpoint"):
        world.notarise()
    assert len(world.anchors[1].held()) == 1


def test_an_anchor_that_was_away_gets_what_it_missed_in_order(world):
    away = world.folder / "worm"
    away.rename(world.folder / "away")
    for _ in range(3):
        done = world.notarise()
        assert "cannot be reached" in done.failed["worm"] and done.confirmed.get("worm") is None
        world.grow()
    assert world.verdict().status == Status.CANNOT_TELL
    (world.folder / "away").rename(away)
    done = world.notarise()
    assert done.confirmed == {"worm": 12, "repository": 12} and len(world.anchors[0].held()) == 4
    assert world.verdict().status == Status.VERIFIED


def test_an_anchor_that_stays_away_is_an_alarm(world):
    shutil.rmtree(world.folder / "worm")
    world.clock.advance(timedelta(minutes=31))
    (late,) = world.notarise().overdue
    assert "anchor worm holds nothing after entry 0" in late


def test_an_anchor_never_replaces_what_it_holds(world):
    world.notarise()
    with pytest.raises(Tampered):
        world.anchors[0].keep("0001-0000000000000003", "another")
    with pytest.raises(Tampered):
        world.anchors[1].keep("0001-0000000000000003", "another")
    assert len(set(world.anchors[0].held())) == 1


def test_a_note_that_no_known_key_signed_is_a_finding(world):
    """T-23: a forged checkpoint, in an anchor or in the database."""
    world.notarise()
    thief = SigningKey.from_seed(ORIGIN, b"\7" * 32)
    from credit_review.audit.notes import Checkpoint, sign

    world.anchors[0].keep(NAME_2, sign(Checkpoint(ORIGIN, 2, "ab" * 32).text(), thief))
    found = world.verdict()
    assert found.status == Status.TAMPERED and "signed by no known key" in found.finding


def test_two_logs_under_one_origin_are_found(world):
    """T-39: the key signed another history as well, and showed it to somebody else."""
    from credit_review.audit.notes import Checkpoint, sign

    world.notarise()
    world.anchors[0].keep(NAME_2, sign(Checkpoint(ORIGIN, 2, "ab" * 32).text(), KEY))
    assert "holds another root" in world.verdict().finding


def test_a_key_hands_over_by_an_entry_that_both_signed(world):
    world.notarise()
    hand_over(world)
    world.key = NEXT_KEY
    world.grow()
    assert world.notarise().signed and world.verdict().status == Status.VERIFIED


def hand_over(world, **changed):
    with world.log.reading() as view:
        found = audit.verify_rows(view.rows, view.payloads, view.head, keep={audit.Action.KEY_ROTATED, audit.Action.LOG_RESTORED})
    data = notary.handed_over(world.trust, found, KEY, NEXT_KEY) | changed
    world.grow(1, action=audit.Action.KEY_ROTATED, entity="log:" + ORIGIN, data=data)


def test_after_that_the_old_key_signs_for_nothing_new(world):
    hand_over(world)
    with pytest.raises(BadInput, match="one that may sign now"):
        world.notarise()
    from credit_review.audit.notes import Checkpoint, sign

    world.key = NEXT_KEY
    world.grow()
    world.notarise()
    forged = sign(Checkpoint(ORIGIN, 5, world.verdict().found.root).text(), KEY)
    world.anchors[0].keep("0001-0000000000000005", forged)
    assert "no key in force" in world.verdict().finding


@pytest.mark.parametrize("changed", [{"note": "x"}, {"old": NEXT_KEY.key.text()}, {"new": KEY.key.text()}])
def test_a_forged_rotation_is_a_finding(world, changed):
    """T-41."""
    world.notarise()
    hand_over(world, **changed)
    found = world.verdict()
    assert found.status == Status.TAMPERED and "a key was rotated" in found.finding
    world.key = NEXT_KEY
    with pytest.raises(audit.TamperedEntry):
        world.notarise()


def test_a_rotation_to_a_key_of_another_type_is_a_finding(world):
    world.notarise()
    witness = SigningKey.from_seed(ORIGIN, b"\6" * 32, kind=WITNESS_KEY)
    text = f"{ORIGIN}\nkey rotation\n{KEY.key.text()}\n{witness.key.text()}\n"
    from credit_review.audit.notes import sign

    hand_over(world, new=witness.key.text(), note=sign(text, KEY) + witness.line(text, unix_seconds=1))
    assert "without the signatures of both keys" in world.verdict().finding


def test_a_rotation_under_another_incarnation_is_a_finding(world):
    from credit_review.audit.anchored import rotation

    world.notarise()
    hand_over(world, note=rotation(ORIGIN[:-1] + "2", KEY, NEXT_KEY))
    data = {"before": ORIGIN, "origin": ORIGIN[:-1] + "2", "lost_size": 3, "lost_root": "ab" * 32}
    world.grow(1, action=audit.Action.LOG_RESTORED, entity="log:" + ORIGIN, data=data)
    assert "without the signatures of both keys" in world.verdict().finding


def test_a_rotation_signed_by_the_new_key_alone_is_a_finding(world):
    from credit_review.audit.anchored import rotation

    world.notarise()
    thief = SigningKey.from_seed("thief", b"\7" * 32)
    hand_over(world, note=rotation(ORIGIN, thief, NEXT_KEY))
    assert world.verdict().status == Status.TAMPERED


def test_a_restore_opens_an_incarnation_that_commits_to_what_was_lost(world):
    """F22: a backup of 3 entries is restored after 6 were anchored; an entry says so, and the notary goes on under the new name."""
    world.notarise()
    world.grow()
    lost = world.notarise()
    cut_to_three(world)
    assert world.verdict().status == Status.TAMPERED
    data = {"before": ORIGIN, "origin": ORIGIN[:-1] + "2", "lost_size": lost.size, "lost_root": lost.root}
    world.grow(1, action=audit.Action.LOG_RESTORED, entity="log:" + ORIGIN, data=data)
    done = world.notarise()
    assert done.signed and done.size == 4
    found = world.verdict()
    assert found.status == Status.VERIFIED and found.anchoring.lost == 3
    world.grow()
    world.notarise()
    assert world.verdict().status == Status.VERIFIED


def cut_to_three(world):
    built = audit.build(audit.genesis(), [entry("config:0"), entry("config:1"), entry("config:2")], now=world.clock.now(), salt=lambda: "")
    with as_administrator(world.store) as connection:
        connection.execute(text("DELETE FROM audit_log WHERE seq >= 3"))
        connection.execute(text("DELETE FROM audit_checkpoint WHERE size > 3"))
        connection.execute(
            text("UPDATE audit_head SET size = 3, leaf = :leaf, ts = :ts, frontier = :frontier"),
            {"leaf": built.head.leaf, "ts": built.head.ts, "frontier": built.head.frontier},
        )


@pytest.mark.parametrize("changed", [{"lost_size": 5}, {"lost_root": "ab" * 32}, {"before": "company.example/other/1"}, {"origin": ORIGIN}])
def test_a_restore_that_says_less_than_was_lost_is_a_finding(world, changed):
    world.notarise()
    world.grow()
    lost = world.notarise()
    cut_to_three(world)
    data = {"before": ORIGIN, "origin": ORIGIN[:-1] + "2", "lost_size": lost.size, "lost_root": lost.root} | changed
    world.grow(1, action=audit.Action.LOG_RESTORED, entity="log:" + ORIGIN, data=data)
    assert world.verdict().status == Status.TAMPERED
    with pytest.raises(audit.TamperedEntry):
        world.notarise()


def test_where_a_witness_is_asked_for_only_what_it_cosigned_counts(world):
    witness = SigningKey.from_seed("audit.company.example/w1", bytes(range(1, 33)), kind=WITNESS_KEY)
    world.notarise()
    world.with_trust(witnesses=(witness.key,))
    assert world.verdict().status == Status.CANNOT_TELL
    (note,) = world.anchors[0].held()
    cosigned = note + witness.line(note.partition("\n\n")[0] + "\n", unix_seconds=1_790_000_000)
    for name, administrator in (("w1", "internal audit"), ("w2", "auditors")):
        kept = directory(world.folder, name, administrator)
        kept.keep("0001-0000000000000003", cosigned)
        world.anchors.append(kept)
    assert world.verdict().status == Status.VERIFIED and world.verdict().anchoring.cosigned == 3


def test_a_verifier_that_remembers_an_earlier_root_finds_a_rewrite_by_itself(world):
    earlier = world.verdict()
    world.grow()
    assert world.verdict(known=[(earlier.size, earlier.root)]).status == Status.CANNOT_TELL
    rewritten(world)
    assert world.verdict(known=[(earlier.size, earlier.root)]).status == Status.TAMPERED
    assert "tail is cut" in world.verdict(known=[(9, earlier.root)]).finding


def test_a_second_notary_waits_outside(world):
    with world.book.alone(), pytest.raises(Unavailable, match="another notary"), world.book.alone():
        pass


def test_what_it_remembers_is_its_own_and_a_damaged_memory_is_said(world):
    world.notarise()
    path = world.folder / "notary" / "memory.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(BadInput, match="damaged"):
        world.notarise()
    path.unlink()
    world.grow()
    assert world.notarise().signed and world.verdict().status == Status.VERIFIED


def test_notes_are_readable_by_all_and_changed_by_nobody(world):
    world.notarise()
    (path,) = (world.folder / "worm").glob("*.checkpoint")
    assert path.stat().st_mode & 0o777 == 0o444 and os.access(path, os.R_OK)
