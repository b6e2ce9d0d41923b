"""Pretraining in two processes: what one process learns, whatever happens to either of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from acclimate.artifacts.durable import read_lines

EXACT = ("model.dropout=0%", "model.attention_dropout=0%", "hardware.precision=fp32")
TWO = "hardware.ranks=2"


@pytest.fixture
def start(acclimate_command, finished_project, untrained_output, tmp_path) -> Callable[..., Any]:
    """start("name of an output folder", *overrides, **when it is struck) → the command at work, on pretraining alone"""
    recipe = str(finished_project.folder / "recipe.yaml")

    def begin(name: str, *overrides: str, **strike: Any) -> Any:
        output = tmp_path / name
        if not output.exists():
            untrained_output(output)
        sets = [part for one in ("tasks={}", *overrides) for part in ("--set", one)]
        return acclimate_command.start(
            "run", recipe, "--output", str(output), "--json", *sets, folder=tmp_path, **strike
        )

    return begin


@pytest.fixture
def run(start) -> Callable[..., Any]:
    """The same, waited for: how it ended."""

    def to_its_end(*arguments: str, code: int = 0, **strike: Any) -> Any:
        ended = start(*arguments, **strike).ended()
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err, ended.err
        return ended

    return to_its_end


def artifact(ended: Any) -> Path:
    return Path(ended.told["run"]) / "artifacts" / "pretrain"


def losses(ended: Any) -> list[float]:
    return [line["loss"] for line in read_lines(artifact(ended) / "steps.jsonl")]


def test_two_processes_learn_what_one_learns(run, monkeypatch) -> None:
    one, two = run("one", *EXACT), run("two", *EXACT, TWO)
    np.testing.assert_allclose(losses(two), losses(one), rtol=1e-6)
    assert len(losses(one)) == 18 and losses(two) != losses(
        one
    )  # another order of adding: the ranks were real
    for name in ("steps", "tokens", "epochs"):
        assert two.told["pretrain"][name] == one.told["pretrain"][name]
    for name in ("before", "validation", "test"):
        found = two.told["pretrain"][name]["bits_per_byte"]
        assert found == pytest.approx(one.told["pretrain"][name]["bits_per_byte"], rel=1e-6)
    ours, theirs = (load_file(artifact(ended) / "model/model.safetensors") for ended in (one, two))
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-3, atol=1e-4, err_msg=name)

    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    np.testing.assert_allclose(losses(run("gloo", *EXACT, TWO)), losses(one), rtol=2e-6)


def test_two_processes_killed_go_on_to_the_same_bits(run) -> None:
    """With dropout, in the machine's own precision."""
    whole = run("whole", TWO)
    moment = {"stage": "pretrain", "kind": "step", "step": 7}
    run("struck", TWO, after=moment, number=signal.SIGKILL, code=-signal.SIGKILL)
    ended = run("struck", TWO)
    assert "going on after step 5" in ended.err
    assert losses(ended) == losses(whole)
    for name in ("model/model.safetensors", "model/config.json"):
        assert (artifact(ended) / name).read_bytes() == (artifact(whole) / name).read_bytes()


def test_another_number_of_processes_goes_on_where_the_last_one_stopped(run) -> None:
    whole = run("whole", *EXACT)
    for step, ranks in ((4, 2), (9, 1)):
        moment = {"stage": "pretrain", "kind": "step", "step": step}
        stopped = run(
            "changing", *EXACT, f"hardware.ranks={ranks}", after=moment, number=signal.SIGINT, code=130
        )
        assert stopped.err.splitlines()[-1].startswith("acclimate: stopped; everything is saved in ")
    ended = run("changing", *EXACT, "hardware.ranks=3")
    np.testing.assert_allclose(losses(ended), losses(whole), rtol=2e-6)
    assert "going on after step 9" in ended.err
    assert "hardware.ranks is 3, and there are 1 threads for them: ranks take turns on a core" in ended.err
    # Ranks are no part of what a stage is: the finished one is up to date for any number.
    assert "pretrain: up to date, skipped" in run("changing", *EXACT).err


LONG = ("pretrain.length=5000 steps", "pretrain.checkpoint.every=2 steps", TWO)


def test_a_killed_rank_ends_the_run_with_one_message_and_none_outlives_rank_0(start, tmp_path) -> None:
    log = tmp_path / "killed/tiny/latest/events.jsonl"

    def at_work() -> tuple[Any, list[psutil.Process]]:
        """The command, and its other ranks, once it takes steps."""
        before = count_steps(log)
        command = start("killed", *LONG)
        until = time.monotonic() + 60
        while count_steps(log) < before + 3:
            assert command.running() and time.monotonic() < until, command.said()
            time.sleep(0.05)
        return command, psutil.Process(command.pid).children()

    command, (other,) = at_work()
    other.kill()
    ended = command.ended(within=60)
    assert ended.code == 1 and "Traceback" not in ended.err, ended.err
    assert ended.err.splitlines()[-1].startswith("acclimate: rank 1 of 2 was ended by SIGKILL")

    command, others = at_work()
    assert "going on after step" in command.said()  # what was saved is there
    os.kill(command.pid, signal.SIGKILL)
    command.ended(within=60)
    gone, alive = psutil.wait_procs(others, timeout=30)
    assert len(gone) == 1 and not alive


def count_steps(log: Path) -> int:
    return sum(one["kind"] == "step" for one in read_lines(log)) if log.exists() else 0
