"""Noise on the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class GradientNoise(Component):
    """g ← g + n, n normal with variance η/(1 + t)^γ at step t.

    Source: Neelakantan et al. 2015, "Adding Gradient Noise Improves Learning for Very Deep Networks". What is drawn is
    a function of seed and step, the same on every rank.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "noise")
    bare: ClassVar[str | None] = "eta"

    eta: float = Field(default=0.01, gt=0)
    """η: the variance at the start (the paper's 0.01, 0.3 and 1)."""
    gamma: float = Field(default=0.55, ge=0)
    """γ: how soon it fades (the paper's 0.55)."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the noise."""

    def build(self) -> NoiseMaker:
        return NoiseMaker(self.eta, self.gamma, self.seed)


class NoiseMaker:
    """The transform. Its state is the number of steps."""

    def __init__(self, eta: float, gamma: float, seed: int) -> None:
        self.eta, self.gamma, self.seed = eta, gamma, seed
        self._steps = 0

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        import torch

        # Drawn on the processor, whatever the device: the same noise everywhere.
        generator = torch.Generator().manual_seed((self.seed << 32) + self._steps)
        std = (self.eta / (1 + self._steps) ** self.gamma) ** 0.5
        for gradient in gradients.tensors():
            noise = torch.randn(gradient.shape, generator=generator)
            gradient.add_(noise.to(gradient.device, gradient.dtype), alpha=std)
        gradients.changed()
        self._steps += 1
        return {"noise": std}

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps = int(state["steps"])
