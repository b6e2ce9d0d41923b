"""Clipping of negative elements, taken at its word."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class ClipNegative(Component):
    """g_j ← max(g_j, −τ) for every element.

    The literal reading of "negative gradient clipping", kept so that it can be measured; `check` and the run's log warn
    of it. It is no sound method: with τ = 0 no weight can ever grow: what is left of the gradient is positive, and
    steps go against it.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "clip_negative")
    bare: ClassVar[str | None] = "largest"
    by_parameter: ClassVar[bool] = True
    warning: ClassVar[str | None] = (
        "no sound method: weights are kept from growing more than from shrinking; it is here to be measured"
    )

    largest: float = Field(default=1.0, ge=0)
    """τ: the largest negative element, without its sign."""

    def build(self) -> NegativeClipper:
        return NegativeClipper(self.largest)


class NegativeClipper(Stateless):
    """The transform."""

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        for gradient in gradients.tensors():
            gradient.clamp_(min=-self.largest)
        gradients.changed()
        return {}
