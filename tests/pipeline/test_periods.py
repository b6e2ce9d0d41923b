"""A task learnt in periods: a class that comes later, what is left of the earlier ones, and the report of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RECIPE = """\
name: periods
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 5%%, test: 5%%}}
tokenizer: {train: {vocab_size: 500}}
model: {family: bert, size: tiny}
tasks:
  topic:
    classification:
      train: new.tsv
      test: new-test.tsv
      before: [{train: old.tsv, test: old-test.tsv}]
      keep: %s
      length: 40 epochs
      seeds: 1
      batch: 8 sequences
      sequence_length: 32
      patience: null
      optimizer: {adamw: {lr: 1e-3}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""
WORDS = {
    "sport": ["ball", "team", "goal", "match", "score", "win", "play", "game"],
    "cooking": ["salt", "pan", "oil", "bake", "flour", "stir", "soup", "taste"],
    "天气": ["晴", "雨", "风", "雪", "云", "冷", "热", "雷"],
}


def texts(label: str, number: int, shift: int) -> list[str]:
    words = WORDS[label]
    return [
        " ".join(words[(3 * one + shift + k * (one % 3 + 1)) % 8] for k in range(5)) + f" {shift}{one}"
        for one in range(number)
    ]


def write(folder: Path, name: str, labels: list[str], number: int, shift: int) -> list[str]:
    rows = [(text, label) for label in labels for text in texts(label, number, shift)]
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [text for text, _ in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("periods")
    told = write(folder, "old.tsv", ["sport", "cooking"], 24, 1)
    told += write(folder, "new.tsv", ["天气", "cooking"], 24, 2)
    write(folder, "old-test.tsv", ["sport", "cooking"], 12, 5)
    write(folder, "new-test.tsv", ["天气", "cooking"], 12, 6)
    lines = [f"{text} {other}" for text in told for other in ("first", "second")]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run(command: Any, folder: Path, keep: str, *more: str) -> tuple[dict[str, Any], dict[str, Any], Path]:
    (folder / "recipe.yaml").write_text(RECIPE % keep, encoding="utf-8")
    ended = command("run", "recipe.yaml", "--json", *more, folder=folder)
    assert ended.code == 0, ended.err
    place = folder / ended.told["run"]
    found = json.loads((place / "artifacts/evaluation-topic/evaluation.json").read_text("utf-8"))
    return ended.told["tasks"]["topic"]["periods"], found, place


def test_the_past_is_lost_unless_it_is_kept(acclimate_command: Any, folder: Path) -> None:
    kept, found, place = run(acclimate_command, folder, "joint")
    lost, _, _ = run(acclimate_command, folder, "nothing")
    assert found["test"]["macro_f1"]["value"] == kept["scores"][1][1] > 0.9
    assert found["labels"] == ["cooking", "sport", "天气"]  # the first period's stay where they were
    assert [len(row) for row in kept["scores"]] == [1, 2]
    assert kept["metric"] == "macro_f1"
    assert (kept["method"], lost["method"]) == ({"joint": {}}, {"nothing": {}})
    (row,), (other,) = kept["periods"], lost["periods"]
    assert row["learnt"] == other["learnt"]  # the first period is learnt alike
    assert lost["forgetting"] > kept["forgetting"] + 0.1
    assert other["change"]["low"] <= other["change"]["value"] <= other["change"]["high"]
    assert lost["backward_transfer"] == pytest.approx(-lost["forgetting"])
    assert kept["average"] == pytest.approx(sum(kept["scores"][1]) / 2)
    page = (place / "report.html").read_text("utf-8")
    assert "What was kept of earlier periods" in page
    texts_of = (place / "artifacts/corpus/statistics.json").read_text("utf-8")
    assert json.loads(texts_of)["read"] == 192


@pytest.mark.parametrize("keep", ["replay", "{ewc: 100}", "lwf", "{lookahead: 20%}", "joint_then_new"])
def test_every_way_runs(acclimate_command: Any, folder: Path, keep: str) -> None:
    found, _, _ = run(acclimate_command, folder, keep, "--set", "tasks.topic.classification.length=2 epochs")
    assert 0 <= found["average"] <= 1


def test_what_makes_no_sense_is_refused(acclimate_command: Any, folder: Path) -> None:
    wrong = RECIPE.replace("      before: [{train: old.tsv, test: old-test.tsv}]\n", "") % "replay"
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code and "there is nothing to keep" in ended.err + ended.out
    wrong = RECIPE.replace("keep: %s", "keep: lwf\n      regularise: [r_drop]") % ()
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code and "lwf and r_drop both take the loss apart" in ended.err + ended.out
