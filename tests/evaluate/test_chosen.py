"""Accuracy of choices of different numbers, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.errors import UserError
from acclimate.evaluate.chosen import Chosen, details
from acclimate.evaluate.metrics import Accuracy


def test_accuracy_with_different_numbers_of_choices():
    outcomes = Chosen(np.array([1, 0, 2]), np.array([0.0, 1, 5, 6, 0, 0, 3]), np.array([2, 2, 3]))
    assert outcomes.predicted.tolist() == [1, 1, 2]
    measure = Accuracy().build()
    assert measure.over(outcomes.weigh())[0] == pytest.approx(2 / 3)
    weights = np.array([[1.0, 0], [3, 1], [0, 1]])
    assert measure.over(outcomes.weigh(weights)).tolist() == [0.25, 0.5]
    assert outcomes.notes == ["guessing would answer 44.4% rightly"]


def test_details_show_choices_and_the_most_surprising_errors():
    outcomes = Chosen(np.array([1, 0, 0]), np.array([0.0, 1, 5, 6, 0, 0, 3]), np.array([2, 2, 3]))
    told = details(["q1", "q2", "问"], [["a", "b"], ["c", "d"], ["甲", "乙", "丙"]], outcomes)
    assert [(one["text"], one["label"], one["predicted"]) for one in told["worst"]] == [
        ("问", "甲", "丙"),
        ("q2", "c", "d"),
    ]
    assert told["worst"][1]["probability"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert len(told["examples"]) == 3 and np.isfinite(told["test_loss"])


def test_scores_that_are_not_finite_or_do_not_fit():
    with pytest.raises(UserError, match="not finite for 1 choices"):
        Chosen(np.array([0]), np.array([0.0, np.inf]), np.array([2]))
    with pytest.raises(ValueError, match="do not fit"):
        Chosen(np.array([2]), np.array([0.0, 1]), np.array([2]))
