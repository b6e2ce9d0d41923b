"""A linear layer with what follows it in a Transformer block: an activation; or dropout, residual and LayerNorm.

Worth, with the norms and dropouts alone, 1.2 times the speed of training tiny and mini BERT (benchmarks/parts.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from acclimate.kernels import native
from acclimate.kernels.products import (
    compute_dtype,
    computed,
    flat,
    forward_product,
    input_gradient,
    sum_of_rows,
    weight_gradient,
)

ACTIVATIONS = {"relu": 0, "gelu": 1, "gelu_new": 2, "gelu_pytorch_tanh": 2, "silu": 3, "swish": 3}
"""Names of Transformers → kinds of the kernel."""


class _LinearActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, kind: int, dtype: torch.dtype) -> Tensor:
        w = computed(weight, dtype)
        before = forward_product(x, weight, dtype)
        y = torch.empty_like(before)
        native.call("activate", dtype, y, before, bias, *before.shape, kind)
        ctx.save_for_backward(x, w, before, bias)
        ctx.kind = kind
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, w, before, bias = ctx.saved_tensors
        g = torch.empty_like(before)
        native.call(
            "activate_backward", x.dtype, g, gradient.contiguous(), before, bias, *before.shape, ctx.kind
        )
        return (
            input_gradient(g, w) if ctx.needs_input_grad[0] else None,
            weight_gradient(g, x) if ctx.needs_input_grad[1] else None,
            sum_of_rows(g) if ctx.needs_input_grad[2] else None,
            None,
            None,
        )


def linear_activation(x: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
    """activation(x […, in] · weightᵀ + bias) → […, out]; plain twin: linear, then Transformers' ACT2FN."""
    dtype = compute_dtype()
    y = _LinearActivation.apply(flat(x, dtype), weight, bias, ACTIVATIONS[activation], dtype)
    return y.view(*x.shape[:-1], len(weight))


class _LinearDropoutNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor,
        gain: Tensor,
        shift: Tensor,
        eps: float,
        p: float,
        dtype: torch.dtype,
    ) -> Tensor:
        w = computed(weight, dtype)
        z = forward_product(x, weight, dtype)
        seed = native.new_seed() if p else 0
        rows, cols = z.shape
        y = torch.empty_like(z)
        statistics = torch.empty(2, rows)
        native.call(
            "norm",
            dtype,
            *(y, z, bias, residual, gain, shift, statistics[0], statistics[1], rows, cols, eps, seed, p),
        )
        ctx.save_for_backward(x, w, z, gain, statistics)
        ctx.seed, ctx.p = seed, p
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, w, z, gain, statistics = ctx.saved_tensors
        dz, dx, dgain, dshift = norm_gradients(gradient.contiguous(), z, gain, statistics, ctx.seed, ctx.p)
        return (
            input_gradient(dx, w) if ctx.needs_input_grad[0] else None,
            weight_gradient(dx, x) if ctx.needs_input_grad[1] else None,
            sum_of_rows(dx) if ctx.needs_input_grad[2] else None,
            dz,
            dgain,
            dshift,
            None,
            None,
            None,
        )


def norm_gradients(
    gradient: Tensor, z: Tensor, gain: Tensor, statistics: Tensor, seed: int, p: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the residual, of what was dropped, of the norm's gain and shift. z: what was normalised; statistics [2, N]"""
    rows, cols = z.shape
    dz = torch.empty_like(z)
    dx = torch.empty_like(z) if p else None
    sums = torch.empty(2, cols)
    partial = torch.empty(32 * 2 * cols)
    native.call(
        "norm_backward",
        z.dtype,
        *(
            dz,
            dx,
            sums[0],
            sums[1],
            partial,
            gradient,
            z,
            gain,
            statistics[0],
            statistics[1],
            rows,
            cols,
            seed,
            p,
        ),
    )
    return dz, dz if dx is None else dx, sums[0], sums[1]


def linear_dropout_norm(
    x: Tensor, linear: torch.nn.Linear, residual: Tensor, norm: torch.nn.LayerNorm, p: float
) -> Tensor:
    """LayerNorm(dropout(linear(x)) + residual); x […, in], residual […, out]; plain twin: those four modules."""
    dtype = compute_dtype()
    y = _LinearDropoutNorm.apply(
        flat(x, dtype),
        linear.weight,
        linear.bias,
        flat(residual, dtype),
        norm.weight,
        norm.bias,
        norm.eps,
        p,
        dtype,
    )
    return y.view(residual.shape)
