"""Which sequences of a step each rank takes."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray


def share(lengths: NDArray[np.int64], rank: int, size: int) -> NDArray[np.int64]:
    """Places [S], ascending, of the rank's sequences among those of lengths [B].

    Longest first, each to the rank that has the fewest tokens yet (Graham 1969): the fullest rank has at most 4/3 of
    the best possible, and with many sequences of text hardly more tokens than the others. Rank 0 gets the longest.
    """
    if size == 1:
        return np.arange(len(lengths), dtype=np.int64)
    loads = [(0, one) for one in range(size)]  # (tokens, rank), the least loaded first
    own = []
    for place in np.argsort(-lengths, kind="stable"):
        tokens, least = loads[0]
        heapq.heapreplace(loads, (tokens + int(lengths[place]), least))
        if least == rank:
            own.append(place)
    return np.array(sorted(own), dtype=np.int64)
