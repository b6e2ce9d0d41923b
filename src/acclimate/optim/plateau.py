"""A schedule that listens to the validation loss."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from acclimate.optim.schedules import Warmup, warming
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Length, Progress


class Plateau(Component):
    """factor ← factor·`by` after `patience` validations in a row whose loss is not below (1 − threshold)·the best one.

    The rule of torch's ReduceLROnPlateau. Zaremba et al. 2014 divide by 2 or 1.2 each epoch after some; AWD-LSTM and
    fine-tuning on little data use it in this form. It needs validations to listen to.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "plateau")
    bare: ClassVar[str | None] = "by"

    by: float = Field(default=0.5, gt=0, lt=1)
    """What the rate is multiplied by."""
    patience: int = Field(default=1, ge=1)
    """Validations without gain that it takes."""
    threshold: float = Field(default=1e-4, ge=0, lt=1)
    """Relative gain that counts as one."""
    least: float = Field(default=0.0, ge=0, le=1)
    """Smallest factor."""
    warmup: Warmup = Field(default="0%")
    """The rate climbs linearly from 0 over this share or length."""

    def build(self, *, length: Length) -> PlateauFactor:
        """factor(progress), which must be told of validations by `observe`."""
        return PlateauFactor(self, length)


class PlateauFactor:
    """The factor with what it has heard so far."""

    def __init__(self, settings: Plateau, length: Length) -> None:
        self._settings = settings
        self._warm = warming(settings.warmup, length)
        self._best: float | None = None
        self._waited = 0
        self._factor = 1.0

    def __call__(self, progress: Progress) -> float:
        return self._factor * min(1.0, self._warm(progress))

    def observe(self, loss: float) -> None:
        """Hear the loss of a validation."""
        settings = self._settings
        if self._best is None or loss < self._best * (1 - settings.threshold):
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= settings.patience:
            self._factor, self._waited = max(settings.least, self._factor * settings.by), 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self._waited, "factor": self._factor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best, self._waited, self._factor = state["best"], state["waited"], state["factor"]
