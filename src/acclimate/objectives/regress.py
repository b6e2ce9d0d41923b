"""Numbers of whole sequences, learnt by squared error.

Legend: N examples in the store, B sequences in the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.classify import summed
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


class SequenceRegression:
    """The objective of a regression task: the sum over sequences of (ŷ − (y − m) / s)², count B.

    values: [N] y; row i belongs to sequence i of the store. mean, deviation: m and s, of the values learnt from, so
    that the head learns numbers around 0 whatever their unit. Heads without a bias learn y / s, for the mean cannot be
    put into them afterwards (`unstandardise`).
    """

    num_terms = 1

    def __init__(self, values: NDArray[Any], *, mean: float = 0.0, deviation: float = 1.0) -> None:
        self._values = np.asarray(values, dtype=np.float64)
        self._mean, self._deviation = mean, deviation

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Nothing is hidden; the first token of each sequence bears its number."""
        return pack(
            sequences,
            target_positions=np.ascontiguousarray(sequences.cu_seqlens[:-1]),
            targets=(self._values[sequences.ids] / self._deviation).astype(np.float32),
        )

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of sequences."""
        return (float(len(batch.ids)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over the batch."""
        import torch

        from acclimate.models.forward import class_logits

        centre = 0.0 if number_head(model).bias is None else self._mean / self._deviation
        losses = (class_logits(model, batch).squeeze(1) - (batch.targets - centre)).square()
        return summed(losses, torch.ones_like(losses, dtype=torch.float64))


def number_head(model: PreTrainedModel) -> nn.Linear:
    """The model's last projection, onto the one number."""
    from torch import nn

    return [one for one in model.modules() if isinstance(one, nn.Linear) and one.out_features == 1][-1]


def unstandardise(model: PreTrainedModel, mean: float, deviation: float) -> None:
    """Let a model that learnt standardised numbers give them as they are: m and s go into its last projection."""
    import torch

    head = number_head(model)
    with torch.no_grad():
        head.weight.mul_(deviation)
        if head.bias is not None:
            head.bias.mul_(deviation).add_(mean)
