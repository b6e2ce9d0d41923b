"""Supervised contrast of what a classifier's head is given.

Legend: B texts, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from acclimate.models.forward import pooled
from acclimate.objectives.contrastive import contrastive_losses
from acclimate.objectives.protocol import Loss
from acclimate.objectives.sentence_vectors import LastLayers, SentenceObjective, text_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch, Sequences


class ClassContrast(SentenceObjective):
    """Every text is read twice; views of one class belong together."""

    def __init__(self, classes: NDArray[Any], temperature: float, pooling: LastLayers | None) -> None:
        """classes: [N] of the sequences of the store. pooling: None for the family's own."""
        super().__init__(pooling or "cls", twins=True)
        self._classes, self._temperature, self._own = classes, temperature, pooling is None

    def prepare(self, sequences: Sequences) -> PackedBatch:
        marks = self._classes[sequences.ids].astype(np.float64)
        return super().prepare(replace(sequences, by_sequence={"marks": marks}))

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over texts, of their vectors [2B, H]."""
        vectors = pooled(model, batch).float() if self._own else text_vectors(model, batch, self._pooling)
        with torch.autocast(vectors.device.type, enabled=False):
            marks, texts = batch.by_sequence["marks"], batch.by_sequence["texts"]
            each = contrastive_losses(vectors[::2], vectors[1::2], marks, texts, self._temperature)
        return Loss(
            sum=each.sum(), count=float(len(each)), per_sequence=each.detach(), counts=torch.ones_like(each)
        )
