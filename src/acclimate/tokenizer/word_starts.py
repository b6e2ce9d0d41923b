"""Where words begin, in a text and in its tokens: for masking whole words, and for counting tokens per word.

A word is a run of letters, digits and marks. In scripts written without spaces every character is one, but Chinese has
the words of a segmenter where one is given.

Legend: T tokens of all texts, W words of all texts.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.pieces import Segment
from acclimate.tokenizer.segmenting import HAN

_UNSPACED = "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]"
"""Thai and Lao, Tibetan, Burmese, Khmer, kana."""
_OTHER, _LETTER, _ALONE, _HAN = range(4)


@cache
def _kinds() -> NDArray[np.uint8]:
    """Of each character: no part of a word, part of a run, a word alone, Han."""
    kinds = np.zeros(sys.maxunicode + 1, np.uint8)
    unspaced, han = re.compile(_UNSPACED), HAN
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if letter == "_" or letter.isalnum() or unicodedata.category(letter)[0] == "M":
            kinds[code] = _HAN if han.match(letter) else _ALONE if unspaced.match(letter) else _LETTER
        elif han.match(letter):
            kinds[code] = _HAN
    return kinds


def words_of(texts: Sequence[str], segment: Segment | None = None) -> NDArray[np.int64]:
    """[W, 2] the spans of all words, counted from the beginning of the first text; texts lie end to end."""
    joined = "".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    kinds = _kinds()[codes]
    apart = kinds == _ALONE
    apart[1:] |= kinds[1:] != kinds[:-1]
    apart[np.cumsum([0, *map(len, texts)])[np.array([len(text) > 0 for text in texts] + [False])]] = True
    if segment is None:
        apart |= kinds == _HAN
    starts = np.flatnonzero(apart & (kinds != _OTHER))
    # A word lasts to where the next one, or what is none, begins.
    borders = np.append(np.flatnonzero(apart), len(kinds))
    spans = np.stack([starts, borders[np.searchsorted(borders, starts, side="right")]], axis=1)
    return spans if segment is None else _segmented(joined, spans, kinds, segment)


def _segmented(
    joined: str, spans: NDArray[np.int64], kinds: NDArray[np.uint8], segment: Segment
) -> NDArray[np.int64]:
    """The spans, with those of runs of Han cut into words."""
    han = kinds[spans[:, 0]] == _HAN
    cut = [spans[~han]]
    for start, end in spans[han].tolist():
        lengths = np.array([len(word) for word in segment(joined[start:end])], dtype=np.int64)
        stops = start + np.cumsum(lengths)
        cut.append(np.stack([stops - lengths, stops], axis=1))
    found = np.concatenate(cut)
    return found[np.argsort(found[:, 0], kind="stable")]


def beginnings(spans: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.int64]:
    """[T] how many words begin in each token, given the tokens' spans [T, 2] in the texts laid end to end.

    A word begins in the first token that reaches into it; of several tokens that spell one character (bytes) the first
    has it. A token is the beginning of a word where this is not 0.
    """
    reached = np.searchsorted(words[:, 0], spans[:, 1], side="left")
    reached = np.maximum.accumulate(reached) if len(reached) else reached
    return np.diff(reached, prepend=0)


def crossing(spans: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[T] whether a token holds the last part of a word and the beginning of another, or the whole of several."""
    first = np.searchsorted(
        words[:, 1], spans[:, 0], side="right"
    )  # first word that ends behind the token's start
    last = np.searchsorted(words[:, 0], spans[:, 1], side="left")  # words that begin before its end
    return last - first > 1
