"""A random order of N things whose k-th entry is computed, not looked up: nothing of size N is ever made.

The order is a Feistel network on pairs (left, right) in [0, a) × [0, b) with a·b just above N, the halves
taking turns to be shifted by a keyed hash of the other; results that fall beyond N go through it again (cycle
walking). Both are from Black & Rogaway, "Ciphers with Arbitrary Finite Domains", 2002. With a = ⌈√N⌉ and b =
⌈N / a⌉ less than one entry in √N has to walk.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import draw

ROUNDS = 24
"""So many that even of five or six things every order is equally likely; with 8 some come twice as often."""


def permuted(places: NDArray[np.int64], keys: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """[K] what stands at each place [K] of the order of `size` things that its key [K] decides.

    For one key this is a permutation of range(size). Places must lie in [0, size), and size in [1, 2**62].
    """
    left_size = math.isqrt(size - 1) + 1
    right_size = -(-size // left_size)
    counters = np.arange(ROUNDS, dtype=np.uint64)[:, None]
    round_keys = draw(keys[None, :], counters)  # [ROUNDS, K]
    result = _network(places, round_keys, left_size, right_size)
    while (outside := np.flatnonzero(result >= size)).size:
        result[outside] = _network(result[outside], round_keys[:, outside], left_size, right_size)
    return result


def _network(
    values: NDArray[np.int64], round_keys: NDArray[np.uint64], left_size: int, right_size: int
) -> NDArray[np.int64]:
    left, right = np.divmod(values, right_size)
    for number, key in enumerate(round_keys):
        if number % 2:
            right = _shifted(right, key, left, right_size)
        else:
            left = _shifted(left, key, right, left_size)
    return left * right_size + right


def _shifted(
    half: NDArray[np.int64], key: NDArray[np.uint64], other: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """(half + hash(key, other)) mod size."""
    shift = (draw(key, other.astype(np.uint64)) >> np.uint64(1)) % np.uint64(size)
    moved = half + shift.astype(np.int64)
    return np.where(moved >= size, moved - size, moved)
