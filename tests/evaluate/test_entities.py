"""Entity F1 against seqeval."""

from __future__ import annotations

import numpy as np
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score

from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.entities import EntityCounts

TAGS = ["O", "B-question", "I-question", "B-答案", "I-答案", "B-header", "I-header"]


def drawn(seed: int, number: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.choice(TAGS, rng.integers(0, 30)).tolist() for _ in range(number)]


def test_figures_equal_those_of_seqeval() -> None:
    truth = drawn(0, 60)
    rng = np.random.default_rng(1)
    guess = [[tag if rng.random() < 0.8 else str(rng.choice(TAGS)) for tag in one] for one in truth]
    counts = EntityCounts.of(truth, guess)
    assert counts.f1 == pytest.approx(f1_score(truth, guess))
    assert counts.precision == pytest.approx(precision_score(truth, guess))
    assert counts.recall == pytest.approx(recall_score(truth, guess))
    interval = counts.interval(Bootstrap(resamples=200).build())
    assert interval.value == counts.f1 and interval.low < counts.f1 < interval.high


def test_borders_and_labels_must_both_be_right() -> None:
    truth = [["B-a", "I-a", "O", "B-b"]]
    assert EntityCounts.of(truth, truth).f1 == 1
    assert EntityCounts.of(truth, [["B-a", "O", "O", "B-b"]]).f1 == 0.5
    assert EntityCounts.of(truth, [["B-b", "I-b", "O", "B-b"]]).f1 == 0.5
    nothing = EntityCounts.of(truth, [["O"] * 4])
    assert (nothing.f1, nothing.precision, nothing.recall) == (0, 0, 0)
    assert EntityCounts.of([[]], [[]]).f1 == 0
    with pytest.raises(ValueError, match="4 tags and 1 predicted"):
        EntityCounts.of(truth, [["O"]])
