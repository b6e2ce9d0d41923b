"""The schema that editors complete from: it admits what loads and refuses what does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from acclimate.recipe.jsonschema import recipe_schema
from acclimate.recipe.source import read_source

SHIPPED = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
KNOWN = {
    "$ref", "$schema", "$defs", "$comment", "title", "description", "default", "type", "const", "enum", "anyOf",
    "allOf", "not", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "pattern",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "propertyNames",
    "minProperties",
}  # fmt: skip
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
    "number": (int, float),
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value fits, for the keywords that the schema uses."""
    assert not schema.keys() - KNOWN, schema.keys() - KNOWN
    if "$ref" in schema and not fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root):
        return False
    kind = schema.get("type")
    if kind and (
        not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))
    ):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if "anyOf" in schema and not any(fits(value, one, root) for one in schema["anyOf"]):
        return False
    if not all(fits(value, one, root) for one in schema.get("allOf", [])):
        return False
    if "not" in schema and fits(value, schema["not"], root):
        return False
    if isinstance(value, dict):
        return fits_object(value, schema, root)
    if isinstance(value, list):
        inside = schema.get("items", {})
        return len(value) >= schema.get("minItems", 0) and all(fits(one, inside, root) for one in value)
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        inf = float("inf")
        return bool(
            schema.get("minimum", -inf) <= value <= schema.get("maximum", inf)
            and schema.get("exclusiveMinimum", -inf) < value < schema.get("exclusiveMaximum", inf)
        )
    return True


def fits_object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    known = schema.get("properties", {})
    rest = schema.get("additionalProperties", {})
    if not all(key in value for key in schema.get("required", [])):
        return False
    if len(value) < schema.get("minProperties", 0):
        return False
    for key, one in value.items():
        inside = known.get(key, rest)
        if inside is False or (inside is not True and not fits(one, inside, root)):
            return False
    return True


START = "corpus: {sources: [x]}\nmodel: {family: bert}\n"
VALID = [
    START,
    "corpus: {sources: [x.txt, docstrings, {docstrings: {packages: [x]}}, {files: {path: x, most: 2k}}, {files: x}]}\n"
    "model: {family: bert, size: tiny}\n",
    "corpus: {sources: [{path: x}], clean: [unicode, {language: [en]}, {language: {keep: [en], confidence: 5%}}]}\n"
    "model: {family: bert}\n",
    "corpus: {sources: [x], clean: [{unicode: null}]}\nmodel: {family: bert}\n",
    START + "pretrain: {length: 20M tokens, batch: 8 sequences, validate: {patience: null}}\n",
    START + "pretrain: {optimizer: {sgd: {lr: 1e-3}}, gradients: [{chain: [{clip_norm: 1}, clip_norm]}]}\n",
    START + "tokenizer: null\npretrain: null\n",
    START + "tasks: {a: {classification: {label: 0, threshold: {low: 1}}}, b: classification}\n",
]
INVALID = [
    "corpus: {sources: [x]}\n",
    "corpus: {sources: []}\nmodel: {family: bert}\n",
    "corpus: {sources: [x]}\nmodel: {family: brt}\n",
    "corpus: {sources: [x]}\nmodel: bert\n",
    "corpus: {sources: [{pth: x}]}\nmodel: {family: bert}\n",
    "corpus: {sources: [x], clean: [langage]}\nmodel: {family: bert}\n",
    "corpus: {sources: [x], clean: [language]}\nmodel: {family: bert}\n",
    "corpus: {sources: [x]}\nmodel: {family: bert}\npretrain: {length: 20M}\n",
    "corpus: {sources: [x]}\nmodel: {family: bert}\npretrain: {validate_: {}}\n",
    "corpus: {sources: [x]}\nmodel: {family: bert}\npretrain: {optimizer: {adamw: {lr: 0}}}\n",
    "corpus: {sources: [x]}\nmodel: {family: bert}\npretrain: {optimizer: {adamw: {}, sgd: {lr: 1}}}\n",
    "corpus: {sources: [x], split: {test: 110}}\nmodel: {family: bert}\n",
    "corpus: {sources: [x]}\nmodel: {family: bert}\nhardware: {precision: fp8}\n",
]


@pytest.mark.parametrize("text", VALID)
def test_what_loads_fits(recipes: Any, text: str) -> None:
    schema = recipe_schema()
    loaded = recipes.load(text)
    assert fits(loaded.raw, schema, schema)
    from acclimate.recipe.resolving import resolved

    assert fits(resolved(loaded.recipe), schema, schema)


@pytest.mark.parametrize("text", INVALID)
def test_what_does_not_load_does_not_fit(recipes: Any, text: str) -> None:
    assert recipes.lines(text)
    schema = recipe_schema()
    assert not fits(read_source(text).data, schema, schema)


def test_every_reference_leads_somewhere_and_every_key_is_described() -> None:
    """Of the real components."""
    schema = recipe_schema()
    text = json.dumps(schema)
    assert "x-acclimate" not in text
    for name in re.findall(r'"\$ref": "([^"]+)"', text):
        assert name.removeprefix("#/$defs/") in schema["$defs"], name
    for name, one in [("recipe", schema), *schema["$defs"].items()]:
        for key, inside in one.get("properties", {}).items():
            below = schema["$defs"].get(inside.get("$ref", "").removeprefix("#/$defs/"), {})
            assert "description" in inside or "description" in below, (name, key)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_fit(path: Path) -> None:
    schema = recipe_schema()
    assert fits(read_source(path.read_text(encoding="utf-8")).data, schema, schema)
