"""A filled recipe has every key, means the same, and keeps its author's lines."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from acclimate.recipe.filling import fill
from acclimate.recipe.loading import load_recipe

BLOCKS = """\
# Our recipe.
name: mine  # the name

corpus:
  # where it is
  sources:
    - path: 数据/a.txt   # first
    - docstrings
    - files: b.txt
    - {path: "c.txt", most: 2k}
  clean:
    - unicode
    - language:
        keep: [en, zh]
    - language: [zh]
  split:
    validation: 5%

# the model
model:
  family: bert
  size: tiny

pretrain:
  optimizer:
    adamw:
      lr: 1e-4
  gradients:
    - clip_norm: 2
    - chain:
        steps:
          - clip_norm: {max_norm: 3}
  schedule: linear
  validate: {patience: 3}

tasks:
  topic:
    classification:
      train: t.tsv
      label: 1
      # last words"""

SHORT = (
    "corpus: {sources: text.txt}\nmodel: {family: bert}\n"
    "tasks: {a: {classification: {train: t.tsv}}, b: classification}\n"
)
FORMS = [
    BLOCKS,
    BLOCKS + "\n",
    SHORT,
    "corpus:\n  sources: [a.txt, {path: b.txt}]\nmodel:\n    family: bert\n",
    "corpus:\n  sources:\n    path: a.txt\nmodel: {family: bert}\npretrain: {}\n",
    "corpus:\n    sources:\n    - a.txt\nmodel: {family: bert} # why\n"
    "pretrain:\n  objective: mlm # so\n  optimizer: {sgd: {lr: 1}}",
    "corpus: {sources: a.txt}\nmodel:\n  family: bert\n  size: >-\n    tiny\n\nname: x\n",
    "{corpus: {sources: [a.txt]}, model: {family: bert}}\n",
    "corpus: {sources: &s [a.txt]}\nmodel: {family: bert}\ntasks: {t: {classification: {train: &x a.tsv}}}\n",
    "corpus: {sources: a.txt}\nmodel: {family: bert}\ntokenizer: train\npretrain: {gradients: []}\ntasks: {}\n",
    "corpus: {sources: a.txt, deduplicate: {near: {}}}\r\nmodel: {family: bert}\r\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_a_filled_recipe_means_the_same_and_has_every_key(recipes: Any, text: str) -> None:
    before = recipes.load(text)
    filled = fill(before)
    after = load_recipe(recipes.write(filled, "filled.yaml"))
    assert after.recipe == before.recipe
    # A recipe that is full already is left as it is.
    assert fill(after) == filled


def test_every_line_of_the_author_stays_in_its_order(recipes: Any) -> None:
    filled = fill(recipes.load(BLOCKS)).split("\n")
    changed = ("    - docstrings", "    - files: b.txt", "    - {path", "    - unicode", "    - language: [zh]",
               "    - clip_norm: 2", "          - clip_norm: {max", "  schedule: linear", "  validate: {")  # fmt: skip
    kept = [line for line in BLOCKS.split("\n") if not line.startswith(changed)]
    place = -1
    for line in kept:
        place = filled.index(line, place + 1)


def test_added_keys_bear_their_docstrings_and_stand_in_their_block(recipes: Any) -> None:
    filled = fill(recipes.load(BLOCKS))
    assert "  size: tiny\n  # Longest sequence.\n  positions: 512\n" in filled
    assert "      lr: 1e-4\n      # Decay.\n      weight_decay: 0.01\n" in filled
    assert "    - path: c.txt\n      most: 2k\n      # Which column" in filled
    assert "  schedule:\n    linear:\n      # Share of the length.\n      warmup: 6%\n" in filled
    assert "\n\n# What the run may use.\nhardware:\n" in filled


def test_relative_paths_and_variables_stay_as_written(recipes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", "/data")
    filled = fill(recipes.load("corpus: {sources: ['${DATA}/x.txt', 'y.txt']}\nmodel: {family: bert}\n"))
    data = YAML(typ="safe").load(filled)
    assert [one["path"] for one in data["corpus"]["sources"]] == ["${DATA}/x.txt", "y.txt"]
    assert str(recipes.folder) not in filled
