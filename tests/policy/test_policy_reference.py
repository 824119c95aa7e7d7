"""The policy reference documents every field, and nothing that is not there."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from credit_review.limits import codes
from credit_review.policy import ClassRule, Policy
from credit_review.policy.amounts import InputRule
from credit_review.policy.formula.units import Word
from credit_review.policy.formula.vocabulary import INPUTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/policy-reference.md").read_text()
DOCUMENTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)


def fields(kind, path=""):
    """Dotted names of all leaf fields of a policy model: lists as [], free keys as *."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            yield from fields(info.annotation, f"{path}.{name}".lstrip("."))
    elif origin is Annotated:
        yield from fields(inner[0], path)
    elif origin in (Union, types.UnionType) and any(isinstance(i, type) and issubclass(i, BaseModel) for i in inner):
        for one in inner:
            if one is not type(None):
                yield from fields(one, path)
    elif origin is dict and list(fields(inner[1], path)) != [path]:
        yield from fields(inner[1], f"{path}.*")
    elif origin is tuple and list(fields(inner[0], path)) != [path]:
        yield from fields(inner[0], f"{path}[]")
    else:
        yield path


def test_every_field_of_a_policy_is_documented_and_no_other():
    assert sorted(DOCUMENTED) == sorted(set(fields(Policy)))


def test_class_rules_are_among_the_fields():
    assert {"classes.*.starter_limit", "classes.*.rule"} <= set(fields(ClassRule, "classes.*")) <= set(fields(Policy))


def test_every_documented_field_has_unit_meaning_and_example():
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    assert all(len(r) == 4 and all(cell.strip() for cell in r) for r in rows)


def test_every_code_on_a_proposal_is_documented():
    for vocabulary in (codes.Forbids, codes.Cap, codes.Exceptional):
        assert all(f"`{code}`" in PAGE for code in vocabulary)


def test_the_starter_policy_comments_every_section():
    text = (ROOT / "deployments/starter/policy.yaml").read_text()
    assert set(yaml.safe_load(text)) == set(Policy.model_fields)


def test_every_input_of_formulas_is_documented_with_its_unit():
    for name, one in INPUTS.items():
        unit = "a word" if isinstance(one.kind, Word) else one.kind.words
        assert f"\n| {name} | {unit} | {one.words} |" in PAGE


def test_every_rule_for_a_missing_input_is_documented():
    assert all(f"`{action}`" in PAGE for action in get_args(InputRule.model_fields["otherwise"].annotation))
