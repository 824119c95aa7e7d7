"""Signed checkpoints and keys: the forms of C2SP, and what no note may get past."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review.audit.notes import WITNESS_KEY, BadNote, Checkpoint, SigningKey, VerificationKey, open_note, sign, signed_text

ROOT = "2cca00ad21731acd56bc0c2c85b62c5809a8aa6906ab8f6e5fccfd1a81015d3e"
LOG = SigningKey.from_seed("company.example/credit-audit/1", bytes(range(32)))
WITNESS = SigningKey.from_seed("audit.company.example/w1", bytes(range(1, 33)), kind=WITNESS_KEY)
AT_3 = Checkpoint("company.example/credit-audit/1", 3, ROOT)
# published with the signed-note format (golang.org/x/mod/sumdb/note)
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_published_key_and_note_are_read_and_hold():
    key = VerificationKey.read(PUBLISHED_KEY)
    text, signed = signed_text(PUBLISHED_NOTE, [key])
    assert text.startswith("If you think") and signed == {key.id: None} and key.text() == PUBLISHED_KEY


def test_a_checkpoint_is_three_lines_and_opens_again():
    note = sign(AT_3.text(), LOG)
    assert note.splitlines()[:3] == ["company.example/credit-audit/1", "3", base64.b64encode(bytes.fromhex(ROOT)).decode()]
    opened = open_note(note, [LOG.key])
    assert opened.checkpoint == AT_3 and opened.signed_by == {LOG.key.id: None}


def test_a_witness_adds_its_signature_and_the_time_it_saw_the_checkpoint():
    note = sign(AT_3.text(), LOG) + WITNESS.line(AT_3.text(), unix_seconds=1_790_000_000)
    assert open_note(note, [LOG.key, WITNESS.key]).signed_by == {LOG.key.id: None, WITNESS.key.id: 1_790_000_000}
    assert open_note(note, [LOG.key]).signed_by == {LOG.key.id: None}


def test_keys_survive_their_files_and_hide_their_secret():
    for key in (LOG, WITNESS):
        assert SigningKey.read(key.secret_text()).key == key.key
        assert VerificationKey.read(key.key.text()) == key.key
        assert key.secret_text() not in repr(key) and key.private.private_bytes_raw().hex() not in repr(key)


@pytest.mark.parametrize(
    "text",
    ["", "x", "PRIVATE+KEY+a+00000000+AA==", PUBLISHED_KEY, LOG.secret_text().replace("/1+", "/2+"), LOG.secret_text()[:-4]],
)
def test_what_is_no_signing_key_is_refused_without_showing_it(text):
    with pytest.raises(BadNote) as refused:
        SigningKey.read(text)
    assert text == "" or text == "x" or text not in refused.value.text()


@pytest.mark.parametrize("text", ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", PUBLISHED_KEY[:-4]])
def test_what_is_no_verification_key_is_refused(text):
    with pytest.raises(BadNote):
        VerificationKey.read(text)


def test_a_note_signed_by_nobody_known_is_refused():
    with pytest.raises(BadNote, match="no known key"):
        open_note(sign(AT_3.text(), LOG), [WITNESS.key])


def test_a_key_of_the_same_name_and_another_secret_does_not_sign_for_it():
    thief = SigningKey.from_seed(LOG.key.name, b"\7" * 32)
    with pytest.raises(BadNote):
        open_note(sign(AT_3.text(), thief), [LOG.key])
    forged = sign(AT_3.text(), thief).replace(
        base64.b64encode(thief.key.hash + thief.private.sign(AT_3.text().encode())).decode(),
        base64.b64encode(LOG.key.hash + thief.private.sign(AT_3.text().encode())).decode(),
    )
    with pytest.raises(BadNote, match="does not hold"):
        open_note(forged, [LOG.key])


@pytest.mark.parametrize(
    "text",
    [
        "company.example/log/1\n3\n\n",
        "company.example/log/1\n03\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "company.example/log/1\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "company.example/log/1\n9007199254740992\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "company.example/log/1\n3\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "company.example/log/1\n3\nnot base64!\n",
        "company.example/log\n3\n" + base64.b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(BadNote):
        open_note(sign(text, LOG), [LOG.key])


@settings(max_examples=200)
@given(st.data())
def test_no_changed_note_opens_as_another_checkpoint(data):
    note = sign(AT_3.text(), LOG)
    at = data.draw(st.integers(0, len(note) - 1))
    changed = note[:at] + data.draw(st.characters(blacklist_categories=("Cs",))) + note[at + data.draw(st.integers(0, 2)) :]
    with contextlib.suppress(BadNote):
        assert open_note(changed, [LOG.key]).checkpoint == AT_3


@pytest.mark.parametrize("text", [AT_3.text() + "more\n", AT_3.text().replace("4=\n", "5=\n"), AT_3.text().replace("\n3\n", "\n03\n")])
def test_a_text_that_is_more_or_other_than_the_three_lines_is_no_checkpoint(text):
    with pytest.raises(BadNote):
        open_note(sign(text, LOG), [LOG.key])


def test_a_signature_line_that_is_no_base64_makes_it_no_note():
    with pytest.raises(BadNote):
        open_note(sign(AT_3.text(), LOG) + "— somebody A=A\n", [LOG.key])
