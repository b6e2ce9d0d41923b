"""Moore–Lewis: documents that a model of the target expects more than a model of the corpus does (2010)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from acclimate.corpus.choose.measuring import first_until, places_in
from acclimate.corpus.choose.selection import Scores, Selection, Texts
from acclimate.errors import UserError
from acclimate.progress import Tell
from acclimate.recipe.portions import Portion
from acclimate.recipe.units import Count

if TYPE_CHECKING:
    from acclimate.corpus.ngram_text import NgramText
    from acclimate.corpus.pool import Pool


class MooreLewis(Selection):
    """Least H_target(s) − H_corpus(s), the difference of cross-entropies by word (Moore and Lewis 2010).

    Two n-gram models (modified Kneser–Ney), one of the target, one of as much of the corpus, know the words that
    the target has at least twice. A ranking: the most typical documents are kept, with little variety. Long
    documents are judged by the mean of their words, as short ones are.
    """

    registered_as: ClassVar[tuple[str, str]] = ("selection", "moore_lewis")

    keep: Portion = Portion(0.3, "share")
    """How much stays, the best first: a share of the documents, or an amount such as `2M words`."""
    order: int = Field(default=4, ge=1, le=6)
    """Length of the n-grams (Moore and Lewis: 4)."""
    most: Count = Field(default=2_000_000, ge=1000)
    """Characters of the target that are learnt from at most, and as many of the corpus: it bounds memory."""

    def scores(self) -> Scores:
        return self._differences

    def _differences(self, pool: Pool, texts: Texts, tell: Tell) -> NDArray[np.float64]:
        from acclimate.corpus.ngram_text import NgramText, Vocabulary

        target = until(texts(), self.most)
        if not (vocabulary := Vocabulary.of(target)).ids:
            raise UserError(
                "corpus.select.moore_lewis: no word stands twice in the target; it needs more text"
            )
        inside = NgramText.train(target, order=self.order, vocabulary=vocabulary)
        corpus = self._of_the_corpus(pool, sum(map(len, target)))
        outside = NgramText.train(corpus, order=self.order, vocabulary=vocabulary)
        scores = np.full(len(pool), -np.inf)
        for batch in pool.batches():
            numbers = [one.number for one in batch]
            scores[numbers] = -difference(inside, outside, [one.text for one in batch])
            tell(float(numbers[-1] + 1), float(len(pool)), "documents")
        return scores

    def _of_the_corpus(self, pool: Pool, characters: int) -> list[str]:
        """Documents by their hash, as many characters as the target has."""
        living = np.flatnonzero(pool.alive)
        order = living[np.argsort(places_in(pool)[living], kind="stable")]
        chosen = first_until(order, pool.characters, characters)
        return pool.texts(chosen if len(chosen) else order[:1])


def until(texts: Iterable[str], characters: int) -> list[str]:
    """The first texts, as many as there are characters for; the last one is cut."""
    taken: list[str] = []
    for text in texts:
        taken.append(text[:characters])
        characters -= len(text)
        if characters <= 0:
            break
    return taken


def difference(inside: NgramText, outside: NgramText, texts: list[str]) -> NDArray[np.float64]:
    """[len(texts)] nats a word that each text costs more under the model of the target; much for a blank one."""
    found = inside.cross_entropies(texts) - outside.cross_entropies(texts)
    return np.nan_to_num(found, nan=1e9)
