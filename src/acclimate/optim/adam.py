"""Adam, with the decay inside the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.adamw import Beta
from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Adam(GroupedOptimizer):
    """g ← g + l2·w; m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr·m̂/(√v̂ + ε) (torch's).

    Source: Kingma & Ba 2015. The decay `l2` goes through the moments, which makes it weak where gradients are large: it
    is not AdamW's.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "adam")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate, which the schedule multiplies."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay of the two running means, each at least 0 and below 1."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second mean."""
    l2: float = Field(default=0.0, ge=0)
    """Coupled decay of matrices."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from torch.optim import Adam

        groups = self.groups(model, lr=self.lr, weight_decay=self.l2)
        return Adam(groups, lr=self.lr, betas=self.betas, eps=self.eps)
