"""A stretch of a store's sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import SequenceStore


class PartStore:
    """Asked for by numbers from 0; those that are fetched have the numbers that they have in the store."""

    def __init__(self, store: SequenceStore, first: int, end: int) -> None:
        self._store, self._first = store, first
        self.lengths: NDArray[np.int64] = store.lengths[first:end]

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The sequences [B] in one row, in the order asked for."""
        return self._store.fetch(ids + self._first, epochs)
