"""Where new words come from: the training texts, or the neighbours in a file of word vectors."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.augment.edits import Labelled
from acclimate.corpus.augment.units import Lexicon
from acclimate.errors import UserError

_SOURCES = 5000
"""Texts that words are drawn from."""
_AT_ONCE = 256


class NewWords(Protocol):
    """Gives a word to stand for another."""

    lexicon: Lexicon

    def draw(self, word: str, source: random.Random) -> str | None:
        """Another word; None where there is none for this one."""
        ...


class FromTexts:
    """Words as frequent as they are in the texts (Xie et al. 2017, "unigram noising"); for a character of a script
    without spaces another such, for a word a word."""

    lexicon = Lexicon()

    def __init__(self, texts: Sequence[str]) -> None:
        self._words: dict[bool, list[str]] = {True: [], False: []}
        for text in texts[:_SOURCES]:
            for unit in self.lexicon.units(Labelled(text)):
                self._words[unit.spaced].append(text[unit.start : unit.end])

    def draw(self, word: str, source: random.Random) -> str | None:
        spaced = self.lexicon.units(Labelled(word))[0].spaced
        return source.choice(self._words[spaced]) if self._words[spaced] else None


class Neighbours:
    """The words whose vectors are nearest by cosine, of those that the texts use (Wang and Yang 2015)."""

    def __init__(self, near: Mapping[str, Sequence[str]]) -> None:
        self._near = near
        self.lexicon = Lexicon(near)

    def draw(self, word: str, source: random.Random) -> str | None:
        """One of the neighbours; a word with a capital gets one with a capital."""
        near = self._near.get(word) or self._near.get(word.lower())
        if not near:
            return None
        found = source.choice(near)
        return found[:1].upper() + found[1:] if word[:1].isupper() and found.islower() else found

    @classmethod
    def read(cls, path: Path, used: Callable[[str], bool], *, nearest: int, least: float) -> Neighbours:
        """The neighbours of the words for which `used` holds, from a file in word2vec's text form."""
        words, vectors = read_vectors(path)
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        wanted = [number for number, word in enumerate(words) if used(word)]
        near: dict[str, list[str]] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            rows = wanted[start : start + _AT_ONCE]
            likeness = unit[rows] @ unit.T
            likeness[np.arange(len(rows)), rows] = -np.inf
            order = np.argsort(-likeness, axis=1, kind="stable")[:, :nearest]
            for row, number in enumerate(rows):
                near[words[number]] = [words[at] for at in order[row].tolist() if likeness[row, at] >= least]
        return cls(near)


def read_vectors(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """(words, vectors [N, E]) of a file in word2vec's text form: `word x₁ … x_E` a line, perhaps `N E` before all.

    Raises UserError for what has another form.
    """
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                word, *values = line.rstrip().split(" ")
                if number == 1 and len(values) == 1 and word.isdigit():
                    continue
                row = _numbers(values)
                if row is None or (rows and len(row) != len(rows[0])):
                    wanted = f"{len(rows[0])} numbers" if rows else "numbers"
                    raise UserError(
                        f"{path}:{number}: expected a word and {wanted}, found {line.strip()[:80]!r}"
                    )
                words.append(word)
                rows.append(row)
    except OSError as error:
        raise UserError(f"{path}: the word vectors cannot be read: {error.strerror}") from None
    if not rows:
        raise UserError(f"{path}: there are no word vectors in it")
    return words, np.stack(rows)


def _numbers(values: Sequence[str]) -> NDArray[np.float32] | None:
    try:
        row = np.array(values, dtype=np.float32)
    except ValueError:
        return None
    return row if len(row) and np.isfinite(row).all() else None
