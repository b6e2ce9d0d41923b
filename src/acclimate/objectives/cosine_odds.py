"""Cosines of pairs of texts as odds that they belong together.

Legend: B pairs, H hidden size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.sentence_vectors import LastLayers, Pooling, SentenceObjective

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MIDDLE = 0.5
"""The cosine at which odds are even."""


class OddsObjective(SentenceObjective):
    """Binary cross entropy of s · (cos(u, v) − ½) against the pairs' marks, 0 or 1: the sum over pairs, count B.

    A cosine above ½ then says that the texts belong together, and σ of the logit how likely it is.
    """

    def __init__(self, pooling: Pooling | LastLayers, *, scale: float) -> None:
        super().__init__(pooling)
        self._scale = scale

    def losses(self, model: PreTrainedModel, first: Tensor, second: Tensor, batch: PackedBatch) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity

        logits = self._scale * (cosine_similarity(first, second) - MIDDLE)
        return binary_cross_entropy_with_logits(logits, batch.by_sequence["marks"].float(), reduction="none")
