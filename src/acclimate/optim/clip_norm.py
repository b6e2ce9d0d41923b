"""Clipping by the global norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class ClipNorm(Component):
    """g ← g·min(1, C / (‖g‖ + 1e-6)), with ‖g‖ over all gradients together.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "clip_norm")
    bare: ClassVar[str | None] = "max_norm"
    one_of: ClassVar[str | None] = "clipping by norm"

    max_norm: float = Field(default=1.0, gt=0)
    """C: the largest norm that passes unchanged."""

    def build(self) -> NormClipper:
        return NormClipper(self.max_norm)


class NormClipper(Stateless):
    """The transform."""

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        factor = self.max_norm / (gradients.norm() + 1e-6)
        if factor < 1.0:
            gradients.scale(factor)
        return {"clipped": float(factor < 1.0)}
