"""The figures by which `quality` judges a text: words, letters, marks, lines, and how much of it repeats.

A native kernel works them out for many texts at once; without a compiler the plain code here does, with the same
results (n-grams are compared by 64-bit hashes in both).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.clean.han import CHINESE_FROM, HAN, count_han, count_letters
from acclimate.corpus.clean.repetition import Limits, Repetition, repetition_of
from acclimate.kernels import prose

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLETS = tuple("•‣⁃◦●○■□▪▫►▶·*-–—+")
MARKS = ("#", "...", "…")
_ELLIPSES = ("...", "…")
WORD_OF_HAN = 2
"""Characters of Chinese that count as a word of English."""
_WITH_LETTER = re.compile(r"\S*[^\W\d_]\S*")
_SPACE, _LETTER, _HAN, _BULLET = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of one text."""

    han: int
    letters: int
    characters: int
    """White space aside."""
    words: int
    words_with_letter: int
    stop_words: int
    """How many different ones of STOP_WORDS."""
    marks: tuple[int, ...]
    """How often each of MARKS."""
    lines: int
    """Blank lines aside."""
    bullet_lines: int
    ellipsis_lines: int
    repetition: Repetition | None
    """None where it was not asked for."""

    @property
    def chinese(self) -> bool:
        """Whether the text is judged by characters."""
        return self.han > 0 and self.han > CHINESE_FROM * self.letters


def figures_of(texts: Sequence[str], limits: Limits | None) -> list[Figures]:
    """The figures of each text; `limits` says which repetition is measured, None none."""
    if not texts:
        return []
    if not prose.available():
        return [plain_figures(text, limits) for text in texts]
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    top = [n for n, _ in limits.top_ngram] if limits else []
    duplicate = [n for n, _ in limits.duplicate_ngrams] if limits else []
    found = prose.figures(
        codes,
        ends,
        _flags(),
        top=np.array(top, dtype=np.int64),
        duplicate=np.array(duplicate, dtype=np.int64),
        least=limits.least_duplicate if limits else 0.0,
        chinese_from=CHINESE_FROM,
        stretch=WORD_OF_HAN,
        repetition=limits is not None,
    )
    return [_figures(row, len(top), limits is not None) for row in found.tolist()]


def _figures(row: list[float], tops: int, measured: bool) -> Figures:
    han, letters, characters, words, lettered, stops, hashes, dots, signs, lines, bullets, ellipses = map(
        int, row[:12]
    )
    ngrams = prose.FIXED + tops
    repetition = (
        Repetition(
            (row[12], row[13]), (row[14], row[15]), tuple(row[prose.FIXED : ngrams]), tuple(row[ngrams:])
        )
        if measured
        else None
    )
    return Figures(
        han, letters, characters, words, lettered, stops.bit_count(), (hashes, dots, signs), lines, bullets, ellipses,
        repetition,
    )  # fmt: skip


def plain_figures(text: str, limits: Limits | None) -> Figures:
    """The same for one text, without the kernel."""
    words = text.split()
    han, letters = count_han(text), count_letters(text)
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    repetition = None
    if limits is not None:
        chinese = han > 0 and han > CHINESE_FROM * letters
        units: Sequence[str] = "".join(words) if chinese else words
        repetition = repetition_of(text, units, limits.stretched(WORD_OF_HAN) if chinese else limits)
    return Figures(
        han=han,
        letters=letters,
        characters=sum(map(len, words)),
        words=len(words),
        words_with_letter=len(_WITH_LETTER.findall(text)),
        stop_words=len(frozenset(STOP_WORDS).intersection(map(str.lower, words))),
        marks=tuple(text.count(mark) for mark in MARKS),
        lines=len(lines),
        bullet_lines=sum(line.startswith(BULLETS) for line in lines),
        ellipsis_lines=sum(line.endswith(_ELLIPSES) for line in lines),
        repetition=repetition,
    )


@cache
def _flags() -> NDArray[np.uint8]:
    """[0x110000] what each code point is, as bits: white space, letter, Han, bullet."""
    flags = np.zeros(0x110000, dtype=np.uint8)
    every = "".join(map(chr, range(0x110000)))
    for pattern, bit in ((r"\s", _SPACE), (r"[^\W\d_]", _LETTER), (f"[{HAN}]", _HAN)):
        for run in re.finditer(f"{pattern}+", every):
            flags[run.start() : run.end()] |= bit
    for char in BULLETS:
        flags[ord(char)] |= _BULLET
    return flags
