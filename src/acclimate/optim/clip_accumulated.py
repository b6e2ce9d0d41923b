"""Clipping of the accumulated gradient, with a floor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class ClipAccumulated(Component):
    """ḡ = Σnₖgₖ/Σnₖ over the micro-batches; S = Σ‖ḡ_l‖² over the layers; all are multiplied by min(1, C/√S), and by
    C_min/√S where √S is below the floor C_min.

    "ACLC": one norm over all layers, of the gradient as it is after accumulation, so that how a step is cut into
    micro-batches does not matter. Clipping each micro-batch's own gradient is another thing. Without a floor it is
    `clip_norm`; the floor keeps steps from vanishing where gradients do.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "clip_accumulated")
    bare: ClassVar[str | None] = "max_norm"
    one_of: ClassVar[str | None] = "clipping by norm"

    max_norm: float = Field(default=1.0, gt=0)
    """C: the largest norm that passes unchanged."""
    min_norm: float = Field(default=0.0, ge=0)
    """C_min: smaller norms are scaled up to it; a gradient of zeros stays."""

    @model_validator(mode="after")
    def _in_order(self) -> ClipAccumulated:
        if self.min_norm > self.max_norm:
            raise ValueError(f"min_norm: {self.min_norm:g} is above max_norm, {self.max_norm:g}")
        return self

    def build(self) -> AccumulatedClipper:
        return AccumulatedClipper(self.max_norm, self.min_norm)


class AccumulatedClipper(Stateless):
    """The transform; the loop hands over gradients that are accumulated already."""

    def __init__(self, max_norm: float, min_norm: float) -> None:
        self.max_norm, self.min_norm = max_norm, min_norm

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        norm = gradients.norm()
        wanted = min(max(norm, self.min_norm), self.max_norm)
        if wanted != norm and norm > 0:
            gradients.scale(wanted / norm)
        return {"clipped": float(norm > self.max_norm), "raised": float(0 < norm < self.min_norm)}
