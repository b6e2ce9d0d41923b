"""A study of small runs, each in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acclimate.artifacts.line_log import read_lines
from acclimate.errors import UserError
from acclimate.recipe.problems import RecipeError
from acclimate.search.study import _charged, run_study
from acclimate.search.variants import trials

TEXT = "".join(
    f"第{n}行 is a line of text about {n * n} and {'apples' if n % 3 else 'pears'}.\n" for n in range(150)
)
RECIPE = """\
name: small
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 10%, test: 0%}}
tokenizer: {train: {vocab_size: 300}}
model: {family: bert, size: tiny, positions: 32}
pretrain: {length: 2 steps, batch: 256 tokens, sequence_length: 32}
hardware: {threads: 1}
study:
  seeds: [3, 4]
  variants:
    快: {pretrain.optimizer: {lion: {lr: 1e-3}}, pretrain.gradients: []}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_every_variant_runs_with_every_seed_and_none_twice(recipe: Path, tmp_path: Path) -> None:
    told: list[str] = []
    # A budget of one second: the first run is always made, and it takes longer.
    found = run_study(recipe, ["study.budget=1 seconds"], output=tmp_path / "runs", tell=told.append)
    assert [(one["variant"], one["seed"]) for one in found["runs"]] == [("base", 3)]
    assert len(found["missing"]) == 3 and "allows no more runs; 3 are left out" in told[-1]

    found = run_study(recipe, [], output=tmp_path / "runs", tell=told.append)
    assert "run 1 of 3: 快, seed 3" in told
    assert [(one["variant"], one["seed"]) for one in found["runs"]] == [
        ("base", 3), ("快", 3), ("base", 4), ("快", 4),
    ]  # fmt: skip
    (row,) = found["rows"]
    (one,) = row["differences"].values()
    values = {
        (run["variant"], run["seed"]): run["measures"]["held-out text, bits_per_byte"]
        for run in found["runs"]
    }
    assert len(set(values.values())) == 4
    assert one["difference"] == pytest.approx(
        sum(values["快", seed] - values["base", seed] for seed in (3, 4)) / 2
    )
    assert one["low"] < one["difference"] < one["high"] and row["time_ratio"] > 0
    assert all(run["peak_memory_bytes"] > 1e8 for run in found["runs"])
    # Text, tokenizer and tokens were made once, for they are equal.
    stages = [json.loads((Path(run["run"]) / "metrics.json").read_text())["stages"] for run in found["runs"]]
    assert [one["tokens"]["skipped"] for one in stages] == [False, True, True, True]
    assert json.loads(Path(found["folder"], "study.json").read_text("utf-8")) == found
    assert "快" in Path(found["report"]).read_text("utf-8")

    told.clear()
    again = run_study(recipe, [], output=tmp_path / "runs", tell=told.append)
    assert told == [] and again == found
    assert len(list(read_lines(Path(found["folder"], "runs.jsonl")))) == 4


def test_runs_side_by_side_are_the_same_runs(recipe: Path, tmp_path: Path) -> None:
    one_by_one = run_study(recipe, [], output=tmp_path / "runs", tell=lambda text: None)
    told: list[str] = []
    changes = ["study.at_once=3", "study.seeds=[3, 4]"]
    at_once = run_study(recipe, changes, output=tmp_path / "others", tell=told.append)
    assert len(told) == 4
    assert [one["measures"] for one in at_once["runs"]] == [one["measures"] for one in one_by_one["runs"]]
    assert all(one["seconds"] > 0 for one in at_once["runs"])
    lines = list(read_lines(Path(at_once["folder"], "runs.jsonl")))
    assert sorted((one["variant"], one["seed"]) for one in lines) == sorted(
        (one["variant"], one["seed"]) for one in at_once["runs"]
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are told by /proc")
def test_a_study_that_is_stopped_leaves_no_run_behind(recipe: Path, tmp_path: Path) -> None:
    long = ["-s", "study.at_once=2", "-s", "pretrain.length=1000000 steps"]
    study = subprocess.Popen([sys.executable, "-m", "acclimate", "study", recipe.name, *long])
    until = time.monotonic() + 90
    while not list((tmp_path / "runs").glob("small-*/*/events.jsonl")) and time.monotonic() < until:
        time.sleep(0.2)
    children = {
        int(pid)
        for task in Path(f"/proc/{study.pid}/task").iterdir()
        for pid in (task / "children").read_text().split()
    }
    assert children, "no run was at work"
    study.send_signal(signal.SIGTERM)
    assert study.wait(60) == 130
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_what_is_not_known_to_cost_is_not_charged_in_part() -> None:
    line = {"variant": "a", "trainings": ["pretrain-1", "task-1"]}
    costs = {"task-1": {"seconds": 3.0, "peak_memory_bytes": 5}}
    assert _charged(line, costs)["seconds"] is None
    costs["pretrain-1"] = {"seconds": 4.0, "peak_memory_bytes": 9}
    assert (_charged(line, costs)["seconds"], _charged(line, costs)["peak_memory_bytes"]) == (7.0, 9)


def test_a_failed_run_is_told_and_the_others_are_shown(recipe: Path, tmp_path: Path) -> None:
    changed = recipe.read_text("utf-8").replace("seeds: [3, 4]", "seeds: [3]")
    # Sound by itself, and too fast to learn anything: the loss is no number after a step.
    changed = changed.replace("lion: {lr: 1e-3}", "sgd: {lr: 1e+30}")
    recipe.write_text(changed + "    slower: {pretrain.length: 1 steps}\n", encoding="utf-8")
    found = run_study(recipe, [], output=tmp_path / "runs", tell=lambda text: None)
    (told,) = found["failed"]
    assert told.startswith("the run of 快 with seed 3 failed") and "acclimate run " in told
    assert [one["variant"] for one in found["runs"]] == ["base", "slower"]
    assert found["missing"] == [{"variant": "快", "seed": 3}]
    # It took its time, which a budget counts; and it is tried again.
    lines = list(read_lines(tmp_path / "runs" / "small-study" / "runs.jsonl"))
    assert sum("failed" in line and line["elapsed"] > 0 for line in lines) == 1
    ended = subprocess.run(
        [sys.executable, "-m", "acclimate", "study", recipe.name], capture_output=True, text=True
    )
    assert ended.returncode == 1 and "bits_per_byte" in ended.stdout and "Report: " in ended.stdout
    assert "the run of 快 with seed 3 failed" in ended.stderr.splitlines()[-1]


def test_a_base_that_fails_ends_the_study(recipe: Path, tmp_path: Path) -> None:
    fast = ["pretrain.optimizer={sgd: {lr: 1e+30}}"]
    with pytest.raises(UserError, match="the run of base with seed 3 failed"):
        run_study(recipe, fast, output=tmp_path / "runs", tell=lambda text: None)
    assert len(list(read_lines(tmp_path / "runs" / "small-study" / "runs.jsonl"))) == 1


def test_other_data_are_another_study(recipe: Path, tmp_path: Path) -> None:
    few = ["study.seeds=[3]"]
    first = run_study(recipe, few, output=tmp_path / "runs", tell=lambda text: None)
    (tmp_path / "text.txt").write_text(TEXT[: len(TEXT) // 2], encoding="utf-8")
    told: list[str] = []
    second = run_study(recipe, few, output=tmp_path / "runs", tell=told.append)
    assert len(told) == 2
    values = [
        [run["measures"]["held-out text, bits_per_byte"] for run in one["runs"]] for one in (first, second)
    ]
    assert not set(values[0]) & set(values[1])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "pretrain.optimizer: {lion",
            "pretrain.optimiser: {lion",
            r"^small.yaml:10:\d+: study\.variants\.快\.pretrain\.optimiser: .*did you mean 'optimizer'",
        ),
        (
            "{lion: {lr: 1e-3}}",
            "{lyon: {lr: 1e-3}}",
            r"^small.yaml:10:\d+: study\.variants\.快\.pretrain\.optimizer: .*did you mean 'lion'",
        ),
        (
            "    快:",
            "    base:",
            r"^small.yaml:10:\d+: study\.variants\.base: `base` is the recipe as it stands",
        ),
        ("pretrain.gradients: []", "name: x", "a study gives each run its own name"),
        ("pretrain.gradients: []", "seed: 7", "a study gives each run its own seed"),
        ("pretrain.gradients: []", "study.seeds: [5]", "a study gives each run its own study"),
    ],
)
def test_a_variant_that_is_no_recipe_is_told_before_anything_runs(
    recipe: Path, old: str, new: str, message: str
) -> None:
    recipe.write_text(recipe.read_text("utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        trials(recipe)


def test_a_recipe_without_a_study_is_for_run(recipe: Path) -> None:
    with pytest.raises(UserError, match="no `study:` section"):
        trials(recipe, ["study=null"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: [3, 4]", "seeds: [3, 3]", "a seed stands twice"),
        ("seeds: [3, 4]", "seeds: [-1]", "expected seeds from 0"),
        ("seeds: [3, 4]", "budget: 5 steps", "expected a time such as '4 hours'"),
        ("    快: {", "    '': {", "at most 80 characters"),
    ],
)
def test_wrong_settings_of_a_study(recipe: Path, old: str, new: str, message: str) -> None:
    recipe.write_text(recipe.read_text("utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        trials(recipe)
