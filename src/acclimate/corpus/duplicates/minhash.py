"""MinHash signatures and their bands (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive
Datasets, ch. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.duplicates.shingles import MAX_TEXTS, Shingles, Shingling, shingle_sets, word_ends
from acclimate.corpus.words import powers, words_of
from acclimate.kernels import text as kernels

NUM_HASHES = 128
_RECALL = 0.99
_TILE = 1 << 16
"""Shingles worked on at once, so that they stay in the processor's cache."""
_SEED = 0x5EED_ACC1


@dataclass(frozen=True)
class Bands:
    """Two texts are candidates when they agree in all `rows` hashes of at least one of the `count` bands."""

    count: int
    rows: int

    def chance(self, similarity: float) -> float:
        """That texts of this similarity become candidates."""
        return float(1 - (1 - similarity**self.rows) ** self.count)


def bands_for(threshold: float) -> Bands:
    """The most selective bands that find 99 % of the pairs at the threshold (and more of those above it)."""
    best = Bands(NUM_HASHES, 1)
    for rows in range(2, NUM_HASHES + 1):
        bands = Bands(NUM_HASHES // rows, rows)
        if bands.chance(threshold) >= _RECALL:
            best = bands
    return best


def near_features(texts: Sequence[str], shingling: Shingling, bands: Bands) -> NDArray[np.uint64]:
    """[D, bands.count + 1] a hash for each band, and the number of shingles."""
    parts = [np.zeros((0, bands.count + 1), np.uint64)]
    for start in range(0, len(texts), MAX_TEXTS):
        some = texts[start : start + MAX_TEXTS]
        if kernels.available():
            words = words_of(some, characters=shingling.unit == "characters")
            ends, shape = word_ends(words, len(some)), (bands.count, bands.rows)
            parts.append(
                kernels.near_features(words.hashes, ends, shingling.size, powers(), shape, *_functions())
            )
        else:
            shingles = shingle_sets(some, shingling)
            sizes = np.diff(shingles.offsets).astype(np.uint64)
            parts.append(np.concatenate([band_hashes(shingles, bands), sizes[:, None]], axis=1))
    return np.concatenate(parts)


@cache
def _functions() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Factors and shifts of linear functions modulo 2^32; with odd factors they are permutations of 32-bit hashes."""
    constants = np.random.default_rng(_SEED).integers(0, 2**32, size=(NUM_HASHES, 2), dtype=np.uint32)
    return np.ascontiguousarray(constants[:, 0] | np.uint32(1)), np.ascontiguousarray(constants[:, 1])


def band_hashes(shingles: Shingles, bands: Bands) -> NDArray[np.uint64]:
    """[D, bands.count] one hash a band; meaningless for a text without shingles."""
    signatures = _signatures(shingles, bands.count * bands.rows)
    result = np.zeros((len(shingles.offsets) - 1, bands.count), dtype=np.uint64)
    for row in range(bands.rows):
        column = signatures[row :: bands.rows].T.astype(np.uint64)  # [D, bands.count]
        result = (result ^ column) * np.uint64(0x9E3779B97F4A7C15)
        result ^= result >> np.uint64(32)
    return result


def _signatures(shingles: Shingles, num_hashes: int) -> NDArray[np.uint32]:
    """[H, D] the least value of each of H hash functions over each set; 2^32 - 1 for an empty one."""
    num_texts = len(shingles.offsets) - 1
    result = np.full((num_hashes, num_texts), np.iinfo(np.uint32).max, dtype=np.uint32)
    factors, shifts = _functions()
    values = (shingles.hashes >> np.uint64(20)).astype(np.uint32)
    filled = np.flatnonzero(np.diff(shingles.offsets))
    starts = shingles.offsets[filled]
    first = 0
    while first < len(filled):
        # Whole texts, at least one, up to a tile of shingles.
        last = int(max(first + 1, np.searchsorted(starts, starts[first] + _TILE)))
        begin = int(starts[first])
        end = int(starts[last]) if last < len(filled) else len(values)
        part = values[begin:end]
        edges = starts[first:last] - begin
        hashed = np.empty_like(part)
        for index in range(num_hashes):
            np.multiply(part, factors[index], out=hashed)
            hashed += shifts[index]
            result[index, filled[first:last]] = np.minimum.reduceat(hashed, edges)
        first = last
    return result
