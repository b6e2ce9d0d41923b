"""AdamW: Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


Beta = Annotated[float, Field(ge=0, lt=1)]


class AdamW(GroupedOptimizer):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr·(m̂/(√v̂ + ε) + decay·w), with bias-corrected m̂, v̂.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization". Decay acts on matrices only, not on
    biases and norms.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "adamw")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate, which the schedule multiplies. 1e-3 suits small models from scratch, 2e-5 tuning base."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay of the two running means, each at least 0 and below 1."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second mean."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled decay per step, times the learning rate."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters, in groups with and without decay."""
        from acclimate.optim.quick_adamw import QuickAdamW

        return QuickAdamW(
            self.groups(model, lr=self.lr, weight_decay=self.weight_decay),
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            fused=True,
        )
