"""Lots: one for each token that is not special, the same whatever stands beside its sequence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.objectives.lots import Drum

CLS, SEP, SIZE = 1, 2, 50


def drum(name: str = "test", *, seed: int = 3, fixed: bool = False) -> Drum:
    return Drum(name, special_ids=[0, CLS, SEP], vocabulary=list(range(SIZE)), seed=seed, fixed=fixed)


def sequences(lengths: list[int], *, first: int = 0) -> Sequences:
    """[CLS] ordinary tokens [SEP], of these lengths."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.full(starts[-1], 7)
    tokens[starts[:-1]], tokens[starts[1:] - 1] = CLS, SEP
    ids = first + np.arange(len(lengths), dtype=np.int64)
    return Sequences(tokens, starts, np.zeros_like(tokens), ids, np.zeros(len(lengths), dtype=np.int64))


def test_every_token_that_is_not_special_has_one() -> None:
    lots = drum().draw(sequences([5, 2, 4]))
    assert lots.places.tolist() == [1, 2, 3, 8, 9]
    assert lots.owner.tolist() == [0, 0, 0, 2, 2]
    assert lots.counts.tolist() == [3, 0, 2]
    assert len(set(lots.bits.tolist())) == 5


def test_they_depend_on_the_seed_the_name_the_epoch_and_the_sequence_alone() -> None:
    row = sequences([6, 6, 9])
    bits = drum().draw(row).bits
    assert np.array_equal(bits[8:], drum().draw(sequences([9], first=2)).bits)  # 4 + 4 lots before it
    later = replace(row, epochs=row.epochs + 1)
    others = [drum(seed=4).draw(row), drum("other").draw(row), drum().draw(later)]
    assert not any(np.isin(one.bits, bits).any() for one in others)
    fixed = drum(fixed=True)
    assert np.array_equal(fixed.draw(row).bits, fixed.draw(later).bits)


def test_ranks_go_up_within_each_sequence_and_every_order_is_equally_likely() -> None:
    many = 6000
    lots = drum().draw(sequences([5] * many))
    order, rank = lots.ranked()
    assert np.array_equal(lots.owner[order], np.repeat(np.arange(many), 3))
    assert np.array_equal(rank, np.tile([0, 1, 2], many))
    assert (np.diff(lots.bits[order].astype(object).reshape(many, 3)) > 0).all()
    counts = Counter(map(tuple, (order % 3).reshape(many, 3).tolist()))
    assert len(counts) == 6
    assert all(abs(count - many / 6) < 4 * (many * 5 / 36) ** 0.5 for count in counts.values())


def test_a_vocabulary_of_special_tokens_alone_is_refused() -> None:
    with pytest.raises(UserError, match="no token but special ones"):
        Drum("test", special_ids=[0, 1], vocabulary=[0, 1], seed=1, fixed=False)
