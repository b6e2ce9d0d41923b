"""What was taken out of texts: spans of characters by number of document, 24 bytes a span."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]


class Cuts:
    """Later cuts refer to the text as earlier ones have left it."""

    def __init__(self) -> None:
        self._new = array("q")
        self._sorted: NDArray[np.int64] = np.zeros((0, 3), np.int64)

    def add(self, number: int, spans: list[Span]) -> int:
        """Cuts these spans of one document, in any order, perhaps overlapping; how many characters that are."""
        merged: list[list[int]] = []
        for start, end in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            elif start < end:
                merged.append([start, end])
        # From the last to the first: each is then cut from a text whose beginning is still as it was.
        for start, end in reversed(merged):
            self._new.extend((number, start, end))
        return sum(end - start for start, end in merged)

    def _settled(self) -> NDArray[np.int64]:
        if self._new:
            rows = np.concatenate([self._sorted, np.array(self._new, np.int64).reshape(-1, 3)])
            self._sorted = rows[np.argsort(rows[:, 0], kind="stable")]
            self._new = array("q")
        return self._sorted

    def any(self, numbers: NDArray[np.int64]) -> bool:
        """Whether something was cut out of one of these."""
        rows = self._settled()[:, 0]
        at = np.searchsorted(rows, numbers)
        return bool((rows[np.minimum(at, len(rows) - 1)] == numbers).any()) if len(rows) else False

    def __len__(self) -> int:
        return len(self._settled())

    def apply(self, number: int, text: str) -> str:
        """The text without what was cut."""
        rows = self._settled()
        if not len(rows):
            return text
        first, last = np.searchsorted(rows[:, 0], [number, number + 1])
        for _, start, end in rows[first:last].tolist():
            text = text[:start] + text[end:]
        return text
