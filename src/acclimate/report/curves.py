"""The curves of pretraining and of each task's fine-tuning."""

from __future__ import annotations

from typing import Any

import numpy as np

from acclimate.report.gather import Log, TaskRecord, Training
from acclimate.report.plots import Series, line_chart
from acclimate.report.thinning import smoothed
from acclimate.report.verdict import WITH, WITHOUT, drawing

FULL, HALF, THIRD = 840, 408, 264


def _figure(
    series: list[Series], title: str, width: int, legend: list[tuple[str, str]], **options: Any
) -> dict[str, Any] | None:
    height = 290 if width == FULL else 220
    plot = drawing(lambda wide: line_chart(series, title=title, width=wide, height=height, **options), width)
    if plot is None:
        return None
    return {"plot": plot, "legend": legend, "span": {FULL: "", HALF: "half", THIRD: "third"}[width]}


def _loss(training: Training) -> dict[str, Any] | None:
    """Training loss, raw and smoothed, with the validation loss on top."""
    series, legend = [], []
    steps, seen = training.steps, training.validations
    if "loss" in steps.columns:
        loss, window = steps.columns["loss"], len(steps) // 40
        if window >= 3:
            series.append(Series("training", steps.step, loss, "plain", faint=True))
            series.append(Series("training, smoothed", steps.step, smoothed(loss, window), "a"))
            legend += [("plain", "training"), ("a", f"training, mean of {window} steps")]
        else:
            series.append(Series("training", steps.step, loss, "a"))
            legend.append(("a", "training"))
    if "loss" in seen.columns:
        series.append(Series("validation", seen.step, seen.columns["loss"], "b", marks=True))
        legend.append(("b", "validation"))
    return _figure(series, "loss", FULL, legend, events=_grown(steps))


def _grown(steps: Log) -> list[tuple[float, str]]:
    """The first step of each stage in which the model has more layers than before, and how many it has."""
    layers = steps.columns.get("layers", np.empty(0))
    return [
        (float(steps.step[at]), f"{layers[at]:.0f} layers") for at in np.flatnonzero(np.diff(layers) > 0) + 1
    ]


def _single(kept: Log, name: str, title: str, tone: str, width: int, **options: Any) -> dict[str, Any] | None:
    if name not in kept.columns:
        return None
    values = kept.columns[name]
    return _figure([Series(title, kept.step, values, tone, marks=tone == "b")], title, width, [], **options)


def pretrain_curves(training: Training) -> list[dict[str, Any]]:
    """The figures there are: loss, bits per byte, learning rate, gradient norm."""
    norm = training.steps.columns.get("gradient_norm", np.empty(0))
    norm = norm[np.isfinite(norm) & (norm > 0)]
    # One early spike would flatten everything after it on a linear axis.
    spread = bool(norm.size) and float(norm.max() / np.median(norm)) > 20
    small = [name in training.steps.columns for name in ("lr", "gradient_norm")]
    width = THIRD if all(small) and "bits_per_byte" in training.validations.columns else HALF
    found = [
        _loss(training),
        _single(training.validations, "bits_per_byte", "bits per byte, validation", "b", width),
        _single(training.steps, "lr", "learning rate", "a", width, zero=True),
        _single(
            training.steps,
            "gradient_norm",
            "gradient norm before clipping",
            "a",
            width,
            zero=not spread,
            log=spread,
        ),
    ]
    return [one for one in found if one is not None]


def task_curves(task: TaskRecord) -> list[dict[str, Any]]:
    """Validation and training loss of both arms, a line per seed."""
    tones = {"with": "a", "without": "b"}
    arms = [arm for arm in tones if any(one == arm for one, _ in task.trainings)]
    if len(arms) == 1:
        tones = {arms[0]: "a"}
    names = {"with": WITH, "without": WITHOUT} if len(arms) > 1 else dict.fromkeys(arms, "one line per seed")
    legend = [(tones[arm], names[arm]) for arm in arms]
    found = []
    for title, part in (("validation loss", "validations"), ("training loss", "steps")):
        series = []
        for (arm, seed), training in sorted(task.trainings.items()):
            log: Log = getattr(training, part)
            if "loss" in log.columns:
                loss = log.columns["loss"]
                values = smoothed(loss, len(loss) // 20) if part == "steps" else loss
                name = f"{names[arm]}, seed {seed}"
                series.append(Series(name, log.step, values, tones[arm], marks=part == "validations"))
        found.append(_figure(series, title, HALF, legend))
    return [one for one in found if one is not None]
