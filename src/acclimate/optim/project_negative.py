"""Gradients without what would undo what was learnt before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.roles import Reader
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Batch, Count, Length

if TYPE_CHECKING:
    from torch import Tensor, nn

    from acclimate.optim.gradients import Gradients


class ProjectNegative(Component):
    """g ← g − min(0, g·r/‖r‖²)·r, r the gradient of the same objective on reference texts: to first order, no step
    raises their loss.

    For training on a domain without losing general text: r is taken anew at every `every`-th step, from `batch` of the
    reference, which costs a forward and a backward pass and the memory of one more gradient. Put it before clipping.
    Source: Chaudhry et al. 2019, "Efficient Lifelong Learning with A-GEM"; Yu et al. 2020 (PCGrad).
    Example: `gradients: [{project_negative: {reference: {path: general.txt}}}, {clip_norm: 1.0}]`
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "project_negative")
    one_of: ClassVar[str | None] = "projecting onto a reference"
    wants_reference: ClassVar[bool] = True

    reference: Reader
    """The texts whose loss is not to rise, such as some of what the checkpoint learnt from."""
    sample: Count = Field(default=2_000_000, ge=1000)
    """Characters of them that are used, chosen by hash."""
    batch: Batch = Length.parse("32 sequences")
    """How much of the reference a gradient is made of, in tokens or sequences."""
    every: int = Field(default=1, ge=1)
    """Steps that a reference gradient serves."""

    def build(self) -> Projector:
        return Projector(self.every)


class Projector:
    """The transform. Its state: how many steps there were, where in the reference it stands, and a gradient that still
    serves."""

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._steps = 0
        self._reference: dict[str, Tensor] = {}
        self.position: dict[str, Any] = {}
        """Where in the reference texts the next gradient is taken; empty: at their beginning."""

    @property
    def due(self) -> bool:
        """Whether this step needs a reference gradient of its own."""
        return self._steps % self._every == 0

    def learn(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Take over the gradients that the parameters have now."""
        self._reference = {
            name: one.grad.detach().clone() for name, one in parameters if one.grad is not None
        }

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        import torch

        pairs = [
            (gradient, self._reference[name].to(gradient.device))
            for (name, _), gradient in zip(gradients.parameters, gradients.tensors(), strict=True)
            if name in self._reference
        ]
        self._steps += 1
        own, reference = [g for g, _ in pairs], [r for _, r in pairs]
        factor = back_along(own, reference)
        if factor:
            torch._foreach_add_(own, reference, alpha=factor)
            gradients.changed()
        return {"projected": float(factor != 0)}

    def carried(self) -> dict[str, Tensor]:
        """The reference gradient, where the next step uses it again."""
        return {} if self.due else dict(self._reference)

    def carry(self, tensors: dict[str, Tensor]) -> None:
        self._reference = {name: one.clone() for name, one in tensors.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps, self.position = int(state["steps"]), dict(state["position"])


def back_along(own: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """How much of the other has to be added to the own, so that they no longer point against each other; 0 where they
    do not."""
    import torch

    dot = sum(float(torch.sum(g * r, dtype=torch.float64)) for g, r in zip(own, other, strict=True))
    size = sum(float(torch.sum(r * r, dtype=torch.float64)) for r in other)
    return -dot / size if dot < 0 < size else 0.0
