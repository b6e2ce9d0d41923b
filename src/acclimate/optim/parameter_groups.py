"""Which parameters an optimizer gets, with which decay and which rate. Biases and the weights of norms never decay."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import Field

from acclimate.errors import UserError
from acclimate.recipe.settings import Component, Settings, nearest

if TYPE_CHECKING:
    from torch import nn

_BLOCK = re.compile(r"\.(\d+)\.")


class Override(Settings):
    """Parameters of some names get another rate or decay."""

    match: str
    """Pattern of the parameters' names, `*` for anything: `*.embeddings.*`, `classifier.*`."""
    rate: float = Field(default=1.0, gt=0)
    """Their learning rate as a multiple of the others'."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Their weight decay, biases and norms included; unchanged unless given."""


class GroupedOptimizer(Component):
    """What all optimizers have in common: how parameters are put into groups."""

    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """ξ: each layer below the head has ξ times the rate of the one above it, the embedding the least (Howard & Ruder
    2018: 1/2.6; Clark et al. 2020: 0.8 for small and base, 0.9 for large models). 1: all the same."""
    overrides: list[Override] = Field(default=[])
    """Other rates and decays for parameters by name; of several that match, the last one counts."""

    def groups(self, model: nn.Module, *, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """The model's trainable parameters in groups of equal rate and decay, each with its parameters' names.

        Raises UserError for a pattern that matches none.
        """
        return parameter_groups(
            model, weight_decay, lr=lr, layer_decay=self.layer_decay, overrides=self.overrides
        )


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Matrices decay; vectors (biases, gains of norms) do not, whatever they are called."""
    return parameter.ndim >= 2


def in_block(name: str) -> bool:
    """Whether a parameter belongs to one of the model's repeated blocks: these have numbers."""
    return _BLOCK.search(name) is not None


def layer_free_name(name: str) -> str | None:
    """A block's parameter's name without the number of its block; None for one that is in no block."""
    return _BLOCK.sub(".*.", name, count=1) if in_block(name) else None


def depths(names: list[str]) -> dict[str, int]:
    """Layers between each parameter and the head: 0 for what comes after the last block, then the blocks downwards.

    A block is known by the number in its parameters' names; what stands before the first block lies below it, but for a
    head that a model names before its body.
    """
    numbers = {name: int(found[1]) for name in names if (found := _BLOCK.search(name))}
    blocks = max(numbers.values(), default=-1) + 1
    first = next(iter(numbers), "")
    before = names[: names.index(first)] if first else []
    body = first.partition(".")[0] + "."
    # Where the body is a part of the model, what stands below its blocks is in that part.
    in_body = any(one.startswith(body) for one in before)
    beside = {one for one in before if in_body and not one.startswith(body)}
    depth, seen = {}, False
    for name in names:
        if name in beside:
            depth[name] = 0
            continue
        seen = seen or name in numbers
        depth[name] = blocks - numbers[name] if name in numbers else 0 if seen or not numbers else blocks + 1
    return depth


def parameter_groups(
    model: nn.Module,
    weight_decay: float,
    *,
    lr: float | None = None,
    layer_decay: float = 1.0,
    overrides: list[Override] | None = None,
) -> list[dict[str, Any]]:
    """Groups of trainable parameters of equal rate and decay, with their names. Tied ones appear once."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    depth = depths([name for name, _ in named])
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    unmatched = [one.match for one in overrides or []]
    for name, parameter in named:
        rate, decay = layer_decay ** depth[name], weight_decay if decays(name, parameter) else 0.0
        for one in overrides or []:
            if fnmatchcase(name, one.match):
                unmatched = [pattern for pattern in unmatched if pattern != one.match]
                rate = one.rate * layer_decay ** depth[name]
                decay = weight_decay if decays(name, parameter) else 0.0
                decay = decay if one.weight_decay is None else one.weight_decay
        group = groups.setdefault(
            (rate, decay),
            {"params": [], "names": [], "weight_decay": decay} | ({} if lr is None else {"lr": lr * rate}),
        )
        group["params"].append(parameter)
        group["names"].append(name)
    if unmatched:
        near = nearest(unmatched[0], [name for name, _ in named])
        raise UserError(f"optimizer.overrides: {unmatched[0]!r} matches no parameter; {near}")
    # Large rates first, decaying ones before the others.
    return [groups[key] for key in sorted(groups, key=lambda key: (-key[0], -key[1]))]
