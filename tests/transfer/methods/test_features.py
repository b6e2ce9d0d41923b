"""A classical classifier in the head's place: folded exactly where it is linear, as arrays where it is a forest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.models.forward import class_logits
from acclimate.models.loading import load_model
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.methods.features import Features
from acclimate.transfer.methods.fitted_heads import features_of, head_place
from acclimate.transfer.tuning import tune

FILES = {"train": "a.tsv", "test": "b.tsv"}


def answers(model: Any, lesson: Any) -> np.ndarray:
    ids = np.arange(len(lesson.store.lengths))
    with torch.no_grad():
        batch = lesson.objective.prepare(lesson.store.fetch(ids, np.zeros_like(ids)))
        return class_logits(model.eval(), batch).numpy()


@pytest.mark.parametrize("by", ["logistic", "svm"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_head_is_folded_exactly(
    by: Any, classes: int, classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier("tiny", classes=("a", "b", "c")[:classes])
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    one = course(model, {"features": by}, classes=classes)
    place = head_place(model)
    train, held_out = (features_of(one, part, place) for part in (one.train, one.validation))
    tune(one.how, model, one.train, one.validation, seed=9)
    mean, scale = train.mean(0), train.std(0)
    fitted = Features(by=by).estimator(seed=9, balanced=False)
    fitted.fit((train - mean) / scale, one.train.objective.classes_of)
    expected = fitted.decision_function((held_out - mean) / scale)
    found = answers(model, one.validation)
    if classes == 2:
        found = found[:, 1] - found[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (not name.startswith("classifier.")), name


def test_a_forest_answers_as_scikit_learn_and_is_kept_as_arrays(
    classifier: Callable[..., Any], course: Callable[..., Any], tmp_path: Path
) -> None:
    model = classifier("tiny", classes=("a", "b", "c"))
    one = course(model, {"features": {"by": "forest", "trees": 7}}, classes=3)
    place = head_place(model)
    train, held_out = (features_of(one, part, place) for part in (one.train, one.validation))
    told = tune(one.how, model, one.train, one.validation, seed=9)
    fitted = Features(by="forest", trees=7).estimator(seed=9, balanced=False)
    expected = fitted.fit(train, one.train.objective.classes_of).predict_proba(held_out)
    found = answers(model, one.validation)
    np.testing.assert_allclose(np.exp(found), np.maximum(expected, 1e-4), atol=1e-6)
    assert told.steps == 0 and np.isfinite(told.validation_loss)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path, "classification")
    how = Classification.model_validate({**FILES, "transfer": {"features": {"by": "forest"}}})
    how.furnish(again, names=["a", "b", "c"], seed=0, source=tmp_path)
    np.testing.assert_array_equal(answers(again, one.validation), found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transfer": {"features": {"by": "svm", "trees": 3}}}, "trees: goes with forest"),
        ({"transfer": {"features": {"by": "forest", "c": 3}}}, "c: goes with logistic and svm"),
        ({"transfer": "features", "multi_label": True}, "features: takes one class for each text"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classification.model_validate({**FILES, **settings})


def test_contrast_draws_classes_together_and_a_head_follows(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier("tiny")
    one = course(model, {"contrast": {"length": "6 epochs"}})
    place = head_place(model)

    def apart() -> float:
        vectors = torch.nn.functional.normalize(torch.from_numpy(features_of(one, one.train, place)))
        same = torch.from_numpy(one.train.objective.classes_of)
        alike = same[:, None] == same
        return float((vectors @ vectors.T)[alike].mean() - (vectors @ vectors.T)[~alike].mean())

    before = apart()
    told = tune(one.how, model, one.train, one.validation, seed=9)
    assert told.steps == 30 and apart() > before + 0.1
    assert (answers(model, one.train).argmax(1) == one.train.objective.classes_of).mean() > 0.8
