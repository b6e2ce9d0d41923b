"""Judging a task's models on the independent test: the one place where it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acclimate.pipeline.stage import Work
from acclimate.recipe.sections import Recipe

SPLITS = ("train", "validation", "test")
OPENED = "independent_test"
"""Kind of the event that says that it was opened; its time is when."""


def independently(
    recipe: Recipe, name: str, work: Work, models: Sequence[Path], delivered: int
) -> dict[str, Any]:
    """Figures of the models in these folders, one a seed, on the task's independent test; what evaluation.json says."""
    import numpy as np

    from acclimate.batching.sequence_store import ExampleStore
    from acclimate.evaluate.classification import evaluate_task
    from acclimate.models.loading import load_model
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.tokenizer.loading import load_tokenizer
    from acclimate.transfer.examples import read_examples, read_labels
    from acclimate.transfer.finetune import scores
    from acclimate.transfer.independent import read_independent
    from acclimate.transfer.keys import keys_of

    task: Any = recipe.tasks[name]
    folder = work.inputs[f"examples-{name}"].folder
    labels = read_labels(folder)
    known = {split: keys_of(read_examples(folder, split)) for split in SPLITS}
    machine = prepare(work.hardware)
    found = read_independent(task, labels, known)
    work.emit(OPENED, task=name, examples=len(found.examples))
    told = []
    for place in models:
        tokenizer = load_tokenizer(place)
        store = ExampleStore.from_texts(
            found.examples.texts, found.examples.pairs, tokenizer, task.sequence_length
        )
        model = load_model(place, "classification").to(machine.device)  # type: ignore[arg-type]
        told.append(scores(model, store, len(labels), machine.precision, machine.device))
    evaluation = evaluate_task(
        task=name,
        labels=labels,
        multi_label=task.multi_label,
        texts=found.examples.texts,
        targets=found.examples.labels,
        scores_with=np.stack(told),
        scores_without=None,
        metrics=task.metrics,
        verdict_metric=task.metric,
        interval=recipe.evaluate.intervals,
        delivered=delivered,
        accounting=found.accounting,
        class_counts={},
    )
    shown = ("test", "test_loss", "per_seed", "per_class", "confusion", "accounting", "notes")
    return {"examples": len(found.examples), **{key: evaluation[key] for key in shown}}
