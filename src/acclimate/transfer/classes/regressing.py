"""Regression at work: sequences with numbers, and a tuned model's numbers.

Legend: N examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import ExampleStore
from acclimate.objectives.regress import SequenceRegression
from acclimate.transfer.classes.classifying import sequence_scores
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.examples.scores import scores_of
from acclimate.transfer.tuning import Lesson

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Regressing:
    """The task over texts or pairs of texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, sequence_length: int) -> None:
        self._tokenizer = tokenizer
        self._length = sequence_length

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """The examples in the order they have; mean and deviation are those of `train`."""
        learnt = scores_of(train)
        objective = SequenceRegression(
            scores_of(examples), mean=float(learnt.mean()), deviation=float(learnt.std())
        )
        return Lesson(objective, self._store(examples))

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`scores`: the number [N] that a model which is done gives for each example."""
        return {"scores": sequence_scores(model, self._store(examples), 1, precision, device)[:, 0]}

    def stand_in(self, sequences: Sequences) -> Sequences:
        return sequences

    def rehearsal(self, number: int) -> SequenceRegression:
        return SequenceRegression(np.arange(number) % 2)

    def _store(self, examples: Examples) -> ExampleStore:
        return ExampleStore.from_texts(examples.texts, examples.pairs, self._tokenizer, self._length)
