"""Attention over packed rows: matrix products by torch, everything between them in kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from acclimate.kernels import native


class Members(NamedTuple):
    """Sequences that are padded to one length for attention alone."""

    starts: Tensor
    """[n] first token of each in the row."""
    lengths: Tensor
    """[n]"""
    length: int
    """Of the longest."""


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        groups: Sequence[Members],
        scale: float,
        p: float,
        causal: bool,
    ) -> Tensor:
        num_heads = query.shape[1]
        out = torch.empty_like(query)
        saved: list[Tensor] = []
        seeds = [native.new_seed() if p else 0 for _ in groups]
        for members, seed in zip(groups, seeds, strict=True):
            q, k, v = (_spread(x, members, s) for x, s in ((query, scale), (key, 1.0), (value, 1.0)))
            weights = torch.bmm(q, k.transpose(1, 2))
            dropped = torch.empty_like(weights) if p else None
            native.call(
                "softmax",
                q.dtype,
                *(weights, dropped, *members[:2], len(members.starts), num_heads, members.length, causal, seed, p),
            )
            _collect(out, torch.bmm(weights if dropped is None else dropped, v), members, 1.0)
            saved += (q, k, v, weights)
        ctx.save_for_backward(*saved)
        ctx.others = groups, seeds, scale, p, causal
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        groups, seeds, scale, p, causal = ctx.others
        gradient = gradient.contiguous()
        num_heads = gradient.shape[1]
        dq, dk, dv = (torch.empty_like(gradient) for _ in range(3))
        for number, (members, seed) in enumerate(zip(groups, seeds, strict=True)):
            q, k, v, weights = ctx.saved_tensors[4 * number : 4 * number + 4]
            g = _spread(gradient, members, 1.0)
            dscores = torch.bmm(g, v.transpose(1, 2))
            dropped = torch.empty_like(weights) if p else None
            native.call(
                "softmax_backward",
                q.dtype,
                *(dscores, dropped, weights, *members[:2], len(members.starts), num_heads, members.length),
                *(causal, seed, p),
            )
            used = weights if dropped is None else dropped
            _collect(dv, torch.bmm(used.transpose(1, 2), g), members, 1.0)
            _collect(dq, torch.bmm(dscores, k), members, scale)
            _collect(dk, torch.bmm(dscores.transpose(1, 2), q), members, 1.0)  # q is scaled already
        return dq, dk, dv, None, None, None, None


def _spread(x: Tensor, members: Members, scale: float) -> Tensor:
    """[T, H, D] → [n·H, L, D]"""
    _, num_heads, size = x.shape
    n = len(members.starts)
    out = torch.empty(n * num_heads, members.length, size, dtype=x.dtype)
    native.call(
        "spread_heads",
        x.dtype,
        *(out, x, members.starts, members.lengths, n, num_heads, members.length, size, x.stride(0), scale),
    )
    return out


def _collect(to: Tensor, x: Tensor, members: Members, scale: float) -> None:
    """[n·H, L, D] → their places in [T, H, D]"""
    _, num_heads, size = to.shape
    n = len(members.starts)
    native.call(
        "collect_heads",
        x.dtype,
        *(to, x.contiguous(), members.starts, members.lengths, n, num_heads, members.length, size),
        *(to.stride(0), scale),
    )


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    groups: Sequence[Members],
    *,
    scale: float,
    dropout: float = 0.0,
    causal: bool = False,
) -> Tensor:
    """query, key, value [T, H, D] → [T, H, D]; each token attends within its own sequence.

    Every token belongs to exactly one group. Softmax in fp32. Plain twin: `models.packed_attention`.
    """
    query, key, value = (x if _rows(x) else x.contiguous() for x in (query, key, value))
    return _Attention.apply(query, key, value, groups, scale, dropout, causal)


def _rows(x: Tensor) -> bool:
    """Heads lie side by side, whatever the distance of rows."""
    return x.stride(2) == 1 and x.stride(1) == x.shape[2]
