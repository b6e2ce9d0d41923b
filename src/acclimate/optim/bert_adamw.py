"""AdamW as BERT was trained with it: no correction of the young means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.adamw import Beta
from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class BertAdamW(GroupedOptimizer):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr·(m/(√v + ε) + decay·w), m and v as they are.

    Source: Devlin et al. 2019 (the released optimizer). Without correction the first steps are about √10 times as long
    as AdamW's: it needs a warm-up.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "bert_adamw")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-4, gt=0)
    """Peak learning rate, which the schedule multiplies (BERT's 1e-4)."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay of the two running means, each at least 0 and below 1."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the root of the second mean."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled decay per step, times the learning rate."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from acclimate.optim.own_optimizers import UncorrectedAdamW

        groups = self.groups(model, lr=self.lr, weight_decay=self.weight_decay)
        return UncorrectedAdamW(groups, {"lr": self.lr, "betas": self.betas, "eps": self.eps})
