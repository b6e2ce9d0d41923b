"""LAMB: Adam whose step is scaled to the size of each layer's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.adamw import Beta
from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Lamb(GroupedOptimizer):
    """u = m̂/(√v̂ + ε) + decay·w; w ← w − lr·(‖w‖/‖u‖)·u for each tensor; the ratio is 1 where either is 0, and for
    vectors.

    Source: You et al. 2020, "Large Batch Optimization for Deep Learning". Made for batches of tens of thousands of
    sequences.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "lamb")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=2e-3, gt=0)
    """Peak learning rate, which the schedule multiplies."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay of the two running means, each at least 0 and below 1."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the root of the second mean."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decay of matrices, inside the scaled step."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from acclimate.optim.own_optimizers import LayerwiseAdam

        groups = self.groups(model, lr=self.lr, weight_decay=self.weight_decay)
        return LayerwiseAdam(groups, {"lr": self.lr, "betas": self.betas, "eps": self.eps})
