"""Bi-encoders at work: pairs whose texts are read one by one, each to a vector; an objective of those pairs.

Legend: N pairs, D dimensions of a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.batching.two_texts import TwoTexts, halves
from acclimate.objectives.sentence_vectors import LastLayers, SentenceObjective
from acclimate.transfer.tuning import Lesson
from acclimate.transfer.vectors.text_vectors import vectors_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.transfer.examples.preparing import Examples


class PairVectors:
    """What tasks with two towers of the same weights share. Nothing of the second text is known to the first."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        sequence_length: int,
        pooling: LastLayers,
        objective: Callable[[], SentenceObjective],
        marks: Callable[[Examples], NDArray[np.float64]],
        chosen: Callable[[Examples], NDArray[np.bool_]] | None = None,
    ) -> None:
        """sequence_length: of each text. marks: [N] what is to be learnt of each pair. chosen: [N] whether it is learnt
        from; all are unless given."""
        self._tokenizer = tokenizer
        self._length = sequence_length
        self._pooling = pooling
        self._objective = objective
        self._marks = marks
        self._chosen = chosen

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """The pairs that are learnt from, in the order they have."""
        assert examples.pairs is not None
        keep = np.arange(len(examples))
        if self._chosen is not None:
            keep = keep[self._chosen(examples)]
        texts, pairs = ([side[one] for one in keep.tolist()] for side in (examples.texts, examples.pairs))
        marks = self._marks(examples)[keep]
        store = TwoTexts(texts, pairs, self._tokenizer, self._length, marks=marks)
        return Lesson(self._objective(), store, owners=keep)

    def vectors(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """([N, D], [N, D]) of the first texts and of the second ones."""
        assert examples.pairs is not None
        both = [*examples.texts, *examples.pairs]
        found = vectors_of(
            model, both, self._tokenizer, self._length, self._pooling, precision=precision, device=device
        )
        return found[: len(examples)], found[len(examples) :]

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`cosines`: [N] of each pair."""
        return {"cosines": cosines_of(*self.vectors(model, examples, precision=precision, device=device))}

    def stand_in(self, sequences: Sequences) -> Sequences:
        return halves(sequences, (np.arange(len(sequences)) % 2).astype(np.float64))

    def rehearsal(self, number: int) -> SentenceObjective:
        return self._objective()


def cosines_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N] of vectors [N, D] and [N, D]."""
    return np.einsum("nd,nd->n", unit(first), unit(second))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [N, D] of length 1; one of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
