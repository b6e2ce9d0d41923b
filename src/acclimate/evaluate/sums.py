"""Outcomes whose metrics are functions of sums over the examples.

Legend: N examples, K sums, R weightings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.outcomes import Floats


class Sums:
    """What each example adds to each sum; the tally is the weighted sums [K, R]."""

    def __init__(self, rows: NDArray[Any] | Sequence[Sequence[float]], notes: Sequence[str] = ()) -> None:
        """rows: [N, K]. notes: what a reader of the figures should know."""
        self.rows: Floats = np.asarray(rows, dtype=np.float64)
        self.notes = list(notes)
        if self.rows.ndim != 2 or not self.rows.size or not np.isfinite(self.rows).all():
            raise ValueError(f"rows of shape {self.rows.shape} must be [N, K], not empty and finite")

    @property
    def num_examples(self) -> int:
        return len(self.rows)

    def weigh(self, weights: Floats | None = None) -> Floats:
        """[K, R] under weights [N, R]; under equal ones (R = 1) when none are given."""
        if weights is None:
            weights = np.ones((self.num_examples, 1))
        return np.asarray(self.rows.T @ weights)
