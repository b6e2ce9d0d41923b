"""Pairs of texts that are read one by one: each sequence holds both, one after the other, each with its own ends.

Legend: N pairs, B pairs asked for, T tokens in their row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import ExampleStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast


class TwoTexts:
    """Pairs in memory; the second text of each is its segment 1, as objectives over two vectors expect it."""

    def __init__(
        self,
        texts: Sequence[str],
        pairs: Sequence[str],
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        *,
        marks: NDArray[np.float64],
    ) -> None:
        """max_length: of each text. marks: [N] what is known of each pair."""
        self._sides = [ExampleStore.from_texts(side, None, tokenizer, max_length) for side in (texts, pairs)]
        self._marks = np.asarray(marks, dtype=np.float64)
        self.lengths: NDArray[np.int64] = self._sides[0].lengths + self._sides[1].lengths

    @property
    def num_truncated(self) -> int:
        """How many texts lost tokens to `max_length`."""
        return sum(side.num_truncated for side in self._sides)

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The pairs [B] in one row."""
        first, second = (side.fetch(ids, epochs) for side in self._sides)
        sizes = np.stack([first.lengths, second.lengths], axis=1)
        segments = np.repeat(np.tile([0, 1], len(ids)), sizes.ravel())
        tokens = np.empty(len(segments), np.int64)
        tokens[segments == 0], tokens[segments == 1] = first.tokens, second.tokens
        cu_seqlens = np.concatenate([[0], np.cumsum(sizes.sum(axis=1))]).astype(np.int64)
        marks = {"marks": self._marks[ids]}
        return Sequences(tokens, cu_seqlens, segments, ids, epochs, by_sequence=marks)


def halves(sequences: Sequences, marks: NDArray[np.float64]) -> Sequences:
    """Sequences of random tokens as pairs, the second half of each as its other text: for a dry batch."""
    middles = sequences.cu_seqlens[:-1] + sequences.lengths // 2
    second = np.arange(len(sequences.tokens)) >= np.repeat(middles, sequences.lengths)
    return Sequences(
        sequences.tokens,
        sequences.cu_seqlens,
        second.astype(np.int64),
        sequences.ids,
        sequences.epochs,
        by_sequence={"marks": marks},
    )
