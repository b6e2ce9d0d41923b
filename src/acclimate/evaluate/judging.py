"""What is said of any task's answers: figures with intervals, and the verdict between two arms.

A task hands over, for every training, its answers beside what is true (`Answered`); a metric is a function of a tally
of these, taken under many weightings of the examples at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from acclimate.evaluate.measures import Measure
from acclimate.evaluate.resampling import Answered, Draws, Resampling
from acclimate.evaluate.verdict import state
from acclimate.recipe.settings import Component

__all__ = ["Answered", "judge"]


def judge(
    *,
    task: str,
    with_: Sequence[Answered],
    without: Sequence[Answered] | None,
    metrics: Sequence[Component],
    verdict_metric: Component,
    interval: Component,
    accounting: Mapping[str, Any],
) -> dict[str, Any]:
    """What stands in evaluation.json for every task.

    with_, without: the outcomes of each seed of the models trained with and without the domain stage; none where no
    such arm was trained. metrics, verdict_metric, interval: components, as the recipe names them.
    """
    measures: dict[str, Measure] = {
        one.name: one for one in (each.build() for each in [*metrics, verdict_metric])
    }
    judged: Measure = verdict_metric.build()
    intervals: Resampling = interval.build()
    draws = intervals.draw(measures, with_)
    figures, notes = _figures(draws, intervals, measures)
    notes += getattr(with_[0], "notes", [])
    baseline, verdict, below = None, None, None
    if without is not None:
        draws_without = intervals.draw(measures, without)
        baseline, _ = _figures(draws_without, intervals, measures)
        below = draws_without[judged.name]
        found = intervals.compare(draws[judged.name], below)
        if found is None:
            notes.append(f"no verdict: {judged.title} is not defined on this test")
        else:
            verdict = state(judged, found, seeds=len(with_), level=intervals.level)
    return {
        "task": task,
        "metric": judged.name,
        "test": figures,
        "baseline_test": baseline,
        "verdict": verdict,
        "per_seed": {
            "with": _per_seed(draws[judged.name]),
            "without": [] if below is None else _per_seed(below),
        },
        "accounting": dict(accounting),
        "notes": notes,
    }


def _figures(
    draws: Mapping[str, Draws], intervals: Resampling, measures: Mapping[str, Measure]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    figures: dict[str, dict[str, Any]] = {}
    notes = []
    for name, one in draws.items():
        found = intervals.summarise(one)
        if found is None:
            notes.append(f"{measures[name].title} is left out: it is not defined on this test")
        else:
            figures[name] = found.as_dict()
    return figures, notes


def _per_seed(draws: Draws) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in draws.points]
