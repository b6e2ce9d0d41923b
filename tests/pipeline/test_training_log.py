"""The log of a training: what is written of each record, and what stays of it when the training goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.artifacts.durable import read_lines
from acclimate.engine.fit import CheckpointRecord, ValidationRecord
from acclimate.engine.interrupt import StopRequest
from acclimate.engine.loop import StepRecord
from acclimate.engine.measure import Measured
from acclimate.pipeline.stage import Work
from acclimate.pipeline.training_log import TrainingLog
from acclimate.recipe.sections import Hardware
from acclimate.recipe.units import Length, Progress


def step(number: int, loss: float = 2.0, tokens: int = 100, seconds: float = 0.5) -> StepRecord:
    return StepRecord(number, loss, tokens, 3, 10.0, seconds, 1e-3, 0.5, {"clipped": 1.0})


def validation(number: int, loss: float) -> ValidationRecord:
    seen = Measured(np.zeros(1, np.int64), np.array([loss]), np.ones(1))
    return ValidationRecord(number, loss, True, seen)


@pytest.fixture
def seen() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def work(tmp_path: Path, seen: list[tuple[Any, ...]]) -> Work:
    folders = [tmp_path / name for name in ("draft", "workspace")]
    for folder in folders:
        folder.mkdir()
    return Work(
        *folders,
        inputs={},
        hardware=Hardware(),
        tell=lambda done, total, unit, **figures: seen.append(("tell", done, total, unit, figures)),
        emit=lambda kind, **fields: seen.append(("event", kind, fields)),
        forget_after=lambda number: seen.append(("forget", number)),
        stop=StopRequest(),
    )


@pytest.fixture
def log(work: Work) -> Callable[..., TrainingLog]:
    return lambda **options: TrainingLog(work, Length(10, "steps"), **options)


def test_each_record_goes_to_its_file_and_to_the_events(log, work, seen) -> None:
    with log(tokens_per_byte=0.25) as training:
        training.write(step(1), Progress(steps=1))
        training.write(validation(1, 3.0), Progress(steps=1))
        training.write(CheckpointRecord(1, Path("x/step-000000001")), Progress(steps=1))
        training.copy_to(work.folder)
    (line,) = read_lines(work.folder / "steps.jsonl")
    assert line == {
        "step": 1, "loss": 2.0, "tokens": 100, "seconds": 0.5, "lr": 1e-3, "gradient_norm": 0.5, "clipped": 1.0,
    }  # fmt: skip
    (held_out,) = read_lines(work.folder / "validation.jsonl")
    assert held_out == {"step": 1, "loss": 3.0, "best": True, "bits_per_byte": 3.0 * 0.25 / math.log(2)}
    events = [(kind, fields) for what, kind, *rest in seen if what == "event" for fields in rest]
    assert events == [
        ("step", line),
        ("validation", held_out),
        ("checkpoint", {"step": 1, "name": "step-000000001"}),
    ]


def test_what_comes_after_the_resumed_step_is_dropped(log, work, seen) -> None:
    with log() as training:
        for number in (1, 2, 3, 4):
            training.write(step(number, loss=float(number)), Progress(steps=number))
            training.write(validation(number, 1.0), Progress(steps=number))
    seen.clear()
    with log(done=2) as training:
        assert seen == [("forget", 2)]
        training.write(step(3, loss=30.0), Progress(steps=3))
        training.copy_to(work.folder)
    lines = list(read_lines(work.folder / "steps.jsonl"))
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert [line["step"] for line in read_lines(work.folder / "validation.jsonl")] == [1, 2]


def test_a_training_that_starts_anew_forgets_everything(log, work) -> None:
    with log() as training:
        training.write(step(1), Progress(steps=1))
    with log() as training:
        training.copy_to(work.folder)
    assert (work.folder / "steps.jsonl").read_text() == ""


def test_live_figures_are_smoothed(log, seen) -> None:
    with log() as training:
        training.write(step(1, loss=2.0, tokens=100, seconds=0.5), Progress(steps=1))
        training.write(step(2, loss=1.0, tokens=300, seconds=0.5), Progress(steps=2))
        training.write(step(3, loss=1.0, seconds=0.0), Progress(steps=3))
    told = [rest for what, *rest in seen if what == "tell"]
    assert told[0] == [1.0, 10.0, "steps", {"loss": 2.0, "tokens_per_second": 200.0}]
    assert told[1][3] == pytest.approx({"loss": 1.9, "tokens_per_second": 0.9 * 200 + 0.1 * 600})
    assert told[2][0] == 3.0
