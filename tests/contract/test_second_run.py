"""A second run does only what is new: nothing at all without torch, or the parts that a change reaches."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

TONE = """\
  tone:
    classification:
      {train: tone.tsv, test: test.tsv, text: 0, label: 1, header: false, length: 1 epochs, seeds: 2,
       sequence_length: 48, metrics: [macro_f1, accuracy]}
evaluate:"""
FIRST = {"examples-topic", "examples-tone", "corpus", "tokenizer", "tokens", "pretrain", "figures"}
TOPIC = {"task-topic-with-0", "task-topic-without-0", "evaluation-topic"}
TONE_TRAININGS = {f"task-tone-{arm}-{seed}" for arm in ("with", "without") for seed in (0, 1)}
TONES = {*TONE_TRAININGS, "evaluation-tone"}


@pytest.fixture(scope="module")
def project(make_project, acclimate_command, tmp_path_factory) -> Path:
    """A finished run with two tasks."""
    folder: Path = make_project(tmp_path_factory.mktemp("second"))
    rows = (folder / "train.tsv").read_text("utf-8").splitlines(keepends=True)
    (folder / "tone.tsv").write_text("".join(rows[:60]), "utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("evaluate:", TONE), "utf-8")
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    assert redone(ended.told) == FIRST | TOPIC | TONES
    return folder


def redone(metrics: dict[str, Any]) -> set[str]:
    return {stage for stage, cost in metrics["stages"].items() if not cost["skipped"]}


@pytest.fixture
def again(project: Path, acclimate_command) -> Callable[..., dict[str, Any]]:
    """again("a.b=c") → metrics of a run with these overrides."""

    def run(*overrides: str) -> dict[str, Any]:
        sets = [part for one in overrides for part in ("--set", one)]
        ended = acclimate_command("run", "recipe.yaml", "--json", *sets, folder=project)
        assert ended.code == 0, ended.err
        return ended.told

    return run


def test_an_unchanged_recipe_is_skipped_at_once_and_without_torch(project: Path) -> None:
    recipe = project / "recipe.yaml"
    recipe.write_text("# a remark changes nothing\n" + recipe.read_text("utf-8"), "utf-8")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "acclimate", "run", "recipe.yaml"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.count("|") == 2}
    assert {"acclimate.pipeline.run", "json"} <= imported
    assert not {"torch", "transformers", "sklearn", "tokenizers"} & imported
    said = [line for line in done.stderr.splitlines() if "import time:" not in line]
    for stage in FIRST | TOPIC | TONES:
        assert f"{stage}: up to date, skipped" in said
    assert seconds < 5 or os.getloadavg()[0] > 3
    assert "Serve:  acclimate serve runs/tiny/" in done.stdout


def test_a_task_s_learning_rate_redoes_that_task_alone(again) -> None:
    metrics = again("tasks.tone.classification.optimizer.adamw.lr=1e-3")
    assert redone(metrics) == TONES


def test_how_figures_are_stated_redoes_the_figures_alone(again) -> None:
    metrics = again("evaluate.intervals.bootstrap.level=80%")
    assert redone(metrics) == {"figures", "evaluation-topic", "evaluation-tone"}
    narrow = metrics["pretrain"]["intervals"]["validation"]["loss"]
    wide = again()["pretrain"]["intervals"]["validation"]["loss"]
    assert wide["value"] == narrow["value"]
    assert wide["low"] < narrow["low"] <= narrow["high"] < wide["high"]


def test_what_is_measured_redoes_that_task_s_evaluation_alone(again) -> None:
    metrics = again("tasks.tone.classification.metric=accuracy")
    assert redone(metrics) == {"evaluation-tone"}
    assert metrics["tasks"]["tone"]["verdict"]["metric"] == "accuracy"


def test_one_more_seed_trains_that_seed_alone(again) -> None:
    metrics = again("tasks.tone.classification.seeds=3")
    assert redone(metrics) == {"task-tone-with-2", "task-tone-without-2", "evaluation-tone"}


def test_length_of_pretraining_redoes_what_stands_on_it(again) -> None:
    metrics = again("pretrain.length=10 steps")
    tasks = {
        "task-topic-with-0",
        "task-tone-with-0",
        "task-tone-with-1",
        "evaluation-topic",
        "evaluation-tone",
    }
    assert redone(metrics) == {"pretrain", "figures", *tasks}


def test_hardware_and_checkpoints_redo_nothing(again) -> None:
    metrics = again(
        "hardware.micro_batch=256 tokens", "hardware.precision=fp32", "pretrain.checkpoint.keep=3"
    )
    assert redone(metrics) == set()


def test_more_text_moves_no_document_between_splits(project: Path, acclimate_command, tmp_path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 20%, test: 20%}}\n"
        "tokenizer: {train: {vocab_size: 300}}\nmodel: {family: bert, size: tiny}\n"
    )
    text = tmp_path / "text.txt"
    lines = (project / "text.txt").read_text("utf-8").splitlines(keepends=True)

    def splits(kept: list[str]) -> dict[str, str]:
        text.write_text("".join(kept), "utf-8")
        ended = acclimate_command("run", "recipe.yaml", "--json", folder=tmp_path)
        assert ended.code == 0, ended.err
        corpus = tmp_path / ended.told["run"] / "artifacts" / "corpus"
        found = {}
        for split in ("train", "validation", "test"):
            table = pyarrow.parquet.read_table(
                corpus / "documents" / split / "part-00000.parquet", columns=["text"]
            )
            found |= dict.fromkeys(table["text"].to_pylist(), split)
        return found

    before = splits(lines[100:400])
    after = splits([*lines[400:], *reversed(lines[:400])])
    assert len(after) > len(before) + 150 and set(before.values()) == {"train", "validation", "test"}
    assert {document: after[document] for document in before} == before
