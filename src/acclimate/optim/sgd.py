"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Sgd(GroupedOptimizer):
    """b ← momentum·b + g + l2·w; w ← w − lr·b (torch's).

    Source: Robbins & Monro 1951; momentum Polyak 1964, Nesterov's in the form of Sutskever et al. 2013. What recurrent
    language models were trained with (Zaremba et al. 2014: lr 1, no momentum).
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "sgd")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=0.1, gt=0)
    """Peak learning rate, which the schedule multiplies."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """How much of the last step stays in the next."""
    nesterov: bool = False
    """Look ahead along the momentum."""
    l2: float = Field(default=0.0, ge=0)
    """Coupled decay: adds l2·w to the gradient of matrices, the gradient of (l2/2)·Σw²."""

    @model_validator(mode="after")
    def _looks_along_something(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: there is no momentum to look along; set it, to 0.9 for example")
        return self

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from torch.optim import SGD

        groups = self.groups(model, lr=self.lr, weight_decay=self.l2)
        return SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov)
