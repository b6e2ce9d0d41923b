"""Pretraining that grows, as a run does it: killed and resumed, in two processes, in the log and in the report."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from acclimate.artifacts.durable import read_lines

GROW = "pretrain.grow={stages: [{layers: 1, length: 30%}, {layers: 2, length: 30%, rate: 0.5}], train: new, by: zero}"
FOUR = ("tasks={}", "model.size=mini", GROW, "hardware.precision=fp32")
"""18 steps: 6 with one layer, 5 with two, 7 with four."""


@pytest.fixture
def run(acclimate_command, finished_project, untrained_output, tmp_path) -> Callable[..., Any]:
    """run("name of an output folder", *overrides, **when it is killed) → how it ended."""
    recipe = str(finished_project.folder / "recipe.yaml")

    def start(name: str, *overrides: str, **strike: Any) -> Any:
        output = tmp_path / name
        if not output.exists():
            untrained_output(output)
        sets = [part for one in (*FOUR, *overrides) for part in ("--set", one)]
        ended = acclimate_command(
            "run", recipe, "--output", str(output), "--json", *sets, folder=tmp_path, **strike
        )
        assert ended.code == (-signal.SIGKILL if strike else 0), ended.err
        return ended

    return start


def folder_of(ended: Any) -> Path:
    return Path(ended.told["run"])


def told(run: Path, kind: str) -> list[dict[str, Any]]:
    timed = ("time", "seconds")
    lines = (one for one in read_lines(run / "events.jsonl") if one["kind"] == kind)
    return [{key: value for key, value in one.items() if key not in timed} for one in lines]


MOMENTS: tuple[dict[str, Any], ...] = (
    {"after": {"stage": "pretrain", "kind": "checkpoint", "step": 6}},  # before it grows
    {"after": {"stage": "pretrain", "kind": "grown", "step": 7}},  # just when it has
    {"after": {"stage": "pretrain", "kind": "step", "step": 9}},
    {"before": ("open", r"\.step-000000011\.tmp-.*state\.json")},
    {"after": {"stage": "pretrain", "kind": "step", "step": 17}},
)


def test_killed_at_any_moment_it_ends_with_the_same_bits(run) -> None:
    whole = folder_of(run("whole"))
    for moment in MOMENTS:
        run("killed", **moment)
    ended = folder_of(run("killed"))
    assert [one["step"] for one in told(ended, "resumed")] == [6, 6, 6, 10, 15]
    for kind in ("step", "validation", "grown"):
        assert told(ended, kind) == told(whole, kind)
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (ended, whole)]
    assert weights[0] == weights[1]
    assert [one["layers"] for one in told(whole, "step")] == [1] * 6 + [2] * 5 + [4] * 7
    assert [one["step"] for one in told(whole, "validation")] == [6, 8, 11, 16, 18]


def test_the_log_the_report_and_the_model_tell_of_it(run) -> None:
    ended = run("one")
    folder = folder_of(ended)
    grown = told(folder, "grown")
    assert [(one["step"], one["phase"], one["phases"], one["layers"]) for one in grown] == [
        (1, 1, 3, 1),
        (7, 2, 3, 2),
        (12, 3, 3, 4),
    ]
    assert grown[1]["trained"] < grown[1]["parameters"] / 2  # no table of tokens, no first layer
    assert grown[2]["trained"] == grown[2]["parameters"] == ended.told["pretrain"]["parameters"]
    assert "stage 2 of 3, the model has 2 layers" in ended.err
    page = (folder / "report.html").read_text("utf-8")
    assert ">2 layers<" in page and ">4 layers<" in page

    config = json.loads((folder / "model/config.json").read_text("utf-8"))
    assert config["num_hidden_layers"] == 4
    names = load_file(folder / "model/model.safetensors").keys()
    assert {f"bert.encoder.layer.{number}.output.dense.weight" for number in range(4)} <= names

    from transformers import AutoModelForMaskedLM

    _, info = AutoModelForMaskedLM.from_pretrained(folder / "model", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]


def test_two_processes_grow_together(run, monkeypatch) -> None:
    exact = ("model.dropout=0%", "model.attention_dropout=0%")

    def losses(ended: Any) -> list[float]:
        return [one["loss"] for one in told(folder_of(ended), "step")]

    one, two = losses(run("one", *exact)), losses(run("two", *exact, "hardware.ranks=2"))
    np.testing.assert_allclose(two, one, rtol=2e-6)
    assert len(one) == 18 and one != two
    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    np.testing.assert_allclose(losses(run("gloo", *exact, "hardware.ranks=2")), one, rtol=2e-6)


def test_a_recipe_that_cannot_grow_is_told_at_once(acclimate_command, finished_project) -> None:
    sets = ("--set", GROW, "--set", "model={family: albert}")
    ended = acclimate_command("check", "recipe.yaml", *sets, folder=finished_project.folder)
    assert ended.code == 2 and "Traceback" not in ended.err
    assert "pretrain.grow: models of the family albert cannot grow" in ended.err
