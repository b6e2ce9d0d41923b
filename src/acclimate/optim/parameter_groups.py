"""Which parameters an optimizer gets, with which decay and which rate. Biases and the weights of norms never decay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.optim.parameter_names import is_below
from acclimate.recipe.settings import Component, Settings, nearest, problem

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
    2018: 1/2.6; Clark et al. 2020: 0.8 for small and base, 0.9 for large models); encoder and decoder side by side,
    each from its own top. 1: all the same."""
    overrides: list[Override] = Field(default=[])
    """Other rates and decays for parameters by name; of several that match, the last one counts."""

    @model_validator(mode="before")
    @classmethod
    def _knows_its_decay(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "weight_decay" in data and "l2" in cls.model_fields:
            words = (
                "unknown key 'weight_decay', which AdamW's kind has; did you mean 'l2', the coupled decay?"
            )
            raise problem(words, at=("weight_decay",), key=True)
        return data

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
    """Layers between each parameter and the head: 0 for what comes after the last block, then the blocks downwards, and
    one more than the most for all that stands below them, embeddings with what goes with them.

    A block is known by the number in its parameters' names. Stacks of blocks stand side by side, each counted from its
    own top: every layer of a decoder reads what the encoder's last one says, so that an encoder's layer is as far from
    the head as the decoder's of the same place, not below them all; likewise two towers. What stands before a stack's
    first block lies below it, but for a head that a model names before its body.
    """
    blocks = _in_stacks(names)
    tops: dict[str, int] = {}
    starts: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in blocks:
            stack, number = blocks[name]
            tops[stack] = max(tops.get(stack, 0), number + 1)
            starts.setdefault(stack, place)
    if not tops:
        return dict.fromkeys(names, 0)
    before: dict[str, bool] = {}
    """What stands before the blocks that it is nearest to → whether it is in the same part of the model."""
    for place, name in enumerate(names):
        shared = {stack: _common(name, stack) for stack in tops}
        nearest_ones = [stack for stack in tops if shared[stack] == max(shared.values())]
        if name not in blocks and place < min(starts[stack] for stack in nearest_ones):
            before[name] = is_below(name) or max(shared.values()) > 0 or "" in nearest_ones
    whole = not any(before.values())  # the body is no part of the model
    lowest = max(tops.values()) + 1
    depth = {}
    for name in names:
        if name in blocks:
            stack, number = blocks[name]
            depth[name] = tops[stack] - number
        else:
            depth[name] = (
                lowest if is_below(name) or before.get(name, False) or (whole and name in before) else 0
            )
    return depth


def _in_stacks(names: list[str]) -> dict[str, tuple[str, int]]:
    """Parameter of a block → (what holds its stack of blocks, the block's number).

    Numbered weights by themselves, and stacks within what stands beside the blocks of another, are no blocks.
    """
    found = {name: match for name in names if (match := _BLOCK.search(name))}
    holders = {name: name[: match.start()].rpartition(".")[0] for name, match in found.items()}
    real = {
        holders[name]
        for name, match in found.items()
        if name[match.end() :] not in ("weight", "bias")  # a list of linear layers, or of filters
    } or set(holders.values())
    real = {one for one in real if not any(one != other and _inside(one, other) for other in real)}
    return {name: (holders[name], int(match[1])) for name, match in found.items() if holders[name] in real}


def _inside(name: str, holder: str) -> bool:
    return not holder or name.startswith(f"{holder}.")


def _common(name: str, holder: str) -> int:
    """How many parts of dotted names the two begin with alike."""
    pairs = zip(name.split("."), holder.split("."), strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), len(holder.split(".")))


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
