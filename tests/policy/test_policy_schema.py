"""The published JSON Schema is the one of the code, accepts the starter policy and refuses what `check` refuses by shape."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import policy_schema

from deployments.cli import starting

STARTER = Path(__file__).parents[2] / "deployments" / "starter"
SCHEMA = json.loads(policy_schema.PATH.read_text())
TEXT = (STARTER / "policy.yaml").read_text()


def edited(*path_and_value):
    *path, last, value = path_and_value
    data = yaml.safe_load(TEXT)
    at = data
    for part in path:
        at = at[part]
    at[last] = value
    return data


def test_the_committed_schema_is_that_of_the_code_and_the_reference():
    assert policy_schema.PATH.read_text() == policy_schema.text(), "run python -m tests.docs.policy_schema"


def test_the_starter_policy_is_valid_and_points_at_the_schema_beside_it():
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(TEXT))
    assert TEXT.splitlines()[0] == f"# yaml-language-server: $schema={starting.SCHEMA}"


@pytest.mark.parametrize("edit", [
    ("limits", "maximun", 5), ("limits", "step", "up_fraction", "a half"), ("limits", "step", "down_fraction", 1.5),
    ("classes", "new", {"action": "vanish"}), ("exposure", "parts", ["hopes"]), ("review", "escalate_after", 0),
    ("segments", [{"name": "x", "who": {"planet": "mars"}}]), ("version", 2026.1),
])  # fmt: skip
def test_what_check_refuses_by_shape_the_schema_refuses(edit):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(edited(*edit))


def test_every_field_has_its_meaning_and_unit_as_the_reference_says():
    step = SCHEMA["$defs"]["Step"]["properties"]["up_fraction"]
    assert step == {
        "type": "number", "minimum": 0, "maximum": 100,
        "description": "most that one review raises [fraction of the limit in force], such as 0.50",
    }  # fmt: skip
    leaves = [field for part in SCHEMA["$defs"].values() for field in part.get("properties", {}).values() if "$ref" not in field]
    assert sum("description" in field for field in leaves) > 0.9 * len(leaves)


def test_init_writes_the_schema_beside_the_policy(tmp_path):
    starting.write_starter(tmp_path)
    assert json.loads((tmp_path / starting.SCHEMA).read_text()) == SCHEMA
