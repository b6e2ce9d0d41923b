"""A learning rate that falls in steps, as recurrent language models have it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from acclimate.optim.schedules import Factor
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Length, Progress


def _some(length: Length) -> Length:
    if not length.amount:
        raise ValueError(f"expected more than nothing, found '{length}'")
    return length


class StepDecay(Component):
    """1 for `hold`, then divided by `by` at once and again after each `every`.

    Source: Zaremba et al. 2014: 4 epochs and 2 for their small model, 6 and 1.2 medium, 14 and 1.15 large. Does not
    depend on the training's length.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "step_decay")
    bare: ClassVar[str | None] = "hold"

    hold: Length = Length.parse("4 epochs")
    """How long the rate stays at its peak."""
    by: float = Field(default=2.0, gt=1)
    """What it is divided by."""
    every: Annotated[Length, AfterValidator(_some)] = Length.parse("1 epochs")
    """How long it stays at each step."""

    @model_validator(mode="after")
    def _one_unit(self) -> StepDecay:
        if self.hold.unit != self.every.unit:
            raise ValueError(f"hold is counted in {self.hold.unit}, every in {self.every.unit}: use one unit")
        return self

    def build(self, *, length: Length) -> Factor:
        """factor(progress); the training's length does not matter to it."""

        def factor(progress: Progress) -> float:
            beyond = self.hold.done(progress) - self.hold.amount
            if beyond < 0:
                return 1.0
            return float(self.by ** -(1 + beyond // self.every.amount))

        return factor
