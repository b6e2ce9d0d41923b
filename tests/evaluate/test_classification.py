from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.classification import details, example_losses
from acclimate.evaluate.judging import judge
from acclimate.evaluate.metrics import Accuracy, Auc, MacroF1
from acclimate.evaluate.outcomes import Outcomes

NAMES = ["体育", "财经", "科技"]


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 120)
    scores = rng.normal(size=(2, 3, 120, 3)).astype(np.float32)
    scores[:, :, np.arange(120), targets] += np.array([2.0, 0.5])[:, None, None]
    return targets, scores[0], scores[1]


def _evaluate(targets, with_, without, *, names=NAMES, texts=None, delivered=1, **changes):
    given = {
        "task": "topic",
        "with_": [Outcomes(targets, one) for one in with_],
        "without": None if without is None else [Outcomes(targets, one) for one in without],
        "metrics": [Accuracy(), MacroF1(), Auc()],
        "verdict_metric": MacroF1(),
        "interval": Bootstrap(resamples=200),
        "accounting": {"read": 120, "kept": 120, "dropped": {}},
    }
    evaluation = judge(**(given | changes))
    texts = texts or [f"标题 {number}" for number in range(len(targets))]
    evaluation |= details(names, texts, given["with_"][delivered])
    json.dumps(evaluation, allow_nan=False)
    return evaluation


def test_everything_that_is_promised_is_there(scored):
    targets, with_, without = scored
    found = _evaluate(targets, with_, without)
    assert set(found["test"]) == set(found["baseline_test"]) == {"accuracy", "macro_f1", "auc"}
    for figure in found["test"].values():
        assert figure["low"] <= figure["value"] <= figure["high"]
    per_seed = [MacroF1().build().value(targets, one) for one in with_]
    assert found["per_seed"]["with"] == pytest.approx(per_seed)
    assert found["test"]["macro_f1"]["value"] == pytest.approx(np.mean(per_seed))
    verdict = found["verdict"]
    assert verdict["with"] == pytest.approx(found["test"]["macro_f1"]["value"])
    assert verdict["without"] == pytest.approx(found["baseline_test"]["macro_f1"]["value"])
    assert verdict["seeds"] == 3
    assert verdict["low"] > 0
    assert verdict["statement"].startswith("Domain pretraining raised macro-F1 by ")
    assert (found["task"], found["labels"], found["multi_label"], found["notes"]) == (
        "topic",
        NAMES,
        False,
        [],
    )


def test_confusion_and_classes_are_the_delivered_models(scored):
    targets, with_, without = scored
    found = _evaluate(targets, with_, without, delivered=2)
    assert found["confusion"] == confusion_matrix(targets, with_[2].argmax(1), labels=range(3)).tolist()
    assert found["confusion"] != confusion_matrix(targets, with_[1].argmax(1), labels=range(3)).tolist()
    assert [row["support"] for row in found["per_class"]] == np.bincount(targets).tolist()
    matrix = np.array(found["confusion"])
    assert [row["recall"] for row in found["per_class"]] == pytest.approx(np.diag(matrix) / matrix.sum(1))
    assert [row["precision"] for row in found["per_class"]] == pytest.approx(np.diag(matrix) / matrix.sum(0))


def test_the_worst_are_errors_with_the_highest_loss_first(scored):
    targets, with_, without = scored
    found = _evaluate(targets, with_, without)
    logits = with_[1].astype(float)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    losses = -np.log(probabilities[np.arange(120), targets])
    wrong = [index for index in np.argsort(-losses) if logits[index].argmax() != targets[index]][:20]
    assert [one["text"] for one in found["worst"]] == [f"标题 {index}" for index in wrong]
    assert [one["loss"] for one in found["worst"]] == pytest.approx(losses[wrong])
    first = found["worst"][0]
    assert first["label"] == NAMES[targets[wrong[0]]] != first["predicted"]
    assert first["probability"] == pytest.approx(probabilities[wrong[0]].max())
    assert found["test_loss"] == pytest.approx(losses.mean())


def test_the_shown_examples_do_not_hang_on_the_model(scored):
    targets, with_, without = scored
    one, other = _evaluate(targets, with_, None), _evaluate(targets, without, None)
    assert [each["text"] for each in one["examples"]] == [each["text"] for each in other["examples"]]
    assert len(one["examples"]) == 20


def test_without_the_other_arm_there_is_no_verdict(scored):
    targets, with_, _ = scored
    found = _evaluate(targets, with_, None)
    assert found["verdict"] is None
    assert found["baseline_test"] is None
    assert found["per_seed"]["without"] == []


def test_the_verdicts_metric_is_always_measured(scored):
    targets, with_, without = scored
    found = _evaluate(targets, with_, without, metrics=[Accuracy()])
    assert set(found["test"]) == {"accuracy", "macro_f1"}


def test_an_area_that_cannot_be_had_is_absent_and_said(scored):
    targets, with_, without = scored
    found = _evaluate(np.zeros_like(targets), with_, without, verdict_metric=Auc())
    assert "auc" not in found["test"]
    assert found["verdict"] is None
    assert found["per_seed"]["with"] == [None] * 3
    assert any("AUC is left out" in note for note in found["notes"])
    assert any("no verdict" in note for note in found["notes"])
    some = _evaluate(np.minimum(targets, 1), with_, without)
    assert any("AUC leaves out 1 classes" in note for note in some["notes"])


def test_several_labels_at_once():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, (60, 3))
    scores = rng.normal(size=(2, 60, 3)) + 2 * targets - 1
    found = _evaluate(targets, scores, scores)
    assert found["confusion"] is None
    assert found["verdict"]["statement"].startswith("No effect shown")
    right = ((scores >= 0) == targets).all(2).mean()
    assert found["test"]["accuracy"]["value"] == pytest.approx(right)
    named = {one["label"] for one in found["examples"]}
    assert "(none)" in named
    assert any(", " in name for name in named)


def test_losses_of_several_labels_are_those_of_torch():
    import torch

    rng = np.random.default_rng(1)
    targets, scores = rng.integers(0, 2, (20, 3)), rng.normal(size=(20, 3)) * 30
    want = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(scores), torch.from_numpy(targets).double(), reduction="none"
    ).sum(1)
    np.testing.assert_allclose(example_losses(Outcomes(targets, scores)), want.numpy(), rtol=1e-9, atol=1e-12)


def test_long_texts_are_cut_where_they_are_shown(scored):
    targets, with_, without = scored
    found = _evaluate(targets, with_, without, texts=["长" * 5000] * 120)
    assert {len(one["text"]) for one in found["examples"]} == {500}


def test_parts_that_do_not_fit_are_our_own_bug(scored):
    targets, with_, without = scored
    with pytest.raises(ValueError, match="2 labels"):
        _evaluate(targets, with_, without, names=NAMES[:2])
