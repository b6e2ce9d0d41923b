"""Bringing stages up to date, with small stages of our own on a real store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acclimate.artifacts.durable import read_lines, write_json, write_text
from acclimate.artifacts.store import Store
from acclimate.engine.interrupt import StopRequest
from acclimate.errors import UserError
from acclimate.pipeline import runner
from acclimate.pipeline.events import EventLog
from acclimate.pipeline.runner import Runner
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.sections import Hardware


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage_started(self, stage: str) -> None:
        self.lines.append(f"{stage} started")

    def stage_skipped(self, stage: str) -> None:
        self.lines.append(f"{stage} skipped")

    def stage_ended(self, stage: str, seconds: float) -> None:
        assert seconds > 0
        self.lines.append(f"{stage} ended")

    def tell(self, stage: str, done: float, total: float | None, unit: str, **figures: float) -> None:
        self.lines.append(f"{stage} {done:.0f}/{total:.0f} {unit}")

    def note(self, text: str) -> None:
        self.lines.append(f"! {text}")


def counted(work: Work) -> None:
    """Adds up the numbers of its inputs, and one."""
    numbers = [read_json(artifact.folder / "number.json") for artifact in work.inputs.values()]
    work.tell(1, 2, "numbers")
    work.emit("counted", numbers=len(numbers))
    write_json(work.folder / "number.json", sum(numbers) + 1)


def stage(name: str, *needs: str, run: Callable[[Work], None] = counted, **settings: Any) -> Stage:
    return Stage(name=name, kind=name.split("-")[0], version=1, settings=settings, needs=needs, run=run)


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def run(tmp_path: Path, log_path: Path) -> Iterator[Callable[..., tuple[Runner, Told]]]:
    """run(*stages) → the runner that brought all up to date, and what it told."""

    def bring(*stages: Stage) -> tuple[Runner, Told]:
        told = Told()
        with EventLog(log_path) as log:
            runner = Runner(
                stages,
                store=Store(tmp_path / "store", warn=told.note),
                log=log,
                listener=told,
                hardware=Hardware(),
                stop=StopRequest(),
            )
            for one in stages:
                runner.bring_up_to_date(one.name)
        return runner, told

    yield bring


def folder_of(runner: Runner, name: str) -> Path:
    return runner.bring_up_to_date(name).folder


CHAIN = (stage("first"), stage("second", "first"), stage("third-a", "first", "second"))


def test_inputs_are_ready_before_and_each_stage_runs_once(run, log_path) -> None:
    runner, told = run(*CHAIN)
    assert read_json(folder_of(runner, "third-a") / "number.json") == 4
    assert told.lines == [
        "first started", "first 1/2 numbers", "first ended", "second started", "second 1/2 numbers", "second ended",
        "third-a started", "third-a 1/2 numbers", "third-a ended",
    ]  # fmt: skip
    kinds = [(event["stage"], event["kind"]) for event in read_lines(log_path)]
    assert kinds == [
        (name, kind)
        for name in ("first", "second", "third-a")
        for kind in ("stage_start", "counted", "stage_end")
    ]
    for cost in runner.costs.values():
        assert cost["seconds"] > 0 and cost["peak_memory_bytes"] > 10**6 and cost["skipped"] is False


def test_a_second_run_skips_and_says_so(run, log_path) -> None:
    run(*CHAIN)
    before = len(list(read_lines(log_path)))
    runner, told = run(*CHAIN)
    assert told.lines == ["first skipped", "second skipped", "third-a skipped"]
    assert [event["kind"] for event in read_lines(log_path)][before:] == ["stage_skipped"] * 3
    assert {cost["skipped"] for cost in runner.costs.values()} == {True}


def test_other_settings_redo_a_stage_and_other_content_what_stands_on_it(run) -> None:
    run(*CHAIN)
    _, told = run(CHAIN[0], stage("second", "first", shade="red"), CHAIN[2])
    # The second comes to the same number, so the third has nothing new to add up.
    assert [line for line in told.lines if "/" not in line] == [
        "first skipped", "second started", "second ended", "third-a skipped",
    ]  # fmt: skip

    def other(work: Work) -> None:
        write_json(work.folder / "number.json", 10)

    runner, told = run(CHAIN[0], stage("second", "first", run=other, shade="blue"), CHAIN[2])
    assert "third-a ended" in told.lines
    assert read_json(folder_of(runner, "third-a") / "number.json") == 12


@pytest.mark.parametrize("change", ["version", "outside", "packages", "kind"])
def test_all_that_decides_a_stage_is_in_its_key(run, change: str) -> None:
    known: dict[str, Any] = {"name": "one", "kind": "one", "version": 1, "settings": {}, "run": counted}
    run(Stage(**known))
    values = {"version": 2, "outside": {"file": "digest"}, "packages": ("numpy",), "kind": "other"}
    _, told = run(Stage(**{**known, change: values[change]}))
    assert "one ended" in told.lines


def test_a_failed_stage_leaves_nothing_but_its_workspace(run, tmp_path, log_path) -> None:
    seen = []

    def fails(work: Work) -> None:
        write_text(work.folder / "half", "a half")
        seen.append((work.workspace / "progress").exists())
        write_text(work.workspace / "progress", "as far as this")
        raise UserError("the cat sat on it")

    for _ in range(2):
        with pytest.raises(UserError, match="the cat"):
            run(CHAIN[0], stage("bad", "first", run=fails))
    assert seen == [False, True]
    left = [path for path in (tmp_path / "store/bad").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["progress"]
    _, told = run(CHAIN[0], stage("bad", "first"))  # the same key: what the stage does is no part of it
    assert "bad ended" in told.lines and not list((tmp_path / "store/bad").glob(".work-*"))
    assert [event["kind"] for event in read_lines(log_path) if event["stage"] == "bad"][-1] == "stage_end"


def test_an_input_damaged_while_the_run_goes_on_is_made_again(run) -> None:
    damaged = []

    def damages(work: Work) -> None:
        counted(work)
        if not damaged:
            damaged.append(True)
            path = work.inputs["first"].folder / "number.json"
            path.chmod(0o644)
            path.write_text("9\n\n")

    runner, told = run(CHAIN[0], stage("second", "first", run=damages), CHAIN[2])
    assert [line for line in told.lines if line.startswith("first ") and "/" not in line] == [
        "first started", "first ended", "first started", "first ended",
    ]  # fmt: skip
    (note,) = (line for line in told.lines if line.startswith("!"))
    assert "first/" in note and "number.json" in note and "it is made again" in note
    assert read_json(folder_of(runner, "third-a") / "number.json") == 4


def test_a_warning_is_logged_and_told(run, log_path) -> None:
    def warns(work: Work) -> None:
        work.emit("warning", message="it smells")
        counted(work)

    _, told = run(stage("one", run=warns))
    assert "! one: it smells" in told.lines
    (event,) = (event for event in read_lines(log_path) if event["kind"] == "warning")
    assert (event["stage"], event["message"]) == ("one", "it smells")


def test_what_will_happen_again_is_forgotten(run, log_path) -> None:
    def resumes(work: Work) -> None:
        if not (work.workspace / "began").exists():
            for step in (1, 2, 3):
                work.emit("step", step=step)
                work.emit("validation", step=step)
                work.emit("checkpoint", step=step)
            write_text(work.workspace / "began", "")
            raise UserError("stopped")
        work.forget_after(1)
        work.emit("step", step=2)
        counted(work)

    with pytest.raises(UserError):
        run(stage("one", run=resumes))
    run(stage("one", run=resumes))
    steps = [(event["kind"], event["step"]) for event in read_lines(log_path) if "step" in event]
    assert steps == [("step", 1), ("validation", 1), ("checkpoint", 1), ("step", 2)]


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert runner._version("no-such-package-of-any-kind") == "none" and runner._version("numpy") != "none"


def test_libraries_are_loaded_before_the_clock_of_a_stage_starts(tmp_path: Path) -> None:
    ask = """
import sys
from pathlib import Path
from acclimate.artifacts.durable import write_json
from acclimate.artifacts.store import Store
from acclimate.engine.interrupt import StopRequest
from acclimate.pipeline import runner
from acclimate.pipeline.events import EventLog
from acclimate.pipeline.runner import Runner
from acclimate.pipeline.stage import Stage
from acclimate.recipe.sections import Hardware

class Silent:
    def __getattr__(self, name): return lambda *args, **more: None

loaded = []
clock = runner.time.perf_counter
runner.time.perf_counter = lambda: loaded.append({"torch", "transformers"} <= set(sys.modules)) or clock()
run = lambda work: write_json(work.folder / "n.json", 1)
stages = [
    Stage(name=name, kind=name, version=1, settings={}, needs=(), run=run, packages=packages)
    for name, packages in (("plain", ()), ("model", ("torch", "transformers")))
]
with EventLog(Path(sys.argv[1], "events.jsonl")) as log:
    store = Store(Path(sys.argv[1], "store"), warn=print)
    one = Runner(stages, store=store, log=log, listener=Silent(), hardware=Hardware(), stop=StopRequest())
    one.bring_up_to_date("plain"); one.bring_up_to_date("model")
print(loaded)
"""
    command = [sys.executable, "-c", ask, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[False, False, True, True]"
