"""The bootstrap as a recipe names it: how figures get their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count, Share

if TYPE_CHECKING:
    from acclimate.evaluate.resampling import Resampling


class Bootstrap(Component):
    """Percentile intervals from resampled examples and seeds (Efron and Tibshirani 1993).

    Each resample draws as many examples as the test has, with replacement, and as many of the trained seeds. Two arms
    are compared on the same draws of both.
    """

    registered_as: ClassVar[tuple[str, str]] = ("interval", "bootstrap")
    bare: ClassVar[str | None] = "resamples"

    resamples: Count = 1000
    """How many resamples; the ends of an interval are as coarse as one in this many."""
    level: Share = 0.95
    """How often such an interval should hold the true value."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the draws; the same one gives the same intervals."""

    @field_validator("resamples")
    @classmethod
    def _enough(cls, value: int) -> int:
        if value < 100:
            raise ValueError(
                f"expected at least 100 resamples, found {value}: fewer give ends that mean nothing"
            )
        return value

    @field_validator("level")
    @classmethod
    def _proper(cls, value: float) -> float:
        if not 0.5 <= value < 1:
            raise ValueError(f"expected a level from 50% to below 100%, found {value:.10g}")
        return value

    def build(self) -> Resampling:
        from acclimate.evaluate.resampling import Resampling

        return Resampling(resamples=self.resamples, level=self.level, seed=self.seed)
