"""The form in which texts are compared: compatibility forms and cases made equal. Punctuation and white space do
not count, for only words are compared."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, chain, pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

_HARD = 0xFFFFFFFF
_ASSIGNED = (range(0x80, 0x33480), range(0xE0000, 0xE1000))
"""Beyond these are only unassigned and private characters, which stand for themselves."""


def normal_form(text: str) -> str:
    """Casefolded and in Unicode's form NFKC."""
    if text.isascii():
        return text.lower()
    folded = text.casefold() if unicodedata.is_normalized("NFKC", text) else _compatible(text).casefold()
    return folded if unicodedata.is_normalized("NFKC", folded) else _compatible(folded).casefold()


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


@cache
def _table() -> NDArray[np.uint32]:
    """[0x110000] code point → the one that stands for it in the normal form; _HARD where that takes more than a look
    at the character: it becomes several with a letter among them, or composes with the one before it."""
    table = np.arange(0x110000, dtype=np.uint32)
    chars = [chr(code) for code in chain.from_iterable(_ASSIGNED) if not 0xD800 <= code < 0xE000]
    # No character composes with a newline, so that all can be asked for at once.
    forms = normal_form("\n".join(chars)).split("\n")
    for char, form in zip(chars, forms, strict=True):
        code = ord(char)
        if _joins(char) or (len(form) > 1 and any(_in_word(one) for one in form)):
            table[code] = _HARD
        elif len(form) == 1:
            table[code] = ord(form)
    table[ord("A") : ord("Z") + 1] += 32
    return table


def normal_codes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64], list[bool]]:
    """The normal forms of texts as code points, joined with a newline, without a Python loop over most texts.

    (code points, [D] where the text after each begins, [D] whether characters stand where they stood in the text).
    Punctuation is left as it is; the words are those of `normal_form`.
    """
    plain = [True] * len(texts)
    codes, ends = _joined(texts)
    normal = _table()[codes]
    hard = np.flatnonzero(normal == _HARD)
    if len(hard):
        texts = list(texts)
        for number in np.unique(np.searchsorted(ends, hard, side="right")).tolist():
            texts[number] = normal_form(texts[number])
            plain[number] = False
        codes, ends = _joined(texts)
        normal = _table()[codes]
        left = normal == _HARD
        normal[left] = codes[left]
    return normal, ends, plain


def _joined(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    codes = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return codes, np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)


def original_spans(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of the normal form as spans of the text itself, each as wide as it must be.

    Characters with the marks that follow them are made normal one by one; where that differs from the normal form of
    the whole (which no usual text shows) the answer is the whole text.
    """
    clusters = _clusters(text)
    forms = [normal_form(cluster) for cluster in clusters]
    if "".join(forms) != normal_form(text):
        return [(0, len(text))]
    before = list(accumulate(map(len, clusters), initial=0))
    cluster_of = [number for number, form in enumerate(forms) for _ in form]
    return [(before[cluster_of[start]], before[cluster_of[end - 1] + 1]) for start, end in spans]


def _clusters(text: str) -> list[str]:
    """The text in pieces, each a character with what composes with it: marks, Hangul vowels and finals, half-width
    voice marks."""
    starts = [number for number, char in enumerate(text) if not (number and _joins(char))]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def _joins(char: str) -> bool:
    return char >= "\u0300" and (
        unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff" or char in "\uff9e\uff9f"
    )


def spelled(form: str, bounds: Sequence[int]) -> tuple[str, ...]:
    """The words of a normal form; `bounds` are where they begin, and where the next one does or the form ends."""
    return tuple("".join(takewhile(_in_word, form[start:end])) for start, end in pairwise(bounds))


def _in_word(char: str) -> bool:
    return char.isalnum() or (char >= "\u0300" and unicodedata.category(char)[0] == "M")
