"""Adafactor: second moments by rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.parameter_groups import GroupedOptimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Adafactor(GroupedOptimizer):
    """v ≈ r·cᵀ/mean(r), r and c the running means of g² over columns and rows with β₂ = 1 − t^decay; u = g/√v, shrunk
    to a root mean square of `clip`; w ← w − max(ε₂, RMS(w))·min(lr, 1/√t)·u (torch's).

    Source: Shazeer & Stern 2018. Keeps a row and a column for each matrix instead of two more matrices.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "adafactor")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-2, gt=0)
    """Relative rate: a step is this share of the weights' own size (0.01 in the paper)."""
    decay: float = Field(default=-0.8, lt=0)
    """How the memory of the second moments grows with the steps."""
    clip: float = Field(default=1.0, gt=0)
    """Largest root mean square of an update, before the rate."""
    eps2: float = Field(default=1e-3, gt=0)
    """Least size of weights that the step is a share of."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled decay per step, times the learning rate."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The optimizer over the model's trainable parameters."""
        from torch.optim import Adafactor

        groups = self.groups(model, lr=self.lr, weight_decay=self.weight_decay)
        return Adafactor(groups, lr=self.lr, beta2_decay=self.decay, eps=(None, self.eps2), d=self.clip)
