"""What an objective is to the training loop. Pretraining, fine-tuning and distillation all look like this."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from acclimate.batching.packed import PackedBatch, Sequences

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Loss:
    """A loss before it is divided: the loop divides by the counts of the whole step, all micro-batches and ranks."""

    sum: torch.Tensor
    """Scalar, fp32, differentiable."""
    count: float
    """What the sum is to be divided by: targets, or the sum of their weights."""
    per_sequence: torch.Tensor | None = None
    """[B] summed loss of each sequence, detached, where the objective can say (intervals are drawn from it)."""
    counts: torch.Tensor | None = None
    """[B] the matching counts."""
    parts: dict[str, float] = field(default_factory=dict)
    """Sums of named parts, for the log."""


class Objective(Protocol):
    """Prepares batches and computes the loss."""

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Choose what is hidden and what is asked. A function of (seed, sequences.epochs, sequences.ids) alone."""
        ...

    def count(self, batch: PackedBatch) -> float:
        """What `loss` would give as count, without running the model."""
        ...

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The summed loss of the batch."""
        ...
