"""A task that is learnt in periods: examples of each, classes of all, and what was kept of the earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.errors import UserError
from acclimate.pipeline.accounting import account
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from acclimate.evaluate.resampling import Answered, Resampling
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.incremental.periods import Period

ANSWERS = "period-{}-{}-answers.safetensors"
"""After which period, on the test of which one."""


def earlier_names(recipe: Recipe, name: str) -> list[str]:
    """The stages with the examples of a task's earlier periods."""
    task: Any = recipe.tasks[name]
    return [f"examples-{name}-before-{number}" for number in range(len(task.before))]


def earlier_stages(recipe: Recipe, name: str, digests: Callable[[Path], str]) -> list[Stage]:
    """Labelled files of earlier periods → checked, split examples."""
    task: Any = recipe.tasks[name]

    earlier = task.earlier()

    def stage(own: str, number: int) -> Stage:
        period = earlier[number]
        others = [*earlier[:number], *earlier[number + 1 :], task]

        def run(work: Work) -> None:
            from acclimate.transfer.examples.preparing import build_examples

            try:
                statistics = build_examples(period, work.folder, work.tell, others)
            except UserError as error:
                raise UserError(f"tasks.{name}.before[{number}]: {error}") from None
            account(work, statistics)

        return Stage(
            name=own,
            kind="examples",
            version=3,
            settings=period.data_settings(),
            outside=period.fingerprint(digests) | identity(others, digests),
            run=run,
        )

    return [stage(own, number) for number, own in enumerate(earlier_names(recipe, name))]


def identity(others: Sequence[Any], digests: Callable[[Path], str]) -> dict[str, Any]:
    """Of the other periods, whose tests are kept out of what is learnt in one."""
    return {
        f"other_period_{number}": {"settings": one.data_settings(), "content": one.fingerprint(digests)}
        for number, one in enumerate(others)
    }


def classes(recipe: Recipe, name: str, work: Work) -> list[str]:
    """The classes of all periods: those of the first one in their order, then what each later one adds. So a class
    keeps its place when others come."""
    stages = [*earlier_names(recipe, name), f"examples-{name}"]
    named = [one for stage in stages for one in read_json(work.inputs[stage].folder / "labels.json")]
    return list(dict.fromkeys(named))


def read_part(work: Work, stage: str, part: str, names: Sequence[str]) -> Examples:
    """The examples of a part, their labels numbered as in `names`."""
    from dataclasses import replace

    from acclimate.transfer.examples.preparing import read_examples

    folder = work.inputs[stage].folder
    found = read_examples(folder, part)
    own = read_json(work.inputs[stage.replace("augmented-", "examples-")].folder / "labels.json")
    places = np.array([names.index(one) for one in own], dtype=np.int64)
    if not len(places) or np.array_equal(places, np.arange(len(names))):
        return found
    if found.labels.ndim == 1:
        return replace(found, labels=places[found.labels])
    wide = np.zeros((len(found), len(names)), dtype=found.labels.dtype)
    wide[:, places] = found.labels
    return replace(found, labels=wide)


def read_earlier(recipe: Recipe, name: str, work: Work, names: Sequence[str]) -> list[Period]:
    """The examples of the periods before the task's own."""
    from acclimate.transfer.incremental.periods import Period

    return [
        Period(*(read_part(work, stage, part, names) for part in ("train", "validation", "test")))
        for stage in earlier_names(recipe, name)
    ]


def of_its_classes(outcomes: Any) -> Answered:
    """Of the classes alone that have examples in the test: those of other periods have none in it."""
    found: Answered = outcomes.of_classes(np.flatnonzero(outcomes.truth.any(axis=0)))
    return found


def what_was_kept(recipe: Recipe, name: str, work: Work, stages: Sequence[str]) -> dict[str, Any]:
    """What evaluation.json says of the earlier periods: the judged metric on each test when the period was learnt and
    in the end, over the seeds' trainings (`stages`); A_T, backward transfer and forgetting (Lopez-Paz and Ranzato 2017,
    Chaudhry et al. 2018); and of each later period what a model that knew those before it made of its test."""
    task: Any = recipe.tasks[name]
    names = classes(recipe, name, work)
    own_stages = [*earlier_names(recipe, name), f"examples-{name}"]
    tests = [read_part(work, stage, "test", names) for stage in own_stages]
    measure, intervals = task.metric.build(), recipe.evaluate.intervals.build()  # type: ignore[attr-defined]

    def told(after: int, of: int) -> list[Any]:
        return [task.outcomes(names, tests[of], _answers(work, one, after, of)) for one in stages]

    def outcomes(after: int, of: int) -> list[Answered]:
        return [of_its_classes(one) for one in told(after, of)]

    last = len(tests) - 1
    scores = {
        (after, of): float(intervals.draw({"": measure}, outcomes(after, of))[""].points.mean())
        for of in range(len(tests))
        for after in range(max(0, of - 1), len(tests))
    }
    rows = [
        _row(recipe, own_stages[of], intervals, measure, outcomes(of, of), outcomes(last, of))
        for of in range(last)
    ]
    ahead = [_ahead(own_stages[of], intervals, measure, told(of - 1, of)) for of in range(1, len(tests))]
    lost = [max(scores[after, of] for after in range(of, last)) - scores[last, of] for of in range(last)]
    return {
        "method": task.keep.dumped(),
        "foresees": task.keep.foresees,
        "metric": measure.name,
        "periods": rows,
        "ahead": ahead,
        "next": float(np.mean([scores[of - 1, of] for of in range(1, len(tests))])),
        "scores": [[scores[after, of] for of in range(after + 1)] for after in range(len(tests))],
        "average": float(np.mean([scores[last, of] for of in range(len(tests))])),
        "backward_transfer": float(np.mean([scores[last, of] - scores[of, of] for of in range(last)])),
        "forgetting": float(np.mean(lost)),
    }


def _row(
    recipe: Recipe,
    stage: str,
    intervals: Resampling,
    measure: Any,
    learnt: Sequence[Answered],
    now: Sequence[Answered],
) -> dict[str, Any]:
    """Of one earlier period: the figure when it was learnt, the one in the end, and the paired difference."""
    first, then = (intervals.draw({"": measure}, one)[""] for one in (learnt, now))
    difference = intervals.compare(then, first)
    found = [intervals.summarise(one) for one in (first, then)]
    return {
        "period": stage,
        **{key: one and one.as_dict() for key, one in zip(("learnt", "now"), found, strict=True)},
        "change": difference
        and {"value": difference.difference, "low": difference.low, "high": difference.high},
    }


def _ahead(stage: str, intervals: Resampling, measure: Any, unseen: Sequence[Any]) -> dict[str, Any]:
    """Of one later period: the figure and the mean loss on its test, before anything of it was learnt."""
    drawn = intervals.draw({"": measure}, [of_its_classes(one) for one in unseen])[""]
    found = intervals.summarise(drawn)
    loss = float(np.mean([one.loss for one in unseen]))
    return {"period": stage, "value": found and found.as_dict(), "loss": loss}


def _answers(work: Work, stage: str, after: int, of: int) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(work.inputs[stage].folder / ANSWERS.format(after, of))
