"""What is done to images by erasing, cropping and scaling, done to text: a span goes, a window stays, the length
changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from acclimate.corpus.augment.augmentation import Augmentation, Augmenter, Copy
from acclimate.corpus.augment.edits import Edit, Labelled, cropped, edited
from acclimate.corpus.augment.units import Lexicon, Unit
from acclimate.recipe.units import Share

Change = Callable[[Labelled, list[Unit], random.Random], Labelled]


class Erase(Augmentation):
    """A run of neighbouring words is taken out; the text counterpart of random erasing (Zhong et al. 2020)."""

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "erase")
    bare: ClassVar[str | None] = "most"

    least: Share = 0.05
    """Least share of the words; one word at least goes, and one at least stays."""
    most: Share = 0.2
    """Greatest share of the words; the share is drawn evenly between the two."""

    @model_validator(mode="after")
    def _ordered(self) -> Erase:
        if self.most < self.least:
            raise ValueError(f"most {self.most:.4g} is below least {self.least:.4g}")
        return self

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        def change(one: Labelled, units: list[Unit], source: random.Random) -> Labelled:
            share = source.uniform(self.least, self.most)
            count = min(max(1, round(share * len(units))), len(units) - 1)
            first = source.randint(0, len(units) - count)
            return edited(one, [unit.without() for unit in units[first : first + count]])

        return each(change)


class Crop(Augmentation):
    """A window of neighbouring words is kept, longer where it would cut a labelled span."""

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "crop")
    bare: ClassVar[str | None] = "least"

    least: Share = 0.5
    """Least share of the words that is kept; it is drawn evenly from here up to all."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        def change(one: Labelled, units: list[Unit], source: random.Random) -> Labelled:
            count = max(1, round(source.uniform(self.least, 1) * len(units)))
            first = source.randint(0, len(units) - count)
            window = units[first : first + count]
            # What stands around the first and the last word of the text stays with it.
            start = 0 if first == 0 else window[0].start
            end = len(one.text) if first + count == len(units) else window[-1].end
            return cropped(one, start, end)

        return each(change)


class Lengthen(Augmentation):
    """The text becomes longer or shorter by a factor: words all over it are doubled, or taken out."""

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "length")
    bare: ClassVar[str | None] = "factor"

    factor: float = Field(default=1.2, gt=1, le=2)
    """Greatest factor; it is drawn between 1 / factor and factor, evenly in the logarithm."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        def change(one: Labelled, units: list[Unit], source: random.Random) -> Labelled:
            factor = self.factor ** source.uniform(-1, 1)
            count = min(max(1, round(abs(factor - 1) * len(units))), len(units) - 1)
            edits: list[Edit] = []
            for unit in source.sample(units, count):
                word = one.text[unit.start : unit.end]
                edits.append(unit.before(word) if factor > 1 else unit.without())
            return edited(one, edits)

        return each(change)


def each(change: Change) -> Augmenter:
    """A change of every text by itself; one with fewer than two words that may be changed stays as it is."""

    def augment(copies: Sequence[Copy]) -> list[Labelled]:
        made = []
        for copy in copies:
            units = Lexicon().units(copy.source)
            made.append(change(copy.source, units, copy.random) if len(units) > 1 else copy.source)
        return made

    return augment
