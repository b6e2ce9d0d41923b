"""Whether pretraining on the domain helped, as figures and as one plain sentence."""

from __future__ import annotations

from typing import Any

from acclimate.evaluate.measures import Measure
from acclimate.evaluate.resampling import Difference


def state(measure: Measure, found: Difference, *, seeds: int, level: float) -> dict[str, Any]:
    """The verdict as it stands in evaluation.json."""
    return {
        "metric": measure.name,
        "with": found.with_,
        "without": found.without,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "seeds": seeds,
        "p_value": found.p_value,
        "statement": sentence(measure.title, found, seeds=seeds, level=level),
    }


def sentence(title: str, found: Difference, *, seeds: int, level: float) -> str:
    """What a reader is told. An interval that holds 0 shows no effect, whichever way the difference points."""
    low, high, size = found.low, found.high, abs(found.difference)
    digits = _digits(low, high, size)
    ends = f"{_signed(low, digits)} to {_signed(high, digits)}"
    if low <= 0 <= high:
        change = f"{'+' if found.difference > 0 else ''}{_signed(found.difference, digits)}"
        return (
            f"No effect shown: with domain pretraining {title} changed by {change} "
            f"({_percent(level)} interval {ends}, {_seeds(seeds)})."
        )
    verb = "raised" if low > 0 else "lowered"
    if low < 0:
        ends = f"{-high:.{digits}f} to {-low:.{digits}f}"  # "lowered by" turns the sign of all three numbers
    return (
        f"Domain pretraining {verb} {title} by {size:.{digits}f} "
        f"({_percent(level)} interval {ends}, {_seeds(seeds)})."
    )


def _digits(*values: float) -> int:
    """Decimals: three, or more where three would show a number that is not 0 as 0."""
    digits = 3
    while digits < 6 and any(value and not round(value, digits) for value in values):
        digits += 1
    return digits


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.000"


def _percent(level: float) -> str:
    return f"{level * 100:.10g} %"


def _seeds(seeds: int) -> str:
    return f"{seeds} seed" + ("s" if seeds != 1 else "")
