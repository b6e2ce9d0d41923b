"""Intervals: repeatable, of the stated coverage, paired; and the limits at which they are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.evaluate import resampling
from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.metrics import Accuracy, Auc, MacroF1
from acclimate.evaluate.outcomes import Outcomes
from acclimate.evaluate.resampling import Resampling


def outcomes(labels, scores):
    """Of scores [S, N, C], or [N, C] of one training."""
    return [Outcomes(labels, one) for one in (scores if np.ndim(scores) == 3 else scores[None])]


def interval(resampling, measure, labels, scores):
    return resampling.summarise(resampling.draw({"": measure}, outcomes(labels, scores))[""])


def paired_difference(resampling, measure, labels, *arms):
    return resampling.compare(*(resampling.draw({"": measure}, outcomes(labels, one))[""] for one in arms))


def _arms(num=200, seeds=3, classes=3, gain=0.0, seed=0):
    """Labels and the scores of an arm [S, N, C] that knows more or less."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, num)
    scores = rng.normal(size=(seeds, num, classes))
    scores[:, np.arange(num), labels] += 1 + gain
    return labels, scores


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    labels, scores = _arms()
    measure = MacroF1().build()
    first, second = (interval(Resampling(seed=1), measure, labels, scores) for _ in range(2))
    assert first == second
    other = interval(Resampling(seed=2), measure, labels, scores)
    assert other.value == first.value
    assert (other.low, other.high) != (first.low, first.high)


def test_the_memory_bound_does_not_change_the_numbers(monkeypatch):
    labels, scores = _arms()
    whole = interval(Resampling(resamples=200), Auc().build(), labels, scores)
    monkeypatch.setattr(resampling, "_CELLS", 7 * len(labels))
    pieces = interval(Resampling(resamples=200), Auc().build(), labels, scores)
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_an_interval_agrees_with_one_resample_after_the_other():
    labels, scores = _arms(num=50, seeds=1)
    bootstrap = Resampling(resamples=300, level=0.9, seed=5)
    rng = np.random.default_rng([5, 0])
    values = []
    for _ in range(300):
        drawn = rng.integers(0, 50, 50)
        values.append(float((scores[0][drawn].argmax(1) == labels[drawn]).mean()))
    got = interval(bootstrap, Accuracy().build(), labels, scores)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(11)
    held, runs, truth = 0, 300, 0.7
    for run in range(runs):
        right = rng.random(150) < truth
        scores = np.where(right, 1.0, -1.0)[:, None] * np.array([[-1.0, 1.0]])
        found = interval(Resampling(resamples=300, seed=run), Accuracy().build(), np.ones(150, int), scores)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / runs <= 0.985  # 95 % nominal; 3 standard errors are 4 points


def test_a_higher_level_is_wider():
    labels, scores = _arms()
    narrow, wide = (
        interval(Resampling(level=level), MacroF1().build(), labels, scores) for level in (0.8, 0.99)
    )
    assert wide.low < narrow.low <= narrow.value <= narrow.high < wide.high


def test_seeds_are_resampled_too():
    labels, scores = _arms(num=2000, seeds=1)
    worse = scores.copy()
    worse[:, np.arange(2000), labels] -= 1
    unsure = interval(Resampling(), Accuracy().build(), labels, np.concatenate([scores, worse]))
    sure = interval(Resampling(), Accuracy().build(), labels, np.concatenate([scores, scores]))
    assert unsure.high - unsure.low > 3 * (sure.high - sure.low)


def test_identical_arms_differ_by_nothing():
    labels, scores = _arms()
    found = paired_difference(Resampling(), MacroF1().build(), labels, scores, scores)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert found.with_ == found.without


def test_swapping_the_arms_turns_the_sign():
    labels, with_ = _arms(gain=0.3)
    _, without = _arms()
    measure = MacroF1().build()
    one = paired_difference(Resampling(), measure, labels, with_, without)
    other = paired_difference(Resampling(), measure, labels, without, with_)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.p_value == other.p_value
    assert one.with_ - one.without == pytest.approx(one.difference)


def test_pairing_sees_a_small_steady_gain_that_separate_intervals_cannot():
    labels, without = _arms(num=300)
    with_ = without.copy()
    mended = np.flatnonzero(without[0].argmax(1) != labels)[:12]
    with_[:, mended, labels[mended]] += 10
    measure = Accuracy().build()
    apart = [interval(Resampling(), measure, labels, arm) for arm in (with_, without)]
    assert apart[0].low < apart[1].high
    paired = paired_difference(Resampling(), measure, labels, with_, without)
    assert paired.low > 0
    assert paired.p_value < 0.01


def test_p_values_of_arms_that_do_not_differ_are_spread_evenly():
    values = []
    for run in range(120):
        labels, one = _arms(num=150, seeds=1, seed=2 * run)
        other = np.random.default_rng(10_000 + run).permuted(one, axis=0)
        rng = np.random.default_rng(run)
        other = rng.normal(size=one.shape)
        other[:, np.arange(150), labels] += 1
        found = paired_difference(Resampling(resamples=200, seed=run), Accuracy().build(), labels, one, other)
        values.append(found.p_value)
    assert 0 < np.mean(np.array(values) < 0.05) < 0.12
    assert 0.4 < np.mean(values) < 0.65


def test_the_p_value_never_claims_more_than_the_resamples_can_show():
    labels, with_ = _arms(gain=8)
    _, without = _arms(gain=-3)
    found = paired_difference(Resampling(resamples=100), Accuracy().build(), labels, with_, without)
    assert found.p_value == pytest.approx(2 / 101)


def test_a_metric_that_is_not_defined_has_no_interval():
    scores = np.random.default_rng(0).normal(size=(2, 10, 2))
    assert interval(Resampling(), Auc().build(), np.zeros(10, int), scores) is None
    assert paired_difference(Resampling(), Auc().build(), np.zeros(10, int), scores, scores) is None


def test_resamples_on_which_it_is_not_defined_are_left_out():
    labels = np.array([1] + [0] * 9)  # a third of the resamples has no positive example
    scores = np.random.default_rng(0).normal(size=(1, 10, 2))
    found = interval(Resampling(), Auc().build(), labels, scores)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_arms_of_other_seeds_cannot_be_paired():
    labels, scores = _arms()
    with pytest.raises(ValueError, match="3 and 2 seeds"):
        paired_difference(Resampling(), MacroF1().build(), labels, scores, scores[:2])


def test_a_ratio_is_resampled_as_a_ratio():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 20, 400).astype(float)
    sums = counts * 2 + rng.normal(size=400) * np.sqrt(counts)
    found = Resampling().ratio_interval(sums, counts)
    assert found.value == pytest.approx(sums.sum() / counts.sum())
    error = 1 / np.sqrt(counts.sum())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.2)
    exact = Resampling().ratio_interval(3 * counts, counts)
    assert (exact.low, exact.value, exact.high) == pytest.approx((3, 3, 3))


def test_windows_of_one_document_are_drawn_together():
    rng = np.random.default_rng(3)
    levels = np.repeat(rng.normal(size=30), 20)  # 30 documents of 20 windows that are alike
    alone = Resampling().ratio_interval(levels, np.ones(600))
    together = Resampling().ratio_interval(levels, np.ones(600), groups=np.repeat(np.arange(30), 20))
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > 3 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("sums", "counts"), [([], []), ([1.0], [0.0]), ([np.nan], [1.0]), ([1.0, 1.0], [3.0, -1.0])]
)
def test_a_ratio_of_nothing_is_refused(sums, counts):
    with pytest.raises(ValueError, match="finite sums and counts"):
        Resampling().ratio_interval(np.array(sums), np.array(counts))


def test_settings_reach_the_resampling_and_senseless_ones_are_refused():
    built = Bootstrap.model_validate({"resamples": "2k", "level": "90%", "seed": 4}).build()
    assert (built.resamples, built.level) == (2000, 0.9)
    labels, scores = _arms()
    same = interval(Resampling(resamples=2000, level=0.9, seed=4), MacroF1().build(), labels, scores)
    assert interval(built, MacroF1().build(), labels, scores) == same
    for wrong, message in (
        ({"resamples": 10}, "at least 100"),
        ({"level": 1}, "below 100%"),
        ({"level": 0.1}, "50%"),
    ):
        with pytest.raises(ValueError, match=message):
            Bootstrap.model_validate(wrong)
