"""Entities found and missed: precision, recall and F1 of spans, exact in label and borders (Tjong Kim Sang 2002).

Legend: N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.readers.spans import spans
from acclimate.evaluate.resampling import Interval, Resampling


@dataclass(frozen=True)
class EntityCounts:
    """Of each text: entities that are found, that are claimed, that are there."""

    hits: NDArray[np.int64]
    """[N]"""
    predicted: NDArray[np.int64]
    """[N]"""
    actual: NDArray[np.int64]
    """[N]"""

    @classmethod
    def of(cls, tags: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> EntityCounts:
        """Of true and predicted tags, in any scheme that `spans` reads. Raises ValueError on other lengths."""
        rows = []
        for truth, guess in zip(tags, predicted, strict=True):
            if len(truth) != len(guess):
                raise ValueError(f"{len(truth)} tags and {len(guess)} predicted ones for one text")
            there, claimed = set(spans(truth)), set(spans(guess))
            rows.append((len(there & claimed), len(claimed), len(there)))
        return cls(*np.array(rows, np.int64).reshape(-1, 3).T)

    @property
    def precision(self) -> float:
        return _ratio(self.hits, self.predicted)

    @property
    def recall(self) -> float:
        return _ratio(self.hits, self.actual)

    @property
    def f1(self) -> float:
        """2·hits / (predicted + actual), 0 where there is nothing."""
        return _ratio(2 * self.hits, self.predicted + self.actual)

    def interval(self, resampling: Resampling) -> Interval:
        """Of F1, whole texts drawn."""
        return resampling.ratio_interval(2 * self.hits, self.predicted + self.actual)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else 0.0
