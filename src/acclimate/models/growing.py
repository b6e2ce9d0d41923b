"""A model of which the first layers are used alone, and which gets the others bit by bit.

All layers are there from the start, with their random weights; those that are not used yet are held here, so that
neither an optimizer nor a checkpoint knows of them. With all of them in use the model is as it was built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from acclimate.errors import UserError
from acclimate.models.finding import family_of
from acclimate.optim.parameter_names import ends_branch, is_below

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class _Stack:
    holder: nn.Module
    name: str
    """Of the list in its holder."""
    key: str
    """Of the configuration, which counts the layers."""
    layers: tuple[nn.Module, ...]
    """All of them."""


class Stacks:
    """The stacks of layers of one model; one that reads and writes has two, which grow together."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Raises UserError for a family that cannot grow, or layers that share weights."""
        family = family_of(model.config)
        name = family.registered_as[1]
        if not family.layer_lists:
            raise UserError(
                f"models of the family {name} cannot grow: they have no list of layers of their own"
            )
        if getattr(model.config, "layer_groups", None):
            raise UserError(f"this model of the family {name} cannot grow: its layers share weights")
        self._model = model
        self._stacks = []
        for path, key in family.layer_lists.items():
            above, _, last = path.rpartition(".")
            holder = model.base_model.get_submodule(above)
            layers = tuple(holder.get_submodule(last).children())
            self._stacks.append(_Stack(holder, last, key, layers))
        self._closing_norm = family.closing_norm(model.config)
        self._trains = {one for one in model.parameters() if one.requires_grad}
        self.depth = max(len(one.layers) for one in self._stacks)
        """Layers of the whole model, of its deepest stack."""
        self.used = self.depth
        """How many of them are in use."""

    def use(self, layers: int) -> None:
        """Each stack has its first so many layers; their weights stay as they are."""
        for one in self._stacks:
            used = one.layers[:layers]
            setattr(one.holder, one.name, nn.ModuleList(used))
            setattr(self._model.config, one.key, len(used))
        self.used = layers

    @torch.no_grad()
    def grow(self, layers: int, by: Literal["copy", "zero"]) -> None:
        """Use so many layers, which are more than now: the new ones as copies of the old, or adding nothing yet.

        copy: layer j is old layer old − 1 − ((layers − 1 − j) mod old): the top of the old stack once more, as often as
        it takes. zero: the random weights of a new layer with its branches' ends at 0. A norm that closes the old stack
        would be undone by those of the new layers but for its gain and bias; these move to the new top. What is
        left at its place is the plain norm, of which doing it twice is doing it once, but for its epsilon.
        """
        old = self.used
        self.use(layers)
        for one in self._stacks:
            top = min(layers, len(one.layers))
            for number in range(old, top):
                if by == "copy":
                    _copy(one.layers[old - 1 - (top - 1 - number) % old], one.layers[number])
                else:
                    _silence(one.layers[number])
            if by == "zero" and self._closing_norm is not None and old < top:
                norms = (
                    one.layers[number].get_submodule(self._closing_norm) for number in (old - 1, top - 1)
                )
                _move_up(*norms)

    def train_from(self, first: int) -> None:
        """Layers from this one on train, and what stands above them; with 0 everything that ever did."""
        still = {
            parameter
            for one in self._stacks
            for layer in one.layers[:first]
            for parameter in layer.parameters()
        }
        if first:
            still |= {one for name, one in self._model.named_parameters() if is_below(name)}
        for parameter in self._model.parameters():
            parameter.requires_grad_(parameter in self._trains and parameter not in still)


def _copy(source: nn.Module, target: nn.Module) -> None:
    """The weights that both have: T5's first layer has a table more than the others."""
    theirs = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name in theirs:
            tensor.copy_(theirs[name])


def _silence(layer: nn.Module) -> None:
    for name, module in layer.named_modules():
        if ends_branch(name):
            for parameter in module.parameters():
                parameter.zero_()


def _move_up(old: nn.Module, new: nn.Module) -> None:
    for (name, gone), moved in zip(old.named_parameters(), new.parameters(), strict=True):
        moved.copy_(gone)
        gone.fill_(0.0 if name == "bias" else 1.0)
