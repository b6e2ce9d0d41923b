"""Easy data augmentation: replace, insert, swap, delete (Wei and Zou 2019)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from acclimate.corpus.augment.augmentation import Augmentation, Augmenter, Copy
from acclimate.corpus.augment.edits import Edit, Labelled, edited
from acclimate.corpus.augment.units import Lexicon, Unit
from acclimate.corpus.augment.words import FromTexts, Neighbours, NewWords
from acclimate.recipe.paths import DataPath
from acclimate.recipe.units import Share

Operation = Callable[[Labelled, list[Unit], int, random.Random], list[Edit]]


class Eda(Augmentation):
    """One of four changes to n = max(1, ⌊α·l⌋) of a text's l words: others in their place, others put in, places
    swapped, words taken out (Wei and Zou 2019).

    Successive copies take the changes in turn, beginning anywhere. Of Chinese a word is a character, or with
    `vectors` what stands in their file.
    """

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "eda")
    bare: ClassVar[str | None] = "alpha"
    places: ClassVar[tuple[str, ...]] = ("vectors",)

    alpha: Share = 0.1
    """α: share of the words that is changed (Wei and Zou: 10%; 5% below 500 examples)."""
    vectors: DataPath | None = None
    """A file of word vectors (word2vec's text form): new words are neighbours of old ones, as the paper has it of
    synonyms. Without it they are drawn from the training texts."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        words = FromTexts(texts) if self.vectors is None else synonyms(Path(self.vectors), texts)
        return _Changing(self.alpha, words)


class Synonyms(Augmentation):
    """Words give way to their neighbours in a space of word vectors (Wang and Yang 2015)."""

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "synonyms")
    bare: ClassVar[str | None] = "vectors"
    places: ClassVar[tuple[str, ...]] = ("vectors",)

    vectors: DataPath
    """A file of word vectors in word2vec's text form: `word x₁ … x_E` a line."""
    share: Share = 0.15
    """Share of the words that is replaced, one at least, of those that have a neighbour."""
    nearest: int = Field(default=5, ge=1, le=1000)
    """How many neighbours are drawn from."""
    least: float = Field(default=0.5, ge=-1, le=1)
    """Least cosine of a neighbour: what is farther away is no synonym."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        words = synonyms(Path(self.vectors), texts, nearest=self.nearest, least=self.least)

        def augment(copies: Sequence[Copy]) -> list[Labelled]:
            made = []
            for copy in copies:
                units = words.lexicon.units(copy.source)
                count = max(1, int(self.share * len(units)))
                made.append(edited(copy.source, _replaced(copy.source, units, count, copy.random, words)))
            return made

        return augment


class _Changing:
    """The four operations in turn."""

    def __init__(self, alpha: float, words: NewWords) -> None:
        self._alpha, self._words = alpha, words
        self._operations: tuple[Operation, ...] = (
            lambda one, units, count, source: _replaced(one, units, count, source, words),
            lambda one, units, count, source: _inserted(one, units, count, source, words),
            _swapped,
            _deleted,
        )

    def __call__(self, copies: Sequence[Copy]) -> list[Labelled]:
        return [self._one(copy) for copy in copies]

    def _one(self, copy: Copy) -> Labelled:
        units = self._words.lexicon.units(copy.source)
        if not units:
            return copy.source
        first = len(copy.source.text) % len(self._operations)  # of the text alone, so that copies take turns
        operation = self._operations[(first + copy.number) % len(self._operations)]
        count = max(1, int(self._alpha * len(units)))
        return edited(copy.source, operation(copy.source, units, count, copy.random))


def synonyms(path: Path, texts: Sequence[str], *, nearest: int = 5, least: float = 0.5) -> Neighbours:
    """Neighbours of the words that the texts use."""
    unspaced = "\n".join(texts)
    spaced = {
        text[unit.start : unit.end].lower()
        for text in texts
        for unit in Lexicon().units(Labelled(text))
        if unit.spaced
    }
    return Neighbours.read(
        path,
        lambda word: word.lower() in spaced or (not word.isascii() and word in unspaced),
        nearest=nearest,
        least=least,
    )


def _replaced(
    one: Labelled, units: list[Unit], count: int, source: random.Random, words: NewWords
) -> list[Edit]:
    edits: list[Edit] = []
    for unit in source.sample(units, len(units)):
        if len(edits) >= count:
            break
        new = words.draw(one.text[unit.start : unit.end], source)
        if new is not None and new != one.text[unit.start : unit.end]:
            edits.append(unit.instead(new))
    return edits


def _inserted(
    one: Labelled, units: list[Unit], count: int, source: random.Random, words: NewWords
) -> list[Edit]:
    edits: list[Edit] = []
    for unit in source.sample(units, len(units)):
        if len(edits) >= count:
            break
        new = words.draw(one.text[unit.start : unit.end], source)
        place = source.choice(units)
        if new is not None:
            edits.append(place.before(new))
    return edits


def _swapped(one: Labelled, units: list[Unit], count: int, source: random.Random) -> list[Edit]:
    words = [one.text[unit.start : unit.end] for unit in units]
    order = list(range(len(units)))
    for _ in range(count if len(units) > 1 else 0):
        a, b = source.sample(range(len(units)), 2)
        order[a], order[b] = order[b], order[a]
    return [
        unit.instead(words[at])
        for unit, at in zip(units, order, strict=True)
        if words[at] != one.text[unit.start : unit.end]
    ]


def _deleted(one: Labelled, units: list[Unit], count: int, source: random.Random) -> list[Edit]:
    """Never all of them."""
    return [unit.without() for unit in source.sample(units, min(count, len(units) - 1))]
