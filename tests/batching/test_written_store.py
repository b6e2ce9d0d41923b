"""Sources with targets, of which each epoch asks for another."""

from __future__ import annotations

import numpy as np

from acclimate.batching.written_store import WrittenStore


def store() -> WrittenStore:
    sources = [np.array([1, 5, 2]), np.array([1, 6, 6, 2])]
    targets = [[np.array([7, 2]), np.array([8, 8, 8, 2])], [np.array([9, 2])]]
    return WrittenStore(sources, targets, num_truncated=1)


def test_targets_take_turns() -> None:
    one = store()
    assert one.lengths.tolist() == [7, 6] and one.num_truncated == 1
    rows = [one.fetch(np.array([0]), np.array([epoch])).tokens.tolist() for epoch in range(3)]
    assert rows == [[1, 5, 2, 7, 2], [1, 5, 2, 8, 8, 8, 2], [1, 5, 2, 7, 2]]


def test_rows_keep_the_order_asked_for() -> None:
    found = store().fetch(np.array([1, 0]), np.array([3, 1]))
    assert found.tokens.tolist() == [1, 6, 6, 2, 9, 2, 1, 5, 2, 8, 8, 8, 2]
    assert found.segments.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1]
    assert found.cu_seqlens.tolist() == [0, 6, 13] and found.ids.tolist() == [1, 0]
