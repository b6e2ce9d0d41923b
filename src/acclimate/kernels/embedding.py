"""The sum of embeddings of several tables, and the gradients of the tables."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from acclimate.kernels import native
from acclimate.kernels.products import compute_dtype
from acclimate.kernels.row_gradients import Rows, add_rows, leave


class _EmbeddingSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        ids: tuple[Tensor, ...],
        padding: tuple[int | None, ...],
        dtype: torch.dtype,
        *tables: Tensor,
    ) -> Tensor:
        rows, cols = len(ids[0]), tables[0].shape[1]
        out = torch.empty(rows, cols, dtype=dtype)
        for one, table in zip(ids, tables, strict=True):
            if rows and not 0 <= int(one.min()) <= int(one.max()) < len(table):
                raise IndexError(
                    f"an id from {int(one.min())} to {int(one.max())} in a table of {len(table)} rows"
                )
        addresses = ctypes.c_void_p * len(tables)
        table_addresses = addresses(*(x.data_ptr() for x in tables))
        id_addresses = addresses(*(x.data_ptr() for x in ids))
        native.call(
            "gather_sum",
            dtype,
            *(
                out,
                ctypes.addressof(table_addresses),
                ctypes.addressof(id_addresses),
                len(tables),
                rows,
                cols,
            ),
        )
        ctx.looked_up = tuple(zip(tables, ids, padding, strict=True))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradient.contiguous()
        found: list[Tensor | None] = []
        for (table, ids, padding), wanted in zip(ctx.looked_up, ctx.needs_input_grad[3:], strict=True):
            rows = Rows(table, ids, gradient, padding)
            found.append(None if not wanted or leave(rows) else add_rows(torch.zeros(table.shape), rows))
        return None, None, None, *found


def embedding_sum(tables: Sequence[torch.nn.Embedding], ids: Sequence[Tensor]) -> Tensor:
    """Σ tables[i](ids[i]); every ids […] of the same shape → […, C]; plain twin: the modules and +."""
    dtype = compute_dtype()
    flat = tuple(x.reshape(-1).contiguous() for x in ids)
    out = _EmbeddingSum.apply(flat, tuple(x.padding_idx for x in tables), dtype, *(x.weight for x in tables))
    return out.view(*ids[0].shape, -1)
