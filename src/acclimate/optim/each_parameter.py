"""An optimizer whose update looks at one parameter at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class EachParameter(torch.optim.Optimizer):
    """Calls `update` for every parameter with a gradient. All state is tensors, so checkpoints keep it."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("closures are not taken: the loop computes gradients once a step")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, self.state[parameter], group)

    def update(
        self, weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> None:
        """Change the weight in place."""
        raise NotImplementedError


def moments(
    state: dict[str, Tensor], gradient: Tensor, betas: tuple[float, float]
) -> tuple[Tensor, Tensor, int]:
    """Adam's two running means after this gradient, without correction, and the number of steps, this one included."""
    if not state:
        state["step"] = torch.zeros(())
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    state["step"] += 1
    first, second = state["exp_avg"], state["exp_avg_sq"]
    first.lerp_(gradient, 1 - betas[0])
    second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    return first, second, int(state["step"])
