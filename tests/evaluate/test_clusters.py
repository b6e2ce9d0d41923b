"""NMI and ARI against scikit-learn, also under weights that repeat rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from acclimate.evaluate.cluster_metrics import Ari, Nmi
from acclimate.evaluate.clusters import NOISE, Clusters, details
from acclimate.evaluate.resampling import Resampling

ORACLES = {"nmi": sk.normalized_mutual_info_score, "ari": sk.adjusted_rand_score}
MEASURES = [Nmi().build(), Ari().build()]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6))
def test_integer_weights_are_repeated_rows_and_agree_with_sklearn(seed, classes, clusters):
    rng = np.random.default_rng(seed)
    labels, found = rng.integers(0, classes, 25), rng.integers(-1, clusters, 25)
    weights = rng.integers(0, 3, (25, 4)).astype(float)
    weights[0] += 1
    outcomes = Clusters(labels, found)
    for measure in MEASURES:
        want = ORACLES[measure.name](labels, found)
        assert measure.over(outcomes.weigh())[0] == pytest.approx(want, abs=1e-9)
        for value, column in zip(measure.over(outcomes.weigh(weights)), weights.T, strict=True):
            rows = np.repeat(np.arange(25), column.astype(int))
            want = ORACLES[measure.name](labels[rows], found[rows])
            assert value == pytest.approx(want, abs=1e-9), measure.name


def test_names_of_clusters_do_not_matter_and_perfect_ones_reach_one():
    labels = np.array([0, 0, 1, 1, 2])
    for clusters in (labels, np.array([7, 7, 3, 3, NOISE])):
        assert [measure.over(Clusters(labels, clusters).weigh())[0] for measure in MEASURES] == [1, 1]


def test_details_name_each_cluster_by_its_commonest_class():
    outcomes = Clusters(np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, NOISE]))
    told = details(["sport", "天气"], list("abcde"), outcomes)
    assert [(one["cluster"], one["size"], one["label"]) for one in told["clusters"]] == [
        ("none", 1, "天气"),
        ("0", 3, "sport"),
        ("1", 1, "天气"),
    ]
    assert told["purity"] == pytest.approx(0.8)
    assert [one["text"] for one in told["worst"]] == ["c"]
    assert "2 clusters" in outcomes.notes and "20.0% of the texts are in none" in outcomes.notes


def test_an_interval_holds_its_own_figure():
    """Copies of a text are in one cluster, and of one class: by itself a resample agrees more than the test does."""
    rng = np.random.default_rng(3)
    labels, found = rng.integers(0, 12, 90), rng.integers(0, 12, 90)
    outcomes = [Clusters(labels, found)]
    intervals = Resampling(resamples=300)
    raised = {one.name: replace(one, centred=False) for one in MEASURES}
    plain, centred = (intervals.draw(of, outcomes) for of in (raised, {one.name: one for one in MEASURES}))
    assert intervals.summarise(plain["nmi"]).low > intervals.summarise(plain["nmi"]).value
    for name in ("nmi", "ari"):
        one = intervals.summarise(centred[name])
        assert one.low < one.value < one.high
        width = [np.ptp(np.quantile(draws[name].resampled, [0.025, 0.975])) for draws in (plain, centred)]
        assert width[0] == pytest.approx(width[1])
