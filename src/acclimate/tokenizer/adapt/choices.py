"""How new tokens are chosen: three published ways, each ranks the same candidates."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component, Part
from acclimate.recipe.units import Count

if TYPE_CHECKING:
    from acclimate.corpus.document import Reader
    from acclimate.tokenizer.adapt.candidates import Candidate
    from acclimate.tokenizer.adapt.text import Cut

Ranked = Callable[[list["Candidate"], "Cut", "Cut | None"], list["Candidate"]]
"""(candidates, the domain's text, the base text) → those that are worth a token, best first."""


class Saving(Component):
    """The tokens that shorten the text most: frequency · (pieces − 1), counted anew as tokens are added.

    Source: Nakash et al. 2025, "AdaptiVocab"; its tokens may hold several words, these never do.
    """

    registered_as: ClassVar[tuple[str, str]] = ("token_choice", "saving")
    bare: ClassVar[str | None] = "tokens"

    tokens: Count = Field(default=2_000, ge=1, le=1_000_000)
    """New entries of the vocabulary, at most; a corpus that does not support as many gives fewer, and the run says
    so."""
    occurrences: int = Field(default=5, ge=1)
    """How often a word must occur in the training text."""
    longest: int = Field(default=16, ge=2, le=64)
    """Most pieces that one token replaces."""

    def readers(self) -> list[Reader]:
        """Text to compare with."""
        return []

    def build(self) -> Ranked:
        """Ranks candidates."""

        def ranked(found: list[Candidate], domain: Cut, base: Cut | None) -> list[Candidate]:
            return sorted(found, key=lambda one: (-one.count * (one.length - 1), one.entry))

        return ranked


class Fertility(Component):
    """Words that are cut into more pieces than `limit`, the most frequent first, until there are none left.

    Source: Hong et al. 2021, "AVocaDo", which stops when the mean over all words is at the limit; general tokenizers
    are far below 3 in the mean on any text in their language, so here the limit holds for each word.
    """

    registered_as: ClassVar[tuple[str, str]] = ("token_choice", "fertility")
    bare: ClassVar[str | None] = "limit"

    limit: int = Field(default=3, ge=1, le=16)
    """Pieces that a word may have (in Chinese: a sequence of characters that is frequent enough)."""
    tokens: Count = Field(default=10_000, ge=1, le=1_000_000)
    """New entries of the vocabulary, at most."""
    occurrences: int = Field(default=5, ge=1)
    """How often a word must occur in the training text for the limit to hold for it."""
    longest: int = Field(default=16, ge=2, le=64)
    """Most pieces that one token replaces."""

    def readers(self) -> list[Reader]:
        """Text to compare with."""
        return []

    def build(self) -> Ranked:
        """Ranks candidates."""

        def ranked(found: list[Candidate], domain: Cut, base: Cut | None) -> list[Candidate]:
            long = [one for one in found if one.length > self.limit]
            return sorted(long, key=lambda one: (-one.count, one.entry))

        return ranked


class Divergence(Component):
    """Words whose last piece follows its beginning far more surely in the domain than in general text.

    Score: P(last piece | the pieces before it) · log of its ratio to the same probability in the base text, which is
    smoothed by one half; the pointwise part of their Kullback-Leibler divergence.
    Source: Sachidananda, Kessler & Lai 2021, "Efficient Domain Adaptation of Language Models via Adaptive
    Tokenization": 10,000 tokens brought more than 97 % of further pretraining's gain.
    """

    registered_as: ClassVar[tuple[str, str]] = ("token_choice", "divergence")

    base: list[Annotated[Component, Part("reader", default="files")]] = Field(min_length=1)
    """General text, like that which the checkpoint was trained on."""
    tokens: Count = Field(default=10_000, ge=1, le=10_000)
    """New entries of the vocabulary, at most."""
    occurrences: int = Field(default=20, ge=1)
    """How often a word must occur in the training text; of rare ones no probability can be told."""
    longest: int = Field(default=16, ge=2, le=64)
    """Most pieces that one token replaces."""

    def readers(self) -> list[Reader]:
        """Text to compare with."""
        return [part.build() for part in self.base]

    def build(self) -> Ranked:
        """Ranks candidates."""
        from acclimate.tokenizer.adapt.candidates import conditional_counts

        def ranked(found: list[Candidate], domain: Cut, base: Cut | None) -> list[Candidate]:
            assert base is not None
            found = [one for one in found if len(one.pieces) > 1]
            wanted = {one.pieces for one in found}
            (own, own_begun), (general, begun) = (conditional_counts(cut, wanted) for cut in (domain, base))
            scores = {}
            for one in found:
                head = one.pieces[:-1]
                here = own[one.pieces] / own_begun[head]
                there = (general[one.pieces] + 0.5) / (begun[head] + 1)
                scores[one.entry] = here * math.log(here / there)
            found = [one for one in found if scores[one.entry] > 0]
            return sorted(found, key=lambda one: (-scores[one.entry], -one.count, one.entry))

        return ranked


def base_fingerprint(choice: Component, digests: Callable[[Path], str]) -> list[Any]:
    """What the base text is, by content."""
    return [reader.fingerprint(digests) for reader in choice.readers()]  # type: ignore[attr-defined]
