from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acclimate.report.scales import linear_scale, log_scale, nice_step

finite = st.floats(-1e12, 1e12, allow_nan=False)


def is_nice(step: float) -> bool:
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    return min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-6


@given(st.lists(finite, min_size=1, max_size=20), st.integers(3, 10), st.booleans(), st.booleans())
@example([0.0, 5e-324], 3, False, False)
@settings(max_examples=300, deadline=None)
def test_linear_scale(values: list[float], most: int, tight: bool, zero: bool) -> None:
    scale = linear_scale(np.asarray(values), 100, 20, most=most, tight=tight, zero=zero)
    places = scale(np.asarray(values))
    assert (places >= 20 - 1e-3).all() and (places <= 100 + 1e-3).all()
    order = np.argsort(values)
    assert (np.diff(places[order]) <= 1e-9).all()  # the axis is turned round: larger values stand higher up
    assert 1 <= len(scale.ticks) <= most + 2
    gaps = np.diff(scale.ticks)
    assert len(gaps) == 0 or is_nice(gaps[0])
    assert np.allclose(gaps, gaps[:1], rtol=1e-6, atol=1e-12)
    if not tight:
        # A value that passes a tick by less than anyone could see does not open another step.
        assert scale.ticks[0] - scale.low <= 1e-5 * gaps[0] and scale.high - scale.ticks[-1] <= 1e-5 * gaps[0]
        assert scale.low <= scale.ticks[0] and scale.high >= scale.ticks[-1]
    if zero:
        assert scale.low <= 0 <= scale.high


def test_ticks_are_the_round_numbers_one_would_choose() -> None:
    assert linear_scale(np.array([0.0, 900]), 0, 1, most=10, tight=True).ticks == tuple(range(0, 901, 100))
    assert linear_scale(np.array([0.651, 0.809]), 0, 1, most=4).ticks == (0.65, 0.7, 0.75, 0.8, 0.85)
    assert linear_scale(np.array([0.1, 0.3]), 0, 1, most=2).ticks == (0.1, 0.2, 0.3)
    assert [nice_step(1.0, n) for n in (1, 2, 3, 5, 10)] == [1, 0.5, 0.5, 0.2, 0.1]


@pytest.mark.parametrize("value", [0.0, 3.3, -7.0, 1e-30, 1e15, 5e-324])
def test_a_constant_gets_a_range_around_it(value: float) -> None:
    scale = linear_scale(np.full(5, value), 0, 100)
    assert scale.low < value < scale.high
    assert len(scale.ticks) >= 2


def test_nothing_finite_is_refused() -> None:
    for values in ([], [math.nan], [math.inf, -math.inf]):
        with pytest.raises(ValueError, match="at least one finite"):
            linear_scale(np.asarray(values), 0, 1)
    with pytest.raises(ValueError, match="at least one finite"):
        log_scale(np.asarray([0.0, -1.0]), 0, 1)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.integers(3, 8))
@settings(max_examples=300, deadline=None)
def test_log_scale(one: float, other: float, most: int) -> None:
    scale = log_scale(np.asarray([one, other]), 0, 100, most=most)
    ends = scale(np.asarray([min(one, other), max(one, other)]))
    assert -1e-6 <= ends[0] <= ends[1] <= 100 + 1e-6
    assert 1 <= len(scale.ticks) <= most + 1
    assert all(scale.low * (1 - 1e-6) <= tick <= scale.high * (1 + 1e-6) for tick in scale.ticks)
    assert list(scale.ticks) == sorted(scale.ticks)


def test_log_ticks_are_decades_over_a_wide_range_and_fill_in_a_narrow_one() -> None:
    assert log_scale(np.array([1e-3, 1e3]), 0, 1, most=7).ticks == pytest.approx(
        [10.0**e for e in range(-3, 4)]
    )
    assert log_scale(np.array([1.0, 60.0]), 0, 1, most=7).ticks == pytest.approx([1, 2, 5, 10, 20, 50])
    assert np.isnan(log_scale(np.array([1.0, 10.0]), 0, 1)(np.array([math.nan]))).all()
