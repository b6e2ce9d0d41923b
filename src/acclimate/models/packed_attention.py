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
    **others: Any,
) -> tuple[Tensor, None]:
    """query, key, value [1, H, T, D] → [1, T, H, D]; tokens attend within their own sequence only, and where the module
    is causal to those before them."""
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        out, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return out, None
    num_heads, size = query.shape[1], query.shape[3]
    scale = size**-0.5 if scaling is None else scaling
    causal = bool(getattr(module, "is_causal", False))
    if native.takes(query):
        starts = packing.cu_seqlens
        q, k, v = (x.squeeze(0).transpose(0, 1) for x in (query, key, value))  # [T, H, D]
        return attention(q, k, v, starts, starts, scale=scale, dropout=dropout, causal=causal).unsqueeze(
            0
        ), None
    layout = packing.layout
    q, k, v = (layout.spread(x.squeeze(0).transpose(0, 1)) for x in (query, key, value))  # [P, H, D]
    outputs = []
    for group in layout.groups:
        n, length = group.num_sequences, group.length
        places = slice(group.start, group.start + n * length)
        q_nhld, k_nhld, v_nhld = (
            x[places].view(n, length, num_heads, size).transpose(1, 2) for x in (q, k, v)
        )
        mask = group.mask
        if causal:  # padding stands behind the real tokens, which do not look there
            mask = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        out = _attend(q_nhld, k_nhld, v_nhld, mask, dropout, scale)
        outputs.append(out.transpose(1, 2).reshape(n * length, num_heads, size))
    return layout.collect(torch.cat(outputs)).unsqueeze(0), None


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, scale: float) -> Tensor:
    if dropout == 0.0 or q.is_cuda:
        return functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale
        )
    # With dropout the fused kernel falls off its fast path on processors: plain products are 3-15 times faster.
    scores = torch.matmul(q, k.transpose(2, 3)) * scale
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
