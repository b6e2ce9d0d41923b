"""Pairs of texts as token ids on disk, mapped into memory.

Files of the folder: `source/` and `target/`, a token store each with the texts in the same order; `kept.bin`: int64
[N], which of them are pairs of this store; `marks.bin`, where pairs bear a label or score: float64 [N].

Legend: D texts a side, N pairs, B pairs asked for, T tokens in their row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.batching.packed import Sequences
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SIDES = ("source", "target")
Ends = tuple[tuple[int, ...], tuple[int, ...]]
"""Special tokens before a text and after it."""


def build_pair_store(
    texts: Callable[[int], Iterator[list[str]]],
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    fits: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]],
    marks: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write the store into the folder. `texts(side)` gives the texts of side 0 or 1, `fits` tells from the tokens of
    both sides [D] which pairs to keep [D]; `marks` [D] are their labels or scores.

    Returns the tokens of each side, [D, 2], and which pairs were kept, ascending [N].
    """
    lengths = []
    for side, name in enumerate(SIDES):
        build_token_store(texts(side), tokenizer, durable.new_folder(folder / name))
        lengths.append(np.diff(TokenStore(folder / name).offsets))
    kept = np.flatnonzero(fits(*lengths))
    durable.write_bytes(folder / "kept.bin", kept.astype("<i8").tobytes())
    if marks is not None:
        durable.write_bytes(folder / "marks.bin", marks[kept].astype("<f8").tobytes())
    return np.stack(lengths, axis=1), kept


class PairStore:
    """The pairs of a folder; each is one sequence: the source in segment 0, the target in segment 1.

    `source_ends` and `target_ends` are put around the two texts: with `((2,), (3,))` for both a sequence is
    `2 source 3 2 target 3`. Marks come in `by_sequence`. Text is counted on both sides, or with `judged` on one alone,
    where only that is predicted.
    """

    def __init__(
        self, folder: Path, source_ends: Ends, target_ends: Ends, *, judged: tuple[int, ...] = (0, 1)
    ) -> None:
        """Raises UserError when the folder holds no such store."""
        self._sides = [TokenStore(folder / name) for name in SIDES]
        self._ends = source_ends, target_ends
        try:
            self._kept = np.frombuffer((folder / "kept.bin").read_bytes(), "<i8").astype(np.int64)
        except FileNotFoundError:
            raise UserError(f"{folder} holds no store of pairs: kept.bin is missing") from None
        marks = folder / "marks.bin"
        self._marks = np.frombuffer(marks.read_bytes(), "<f8").astype(np.float64) if marks.is_file() else None
        sizes = [np.diff(side.offsets)[self._kept] for side in self._sides]
        special = sum(len(end) for ends in self._ends for end in ends)
        self.lengths: NDArray[np.int64] = sizes[0] + sizes[1] + special
        """[N]"""
        self.num_tokens = int(sum(sizes[side].sum() for side in judged))
        """Of the judged sides, special ones left out."""
        self.num_bytes = int(sum(self._sides[side].byte_lengths[self._kept].sum() for side in judged))
        """UTF-8 bytes of the judged sides."""

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] each pair stands for itself."""
        return ids

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The pairs [B] in one row."""
        cu_seqlens = np.concatenate([[0], np.cumsum(self.lengths[ids])]).astype(np.int64)
        tokens = np.empty(cu_seqlens[-1], np.int64)
        segments = np.empty_like(tokens)
        at = cu_seqlens[:-1].copy()

        def put(places: NDArray[np.int64], values: NDArray[np.int64] | int, segment: int) -> None:
            tokens[places], segments[places] = values, segment

        for segment, (store, (before, after)) in enumerate(zip(self._sides, self._ends, strict=True)):
            for token in before:
                put(at, token, segment)
                at += 1
            starts = store.offsets[self._kept[ids]]
            sizes = store.offsets[self._kept[ids] + 1] - starts
            within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            text = store.tokens[within + np.repeat(starts, sizes)].astype(np.int64)
            put(within + np.repeat(at, sizes), text, segment)
            at += sizes
            for token in after:
                put(at, token, segment)
                at += 1
        marked = {} if self._marks is None else {"marks": self._marks[ids]}
        return Sequences(tokens, cu_seqlens, segments, ids, epochs, by_sequence=marked)
