"""Clipping of each unit's gradient to a share of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class ClipAdaptive(Component):
    """g_i ← g_i·min(1, λ·max(‖w_i‖, ε)/‖g_i‖) for each output unit i of a matrix inside the blocks, and for
    each vector.

    Source: Brock et al. 2021, "High-Performance Large-Scale Image Recognition Without Normalization" (AGC). Embeddings
    and heads are left alone, as in the paper the last layer is.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "clip_adaptive")
    bare: ClassVar[str | None] = "share"
    by_parameter: ClassVar[bool] = True

    share: float = Field(default=0.01, gt=0)
    """λ: how much of a unit's weights its gradient may be."""
    eps: float = Field(default=1e-3, gt=0)
    """Least size of weights, so that new ones can grow."""

    def build(self) -> AdaptiveClipper:
        return AdaptiveClipper(self.share, self.eps)


class AdaptiveClipper(Stateless):
    """The transform."""

    def __init__(self, share: float, eps: float) -> None:
        self.share, self.eps = share, eps

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        from acclimate.optim.parameter_groups import in_block
        from acclimate.optim.parameter_names import incoming

        clipped = units = 0
        for (name, parameter), gradient in zip(gradients.parameters, gradients.tensors(), strict=True):
            if not in_block(name):
                continue
            unit = incoming(name, gradient.ndim)
            limit = parameter.detach().norm(dim=unit, keepdim=True).clamp_(min=self.eps) * self.share
            size = gradient.norm(dim=unit, keepdim=True)
            factor = (limit / size.clamp(min=1e-6)).clamp_(max=1.0)
            gradient.mul_(factor)
            clipped += int((factor < 1).sum())
            units += factor.numel()
        gradients.changed()
        return {"clipped_units": clipped / max(1, units)}
