"""Permutation language modelling: which tokens are asked for in which order, and who sees whom."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.models.families.xlnet import XlNet
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode
from acclimate.objectives.lots import Drum
from acclimate.objectives.perm import Permutation

CLS, SEP, SIZE = 1, 2, 60


class Tiny(XlNet):
    sizes = {**XlNet.sizes, "base": {"n_layer": 2, "d_model": 16, "n_head": 2, "d_inner": 16}}  # noqa: RUF012


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def objective(one_in: int = 6, *, seed: int = 3, fixed: bool = False) -> Permutation:
    special_ids, vocabulary = [0, CLS, SEP], list(range(SIZE))
    drum = Drum("orders", special_ids=special_ids, vocabulary=vocabulary, seed=seed, fixed=fixed)
    return Permutation(drum, one_in=one_in)


def sequences(lengths: list[int], *, epoch: int = 0, first: int = 0, closed: bool = True) -> Sequences:
    """[CLS] ordinary tokens [SEP], of these lengths."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.random.default_rng(0).integers(3, SIZE, starts[-1])
    if closed:
        tokens[starts[:-1]] = CLS
        tokens[starts[1:] - 1] = SEP
    ids = first + np.arange(len(lengths), dtype=np.int64)
    return Sequences(tokens, starts, np.zeros_like(tokens), ids, np.full(len(lengths), epoch))


def test_the_last_sixth_is_asked_for_as_the_authors_do() -> None:
    batch = objective().prepare(sequences([514, 14, 5, 3, 2]))
    order = batch.by_token["order"].split([514, 14, 5, 3, 2])
    assert [int(one.max()) for one in order] == [85, 2, 1, 1, 0]
    for one in order:
        assert sorted(one[one > 0].tolist()) == list(range(1, int(one.max()) + 1))
    places = batch.by_token["order"].nonzero().squeeze(1)
    assert torch.equal(places, batch.target_positions)
    assert torch.equal(batch.tokens[places], batch.targets)  # nothing is hidden in the row itself
    assert not np.isin(batch.targets, [0, CLS, SEP]).any()


def test_something_is_always_seen() -> None:
    order = objective(2).prepare(sequences([1, 2, 4], closed=False)).by_token["order"].split([1, 2, 4])
    assert [int((one > 0).sum()) for one in order] == [0, 1, 2]


def test_every_order_is_equally_likely() -> None:
    """Two of four ordinary tokens: twelve ordered pairs, 40,000 times."""
    batch = objective(2).prepare(sequences([6] * 40_000))
    order = batch.by_token["order"].view(-1, 6)
    assert not order[:, [0, 5]].any()
    pairs = Counter(
        zip((order == 1).int().argmax(1).tolist(), (order == 2).int().argmax(1).tolist(), strict=True)
    )
    assert set(pairs) == set(permutations(range(1, 5), 2))
    assert stats.chisquare(list(pairs.values())).pvalue > 1e-3


def test_orders_change_with_the_epoch_and_not_with_the_company() -> None:
    whole = objective().prepare(sequences([20, 30, 40])).by_token["order"]
    alone = objective().prepare(sequences([20, 30, 40]).part(1, 2)).by_token["order"]
    assert torch.equal(whole[20:50], alone)
    assert not torch.equal(objective().prepare(sequences([20, 30, 40], epoch=1)).by_token["order"], whole)
    assert not torch.equal(objective(seed=4).prepare(sequences([20, 30, 40])).by_token["order"], whole)
    fixed = [objective(fixed=True).prepare(sequences([30], epoch=n)).by_token["order"] for n in (0, 1)]
    assert torch.equal(*fixed)


def test_each_target_sees_the_context_and_the_targets_before_it_and_never_itself() -> None:
    model = Tiny(dropout=0).build(vocabulary=Vocabulary(SIZE, 0), seed=0, kind="perm").eval()
    batch = objective(3).prepare(sequences([14, 9]))
    order = batch.by_token["order"]
    before = encode(model, batch)
    assert not before[order == 0].any()
    first, second = (int((order[:14] == number).nonzero()) for number in (1, 2))
    for place, seen_by_first in (
        (first, False),
        (second, False),
        (1 + int((order[1:13] == 0).int().argmax()), True),
    ):
        after = encode(model, with_token(batch, place))
        moved = (after - before).abs().amax(-1) > 1e-6
        assert not moved[14:].any()
        later = {int(one) for one in (order[:14] > order[place]).nonzero()} if order[place] else None
        expected = later if later is not None else {int(one) for one in order[:14].nonzero()}
        assert {int(one) for one in moved.nonzero()} == expected
        assert bool(moved[first]) == seen_by_first


def with_token(batch: PackedBatch, place: int) -> PackedBatch:
    changed = copy.deepcopy(batch)
    changed.tokens[place] = 3 + (int(batch.tokens[place]) - 2) % (SIZE - 3)
    return changed
