"""Lion: the sign of a mixed momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.adamw import Beta
from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Lion(GroupedOptimizer):
    """w ← w − lr·(sign(β₁m + (1−β₁)g) + decay·w); m ← β₂m + (1−β₂)g.

    Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms". Every weight moves by the same amount, so
    the rate is a third to a tenth of AdamW's, the decay as many times larger. One momentum instead of two means.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "lion")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-4, gt=0)
    """Peak learning rate, which the schedule multiplies."""
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    """β₁ of the step, β₂ of the momentum."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled decay per step, times the learning rate."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from acclimate.optim.own_optimizers import SignMomentum

        groups = self.groups(model, lr=self.lr, weight_decay=self.weight_decay)
        return SignMomentum(groups, {"lr": self.lr, "betas": self.betas})
