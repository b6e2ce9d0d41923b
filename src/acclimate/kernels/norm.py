"""LayerNorm and dropout on their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from acclimate.kernels import native
from acclimate.kernels.fused_linear import norm_gradients
from acclimate.kernels.products import compute_dtype, flat


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, eps: float) -> Tensor:
        rows, cols = x.shape
        y = torch.empty_like(x)
        statistics = torch.empty(2, rows)
        native.call(
            "norm",
            x.dtype,
            *(y, x, None, None, gain, shift, statistics[0], statistics[1], rows, cols, eps, 0, 0.0),
        )
        ctx.save_for_backward(x, gain, statistics)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, statistics = ctx.saved_tensors
        dz, _, dgain, dshift = norm_gradients(gradient.contiguous(), x, gain, statistics, 0, 0.0)
        return dz, dgain, dshift, None


def layer_norm(x: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    """[…, C] → […, C]; plain twin: the module itself."""
    return _LayerNorm.apply(flat(x, compute_dtype()), norm.weight, norm.bias, norm.eps).view(x.shape)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, seed: int) -> Tensor:
        ctx.p, ctx.seed = p, seed
        return _dropped(x, p, seed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _dropped(gradient.contiguous(), ctx.p, ctx.seed), None, None


def _dropped(x: Tensor, p: float, seed: int) -> Tensor:
    y = torch.empty_like(x)
    cols = x.shape[-1]
    native.call("dropout", x.dtype, y, x, x.numel() // cols, cols, seed, p)
    return y


def dropout(x: Tensor, p: float) -> Tensor:
    """Each element is 0 with probability p, else divided by 1 − p; plain twin: torch.nn.functional.dropout."""
    return _Dropout.apply(x.contiguous(), p, native.new_seed()) if p else x
