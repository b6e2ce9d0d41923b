"""Killed at any moment, or asked to stop, a run goes on to the same bits as one that was left alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from acclimate.artifacts.durable import read_lines

RUN = ("run", "recipe.yaml")


def steps_of(run: Path) -> list[tuple[Any, ...]]:
    return [
        (one["stage"], one["step"], one["loss"], one["tokens"])
        for one in read_lines(run / "events.jsonl")
        if one["kind"] == "step"
    ]


def bits_of(run: Path) -> dict[str, Any]:
    """All that a run delivers and learns, apart from the clock."""
    untimed = ("seconds", "time")
    logs = {
        str(log): [{k: v for k, v in line.items() if k not in untimed} for line in read_lines(run / log)]
        for log in (f"artifacts/{name}/steps.jsonl" for name in ("pretrain", "task-topic-with-0"))
    }
    weights = {
        str(path.relative_to(run)): path.read_bytes()
        for folder in ("model", "tasks/topic/model")
        for path in sorted((run / folder).glob("*"))
        if path.name != "README.md"  # tells how long it took
    }
    assert len([name for name in weights if name.endswith(".safetensors")]) == 2
    evaluation = json.loads((run / "artifacts/evaluation-topic/evaluation.json").read_text("utf-8"))
    for outcome in evaluation["outcomes"]:
        del outcome["seconds"]
    return {**logs, **weights, "evaluation": evaluation}


def only_run(project: Path) -> Path:
    (run,) = (path for path in (project / "runs" / "tiny").iterdir() if not path.is_symlink())
    return run


def resumed_at(run: Path) -> list[int]:
    return [one["step"] for one in read_lines(run / "events.jsonl") if one["kind"] == "resumed"]


MOMENTS: dict[str, dict[str, Any]] = {
    "while the corpus is written": {"before": ("open", r"\.dropped\.jsonl\.tmp-")},
    "before any checkpoint": {"after": {"stage": "pretrain", "kind": "step", "step": 3}},
    "while a checkpoint is written": {"before": ("open", r"\.step-000000010\.tmp-.*state\.json")},
    "before a checkpoint gets its name": {"before": ("os.rename", r"\.step-000000010\.tmp-[^/]*$")},
    "between checkpoints": {"after": {"stage": "pretrain", "kind": "step", "step": 13}},
    "after the last checkpoint": {"after": {"stage": "pretrain", "kind": "checkpoint", "step": 18}},
    "in fine-tuning": {"after": {"stage": "task-topic-with-0", "kind": "step", "step": 4}},
    "before the figures are written": {"before": ("os.rename", r"/\.metrics\.json\.tmp-")},
}


def test_a_run_killed_again_and_again_ends_with_the_same_bits(
    acclimate_command, make_project, finished_project, tmp_path
) -> None:
    project = make_project(tmp_path / "project")
    for moment, strike in MOMENTS.items():
        killed = acclimate_command(*RUN, folder=project, **strike)
        assert killed.code == -signal.SIGKILL, f"{moment}: {killed}"
        assert not (only_run(project) / "metrics.json").exists(), moment
    run = only_run(project)
    assert resumed_at(run) == [5, 5, 10, 18]

    ended = acclimate_command(*RUN, folder=project)
    assert ended.code == 0, ended.err
    assert only_run(project) == run and (run / "metrics.json").exists()
    assert "corpus: up to date, skipped" in ended.err and "pretrain: up to date, skipped" in ended.err
    assert steps_of(run) == steps_of(finished_project.run)
    assert bits_of(run) == bits_of(finished_project.run)


def test_asked_to_stop_it_saves_and_goes_on_later(
    acclimate_command, make_project, finished_project, tmp_path
) -> None:
    project = make_project(tmp_path / "project")
    asked = [
        (signal.SIGTERM, {"stage": "tokens", "kind": "stage_start"}),
        (signal.SIGTERM, {"stage": "pretrain", "kind": "step", "step": 3}),
        (signal.SIGINT, {"stage": "pretrain", "kind": "step", "step": 12}),
        (signal.SIGINT, {"stage": "task-topic-without-0", "kind": "step", "step": 2}),
    ]
    for number, moment in asked:
        stopped = acclimate_command(*RUN, folder=project, after=moment, number=number)
        run = only_run(project)
        assert stopped.code == 128 + number, stopped
        message = stopped.err.splitlines()[-1]
        assert message.startswith("acclimate: stopped; everything is saved in runs/tiny/"), stopped.err
        assert "The same command goes on from there." in message and "Traceback" not in stopped.err
        assert list(read_lines(run / "events.jsonl"))[-1]["kind"] == "stopped"
    assert resumed_at(run) == [3, 12]  # the steps themselves: the state was saved when it was asked

    ended = acclimate_command(*RUN, folder=project)
    assert ended.code == 0, ended.err
    assert only_run(project) == run
    assert steps_of(run) == steps_of(finished_project.run)
    assert bits_of(run) == bits_of(finished_project.run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_while_the_report_is_written(acclimate_command, copied, number: signal.Signals) -> None:
    recipe = str(copied.folder / "recipe.yaml")
    arguments = ("run", recipe, "--output", str(copied.output))
    stopped = acclimate_command(
        *arguments, folder=copied.output, before=("open", r"\.report\.html\.tmp-"), number=number
    )
    assert stopped.code == 128 + number, stopped
    assert "acclimate: stopped; " in stopped.err and "Traceback" not in stopped.err
    runs = [path for path in (copied.output / "tiny").iterdir() if not path.is_symlink()]
    ended = acclimate_command(*arguments, folder=copied.output)
    assert ended.code == 0
    assert sorted(runs) == sorted(p for p in (copied.output / "tiny").iterdir() if not p.is_symlink())
    assert all((run / "metrics.json").exists() for run in runs)
