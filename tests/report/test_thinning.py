from __future__ import annotations

import time

import numpy as np

from acclimate.report.thinning import pieces, smoothed


def test_few_points_are_kept_as_they_are() -> None:
    x, y = np.arange(10.0) * 20, np.arange(10.0) ** 2
    ((px, py),) = pieces(x, y)
    assert np.array_equal(px, x) and np.array_equal(py, y)


def test_spikes_stay_among_hundreds_of_thousands_of_points() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=400_000)
    y[123_456], y[300_001] = 50.0, -40.0
    x = np.linspace(0, 700, len(y))
    began = time.perf_counter()
    ((px, py),) = pieces(x, y)
    assert time.perf_counter() - began < 2
    assert len(px) <= 4 * 701
    assert py.max() == 50 and py.min() == -40
    assert (np.diff(px) >= 0).all()
    # In every column the same lowest and highest value as in all points: the same pixels.
    for column in range(700):
        of_all, of_kept = y[np.floor(x) == column], py[np.floor(px) == column]
        assert (of_all.min(), of_all.max()) == (of_kept.min(), of_kept.max())
        assert (of_all[0], of_all[-1]) == (of_kept[0], of_kept[-1])


def test_gaps_break_the_line() -> None:
    y = np.array([1.0, 2, np.nan, 4, np.inf, 6, np.nan])
    parts = pieces(np.arange(7.0) * 30, y)
    assert [part[1].tolist() for part in parts] == [[1, 2], [4], [6]]


def test_among_thinned_points_only_gaps_that_can_be_seen_break_it() -> None:
    y = np.ones(100_000)
    y[::3] = np.nan
    y[50_000:60_000] = np.nan
    parts = pieces(np.linspace(0, 500, len(y)), y)
    assert len(parts) == 2
    assert parts[0][0][-1] < 251 and parts[1][0][0] > 299


def test_nothing_finite_gives_nothing() -> None:
    assert pieces(np.arange(3.0), np.full(3, np.nan)) == []
    assert pieces(np.empty(0), np.empty(0)) == []


def test_smoothing_is_a_centred_mean_that_steps_over_gaps() -> None:
    y = np.array([1.0, 3, np.nan, 5, 7])
    assert np.allclose(smoothed(y, 3), [2, 2, np.nan, 6, 6], equal_nan=True)
    assert np.array_equal(smoothed(np.array([1.0, 2]), 0), [1, 2])
    long = np.random.default_rng(1).normal(size=501)
    assert np.allclose(smoothed(long, 51)[250], long[225:276].mean())
