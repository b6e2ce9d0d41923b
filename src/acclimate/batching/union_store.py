"""Several stores as one, from each as large a share of the sequences as is wanted.

Legend: N sequences in all, K stores, B sequences in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences, positions_in
from acclimate.batching.sequence_store import TextStore

STORE, OWN_ID, OWN_EPOCH = "store", "own_id", "own_epoch"


def copies(sizes: Sequence[int], alpha: float) -> list[float]:
    """[K] how often the sequences of each store stand in an epoch, so that its share is n^α / Σ n^α of its size n.

    The store that is seen least often stands once. An empty store has no copies.
    """
    wanted = [float(size) ** (alpha - 1) if size else 0.0 for size in sizes]
    least = min((one for one in wanted if one), default=1.0)
    return [one / least for one in wanted]


class UnionStore:
    """The sequences of several stores under one numbering; an epoch holds small ones more than once (`copies`).

    Besides what its store says, `by_sequence` of a row tells the `store` [B] of each sequence, its number there
    (`own_id`) and how often it was drawn there (`own_epoch`). Text is counted, and documents are numbered, as in the
    first store; documents of the others come after.
    """

    def __init__(self, stores: Sequence[TextStore], alpha: float = 1.0) -> None:
        self._stores = list(stores)
        sizes = [len(store.lengths) for store in stores]
        entries = [round(size * by) for size, by in zip(sizes, copies(sizes, alpha), strict=True)]
        self._starts = np.concatenate([[0], np.cumsum(entries)]).astype(np.int64)
        self._sizes = np.array(sizes, dtype=np.int64)
        self._rounds = np.array([-(-n // max(1, size)) for n, size in zip(entries, sizes, strict=True)])
        rows = [
            store.lengths[np.arange(number) % max(1, size)]
            for store, number, size in zip(stores, entries, sizes, strict=True)
        ]
        self.lengths: NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *rows])

    @property
    def num_bytes(self) -> int:
        return self._stores[0].num_bytes

    @property
    def num_tokens(self) -> int:
        return self._stores[0].num_tokens

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] numbers of the first store's documents; a sequence of another store passes for a document by itself,
        numbered below zero."""
        store, own = self._own(ids)
        found = -1 - ids
        first = store == 0
        found[first] = self._stores[0].document_of(own[first])
        return found

    def _own(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(store [B], number in it [B])"""
        store = np.searchsorted(self._starts, ids, side="right") - 1
        return store, (ids - self._starts[store]) % np.maximum(1, self._sizes[store])

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The sequences [B] in one row, in the order asked for."""
        store, own = self._own(ids)
        again = epochs * self._rounds[store] + (ids - self._starts[store]) // np.maximum(
            1, self._sizes[store]
        )
        fetched = []
        for number, one in enumerate(self._stores):
            places = np.flatnonzero(store == number)
            if len(places):
                fetched.append((one.fetch(own[places], again[places]), places))
        return united(fetched, store, ids, epochs)


def united(
    parts: Sequence[tuple[Sequences, NDArray[np.int64]]],
    store: NDArray[np.int64],
    ids: NDArray[np.int64],
    epochs: NDArray[np.int64],
) -> Sequences:
    """The sequences of some stores, each with its places [b], as one batch [B]; `store` [B] says whose each is."""
    order = np.argsort(np.concatenate([places for _, places in parts]), kind="stable")
    joined = in_order(_joined([one for one, _ in parts]), order)
    told = {**joined.by_sequence, STORE: store, OWN_ID: joined.ids, OWN_EPOCH: joined.epochs}
    return replace(joined, ids=ids, epochs=epochs, by_sequence=told)


def of_store(sequences: Sequences, number: int) -> tuple[Sequences, NDArray[np.int64]]:
    """(the sequences of one store as it gave them, their places [b] in the row)."""
    places = np.flatnonzero(sequences.by_sequence[STORE] == number)
    own = in_order(sequences, places)
    rest = {name: one for name, one in own.by_sequence.items() if name not in (STORE, OWN_ID, OWN_EPOCH)}
    return (
        replace(own, ids=own.by_sequence[OWN_ID], epochs=own.by_sequence[OWN_EPOCH], by_sequence=rest),
        places,
    )


def in_order(sequences: Sequences, places: NDArray[np.int64]) -> Sequences:
    """The sequences at these places, in this order."""
    lengths = sequences.lengths[places]
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = positions_in(cu_seqlens) + np.repeat(sequences.cu_seqlens[places], lengths)
    return Sequences(
        tokens=sequences.tokens[rows],
        cu_seqlens=cu_seqlens,
        segments=sequences.segments[rows],
        ids=sequences.ids[places],
        epochs=sequences.epochs[places],
        by_token={name: one[rows] for name, one in sequences.by_token.items()},
        by_sequence={name: one[places] for name, one in sequences.by_sequence.items()},
    )


def _joined(parts: list[Sequences]) -> Sequences:
    """One row after the other. What only some know of their tokens or sequences is 0 for the others."""
    lengths = np.concatenate([one.lengths for one in parts])
    return Sequences(
        tokens=np.concatenate([one.tokens for one in parts]),
        cu_seqlens=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        segments=np.concatenate([one.segments for one in parts]),
        ids=np.concatenate([one.ids for one in parts]),
        epochs=np.concatenate([one.epochs for one in parts]),
        by_token=_filled([(one.by_token, len(one.tokens)) for one in parts]),
        by_sequence=_filled([(one.by_sequence, len(one)) for one in parts]),
    )


def _filled(parts: list[tuple[Any, int]]) -> dict[str, NDArray[Any]]:
    names = {name: values[name] for values, _ in parts for name in values}
    return {
        name: np.concatenate(
            [
                values.get(name, np.zeros((number, *like.shape[1:]), dtype=like.dtype))
                for values, number in parts
            ]
        )
        for name, like in names.items()
    }
