"""What a classifier got right and wrong, counted under many weightings of the examples at once.

Every metric here is a function of a few weighted sums over examples. A bootstrap resample is a weighting (how often
each example was drawn), so a thousand resamples are one sparse product instead of a thousand passes.

Legend: N examples, C classes, R weightings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.roc import RocCurves

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """Weighted sums over the examples, for each of R weightings."""

    total: Floats
    """[R] weight of all examples."""
    correct: Floats
    """[R] weight of the examples that are right in every respect (all labels, with several at once)."""
    hits: Floats
    """[C, R] predicted and true."""
    predicted: Floats
    """[C, R] predicted."""
    actual: Floats
    """[C, R] true."""
    outcomes: Outcomes
    weights: Floats
    """[N, R]"""

    def areas(self) -> Floats:
        """[K, R] area under the ROC curve of each curve (see `RocCurves`), NaN where a side has no weight."""
        return self.outcomes.curves.areas(self.weights)


class Outcomes:
    """Labels beside scores.

    labels: [N] class ids, or [N, C] of 0 and 1 when several labels may hold at once.
    scores: [N, C] logits. The prediction is the largest one (the first of equals); with several labels, each whose
    logit is at least 0, that is whose probability is at least one half.
    Raises ValueError on shapes, ids or scores that cannot be.
    """

    def __init__(self, labels: NDArray[Any], scores: NDArray[Any]) -> None:
        self.labels = np.asarray(labels)
        self.scores = np.asarray(scores, dtype=np.float64)
        self._validate()
        self.multi_label = self.labels.ndim == 2
        if self.multi_label:
            self.truth: NDArray[np.bool_] = self.labels.astype(bool)
            """[N, C] which labels hold."""
            self.predicted: NDArray[np.bool_] = self.scores >= 0
            """[N, C] which labels are predicted."""
        else:
            classes = np.arange(self.num_classes)
            self.truth = self.labels[:, None] == classes
            self.predicted = self.scores.argmax(axis=1)[:, None] == classes

    def _validate(self) -> None:
        labels, scores = self.labels, self.scores
        if scores.ndim != 2 or len(labels) != len(scores) or labels.ndim not in (1, 2) or not scores.size:
            raise ValueError(
                f"labels {labels.shape} and scores {scores.shape} do not fit; [N] or [N, C] and [N, C]"
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                f"{int((~np.isfinite(scores).all(axis=1)).sum())} examples have scores that are not finite"
            )
        if labels.ndim == 2 and (labels.shape != scores.shape or not np.isin(labels, (0, 1)).all()):
            raise ValueError(
                f"labels of shape {labels.shape} must be 0 or 1 and of the scores' shape {scores.shape}"
            )
        if labels.ndim == 1 and (labels.min() < 0 or labels.max() >= scores.shape[1]):
            raise ValueError(
                f"class ids reach from {labels.min()} to {labels.max()}, scores have {scores.shape[1]}"
            )

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know."""
        left_out = self.curves.left_out
        return (
            [f"AUC leaves out {left_out} classes without test examples (or nothing but)"] if left_out else []
        )

    @property
    def num_examples(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        return int(self.scores.shape[1])

    @property
    def right(self) -> NDArray[np.bool_]:
        """[N] whether everything about the example is right."""
        return np.asarray((self.truth == self.predicted).all(axis=1))

    @property
    def loss(self) -> float:
        """Mean over the examples of −log p of what is true; with several labels over the labels, too."""
        if self.multi_label:
            return float(np.logaddexp(0, np.where(self.truth, -self.scores, self.scores)).mean())
        totals = np.logaddexp.reduce(self.scores, axis=1)
        return float((totals - self.scores[self.truth]).mean())

    def of_classes(self, chosen: NDArray[np.int64]) -> Outcomes:
        """The same answers, where these classes alone count: another one that is predicted is only an error."""
        found = Outcomes.__new__(Outcomes)
        found.labels, found.multi_label = self.labels, self.multi_label
        found.scores = self.scores[:, chosen]
        found.truth, found.predicted = self.truth[:, chosen], self.predicted[:, chosen]
        return found

    @cached_property
    def _counters(self) -> Any:
        """Sparse [1 + 3C, N]: right, hits by class, predicted by class, actual by class."""
        from scipy.sparse import csr_array

        stacked = np.concatenate(
            [self.right[:, None], self.truth & self.predicted, self.predicted, self.truth], axis=1
        )
        return csr_array(stacked.T.astype(np.float64))

    @cached_property
    def curves(self) -> RocCurves:
        return RocCurves(self.truth, self.scores, multi_label=self.multi_label)

    def weigh(self, weights: Floats | None = None) -> Tally:
        """The sums under weights [N, R]; under equal ones (R = 1) when none are given."""
        if weights is None:
            weights = np.ones((self.num_examples, 1))
        sums = self._counters @ weights
        hits, predicted, actual = sums[1:].reshape(3, self.num_classes, -1)
        return Tally(weights.sum(axis=0), sums[0], hits, predicted, actual, self, weights)
