"""A challenger is read by a process without credentials, only when it is the one described and registered; else a sentence says why."""

import io
import json
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from boosted import fitted, rows, written
from test_model_file import node, opened, packed, with_node

from credit_review.adapters import apart, challengers
from credit_review.challenger import card, columns, fitting, stored
from credit_review.errors import BadInput, Refused

PROBE = """
import json, os, socket, sys
sys.path.insert(0, {root!r})
from credit_review.adapters import apart
sent = sys.stdin.buffer.read()
seen = {{"environment": dict(os.environ), "folder": os.listdir("."), "argv": sys.argv, "isolated": sys.flags.isolated}}
apart.shut_in()
def refused(act):
    try:
        act()
    except OSError as error:
        return error.errno
seen["open"] = refused(lambda: open("/etc/hostname"))
seen["write"] = refused(lambda: open("/tmp/escaped", "w"))
seen["connect"] = refused(socket.socket)
seen["pipe"] = refused(os.pipe)
print("refused")
print(json.dumps([json.dumps(seen), "", ""]))
"""


def other_model(data):
    """The challenger as if these bytes were its model."""
    model = card.ModelFile(sha256=sha256(data).hexdigest(), size=len(data))
    return fitting.Fitted(fitted().card.model_copy(update={"model": model}), data)


@pytest.fixture
def held(tmp_path):
    return written(tmp_path)


def test_probabilities_from_the_process_apart_are_those_of_the_trees(held):
    frame = rows()[0]
    own = fitting.predicted(stored.unpacked(held.model), columns.matrix(frame, held.card.features))
    assert np.array_equal(challengers.predict(held, frame), own)


def test_the_process_has_no_environment_no_folder_and_can_open_neither_file_nor_connection(held, monkeypatch):
    monkeypatch.setenv("CREDIT_REVIEW_TOKEN_KEY", "zz-secret")
    root = str(challengers.Path(challengers.__file__).parents[2])
    probe = [sys.executable, "-I", "-c", PROBE.format(root=root)]
    monkeypatch.setattr(apart, "command", lambda *_, **how: probe if how == {"isolated": True} else [])
    with pytest.raises(BadInput) as told:
        challengers.predict(held, rows()[0])
    seen = json.loads(told.value.what)
    assert set(seen["environment"]) - {"LC_CTYPE"} == {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    assert (seen["folder"], seen["argv"], seen["isolated"]) == ([], ["-c"], 1)
    assert {seen[what] for what in ("open", "write", "connect", "pipe")} == {24}  # too many open files


def test_a_swapped_model_file_is_refused_by_its_digest(held, tmp_path):
    (tmp_path / "challenger.skops").write_bytes(fitted(seed=2).model)
    with pytest.raises(BadInput, match=r"challenger.skops is not the model that its description names"):
        challengers.read(tmp_path / "challenger.json", known_as="challenger.json")


def test_a_file_that_is_missing_is_named(held, tmp_path):
    (tmp_path / "challenger.skops").unlink()
    with pytest.raises(BadInput, match=r"challenger.skops cannot be read: No such file"):
        challengers.read(tmp_path / "challenger.json", known_as="challenger.json")


def test_only_a_registered_digest_may_be_loaded_and_a_changed_description_is_another_digest(held, tmp_path):
    challengers.require_registered(held, lambda digest: digest == held.digest)
    with pytest.raises(Refused, match="is not registered and signed"):
        challengers.require_registered(held, lambda digest: None)
    path = tmp_path / "challenger.json"
    path.write_text(path.read_text().replace('"name": "Challenger"', '"name": "Champion"'))
    other = challengers.read(path, known_as="challenger.json")
    with pytest.raises(Refused, match=f"the challenger with digest {other.digest[:12]} is not registered"):
        challengers.require_registered(other, lambda digest: digest == held.digest)


@pytest.mark.parametrize("library", card.LIBRARIES)
def test_another_version_of_a_library_is_refused_by_name(held, monkeypatch, library):
    monkeypatch.setattr(challengers, "installed", lambda: held.card.libraries | {library: "0.1"})
    with pytest.raises(BadInput, match=f"was fitted with {library} .*, and 0.1 is installed"):
        challengers.predict(held, rows()[0])


def test_features_that_lack_a_column_or_hold_text_are_refused_by_name(held):
    with pytest.raises(BadInput, match="the features lack the column months, which the challenger was fitted with"):
        challengers.predict(held, rows()[0].drop(columns="months"))
    with pytest.raises(BadInput, match="the column late of the features is no number"):
        columns.matrix(pd.DataFrame({"late": ["x"]}), held.card.features[:1])


@pytest.mark.soak
def test_a_refusal_inside_the_process_comes_out_as_the_same_sentence(tmp_path):
    hostile = with_node(node("os", "system", "FunctionNode", content="system"))
    with pytest.raises(BadInput) as told:
        challengers.predict(written(tmp_path, other_model(hostile)), rows()[0])
    assert told.value.what == "the challenger's model file is refused: it holds os.system (FunctionNode)"


@pytest.mark.soak
def test_trees_that_lead_outside_their_arrays_end_that_process_and_nothing_else(tmp_path):
    members = opened(fitted().model)
    for name, data in members.items():
        nodes = np.load(io.BytesIO(data)) if name.endswith(".npy") else np.zeros(0)
        if nodes.dtype.names:
            nodes["left"] = nodes["right"] = 4_000_000_000
            nodes["is_leaf"] = 0
            with io.BytesIO() as out:
                np.save(out, nodes)
                members[name] = out.getvalue()
    with pytest.raises(BadInput, match="its process ended with code -11"):
        challengers.predict(written(tmp_path, other_model(packed(members.items()))), rows()[0])


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "its process ended with code -11"),
        ("print('done\\nrubbish')", "its answer cannot be read"),
        ("import time; time.sleep(60)", "it takes more than 2 seconds"),
    ],
)
def test_a_process_that_dies_hangs_or_answers_rubbish_is_told_as_a_sentence(held, monkeypatch, program, words):
    monkeypatch.setattr(apart, "command", lambda *_, **__: [sys.executable, "-I", "-c", program])
    with pytest.raises(BadInput, match=words):
        challengers.predict(held, rows()[0], seconds=1)


@pytest.mark.parametrize(
    ("values", "words"), [([0.5, 1.5], "no probability"), ([0.5], "it answered for 1 of 2 rows"), ([0.1, np.nan], "no probability")]
)
def test_an_answer_is_believed_no_further_than_what_it_must_be(held, monkeypatch, tmp_path, values, words):
    answer = tmp_path / "answer"
    answer.write_bytes(b"done\n" + challengers._arrow(pd.DataFrame({"probability": values})))
    monkeypatch.setattr(apart, "command", lambda *_, **__: ["cat", str(answer)])
    with pytest.raises(BadInput, match=words):
        challengers.predict(held, rows()[0].head(2))


def test_a_process_apart_has_bounds_on_memory_and_time():
    code = "from credit_review.adapters import apart; apart.bound(memory=60_000_000, seconds=1); bytes(10**9)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
