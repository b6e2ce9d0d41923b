"""Sets of shingles of many texts at once, as hashes, without a Python loop over words or characters.

A shingle is so many words in a row, single characters in scripts written without spaces (see `words.py`), or so many
letters and digits. A text with fewer of them is one shingle; a text without any has none, and is like no other.

Legend: D texts, N words, S shingles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.words import Words, mix, powers, words_of
from acclimate.kernels import text as kernels

MAX_TEXTS = 4096
"""Texts that can be hashed at once."""
_HASH_BITS = 52


@dataclass(frozen=True)
class Shingling:
    """What a shingle is."""

    unit: Literal["words", "characters"] = "words"
    size: int = 5
    """Lee et al. 2022 take five words."""


WORDS = Shingling()


@dataclass(frozen=True)
class Shingles:
    """The sets of D texts, one behind the other."""

    hashes: NDArray[np.uint64]
    """[S] 52-bit hashes, sorted and different within a text."""
    offsets: NDArray[np.int64]
    """[D+1] where each text's set starts."""


def shingle_sets(texts: Sequence[str], shingling: Shingling = WORDS) -> Shingles:
    """The shingle sets of at most MAX_TEXTS texts."""
    if len(texts) > MAX_TEXTS:
        raise ValueError(f"{len(texts)} texts at once, at most {MAX_TEXTS}")
    words = words_of(texts, characters=shingling.unit == "characters")
    if kernels.available():
        hashes, ends = kernels.shingle_sets(
            words.hashes, word_ends(words, len(texts)), shingling.size, powers()
        )
        return Shingles(hashes, np.concatenate([[0], ends]))
    return _plain_sets(words, len(texts), shingling.size)


def word_ends(words: Words, num_texts: int) -> NDArray[np.int64]:
    """[D] where the words of each text end."""
    return np.cumsum(np.bincount(words.owners, minlength=num_texts))


def _plain_sets(words: Words, num_texts: int, size: int) -> Shingles:
    """The kernel's twin."""
    hashes, owners = _shingles(words.hashes, words.owners, num_texts, size)
    # Text number above, hash below: one sort orders texts and their sets.
    keys = (owners.astype(np.uint64) << np.uint64(_HASH_BITS)) | (hashes >> np.uint64(64 - _HASH_BITS))
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
    counts = np.bincount((keys >> np.uint64(_HASH_BITS)).astype(np.int64), minlength=num_texts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Shingles(keys & np.uint64((1 << _HASH_BITS) - 1), offsets)


def _shingles(
    tokens: NDArray[np.uint64], owners: NDArray[np.int64], num_texts: int, size: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """[S] hashes of the shingles, repeats included, and [S] their texts."""
    counts = np.bincount(owners, minlength=num_texts)
    factors = powers()
    short = (counts[owners] < size) if len(owners) else np.zeros(0, dtype=np.bool_)
    rank = np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]
    whole = np.zeros(num_texts, dtype=np.uint64)
    np.add.at(whole, owners[short], tokens[short] * factors[rank[short]])
    short_texts = np.flatnonzero((counts > 0) & (counts < size))
    if len(tokens) < size:
        return mix(whole[short_texts]), short_texts
    runs = np.zeros(len(tokens) - size + 1, dtype=np.uint64)
    for offset in range(size):
        runs += tokens[offset : offset + len(runs)] * factors[offset]
    inside = owners[: len(runs)] == owners[size - 1 :]
    return (
        mix(np.concatenate([runs[inside], whole[short_texts]])),
        np.concatenate([owners[: len(runs)][inside], short_texts]),
    )
