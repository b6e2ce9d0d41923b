"""The gradients between backward and step: what transforms are handed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acclimate.kernels.products import forget_copies


class Gradients:
    """The gradients of one optimizer step, already divided by the step's targets, with their norm computed once."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        self.parameters = [(name, p) for name, p in parameters if p.grad is not None]
        self._norm: float | None = None
        self._factor = 1.0

    def tensors(self) -> list[Tensor]:
        """The gradients as they are now."""
        if self._factor != 1.0:
            factor, self._factor = self._factor, 1.0
            torch._foreach_mul_(self.tensors(), factor)
        return [p.grad for _, p in self.parameters if p.grad is not None]

    def norm(self) -> float:
        """Euclidean norm over all gradients together, fp32."""
        if self._norm is None:
            self._norm = float(torch.nn.utils.get_total_norm(self.tensors())) if self.parameters else 0.0
        return self._norm

    def scale(self, factor: float) -> None:
        """Multiply all gradients, and the known norm with them. No pass over memory until somebody looks at them."""
        self._factor *= factor
        if self._norm is not None:
            self._norm *= factor

    def hand_over(self, optimizer: Optimizer) -> None:
        """Let the optimizer multiply in its own pass where it can, else multiply now."""
        if hasattr(optimizer, "gradient_factor"):
            optimizer.gradient_factor, self._factor = self._factor, 1.0
        else:
            forget_copies()  # torch's fused optimizers change weights without counting it
        self.tensors()

    def changed(self) -> None:
        """Say that gradients were changed by hand: the norm is no longer known."""
        self._norm = None


class GradientTransform(Protocol):
    """One step between backward and the optimizer, with a state of its own that checkpoints keep."""

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        """Change the gradients in place; returns figures for the log."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def apply_all(transforms: Sequence[GradientTransform], gradients: Gradients) -> dict[str, float]:
    """The transforms in their declared order."""
    figures: dict[str, float] = {}
    for transform in transforms:
        figures.update(transform(gradients))
    return figures
