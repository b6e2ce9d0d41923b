"""Stochastic gradient descent that averages its weights once it stops getting better."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn

    from acclimate.optim.averaging import AveragingSgd


class NtAsgd(GroupedOptimizer):
    """w ← w − lr·(g + l2·w); from the switch on w̄ is the mean of all w since, and w̄ is validated and delivered.

    The switch comes at the first validation whose loss is above the best of those more than `n` validations back
    (non-monotonically triggered averaged SGD: NT-ASGD). It needs validations to listen to; Merity et al. validate once
    an epoch. Source: Merity et al. 2018; averaging Polyak & Juditsky 1992.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "nt_asgd")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=30.0, gt=0)
    """Peak learning rate, which the schedule multiplies."""
    n: int = Field(default=5, ge=1)
    """How many validations back the comparison ends."""
    l2: float = Field(default=1.2e-6, ge=0)
    """Coupled decay: adds l2·w to the gradient of matrices, the gradient of (l2/2)·Σw²; the authors' of biases too."""

    def build(self, *, model: nn.Module) -> AveragingSgd:
        """The optimizer over the model's trainable parameters; its `trigger` must be told of validations."""
        from acclimate.optim.averaging import AveragingSgd

        groups = self.groups(model, lr=self.lr, weight_decay=self.l2)
        return AveragingSgd(groups, {"lr": self.lr}, n=self.n)
