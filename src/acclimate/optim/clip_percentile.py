"""Clipping to a percentile of the norms so far."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.optim.gradients import Gradients


class ClipPercentile(Component):
    """‖g‖ joins the history; τ = scale·(its p-th percentile, linear); g ← g·min(1, τ/‖g‖).

    Source: Seetharaman et al. 2020, "AutoClip". The threshold finds itself: nearly every step is clipped, to the size
    that quiet steps have. 100 never clips.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "clip_percentile")
    bare: ClassVar[str | None] = "percentile"
    one_of: ClassVar[str | None] = "clipping by norm"

    percentile: float = Field(default=10.0, ge=0, le=100)
    """p (the paper's 10)."""
    scale: float = Field(default=1.0, gt=0)
    """What the percentile is multiplied by."""
    window: int | None = Field(default=None, ge=1)
    """How many last steps count; all unless given."""

    def build(self) -> PercentileClipper:
        return PercentileClipper(self.percentile, self.scale, self.window)


class PercentileClipper:
    """The transform. Its state is the norms that count, in the order they came."""

    def __init__(self, percentile: float, scale: float, window: int | None) -> None:
        self.percentile, self.scale, self.window = percentile, scale, window
        self._history: list[float] = []
        self._sorted: list[float] = []

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        norm = gradients.norm()
        self._history.append(norm)
        insort(self._sorted, norm)
        if self.window is not None and len(self._history) > self.window:
            del self._sorted[bisect_left(self._sorted, self._history.pop(0))]
        threshold = self.scale * self._quantile()
        if norm > threshold:
            gradients.scale(threshold / norm)
        return {"clipped": float(norm > threshold), "threshold": threshold}

    def _quantile(self) -> float:
        """As numpy's `percentile` with linear interpolation."""
        place = (len(self._sorted) - 1) * self.percentile / 100
        below = int(place)
        above = min(below + 1, len(self._sorted) - 1)
        return self._sorted[below] + (place - below) * (self._sorted[above] - self._sorted[below])

    def state_dict(self) -> dict[str, Any]:
        return {"history": list(self._history)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._history = list(state["history"])
        self._sorted = sorted(self._history)
