"""Easy sequences first: competence-based curriculum learning (Platanios et al. 2019).

After t sequences the model is competent for the easiest share

    c(t) = min(1, √(t·(1 − c₀²)/T + c₀²))

of them, and each sequence is drawn evenly from that share. From T on training goes on as without a curriculum. What
stands at a place is computed from the place alone, so that training resumes anywhere.

Legend: N sequences, K places.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import Sequences

if TYPE_CHECKING:
    from acclimate.batching.sequence_store import SequenceStore

_AT_ONCE = 4096
VISITS = 2**40
"""Epochs that drawn places call themselves from here on: a sequence drawn twice shall not be masked alike."""


class Curriculum:
    """The order of the first `over` sequences of a training. Memory: 8 bytes a sequence."""

    def __init__(self, difficulty: NDArray[Any], *, over: int, start: float, seed: int) -> None:
        """`difficulty` [N]; `over` is T in sequences, `start` c₀."""
        self.over = over
        self._start = start
        self._order = np.argsort(difficulty, kind="stable")
        self._key = stream("curriculum", seed)

    def competence(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """[K] c(t) of each place t."""
        square = self._start**2
        return np.minimum(1.0, np.sqrt(places * (1 - square) / max(1, self.over) + square))

    def sequences(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """([K] the sequence at each place [K] before `over`, [K] what it calls its epoch)."""
        count = np.maximum(1, np.floor(self.competence(places) * len(self._order))).astype(np.uint64)
        bits = draw(absorb(self._key, places), np.zeros(len(places), dtype=np.uint64))
        return self._order[(bits % count).astype(np.int64)], VISITS + places


def rarity_of(store: SequenceStore, vocabulary: int) -> NDArray[np.float64]:
    """[N] −Σ log p̂(w) over a sequence's tokens, p̂ their share in all sequences: long ones and rare words are hard."""
    counts = np.zeros(vocabulary, dtype=np.int64)
    costs = np.empty(len(store.lengths))
    for _, row in _rows(store):
        counts += np.bincount(row.tokens, minlength=vocabulary)
    surprise = -np.log(np.maximum(counts, 1) / max(1, int(counts.sum())))
    for ids, row in _rows(store):
        costs[ids] = np.add.reduceat(surprise[row.tokens], row.cu_seqlens[:-1])
    return costs


def _rows(store: SequenceStore) -> Iterator[tuple[NDArray[np.int64], Sequences]]:
    """All sequences, some thousand at a time."""
    for start in range(0, len(store.lengths), _AT_ONCE):
        ids = np.arange(start, min(start + _AT_ONCE, len(store.lengths)), dtype=np.int64)
        yield ids, store.fetch(ids, np.zeros_like(ids))
