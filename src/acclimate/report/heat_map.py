"""The confusion matrix as a table that can be read: shares of rows as shades, the worst mix-ups in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CLASSES = 40
"""A larger matrix is cut to the classes with most errors."""


@dataclass(frozen=True)
class Cell:
    """One cell: how many, and which share of its row."""

    count: int
    share: float
    own: bool
    """On the diagonal."""


@dataclass(frozen=True)
class HeatMap:
    """What the table shows."""

    labels: list[str]
    rows: list[list[Cell]]
    left_out: int
    """Classes not shown because there are too many."""


@dataclass(frozen=True)
class MixUp:
    """Examples of one class taken for another."""

    label: str
    predicted: str
    count: int
    share: float
    """Of the true class's examples."""


def confusion_matrix(value: Any, labels: list[str]) -> NDArray[np.int64] | None:
    """[C, C] rows true, columns predicted; None when the value is not such a matrix for these labels."""
    try:
        matrix = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if matrix.shape != (len(labels), len(labels)) or not labels or not np.isfinite(matrix).all():
        return None
    return np.rint(matrix).astype(np.int64)


def heat_map(matrix: NDArray[np.int64], labels: list[str], most: int = MOST_CLASSES) -> HeatMap:
    """The cells of the matrix; beyond `most` classes those with most errors, in the labels' order."""
    totals = matrix.sum(axis=1)
    shown = np.arange(len(labels))
    if len(labels) > most:
        errors = totals + matrix.sum(axis=0) - 2 * np.diag(matrix)
        shown = np.sort(np.argsort(-errors, kind="stable")[:most])
    rows = [
        [Cell(int(matrix[i, j]), _ratio(matrix[i, j], totals[i]), bool(i == j)) for j in shown] for i in shown
    ]
    return HeatMap([labels[i] for i in shown], rows, len(labels) - len(shown))


def mix_ups(matrix: NDArray[np.int64], labels: list[str], most: int = 8) -> list[MixUp]:
    """The most frequent errors, by count, then by share."""
    totals = matrix.sum(axis=1)
    found = [
        MixUp(labels[i], labels[j], int(matrix[i, j]), _ratio(matrix[i, j], totals[i]))
        for i, j in zip(*np.nonzero(matrix), strict=True)
        if i != j
    ]
    return sorted(found, key=lambda one: (-one.count, -one.share, one.label, one.predicted))[:most]


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
