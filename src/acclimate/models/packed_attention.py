"""Attention over packed rows, entered through Transformers' attention interface: no model code is changed.

A model built with this attention still answers plain, padded calls: without a packing it does what `sdpa` does, with
the mask that `sdpa` would get.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from acclimate.kernels import native
from acclimate.kernels.attention import attention
from acclimate.models.attention_masks import spread_by_distance, visible
from acclimate.models.packing import Packing

NAME = "acclimate_packed"
_packed: ContextVar[bool] = ContextVar("packed", default=False)


@contextmanager
def packed_call() -> Iterator[None]:
    """Inside, Transformers makes no masks: over a row of many sequences one would take its length squared."""
    token = _packed.set(True)
    try:
        yield
    finally:
        _packed.reset(token)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | None = None,
    sliding_window: int | None = None,
    position_bias: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """query, key, value [1, H, T, D] → [1, T, H, D]; tokens attend within their own sequence only, and where the module
    is causal to those before them (and to the packing's prefixes). Where it is not, and the packing has sources, keys
    and values are theirs: [1, H, Ts, D].

    sliding_window: only to those less than so many places away. position_bias [H, 2R+1] of a packed row: added to the
    scores, element R + distance (the key's place less the query's), where R is no less than the longest distance; an
    empty one is none.
    """
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        others |= {"sliding_window": sliding_window, "position_bias": position_bias}
        out, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return out, None
    num_heads, size = query.shape[1], query.shape[3]
    scale = size**-0.5 if scaling is None else scaling
    told = others.get("is_causal")  # by what the model's code says at the call, or else of its module
    causal = bool(getattr(module, "is_causal", False) if told is None else told)
    crossing = packing.sources is not None and not causal
    if position_bias is not None and not position_bias.numel():
        position_bias = None
    if key.shape[1] != num_heads:  # several heads share keys and values
        key, value = (x.repeat_interleave(num_heads // x.shape[1], dim=1) for x in (key, value))
    # Under autocast, rotary positions leave queries and keys wider than values.
    q, k, v = (x.squeeze(0).transpose(0, 1).to(value.dtype) for x in (query, key, value))  # [T, H, D]
    window = sliding_window or 0
    if native.takes(query):
        starts = packing.cu_seqlens
        out = attention(
            *(q, k, v, starts, packing.sources if crossing else starts),
            scale=scale,
            dropout=dropout,
            causal=causal,
            window=window,
            prefixes=packing.prefixes,
            bias=None if position_bias is None else position_bias.float(),
        )
    else:
        out = _by_groups(q, k, v, packing, crossing, causal, window, position_bias, dropout, scale)
    return out.unsqueeze(0), None


def _by_groups(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packing: Packing,
    crossing: bool,
    causal: bool,
    window: int,
    position_bias: Tensor | None,
    dropout: float,
    scale: float,
) -> Tensor:
    """The kernel's twin: [T, H, D] → [T, H, D], sequences padded in groups of similar length."""
    num_heads, size = query.shape[1:]
    layout, keys = packing.paired if crossing else (packing.layout, packing.layout)
    q, k, v = (place.spread(x) for place, x in ((layout, query), (keys, key), (keys, value)))  # [P, H, D]
    outputs = []
    for group, other in zip(layout.groups, keys.groups, strict=True):
        n, length = group.num_sequences, group.length
        q_nhld, k_nhld, v_nhld = (
            x[one.start : one.start + n * one.length].view(n, one.length, num_heads, size).transpose(1, 2)
            for one, x in ((group, q), (other, k), (other, v))
        )
        mask = (
            other.mask
            if crossing
            else visible(
                length,
                # Padding stands behind the real tokens: where attention is causal they do not look there.
                real=None if group.mask is None or causal else group.mask.view(n, length),
                causal=causal,
                window=window,
                prefixes=None if packing.prefixes is None else packing.prefixes[group.sequences],
                device=query.device,
            )
        )
        bias = None if position_bias is None else spread_by_distance(position_bias, length)
        out = _attend(q_nhld, k_nhld, v_nhld, mask, bias, dropout, scale)
        outputs.append(out.transpose(1, 2).reshape(n * length, num_heads, size))
    return layout.collect(torch.cat(outputs))


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, dropout: float, scale: float
) -> Tensor:
    if dropout == 0.0 or q.is_cuda:
        if bias is not None:
            bias = bias.to(q.dtype)
            mask = bias if mask is None else torch.where(mask, bias, torch.finfo(q.dtype).min)
        return functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale
        )
    # With dropout the fused kernel falls off its fast path on processors: plain products are 3-15 times faster.
    scores = torch.matmul(q, k.transpose(2, 3)) * scale
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = functional.dropout(torch.softmax(scores, -1, dtype=torch.float32), dropout)
    return torch.matmul(weights.to(v.dtype), v)


def register() -> str:
    """Make the attention known to Transformers; returns the name to give as `attn_implementation`.

    The mask function is registered under the same name: without it Transformers would drop padding masks silently.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    if NAME not in AttentionInterface():
        AttentionInterface.register(NAME, packed_attention)
        usual = ALL_MASK_ATTENTION_FUNCTIONS["sdpa"]

        def mask(*inputs: Any, **named: Any) -> Tensor | None:
            return None if _packed.get() else usual(*inputs, **named)

        AttentionMaskInterface.register(NAME, mask)
    return NAME
