"""Cuts between words."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.batching.word_windows import word_windows


@pytest.mark.parametrize("seed", range(20))
def test_windows_fill_up_evenly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.random(300) < 0.5
    first[0] = True
    room = int(rng.integers(8, 80))
    lengths = word_windows(first, room)
    assert sum(lengths) == 300 and max(lengths) <= room and min(lengths) > 0
    starts = np.cumsum(lengths)[:-1]
    assert first[starts].all() or room < 16
    assert len(lengths) <= -(-300 // room) + 3


def test_a_word_longer_than_a_window_is_cut_itself() -> None:
    first = np.zeros(25, bool)
    first[0] = True
    assert word_windows(first, 10) == [9, 8, 8]
