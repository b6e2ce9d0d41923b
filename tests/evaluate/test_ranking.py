"""Ranks of candidates and their figures, by hand, by brute force and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from acclimate.evaluate.grouped import Grouped
from acclimate.evaluate.rank_metrics import Mrr, RecallAt
from acclimate.evaluate.ranking import RankedOutcomes, ranks_within
from acclimate.evaluate.resampling import Resampling


def outcomes(labels, margin, questions) -> RankedOutcomes:
    margin, questions = np.asarray(margin, float), np.asarray(questions)
    scores = np.stack([np.zeros_like(margin), margin], axis=1)
    return RankedOutcomes(np.asarray(labels), scores, questions, ranks_within(margin, questions))


def test_ties_count_as_lost():
    assert ranks_within(np.zeros(4), np.array(["a", "a", "a", "b"])).tolist() == [3, 3, 3, 1]
    assert ranks_within(np.array([1, 3, 2, 3, 0]), np.array([7, 7, 7, 7, 1])).tolist() == [4, 2, 3, 2, 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_with_one_right_candidate_mrr_is_sklearns_ranking_precision(seed):
    rng = np.random.default_rng(seed)
    number, width = int(rng.integers(1, 8)), int(rng.integers(2, 6))
    margin = rng.integers(0, 4, (number, width)).astype(float)
    truth = np.eye(width, dtype=int)[rng.integers(0, width, number)]
    order = rng.permutation(number * width)
    questions = np.repeat(np.arange(number), width)[order]
    found = outcomes(truth.ravel()[order], margin.ravel()[order], questions)
    want = label_ranking_average_precision_score(truth, margin)
    assert Mrr().build().over(found.weigh())[0] == pytest.approx(want)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_several_right_ones_and_repeated_questions_as_by_brute_force(seed, k):
    rng = np.random.default_rng(seed)
    questions = rng.integers(0, 6, 30)
    labels, margin = rng.integers(0, 2, 30), rng.permutation(30).astype(float)
    labels[0] = 1
    grouped = Grouped(outcomes(labels, margin, questions), questions)
    names = np.unique(questions)
    weights = rng.integers(0, 3, (len(names), 1))
    weights[np.searchsorted(names, questions[0])] = 1
    reciprocal, recall, total = 0.0, 0.0, 0
    for name, weight in zip(names, weights[:, 0], strict=True):
        inside = np.flatnonzero(questions == name)
        inside = inside[np.argsort(-margin[inside])]
        right = np.flatnonzero(labels[inside]) + 1
        if len(right):
            reciprocal += weight / right[0]
            recall += weight * (right <= k).mean()
            total += weight
    tally = grouped.weigh(weights.astype(float))
    assert Mrr().build().over(tally)[0] == pytest.approx(reciprocal / total)
    assert RecallAt(k=k).build().over(tally)[0] == pytest.approx(recall / total)


def test_questions_are_drawn_whole():
    questions = np.repeat(np.arange(40), 5)
    labels = np.tile([1, 0, 0, 0, 0], 40)
    margin = np.where(questions % 2, labels, 1 - labels) * 1.0  # every second question is lost altogether
    grouped = Grouped(outcomes(labels, margin, questions), questions)
    assert grouped.num_examples == 40
    draws = Resampling(resamples=50).draw({"mrr": Mrr().build()}, [grouped])["mrr"]
    assert draws.points[0] == pytest.approx((1 + 1 / 5) / 2)
    values = (draws.resampled - 1 / 5) / (1 - 1 / 5) * 40
    np.testing.assert_allclose(values, np.round(values), atol=1e-9)


def test_questions_without_a_right_candidate_are_left_out_and_told():
    found = outcomes([1, 0, 0, 0], [2, 1, 5, 6], ["a", "a", "b", "b"])
    assert Mrr().build().over(found.weigh())[0] == 1
    assert "MRR and recall leave out 1 questions without a right candidate" in found.notes
    none = np.array([[0.0], [0.0], [1.0], [1.0]])
    assert np.isnan(Mrr().build().over(found.weigh(none))[0])
