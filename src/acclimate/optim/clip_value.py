"""Clipping of single elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class ClipValue(Component):
    """g_j ← min(max(g_j, −C), C) for every element (torch's `clip_grad_value_`).

    Source: Mikolov 2012. Changes the direction of the gradient, unlike clipping by norm.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "clip_value")
    bare: ClassVar[str | None] = "largest"
    by_parameter: ClassVar[bool] = True

    largest: float = Field(default=1.0, gt=0)
    """C."""

    def build(self) -> ValueClipper:
        return ValueClipper(self.largest)


class ValueClipper(Stateless):
    """The transform."""

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        for gradient in gradients.tensors():
            gradient.clamp_(-self.largest, self.largest)
        gradients.changed()
        return {}
