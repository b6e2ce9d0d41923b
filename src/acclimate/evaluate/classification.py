"""What goes wrong where a classifier answers: confusions, figures of each class, its worst errors.

Legend: N test examples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.measures import class_rows
from acclimate.evaluate.outcomes import Floats, Outcomes
from acclimate.evaluate.roc import log_softmax

SHOWN = 20
"""Predictions shown, and errors shown."""
_MOST_CHARACTERS = 500
"""Longer texts are cut where they are shown."""


@dataclass(frozen=True)
class _Test:
    """The test part of a task, as far as it is shown."""

    label_names: Sequence[str]
    texts: Sequence[str]


def details(labels: Sequence[str], texts: Sequence[str], outcomes: Outcomes) -> dict[str, Any]:
    """What stands in evaluation.json for a classifier besides its figures; all of the delivered model.

    labels: [C] names in the order of their ids. texts: [N], as they are to be shown.
    """
    if len(labels) != outcomes.num_classes or len(texts) != outcomes.num_examples:
        raise ValueError(f"{len(labels)} labels, {len(texts)} texts: {outcomes.scores.shape}")
    losses = example_losses(outcomes)
    test = _Test(labels, texts)
    return {
        "labels": list(labels),
        "multi_label": outcomes.multi_label,
        "test_loss": float(losses.mean()),
        "confusion": None if outcomes.multi_label else confusion(outcomes).tolist(),
        "per_class": class_rows(labels, outcomes.weigh()),
        "examples": _sample(test, outcomes),
        "worst": _worst(test, outcomes, losses),
    }


def confusion(outcomes: Outcomes) -> NDArray[np.int64]:
    """[C, C] counts: rows the true class, columns the predicted one."""
    num = outcomes.num_classes
    cells = outcomes.truth.argmax(axis=1) * num + outcomes.predicted.argmax(axis=1)
    return np.bincount(cells, minlength=num * num).reshape(num, num)


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
                "text": cut(test.texts[index]),
                "label": _named(test.label_names, outcomes.truth[index]),
                "predicted": _named(test.label_names, outcomes.predicted[index]),
                "probability": float(probabilities[index]),
            }
        )
    return shown


def cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def _named(names: Sequence[str], answers: NDArray[np.bool_]) -> str:
    return ", ".join(names[index] for index in np.flatnonzero(answers).tolist()) or "(none)"


def _sample(test: _Test, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Some examples as they come, right and wrong; the same ones for every model."""
    num = outcomes.num_examples
    chosen = np.random.default_rng(num).choice(num, size=min(num, SHOWN), replace=False)
    return _shown(test, outcomes, np.sort(chosen))


def _worst(test: _Test, outcomes: Outcomes, losses: Floats) -> list[dict[str, Any]]:
    """The errors with the highest loss: where the model is most sure and wrong."""
    wrong = np.flatnonzero(~outcomes.right)
    chosen = wrong[np.argsort(-losses[wrong], kind="stable")[:SHOWN]]
    return [
        one | {"loss": float(losses[index])}
        for one, index in zip(_shown(test, outcomes, chosen), chosen.tolist(), strict=True)
    ]
