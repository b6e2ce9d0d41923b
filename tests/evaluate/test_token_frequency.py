"""The floor: what token frequencies alone lose."""

from __future__ import annotations

import math

import numpy as np
import pytest

from acclimate.evaluate import token_frequency
from acclimate.evaluate.token_frequency import frequency_losses


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_each_token_costs_what_its_frequency_says(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(token_frequency, "_CHUNK", chunk)
    train = np.array([0, 0, 0, 1, 1, 2], dtype=np.uint16)
    held_out, offsets = np.array([0, 3, 1], dtype=np.uint16), np.array([0, 2, 2, 3])
    sums, counts = frequency_losses(train, held_out, offsets, 4)
    cost = {token: -math.log(seen / 10) for token, seen in {0: 4, 1: 3, 2: 2, 3: 1}.items()}
    assert sums == pytest.approx([cost[0] + cost[3], 0, cost[1]])
    assert counts.tolist() == [2, 0, 1]


def test_on_the_training_text_itself_it_tends_to_the_entropy() -> None:
    tokens = np.random.default_rng(0).choice(5, 100_000, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    shares = np.bincount(tokens) / len(tokens)
    sums, counts = frequency_losses(tokens, tokens, np.array([0, len(tokens)]), 5)
    assert sums[0] / counts[0] == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-6)
