"""The currency from sampler to loss: the tokens of many sequences in one row, without padding.

Legend: T tokens in the row, B sequences, M target positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Sequences:
    """What a store hands out: whole sequences, special tokens included, before an objective touched them."""

    tokens: NDArray[np.int64]
    """[T] token ids."""
    cu_seqlens: NDArray[np.int64]
    """[B+1] where each sequence starts; the last entry is T."""
    segments: NDArray[np.int64]
    """[T] 0 for the first text of a sequence, 1 for the second of a pair."""
    ids: NDArray[np.int64]
    """[B] index of each sequence in its store."""
    epochs: NDArray[np.int64]
    """[B] how often each was drawn before; with the seed and the id it decides all randomness."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.cu_seqlens)

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, stop: int) -> Sequences:
        """Sequences start to stop (excluded), without copying their tokens."""
        first, last = int(self.cu_seqlens[start]), int(self.cu_seqlens[stop])
        return Sequences(
            tokens=self.tokens[first:last],
            cu_seqlens=self.cu_seqlens[start : stop + 1] - first,
            segments=self.segments[first:last],
            ids=self.ids[start:stop],
            epochs=self.epochs[start:stop],
        )


@dataclass(frozen=True)
class PackedBatch:
    """One row of tokens with its sparse targets. Tensors are int64 unless said."""

    tokens: torch.Tensor
    """[T] what the model sees."""
    cu_seqlens: torch.Tensor
    """[B+1]"""
    positions: torch.Tensor
    """[T] position of each token in its sequence, from 0."""
    segments: torch.Tensor
    """[T]"""
    target_positions: torch.Tensor
    """[M] places whose output the loss looks at; for whole-sequence targets the first token of each."""
    targets: torch.Tensor
    """[M] token or class ids; float [M, C] for several labels at once."""
    ids: NDArray[np.int64]
    """[B] index of each sequence in its store, so that messages can name documents."""

    def to(self, device: torch.device) -> PackedBatch:
        return replace(
            self,
            **{
                name: getattr(self, name).to(device, non_blocking=True)
                for name in ("tokens", "cu_seqlens", "positions", "segments", "target_positions", "targets")
            },
        )

    @property
    def num_tokens(self) -> int:
        return int(self.tokens.shape[0])


def pack(
    sequences: Sequences,
    *,
    tokens: NDArray[np.int64] | None = None,
    target_positions: NDArray[np.int64],
    targets: NDArray[np.int64] | NDArray[np.float32],
) -> PackedBatch:
    """The batch for these sequences; `tokens` [T] stands in for their own where an objective changed them."""
    import torch

    starts = np.repeat(sequences.cu_seqlens[:-1], sequences.lengths)
    return PackedBatch(
        tokens=torch.from_numpy(np.ascontiguousarray(sequences.tokens if tokens is None else tokens)),
        cu_seqlens=torch.from_numpy(sequences.cu_seqlens),
        positions=torch.from_numpy(np.arange(len(sequences.tokens)) - starts),
        segments=torch.from_numpy(sequences.segments),
        target_positions=torch.from_numpy(target_positions),
        targets=torch.from_numpy(targets),
        ids=sequences.ids,
    )
