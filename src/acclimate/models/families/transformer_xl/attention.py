"""Attention by content and distance (Dai et al. 2019).

Legend: B sequences, L their length, M places remembered, K = M + L keys, H hidden size, N heads, D head size.

The score of a query at place i for a key at place j is (q_i + u)·k_j + (q_i + v)·r_{i−j}, where r is a projection of
the distance's sinusoids, and u and v are learnt. So nothing is known of where in the text a place is, and what was
computed for one stretch serves the next.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def sinusoids(distances: Tensor, size: int) -> Tensor:
    """[K] → [K, size]: sines, then cosines, of wavelengths from 2π to 10,000·2π."""
    steps = torch.arange(0, size, 2, device=distances.device, dtype=torch.float32)
    angles = distances.float()[:, None] / 10_000 ** (steps / size)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :size]


def by_place(scores: Tensor) -> Tensor:
    """[…, L, K] with a column for each distance, from K − 1 down to 0 → a column for each key's place.

    Query i stands at place K − L + i. Its row moves left by L − 1 − i; what then stands right of the query's own place
    is of another row, and must be hidden, for those keys are the future.
    """
    length, places = scores.shape[-2:]
    padded = functional.pad(scores, (1, 0))
    return padded.reshape(*scores.shape[:-2], places + 1, length)[..., 1:, :].reshape(scores.shape)


class RelativeAttention(nn.Module):
    """Attention of a stretch to itself and to what is remembered, without biases in its projections."""

    def __init__(self, hidden_size: int, heads: int, head_size: int, *, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_size, self.dropout = heads, head_size, dropout
        inner = heads * head_size
        self.query, self.key, self.value, self.distance = (
            nn.Linear(hidden_size, inner, bias=False) for _ in range(4)
        )
        self.out_proj = nn.Linear(inner, hidden_size, bias=False)

    def forward(
        self, x: Tensor, keys: Tensor, distances: Tensor, seen: Tensor, u: Tensor, v: Tensor
    ) -> Tensor:
        """x [B, L, H], keys [B, K, H] (what is remembered, then x), distances [K, H] from K − 1 down to 0, u and v
        [N, D], seen [L, K] or [B, 1, L, K] bool → [B, L, H]."""
        q = self._split(self.query(x))  # [B, N, L, D]
        k, value = self._split(self.key(keys)), self._split(self.value(keys))
        r = self.distance(distances).view(len(distances), self.heads, self.head_size).transpose(0, 1)
        scores = (q + u[:, None].to(q.dtype)) @ k.transpose(-1, -2)
        scores = scores + by_place((q + v[:, None].to(q.dtype)) @ r.transpose(-1, -2))
        scores = (scores * self.head_size**-0.5).masked_fill(~seen, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
        weights = functional.dropout(weights, self.dropout, self.training)
        return self.out_proj((weights @ value).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, self.head_size).transpose(1, 2)
