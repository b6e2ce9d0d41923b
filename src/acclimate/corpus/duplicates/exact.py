"""A set of digests of all documents so far, small enough for large corpora."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.uint64]
"""[n, 2] 128-bit digests."""


def as_digests(values: Sequence[bytes]) -> Digests:
    """[n, 2] from n byte strings of 16."""
    return np.frombuffer(b"".join(values), dtype=np.uint64).reshape(-1, 2)


class DigestSet:
    """Digests seen so far, added in batches.

    Sorted runs whose sizes at least double, merged as they grow (a log-structured merge). Memory: 16 bytes a
    digest, 48 for a moment while the largest runs merge. That two different texts share a digest is out of
    the question (about n² / 2^129).
    """

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]] = []

    def __len__(self) -> int:
        return sum(len(high) for high, _ in self._runs)

    @property
    def nbytes(self) -> int:
        return sum(high.nbytes + low.nbytes for high, low in self._runs)

    def contains(self, digests: Digests) -> NDArray[np.bool_]:
        """[n] whether each was added before."""
        high, low = digests[:, 0], digests[:, 1]
        found = np.zeros(len(digests), dtype=np.bool_)
        for run_high, run_low in self._runs:
            at = np.searchsorted(run_high, high)
            open_ = np.arange(len(high))
            while len(open_):
                # Digests with the same first half stand side by side; there is one as a rule.
                inside = at[open_] < len(run_high)
                open_ = open_[inside]
                open_ = open_[run_high[at[open_]] == high[open_]]
                found[open_] |= run_low[at[open_]] == low[open_]
                at[open_] += 1
        return found

    def add(self, digests: Digests) -> NDArray[np.bool_]:
        """[n] whether each is new: not added before and not earlier in this batch. All are in the set
        afterwards."""
        order = np.lexsort((np.arange(len(digests)), digests[:, 1], digests[:, 0]))
        ordered = digests[order]
        repeat = np.zeros(len(digests), dtype=np.bool_)
        repeat[order[1:]] = (ordered[1:] == ordered[:-1]).all(axis=1)
        new = ~(repeat | self.contains(digests))
        fresh = ordered[new[order]]
        if len(fresh):
            self._push(np.ascontiguousarray(fresh[:, 0]), np.ascontiguousarray(fresh[:, 1]))
        return new

    def _push(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> None:
        while self._runs and len(self._runs[-1][0]) <= 2 * len(high):
            other_high, other_low = self._runs.pop()
            high = np.concatenate([other_high, high])
            order = np.argsort(high, kind="stable")
            high = high[order]
            low = np.concatenate([other_low, low])[order]
        self._runs.append((high, low))
