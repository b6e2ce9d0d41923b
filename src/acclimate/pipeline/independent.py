"""Judging a task's models on the independent test: the one place where it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acclimate.pipeline.periods import classes, earlier_names, of_its_classes, read_part
from acclimate.pipeline.stage import Work
from acclimate.recipe.sections import Recipe

SPLITS = ("train", "validation", "test")
OPENED = "independent_test"
"""Kind of the event that says that it was opened; its time is when."""


def independently(
    recipe: Recipe, name: str, work: Work, models: Sequence[Path], delivered: int
) -> dict[str, Any]:
    """Figures of the models in these folders, one a seed, on the task's independent test; what evaluation.json says."""
    from acclimate.evaluate.judging import judge
    from acclimate.models.loading import load_model
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.tokenizer.loading import load_tokenizer
    from acclimate.transfer.examples.independent import read_independent

    task: Any = recipe.tasks[name]
    names = classes(recipe, name, work)
    periods = [*earlier_names(recipe, name), f"examples-{name}"]
    known = {
        split: set().union(*(task.keys(read_part(work, stage, split, names)) for stage in periods))
        for split in SPLITS
    }
    machine = prepare(work.hardware)
    found = read_independent(task, names, known)
    work.emit(OPENED, task=name, examples=len(found.examples))
    outcomes = []
    for number, place in enumerate(models):
        at_work = task.build(names=names, tokenizer=load_tokenizer(place), seed=recipe.seed + number)
        model = load_model(place, task.kind).to(machine.device)  # type: ignore[arg-type]
        task.furnish(model, names=names, seed=recipe.seed, source=place)
        told = at_work.answers(model, found.examples, precision=machine.precision, device=machine.device)
        outcomes.append(task.outcomes(names, found.examples, told))
    evaluation = judge(
        task=name,
        with_=[of_its_classes(one) for one in outcomes] if task.before else outcomes,
        without=None,
        metrics=task.metrics,
        verdict_metric=task.metric,
        interval=recipe.evaluate.intervals,
        accounting=found.accounting,
    )
    evaluation |= task.details(names, found.examples, outcomes[delivered])
    shown = ("test", "test_loss", "per_seed", "per_class", "confusion", "accounting", "notes")
    return {
        "examples": len(found.examples),
        **{key: evaluation[key] for key in shown if key in evaluation},
    }
