"""Areas under ROC curves, for many weightings of the examples at once.

The area is the chance that a true example scores above a false one, ties counting half (Hanley and McNeil 1982):
sum over pairs of w_i w_j [s_i > s_j] / (W+ W-). The scores' order does not change between weightings, so it is worked
out once: the distinct scores of the true examples cut the line into bins, and what remains for each weighting is the
false weight in every bin and its running sum.

Legend: N examples, C classes, R weightings, D distinct scores of true examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class RocCurve:
    """One curve. truth: [N] bool; scores: [N], higher means more likely true."""

    def __init__(self, truth: NDArray[np.bool_], scores: Floats) -> None:
        from scipy.sparse import csr_array

        self.defined = bool(truth.any() and not truth.all())
        levels, level_of = np.unique(scores[truth], return_inverse=True)
        num_examples, self._num_levels = len(scores), len(levels)
        true, false = np.flatnonzero(truth), np.flatnonzero(~truth)
        # Bin 2i lies between the levels i-1 and i, bin 2i+1 is level i itself.
        bins = np.searchsorted(levels, scores[false], "left") + np.searchsorted(
            levels, scores[false], "right"
        )
        self._true: Any = csr_array(
            (np.ones(len(true)), (level_of, true)), shape=(self._num_levels, num_examples), dtype=np.float64
        )
        self._false: Any = csr_array(
            (np.ones(len(false)), (bins, false)),
            shape=(2 * self._num_levels + 1, num_examples),
            dtype=np.float64,
        )

    def areas(self, weights: Floats) -> Floats:
        """[R] for weights [N, R]; NaN where the true or the false examples have no weight."""
        true, false = self._true @ weights, self._false @ weights  # [D, R], [2D+1, R]
        beaten = np.cumsum(false[:-1:2] + np.concatenate([np.zeros_like(false[:1]), false[1:-2:2]]), axis=0)
        wins = (true * (beaten + 0.5 * false[1::2])).sum(axis=0)
        pairs = true.sum(axis=0) * false.sum(axis=0)
        return np.divide(wins, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


class RocCurves:
    """One curve for two classes (the second one is the positive), else one for each class against the rest.

    Classes are ranked by their probability, as scikit-learn asks for. Among several labels each has its own logit.
    """

    def __init__(self, truth: NDArray[np.bool_], scores: Floats, *, multi_label: bool) -> None:
        if multi_label:
            columns = list(zip(truth.T, scores.T, strict=True))
        elif scores.shape[1] == 2:
            columns = [(truth[:, 1], scores[:, 1] - scores[:, 0])]
        else:
            columns = list(zip(truth.T, log_softmax(scores).T, strict=True))
        self._curves = [RocCurve(one, score) for one, score in columns]
        self.left_out = sum(not curve.defined for curve in self._curves)
        """Curves that cannot be drawn because true or false examples are missing."""

    def __len__(self) -> int:
        return len(self._curves)

    def areas(self, weights: Floats) -> Floats:
        """[K, R] for weights [N, R]."""
        undefined = np.full(weights.shape[1], np.nan)
        return np.stack([curve.areas(weights) if curve.defined else undefined for curve in self._curves])


def log_softmax(scores: Floats) -> Floats:
    """[N, C] logarithms of the probabilities of logits [N, C]."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
