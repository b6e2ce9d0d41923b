"""Clustering at work: vectors of the model as it is, and the clusters among them.

Legend: N texts, D dimensions of a vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import ExampleStore
from acclimate.errors import UserError
from acclimate.objectives.sentence_vectors import LastLayers, SentenceObjective
from acclimate.transfer.tuning import Lesson
from acclimate.transfer.vectors.pair_vectors import unit
from acclimate.transfer.vectors.text_vectors import vectors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.vectors.cluster_methods import Finder


class Clustered:
    """The task with its way to find clusters."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        sequence_length: int,
        pooling: LastLayers,
        unit_length: bool,
        find: Finder,
    ) -> None:
        self._tokenizer = tokenizer
        self._length = sequence_length
        self._pooling = pooling
        self._unit = unit_length
        self._find = find

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """Nothing is learnt."""
        none = np.zeros(0, np.int64)
        store = ExampleStore(none.astype(np.int32), none.astype(np.uint8), none, num_truncated=0)
        return Lesson(SentenceObjective(self._pooling), store)

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`clusters`: [N] the number of each text's cluster."""
        if not len(examples):
            return {"clusters": np.zeros(0, np.int64)}
        vectors = vectors_of(
            model,
            examples.texts,
            self._tokenizer,
            self._length,
            self._pooling,
            precision=precision,
            device=device,
        )
        if bad := int((~np.isfinite(vectors)).any(axis=1).sum()):
            raise UserError(f"the model gives vectors that are not finite for {bad} texts")
        return {"clusters": self._find(unit(vectors) if self._unit else vectors)}

    def stand_in(self, sequences: Sequences) -> Sequences:
        return sequences

    def rehearsal(self, number: int) -> SentenceObjective:
        return SentenceObjective(self._pooling)
