"""What a recipe that validates can still get wrong is told before anything runs, at its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from acclimate.errors import UserError
from acclimate.recipe.checking import check_recipe, require_sound
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.problems import RecipeError

START = "corpus: {sources: [text.txt]}\nmodel: {family: bert, positions: 64}\n"


def lines(loaded: Any) -> list[str]:
    return [problem.line(loaded.path.name) for problem in check_recipe(loaded)]


def test_a_sound_recipe_has_no_problem(recipes: Any) -> None:
    loaded = recipes.load(START + "pretrain: {sequence_length: 64, batch: 64 tokens}\n")
    assert lines(loaded) == []
    require_sound(loaded)


def test_lengths_that_do_not_fit_together(recipes: Any) -> None:
    text = START + (
        "pretrain:\n  sequence_length: 128\n  batch: 100 tokens\n"
        "tasks:\n  a: {classification: {sequence_length: 65, batch: 8 sequences}}\n"
        "hardware: {micro_batch: 90 tokens}\n"
    )
    loaded = recipes.load(text, "corpus.split.validation=0%")
    assert lines(loaded) == [
        "r.yaml:4:20: pretrain.sequence_length: 128 is longer than the model's 64 positions; at most 64 fit",
        "r.yaml:7:41: tasks.a.classification.sequence_length: 65 is longer than the model's 64 positions; "
        "at most 64 fit",
        "r.yaml:5:10: pretrain.batch: '100 tokens' cannot hold one sequence of 128 tokens (sequence_length)",
        "r.yaml:8:25: hardware.micro_batch: '90 tokens' cannot hold one sequence of 128 tokens (sequence_length)",
        "--set corpus.split.validation: pretraining is measured on held-out text; "
        "expected more than 0%, for example 2%",
    ]
    with pytest.raises(RecipeError) as caught:
        require_sound(loaded)
    # In the order of the file.
    assert [problem.place.line for problem in caught.value.problems] == [4, 5, 7, 8, 1]


def test_a_component_checks_what_it_reads(recipes: Any) -> None:
    loaded = recipes.load(
        START + "tasks:\n  a:\n    classification:\n      train: no.tsv\n", "model.positions=128"
    )
    assert lines(loaded) == [
        f"r.yaml:6:14: tasks.a.classification.train: there is no file {recipes.folder}/no.tsv"
    ]


def test_readers_are_built_to_be_checked_and_a_task_answers_for_its_own(
    recipes: Any, monkeypatch: Any
) -> None:
    class Reader:
        def __init__(self, path: str) -> None:
            self.path = path

        def check(self) -> list[str]:
            if "raises" in self.path:
                raise UserError(f"no glob {Path(self.path).name}")
            return [f"cannot read {Path(self.path).name}", "and more"]

    import small_parts

    monkeypatch.setattr(small_parts.Files, "build", lambda self: Reader(self.path))
    loaded = recipes.load(
        "corpus: {sources: [text.txt, docstrings, {path: raises}]}\nmodel: {family: bert}\n"
        "tasks: {a: {classification: {data: {path: not-asked}}}}\n"
    )
    assert lines(loaded) == [
        "r.yaml:1:20: corpus.sources.0: cannot read text.txt",
        "r.yaml:1:20: corpus.sources.0: and more",
        "r.yaml:1:42: corpus.sources.2: no glob raises",
    ]


def test_the_real_readers_and_tasks(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("一段文字\n" * 50, encoding="utf-8")
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    (tmp_path / "t.tsv").write_text("正文\t标签\n好\tx\n", encoding="utf-8")
    (tmp_path / "r.yaml").write_text(
        "corpus:\n"
        "  sources:\n"
        "    - {path: text.txt, documents: line}\n"
        "    - {path: no.txt}\n"
        "    - {path: empty.txt}\n"
        "    - {path: t.tsv, text: 正}\n"
        "model: {family: bert, size: tiny}\n"
        "pretrain: {sequence_length: 600}\n"
        "tasks:\n"
        "  a: {classification: {train: t.tsv, test: nowhere.tsv, text: 正文, label: 标}}\n",
        encoding="utf-8",
    )
    told = {problem.path: problem for problem in check_recipe(load_recipe(tmp_path / "r.yaml"))}
    assert set(told) == {
        ("corpus", "sources", 1),
        ("corpus", "sources", 2),
        ("corpus", "sources", 3),
        ("pretrain", "sequence_length"),
        ("tasks", "a", "classification", "test"),
        ("tasks", "a", "classification", "label"),
    }
    assert "正文" in told["corpus", "sources", 3].message
    assert told["corpus", "sources", 1].place.line == 4
    assert told["tasks", "a", "classification", "label"].place.line == 10
    assert "标签" in told["tasks", "a", "classification", "label"].message


def test_checking_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("words " * 100, encoding="utf-8")
    text = "corpus: {sources: [text.txt]}\nmodel: {family: bert}\npretrain: {}\n"
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    code = (
        "import sys\n"
        "from acclimate.recipe.loading import load_recipe\n"
        "from acclimate.recipe.checking import check_recipe\n"
        f"assert not check_recipe(load_recipe({str(tmp_path / 'r.yaml')!r}))\n"
        "print(sorted({'torch', 'transformers', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
