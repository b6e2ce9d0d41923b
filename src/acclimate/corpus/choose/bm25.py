"""BM25: documents that a search engine finds for the texts of a task (Yao et al. 2022, "TLM").

A query is the text of one training example, a term's score in a document

    log(1 + (N − n + ½)/(n + ½)) · f·(k₁ + 1) / (f + k₁·(1 − b + b·L/L̄)),

N documents, n of them with the term, f times in this one, which has L terms (see `terms.py`).

Legend: D documents of a batch, Q queries, V different terms of the queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from acclimate.corpus.choose.measuring import in_batches, in_pieces, places_of
from acclimate.corpus.choose.selection import Scores, Selection, Texts
from acclimate.corpus.choose.terms import terms_of
from acclimate.errors import UserError
from acclimate.progress import Tell
from acclimate.recipe.portions import Portion
from acclimate.recipe.units import Count

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool

_QUERY = 2000
"""Characters of an example that are searched for."""


class Bm25(Selection):
    """Documents that BM25 ranks high for the target's texts, each of them a query (Yao et al. 2022, "TLM").

    Every query names its best documents; what any names is kept, first what stands first in some list. Scores are
    those of Lucene and Elasticsearch, with idf log(1 + (N − n + ½)/(n + ½)).
    """

    registered_as: ClassVar[tuple[str, str]] = ("selection", "bm25")

    keep: Portion | None = None
    """How much stays at most, by the best place in any query's list; all that is found unless given."""
    per_query: int = Field(default=50, ge=1, le=10_000)
    """How many documents a query may name (Yao et al.: 50 to 5,000, by the size of the task)."""
    queries: Count = Field(default=1000, ge=1, le=100_000)
    """Texts of the target that are searched for at most; of more than that, those with the smallest hashes."""
    k1: float = Field(default=1.2, ge=0)
    """How slowly further occurrences of a term cease to count (Lucene: 1.2)."""
    b: float = Field(default=0.75, ge=0, le=1)
    """How much longer documents are held back (Lucene: 0.75)."""

    def scores(self) -> Scores:
        return self._ranks

    def _ranks(self, pool: Pool, texts: Texts, tell: Tell) -> NDArray[np.float64]:
        """Minus the best place in any list; within a place the score decides, squeezed to less than 1."""
        queries = Queries.of(fewest(texts(), self.queries))
        lengths, frequency = _count(pool, queries)
        search = Search(
            queries, frequency, int(pool.alive.sum()), lengths[pool.alive].mean(), self.k1, self.b
        )
        best = Lists(len(queries), self.per_query)
        for batch in pool.batches():
            numbers = np.array([one.number for one in batch], dtype=np.int64)
            best.add(numbers, search.scores([one.text for one in batch], lengths[numbers]))
            tell(float(numbers[-1] + 1), float(len(pool)), "documents")
        return best.ranked(len(pool))


@dataclass(frozen=True)
class Queries:
    """What is searched for."""

    terms: NDArray[np.uint64]
    """[V] hashes of all their terms, sorted."""
    counts: Any
    """[V, Q] sparse: how often each term stands in each query."""

    def __len__(self) -> int:
        return int(self.counts.shape[1])

    @classmethod
    def of(cls, texts: Sequence[str]) -> Queries:
        """Raises UserError where no text has a term."""
        from scipy.sparse import csr_array

        hashes, owners = terms_of([text[:_QUERY] for text in texts])
        if not len(hashes):
            raise UserError("corpus.select.bm25: no text of the target has a word")
        terms, columns = np.unique(hashes, return_inverse=True)
        ones = np.ones(len(columns))
        return cls(terms, csr_array((ones, (columns, owners)), shape=(len(terms), len(texts))))

    def counted(self, texts: Sequence[str]) -> tuple[Any, NDArray[np.int64]]:
        """([D, V] sparse: how often each term stands in each text, [D] terms of each text, known or not)."""
        from scipy.sparse import coo_array

        lengths = np.zeros(len(texts), dtype=np.int64)
        rows, columns = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for numbers, pieces in in_pieces(texts):
            hashes, owners = terms_of(pieces)
            np.add.at(lengths, numbers, np.bincount(owners, minlength=len(pieces)))
            at = np.minimum(np.searchsorted(self.terms, hashes), len(self.terms) - 1)
            known = self.terms[at] == hashes
            rows.append(numbers[owners[known]])
            columns.append(at[known])
        row, column = np.concatenate(rows), np.concatenate(columns)
        counts = coo_array((np.ones(len(row)), (row, column)), shape=(len(texts), len(self.terms))).tocsr()
        return counts, lengths


@dataclass(frozen=True)
class Search:
    """The formula, with what it needs to know of the whole corpus."""

    queries: Queries
    frequency: NDArray[np.int64]
    """[V] in how many documents each term stands."""
    documents: int
    mean_length: float
    k1: float
    b: float

    def scores(self, texts: Sequence[str], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """[D, Q]"""
        counts, _ = self.queries.counted(texts)
        idf = np.log1p((self.documents - self.frequency + 0.5) / (self.frequency + 0.5))
        sizes = self.k1 * (1 - self.b + self.b * lengths / max(self.mean_length, 1e-9))
        rows = np.repeat(np.arange(len(texts)), np.diff(counts.indptr))
        counts.data = idf[counts.indices] * counts.data * (self.k1 + 1) / (counts.data + sizes[rows])
        return np.asarray((counts @ self.queries.counts).todense())


class Lists:
    """The best documents of each query so far. Memory: 16 bytes a place."""

    def __init__(self, queries: int, size: int) -> None:
        self._scores = np.zeros((queries, size))
        self._numbers = np.full((queries, size), -1, dtype=np.int64)

    def add(self, numbers: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """scores [D, Q] of documents [D]; of equal ones the document that was read first stays before."""
        better = np.flatnonzero((scores > self._scores[:, -1]).any(axis=0))
        if not len(better):
            return
        size = self._scores.shape[1]
        both = np.concatenate([self._scores[better], scores[:, better].T], axis=1)
        owners = np.concatenate(
            [self._numbers[better], np.broadcast_to(numbers, (len(better), len(numbers)))], axis=1
        )
        order = np.argsort(-both, axis=1, kind="stable")[:, :size]
        self._scores[better] = np.take_along_axis(both, order, axis=1)
        self._numbers[better] = np.take_along_axis(owners, order, axis=1)

    def ranked(self, documents: int) -> NDArray[np.float64]:
        """[documents] −(best place in any list) + s/(s+1), s the best score at that place; −inf: in none."""
        found = (self._numbers >= 0) & (self._scores > 0)
        ranks = np.full(documents, -np.inf)
        places = np.broadcast_to(np.arange(self._numbers.shape[1]), self._numbers.shape)
        wanted = self._scores / (self._scores + 1) - places
        np.maximum.at(ranks, self._numbers[found], wanted[found])
        return ranks


def fewest(texts: Any, most: int) -> list[str]:
    """At most so many of the texts: those with the smallest hashes, so that the order of reading is nothing."""
    from heapq import nsmallest

    pairs = (
        (place, text)
        for batch in in_batches(texts)
        for place, text in zip(places_of(batch).tolist(), batch, strict=True)
    )
    return [text for _, text in nsmallest(most, pairs)]


def _count(pool: Pool, queries: Queries) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """([N] terms of each document, [V] documents with each term)."""
    lengths = np.zeros(len(pool), dtype=np.int64)
    frequency = np.zeros(len(queries.terms), dtype=np.int64)
    for batch in pool.batches():
        counts, sizes = queries.counted([one.text for one in batch])
        lengths[[one.number for one in batch]] = sizes
        frequency += np.bincount(counts.indices, minlength=len(frequency))
    return lengths, frequency
