"""A sorted array of 64-bit hashes that is asked in batches, and hashes of any runs of words."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.words import Words

_MOST_FILTER_BITS = 26
BASE = 0x9E3779B97F4A7C15


class HashTable:
    """Where hashes stand in a sorted array.

    Most hashes that are asked for are not there, and one byte of a filter says so: the array itself is looked at for
    one in eight of them as a rule. Memory: 8 to 16 bytes a hash for the filter, 64 MiB at most.
    """

    def __init__(self, values: NDArray[np.uint64]) -> None:
        """`values`: sorted; equal ones stand side by side."""
        self.values = values
        bits = min(max(len(values).bit_length() + 3, 10), _MOST_FILTER_BITS)
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, dtype=np.bool_)
        for start in range(0, len(values), 1 << 20):
            self._filter[values[start : start + (1 << 20)] >> self._shift] = True

    def __len__(self) -> int:
        return len(self.values)

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(which of the hashes are in the table, and where the first one like each stands there)."""
        asked = np.flatnonzero(self._filter[hashes >> self._shift])
        if not len(asked) or not len(self.values):
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing
        wanted = hashes[asked]
        places = np.searchsorted(self.values, wanted)
        there = self.values[np.minimum(places, len(self.values) - 1)] == wanted
        return asked[there], places[there]


class RunHashes:
    """Hashes of runs of words: a polynomial in an odd number over the words' hashes, modulo 2^64."""

    def __init__(self, words: Words, num_texts: int, *, base: int = BASE) -> None:
        self.bounds = np.searchsorted(words.owners, np.arange(num_texts + 1))
        """[D+1] the first word of each text."""
        self.owners = words.owners
        powers, self._inverses = _powers(len(words.hashes) + 1, base)
        self._sums = np.zeros(len(words.hashes) + 1, dtype=np.uint64)
        np.cumsum(words.hashes * powers[:-1], out=self._sums[1:])

    def of(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
        """[R] the hash of each run [start, end) of words; runs of the same words have the same one."""
        return (self._sums[ends] - self._sums[starts]) * self._inverses[starts]

    def every(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """(first words, hashes) of all runs of `size` words within a text."""
        last = len(self.owners) - size + 1
        if last <= 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
        starts = np.flatnonzero(self.owners[:last] == self.owners[size - 1 :])
        hashes = (self._sums[size:] - self._sums[:-size]) * self._inverses[:last]
        return starts, hashes if len(starts) == last else hashes[starts]


@cache
def _longest(bits: int, base: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    factors = np.full((2, 1 << bits), [[base], [pow(base, -1, 1 << 64)]], dtype=np.uint64)
    factors[:, 0] = 1
    np.multiply.accumulate(factors, axis=1, out=factors)
    return factors[0], factors[1]


def _powers(count: int, base: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of an odd base from 0 up, and of its inverse modulo 2^64."""
    powers, inverses = _longest(max(count - 1, 1).bit_length(), base)
    return powers[:count], inverses[:count]
