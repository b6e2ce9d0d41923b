from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from acclimate.batching.counter_random import absorb, stream
from acclimate.batching.ragged import chosen, order, owners, parts, starts, within

SIZES = np.array([3, 0, 1, 7, 0])


def keys(number: int, seed: int = 1) -> np.ndarray:
    return absorb(stream("test", seed), np.arange(number))


def test_whose_and_where() -> None:
    assert owners(SIZES).tolist() == [0] * 3 + [2] + [3] * 7
    assert starts(SIZES).tolist() == [0, 3, 3, 4, 11, 11]
    assert within(SIZES).tolist() == [0, 1, 2, 0, *range(7)]


def test_order_keeps_each_sequences_items_together() -> None:
    found = order(keys(5), SIZES)
    assert sorted(found[:3]) == [0, 1, 2] and found[3] == 3 and sorted(found[4:]) == list(range(4, 11))


def test_every_order_is_equally_likely_and_none_depends_on_the_others() -> None:
    many = np.full(60_000, 3)
    found = order(keys(len(many)), many).reshape(-1, 3) % 3
    counts = Counter(map(tuple, found.tolist()))
    assert len(counts) == 6 and all(abs(count - 10_000) < 500 for count in counts.values())
    assert np.array_equal(order(keys(len(many))[7:9], many[7:9]) + 21, order(keys(len(many)), many)[21:27])


def test_as_many_as_are_due_are_chosen_every_set_equally_often() -> None:
    sizes, due = np.full(60_000, 4), np.full(60_000, 2)
    found = chosen(keys(len(sizes)), sizes, due).reshape(-1, 4)
    assert (found.sum(1) == 2).all()
    counts = Counter(map(tuple, found.tolist()))
    assert len(counts) == 6 and all(abs(count - 10_000) < 500 for count in counts.values())


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_and_none_is_empty(seed: int) -> None:
    rng = np.random.default_rng(seed)
    totals = rng.integers(0, 30, 200)
    number = rng.integers(1, np.maximum(totals, 1) + 1)
    found = parts(keys(200, seed), totals, number)
    sums = np.add.reduceat(found, starts(number)[:-1])
    assert np.array_equal(sums, totals)
    assert (found[np.repeat(totals, number) > 0] > 0).all()


def test_every_cut_is_equally_likely() -> None:
    totals, number = np.full(60_000, 5), np.full(60_000, 3)
    found = parts(keys(len(totals)), totals, number).reshape(-1, 3)
    counts = Counter(map(tuple, found.tolist()))
    assert len(counts) == 6 and all(abs(count - 10_000) < 500 for count in counts.values())
