"""Updates that torch does not have: one small class each. Their formulas stand in the settings' docstrings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from acclimate.optim.each_parameter import EachParameter, moments

State = dict[str, Tensor]
Group = dict[str, Any]


class UncorrectedAdamW(EachParameter):
    """`bert_adamw`."""

    def update(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        first, second, _ = moments(state, gradient, group["betas"])
        step = first / (second.sqrt() + group["eps"])
        weight.sub_(step.add_(weight, alpha=group["weight_decay"]), alpha=group["lr"])


class LayerwiseAdam(EachParameter):
    """`lamb`."""

    def update(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        step = _corrected(state, gradient, group).add_(weight, alpha=group["weight_decay"])
        ratio = 1.0
        if weight.ndim >= 2:
            sizes = float(weight.norm()), float(step.norm())
            ratio = sizes[0] / sizes[1] if all(sizes) else 1.0
        weight.sub_(step, alpha=group["lr"] * ratio)


class ClippedAdamW(EachParameter):
    """`stable_adamw`."""

    def update(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        step = _corrected(state, gradient, group)
        second = state["exp_avg_sq"] / (1 - group["betas"][1] ** int(state["step"]))
        rms = float((gradient.square() / second.clamp_(min=group["eps"] ** 2)).mean().sqrt())
        lr = group["lr"] / max(1.0, rms)
        weight.mul_(1 - lr * group["weight_decay"]).sub_(step, alpha=lr)


class SignMomentum(EachParameter):
    """`lion`."""

    def update(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        if not state:
            state["exp_avg"] = torch.zeros_like(gradient)
        mean, (beta1, beta2) = state["exp_avg"], group["betas"]
        step = mean.lerp(gradient, 1 - beta1).sign_()
        weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])
        mean.lerp_(gradient, 1 - beta2)


def _corrected(state: State, gradient: Tensor, group: Group) -> Tensor:
    """Adam's step for a rate of 1: m̂/(√v̂ + ε)."""
    beta1, beta2 = group["betas"]
    first, second, steps = moments(state, gradient, group["betas"])
    root = (second / (1 - beta2**steps)).sqrt_().add_(group["eps"])
    return first / (1 - beta1**steps) / root
