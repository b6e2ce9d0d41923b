"""What training eats: from a position in the data to the micro-batches of one step and the next position."""

from __future__ import annotations

from collections.abc import Callable

from acclimate.batching.packed import Sequences
from acclimate.batching.sampler import Position, Sampler, split_micro
from acclimate.batching.sequence_store import SequenceStore
from acclimate.recipe.units import Length


class Feed:
    """Sequences of a store in a seeded order. Its whole state is the position, which the train state keeps."""

    def __init__(
        self,
        store: SequenceStore,
        *,
        batch: Length,
        seed: int,
        micro_batch: Length | None = None,
        describe: Callable[[int], str] = str,
    ) -> None:
        self.store = store
        self.batch = batch
        self.micro_batch = micro_batch
        self.describe = describe
        """Names a sequence for messages."""
        self._sampler = Sampler(store.lengths, seed)

    def take(self, position: Position) -> tuple[list[Sequences], Position]:
        """The step's sequences, cut into micro-batches, and where the next step starts."""
        ids, epochs, following = self._sampler.take(position, self.batch)
        return split_micro(self.store.fetch(ids, epochs), self.micro_batch), following

    def epochs(self, position: Position) -> float:
        """How many times the data was seen at this position."""
        return position.epoch + position.index / len(self.store.lengths)
