"""Several stores as one."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.batching.packed import Sequences
from acclimate.batching.union_store import OWN_EPOCH, OWN_ID, STORE, UnionStore, copies, of_store


class Counting:
    """Sequences whose tokens tell their store, number and epoch; documents of two sequences each."""

    num_bytes, num_tokens = 70, 7

    def __init__(self, name: int, lengths: list[int], extra: str) -> None:
        self.name, self.lengths, self.extra = name, np.array(lengths, dtype=np.int64), extra

    def document_of(self, ids: np.ndarray) -> np.ndarray:
        return ids // 2

    def fetch(self, ids: np.ndarray, epochs: np.ndarray) -> Sequences:
        lengths = self.lengths[ids]
        cu_seqlens = np.concatenate([[0], np.cumsum(lengths)])
        tokens = np.repeat(self.name * 10_000 + ids * 100 + epochs, lengths)
        return Sequences(
            tokens,
            cu_seqlens,
            np.full(len(tokens), self.name),
            ids,
            epochs,
            by_token={self.extra: np.stack([tokens, tokens], axis=1)},
            by_sequence={"label": ids * 7},
        )


STORES = [Counting(0, [3, 1, 2, 5], "boxes"), Counting(1, [4, 2], "languages"), Counting(2, [], "boxes")]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_shares_are_powers_of_sizes(alpha: float) -> None:
    sizes = [1000, 100, 10]
    shown = np.array([size * by for size, by in zip(sizes, copies(sizes, alpha), strict=True)])
    wanted = np.array(sizes, dtype=float) ** alpha
    assert shown / shown.sum() == pytest.approx(wanted / wanted.sum())
    assert min(copies(sizes, alpha)) == 1 and copies([5, 0], 0.5) == [1.0, 0.0]


def test_each_sequence_comes_as_its_store_gives_it() -> None:
    union = UnionStore(STORES, alpha=0.0)
    assert union.lengths.tolist() == [3, 1, 2, 5, 4, 2, 4, 2]  # the second store twice
    ids = np.array([7, 0, 4, 3, 6])
    row = union.fetch(ids, np.array([0, 5, 1, 0, 2]))
    assert row.ids.tolist() == ids.tolist() and row.lengths.tolist() == union.lengths[ids].tolist()
    assert row.by_sequence[STORE].tolist() == [1, 0, 1, 0, 1]
    assert row.by_sequence[OWN_ID].tolist() == [1, 0, 0, 3, 0]
    # The two copies of the second store's sequences are different epochs of it.
    assert row.by_sequence[OWN_EPOCH].tolist() == [1, 5, 2, 0, 5]
    assert [row.tokens[at] for at in row.cu_seqlens[:-1]] == [10101, 5, 10002, 300, 10005]
    assert row.segments.tolist() == np.repeat([1, 0, 1, 0, 1], row.lengths).tolist()
    assert (row.by_token["boxes"][row.segments == 1] == 0).all()
    for number in (0, 1):
        own, places = of_store(row, number)
        alone = STORES[number].fetch(own.ids, own.epochs)
        assert places.tolist() == np.flatnonzero(row.by_sequence[STORE] == number).tolist()
        for name in ("tokens", "cu_seqlens", "segments", "ids", "epochs"):
            assert np.array_equal(getattr(own, name), getattr(alone, name)), name
        assert np.array_equal(own.by_sequence["label"], alone.by_sequence["label"])
        extra = STORES[number].extra
        assert np.array_equal(own.by_token[extra], alone.by_token[extra])


def test_documents_and_amounts_are_those_of_the_first() -> None:
    union = UnionStore(STORES)
    assert (union.num_bytes, union.num_tokens) == (70, 7)
    assert union.document_of(np.array([0, 3, 4, 5])).tolist() == [0, 1, -5, -6]
