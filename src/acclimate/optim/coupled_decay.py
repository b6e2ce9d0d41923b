"""L2 regularisation as a term of the loss, by its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class CoupledDecay(Component):
    """g ← g + 2α·w of matrices: the gradient of α·Σw², as if that stood in the loss. Biases and norms are left alone.

    This is not the weight decay of AdamW and its like, which takes lr·decay·w off each weight apart from the gradient.
    Coupled to it, what is added goes through the optimizer like the rest of the gradient: Adam divides it by √v̂, so
    that weights with large gradients hardly decay (Loshchilov & Hutter 2019). Under plain SGD both are the same, with
    decay = 2α. Put it first in the list: clipping then sees it, as it would a term of the loss. The loss that is told
    does not hold the term.
    Source: Krogh & Hertz 1991, "A Simple Weight Decay Can Improve Generalization".
    Example: `gradients: [{coupled_decay: 1e-4}, {clip_norm: 1.0}]`
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "coupled_decay")
    bare: ClassVar[str | None] = "alpha"
    by_parameter: ClassVar[bool] = True

    alpha: float = Field(default=1e-4, gt=0)
    """α of α·Σw². Most papers' λ/2·Σw² has λ = 2α."""

    def build(self) -> CoupledDecayer:
        return CoupledDecayer(self.alpha)


class CoupledDecayer(Stateless):
    """The transform."""

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        import torch

        from acclimate.optim.parameter_groups import decays

        pairs = zip(gradients.parameters, gradients.tensors(), strict=True)
        chosen = [(gradient, one.detach()) for (name, one), gradient in pairs if decays(name, one)]
        if chosen:
            found, weights = zip(*chosen, strict=True)
            torch._foreach_add_(list(found), list(weights), alpha=2 * self._alpha)
        gradients.changed()
        return {}
