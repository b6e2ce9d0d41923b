"""A classical classifier in the head's place: folded exactly where it is linear, as arrays where it is a forest."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.families.llama import Llama
from acclimate.models.family import Vocabulary
from acclimate.models.forward import class_logits
from acclimate.models.loading import load_model
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.methods.features import Features
from acclimate.transfer.methods.fitted_heads import features_of
from acclimate.transfer.methods.heads_put_in import head_place
from acclimate.transfer.tuning import tune
from acclimate.transfer.vectors.vector_settings import Vector

FILES = {"train": "a.tsv", "test": "b.tsv"}
BIASLESS = {"gpt2": Gpt2, "llama": Llama}


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


@pytest.mark.parametrize("by", ["logistic", "svm"])
@pytest.mark.parametrize("family", BIASLESS)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_without_bias_stays_so_and_plain_transformers_answers_as_it(
    family: str, by: Any, classes: int, course: Callable[..., Any], tmp_path: Path
) -> None:
    settings = BIASLESS[family].model_validate({"size": next(iter(BIASLESS[family].sizes))})
    model = settings.build(
        vocabulary=Vocabulary(25, 0),
        seed=5,
        kind="classification",
        labels=Labels(("a", "b", "c", "d")[: classes + 1]),  # the last one is never seen
    )
    one = course(model, {"features": by}, classes=classes)
    train, held_out = (features_of(one, part, "score") for part in (one.train, one.validation))
    tune(one.how, model, one.train, one.validation, seed=9)
    fitted = Features(by=by).estimator(seed=9, balanced=False).set_params(fit_intercept=False)
    fitted.fit(train / train.std(0), one.train.objective.classes_of)
    expected, found = fitted.decision_function(held_out / train.std(0)), answers(model, one.validation)
    own = found[:, 1] - found[:, 0] if classes == 2 else found[:, :3]
    np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-3)
    assert (found.argmax(1) < classes).all()
    model.save_pretrained(tmp_path)
    plain, told = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    tokens = torch.from_numpy(one.validation.store._tokens.astype(np.int64)).view(-1, 6)
    with torch.no_grad():
        again = torch.cat([plain.eval()(row[None]).logits for row in tokens]).numpy()
    np.testing.assert_allclose(again, found, rtol=1e-3, atol=1e-3)


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


VECTORS = [
    {"pooling": "mean"},
    {"pooling": "max"},
    {"pooling": "cls", "layers": 2},
    {"layers": 2, "join": "mean"},
    {"layers": 2},
]


def vectors_by_transformers(model: Any, lesson: Any, pooling: str, layers: int, join: str) -> np.ndarray:
    """Of the sequences of a lesson, one by one, by the plain model's own hidden states."""
    found = []
    model.eval().set_attn_implementation("eager")
    for number in range(len(lesson.store.lengths)):
        tokens = lesson.store.fetch(np.array([number]), np.zeros(1, np.int64)).tokens
        with torch.no_grad():
            states = model.bert(torch.from_numpy(tokens)[None], output_hidden_states=True).hidden_states
        last = torch.stack(states[-layers:])[:, 0]
        rows = last.mean(0) if join == "mean" else torch.cat(list(last), dim=1)
        one = {"mean": rows.mean(0), "max": rows.amax(0), "cls": rows[0]}[pooling]
        found.append(one.numpy())
    return np.stack(found).astype(np.float64)


@pytest.mark.parametrize("by", ["logistic", "forest"])
@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_a_head_over_vectors_answers_as_scikit_learn_on_the_layers_outputs_and_is_kept(
    by: Any,
    vector: dict[str, Any],
    classifier: Callable[..., Any],
    course: Callable[..., Any],
    tmp_path: Path,
) -> None:
    model = classifier("tiny", classes=("a", "b", "c"))
    one = course(model, {"features": {"by": by, "vector": vector}}, classes=3)
    whole = {"pooling": "mean", "layers": 1, "join": "concat", **vector}
    train, held_out = (
        features_of(one, part, Vector(**vector).build()) for part in (one.train, one.validation)
    )
    plain = vectors_by_transformers(copy.deepcopy(model), one.train, **whole)
    np.testing.assert_allclose(train, plain, atol=1e-5)
    told = tune(one.how, model, one.train, one.validation, seed=9)
    labels = one.train.objective.classes_of
    fitted, found = Features(by=by).estimator(seed=9, balanced=False), answers(model, one.validation)
    if by == "forest":
        expected = np.maximum(fitted.fit(train, labels).predict_proba(held_out), 1e-4)
        np.testing.assert_allclose(np.exp(found), expected, atol=1e-6)
    else:
        mean, scale = train.mean(0), train.std(0)
        expected = fitted.fit((train - mean) / scale, labels).decision_function((held_out - mean) / scale)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert told.steps == 0 and np.isfinite(told.validation_loss)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path, "classification", seed=1)
    how = Classification.model_validate({**FILES, "transfer": {"features": {"by": by, "vector": vector}}})
    how.furnish(again, names=["a", "b", "c"], seed=0, source=tmp_path)
    np.testing.assert_allclose(answers(again, one.validation), found, atol=2e-5)  # other rows of a product
    scores = Classifying(untrained_tokenizer(25), num_classes=3, sequence_length=8).answers(
        again, Examples(["0"], ["a b"], None, np.zeros(1, np.int64)), precision="fp32", device="cpu"
    )
    assert scores["scores"].shape == (1, 3)


def test_a_vector_of_more_layers_than_there_are_is_refused() -> None:
    how = Features.model_validate({"vector": {"layers": 3}})
    how.require_blocks(3)
    with pytest.raises(UserError, match="the model has 2 layers, asked for the last 3"):
        how.require_blocks(2)


def test_texts_that_look_the_same_are_refused(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier("tiny")
    one = course(model, {"features": {"vector": {"pooling": "cls"}}})
    for layer in model.bert.encoder.layer:  # nothing comes from other tokens
        torch.nn.init.zeros_(layer.attention.output.dense.weight)
    one.train.store._tokens[::6] = 7
    with pytest.raises(UserError, match="all training texts look the same"):
        tune(one.how, model, one.train, one.validation, seed=9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transfer": {"features": {"by": "svm", "trees": 3}}}, "trees: goes with forest"),
        ({"transfer": {"features": {"by": "forest", "c": 3}}}, "c: goes with logistic and svm"),
        ({"transfer": "features", "multi_label": True}, "features: takes one class for each text"),
        (
            {"transfer": "features", "optimizer": {"adamw": {"overrides": [{"match": "no.*"}]}}},
            "overrides: features trains nothing by gradients; leave them out",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classification.model_validate({**FILES, **settings})


@pytest.mark.parametrize("vector", [None, {"pooling": "cls", "layers": 2}], ids=str)
def test_contrast_draws_classes_together_and_a_head_follows(
    vector: Any, classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier("tiny")
    one = course(model, {"contrast": {"length": "6 epochs", "then": {"features": {"vector": vector}}}})
    place: Any = head_place(model) if vector is None else Vector(**vector).build()

    def apart() -> float:
        vectors = torch.nn.functional.normalize(torch.from_numpy(features_of(one, one.train, place)))
        same = torch.from_numpy(one.train.objective.classes_of)
        alike = same[:, None] == same
        return float((vectors @ vectors.T)[alike].mean() - (vectors @ vectors.T)[~alike].mean())

    before = apart()
    told = tune(one.how, model, one.train, one.validation, seed=9)
    assert 15 < told.steps <= 30 and apart() > before + 0.1
    assert (answers(model, one.train).argmax(1) == one.train.objective.classes_of).mean() > 0.8
