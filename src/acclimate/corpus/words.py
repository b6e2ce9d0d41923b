"""Words of many texts at once, as hashes, without a Python loop over words or characters.

A word is a run of letters and digits, casefolded; in scripts written without spaces (Han, kana, Thai, Lao, Khmer,
Burmese, Tibetan) every character stands for itself. Punctuation and symbols belong to no word.

Legend: D texts, C characters of all texts, N words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.kernels import text as kernels

_SEPARATOR, _LETTER, _ALONE = 0, 1, 2
UNSPACED = (
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
"""First and last code points of scripts that put no spaces between words."""


@dataclass(frozen=True)
class Words:
    """The words of D texts, one text behind the other."""

    hashes: NDArray[np.uint64]
    """[N] a hash for each word; equal words have equal ones."""
    owners: NDArray[np.int64]
    """[N] the text it stands in."""
    starts: NDArray[np.int64]
    """[N] where it begins in the casefolded texts joined with one character between them."""
    alone: NDArray[np.bool_]
    """[N] whether it is a single character of an unspaced script."""


def words_of(texts: Sequence[str], *, characters: bool = False) -> Words:
    """The words of the texts; with `characters`, each letter and digit by itself, whatever the script. Memory: some 50
    bytes a character for a moment."""
    folded = [text.casefold() for text in texts]
    # A newline between texts ends the last word of each.
    codes = np.frombuffer("\n".join(folded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return words_in(
        codes, np.cumsum([len(text) + 1 for text in folded], dtype=np.int64), characters=characters
    )


def words_in(codes: NDArray[np.uint32], text_ends: NDArray[np.int64], *, characters: bool = False) -> Words:
    """The words of texts that are casefolded and joined with a separator; `text_ends` [D]: where the text after each
    begins."""
    if kernels.available():
        return Words(*kernels.words(codes, _kinds(), text_ends, powers(), characters))
    return _plain_words(codes, text_ends, characters)


def _plain_words(codes: NDArray[np.uint32], text_ends: NDArray[np.int64], characters: bool) -> Words:
    """The kernel's twin."""
    kinds = _kinds()[codes]
    if characters:
        kinds[kinds == _LETTER] = _ALONE
    before = np.concatenate([[_SEPARATOR], kinds[:-1]]).astype(np.uint8)
    starts = np.flatnonzero((kinds == _ALONE) | ((kinds == _LETTER) & (before != _LETTER)))
    if not len(starts):
        nothing = np.zeros(0, dtype=np.int64)
        return Words(nothing.astype(np.uint64), nothing, nothing, nothing.astype(np.bool_))
    ends = np.concatenate([starts[1:], [len(codes)]])
    # Word hash: sum over its characters of a mixed code times a power of the place.
    place = np.arange(starts[0], len(codes)) - np.repeat(starts, ends - starts)
    factors = powers()[np.minimum(place, len(powers()) - 1)]
    terms = mix(codes[starts[0] :].astype(np.uint64)) * factors
    terms[kinds[starts[0] :] == _SEPARATOR] = 0
    hashes = mix(np.add.reduceat(terms, starts - starts[0]))
    counts = np.diff(np.searchsorted(starts, text_ends), prepend=0)
    return Words(hashes, np.repeat(np.arange(len(counts)), counts), starts, kinds[starts] == _ALONE)


def is_unspaced(text: str) -> bool:
    """Whether every character is of a script without spaces."""
    return all(any(first <= ord(char) <= last for first, last in UNSPACED) for char in text)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the value reaches every bit of the result (the finisher of MurmurHash3, Appleby 2011)."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


@cache
def powers() -> NDArray[np.uint64]:
    """Odd factors for places; beyond the last the place no longer counts."""
    return mix(np.arange(1, 257, dtype=np.uint64)) | np.uint64(1)


@cache
def _kinds() -> NDArray[np.uint8]:
    """[0x110000] what each code point is: between words, part of a word, or a word by itself."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    # Nothing is assigned between the third plane and the fourteenth, and nothing behind that is a letter.
    for first, last in ((0, 0x40000), (0xE0000, 0xE1000)):
        chars = list(map(chr, range(first, last)))
        kinds[first:last][list(map(str.isalnum, chars))] = _LETTER
        # Combining marks belong to their word: Indic vowels, accents written apart.
        kinds[first:last][[one[0] == "M" for one in map(unicodedata.category, chars)]] = _LETTER
    for first, last in UNSPACED:
        kinds[first : last + 1][kinds[first : last + 1] == _LETTER] = _ALONE
    return kinds
