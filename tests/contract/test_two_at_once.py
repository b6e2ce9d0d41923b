"""Two runs of one recipe at once: nothing is done twice, nobody gets in the other's way."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONGER = "pretrain.length=30 steps"


@pytest.fixture
def output(untrained_output, tmp_path: Path) -> Path:
    return untrained_output(tmp_path / "runs")


@pytest.fixture
def start(acclimate_command, finished_project, output: Path) -> Callable[..., Any]:
    recipe = str(finished_project.folder / "recipe.yaml")
    arguments = ("run", recipe, "--output", str(output), "--json", "--set", LONGER)

    def begin(**options: Any) -> Any:
        return acclimate_command.start(*arguments, folder=output, **options)

    return begin


def wait(command: Any, what: str, happened: Callable[[], Any]) -> None:
    for _ in range(3000):
        if happened():
            return
        assert command.running(), f"{what} did not happen: {command.said()}"
        time.sleep(0.01)
    pytest.fail(f"{what} did not happen in 30 s: {command.said()}")


def wait_until(command: Any, text: str) -> None:
    wait(command, repr(text), lambda: text in command.said())


def redone(metrics: dict[str, Any]) -> set[str]:
    return {stage for stage, cost in metrics["stages"].items() if not cost["skipped"]}


def figures(metrics: dict[str, Any]) -> Any:
    return metrics["pretrain"]["intervals"], metrics["tasks"]


def test_the_second_says_who_is_at_work_waits_and_skips(start, output) -> None:
    first = start()
    wait_until(first, "pretrain: started")
    second = start()
    wait_until(second, "pretrain: held by")
    assert first.running()
    ended, other = first.ended(), second.ended()
    assert (ended.code, other.code) == (0, 0), other.err
    found = re.search(r"pretrain: held by pid (\d+) on (\S+) since 20\S+", " ".join(other.err.split()))
    assert found and int(found[1]) == first.pid and found[2] == os.uname().nodename
    assert "pretrain: up to date, skipped" in other.err
    assert {"pretrain", "figures"} <= redone(ended.told)
    assert not redone(ended.told) & redone(other.told)
    assert figures(ended.told) == figures(other.told)
    assert ended.told["run"] != other.told["run"]
    assert all(
        (output / "tiny" / Path(one.told["run"]).name / "metrics.json").exists() for one in (ended, other)
    )


def test_where_the_first_dies_the_second_takes_over_from_its_checkpoint(start, output) -> None:
    first = start(after={"stage": "pretrain", "kind": "step", "step": 24}, number=signal.SIGSTOP)
    wait(
        first, "a checkpoint", lambda: list(output.glob(".store/pretrain/.work-*/checkpoints/step-000000020"))
    )
    second = start()
    wait_until(second, "pretrain: held by")
    impatient = start()
    wait_until(impatient, "pretrain: held by")
    os.kill(impatient.pid, signal.SIGINT)
    stopped = impatient.ended()
    assert stopped.code == 128 + signal.SIGINT and "acclimate: stopped; " in stopped.err, stopped.err
    assert second.running() and first.running()

    os.kill(first.pid, signal.SIGKILL)
    assert first.ended().code == -signal.SIGKILL
    ended = second.ended()
    assert ended.code == 0, ended.err
    events = (output / "tiny" / Path(ended.told["run"]).name / "events.jsonl").read_text("utf-8")
    assert '"kind":"resumed","step":20' in events


def test_both_at_the_same_moment(start) -> None:
    commands = [start(), start()]
    first, second = (command.ended() for command in commands)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert not redone(first.told) & redone(second.told)
    trained = {"pretrain", "figures", "task-topic-with-0", "task-topic-without-0", "evaluation-topic"}
    assert redone(first.told) | redone(second.told) == trained
    assert figures(first.told) == figures(second.told)
