"""How the learning rate moves: a factor between 0 and 1 as a function of the progress.

Schedules follow the training's own length, whatever its unit, so that they end where the training ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import BeforeValidator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Length, Progress, Share, parse_share, show_share
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


def warming(warmup: float | Length, length: Length) -> Factor:
    """How much of the warm-up of a training of this length is done; above 1 when it is over."""

    def done(progress: Progress) -> float:
        if isinstance(warmup, Length):
            return warmup.fraction(progress)
        return min(1.0, length.fraction(progress)) / warmup if warmup else 1.0

    return done


class _Schedule(Component):
    """Linear warm-up from 0 to 1, then whatever `_after` says of the remaining way."""

    warmup: Warmup = Field(default="0%")
    """The rate climbs linearly from 0 over this share or length."""

    def build(self, *, length: Length) -> Factor:
        """factor(progress) for a training of this length."""

        warming_up = warming(self.warmup, length)

        def factor(progress: Progress) -> float:
            warm = warming_up(progress)
            if warm < 1.0:
                return warm
            done = min(1.0, length.fraction(progress))
            # The rest of the way is measured from where the warm-up ends, known exactly in its own unit only.
            share = self.warmup if not isinstance(self.warmup, Length) else done / warm if warm > 0 else 0.0
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


class Polynomial(_Schedule):
    """After the warm-up, final + (1 − final)·(1 − way)^power. Power 1 is linear; ALBERT, ELECTRA use that too."""

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "polynomial")
    bare: ClassVar[str | None] = "power"

    power: float = Field(default=2.0, gt=0)
    """Above 1: most of the way is spent at small rates."""
    final: float = Field(default=0.0, ge=0, le=1)
    """The factor at the end."""

    def _after(self, way: float) -> float:
        return self.final + (1 - self.final) * (1 - way) ** self.power


class Wsd(_Schedule):
    """Warm-up, stable, decay: 1 after the warm-up until the last `decay` of the way, then down to `final`.

    Source: Hu et al. 2024 (MiniCPM); the shape 1 − √ of Hägele et al. 2024. The stable part can be continued with more
    text at any time; only the decay is repeated.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "wsd")
    bare: ClassVar[str | None] = "decay"

    decay: Share = 0.2
    """Share of the way after the warm-up that the rate falls over."""
    shape: Literal["sqrt", "linear", "cosine"] = "sqrt"
    """How it falls: 1 − √t (Hägele et al.), 1 − t, or half a cosine."""
    final: float = Field(default=0.0, ge=0, le=1)
    """The factor at the end."""

    def _after(self, way: float) -> float:
        fallen = max(0.0, way - (1 - self.decay)) / self.decay if self.decay else 0.0
        fallen = min(1.0, fallen)
        shapes = {"sqrt": math.sqrt(fallen), "linear": fallen, "cosine": (1 - math.cos(math.pi * fallen)) / 2}
        return 1 - (1 - self.final) * shapes[self.shape]


class Restarts(_Schedule):
    """Cosine annealing with warm restarts: half a cosine from 1 to `final`, again and again, each `growth` times as
    long as the last.

    Source: Loshchilov & Hutter 2017 (SGDR), T_mult = growth.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "restarts")
    bare: ClassVar[str | None] = "cycles"

    cycles: int = Field(default=4, ge=1)
    """How many times the rate falls."""
    growth: float = Field(default=1.0, ge=1)
    """How much longer each cycle is than the one before."""
    final: float = Field(default=0.0, ge=0, le=1)
    """The factor at the end of each cycle."""

    def _after(self, way: float) -> float:
        lengths = [self.growth**number for number in range(self.cycles)]
        place = way * sum(lengths)
        for length in lengths[:-1]:
            if place < length:
                break
            place -= length
        else:
            length = lengths[-1]
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * min(1.0, place / length))) / 2


class Triangle(Component):
    """Straight up to 1 at `peak` of the training, straight down to 0 at its end.

    Source: Geiping & Goldstein 2023, "Cramming".
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "triangle")
    bare: ClassVar[str | None] = "peak"

    peak: Share = 0.5
    """Where the top is, as a share of the training."""

    def build(self, *, length: Length) -> Factor:
        """factor(progress) for a training of this length."""
        return Linear(warmup=self.peak).build(length=length)


class SlantedTriangular(Component):
    """(1 + p·(ratio − 1))/ratio with p = t/cut up to the cut, then 1 − (t − cut)/(1 − cut); t the share that is done.

    Source: Howard & Ruder 2018 (ULMFiT). A short climb, a long fall, never quite 0.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "slanted_triangular")
    bare: ClassVar[str | None] = "cut"

    cut: Share = 0.1
    """Where the top is, as a share of the training."""
    ratio: float = Field(default=32.0, gt=1)
    """How many times smaller than the peak the rate is at both ends."""

    def build(self, *, length: Length) -> Factor:
        """factor(progress) for a training of this length."""

        def factor(progress: Progress) -> float:
            done = min(1.0, length.fraction(progress))
            up = done / self.cut if self.cut else 1.0
            down = 1 - (done - self.cut) / (1 - self.cut) if self.cut < 1 else 1.0
            return (1 + min(up, down, 1.0) * (self.ratio - 1)) / self.ratio

        return factor


class InverseSqrt(_Schedule):
    """After the warm-up, 1/√(t/warmup), t measured as the warm-up is: 1 at its end, ½ at four times its length.

    Source: Vaswani et al. 2017, with the peak set free of the width. With `flat` the warm-up is spent at the peak: T5's
    1/√max(t, 10⁴) (Raffel et al. 2020). Does not know the training's length, so training can go on.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "inverse_sqrt")
    bare: ClassVar[str | None] = "warmup"

    warmup: Warmup = Field(default="6%")
    """The rate climbs over this share or length (or stands at its peak, with `flat`)."""
    flat: bool = False
    """Stay at the peak during the warm-up instead of climbing."""

    @model_validator(mode="after")
    def _needs_a_measure(self) -> InverseSqrt:
        if not (self.warmup.amount if isinstance(self.warmup, Length) else self.warmup):
            raise ValueError("warmup: expected more than nothing, for the rate falls in its measure")
        return self

    def build(self, *, length: Length) -> Factor:
        """factor(progress) for a training of this length, which matters only to a warm-up given as a share."""
        measure = warming(self.warmup, length)

        def factor(progress: Progress) -> float:
            ratio = measure(progress)
            return 1 / math.sqrt(ratio) if ratio > 1 else 1.0 if self.flat else ratio

        return factor


class Noam(Component):
    """width^-½·min(t^-½, t·warmup^-1.5) for step t: the Transformer's own schedule (Vaswani et al. 2017).

    It is the rate itself where the optimizer's `lr` is 1: 6.988e-4 at its peak with the paper's width and warm-up.
    """

    registered_as: ClassVar[tuple[str, str]] = ("schedule", "noam")
    bare: ClassVar[str | None] = "warmup"

    warmup: int = Field(default=4000, ge=1)
    """Steps until the peak."""
    width: int = Field(default=512, ge=1)
    """The model's hidden size."""

    def build(self, *, length: Length) -> Factor:
        """factor(progress); the training's length does not matter to it."""

        def factor(progress: Progress) -> float:
            step = progress.steps
            return self.width**-0.5 * min(step**-0.5, step * self.warmup**-1.5) if step else 0.0

        return factor
