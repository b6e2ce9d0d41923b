"""Matrix products in the precision that autocast asks for, and linear layers made of them.

In fp32 they go through oneDNN: MKL, torch's default, takes a slow path on processors that are not Intel's. In bf16
the weight's copy is made once per optimizer step and not at every use, and the gradient of the weight is what
autocast would give: one bf16 rounding of an fp32 sum.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.weak import WeakIdKeyDictionary

from acclimate.kernels import native

_copies: Any = WeakIdKeyDictionary()
"""parameter → (its version, its bf16 copy)"""


def compute_dtype() -> torch.dtype:
    """bf16 inside an autocast for it, else fp32."""
    if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16:
        return torch.bfloat16
    return torch.float32


def computed(parameter: Tensor, dtype: torch.dtype) -> Tensor:
    """A parameter in the precision of the products: itself, or its copy, made again when it has changed."""
    if parameter.dtype == dtype:
        return parameter.detach()
    if parameter.is_inference():  # its changes are not counted
        return parameter.detach().to(dtype)
    version, known = parameter._version, _copies.get(parameter)
    if known is not None and known[0] == version:
        return known[1]  # type: ignore[no-any-return]
    with (
        torch.inference_mode(False),
        torch.no_grad(),
    ):  # what validation copies, training may save for backward
        copy = parameter.detach().to(dtype) if known is None else known[1].copy_(parameter)
    _copies[parameter] = (version, copy)
    return copy  # type: ignore[no-any-return]


def written_copy(parameter: Tensor) -> Tensor | None:
    """The buffer of the parameter's copy, for an optimizer that writes both; it must call `has_written` after."""
    known = _copies.get(parameter)
    return None if known is None else known[1]


def has_written(parameter: Tensor, copy: Tensor | None) -> None:
    """The parameter was changed outside torch's sight, and its copy with it."""
    torch.autograd.graph.increment_version(parameter)
    if copy is not None:
        _copies[parameter] = (parameter._version, copy)


def forget_copies() -> None:
    """Before work on weights that somebody may have changed through `.data`, which leaves no trace."""
    _copies.clear()


def forward_product(x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """x [N, in] · weight [out, in]ᵀ; a bias is left to the kernel that comes after, where it costs nothing."""
    if dtype == torch.float32:
        return _onednn(x, computed(weight, dtype))
    return torch.mm(x, computed(weight, dtype).t())


def input_gradient(gradient: Tensor, weight: Tensor) -> Tensor:
    """gradient [N, out] · weight [out, in], the weight in the precision of the products."""
    if gradient.dtype == torch.float32:
        return _onednn(gradient, weight.t())
    return torch.mm(gradient, weight)


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """gradient [N, out]ᵀ · x [N, in] in fp32"""
    return torch.mm(gradient.t(), x).float()


def _onednn(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    if not len(x) or not torch.backends.mkldnn.is_available():
        return functional.linear(x, w, bias)
    return torch.ops.mkldnn._linear_pointwise(x, w, bias, "none", [], "")  # type: ignore[no-any-return]


def sum_of_rows(x: Tensor) -> Tensor:
    """[N, C] → [C] in fp32, in an order that does not depend on the threads."""
    if not native.available():
        return x.float().sum(0)
    rows, cols = x.shape
    out = torch.empty(cols, dtype=torch.float32)
    partial = torch.empty(32 * cols, dtype=torch.float32)
    native.call("column_sums", x.dtype, out, partial, x, None, rows, cols)
    return out


def flat(x: Tensor, dtype: torch.dtype) -> Tensor:
    """[…, C] → [N, C], contiguous, in the precision of the products."""
    return x.reshape(-1, x.shape[-1]).to(dtype).contiguous()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        w = computed(weight, dtype)
        ctx.save_for_backward(x, w)
        ctx.has_bias = bias is not None
        if bias is None:
            return forward_product(x, weight, dtype)
        b = computed(bias, dtype)
        return _onednn(x, w, b) if dtype == torch.float32 else torch.addmm(b, x, w.t())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        gradient = gradient.contiguous()
        return (
            input_gradient(gradient, w) if ctx.needs_input_grad[0] else None,
            weight_gradient(gradient, x) if ctx.needs_input_grad[1] else None,
            sum_of_rows(gradient) if ctx.has_bias and ctx.needs_input_grad[2] else None,
            None,
        )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x […, in] · weight [out, in]ᵀ + bias → […, out]; plain twin: torch.nn.functional.linear."""
    dtype = compute_dtype()
    y = _Linear.apply(flat(x, dtype), weight, bias, dtype)
    return y.view(*x.shape[:-1], len(weight))
