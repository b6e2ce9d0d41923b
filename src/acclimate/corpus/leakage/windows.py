"""Windows over words: so many words in a row, or so many characters of a script without spaces.

In mixed text a word counts as much as `characters / words` characters. So a window begins at every word, and where it
ends depends on what stands in it alone: equal texts have equal windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.hash_table import RunHashes
from acclimate.corpus.words import Words


@dataclass(frozen=True)
class Windows:
    """All windows of a batch of texts."""

    starts: NDArray[np.int64]
    """[R] the first word of each."""
    ends: NDArray[np.int64]
    """[R] behind its last word."""
    hashes: NDArray[np.uint64]
    """[R]"""


class Weights:
    """How much of a window each word fills."""

    def __init__(self, words: Words, runs: RunHashes, *, per_window: tuple[int, int]) -> None:
        """`per_window`: how many words, and how many unspaced characters, make a window."""
        self._runs = runs
        self._weights = per_window[::-1]
        self._full = per_window[0] * per_window[1]
        self._alone = np.concatenate([[0], np.cumsum(words.alone)])
        word, character = self._weights
        self._sums = word * np.arange(len(self._alone)) + (character - word) * self._alone

    def windows(self, share: float = 1.0) -> Windows:
        """The windows of this share of the full size."""
        size = int(self._full * share)
        num = len(self._alone) - 1
        behind = self._runs.bounds[1:][self._runs.owners]
        ends = np.full(num, -1, dtype=np.int64)
        # Most windows are of words or of characters alone, and their ends are known.
        for weight, alone in zip(self._weights, (False, True), strict=True):
            length = -(-size // weight)
            if length <= num:
                inside = self._alone[length:] - self._alone[:-length]
                ends[: len(inside)][inside == (length if alone else 0)] = length
        mixed = np.flatnonzero(ends < 0)
        ends += np.arange(num)
        ends[mixed] = np.searchsorted(self._sums, self._sums[mixed] + size)
        starts = np.flatnonzero(ends <= behind)
        ends = ends[starts]
        return Windows(starts, ends, self._runs.of(starts, ends))

    def of_texts(self) -> NDArray[np.float64]:
        """[D] the sizes of the texts, in windows."""
        return np.diff(self._sums[self._runs.bounds]) / self._full
