"""The model file: nothing but trees is in it or is read from it, and no pickle is anywhere near."""

import ast
import io
import json
import pickle
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from boosted import fitted, rows

from credit_review.challenger import columns, fitting, stored
from credit_review.errors import BadInput

ROOT = Path(__file__).parents[2]
ROOMS = ("credit_review", "deployments", "expectations", "flows", "tasks")


def opened(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def packed(members, compression=zipfile.ZIP_STORED):
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w", compression) as file:
            for name, data in members:
                file.writestr(name, data)
        return out.getvalue()


def changed(change):
    """The model file with its schema changed."""
    members = opened(fitted().model)
    schema = json.loads(members.pop(stored.SCHEMA))
    change(schema)
    return packed([*members.items(), (stored.SCHEMA, json.dumps(schema))])


def with_node(node):
    return changed(lambda schema: schema["content"]["content"].update(verbose=node))


def node(module, name, loader, **more):
    return {"__module__": module, "__class__": name, "__loader__": loader, "__id__": 1} | more


def restored(data):
    """Another skops file, told as `stored.packed` tells its own."""
    members = opened(data)
    schema = json.loads(members[stored.SCHEMA])
    names = stored._renumbered(schema)
    return packed([*((new, members[old]) for old, new in names.items()), (stored.SCHEMA, json.dumps(schema))])


def test_trees_read_back_give_the_same_probabilities_and_every_allowed_type_is_needed():
    made = fitted()
    x = columns.matrix(rows()[0], made.card.features)
    model = stored.unpacked(made.model)
    again = stored.packed(model)
    assert np.array_equal(fitting.predicted(stored.unpacked(again), x), fitting.predicted(model, x))
    met = {
        tuple(n[m] for m in ("__module__", "__class__", "__loader__"))
        for n in stored._nodes(json.loads(opened(made.model)[stored.SCHEMA]))
        if "__loader__" in n
    }
    assert met == stored.ALLOWED


def another(make):
    """Another model's file; its libraries, which take seconds, are imported here, not by each worker that only collects the tests."""
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import FunctionTransformer

    return restored(skops.io.dumps(make(LogisticRegression, FunctionTransformer)))


def test_skops_alone_would_trust_more_than_a_challenger_holds():
    import skops.io

    other = another(lambda logistic, _: logistic().fit([[0.0], [1.0]], [0, 1]))
    assert skops.io.get_untrusted_types(data=other) == []
    with pytest.raises(BadInput, match=r"it holds sklearn.linear_model._logistic.LogisticRegression"):
        stored.unpacked(other)


HOSTILE = {
    "a pickle": (lambda: pickle.dumps({"a": 1}), "no whole skops file"),
    "nothing": (lambda: b"", "no whole skops file"),
    "cut short": (lambda: fitted().model[:-300], "no whole skops file"),
    "another model": (lambda: another(lambda logistic, _: logistic()), "LogisticRegression"),
    "a call in a transformer": (lambda: another(lambda _, function: function(partial(print, "x"))), "it holds "),
    "a function": (lambda: with_node(node("os", "system", "FunctionNode", content="system")), "it holds os.system (FunctionNode)"),
    "a method": (lambda: with_node(node("builtins", "method", "MethodNode", content={})), "it holds builtins.method (MethodNode)"),
    "a type": (lambda: with_node(node("subprocess", "Popen", "TypeNode")), "it holds subprocess.Popen (TypeNode)"),
    "a trusted class by another loader": (
        lambda: with_node(node("sklearn._loss.link", "LogitLink", "FunctionNode")), "it holds sklearn._loss.link.LogitLink (FunctionNode)",
    ),
    "a cached node": (lambda: with_node(node("builtins", "dict", "CachedNode")), "it holds builtins.dict (CachedNode)"),
    "half a node": (lambda: with_node({"__id__": 3}), "it holds None.None (None)"),
    "an array of objects": (lambda: with_node(node("numpy", "ndarray", "NdArrayNode", type="json", content=[])), "not a plain one"),
    "an array elsewhere": (lambda: with_node(node("numpy", "ndarray", "NdArrayNode", type="numpy", file="../../x.npy")), "not a plain one"),
    "a schema too deep": (lambda: with_node(json.loads("[" * 70 + "]" * 70)), "nested too deep"),
    "a schema far too deep": (lambda: packed([(stored.SCHEMA, "[" * 200_000)]), "no whole skops file"),
    "a pickle beside": (lambda: packed([*opened(fitted().model).items(), ("evil.pkl", b"x")]), "the file 'evil.pkl' inside"),
    "a path out": (lambda: packed([*opened(fitted().model).items(), ("../1.npy", b"x")]), "the file '../1.npy' inside"),
    "a bomb": (lambda: packed([("1.npy", bytes(10_000_000))], zipfile.ZIP_DEFLATED), "1.npy inside is packed"),
    "no trees": (lambda: packed([(stored.SCHEMA, "{}")]), "it holds no fitted trees"),
    "a list": (lambda: packed([(stored.SCHEMA, "[]")]), "it holds no fitted trees"),
    "trees that were not fitted": (lambda: changed(lambda s: s["content"]["content"].pop("_predictors")), "it holds no fitted trees"),
    "too many members": (lambda: packed((f"{n}.npy", b"") for n in range(stored.MOST_MEMBERS + 1)), "20001 files inside"),
    "too large": (lambda: bytes(stored.MOST_BYTES + 1), "bytes"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_or_broken_model_file_is_refused_with_a_sentence_before_anything_of_it_is_built(what):
    make, words = HOSTILE[what]
    with pytest.raises(BadInput) as told:
        stored.unpacked(make())
    assert told.value.what.startswith("the challenger's model file is refused: ")
    assert words in told.value.what
    assert told.value.next_step


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_schema_that_stands_twice_is_refused():
    twice = packed([*opened(fitted().model).items(), (stored.SCHEMA, b"{}")])
    with pytest.raises(BadInput, match="files inside"):
        stored.unpacked(twice)


UNSAFE = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle", "hickle"}
READERS = {"read_pickle", "to_pickle", "get_model"}


def unsafe(tree):
    """What of a module reads or writes pickles, or anything like them."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names if alias.name.split(".")[0] in UNSAFE)
        elif isinstance(one, ast.ImportFrom):
            names = {(one.module or "").split(".")[0], *(alias.name for alias in one.names)}
            yield from names & UNSAFE
        elif isinstance(one, ast.Attribute) and one.attr in READERS:
            yield one.attr
        elif (
            isinstance(one, ast.keyword)
            and one.arg == "allow_pickle"
            and not (isinstance(one.value, ast.Constant) and one.value.value is False)
        ):
            yield one.arg
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Name | ast.Attribute):
            name = one.func.id if isinstance(one.func, ast.Name) else one.func.attr
            named = [a.value for a in one.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if name in ("import_module", "__import__"):
                yield from (n for n in named if n.split(".")[0] in UNSAFE)


def test_no_pickle_or_joblib_is_anywhere_in_our_code():
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 200
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    suspect = [path for path, text in texts.items() if any(word in text for word in (*UNSAFE, *READERS, "allow_pickle"))]
    found = {str(path.relative_to(ROOT)): list(unsafe(ast.parse(texts[path]))) for path in suspect}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "from sklearn.utils import joblib", "pd.read_pickle(x)", "np.load(x, allow_pickle=True)",
     "card.get_model()", "import_module('dill')", "__import__('joblib.x')"],
)  # fmt: skip
def test_the_search_for_pickle_finds_it(code):
    assert list(unsafe(ast.parse(code)))
