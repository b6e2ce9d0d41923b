"""Everything that is said about a classification task: figures with intervals, the verdict, and what goes wrong.

Legend: S seeds (trainings), N test examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError
from acclimate.evaluate.measures import Measure, f1_by_class
from acclimate.evaluate.outcomes import Floats, Outcomes
from acclimate.evaluate.resampling import Draws, Resampling
from acclimate.evaluate.roc import log_softmax
from acclimate.evaluate.verdict import state
from acclimate.recipe.settings import Component

_SHOWN = 20
"""Predictions shown, and errors shown."""
_MOST_CHARACTERS = 500
"""Longer texts are cut where they are shown."""


@dataclass(frozen=True)
class _Test:
    """The test part of a task, as far as it is shown."""

    label_names: Sequence[str]
    texts: Sequence[str]


def evaluate_task(
    *,
    task: str,
    labels: Sequence[str],
    multi_label: bool,
    texts: Sequence[str],
    targets: NDArray[Any],
    scores_with: NDArray[Any],
    scores_without: NDArray[Any] | None,
    metrics: Sequence[Component],
    verdict_metric: Component,
    interval: Component,
    delivered: int = 0,
    accounting: Mapping[str, Any],
    class_counts: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """What stands in evaluation.json.

    labels: [C] names in the order of their ids. texts: [N], as they are to be shown.
    targets: [N] class ids, or [N, C] of 0 and 1 where several labels may hold.
    scores_with, scores_without: logits [S, N, C] of the models trained with and without the domain stage; none where
    no such arm was trained. metrics, verdict_metric, interval: components, as the recipe names them.
    delivered: which of the S models the user gets; confusion, classes and examples are its own.
    Raises UserError where a model gives scores that are not finite.
    """
    _fitting(labels, texts, targets, scores_with, multi_label)
    _finite(task, scores_with, scores_without)
    measures: dict[str, Measure] = {
        one.name: one for one in (each.build() for each in [*metrics, verdict_metric])
    }
    judged: Measure = verdict_metric.build()
    intervals: Resampling = interval.build()
    draws = intervals.draw(measures, targets, scores_with)
    outcomes = Outcomes(targets, scores_with[delivered])
    figures, notes = _figures(draws, intervals, outcomes, measures)
    baseline, verdict, without = None, None, None
    if scores_without is not None:
        draws_without = intervals.draw(measures, targets, scores_without)
        baseline, _ = _figures(draws_without, intervals, outcomes, measures)
        without = draws_without[judged.name]
        found = intervals.compare(draws[judged.name], without)
        if found is None:
            notes.append(f"no verdict: {judged.title} is not defined on this test")
        else:
            verdict = state(judged, found, seeds=len(scores_with), level=intervals.level)
    losses = example_losses(outcomes)
    test = _Test(labels, texts)
    return {
        "task": task,
        "labels": list(labels),
        "multi_label": multi_label,
        "test": figures,
        "test_loss": float(losses.mean()),
        "baseline_test": baseline,
        "verdict": verdict,
        "per_seed": {
            "with": _per_seed(draws[judged.name]),
            "without": [] if without is None else _per_seed(without),
        },
        "confusion": None if multi_label else confusion(outcomes).tolist(),
        "per_class": _per_class(labels, outcomes),
        "examples": _sample(test, outcomes),
        "worst": _worst(test, outcomes, losses),
        "class_counts": {part: dict(counts) for part, counts in class_counts.items()},
        "accounting": dict(accounting),
        "notes": notes,
    }


def _fitting(
    labels: Sequence[str],
    texts: Sequence[str],
    targets: NDArray[Any],
    scores: NDArray[Any],
    multi_label: bool,
) -> None:
    if multi_label != (targets.ndim == 2) or len(labels) != scores.shape[2] or len(texts) != len(targets):
        raise ValueError(
            f"{multi_label=}, {len(labels)} labels, {len(texts)} texts: {targets.shape}, {scores.shape}"
        )


def _finite(task: str, *arms: NDArray[Any] | None) -> None:
    for scores in arms:
        if scores is not None and (bad := int((~np.isfinite(scores)).any(axis=(0, 2)).sum())):
            raise UserError(
                f"task {task}: the model gives scores that are not finite for {bad} test examples"
            )


def _figures(
    draws: Mapping[str, Draws], intervals: Resampling, outcomes: Outcomes, measures: Mapping[str, Measure]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    figures: dict[str, dict[str, Any]] = {}
    notes = []
    for name, one in draws.items():
        found = intervals.summarise(one)
        if found is None:
            notes.append(
                f"{measures[name].title} is left out: the test has no class with and without examples"
            )
            continue
        figures[name] = found.as_dict()
        if name == "auc" and outcomes.curves.left_out:
            figures[name]["classes_left_out"] = outcomes.curves.left_out
            notes.append(
                f"AUC leaves out {outcomes.curves.left_out} classes without test examples (or nothing but)"
            )
    return figures, notes


def _per_seed(draws: Draws) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in draws.points]


def confusion(outcomes: Outcomes) -> NDArray[np.int64]:
    """[C, C] counts: rows the true class, columns the predicted one."""
    num = outcomes.num_classes
    cells = outcomes.truth.argmax(axis=1) * num + outcomes.predicted.argmax(axis=1)
    return np.bincount(cells, minlength=num * num).reshape(num, num)


def _per_class(names: Sequence[str], outcomes: Outcomes) -> list[dict[str, Any]]:
    tally = outcomes.weigh()
    hits, predicted, actual = (rows[:, 0] for rows in (tally.hits, tally.predicted, tally.actual))
    f1 = f1_by_class(tally)[:, 0]
    return [
        {
            "label": name,
            "support": int(actual[index]),
            "precision": float(hits[index] / predicted[index]) if predicted[index] else 0.0,
            "recall": float(hits[index] / actual[index]) if actual[index] else 0.0,
            "f1": float(f1[index]),
        }
        for index, name in enumerate(names)
    ]


def _log_probabilities(outcomes: Outcomes, answers: NDArray[np.bool_]) -> Floats:
    """[N] logarithm of the probability of answers [N, C]; several labels are taken for independent."""
    if outcomes.multi_label:
        signed = np.where(answers, outcomes.scores, -outcomes.scores)
        return np.asarray(-np.logaddexp(0, -signed).sum(axis=1))
    return np.asarray(np.where(answers, log_softmax(outcomes.scores), 0).sum(axis=1))


def example_losses(outcomes: Outcomes) -> Floats:
    """[N] −log probability of what is true."""
    return -_log_probabilities(outcomes, outcomes.truth)


def _shown(test: _Test, outcomes: Outcomes, indices: NDArray[np.int64]) -> list[dict[str, Any]]:
    probabilities = np.exp(_log_probabilities(outcomes, outcomes.predicted))
    shown = []
    for index in indices.tolist():
        shown.append(
            {
                "text": _cut(test.texts[index]),
                "label": _named(test.label_names, outcomes.truth[index]),
                "predicted": _named(test.label_names, outcomes.predicted[index]),
                "probability": float(probabilities[index]),
            }
        )
    return shown


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def _named(names: Sequence[str], answers: NDArray[np.bool_]) -> str:
    return ", ".join(names[index] for index in np.flatnonzero(answers).tolist()) or "(none)"


def _sample(test: _Test, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Some examples as they come, right and wrong; the same ones for every model."""
    num = outcomes.num_examples
    chosen = np.random.default_rng(num).choice(num, size=min(num, _SHOWN), replace=False)
    return _shown(test, outcomes, np.sort(chosen))


def _worst(test: _Test, outcomes: Outcomes, losses: Floats) -> list[dict[str, Any]]:
    """The errors with the highest loss: where the model is most sure and wrong."""
    wrong = np.flatnonzero(~outcomes.right)
    chosen = wrong[np.argsort(-losses[wrong], kind="stable")[:_SHOWN]]
    return [
        one | {"loss": float(losses[index])}
        for one, index in zip(_shown(test, outcomes, chosen), chosen.tolist(), strict=True)
    ]
