"""DSIR: importance resampling in a space of hashed n-grams (Xie et al. 2023).

Words and pairs of neighbouring words fall into 10,000 buckets by their hash. With p the bucket shares of the target
and q those of the corpus, a document with bucket counts c weighs

    log w = Σ_j c_j·(log(p_j + 10⁻⁸) − log(q_j + 10⁻⁸)),

and the k documents with the greatest log w + g are kept, g drawn from Gumbel's distribution: a draw without
replacement in proportion to w. Words are those of `words.py`: casefolded, characters of unspaced scripts one by one;
unlike in the paper punctuation does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from acclimate.corpus.choose.measuring import in_batches, in_pieces, places_in
from acclimate.corpus.choose.selection import Scores, Selection, Texts
from acclimate.corpus.words import mix, words_of
from acclimate.progress import Tell
from acclimate.recipe.portions import Portion

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool

_LEAST = 1e-8


class Dsir(Selection):
    """Importance resampling by hashed words and pairs of words: a draw from the corpus as if from the target (Xie et
    al. 2023).

    A draw, not a ranking: what is kept has the target's variety. Weights are not divided by length, so long
    documents of the target's kind come first; cut documents to paragraphs where that is not wanted.
    """

    registered_as: ClassVar[tuple[str, str]] = ("selection", "dsir")

    keep: Portion = Portion(0.3, "share")
    """How much stays: a share of the documents, or an amount such as `2M words`."""
    buckets: int = Field(default=10_000, ge=2, le=2**24)
    """How many buckets the n-grams are hashed to (Xie et al.: 10,000)."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the draw; the noise of a document hangs on this and its text alone."""

    def scores(self) -> Scores:
        return self._resampled

    def _resampled(self, pool: Pool, texts: Texts, tell: Tell) -> NDArray[np.float64]:
        target = log_shares(bucket_counts(in_batches(texts()), self.buckets))
        raw = log_shares(
            bucket_counts(([one.text for one in batch] for batch in pool.batches()), self.buckets)
        )
        weights = np.full(len(pool), -np.inf)
        for batch in pool.batches():
            numbers = [one.number for one in batch]
            weights[numbers] = log_weights([one.text for one in batch], target - raw)
            tell(float(numbers[-1] + 1), float(len(pool)), "documents")
        return weights + gumbel(places_in(pool), self.seed)


def ngram_buckets(texts: Sequence[str], buckets: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(bucket, text) of every word and pair of neighbouring words."""
    words = words_of(texts)
    first, second = words.hashes[:-1], words.hashes[1:]
    inside = words.owners[:-1] == words.owners[1:]
    pairs = mix(mix(first[inside]) + second[inside])
    hashes = np.concatenate([words.hashes, pairs])
    return (hashes % np.uint64(buckets)).astype(np.int64), np.concatenate(
        [words.owners, words.owners[:-1][inside]]
    )


def bucket_counts(batches: Iterable[Sequence[str]], buckets: int) -> NDArray[np.int64]:
    """[buckets] how many n-grams of all the texts fall into each."""
    counts = np.zeros(buckets, dtype=np.int64)
    for batch in batches:
        for _, pieces in in_pieces(batch):
            counts += np.bincount(ngram_buckets(pieces, buckets)[0], minlength=buckets)
    return counts


def log_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """[buckets] log(p + 10⁻⁸) of each bucket's share p."""
    return np.log(counts / max(1, int(counts.sum())) + _LEAST)


def log_weights(texts: Sequence[str], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """[len(texts)] the sum of its n-grams' log ratios for each text."""
    weights = np.zeros(len(texts))
    for numbers, pieces in in_pieces(texts):
        found, owners = ngram_buckets(pieces, len(ratios))
        np.add.at(weights, numbers, np.bincount(owners, weights=ratios[found], minlength=len(pieces)))
    return weights


def gumbel(places: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """[N] −log(−log u), u in (0, 1) from each document's place and the seed."""
    bits = mix(places ^ mix(np.array([seed + 1], dtype=np.uint64)))
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return np.asarray(-np.log(-np.log(uniform)))
