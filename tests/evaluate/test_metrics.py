"""Every metric against scikit-learn, with and without weights, on labels of one and of several at once."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from acclimate.evaluate import metrics as ours
from acclimate.evaluate.outcomes import Outcomes
from acclimate.recipe.registry import registry
from acclimate.transfer.classes.classification import Classification

ALL = [registry.get("metric", name)().build() for name in Classification.measured_by]


def _cases(max_classes: int = 5, multi_label: bool = False):
    """(labels, scores, weights) with ties among the scores and classes that may be missing."""

    @st.composite
    def case(draw):
        num, classes = draw(st.integers(1, 25)), draw(st.integers(2, max_classes))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        grid = draw(
            st.sampled_from([1, 4, 1024])
        )  # powers of two: differences of scores are exact, so are ties
        scores = np.round(rng.normal(size=(num, classes)) * grid) / grid
        labels = rng.integers(0, 2, (num, classes)) if multi_label else rng.integers(0, classes, num)
        weights = rng.integers(0, 4, num).astype(float) if draw(st.booleans()) else rng.uniform(0.1, 3, num)
        weights[draw(st.integers(0, num - 1))] = 1.0
        return labels, scores, weights

    return case()


def _expected(name: str, labels, predicted, classes: int, weights) -> float:
    if name == "accuracy":
        return float(sk.accuracy_score(labels, predicted, sample_weight=weights))
    if name == "mcc":
        several = np.ndim(labels) == 2
        return np.nan if several else float(sk.matthews_corrcoef(labels, predicted, sample_weight=weights))
    if name == "f1":
        second = labels[:, 1] if np.ndim(labels) == 2 else labels == 1
        said = predicted[:, 1] if np.ndim(labels) == 2 else predicted == 1
        found = sk.f1_score(second, said, zero_division=0, sample_weight=weights)
        return float(found) if classes == 2 else np.nan
    average, kind = name.split("_")
    function = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}[kind]
    options = {"average": average, "zero_division": 0, "sample_weight": weights, "labels": range(classes)}
    return float(function(labels, predicted, **options))


@settings(max_examples=60, deadline=None)
@given(_cases(), st.booleans())
def test_single_label_agrees_with_sklearn(case, weighted):
    labels, scores, weights = case
    weights = weights if weighted else None
    for measure in ALL:
        if measure.name != "auc":
            want = _expected(measure.name, labels, scores.argmax(1), scores.shape[1], weights)
            assert measure.value(labels, scores, weights) == pytest.approx(want, abs=1e-9, nan_ok=True), (
                measure.name
            )


@settings(max_examples=60, deadline=None)
@given(_cases(multi_label=True), st.booleans())
def test_multi_label_agrees_with_sklearn(case, weighted):
    labels, scores, weights = case
    weights = weights if weighted else None
    for measure in ALL:
        if measure.name != "auc":
            want = _expected(measure.name, labels, (scores >= 0).astype(int), scores.shape[1], weights)
            assert measure.value(labels, scores, weights) == pytest.approx(want, abs=1e-9, nan_ok=True), (
                measure.name
            )


@settings(max_examples=60, deadline=None)
@given(_cases(max_classes=2), st.booleans())
def test_binary_auc_agrees_with_sklearn(case, weighted):
    labels, scores, weights = case
    used = weights if weighted else np.ones(len(labels))
    value = ours.Auc().build().value(labels, scores, weights if weighted else None)
    if all(used[labels == side].sum() > 0 for side in (0, 1)):
        want = sk.roc_auc_score(labels, scores[:, 1] - scores[:, 0], sample_weight=used)
        assert value == pytest.approx(want, abs=1e-9)
    else:
        assert np.isnan(value)


@settings(max_examples=60, deadline=None)
@given(_cases(), st.booleans(), st.booleans())
def test_auc_of_many_classes_is_the_mean_of_the_curves_that_exist(case, weighted, multi_label):
    labels, scores, weights = case
    weights = weights if weighted else np.ones(len(labels))
    classes = scores.shape[1]
    if multi_label:
        truth = np.random.default_rng(len(labels)).integers(0, 2, scores.shape)
        given_labels, ranks = truth, scores
    else:
        scores = np.random.default_rng(len(labels)).normal(size=(len(labels), classes + 1))  # at least three
        labels, truth = labels, np.eye(classes + 1, dtype=int)[labels]
        probabilities = np.exp(scores)
        given_labels, ranks = labels, probabilities / probabilities.sum(1, keepdims=True)
    areas = [
        sk.roc_auc_score(column, rank, sample_weight=weights)
        for column, rank in zip(truth.T, ranks.T, strict=True)
        if weights[column == 1].sum() > 0 and weights[column == 0].sum() > 0
    ]
    value = ours.Auc().build().value(given_labels, scores, weights)
    if areas:
        assert value == pytest.approx(np.mean(areas), abs=1e-9)
    else:
        assert np.isnan(value)


def test_auc_over_all_classes_is_sklearns_one_vs_rest():
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 4, 200), rng.normal(size=(200, 4))
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    want = sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert ours.Auc().build().value(labels, scores) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("measure", ALL, ids=lambda one: one.name)
def test_many_weightings_at_once_equal_one_at_a_time(measure):
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 3, 40), rng.normal(size=(40, 3))
    weights = rng.integers(0, 3, (7, 40))
    one_by_one = [measure.value(labels, scores, row) for row in weights]
    np.testing.assert_allclose(measure.values(labels, scores, weights), one_by_one, atol=1e-12)


@pytest.mark.parametrize("measure", ALL, ids=lambda one: one.name)
def test_a_weight_of_two_is_the_example_twice(measure):
    rng = np.random.default_rng(2)
    labels, scores = rng.integers(0, 3, 30), rng.normal(size=(30, 3)).round(1)
    counts = rng.integers(0, 4, 30)
    repeated = np.repeat(np.arange(30), counts)
    assert measure.value(labels, scores, counts) == pytest.approx(
        measure.value(labels[repeated], scores[repeated]), nan_ok=True
    )


def test_classes_without_both_sides_are_left_out_of_auc_and_counted():
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[2.0, 1, 0], [1, 2, 0], [0, 2, 1], [1, 2, 1]])
    assert Outcomes(labels, scores).curves.left_out == 1  # class 2 has no example
    assert Outcomes(np.zeros(4, int), scores).curves.left_out == 3


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [[0.0, 1.0]], "do not fit"),
        ([0, 2], [[0.0, 1.0], [0.0, 1.0]], "class ids"),
        ([0, -1], [[0.0, 1.0], [0.0, 1.0]], "class ids"),
        ([0, 1], [[0.0, np.nan], [0.0, 1.0]], "1 examples have scores that are not finite"),
        ([[0, 2]], [[0.0, 1.0]], "0 or 1"),
        ([], np.zeros((0, 2)), "do not fit"),
    ],
)
def test_impossible_input_is_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        Outcomes(np.array(labels), np.array(scores))


def test_every_metric_is_listed_and_named_as_it_is_registered():
    assert {one.name for one in ALL} == set(Classification.measured_by)
    for name in registry.names("metric"):
        built = registry.get("metric", name)().build().name
        assert built == name or built.startswith(f"{name}_")  # such as recall_at_5


def test_no_warning_where_everything_is_undefined():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for measure in ALL:
            measure.values(np.zeros(5, int), np.eye(5, 3), np.zeros((2, 5)))


def test_a_thousand_resamples_of_ten_thousand_examples_are_quick():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 20, 10_000), rng.normal(size=(10_000, 20))
    weights = rng.multinomial(50, np.full(10_000, 1e-4), size=1000)
    start = time.process_time()
    ours.MacroF1().build().values(labels, scores, weights)
    ours.Auc().build().values(labels, scores, weights)
    assert time.process_time() - start < 8  # about 0.5 s alone; a pass per resample takes minutes


def test_the_loss_is_torch_s():
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    scores = np.random.default_rng(2).normal(size=(7, 3)) * 50
    classes, several = np.arange(7) % 3, (np.arange(21) % 2).reshape(7, 3)
    one = cross_entropy(torch.from_numpy(scores), torch.from_numpy(classes))
    many = binary_cross_entropy_with_logits(torch.from_numpy(scores), torch.from_numpy(several).double())
    assert Outcomes(classes, scores).loss == pytest.approx(float(one))
    assert Outcomes(several, scores).loss == pytest.approx(float(many))
