"""The recipes that ship, and those of the documents, mean what they meant and read back from their resolved form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from acclimate.recipe.filling import fill
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.resolving import dump_yaml, resolved

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = sorted(RECIPES.rglob("*.yaml"))
GOLDEN = Path(__file__).with_name("golden") / "resolved"
CONTRACT = """\
name: small
seed: 3
corpus:
  sources: [{path: text.txt, documents: line}]
  split: {validation: 2%, test: 2%}
tokenizer: {train: {algorithm: wordpiece, vocab_size: 2k}}
model: {family: bert, size: tiny}
pretrain:
  objective: mlm
  length: 400 steps
  batch: 2k tokens            # or: 32 sequences
  sequence_length: 128
  checkpoint: {every: 20 steps}
tasks:
  topic: {classification: {train: train.tsv, test: test.tsv, text: 0, label: 1, header: false}}
"""
PLAN = """\
name: pubmed-roles
seed: 17
corpus:
  sources: [{path: data/abstracts/*.jsonl.gz, text: abstract}]
  clean: [unicode, {language: {keep: [en]}}, {quality: gopher}]
  deduplicate: {near: {threshold: 0.8}}
  split: {validation: 2%, test: 2%}
tokenizer: {train: {algorithm: wordpiece, vocab_size: 16k}}
model: {family: bert, size: mini}
pretrain:
  objective: mlm
  length: 20M tokens
  batch: 16k tokens
  optimizer: {adamw: {lr: 1e-3}}
  schedule: {linear: {warmup: 6%}}
  gradients: [{clip_norm: 1.0}]
tasks:
  role: {classification: {train: data/train.tsv, test: data/test.tsv}}
evaluate: {intervals: bootstrap}
"""
SPLIT = """\
corpus: {sources: [docstrings]}
model: {family: bert, positions: 256}
tasks:
  area: {classification: {data: {docstrings: {packages: [json, re]}}, label: package, near: null}}
  own: {classification: {data: {path: x.csv, text: body}, label: kind, split: {test: 30%}}}
"""


def written(tmp_path: Path, text: str, name: str = "r.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def general(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint that some recipes begin with: its folder is looked for when a recipe is read."""
    folder = tmp_path_factory.mktemp("general")
    monkeypatch.setenv("GENERAL", str(folder))
    return folder


TEXTS = [CONTRACT, PLAN, SPLIT, *(path.read_text(encoding="utf-8") for path in SHIPPED)]
IDS = ["contract", "plan", "split", *(path.stem for path in SHIPPED)]


@pytest.mark.parametrize("text", TEXTS, ids=IDS)
def test_resolved_and_filled_forms_read_back_equal(tmp_path: Path, text: str) -> None:
    loaded = load_recipe(written(tmp_path, text))
    full = resolved(loaded.recipe)
    again = load_recipe(written(tmp_path, dump_yaml(full), "resolved.yaml"))
    assert again.recipe == loaded.recipe
    assert resolved(again.recipe) == full
    filled = load_recipe(written(tmp_path, fill(loaded), "filled.yaml"))
    assert filled.recipe == loaded.recipe


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_a_shipped_recipe_resolves_as_it_did(
    path: Path, general: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed default shows here, in every recipe that it changes. The files need not be there."""
    monkeypatch.setenv("DATA", "/data")
    golden = (GOLDEN / path.relative_to(RECIPES)).with_suffix(".yaml")
    written = dump_yaml(resolved(load_recipe(path).recipe)).replace(str(general), "/general")
    if os.environ.get("REFRESH_GOLDEN") == "1":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(written, encoding="utf-8")
    assert golden.is_file(), "make it: REFRESH_GOLDEN=1 pytest tests/recipe"
    assert golden.read_text(encoding="utf-8") == written, "make it anew: REFRESH_GOLDEN=1 pytest tests/recipe"
    assert str(RECIPES) not in written, "a path of this machine; start it with ${DATA:-data}"


def test_every_golden_recipe_still_ships() -> None:
    shipped = {path.relative_to(RECIPES) for path in SHIPPED}
    assert {path.relative_to(GOLDEN) for path in GOLDEN.rglob("*.yaml")} == shipped
