"""Which sequences come next, as a pure function of how far training is.

The position is all the state there is: a checkpoint saves two numbers, and any step of any epoch is reached
at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import absorb, stream
from acclimate.batching.curriculum import Curriculum
from acclimate.batching.packed import Sequences
from acclimate.batching.permutation import permuted
from acclimate.errors import UserError
from acclimate.recipe.units import Length


@dataclass(frozen=True)
class Position:
    """How far the sampler is: `index` sequences into `epoch`."""

    epoch: int = 0
    index: int = 0


class Order(Protocol):
    """In which sequences are taken. A store that has one of its own gives it as `sampler()`."""

    def take(
        self, position: Position, batch: Length
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Position]:
        """(ids [B], epochs [B], next position) of the batch that starts here."""
        ...

    def lengths(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] tokens of each."""
        ...

    def epochs(self, position: Position) -> float:
        """How many times the data was seen at this position."""
        ...

    def rate(self, position: Position) -> float:
        """What the learning rate of the step that starts here is multiplied by."""
        ...


class Sampler:
    """Every sequence once an epoch, in an order of its own each epoch; batches run on over the end of an
    epoch.

    The order is computed entry by entry (`permutation.py`), so that a batch costs what it holds, whatever the
    number of sequences.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        seed: int,
        shuffle: bool = True,
        curriculum: Curriculum | None = None,
    ) -> None:
        """`lengths` [N] in tokens, each at least 1. With a curriculum its first sequences are drawn, not each taken
        once. Raises UserError when there is no sequence."""
        if not len(lengths):
            raise UserError("there is no sequence to train on: every document is empty")
        if int(lengths.min()) < 1:
            raise ValueError(
                f"sequence {int(lengths.argmin())} has length {int(lengths.min())}, expected 1 or more"
            )
        self._lengths = lengths
        self._mean_length = float(lengths.mean())
        self._shuffle = shuffle
        self._curriculum = curriculum
        self._key = stream("order of sequences", seed)

    def take(
        self, position: Position, batch: Length
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Position]:
        """(ids [B], epochs [B], next position) of the batch that starts here.

        A batch in tokens holds as many sequences as fit, one at least; it exceeds its tokens only when a
        single sequence does. Raises ValueError for a position outside the epoch or a batch in another unit.
        """
        if not 0 <= position.index < len(self._lengths) or position.epoch < 0:
            raise ValueError(f"{position} lies outside an epoch of {len(self._lengths)} sequences")
        if batch.unit == "sequences":
            ids, epochs = self._order(position, max(1, int(batch.amount)))
        elif batch.unit == "tokens":
            ids, epochs = self._fitting(position, batch.amount)
        else:
            raise ValueError(f"a batch is counted in tokens or sequences, not in {batch.unit}")
        epoch, index = divmod(position.index + len(ids), len(self._lengths))
        return ids, epochs, Position(position.epoch + epoch, index)

    def lengths(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] tokens of each."""
        return self._lengths[ids]

    def epochs(self, position: Position) -> float:
        """How many times the data was seen at this position."""
        return position.epoch + position.index / len(self._lengths)

    def rate(self, position: Position) -> float:
        """Always 1."""
        return 1.0

    def _order(self, position: Position, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The next `count` sequences, over as many epochs as it takes."""
        ahead, places = np.divmod(position.index + np.arange(count, dtype=np.int64), len(self._lengths))
        epochs = position.epoch + ahead
        if not self._shuffle:
            return places, epochs
        ids = permuted(places, absorb(self._key, epochs), len(self._lengths))
        if self._curriculum is not None:
            taken = epochs * len(self._lengths) + places
            early = taken < self._curriculum.over
            ids[early], epochs[early] = self._curriculum.sequences(taken[early])
        return ids, epochs

    def _fitting(self, position: Position, tokens: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        guess = int(tokens / self._mean_length * 1.1) + 2
        while True:
            ids, epochs = self._order(position, guess)
            count = int(np.searchsorted(np.cumsum(self._lengths[ids]), tokens, side="right"))
            if count < guess:
                count = max(1, count)
                return ids[:count], epochs[:count]
            guess *= 2


def sequential(
    lengths: NDArray[np.int64], batch: Length, *, by_length: bool = False
) -> Iterator[NDArray[np.int64]]:
    """Every sequence once, as ids [B] of batch after batch, for evaluation.

    In store order, or longest first with `by_length`: similar lengths together, the batch that needs most
    memory at the start. The limits of a batch are those of `Sampler.take`.
    """
    order = np.argsort(-lengths, kind="stable") if by_length else np.arange(len(lengths), dtype=np.int64)
    for start, stop in _cuts(lengths[order], batch):
        yield order[start:stop]


def split_micro(sequences: Sequences, micro: Length | None) -> list[Sequences]:
    """The batch in consecutive pieces within the limit, one sequence at least each; all of it when there is
    none.
    """
    if micro is None:
        return [sequences]
    return [sequences.part(start, stop) for start, stop in _cuts(sequences.lengths, micro)]


def _cuts(lengths: NDArray[np.int64], batch: Length) -> Iterator[tuple[int, int]]:
    """[start, stop) of each consecutive piece, filled in order."""
    if batch.unit not in ("tokens", "sequences"):
        raise ValueError(f"a batch is counted in tokens or sequences, not in {batch.unit}")
    ends = np.cumsum(lengths if batch.unit == "tokens" else np.ones_like(lengths))
    start, used = 0, 0
    while start < len(lengths):
        stop = max(start + 1, int(np.searchsorted(ends, used + batch.amount, side="right")))
        yield start, stop
        start, used = stop, int(ends[stop - 1])
