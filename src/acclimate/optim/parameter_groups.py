"""Which parameters decay. Biases and the weights of norms never do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Matrices decay; vectors (biases, gains of norms) do not, whatever they are called."""
    return parameter.ndim >= 2


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups of trainable parameters for an optimizer, each with its parameters' names. Tied ones appear once."""
    groups: dict[bool, dict[str, Any]] = {
        True: {"params": [], "names": [], "weight_decay": weight_decay},
        False: {"params": [], "names": [], "weight_decay": 0.0},
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            group = groups[decays(name, parameter)]
            group["params"].append(parameter)
            group["names"].append(name)
    return [group for group in groups.values() if group["params"]]
