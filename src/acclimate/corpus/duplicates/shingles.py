"""Sets of shingles of many texts at once, as hashes, without a Python loop over words or characters.

A shingle is five tokens in a row. A token is a word (a run of letters and digits, casefolded) or, in scripts
written without spaces (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan), one character. A text of fewer than
five tokens is one shingle; a text without any token has none, and is like no other.

Legend: D texts, C characters of all texts, N tokens, S shingles.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SIZE = 5
"""Tokens in a shingle (Lee et al. 2022 take words)."""
MAX_TEXTS = 4096
"""Texts that can be hashed at once."""
_HASH_BITS = 52
_SEPARATOR, _LETTER, _ALONE = 0, 1, 2
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True)
class Shingles:
    """The sets of D texts, one behind the other."""

    hashes: NDArray[np.uint64]
    """[S] 52-bit hashes, sorted and different within a text."""
    offsets: NDArray[np.int64]
    """[D+1] where each text's set starts."""


def shingle_sets(texts: Sequence[str]) -> Shingles:
    """The shingle sets of at most MAX_TEXTS texts."""
    if len(texts) > MAX_TEXTS:
        raise ValueError(f"{len(texts)} texts at once, at most {MAX_TEXTS}")
    tokens, token_text = _tokens(texts)
    hashes, owners = _shingles(tokens, token_text, len(texts))
    # Text number above, hash below: one sort orders texts and their sets, and drops repeats.
    keys = np.unique(
        (owners.astype(np.uint64) << np.uint64(_HASH_BITS)) | (hashes >> np.uint64(64 - _HASH_BITS))
    )
    counts = np.bincount((keys >> np.uint64(_HASH_BITS)).astype(np.int64), minlength=len(texts))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Shingles(keys & np.uint64((1 << _HASH_BITS) - 1), offsets)


def _tokens(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """[N] a hash for each token, and [N] the text it stands in."""
    folded = [text.casefold() for text in texts]
    # A newline between texts ends the last token of each.
    joined = "\n".join(folded).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, dtype=np.uint32)
    kinds = _kinds()[codes]
    before = np.concatenate([[_SEPARATOR], kinds[:-1]]).astype(np.uint8)
    starts = np.flatnonzero((kinds == _ALONE) | ((kinds == _LETTER) & (before != _LETTER)))
    if not len(starts):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    ends = np.concatenate([starts[1:], [len(codes)]])
    # Token hash: sum over its characters of a mixed code times a power of the place.
    place = np.arange(starts[0], len(codes)) - np.repeat(starts, ends - starts)
    powers = _powers()[np.minimum(place, len(_powers()) - 1)]
    terms = _mix(codes[starts[0] :].astype(np.uint64)) * powers
    terms[kinds[starts[0] :] == _SEPARATOR] = 0
    hashes = _mix(np.add.reduceat(terms, starts - starts[0]))
    text_ends = np.cumsum([len(text) + 1 for text in folded])
    return hashes, np.searchsorted(text_ends, starts, side="right")


def _shingles(
    tokens: NDArray[np.uint64], owners: NDArray[np.int64], num_texts: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """[S] hashes of the shingles, repeats included, and [S] their texts."""
    counts = np.bincount(owners, minlength=num_texts)
    powers = _powers()
    short = (counts[owners] < SIZE) if len(owners) else np.zeros(0, dtype=np.bool_)
    rank = np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]
    whole = np.zeros(num_texts, dtype=np.uint64)
    np.add.at(whole, owners[short], tokens[short] * powers[rank[short]])
    short_texts = np.flatnonzero((counts > 0) & (counts < SIZE))
    if len(tokens) < SIZE:
        return _mix(whole[short_texts]), short_texts
    runs = np.zeros(len(tokens) - SIZE + 1, dtype=np.uint64)
    for offset in range(SIZE):
        runs += tokens[offset : offset + len(runs)] * powers[offset]
    inside = owners[: len(runs)] == owners[SIZE - 1 :]
    return (
        _mix(np.concatenate([runs[inside], whole[short_texts]])),
        np.concatenate([owners[: len(runs)][inside], short_texts]),
    )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the value reaches every bit of the result (the finisher of MurmurHash3, Appleby 2011)."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


@cache
def _powers() -> NDArray[np.uint64]:
    """Odd factors for places; beyond the last the place no longer counts."""
    return _mix(np.arange(1, 257, dtype=np.uint64)) | np.uint64(1)


@cache
def _kinds() -> NDArray[np.uint8]:
    """[0x110000] what each code point is: between tokens, part of a word, or a token by itself."""
    kinds = np.fromiter((_kind(code) for code in range(0x110000)), dtype=np.uint8, count=0x110000)
    for first, last in _UNSPACED:
        kinds[first : last + 1][kinds[first : last + 1] == _LETTER] = _ALONE
    return kinds


def _kind(code: int) -> int:
    char = chr(code)
    # Combining marks belong to their word: Indic vowels, accents written apart.
    return (
        _LETTER if char.isalnum() or (code >= 0x300 and unicodedata.category(char)[0] == "M") else _SEPARATOR
    )
