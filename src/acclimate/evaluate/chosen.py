"""Which choice a model takes, beside the right one.

Legend: N questions, S choices of all of them, M choices of the question with most, R weightings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError
from acclimate.evaluate.classification import SHOWN, cut
from acclimate.evaluate.outcomes import Floats
from acclimate.evaluate.roc import log_softmax


@dataclass(frozen=True)
class ChosenTally:
    """What accuracy is a function of."""

    total: Floats
    """[R] weight of all questions."""
    correct: Floats
    """[R] weight of those that are answered rightly."""


class Chosen:
    """Scores of choices. The first of equal scores is taken.

    labels: [N] number of the right choice. scores: [S] in the order of the questions. counts: [N] choices of each.
    Raises UserError for scores that are not finite.
    """

    def __init__(self, labels: NDArray[Any], scores: NDArray[Any], counts: NDArray[Any]) -> None:
        self.labels, counts = np.asarray(labels), np.asarray(counts)
        if (
            len(self.labels) != len(counts)
            or int(counts.sum()) != len(scores)
            or (self.labels >= counts).any()
        ):
            raise ValueError(
                f"{len(self.labels)} labels, {len(counts)} counts and {len(scores)} scores do not fit"
            )
        if bad := int((~np.isfinite(scores)).sum()):
            raise UserError(f"the model gives scores that are not finite for {bad} choices")
        real = np.arange(int(counts.max())) < counts[:, None]
        self.scores: Floats = np.full(real.shape, -np.inf)
        """[N, M] −∞ where a question has fewer choices."""
        self.scores[real] = scores
        self.counts = counts
        self.predicted = self.scores.argmax(axis=1)

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.predicted == self.labels)

    @property
    def notes(self) -> list[str]:
        return [f"guessing would answer {float((1 / self.counts).mean()):.1%} rightly"]

    @property
    def num_examples(self) -> int:
        return len(self.labels)

    def weigh(self, weights: Floats | None = None) -> ChosenTally:
        if weights is None:
            weights = np.ones((self.num_examples, 1))
        return ChosenTally(weights.sum(axis=0), np.asarray(self.right.astype(np.float64) @ weights))


def details(texts: Sequence[str], choices: Sequence[Sequence[str]], outcomes: Chosen) -> dict[str, Any]:
    """What stands in evaluation.json besides the figures; texts [N] as they are to be shown, choices of each."""
    number = outcomes.num_examples
    logs = log_softmax(outcomes.scores)
    losses = -logs[np.arange(number), outcomes.labels]

    def shown(index: int) -> dict[str, Any]:
        given, taken = choices[index], int(outcomes.predicted[index])
        return {
            "text": cut(texts[index]),
            "choices": [cut(one) for one in given],
            "label": cut(given[outcomes.labels[index]]),
            "predicted": cut(given[taken]),
            "probability": float(np.exp(logs[index, taken])),
            "loss": float(losses[index]),
        }

    some = np.sort(np.random.default_rng(number).choice(number, size=min(number, SHOWN), replace=False))
    wrong = np.flatnonzero(~outcomes.right)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")[:SHOWN]]
    return {
        "test_loss": float(losses.mean()),
        "examples": [{k: v for k, v in shown(index).items() if k != "loss"} for index in some.tolist()],
        "worst": [shown(index) for index in worst.tolist()],
    }
