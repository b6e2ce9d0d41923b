"""Muon for the matrices inside, AdamW for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.optim.adamw import Beta
from acclimate.optim.parameter_groups import GroupedOptimizer, in_block

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Muon(GroupedOptimizer):
    """b ← μb + (1−μ)g; w ← w − lr·s·orthogonal(μb + (1−μ)g) − lr·decay·w, orthogonal() by five Newton–Schulz steps,
    s = 0.2·√max(rows, columns), which makes steps as long as AdamW's (torch's).

    Source: Jordan et al. 2024; the scale Liu et al. 2025. Only matrices inside the blocks are stepped so; embeddings,
    heads, biases and norms get AdamW at the same rate.
    """

    registered_as: ClassVar[tuple[str, str]] = ("optimizer", "muon")
    bare: ClassVar[str | None] = "lr"

    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate of both, which the schedule multiplies."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """μ."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Of AdamW."""
    eps: float = Field(default=1e-8, gt=0)
    """Of AdamW."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled decay per step, times the learning rate."""

    def build(self, *, model: nn.Module) -> Optimizer:
        """The two optimizers as one, over the model's trainable parameters."""
        from torch.optim import Muon

        from acclimate.optim.joint_optimizer import JointOptimizer
        from acclimate.optim.quick_adamw import QuickAdamW

        matrices: list[dict[str, Any]] = []
        rest: list[dict[str, Any]] = []
        for group in self.groups(model, lr=self.lr, weight_decay=self.weight_decay):
            pairs = list(zip(group["names"], group["params"], strict=True))
            inside = {name for name, parameter in pairs if parameter.ndim == 2 and in_block(name)}
            for into, wanted in ((matrices, True), (rest, False)):
                part = [(name, parameter) for name, parameter in pairs if (name in inside) == wanted]
                if part:
                    into.append({**group, "names": [n for n, _ in part], "params": [p for _, p in part]})
        parts: list[Optimizer] = []
        if matrices:
            parts.append(Muon(matrices, lr=self.lr, momentum=self.momentum, adjust_lr_fn="match_rms_adamw"))
        if rest:
            parts.append(QuickAdamW(rest, lr=self.lr, betas=self.betas, eps=self.eps, fused=True))
        return JointOptimizer(parts)
