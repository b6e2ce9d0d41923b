"""Correlations and explained variance against scipy and scikit-learn, also under weights that repeat rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score

from acclimate.errors import UserError
from acclimate.evaluate.number_metrics import R2, Pearson, Spearman
from acclimate.evaluate.numbers import Numbers, details
from acclimate.evaluate.resampling import Resampling

ORACLES = {
    "pearson": lambda truth, given: stats.pearsonr(truth, given).statistic,
    "spearman": lambda truth, given: stats.spearmanr(truth, given).statistic,
    "r2": r2_score,
}
MEASURES = [one().build() for one in (Pearson, Spearman, R2)]


def numbers(seed: int, *, grid: int, number: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(true ones, given ones, weights [N, 5] of which every column has three examples at least), with ties."""
    rng = np.random.default_rng(seed)
    truth = np.round(rng.normal(size=number) * grid) / grid * 3 + 100
    given = np.round((truth - 100 + rng.normal(size=number)) * grid) / grid
    weights = rng.integers(0, 4, (number, 5)).astype(float)
    weights[:3] += 1
    truth[:3], given[:3] = [90, 100, 110], [-1, 0, 3]
    return truth, given, weights


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 1000]))
def test_integer_weights_are_repeated_rows_and_agree_with_the_references(seed, grid):
    truth, predicted, weights = numbers(seed, grid=grid)
    outcomes = Numbers(truth, predicted)
    for measure in MEASURES:
        plain = measure.over(outcomes.weigh())
        assert plain == pytest.approx(ORACLES[measure.name](truth, predicted), abs=1e-9)
        for found, column in zip(measure.over(outcomes.weigh(weights)), weights.T, strict=True):
            rows = np.repeat(np.arange(len(truth)), column.astype(int))
            want = ORACLES[measure.name](truth[rows], predicted[rows])
            assert found == pytest.approx(want, abs=1e-9), measure.name


def test_what_does_not_vary_has_no_correlation():
    tally = Numbers(np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 5.0])).weigh()
    assert np.isnan(MEASURES[0].over(tally)[0]) and np.isnan(MEASURES[1].over(tally)[0])
    flat = Numbers(np.array([0.1, 0.1, 0.1]), np.array([1.0, 2.0, 3.0])).weigh()
    assert all(np.isnan(measure.over(flat)[0]) for measure in MEASURES)


def test_an_interval_holds_the_figure_and_is_repeatable():
    truth, predicted, _ = numbers(3, grid=1000, number=200)
    draws = [
        Resampling(resamples=200).draw({one.name: one for one in MEASURES}, [Numbers(truth, predicted)])
    ] * 2
    for name in ORACLES:
        found = Resampling(resamples=200).summarise(draws[0][name])
        assert found is not None and found.low < found.value < found.high
        np.testing.assert_array_equal(draws[0][name].resampled, draws[1][name].resampled)


def test_numbers_that_are_not_finite_are_the_user_s_to_know():
    with pytest.raises(UserError, match="not finite for 1 test"):
        Numbers(np.array([1.0, 2.0]), np.array([1.0, np.nan]))


def test_details_show_the_largest_errors_first():
    told = details(["a", "b", "c"], Numbers(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 0.0])))
    assert [one["text"] for one in told["worst"]] == ["c", "a", "b"]
    assert told["worst"][0] == {"text": "c", "label": "3", "predicted": "0", "error": 3.0}
    by_rank = details(
        ["a", "b", "c"], Numbers(np.array([1.0, 2, 3]), np.array([0.1, 0.9, 0.5])), by_rank=True
    )
    assert {one["text"] for one in by_rank["worst"][:2]} == {"b", "c"}
