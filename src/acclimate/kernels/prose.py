"""The kernel that measures prose, as a function of NumPy arrays. Its plain twin is `corpus.clean.prose_figures`."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.kernels.build import library

_P, _L, _D, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double, ctypes.c_int
FIXED = 16
"""Columns before those of the n-grams."""


def available() -> bool:
    """Whether the kernel could be built; where it could not, the plain twin works."""
    return library("prose") is not None


@cache
def _function() -> Callable[..., None]:
    lib = library("prose")
    assert lib is not None, "ask available() first"
    function = lib.prose
    function.argtypes = (_P, _P, _L, _P, _P, _L, _P, _L, _D, _D, _L, _I, _P)
    function.restype = None
    return function


def figures(
    codes: NDArray[np.uint32],
    ends: NDArray[np.int64],
    flags: NDArray[np.uint8],
    *,
    top: NDArray[np.int64],
    duplicate: NDArray[np.int64],
    least: float,
    chinese_from: float,
    stretch: int,
    repetition: bool,
) -> NDArray[np.float64]:
    """[D, FIXED + len(top) + len(duplicate)] figures of D texts that stand one behind the other in `codes`; the text
    d ends before `ends[d]`. `source/prose.cpp` names the columns."""
    out = np.empty((len(ends), FIXED + len(top) + len(duplicate)), np.float64)
    kept = [np.ascontiguousarray(one) for one in (codes, ends, flags, top, duplicate, out)]
    places = [one.ctypes.data for one in kept]
    _function()(
        places[0], places[1], len(ends), places[2], places[3], len(top), places[4], len(duplicate),
        least, chinese_from, stretch, int(repetition), places[5],
    )  # fmt: skip
    return out
