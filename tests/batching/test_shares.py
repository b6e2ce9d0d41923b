"""Sharing a step's sequences: each goes to one rank, and no rank gets much more than another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.batching.shares import share


@given(st.lists(st.integers(1, 512), min_size=1, max_size=60), st.integers(1, 7))
def test_every_sequence_goes_to_one_rank_and_none_is_overladen(lengths: list[int], size: int) -> None:
    row = np.array(lengths)
    shares = [share(row, rank, size) for rank in range(size)]
    assert sorted(np.concatenate(shares).tolist()) == list(range(len(row)))
    assert all((np.diff(one) > 0).all() for one in shares)
    loads = [int(row[one].sum()) for one in shares]
    assert max(loads) <= row.sum() / size + row.max() * (1 - 1 / size)  # Graham's bound
    assert row.max() in row[shares[0]]  # the first rank always has something


def test_text_is_shared_almost_evenly() -> None:
    lengths = np.random.default_rng(3).integers(3, 129, 220)
    for size in (2, 4):
        loads = [int(lengths[share(lengths, rank, size)].sum()) for rank in range(size)]
        assert max(loads) - min(loads) <= 3


def test_one_long_sequence_leaves_the_rest_to_the_others() -> None:
    lengths = np.array([5, 100, 5, 5, 5])
    assert share(lengths, 0, 2).tolist() == [1]
    assert share(lengths, 1, 2).tolist() == [0, 2, 3, 4]


@pytest.mark.parametrize(("rank", "places"), [(0, [1]), (1, [0]), (2, [])])
def test_more_ranks_than_sequences_leave_some_without(rank: int, places: list[int]) -> None:
    assert share(np.array([3, 9]), rank, 3).tolist() == places


def test_one_rank_takes_all_in_their_order() -> None:
    assert share(np.array([3, 9, 1]), 0, 1).tolist() == [0, 1, 2]
