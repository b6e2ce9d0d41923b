"""The sum of embeddings of several tables, and the gradients of the tables."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from acclimate.kernels import native
from acclimate.kernels.products import compute_dtype


class _EmbeddingSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: tuple[Tensor, ...], padding: tuple[int | None, ...], dtype: torch.dtype, *tables: Tensor) -> Tensor:
        rows, cols = len(ids[0]), tables[0].shape[1]
        out = torch.empty(rows, cols, dtype=dtype)
        for one, table in zip(ids, tables, strict=True):
            if rows and not 0 <= int(one.min()) <= int(one.max()) < len(table):
                raise IndexError(f"an id from {int(one.min())} to {int(one.max())} in a table of {len(table)} rows")
        addresses = ctypes.c_void_p * len(tables)
        table_addresses = addresses(*(x.data_ptr() for x in tables))
        id_addresses = addresses(*(x.data_ptr() for x in ids))
        native.call(
            "gather_sum",
            dtype,
            *(out, ctypes.addressof(table_addresses), ctypes.addressof(id_addresses), len(tables), rows, cols),
        )
        ctx.ids, ctx.padding = ids, padding
        ctx.shapes = [x.shape for x in tables]
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradient.contiguous()
        found: list[Tensor | None] = []
        for ids, padding, shape, wanted in zip(
            ctx.ids, ctx.padding, ctx.shapes, ctx.needs_input_grad[3:], strict=True
        ):
            if not wanted:
                found.append(None)
                continue
            table = torch.zeros(shape)
            native.call("scatter_add", gradient.dtype, table, gradient, ids, len(ids), shape[1])
            if padding is not None:  # as torch.nn.Embedding has it: the padding's row does not learn
                table[padding] = 0
            found.append(table)
        return None, None, None, *found


def embedding_sum(tables: Sequence[torch.nn.Embedding], ids: Sequence[Tensor]) -> Tensor:
    """Σ tables[i](ids[i]); every ids […] of the same shape → […, C]; plain twin: the modules and +."""
    dtype = compute_dtype()
    flat = tuple(x.reshape(-1).contiguous() for x in ids)
    out = _EmbeddingSum.apply(flat, tuple(x.padding_idx for x in tables), dtype, *(x.weight for x in tables))
    return out.view(*ids[0].shape, -1)
