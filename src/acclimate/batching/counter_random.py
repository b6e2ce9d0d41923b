"""Randomness as a function of counters: no state to save, nothing depends on the order of asking.

A stream is named by a purpose and numbers such as the seed; `absorb` mixes an epoch, a sequence id, a
position into it. The mixer is the finaliser of splitmix64 (Steele, Lea & Flood 2014), a bijection of 64 bits.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def stream(purpose: str, *numbers: int) -> NDArray[np.uint64]:
    """[1] the key of a stream of randomness. Other purposes or numbers give unrelated streams."""
    name = purpose + "".join(f":{number}" for number in numbers)
    return np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], dtype="<u8").astype(np.uint64)


def mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 well-mixed bits of each word; different words give different bits. Not for scalars."""
    mixed = words ^ (words >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def absorb(keys: NDArray[np.uint64], numbers: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The keys, each made to depend on a number too; shapes broadcast."""
    return mix(keys ^ mix(numbers.astype(np.uint64) + _GOLDEN))


def draw(keys: NDArray[np.uint64], counters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 random bits for each (key, counter): the splitmix64 sequence of the key, entered at any place."""
    return mix(keys + (counters + np.uint64(1)) * _GOLDEN)


def below(bits: NDArray[np.uint64], bound: int) -> NDArray[np.int64]:
    """A whole number in [0, bound) from the upper 32 bits, uniform up to bound / 2**32; bound ≤ 2**31."""
    return (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)
