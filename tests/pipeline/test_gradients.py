"""Gradient transforms that act in the passes, in runs from a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.artifacts.durable import read_lines

RECIPE = """\
name: transforms
seed: 3
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 10%, test: 5%}}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
pretrain:
  length: 12 steps
  batch: 512 tokens
  sequence_length: 48
  checkpoint: {every: 5 steps}
  validate: {every: 12 steps}
hardware: {threads: 1, precision: fp32}
"""
REFERENCE = {"reference": {"path": "general.txt", "documents": "line"}, "batch": "8 sequences", "every": 2}


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("transforms"), recipe=RECIPE, lines=300)
    general = [f"the general text number {number} says that 今天 天气 不错。" for number in range(60)]
    (folder / "general.txt").write_text("\n".join(general), "utf-8")
    return folder


@pytest.fixture(scope="module")
def run(acclimate_command: Any, project: Path) -> Callable[..., Any]:
    def start(gradients: list[Any], *more: str, code: int = 0) -> Any:
        sets = [f"pretrain.gradients={json.dumps(gradients)}", *more]
        flags = [part for one in sets for part in ("--set", one)]
        ended = acclimate_command("run", "recipe.yaml", "--json", *flags, folder=project)
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err, ended.err
        return ended

    return start


def steps(ended: Any, project: Path) -> list[dict[str, Any]]:
    return list(read_lines(project / ended.told["run"] / "artifacts" / "pretrain" / "steps.jsonl"))


def test_reference_texts_are_read_once_and_projected_onto(run, project: Path) -> None:
    lines = steps(run([{"project_negative": REFERENCE}, {"clip_norm": 1.0}]), project)
    assert len(lines) == 12 and {line["projected"] for line in lines} <= {0.0, 1.0}
    store = project / "runs" / ".store" / "reference"
    (made,) = [one for one in store.iterdir() if one.is_dir()]
    counts = json.loads((made / "counts.json").read_text("utf-8"))
    assert counts["documents"] == 60 and counts["tokens"] > 600
    run([{"project_negative": {**REFERENCE, "every": 3}}])  # other steps, the same texts
    assert len([one for one in store.iterdir() if one.is_dir()]) == 1


def test_a_reference_that_is_not_there_or_empty_is_told(run, project: Path) -> None:
    missing = {"reference": {"path": "nowhere.txt"}}
    assert "nowhere.txt" in run([{"project_negative": missing}], code=2).err
    (project / "empty.txt").write_text("\n", "utf-8")
    empty = {"reference": {"path": "empty.txt", "documents": "line"}}
    said = run([{"project_negative": empty}], code=1).err
    assert "project_negative.reference: empty.txt holds no text" in said


def test_large_losses_are_left_out_after_the_warm_up(run, project: Path) -> None:
    ended = run([{"mask_loss": {"share": "20%", "warmup": 4}}, {"clip_norm": 1.0}])
    lines = steps(ended, project)
    assert [line["masked"] > 0 for line in lines[:4]] == [False] * 4
    assert sum(line["masked"] for line in lines[4:]) > 0 and "mask_threshold" in lines[4]


def test_fused_steps_learn_what_plain_ones_learn(run, project: Path) -> None:
    exact = ("model.dropout=0%", "model.attention_dropout=0%")
    plain, fused = run([], *exact), run(["accumulate_by_layer"], *exact)
    ours, theirs = ([line["loss"] for line in steps(one, project)] for one in (fused, plain))
    assert ours == pytest.approx(theirs, rel=2e-4) and len(set(ours)) == 12
    refused = run(["accumulate_by_layer"], "hardware.micro_batch=100 tokens", code=2).err
    assert "accumulate_by_layer: a fused step takes a batch at once" in refused


def test_a_dry_batch_knows_them(acclimate_command: Any, project: Path) -> None:
    gradients = json.dumps([{"project_negative": REFERENCE}, "mask_loss"])
    flags = ("--set", f"pretrain.gradients={gradients}", "--dry-batch", "--json")
    ended = acclimate_command("check", "recipe.yaml", *flags, folder=project)
    assert ended.code == 0, ended.err + ended.out


def test_what_is_no_sound_method_is_warned_of_once(run, project: Path) -> None:
    ended = run([{"clip_negative": 0.1}])
    told = read_lines(project / ended.told["run"] / "events.jsonl")
    (event,) = [one for one in told if "no sound method" in one.get("message", "")]
    assert (event["stage"], event["kind"]) == ("run", "warning")
    assert event["message"].startswith("pretrain.gradients.0.clip_negative: no sound method")
    assert ended.err.count("no sound method") == 1
