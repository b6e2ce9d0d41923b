"""`acclimate study` and what other verbs say to a recipe with a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECIPE = """\
name: small
corpus: {sources: [{path: text.txt, documents: line}]}
model: {family: bert, size: tiny}
pretrain: {objective: mlm, length: 2 steps}
"""
STUDY = """\
study:
  seeds: [1, 2]
  variants: {hot: {pretrain.optimizer: {adamw: {lr: 1e-2}}}}
"""


@pytest.fixture
def said(acclimate_command: Any, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Exit code and all words of a verb over a recipe of these lines."""
    (tmp_path / "text.txt").write_text("one line of text\n一行字\n" * 20, encoding="utf-8")

    def ask(verb: str, text: str) -> tuple[int, str]:
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        ended = acclimate_command(verb, "recipe.yaml", folder=tmp_path)
        return ended.code, ended.out + ended.err

    return ask


def test_run_does_not_run_a_study(said: Callable[..., tuple[int, str]]) -> None:
    code, words = said("run", RECIPE + STUDY)
    assert code and "acclimate study" in words and "Traceback" not in words


def test_a_recipe_without_a_study_is_told_so(said: Callable[..., tuple[int, str]]) -> None:
    code, words = said("study", RECIPE)
    assert code and "no `study:` section" in words


def test_check_looks_at_every_variant(said: Callable[..., tuple[int, str]]) -> None:
    code, words = said("check", RECIPE + STUDY)
    assert code == 0 and "4 runs" in words
    code, words = said("check", RECIPE + STUDY.replace("adamw", "adamv"))
    assert (
        code and "study.variants.hot" in words and "unknown optimizer" in words and "Traceback" not in words
    )
    code, words = said("check", RECIPE + STUDY.replace("hot:", "base:"))
    assert code and "name the variant otherwise" in words
