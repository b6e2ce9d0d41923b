"""Where words begin, in a text and in its tokens: for masking whole words, and for counting tokens per word.

A word is a run of letters, digits and marks. In scripts written without spaces every character is one, but Chinese has
the words of a segmenter where one is given.

Legend: T tokens of all texts, W words of all texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.pieces import Segment
from acclimate.tokenizer.segmenting import HAN

_UNSPACED = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
"""Thai and Lao, Tibetan, Burmese, Khmer, kana."""


@cache
def _pattern() -> re.Pattern[str]:
    marks = "".join(
        chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code)).startswith("M")
    )
    unspaced = HAN.pattern.removeprefix("[").removesuffix("]+") + _UNSPACED
    return re.compile(rf"{HAN.pattern}|[{_UNSPACED}]|(?:(?![{unspaced}])[\w{marks}])+")


def word_spans(text: str, segment: Segment | None = None) -> list[tuple[int, int]]:
    """[start, end) of each word, in characters."""
    spans: list[tuple[int, int]] = []
    for match in _pattern().finditer(text):
        start, end = match.span()
        if not HAN.match(text, start):
            if unicodedata.category(text[start])[0] in "LNM" or end - start > 1 or text[start] == "_":
                spans.append((start, end))
            continue
        for word in segment(match.group()) if segment else match.group():
            spans.append((start, start + len(word)))
            start += len(word)
    return spans


def words_of(texts: Sequence[str], segment: Segment | None = None) -> NDArray[np.int64]:
    """[W, 2] the spans of all words, counted from the beginning of the first text; texts lie end to end."""
    spans: list[tuple[int, int]] = []
    base = 0
    for text in texts:
        spans += [(base + start, base + end) for start, end in word_spans(text, segment)]
        base += len(text)
    return np.asarray(spans, dtype=np.int64).reshape(-1, 2)


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
