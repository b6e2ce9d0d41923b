"""The mean of several tunings of one start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from acclimate.transfer.methods.phased import validated
from acclimate.transfer.methods.soup import _APART
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
