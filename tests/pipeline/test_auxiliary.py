"""A task with an auxiliary head from a recipe: it learns from another column, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

RECIPE = """\
name: auxiliary
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%%}}
model: {family: bert, size: tiny, positions: 64}
tasks:
  topic:
    classification:
      train: train.tsv
      test: test.tsv
      transfer: {auxiliary: {label: %s, layer: 0, weight: 0.5}}
      length: 3 epochs
      seeds: 1
      sequence_length: 48
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""


@pytest.fixture(scope="module")
def folder(make_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Topics, in English and Chinese, and the language as a further label, which every fifth example lacks."""
    place: Path = make_project(tmp_path_factory.mktemp("auxiliary"), recipe=RECIPE % "language", lines=200)
    for name in ("train", "test"):
        rows = [line.split("\t") for line in (place / f"{name}.tsv").read_text("utf-8").splitlines()]
        told = ["text\tlabel" + "\tlanguage" * (name == "train")]
        for number, (text, topic) in enumerate(rows):
            language = "" if number % 5 == 0 else "英文" if topic.isascii() else "中文"
            told.append(f"{text}\t{topic}" + f"\t{language}" * (name == "train"))
        (place / f"{name}.tsv").write_text("\n".join(told) + "\n", "utf-8")
    return place


def test_it_learns_from_the_column_and_leaves_nothing(acclimate_command: Any, folder: Path) -> None:
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    place = folder / ended.told["run"]
    statistics = json.loads((place / "artifacts/examples-topic/statistics.json").read_text("utf-8"))
    further = statistics["further"]
    assert further["column"] == "language" and further["counts"].keys() == {"中文", "英文"}
    learnt = statistics["splits"]["train"]["examples"]
    assert sum(further["counts"].values()) + further["without"] == learnt and further["without"] > 0
    with safe_open(place / "tasks/topic/model/model.safetensors", framework="pt") as file:
        assert not any("auxiliary" in name for name in file.keys())  # noqa: SIM118 (no mapping)
    logs = (place / "artifacts/task-topic-without-0").glob("*.jsonl")
    assert any("loss_auxiliary" in one.read_text("utf-8") for one in logs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("label: language", "label: langauge"), "did you mean 'language'"),
        (("layer: 0", "layer: 2"), "no block 2; its blocks are 0 to 1"),
        (("family: bert, size: tiny, positions: 64", "family: lstm, size: tiny"), "are given padded ones"),
        (("weight: 0.5", "weight: -0.5"), "expected at least 0"),
    ],
)
def test_what_cannot_be_is_refused(
    acclimate_command: Any, folder: Path, change: tuple[str, str], words: str
) -> None:
    (folder / "wrong.yaml").write_text((RECIPE % "language").replace(*change), "utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code == 2 and words in ended.err + ended.out


def test_tasks_whose_rows_are_not_their_own_are_refused(acclimate_command: Any, folder: Path) -> None:
    wrong = (RECIPE % "language").replace("classification:", "embedding:")
    (folder / "wrong.yaml").write_text(wrong, "utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code == 2 and "which those of embedding are not" in ended.err + ended.out


def test_one_label_is_too_few(acclimate_command: Any, folder: Path) -> None:
    lines = (folder / "train.tsv").read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.endswith("中文")]
    (folder / "train.tsv").write_text("\n".join(kept) + "\n", "utf-8")
    ended = acclimate_command("run", "recipe.yaml", folder=folder)
    assert ended.code and "in column 'language'; two labels are needed" in ended.err
