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
from acclimate.objectives.sentence_vectors import SentenceObjective

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch, Sequences


class ClassContrast(SentenceObjective):
    """Every text is read twice; views of one class belong together."""

    def __init__(self, classes: NDArray[Any], temperature: float) -> None:
        """classes: [N] of the sequences of the store."""
        super().__init__("cls", twins=True)
        self._classes, self._temperature = classes, temperature

    def prepare(self, sequences: Sequences) -> PackedBatch:
        marks = self._classes[sequences.ids].astype(np.float64)
        return super().prepare(replace(sequences, by_sequence={"marks": marks}))

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over texts, of the vectors [2B, H] that the family's own pooler makes."""
        vectors = pooled(model, batch).float()
        with torch.autocast(vectors.device.type, enabled=False):
            marks, texts = batch.by_sequence["marks"], batch.by_sequence["texts"]
            each = contrastive_losses(vectors[::2], vectors[1::2], marks, texts, self._temperature)
        return Loss(
            sum=each.sum(), count=float(len(each)), per_sequence=each.detach(), counts=torch.ones_like(each)
        )
