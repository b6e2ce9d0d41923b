"""Attention over packed rows in one kernel, forward and backward; it keeps inputs and two numbers per row of scores.

Plain twin: `models.packed_attention`. Worth 1.3 times the speed of training tiny and mini BERT (benchmarks/parts.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from acclimate.kernels import native


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_starts: Tensor,
        key_starts: Tensor,
        scale: float,
        p: float,
        causal: bool,
        window: int,
        prefixes: Tensor | None,
        bias: Tensor | None,
    ) -> Tensor:
        num_tokens, num_heads, size = query.shape
        lengths = key_starts.diff()
        order = torch.argsort(lengths, descending=True, stable=True)
        out = torch.empty(query.shape, dtype=query.dtype)
        sums = torch.empty(num_tokens, num_heads, 2)
        reach = 0 if bias is None else bias.shape[1] // 2
        places = (query_starts, key_starts, order, prefixes, bias, len(lengths), num_heads, size)
        strides = (query.stride(0), key.stride(0), value.stride(0), int(lengths.max()))
        how = (*places, *strides, scale, causal, window, reach, native.new_seed() if p else 0, p)
        native.call("attention", query.dtype, out, sums, query, key, value, *how)
        ctx.save_for_backward(query, key, value, sums)
        ctx.how = how
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, sums = ctx.saved_tensors
        dquery, dkey, dvalue = (torch.empty(x.shape, dtype=x.dtype) for x in (query, key, value))
        *_, bias, num_sequences = ctx.how[:6]
        dbias = torch.zeros(num_sequences, *bias.shape) if ctx.needs_input_grad[-1] else None
        native.call(
            "attention_backward",
            query.dtype,
            *(dquery, dkey, dvalue, dbias, gradient.contiguous(), query, key, value, sums),
            *ctx.how,
        )
        return dquery, dkey, dvalue, *(None,) * 7, None if dbias is None else dbias.sum(0)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_starts: Tensor,
    key_starts: Tensor,
    *,
    scale: float,
    dropout: float = 0.0,
    causal: bool = False,
    window: int = 0,
    prefixes: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """query [Tq, H, D], key and value [Tk, H, D] → [Tq, H, D]; a token attends to the keys of its own sequence.

    query_starts, key_starts [B+1]: where sequences begin; every token belongs to one. With `causal`, a query sees
    keys up to its own position, and with `prefixes` [B] also the first so many keys of its sequence. With `window`, it
    sees those keys only that stand less than so many positions away. `bias` [H, 2R+1] in fp32 is added to the scaled
    scores: element R + distance, the key's position less the query's; no distance may be longer than R.
    """
    query, key, value = (x if _heads_adjoin(x) else x.contiguous() for x in (query, key, value))
    bias = None if bias is None else bias.contiguous()
    return _Attention.apply(
        query, key, value, query_starts, key_starts, scale, dropout, causal, window, prefixes, bias
    )


def _heads_adjoin(x: Tensor) -> bool:
    return x.stride(2) == 1 and x.stride(1) == x.shape[2]
