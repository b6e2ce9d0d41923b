from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from acclimate.batching.counter_random import absorb, below, draw, mix, stream
from acclimate.batching.permutation import permuted

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 97, 127, 128, 129, 1000, 4095, 4096, 4097, 10007, 65537]


def order(size: int, *numbers: int) -> np.ndarray:
    keys = np.broadcast_to(stream("test", *numbers), (size,))
    return permuted(np.arange(size), keys, size)


@pytest.mark.parametrize("size", SIZES)
def test_is_a_permutation(size: int) -> None:
    for seed in range(5):
        assert np.array_equal(np.sort(order(size, seed)), np.arange(size))


def test_every_order_of_few_things_is_equally_likely() -> None:
    for size in (2, 3, 4, 5):
        draws = 40_000
        keys = absorb(stream("test"), np.arange(draws))
        orders = np.stack([permuted(np.full(draws, place), keys, size) for place in range(size)], axis=1)
        _, counts = np.unique(orders @ (10 ** np.arange(size)), return_counts=True)
        assert len(counts) == math.factorial(size)
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("size", [100, 1000])
def test_what_stands_first_is_uniform_over_keys(size: int) -> None:
    draws = 200 * size
    keys = absorb(stream("first"), np.arange(draws))
    for place in (0, 1, size // 2, size - 1):
        found = permuted(np.full(draws, place), keys, size)
        assert stats.chisquare(np.bincount(found, minlength=size)).pvalue > 1e-4


def test_neighbours_are_scattered_and_displacement_is_that_of_a_random_order() -> None:
    size = 20_000
    shuffled = order(size, 1)
    # Mean |i - p(i)| of a random order is (n² - 1) / 3n, its deviation below n / √(n) · 0.3.
    expected = (size**2 - 1) / (3 * size)
    assert abs(np.abs(shuffled - np.arange(size)).mean() - expected) < 4 * 0.3 * math.sqrt(size)
    assert abs(stats.spearmanr(np.arange(size), shuffled).statistic) < 4 / math.sqrt(size)
    assert abs(stats.spearmanr(shuffled[:-1], shuffled[1:]).statistic) < 4 / math.sqrt(size)
    fixed = sum(int((order(1000, seed) == np.arange(1000)).sum()) for seed in range(200))
    assert abs(fixed - 200) < 5 * math.sqrt(200)  # one fixed point per order, Poisson


def test_large_sizes_stay_in_range_and_do_not_collide() -> None:
    for size in (2**40 + 1, 2**62):
        places = np.random.default_rng(0).integers(0, size, 50_000)
        found = permuted(places, np.broadcast_to(stream("large"), places.shape), size)
        assert found.min() >= 0 and found.max() < size
        assert len(np.unique(found)) == len(np.unique(places))


def test_mixer_is_the_published_one_and_draws_are_splitmix64() -> None:
    # The first outputs of splitmix64 seeded with 0 (Vigna's reference program).
    key = np.zeros(1, np.uint64)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(draw(key, np.array([k], np.uint64))[0]) for k in range(3)] == expected
    assert mix(np.array([0], np.uint64))[0] == 0


def test_below_is_uniform() -> None:
    bits = draw(stream("below"), np.arange(300_000, dtype=np.uint64))
    assert stats.chisquare(np.bincount(below(bits, 30), minlength=30)).pvalue > 1e-4
