"""AdamW that shortens the step where the second mean is out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.adamw import Beta
from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class StableAdamW(GroupedOptimizer):
    """AdamW with the rate of each tensor divided by max(1, RMS), RMS = √mean(g²/max(v̂, ε²)).

    Source: Wortsman et al. 2023, "Stable and low-precision training", after the update clipping of Adafactor. Takes the
    place of gradient clipping where a rare large gradient meets a second mean that has forgotten such.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "stable_adamw")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate, which the schedule multiplies."""
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    """Decay of the two running means, each at least 0 and below 1."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second mean."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled decay per step, times the shortened rate."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from acclimate.optim.own_optimizers import ClippedAdamW

        groups = self.groups(model, lr=self.lr, weight_decay=self.weight_decay)
        return ClippedAdamW(groups, {"lr": self.lr, "betas": self.betas, "eps": self.eps})
