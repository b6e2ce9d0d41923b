"""Where words and sentences start among a text's tokens: one byte a token, a bit for each.

Legend: T tokens of all texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.pieces import Segment
from acclimate.tokenizer.word_starts import beginnings, words_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BITS = {"words": 1, "sentences": 2}
"""Name of a mark → its bit."""
ENCODE_AT_ONCE = 256
"""Texts whose offsets are in memory together; as objects of Python they are large."""

_BLANKS = [9, 0x20, 0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
_CLOSE = r"[\"'”’»」』】）)\]]*+"
_SENTENCE_END = re.compile(
    rf"[。！？｡]++[.!?…。！？｡]*+{_CLOSE}\s*+"  # full-width ones need no space behind them
    rf"|(?<![.!?…．])[.!?…．]++{_CLOSE}\s++"
    r"|[\n\r\x85\u2028\u2029]\s*+"
)


def sentence_starts(text: str) -> list[int]:
    """Places of the characters with which a sentence begins, but for the first one.

    A sentence ends with 。！？, with . ! ? … before white space (closing quotes and brackets belong to it), and with a
    line. Abbreviations are not known: "Mr. Smith" is cut.
    """
    return [end for match in _SENTENCE_END.finditer(text) if (end := match.end()) < len(text)]


class MarkingEncoder(Encoder):
    """Gives the tokens that `Encoder` gives with `literal`, and their marks.

    A word is what `word_starts.py` takes for one, tokens of punctuation and signs are each a word, and with them the
    first token of each text. Chinese has the words of `segment`; each Han character is one without it.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, marks: Collection[str], segment: Segment | None
    ) -> None:
        super().__init__(tokenizer, literal=True)
        self._wanted = frozenset(marks)
        self._segment = segment

    def encode_marked(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """(tokens of all texts in one row [T], number of tokens of each text [D], marks [T])."""
        parts = [
            self._encoded(texts[start : start + ENCODE_AT_ONCE])
            for start in range(0, len(texts), ENCODE_AT_ONCE)
        ]
        rows: Any = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return rows[0], rows[1], rows[2]

    def _encoded(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        tokens, lengths, spans = self.encode_spans(texts)
        marks = np.zeros(len(tokens), np.uint8)
        first = (np.cumsum(lengths) - lengths)[lengths > 0]
        blank = _blanks(spans, texts)
        blank[first[1:] - 1] = blank[-1:] = False  # the last token of a text has none behind it
        if "words" in self._wanted:
            words = word_starts(spans, words_of(texts, self._segment))
            words[first] = True
            marks |= words.astype(np.uint8) * BITS["words"]
        if "sentences" in self._wanted:
            sentences = beginnings(spans, _sentences_of(texts)) > 0
            sentences[first] = True
            marks |= sentences.astype(np.uint8) * BITS["sentences"]
        heads = np.flatnonzero(blank & ~np.append(False, blank[:-1]))
        tails = np.flatnonzero(blank & ~np.append(blank[1:], False))
        marks[heads] |= marks[tails + 1]
        marks[np.flatnonzero(blank) + 1] = 0
        return tokens, lengths, marks


def word_starts(spans: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[T] whether a token is not the continuation of a word, given tokens' spans [T, 2] and words' [W, 2].

    Several tokens that spell one character (bytes) are one word at most, whatever the character.
    """
    if not len(spans):
        return np.zeros(0, np.bool_)
    number = np.searchsorted(words[:, 0], spans[:, 1], side="left") - 1  # last word that a token reaches into
    ends = np.append(words[:, 1], 0)  # there is no word -1: it ends before everything
    inside = spans[:, 0] < ends[number]
    same = np.zeros(len(spans), np.bool_)
    same[1:] = (spans[1:] == spans[:-1]).all(axis=1)
    return (beginnings(spans, words) > 0) | ~(inside | same)


def _blanks(spans: NDArray[np.int64], texts: Sequence[str]) -> NDArray[np.bool_]:
    """[T] whether a token is white space alone, but for line breaks: a lone ▁ goes with the word behind it."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    full = np.append(0, np.cumsum(~np.isin(codes, _BLANKS)))
    return full[spans[:, 1]] == full[spans[:, 0]]


def _sentences_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """[S, 2] of which the first column holds the sentences' starts; texts lie end to end."""
    starts: list[int] = []
    base = 0
    for text in texts:
        starts += [base + start for start in sentence_starts(text)]
        base += len(text)
    found = np.asarray(starts, dtype=np.int64)
    return np.stack([found, found], axis=1)
