"""Weights from similarities, row by row; each row adds up to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sparsemax(scores: Floats) -> Floats:
    """[N, S] → [N, S]: the nearest point of the simplex, which has few entries that are not zero (Martins & Astudillo
    2016)."""
    if not scores.shape[1]:
        return scores
    ordered = -np.sort(-scores, axis=1)
    sums = np.cumsum(ordered, axis=1) - 1
    places = np.arange(1, scores.shape[1] + 1)
    support = (ordered * places > sums).sum(axis=1)
    threshold = sums[np.arange(len(scores)), support - 1] / support
    return np.maximum(scores - threshold[:, None], 0)


def nearest_softmax(scores: Floats, neighbours: int, temperature: float) -> Floats:
    """[N, S] → [N, S]: softmax(score / temperature) over the `neighbours` largest of each row, zero elsewhere."""
    number = min(neighbours, scores.shape[1])
    if not number:
        return scores
    chosen = np.argpartition(-scores, number - 1, axis=1)[:, :number]
    values = np.take_along_axis(scores, chosen, axis=1)
    weights = np.exp((values - values.max(axis=1, keepdims=True)) / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    result = np.zeros_like(scores)
    np.put_along_axis(result, chosen, weights, axis=1)
    return result
