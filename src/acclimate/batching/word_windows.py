"""Cutting a text between its words into windows of about equal size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def word_windows(first: NDArray[np.bool_], room: int) -> list[int]:
    """Lengths of the windows of L tokens; a cut falls before a word unless a word is too long.

    first [L]: whether a token is the first of its word.
    """
    lengths: list[int] = []
    at, total = 0, len(first)
    words = np.flatnonzero(first)
    while at < total:
        windows = -(-(total - at) // room)
        end = at + -(-(total - at) // windows)
        if end < total and len(words):
            word = int(words[np.searchsorted(words, end, side="right") - 1])
            end = word if word > at else end
        lengths.append(end - at)
        at = end
    return lengths
