"""Running a recipe from Python: what it gives, whom it tells, and which folder it takes."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.artifacts.durable import read_lines
from acclimate.errors import UserError
from acclimate.pipeline.run import StoppedBySignal, run_recipe
from acclimate.recipe.loading import load_recipe

RECIPE = """\
name: text
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
"""


class Listener:
    """Remembers what it is told, and may act on it."""

    def __init__(self, act: Callable[[str], object] = lambda stage: None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._act = act

    def stage_started(self, stage: str) -> None:
        self.told.append(("started", stage))
        self._act(stage)

    def stage_skipped(self, stage: str) -> None:
        self.told.append(("skipped", stage))

    def stage_ended(self, stage: str, seconds: float) -> None:
        self.told.append(("ended", stage))

    def tell(self, stage: str, done: float, total: float | None, unit: str, **figures: float) -> None:
        self.told.append(("tell", stage, done, total, unit))

    def note(self, text: str) -> None:
        self.told.append(("note", text))


@pytest.fixture
def project(make_project, tmp_path: Path) -> Path:
    folder: Path = make_project(tmp_path, recipe=RECIPE)
    return folder


@pytest.fixture
def run(project: Path) -> Callable[..., dict[str, Any]]:
    """run(*overrides, listener=…) → metrics"""

    def start(*overrides: str, listener: Listener | None = None) -> dict[str, Any]:
        loaded = load_recipe(project / "recipe.yaml", list(overrides))
        return run_recipe(loaded, output=project / "out", listener=listener or Listener())

    return start


def test_it_returns_what_it_writes(run, project) -> None:
    listener = Listener()
    metrics = run(listener=listener)
    folder = Path(metrics["run"])
    assert folder.parent == project / "out/text"
    assert json.loads((folder / "metrics.json").read_text("utf-8")) == metrics
    assert (
        metrics["report"] == str(folder / "report.html") and (folder / "report.html").stat().st_size > 10_000
    )
    assert load_recipe(folder / "recipe.resolved.yaml").recipe == load_recipe(project / "recipe.yaml").recipe
    assert [one for one in listener.told if one[0] in ("started", "ended")] == [
        ("started", "corpus"), ("ended", "corpus"), ("started", "tokenizer"), ("ended", "tokenizer"),
    ]  # fmt: skip
    size = (project / "text.txt").stat().st_size
    assert ("tell", "corpus", size, size, "bytes") in listener.told


def test_a_stop_is_told_with_its_signal_and_the_old_handlers_come_back(run) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    listener = Listener(lambda stage: signal.raise_signal(signal.SIGTERM) if stage == "tokenizer" else None)
    with pytest.raises(
        StoppedBySignal, match=r"everything is saved in .*out/text/20.*The same command goes on"
    ) as stop:
        run(listener=listener)
    assert stop.value.number == signal.SIGTERM
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    metrics = run()
    assert metrics["stages"]["corpus"]["skipped"] and not metrics["stages"]["tokenizer"]["skipped"]
    assert Path(metrics["run"]).name in str(stop.value)


def test_the_same_recipe_goes_on_in_its_folder_and_another_one_does_not(run, project) -> None:
    def fail(stage: str) -> None:
        if stage == "tokenizer":
            raise UserError("no more ink")

    with pytest.raises(UserError, match="no more ink"):
        run(listener=Listener(fail))
    (unfinished,) = (path for path in (project / "out/text").iterdir() if not path.is_symlink())
    other = run("seed=5")
    assert Path(other["run"]) != unfinished
    assert Path(run()["run"]) == unfinished
    kinds = [(event["stage"], event["kind"]) for event in read_lines(unfinished / "events.jsonl")]
    assert kinds[-2:] == [
        ("corpus", "stage_skipped"),
        ("tokenizer", "stage_skipped"),
    ]  # the other run has made it
    assert Path(run()["run"]) not in (unfinished, Path(other["run"]))  # a finished one is left alone


def test_it_runs_in_a_thread_where_no_signal_can_be_caught(run) -> None:
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    assert found and found[0]["stages"].keys() == {"corpus", "tokenizer"}
