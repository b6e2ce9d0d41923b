"""Which 64-bit hashes of a long stream occur more than once: sorted runs on disk, merged piece by piece.

Disk: 8 bytes a hash, while it lasts. Memory: some 100 MB whatever the length of the stream.
"""

from __future__ import annotations

import os
from typing import IO

import numpy as np
from numpy.typing import NDArray

_RUN = 1 << 22
"""Hashes sorted at once."""
Hashes = NDArray[np.uint64]


class RepeatedHashes:
    """Add everything, then ask once."""

    def __init__(self, file: IO[bytes]) -> None:
        """`file` is empty, for reading and writing."""
        self._file = file
        self._held: list[Hashes] = []
        self._count = 0
        self._runs: list[tuple[int, int]] = []
        """Where in the file, in hashes, each run begins and ends."""

    def add(self, hashes: Hashes) -> None:
        self._held.append(hashes)
        self._count += len(hashes)
        if self._count >= _RUN:
            self._flush()

    def _flush(self) -> None:
        run = np.sort(np.concatenate([np.zeros(0, np.uint64), *self._held]))
        start = self._runs[-1][1] if self._runs else 0
        self._file.write(run.data)
        self._runs.append((start, start + len(run)))
        self._held, self._count = [], 0

    def write_repeated(self, target: IO[bytes]) -> int:
        """Writes the hashes that were added more than once, each one time, in order; how many they are."""
        self._flush()
        self._file.flush()
        pieces = max(1, sum(end - start for start, end in self._runs) // _RUN)
        at = [start for start, _ in self._runs]
        written = 0
        for piece in range(1, pieces + 1):
            # Hashes are spread evenly, so that pieces of their range are of one size.
            limit = np.uint64((piece << 64) // pieces - 1)
            parts = []
            for number, (_, end) in enumerate(self._runs):
                behind = self._behind(at[number], end, limit)
                parts.append(self._read(at[number], behind))
                at[number] = behind
            hashes = np.sort(np.concatenate(parts))
            same = hashes[1:] == hashes[:-1]
            # Of several equal ones, the first that equals the one before it.
            same[1:] &= hashes[1:-1] != hashes[:-2]
            repeated = hashes[1:][same]
            target.write(repeated.data)
            written += len(repeated)
        target.flush()
        return written

    def _behind(self, start: int, end: int, limit: np.uint64) -> int:
        """The first place in a sorted run from which on hashes are greater than the limit."""
        while start < end:
            middle = (start + end) // 2
            if self._read(middle, middle + 1)[0] <= limit:
                start = middle + 1
            else:
                end = middle
        return start

    def _read(self, start: int, end: int) -> Hashes:
        return np.frombuffer(os.pread(self._file.fileno(), 8 * (end - start), 8 * start), np.uint64)
