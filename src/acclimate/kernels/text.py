"""The kernels of the corpus as functions of NumPy arrays. Their plain twins stand in `acclimate.corpus`."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.kernels.build import library

_P, _L, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "words": (_P, _L, _P, _P, _L, _P, _I, _P, _P, _P, _P),
    "near_features": (_P, _P, _L, _I, _P, _I, _I, _P, _P, _P),
    "shingle_sets": (_P, _P, _L, _I, _P, _P, _P),
    "rows_u16": (_P, _P, _P, _L, _L, _L, _P),
    "rows_u32": (_P, _P, _P, _L, _L, _L, _P),
}


def available() -> bool:
    """Whether the kernels could be built; where they could not, the plain twins work."""
    return library("corpus") is not None


@cache
def _function(name: str) -> Callable[..., int]:
    lib = library("corpus")
    assert lib is not None, "ask available() first"
    function = lib[name]
    function.argtypes = [*_SIGNATURES[name]]
    function.restype = ctypes.c_int64 if name == "words" else None
    return function


def _call(name: str, *arguments: Any) -> int:
    values = [x.ctypes.data if isinstance(x, np.ndarray) else x for x in arguments]
    return _function(name)(*values)


def words(
    codes: NDArray[np.uint32],
    kinds: NDArray[np.uint8],
    text_ends: NDArray[np.int64],
    powers: NDArray[np.uint64],
    characters: bool,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """[N] each: hash, text, place in the codes, and whether it is a character alone; see `corpus.words`."""
    size = len(codes)
    # Of these only what is filled takes memory.
    hashes, owners, starts = np.empty(size, np.uint64), np.empty(size, np.int64), np.empty(size, np.int64)
    alone = np.empty(size, np.bool_)
    ends = np.ascontiguousarray(text_ends, np.int64)
    codes = np.ascontiguousarray(codes)
    fixed = (codes, size, kinds, ends, len(ends), powers, int(characters))
    count = _call("words", *fixed, hashes, owners, starts, alone)
    return hashes[:count], owners[:count], starts[:count], alone[:count]


def near_features(
    words: NDArray[np.uint64],
    word_ends: NDArray[np.int64],
    size: int,
    powers: NDArray[np.uint64],
    bands: tuple[int, int],
    factors: NDArray[np.uint32],
    shifts: NDArray[np.uint32],
) -> NDArray[np.uint64]:
    """[D, bands + 1] hashes of the bands (count, rows), and the number of different shingles."""
    count, rows = bands
    if count * rows > 128 or min(len(factors), len(shifts)) < count * rows:
        raise ValueError(f"{count} bands of {rows} rows need {count * rows} hash functions, at most 128")
    out = np.zeros((len(word_ends), count + 1), np.uint64)
    ends = np.ascontiguousarray(word_ends, np.int64)
    _call("near_features", words, ends, len(ends), size, powers, count, rows, factors, shifts, out)
    return out


def shingle_sets(
    words: NDArray[np.uint64], word_ends: NDArray[np.int64], size: int, powers: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """[S] the sorted sets one behind the other, and [D] where each ends."""
    out, set_ends = np.empty(len(words), np.uint64), np.empty(len(word_ends), np.int64)
    ends = np.ascontiguousarray(word_ends, np.int64)
    _call("shingle_sets", words, ends, len(ends), size, powers, out, set_ends)
    return out[: set_ends[-1] if len(set_ends) else 0], set_ends


def rows(
    tokens: NDArray[Any], starts: NDArray[np.int64], ends: NDArray[np.int64], first: int, last: int
) -> NDArray[np.int64]:
    """Rows of a token store (uint16 or uint32) in one row: `first`, the tokens from `starts` [B] on, `last`; `ends`
    [B + 1] are where rows begin and end, those two included."""
    if tokens.dtype not in (np.dtype("<u2"), np.dtype("<u4")):
        raise ValueError(f"tokens are uint16 or uint32, found {tokens.dtype}")
    inner = np.diff(ends) - 2
    if len(starts) and (inner.min() < 0 or starts.min() < 0 or (starts + inner).max() > len(tokens)):
        raise ValueError("a row lies outside of the tokens")
    out = np.empty(int(ends[-1]), np.int64)
    starts, ends = np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(ends, np.int64)
    _call(f"rows_u{8 * tokens.itemsize}", tokens, starts, ends, len(starts), first, last, out)
    return out
