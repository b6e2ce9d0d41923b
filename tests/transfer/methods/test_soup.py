"""The mean of several tunings of one start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from acclimate.transfer.methods.phased import validated
from acclimate.transfer.methods.soup import _APART, Soup
from acclimate.transfer.tuning import tune


def test_a_uniform_soup_is_the_mean_of_its_ingredients(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    alone = []
    for number in range(2):
        model = classifier("tiny")
        one = course(model, "full", length="2 epochs")
        tune(one.how, model, one.train, one.validation, seed=9 + number * _APART)
        alone.append(dict(model.state_dict()))
    model = classifier("tiny")
    one = course(model, {"soup": {"models": 2, "by": "uniform"}}, length="2 epochs")
    told = tune(one.how, model, one.train, one.validation, seed=9)
    for name, found in model.state_dict().items():
        torch.testing.assert_close(found, (alone[0][name] + alone[1][name]) / 2)
    assert told.steps == 20
    assert told.validation_loss == validated(replace(one, seed=9)).loss


def test_a_greedy_soup_is_no_worse_than_its_best_ingredient(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    losses = []
    for number in range(3):
        model = classifier("tiny")
        one = course(model, "full", length="2 epochs")
        losses.append(
            tune(one.how, model, one.train, one.validation, seed=9 + number * _APART).validation_loss
        )
    model = classifier("tiny")
    one = course(model, "soup", length="2 epochs")
    assert tune(one.how, model, one.train, one.validation, seed=9).validation_loss <= min(losses)


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ({"features": "forest"}, "a forest has no mean"),
        ({"features": {"vector": {"pooling": "mean"}}}, "a head over a `vector` is not the model's own"),
        ("features", "all would be the same"),
        ({"reinitialise": {"then": {"features": "svm"}}}, "all would be the same"),
        ({"contrast": {"then": {"features": "forest"}}}, "a forest has no mean"),
    ],
)
def test_heads_without_a_mean_are_refused(then: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Soup.model_validate({"models": 2, "then": then})


def test_heads_that_are_fitted_after_a_contrast_have_a_mean(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier("tiny")
    one = course(model, {"soup": {"models": 2, "by": "uniform", "then": "contrast"}}, length="1 epochs")
    assert tune(one.how, model, one.train, one.validation, seed=9).validation_loss > 0
