"""What is held out of the corpus of tasks' independent tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acclimate.pipeline import tokens
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.sections import recipe_or_corpus

RECIPE = """\
name: held
corpus: {sources: [{path: text.txt, documents: line}]}
tasks:
  fixed: {correction: {train: x.jsonl, test: x.jsonl, independent_test: later.jsonl}}
  pairs: {pairs: {train: x.jsonl, test: x.jsonl, independent_test: later.jsonl, text: text, pair: target}}
  asked: {qa: {train: x.jsonl, test: x.jsonl, independent_test: asked.jsonl}}
  onward: {generation: {train: x.jsonl, test: x.jsonl, independent_test: whole.jsonl}}
"""
LATER = [
    {"text": "他在北京作工。", "target": "他在北京做工。", "label": "same"},
    {"text": "She go home.", "target": ["She goes home.", "She went home."], "label": ""},
]
ASKED = [{"question": "住在哪里？", "context": "安住在北京。", "answers": [{"text": "北京", "start": 3}]}]
WHOLE = [{"text": "One two three four five six seven eight nine ten."}]


@pytest.fixture
def held(tmp_path: Path) -> dict[str, set[str]]:
    """Task → the texts that are held out of the corpus for its independent test."""
    for name, rows in (("x", LATER), ("later", LATER), ("asked", ASKED), ("whole", WHOLE)):
        lines: list[dict[str, Any]] = rows  # type: ignore[assignment]
        said = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines)
        (tmp_path / f"{name}.jsonl").write_text(said, "utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    found: dict[str, set[str]] = {}
    for one in tokens._independent(load_recipe(tmp_path / "recipe.yaml", [], recipe_or_corpus).recipe):
        assert one.split == "independent_test"
        found.setdefault(one.task, set()).add(one.text)
    return found


def test_sources_and_all_targets_of_writing_tasks(held: dict[str, set[str]]) -> None:
    assert {"他在北京作工。", "他在北京做工。", "She go home.", "She goes home.", "She went home."} <= held[
        "fixed"
    ]


def test_a_text_that_is_parted_is_held_out_whole_too(held: dict[str, set[str]]) -> None:
    whole = WHOLE[0]["text"]
    assert whole in held["onward"]
    (target,) = {one for one in held["onward"] if whole.endswith(one) and one != whole}
    assert whole.removesuffix(target).strip() in held["onward"]


def test_both_texts_of_pairs_and_questions_with_their_passages(held: dict[str, set[str]]) -> None:
    assert {"他在北京作工。", "他在北京做工。"} <= held["pairs"]
    assert "She go home." in held["pairs"]  # though it has no label
    assert held["asked"] == {"住在哪里？", "安住在北京。"}
