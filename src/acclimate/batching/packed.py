"""The currency from sampler to loss: the tokens of many sequences in one row, without padding.

Legend: T tokens in the row, B sequences, M target positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

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
    by_token: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """[T, …] what else is known of each token, such as `boxes` [T, 4], `languages`, `words` (1 where one starts)."""
    by_sequence: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """[B, …] what else is known of each sequence, such as `images` or a `label`."""

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
            by_token={name: one[first:last] for name, one in self.by_token.items()},
            by_sequence={name: one[start:stop] for name, one in self.by_sequence.items()},
        )

    def only(self, keep: NDArray[np.bool_]) -> Sequences:
        """The same sequences without the tokens where keep [T] is False; one may come out empty."""
        ends = np.concatenate([[0], np.cumsum(keep)])[self.cu_seqlens]
        return replace(
            self,
            tokens=self.tokens[keep],
            cu_seqlens=ends.astype(np.int64),
            segments=self.segments[keep],
            by_token={name: one[keep] for name, one in self.by_token.items()},
        )


@dataclass(frozen=True)
class Row:
    """The tokens of a decoder, of the same sequences in the same order."""

    tokens: torch.Tensor
    """[Td] what the decoder sees: its targets, shifted."""
    cu_seqlens: torch.Tensor
    """[B+1]"""
    positions: torch.Tensor
    """[Td]"""

    def to(self, device: torch.device, non_blocking: bool = True) -> Row:
        return Row(*(one.to(device, non_blocking=non_blocking) for one in vars(self).values()))


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
    """[M] places whose output the loss looks at, in the decoder's row where there is one; for whole-sequence targets
    the first token of each."""
    targets: torch.Tensor
    """[M] token or class ids; float [M, C] for several labels at once."""
    ids: NDArray[np.int64]
    """[B] index of each sequence in its store, so that messages can name documents."""
    decoder: Row | None = None
    """Of an encoder-decoder: what it writes; `tokens` is then what it reads."""
    by_token: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """[T, …] what else the model is given of each token."""
    by_sequence: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """[B, …] what else the model or the loss needs of each sequence."""
    by_target: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """[M, …] what else the loss needs of each target."""

    def to(self, device: torch.device) -> PackedBatch:
        def moved(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: moved(one) for name, one in value.items()}
            return value.to(device, non_blocking=True) if hasattr(value, "to") else value

        return replace(self, **{name: moved(value) for name, value in vars(self).items()})

    @property
    def num_tokens(self) -> int:
        return int(self.tokens.shape[0])


def positions_in(cu_seqlens: NDArray[np.int64]) -> NDArray[np.int64]:
    """[T] position of each token in its sequence, from 0; cu_seqlens [B+1]."""
    return np.arange(cu_seqlens[-1]) - np.repeat(cu_seqlens[:-1], np.diff(cu_seqlens))


def pack(
    sequences: Sequences,
    *,
    tokens: NDArray[np.int64] | None = None,
    target_positions: NDArray[np.int64],
    targets: NDArray[np.int64] | NDArray[np.float32],
    decoder: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    by_target: Mapping[str, NDArray[Any]] | None = None,
) -> PackedBatch:
    """The batch for these sequences; `tokens` [T] stands in for their own where an objective changed them.

    decoder: (tokens [Td], cu_seqlens [B+1]) of what an encoder-decoder writes.
    """
    import torch

    def tensor(x: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x))

    return PackedBatch(
        tokens=tensor(sequences.tokens if tokens is None else tokens),
        cu_seqlens=tensor(sequences.cu_seqlens),
        positions=tensor(positions_in(sequences.cu_seqlens)),
        segments=tensor(sequences.segments),
        target_positions=tensor(target_positions),
        targets=tensor(targets),
        ids=sequences.ids,
        decoder=decoder and Row(tensor(decoder[0]), tensor(decoder[1]), tensor(positions_in(decoder[1]))),
        by_token={name: tensor(one) for name, one in sequences.by_token.items()},
        by_sequence={name: tensor(one) for name, one in sequences.by_sequence.items()},
        by_target={name: tensor(one) for name, one in (by_target or {}).items()},
    )
