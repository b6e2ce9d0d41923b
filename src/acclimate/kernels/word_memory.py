"""The kernel that remembers what a tokenizer made of each word; see `tokenizer/remembering.py`."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.kernels.build import library

_P, _L = ctypes.c_void_p, ctypes.c_int64
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "words_new": (_P, ()),
    "words_free": (None, (_P,)),
    "words_size": (_L, (_P,)),
    "words_find": (_L, (_P, _P, _P, _L, _P)),
    "words_learn": (None, (_P, _P, _L, _P)),
    "words_count": (_L, (_P, _P)),
    "words_emit": (None, (_P, _P)),
}


def available() -> bool:
    """Whether the kernel could be built; where it could not, the tokenizer works on whole texts."""
    return library("words") is not None


@cache
def _function(name: str) -> Callable[..., Any]:
    lib = library("words")
    assert lib is not None, "ask available() first"
    function = lib[name]
    function.restype, function.argtypes = _SIGNATURES[name][0], [*_SIGNATURES[name][1]]
    return function


class WordMemory:
    """Stretches of text and their tokens. Not for several threads at once."""

    def __init__(self) -> None:
        self._pointer = _function("words_new")()

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            _function("words_free")(self._pointer)
            self._pointer = None

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return int(_function("words_size")(self._pointer))

    def find(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """[F, 2] (first byte, size) of the stretches that were never seen; text d is from `offsets` d to d + 1."""
        spaces = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == ord(" ")))
        fresh = np.empty((spaces + len(offsets), 2), np.int64)
        found = (data.ctypes.data, offsets.ctypes.data, len(offsets) - 1, fresh.ctypes.data)
        return fresh[: _function("words_find")(self._pointer, *found)]

    def learn(self, counts: NDArray[np.int64], tokens: NDArray[np.int64]) -> None:
        """The tokens of what `find` told last: counts [F], and all in one row."""
        _function("words_learn")(self._pointer, counts.ctypes.data, len(counts), tokens.ctypes.data)

    def emit(self, num_texts: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens of the texts that `find` got last, in one row, [D] number of each)."""
        lengths = np.empty(num_texts, np.int64)
        tokens = np.empty(_function("words_count")(self._pointer, lengths.ctypes.data), np.int64)
        _function("words_emit")(self._pointer, tokens.ctypes.data)
        return tokens, lengths
