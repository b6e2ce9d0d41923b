from __future__ import annotations

import pytest

from acclimate.evaluate.resampling import Difference
from acclimate.evaluate.verdict import sentence


@pytest.mark.parametrize(
    ("difference", "seeds", "want"),
    [
        (
            Difference(0.834, 0.8, 0.034, 0.012, 0.055, 0.002),
            3,
            "Domain pretraining raised macro-F1 by 0.034 (95 % interval 0.012 to 0.055, 3 seeds).",
        ),
        (
            Difference(0.8, 0.834, -0.034, -0.055, -0.012, 0.002),
            1,
            "Domain pretraining lowered macro-F1 by 0.034 (95 % interval 0.012 to 0.055, 1 seed).",
        ),
        (
            Difference(0.81, 0.8, 0.01, -0.012, 0.03, 0.3),
            3,
            "No effect shown: with domain pretraining macro-F1 changed by +0.010 "
            "(95 % interval -0.012 to 0.030, 3 seeds).",
        ),
        (
            Difference(0.8, 0.8, 0.0, 0.0, 0.0, 1.0),
            2,
            "No effect shown: with domain pretraining macro-F1 changed by 0.000 "
            "(95 % interval 0.000 to 0.000, 2 seeds).",
        ),
        (
            Difference(0.8, 0.8, 0.0003, 0.0001, 0.0006, 0.01),
            3,
            "Domain pretraining raised macro-F1 by 0.0003 (95 % interval 0.0001 to 0.0006, 3 seeds).",
        ),
        (
            Difference(0.8, 0.9, -0.1, -0.2, 0.0, 0.06),
            3,
            "No effect shown: with domain pretraining macro-F1 changed by -0.100 "
            "(95 % interval -0.200 to 0.000, 3 seeds).",
        ),
    ],
)
def test_the_sentence_says_what_the_interval_shows(difference, seeds, want):
    assert sentence("macro-F1", difference, seeds=seeds, level=0.95) == want


def test_the_level_is_the_one_that_was_asked_for():
    said = sentence("AUC", Difference(0.8, 0.7, 0.1, 0.05, 0.2, 0.01), seeds=3, level=0.9)
    assert "90 % interval" in said
    assert "AUC" in said
