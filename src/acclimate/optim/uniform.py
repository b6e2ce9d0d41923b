"""Uniform initialisation, as recurrent language models are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.initialising import is_gain, is_left
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Generator, nn


class Uniform(Component):
    """Every weight uniform in [−range, range], biases too; gains of norms 1.

    Source: Zaremba et al. 2014: 0.1 for their small model, 0.05 medium, 0.04 large.
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "uniform")
    bare: ClassVar[str | None] = "range"

    range: float = Field(default=0.1, gt=0)
    """The largest weight."""
    recurrent: float | None = Field(default=None, gt=0)
    """For recurrent layers instead of `range`, times 1/√H of their state H, biases of projections then being 0: 1 is
    torch's own way and that of AWD-LSTM."""

    def build(self, *, generator: Generator) -> Callable[[nn.Module], None]:
        """A function that initialises a whole model in place from the generator."""

        def initialise(model: nn.Module) -> None:
            import torch

            drawn: set[int] = set()  # a tied weight is drawn once
            with torch.no_grad():
                for module in model.modules():
                    recurrent = hasattr(module, "weight_hh")
                    for name, weight in module.named_parameters(recurse=False):
                        if id(weight) in drawn:
                            continue
                        drawn.add(id(weight))
                        largest = self.range
                        if is_left(name, weight):
                            continue
                        if is_gain("weight", getattr(module, "weight", weight.new_empty(0, 0))):  # a norm
                            weight.fill_(name == "weight")
                            continue
                        if self.recurrent is not None and recurrent:
                            largest = self.recurrent * module.weight_hh.shape[1] ** -0.5
                        elif self.recurrent is not None and weight.ndim < 2:
                            weight.zero_()
                            continue
                        weight.uniform_(-largest, largest, generator=generator)

        return initialise
