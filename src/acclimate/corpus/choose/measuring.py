"""What choosing needs to know of each document of a pool: a place by its hash, and its size. 16 bytes a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import text_digest
from acclimate.corpus.words import words_of
from acclimate.progress import Tell

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool

_PIECE = 500_000
"""Characters that are cut into words at once."""
_BATCH = 512


class Places:
    """A place for each document by a hash of its text, for all steps that choose; worked out where texts are read."""

    name = "places"
    width = 1

    def describe(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        """[D, 1] a number of 64 bits from each text alone."""
        return places_of(texts).reshape(-1, 1)

    def __call__(self, pool: Pool, tell: Tell) -> None:
        """Nothing is done with them here."""


def places_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """[len(texts)]"""
    # The split looks at other bits of such a hash, so that no choice favours a part.
    return np.array([int.from_bytes(text_digest(text)[8:], "big") for text in texts], dtype=np.uint64)


def places_in(pool: Pool) -> NDArray[np.uint64]:
    """[N] the place of each document."""
    return pool.feature(Places.name, 0)


@dataclass(frozen=True)
class Measured:
    """[N] for each document of a pool; what was dropped before has size 0."""

    places: NDArray[np.uint64]
    """Uniform over 64 bits, from the text alone."""
    sizes: NDArray[np.int64]
    """In the unit that was asked for."""


def measure(pool: Pool, unit: str, tell: Tell) -> Measured:
    """`unit` is one of TEXT_UNITS; for `bytes` and `words` all texts are read once."""
    if unit in ("bytes", "words"):
        sizes = np.zeros(len(pool), dtype=np.int64)
        for batch in pool.batches():
            numbers = np.array([one.number for one in batch], dtype=np.int64)
            texts = [one.text for one in batch]
            sizes[numbers] = word_counts(texts) if unit == "words" else [len(text.encode()) for text in texts]
            tell(float(numbers[-1] + 1), float(len(pool)), "documents")
    else:
        sizes = np.where(pool.alive, pool.characters if unit == "characters" else 1, 0)
    return Measured(places_in(pool), sizes)


def word_counts(texts: Sequence[str]) -> NDArray[np.int64]:
    """[len(texts)] words of each."""
    counts = np.zeros(len(texts), dtype=np.int64)
    for numbers, pieces in in_pieces(texts):
        np.add.at(counts, numbers, np.bincount(words_of(pieces).owners, minlength=len(pieces)))
    return counts


def in_pieces(texts: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
    """(number of its text for each piece, pieces): long texts are cut, so that any can be taken apart at once."""
    numbers: list[int] = []
    pieces: list[str] = []
    held = 0
    for number, text in enumerate(texts):
        for start in range(0, len(text), _PIECE):
            piece = text[start : start + _PIECE]
            if held and held + len(piece) > _PIECE:
                yield np.array(numbers, dtype=np.int64), pieces
                numbers, pieces, held = [], [], 0
            numbers.append(number)
            pieces.append(piece)
            held += len(piece)
    if pieces:
        yield np.array(numbers, dtype=np.int64), pieces


def first_until(order: NDArray[np.int64], sizes: NDArray[np.int64], amount: float) -> NDArray[np.int64]:
    """The documents at the head of an order whose sizes together come nearest to an amount."""
    ends = np.cumsum(sizes[order])
    count = int(np.searchsorted(ends, amount, side="right"))
    if count < len(ends):
        before = ends[count - 1] if count else 0
        count += int(ends[count] - amount < amount - before)
    return order[:count]


def in_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of some hundred texts."""
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH)):
        yield batch
