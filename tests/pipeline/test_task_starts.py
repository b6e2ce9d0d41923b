"""Where a task's models start from: another task's body, or a pretraining on the task's own texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

RECIPE = """\
name: starts
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 128}
tasks:
  later:
    classification: {train: train.tsv, test: test.tsv, header: false, text: 0, label: 1, seeds: 2, length: 1 epochs,
                     transfer: {after: first}}
  first:
    classification: {train: train.tsv, test: test.tsv, header: false, text: 0, label: 1, seeds: 2, length: 2 epochs}
  own:
    classification: {train: train.tsv, test: test.tsv, header: false, text: 0, label: 1, seeds: 1, length: 1 epochs,
                     transfer: {tapt: {length: 3 steps, batch: 500 tokens}}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""


@pytest.fixture(scope="module")
def done(
    acclimate_command: Any, make_project: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    folder: Path = make_project(tmp_path_factory.mktemp("starts"), recipe=RECIPE, lines=120)
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


def test_a_task_starts_from_the_body_of_another_of_the_same_seed(done: tuple[Path, dict[str, Any]]) -> None:
    run, told = done
    order = list(told["stages"])
    assert order.index("task-first-without-0") < order.index("task-later-without-0")
    for number in range(2):
        place = run / "artifacts" / f"task-later-without-{number}"
        needs = json.loads((place / "manifest.json").read_text("utf-8"))["inputs"]
        assert f"task-first-without-{number}" in json.dumps(needs)
    first, later = (
        load_file(run / "artifacts" / f"task-{name}-without-0" / "model" / "model.safetensors")
        for name in ("first", "later")
    )
    name = "bert.embeddings.word_embeddings.weight"
    near = abs(first[name] - later[name]).mean()
    fresh = load_file(run / "artifacts/task-own-without-0/model/model.safetensors")[name]
    assert near < abs(first[name] - fresh).mean() / 2  # a little further on, not from elsewhere


def test_a_task_s_own_texts_are_learnt_first(done: tuple[Path, dict[str, Any]]) -> None:
    run, told = done
    assert {"own-tokens-own", "tapt-own-without"} <= set(told["stages"])
    tokens = json.loads((run / "artifacts/own-tokens-own/manifest.json").read_text("utf-8"))
    assert "examples-own" in json.dumps(tokens["inputs"])


def test_tasks_that_wait_for_each_other_are_refused(
    acclimate_command: Any, done: Any, tmp_path: Path
) -> None:
    (tmp_path / "wrong.yaml").write_text(
        RECIPE.replace(
            "seeds: 2, length: 2 epochs}", "seeds: 2, length: 2 epochs, transfer: {after: later}}"
        ),
        encoding="utf-8",
    )
    ended = acclimate_command("check", "wrong.yaml", folder=tmp_path)
    assert ended.code and "wait for each other" in ended.err + ended.out
