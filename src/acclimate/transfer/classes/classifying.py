"""Classification at work: sequences with classes, and a tuned model's scores.

Legend: N examples, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.batching.packed import Sequences, pack
from acclimate.batching.sampler import sequential
from acclimate.batching.sequence_store import ExampleStore, SequenceStore
from acclimate.models.inference import Inference
from acclimate.objectives.classify import SequenceClassification, balanced_weights
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.tuning import BATCH, Lesson

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Classifying:
    """The task with its classes."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        num_classes: int,
        sequence_length: int,
        multi_label: bool = False,
        balanced: bool = False,
        smoothing: float = 0.0,
    ) -> None:
        """balanced: rare classes count as much as frequent ones. smoothing: ε of training labels."""
        self._tokenizer = tokenizer
        self._num_classes = num_classes
        self._length = sequence_length
        self._multi_label = multi_label
        self._balanced = balanced
        self._smoothing = smoothing

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """The examples in the order they have; class weights are those of `train`."""
        weights = balanced_weights(train.labels, self._num_classes) if self._balanced else None
        objective = SequenceClassification(
            examples.labels,
            num_classes=self._num_classes,
            multi_label=self._multi_label,
            class_weights=weights,
            smoothing=self._smoothing if examples is train else 0.0,
        )
        return Lesson(objective, self._store(examples))

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`scores`: logits [N, C] of every example; examples of similar length are run together."""
        store = self._store(examples)
        return {"scores": sequence_scores(model, store, self._num_classes, precision, device)}

    def stand_in(self, sequences: Sequences) -> Sequences:
        return sequences

    def rehearsal(self, number: int) -> SequenceClassification:
        labels = np.zeros((number, self._num_classes) if self._multi_label else number, dtype=np.int64)
        return SequenceClassification(labels, num_classes=self._num_classes, multi_label=self._multi_label)

    def _store(self, examples: Examples) -> ExampleStore:
        return ExampleStore.from_texts(examples.texts, examples.pairs, self._tokenizer, self._length)


def sequence_scores(
    model: PreTrainedModel, store: SequenceStore, number: int, precision: Any, device: Any
) -> NDArray[np.float32]:
    """[N, number] what the model's head gives for each of the store's sequences."""
    inference = Inference(model.to(device), precision)
    out = np.empty((len(store.lengths), number), dtype=np.float32)
    nothing = np.zeros(0, dtype=np.int64)
    for ids in sequential(store.lengths, BATCH, by_length=True):
        batch = pack(store.fetch(ids, np.zeros_like(ids)), target_positions=nothing, targets=nothing)
        out[ids] = inference.class_logits(batch.to(device)).cpu().numpy()
    return out
