"""From values to places on a page: linear and logarithmic scales with ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TINY = 1e-290
"""Nearer to zero numbers lose digits, and their steps no longer divide."""


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] to [start, end] on the page. start > end turns the axis round, as for y."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def __call__(self, values: Floats | float) -> Floats:
        """Places on the page; values outside the range fall outside, NaN stays NaN."""
        values = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.log:
            low, high = math.log10(low), math.log10(high)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log10(values)
        with np.errstate(invalid="ignore"):
            return self.start + (values - low) / (high - low) * (self.end - self.start)


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts the span into at most `most` pieces."""
    raw = span / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 5, 10):
        # Rounding in the division may put the raw step a hair above a round number.
        if factor * power >= raw * (1 - 1e-9):
            return factor * power
    return 10 * power


def _multiples(first: int, last: int, step: float) -> tuple[float, ...]:
    places = max(0, -math.floor(math.log10(step)))
    return tuple(round(i * step, places) + 0.0 for i in range(first, last + 1))


def linear_scale(
    values: Floats, start: float, end: float, *, most: int = 6, tight: bool = False, zero: bool = False
) -> Scale:
    """A linear scale over the finite values.

    The range ends at ticks, or at the data themselves with `tight`. `zero` takes zero into the range. A single value
    gets a range around it. Raises ValueError when nothing is finite.
    """
    low, high = _ends(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    # Below this the differences are rounding noise, and floating point cannot count ticks between them.
    largest = max(abs(low), abs(high))
    if high - low <= max(largest * 1e-9, _TINY):
        pad = largest * 0.1 if largest > _TINY else 1.0
        low, high = low - pad, high + pad
    step = nice_step(high - low, most)
    slack = 1e-6
    if tight:
        first, last = math.ceil(low / step - slack), math.floor(high / step + slack)
        return Scale(low, high, start, end, _multiples(first, last, step))
    first, last = math.floor(low / step + slack), math.ceil(high / step - slack)
    ticks = _multiples(first, last, step)
    return Scale(min(low, ticks[0]), max(high, ticks[-1]), start, end, ticks)


def log_scale(values: Floats, start: float, end: float, *, most: int = 6) -> Scale:
    """A logarithmic scale over the finite positive values; ticks at powers of ten, with room at 2 and 5."""
    low, high = _ends(np.where(np.asarray(values, dtype=np.float64) > 0, values, np.nan))
    if math.log10(high) - math.log10(low) < 1e-9:
        low, high = low / 2, high * 2
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    within: list[float] = []
    for factors, stride in (((1, 2, 5), 1), *(((1,), stride) for stride in (1, 2, 3, 5, 10, 20, 40, 80))):
        every = [f * 10.0**e for e in range(first, last + 1) if e % stride == 0 for f in factors]
        within = [t for t in every if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(within) <= most:
            break
    if len(within) < 2 and high / low < 100:
        # Not even two round steps of range: equal distances say more than a lone power of ten.
        within = list(linear_scale(np.asarray([low, high]), 0, 1, most=most, tight=True).ticks)
    return Scale(low, high, start, end, tuple(within), log=True)


def _ends(values: Floats) -> tuple[float, float]:
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        raise ValueError("a scale needs at least one finite value")
    return float(finite.min()), float(finite.max())
