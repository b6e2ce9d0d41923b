from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.report.curves import pretrain_curves, task_curves
from acclimate.report.gather import read_run


def titles(curves: list[dict[str, Any]]) -> list[str]:
    return [str(one["plot"].wide).partition('aria-label="')[2].partition('"')[0] for one in curves]


def test_pretraining_has_four_figures(whole_run: Callable[[str], Path]) -> None:
    curves = pretrain_curves(read_run(whole_run("en")).pretrain)
    assert titles(curves) == [
        "loss over step",
        "bits per byte, validation over step",
        "learning rate over step",
        "gradient norm before clipping over step",
    ]
    assert [name for _, name in curves[0]["legend"]] == [
        "training",
        "training, mean of 22 steps",
        "validation",
    ]
    assert [one["span"] for one in curves] == ["", "third", "third", "third"]
    assert all('viewBox="0 0 330 ' in str(one["plot"].narrow) for one in curves)


def test_short_logs_are_not_smoothed(make_run: Callable[..., Any]) -> None:
    curves = pretrain_curves(read_run(make_run().corpus().tokens().pretrain(30).done()).pretrain)
    assert [name for _, name in curves[0]["legend"]] == ["training", "validation"]


def test_what_was_not_logged_is_not_drawn(make_run: Callable[..., Any]) -> None:
    run = read_run(make_run().pretrain().done())
    for name in ("lr", "gradient_norm"):
        del run.pretrain.steps.columns[name]
    run.pretrain.validations.columns.clear()
    assert [one["span"] for one in pretrain_curves(run.pretrain)] == [""]
    assert pretrain_curves(read_run(make_run(name="none").done()).pretrain) == []


def test_a_spike_in_the_gradient_norm_takes_a_logarithmic_axis(make_run: Callable[..., Any]) -> None:
    run = read_run(make_run().pretrain().done())
    norm = run.pretrain.steps.columns["gradient_norm"]
    plain = str(pretrain_curves(run.pretrain)[-1]["plot"].wide)
    norm[5] = 1e4
    norm[6] = np.nan
    spiked = str(pretrain_curves(run.pretrain)[-1]["plot"].wide)
    assert ">10k<" in spiked and ">100<" in spiked and ">10k<" not in plain


def test_the_loss_shows_where_a_model_grew(make_run: Callable[..., Any]) -> None:
    run = read_run(make_run().pretrain().done())
    plain = str(pretrain_curves(run.pretrain)[0]["plot"].wide)
    steps = run.pretrain.steps
    steps.columns["layers"] = np.where(
        np.arange(len(steps)) < 10, 1.0, np.where(steps.step < steps.step[20], 3, 12)
    )
    grown = pretrain_curves(run.pretrain)
    for drawn in (grown[0]["plot"].wide, grown[0]["plot"].narrow):
        assert str(drawn).count('class="reference"') == 2
        assert ">3 layers<" in str(drawn) and ">12 layers<" in str(drawn) and ">1 layers<" not in str(drawn)
    assert "reference" not in plain and "reference" not in str(grown[1]["plot"].wide)


def test_each_seed_of_each_arm_is_a_line(make_run: Callable[..., Any]) -> None:
    task = read_run(make_run().task().done()).tasks[0]
    curves = task_curves(task)
    assert titles(curves) == ["validation loss over step", "training loss over step"]
    for one in curves:
        drawn = str(one["plot"].wide)
        assert drawn.count('class="curve a"') == drawn.count('class="curve b"') == 3
        assert [tone for tone, _ in one["legend"]] == ["a", "b"]
    lone = task_curves(read_run(make_run(name="lone").task(baseline=False).done()).tasks[0])
    assert [one["legend"] for one in lone] == [[("a", "one line per seed")]] * 2
