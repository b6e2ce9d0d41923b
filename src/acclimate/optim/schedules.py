"""How the learning rate moves: a factor between 0 and 1 as a function of the progress.

Schedules follow the training's own length, whatever its unit, so that they end where the training ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import BeforeValidator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Length, Progress, parse_share, show_share
from acclimate.recipe.wording import Called

Factor = Callable[[Progress], float]


def _parse_warmup(value: Any) -> float | Length:
    if isinstance(value, Length):
        return value
    if isinstance(value, str) and any(letter.isalpha() for letter in value):
        return Length.parse(value)
    return parse_share(value)


def _show_warmup(warmup: float | Length) -> str:
    return str(warmup) if isinstance(warmup, Length) else show_share(warmup)


Warmup = Annotated[
    Any,
    BeforeValidator(_parse_warmup),
    PlainSerializer(_show_warmup, return_type=str),
    Called("share or length"),
]
"""A share of the training, `6%`, or a length, `100 steps`."""


class _Schedule(Component):
    """Linear warm-up from 0 to 1, then whatever `_after` says of the remaining way."""

    warmup: Warmup = Field(default="0%")
    """The rate climbs linearly from 0 over this share or length."""

    def build(self, *, length: Length) -> Factor:
        """factor(progress) for a training of this length."""

        def factor(progress: Progress) -> float:
            done = min(1.0, length.fraction(progress))
            if isinstance(self.warmup, Length):
                warm = self.warmup.fraction(progress)
                # The rest of the way is measured from where the warm-up ends, known exactly in its own unit only.
                share = done / warm if warm > 0 else 0.0
            else:
                warm = done / self.warmup if self.warmup else 1.0
                share = self.warmup
            if warm < 1.0:
                return warm
            return self._after((done - share) / (1 - share) if share < 1 else 1.0)

        return factor

    def _after(self, way: float) -> float:
        """The factor at a share of the way between the end of the warm-up (0) and of the training (1)."""
        raise AssertionError("each schedule says its own")


class Linear(_Schedule):
    """Linear decay: after the warm-up, 1 − way·(1 − final). Devlin et al. 2019."""

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "linear")
    bare: ClassVar[str | None] = "warmup"

    final: float = Field(default=0.0, ge=0, le=1)
    """The factor at the end."""

    def _after(self, way: float) -> float:
        return 1 - way * (1 - self.final)


class Cosine(_Schedule):
    """Half a cosine: after the warm-up, final + (1 − final)·(1 + cos(π·way))/2. Loshchilov & Hutter 2017, one cycle."""

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "cosine")
    bare: ClassVar[str | None] = "warmup"

    final: float = Field(default=0.0, ge=0, le=1)
    """The factor at the end."""

    def _after(self, way: float) -> float:
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * way)) / 2


class Constant(_Schedule):
    """1 after the warm-up."""

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "constant")
    bare: ClassVar[str | None] = "warmup"

    def _after(self, way: float) -> float:
        return 1.0
