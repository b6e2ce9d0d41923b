"""R-Drop: two dropout masks, and a model that should say the same under both.

Legend: M targets, K classes or tokens to tell apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Regulariser, Wrapped

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel


class RDrop(Regulariser):
    """Runs every batch twice, with two draws of dropout: mean loss of both + α · mean of KL(p₁‖p₂) and KL(p₂‖p₁).

    Source: Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks"; as in the authors' code the two losses
    are averaged, where the paper adds them. A step costs two passes. Without dropout it would change
    nothing but that cost, and is refused. Needs an objective that scores classes or tokens: classification, mlm, clm.
    """

    registered_as: ClassVar[tuple[str, str]] = ("regulariser", "r_drop")
    bare: ClassVar[str | None] = "alpha"
    needs_scores: ClassVar[bool] = True
    needs_dropout: ClassVar[bool] = True

    alpha: float = Field(default=1.0, gt=0)
    """α: the weight of the divergence; the authors take 1 for understanding (up to 5 for translation)."""

    def build(self, *, objective: Any, model: nn.Module) -> TwoPasses:
        return TwoPasses(objective, alpha=self.alpha)


class TwoPasses(Wrapped):
    """The objective at work: one more term, `r_drop`, the divergence summed over targets."""

    def __init__(self, inner: Any, *, alpha: float) -> None:
        super().__init__(inner)
        self._alpha = alpha
        self.num_terms = inner.num_terms + 1

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Those of the objective, and the number of targets."""
        return (*self.inner.count(batch), float(batch.targets.numel()))

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Both passes' loss, halved, and the divergence."""
        one, first = self.inner.scored(model, batch)
        two, second = self.inner.scored(model, batch)
        apart = Loss(
            sum=divergence(first, second), count=float(len(first)), name="r_drop", weight=self._alpha
        )
        halves = {name: (value + two.parts[name]) / 2 for name, value in one.parts.items()}
        return Loss(
            sum=(one.sum + two.sum) / 2,
            count=one.count,
            per_sequence=one.per_sequence,
            counts=one.counts,
            parts=halves,
            name=one.name or "task",
            others=(apart,),
        )


def divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Sum over M of the mean of KL both ways, of log probabilities [M, K]."""
    return ((first.exp() - second.exp()) * (first - second)).sum() / 2
