"""Gradients that are used up as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.layer_hooks import LayerHooks


class AccumulateByLayer(Component):
    """Each parameter's gradient is used in the backward pass, as soon as it is there: with `fused` the optimizer steps
    the parameter and the gradient is freed, so that a model's gradients are never all held; with `share` it is added to
    that of its namesakes in the other layers.

    The fused step gives the weights that the plain step gives. It excludes what needs all gradients before the first
    step: clipping by norm, noise, projection, micro-batches, several ranks, loss scaling; such recipes are refused. A
    gradient that is not finite ends the training after some layers were stepped: resume from a checkpoint.
    Source: Lv et al. 2023, "Full Parameter Fine-tuning for Large Language Models with Limited Resources" (LOMO), with
    any optimizer. Memory: benchmarks/gradient_memory.py.
    Example: `gradients: [accumulate_by_layer]`
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "accumulate_by_layer")
    one_of: ClassVar[str | None] = "accumulating by layer"

    fused: bool = True
    """Step each parameter in the backward pass, and free its gradient."""
    share: bool = False
    """Each parameter inside the blocks gets the sum of the gradients of all that have its name but for the block's
    number: layers that start equal stay equal, as if they were one tensor (Lan et al. 2020)."""

    @model_validator(mode="after")
    def _does_something(self) -> AccumulateByLayer:
        if not (self.fused or self.share):
            raise ValueError("with neither `fused` nor `share` nothing is left to do; leave it out")
        return self

    @property
    def by_layer(self) -> bool:
        """Whether it needs steps to be taken in the backward pass."""
        return self.fused

    def build(self) -> LayerHooks:
        from acclimate.optim.layer_hooks import LayerHooks

        return LayerHooks(fused=self.fused, share=self.share)
