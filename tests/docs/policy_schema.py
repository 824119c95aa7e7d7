"""The JSON Schema of a policy, from its models and the policy reference; `python -m tests.docs.policy_schema` writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from credit_review.policy import Policy

ROOT = Path(__file__).parents[2]
PATH = ROOT / "deployments" / "starter" / "policy.schema.json"
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def schema() -> dict[str, Any]:
    """Draft 2020-12, with unit, meaning and example of each field as editors show them."""
    found = Policy.model_json_schema(mode="validation")
    rows = _ROW.findall((ROOT / "docs" / "policy-reference.md").read_text(encoding="utf-8"))
    words = {
        name: f"{meaning.strip()} [{unit.strip()}], such as {example.strip()}".replace("`", "") for name, unit, meaning, example in rows
    }
    _describe(found, "", found["$defs"], words)
    plain = _plain(found)
    plain["title"] = "Credit policy"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | plain


def text() -> str:
    """As the file has it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _describe(node: Any, path: str, parts: dict[str, Any], words: dict[str, str]) -> None:
    """Gives every field that has none its description; a section that stands in two places is described where it stands first."""
    if "$ref" in node:
        node = parts[node["$ref"].rpartition("/")[2]]
    for name, child in node.get("properties", {}).items():
        at = f"{path}.{name}".lstrip(".")
        if at in words:
            child.setdefault("description", words[at])
        _describe(child, at, parts, words)
    for inner in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        _describe(inner, path, parts, words)
    if isinstance(node.get("items"), dict):
        _describe(node["items"], f"{path}[]", parts, words)
    if isinstance(node.get("additionalProperties"), dict):
        _describe(node["additionalProperties"], f"{path}.*", parts, words)


def _plain(node: Any) -> Any:
    """Without titles and what only programs read; a number is a number and not also text."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    out = {name: _plain(one) for name, one in node.items() if name not in ("discriminator", "title") or isinstance(one, dict)}
    out.pop("discriminator", None)
    if isinstance(out.get("default"), str) and re.fullmatch(r"-?\d+(\.\d+)?", out["default"]):
        out["default"] = float(out["default"]) if "." in out["default"] else int(out["default"])
    if [one.get("type") for one in out.get("anyOf", ())] == ["number", "string"]:
        del out["anyOf"]
        out["type"] = "number"
        out.pop("decimal_places", None)
        out = {_BOUNDS.get(name, name): one for name, one in out.items()}
    return out


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
