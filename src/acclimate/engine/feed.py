"""What training eats: from a position in the data to one step's sequences and the next position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.curriculum import Curriculum
from acclimate.batching.packed import Sequences
from acclimate.batching.sampler import Order, Position, Sampler, split_micro
from acclimate.batching.sequence_store import SequenceStore
from acclimate.batching.shares import share
from acclimate.recipe.units import Length


@dataclass(frozen=True)
class Helping:
    """What one step eats. All but the micro-batches is the same on every rank, and whatever their number."""

    ids: NDArray[np.int64]
    """[B] the step's sequences."""
    tokens: int
    """Of them all."""
    micro_batches: list[Sequences]
    """This rank's share; none where there are fewer sequences than ranks."""
    following: Position
    """Where the next step starts."""
    rate: float = 1.0
    """What its learning rate is multiplied by."""


class Feed:
    """Sequences of a store in a seeded order, or in the store's own. Its whole state is the position, which the train
    state keeps."""

    def __init__(
        self,
        store: SequenceStore,
        *,
        batch: Length,
        seed: int,
        micro_batch: Length | None = None,
        describe: Callable[[int], str] = str,
        curriculum: Curriculum | None = None,
    ) -> None:
        self.store = store
        self.batch = batch
        self.micro_batch = micro_batch
        self.describe = describe
        """Names a sequence for messages."""
        own: Callable[[], Order] | None = getattr(store, "sampler", None)
        self._order: Order = own() if own is not None else Sampler(store.lengths, seed, curriculum=curriculum)

    def take(self, position: Position, *, rank: int = 0, size: int = 1) -> Helping:
        """The step that starts here, with the share of one rank of so many."""
        ids, epochs, following = self._order.take(position, self.batch)
        lengths = self._order.lengths(ids, epochs)
        own = share(lengths, rank, size)
        pieces = split_micro(self.store.fetch(ids[own], epochs[own]), self.micro_batch) if len(own) else []
        return Helping(ids, int(lengths.sum()), pieces, following, self._order.rate(position))

    def described(self, ids: NDArray[np.int64]) -> list[str]:
        """The names of sequences [B]."""
        return [self.describe(int(one)) for one in ids]

    def epochs(self, position: Position) -> float:
        """How many times the data was seen at this position."""
        return self._order.epochs(position)
