"""Numbers that a model gives beside those that are true: correlations and the explained share of the variance.

Ranks depend on which examples were drawn, so a tally keeps the weightings and every metric takes its sums from them;
a weight of 2 is a row that stands there twice.

Legend: N examples, R weightings.
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


@dataclass(frozen=True)
class NumbersTally:
    """Numbers under R weightings."""

    truth: Floats
    """[N]"""
    predicted: Floats
    """[N]"""
    weights: Floats
    """[N, R]"""


class Numbers:
    """What a model gives and what is true, [N] each. Raises UserError where the model's are not finite."""

    def __init__(self, truth: NDArray[Any], predicted: NDArray[Any]) -> None:
        self.truth = np.asarray(truth, dtype=np.float64)
        self.predicted = np.asarray(predicted, dtype=np.float64)
        if self.truth.shape != self.predicted.shape or self.truth.ndim != 1 or not self.truth.size:
            raise ValueError(f"numbers of shapes {self.truth.shape} and {self.predicted.shape} do not fit")
        if bad := int((~np.isfinite(self.predicted)).sum()):
            raise UserError(f"the model gives numbers that are not finite for {bad} test examples")

    @property
    def num_examples(self) -> int:
        return len(self.truth)

    def weigh(self, weights: Floats | None = None) -> NumbersTally:
        if weights is None:
            weights = np.ones((self.num_examples, 1))
        return NumbersTally(self.truth, self.predicted, weights)


def pearson(tally: NumbersTally) -> Floats:
    """NaN where one side does not vary."""
    return _correlation(tally.truth[:, None], tally.predicted[:, None], tally.weights)


def spearman(tally: NumbersTally) -> Floats:
    """Pearson's correlation of ranks; equal numbers share the middle of theirs. NaN where one side does not vary."""
    truth, predicted = (_ranks(one, tally.weights) for one in (tally.truth, tally.predicted))
    return _correlation(truth, predicted, tally.weights)


def r2(tally: NumbersTally) -> Floats:
    """1 − squared error / squared distance from the mean of what is true; NaN where that does not vary."""
    truth = tally.truth - tally.truth.mean()
    error = (tally.truth - tally.predicted) ** 2 @ tally.weights
    total = tally.weights.sum(axis=0)
    spread = truth**2 @ tally.weights - (truth @ tally.weights) ** 2 / np.where(total > 0, total, 1)
    varies = spread > 1e-12 * (truth**2 @ tally.weights)
    return np.where(varies, 1 - error / np.where(varies, spread, 1), np.nan)


def _ranks(values: Floats, weights: Floats) -> Floats:
    """[N, R] of values [N], counted from 1 as if each stood there as often as its weight [N, R] says."""
    _, group = np.unique(values, return_inverse=True)
    sizes = np.zeros((int(group.max()) + 1, weights.shape[1]))
    np.add.at(sizes, group, weights)
    return np.asarray((np.cumsum(sizes, axis=0) - sizes + (sizes + 1) / 2)[group])


def _correlation(one: Floats, other: Floats, weights: Floats) -> Floats:
    """[R] of numbers [N, 1] or [N, R] under weights [N, R]."""
    total = weights.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    one = one - (one * weights).sum(axis=0) / total
    other = other - (other * weights).sum(axis=0) / total
    spreads = (one**2 * weights).sum(axis=0), (other**2 * weights).sum(axis=0)
    varies = (spreads[0] > _TINY) & (spreads[1] > _TINY)
    norm = np.sqrt(np.where(varies, spreads[0] * spreads[1], 1))
    return np.where(varies, (one * other * weights).sum(axis=0) / norm, np.nan)


_TINY = 1e-18


def details(texts: Sequence[str], outcomes: Numbers, *, by_rank: bool = False) -> dict[str, Any]:
    """What stands in evaluation.json besides the figures; texts [N] as they are to be shown.

    by_rank: what is given has another unit than what is true, so an error is a distance in the order, from 0 to 1.
    """
    truth, predicted = outcomes.truth, outcomes.predicted
    if by_rank:
        equal = np.ones((outcomes.num_examples, 1))
        truth, predicted = (_ranks(one, equal)[:, 0] / len(truth) for one in (truth, predicted))
    errors = np.abs(truth - predicted)

    def shown(index: int) -> dict[str, Any]:
        return {
            "text": cut(texts[index]),
            "label": f"{outcomes.truth[index]:.4g}",
            "predicted": f"{outcomes.predicted[index]:.4g}",
            "error": float(errors[index]),
        }

    number = outcomes.num_examples
    some = np.sort(np.random.default_rng(number).choice(number, size=min(number, SHOWN), replace=False))
    worst = np.argsort(-errors, kind="stable")[:SHOWN]
    return {
        "mean_rank_error" if by_rank else "mean_absolute_error": float(errors.mean()),
        "examples": [shown(index) for index in some.tolist()],
        "worst": [shown(index) for index in worst.tolist()],
    }
