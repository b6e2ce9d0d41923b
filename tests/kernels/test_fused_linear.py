"""A linear layer and what follows it, in one, equal the modules one after the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from acclimate.kernels import native
from acclimate.kernels.fused_linear import ACTIVATIONS, linear_activation, linear_dropout_norm

SIZES = [(5, 24, 40), (1, 7, 3), (33, 16, 65), (70, 8, 128)]


def fused(name: str):
    return lambda layer, x: linear_activation(x, layer.weight, layer.bias, name)


def apart(name: str):
    return lambda layer, x: ACT2FN[name](layer(x))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
def test_activations(proof, name: str, rows: int, inputs: int, outputs: int) -> None:
    layer, x = nn.Linear(inputs, outputs), 3 * torch.randn(rows, inputs)
    proof.equal(fused(name), apart(name), layer, x)
    if name == "relu":  # away from its kink, where a rounding decides whether a gradient passes
        layer.bias.data = torch.randn(outputs).sign() * 30
    proof.close_in_bf16(fused(name), apart(name), layer, x)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_over_all_sizes_of_numbers(kernels, name: str) -> None:
    """To 1e-6 absolutely near zero, where differences cancel, and relatively elsewhere; no overflow at the ends."""
    x = torch.cat([torch.linspace(-30, 30, 20_001), torch.tensor([-1e4, 1e4, -1e15, 1e15, 1e-30, -0.0])])
    y, slope = both(name, x)
    leaf = x.double().requires_grad_()
    wanted = ACT2FN[name](leaf)
    wanted.sum().backward()
    torch.testing.assert_close(y.double(), wanted.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(slope.double(), leaf.grad, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_hide_no_fault(kernels, name: str) -> None:
    y, slope = both(name, torch.tensor([float("nan"), float("inf"), 1.0]))
    assert y[0].isnan() and y[1].isinf() and y[2].isfinite() and slope[2].isfinite()
    if name == "relu":
        assert both(name, torch.tensor([-float("inf")]))[0] == 0
    else:
        assert slope[0].isnan()


def both(name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """The activation and its slope, without a product before."""
    row, bias, y = x[None].contiguous(), torch.zeros_like(x), torch.empty(1, len(x))
    native.call("activate", x.dtype, y, row, bias, 1, len(x), ACTIVATIONS[name])
    slope = torch.empty_like(y)
    native.call(
        "activate_backward", x.dtype, slope, torch.ones_like(y), row, bias, 1, len(x), ACTIVATIONS[name]
    )
    return y[0], slope[0]


def block(inputs: int, outputs: int) -> nn.ModuleDict:
    norm = nn.LayerNorm(outputs, eps=1e-12)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    return nn.ModuleDict({"linear": nn.Linear(inputs, outputs), "norm": norm})


def in_one(p: float = 0.0):
    return lambda parts, x, residual: linear_dropout_norm(x, parts["linear"], residual, parts["norm"], p)


def one_by_one(parts: nn.ModuleDict, x: Tensor, residual: Tensor) -> Tensor:
    return parts["norm"](parts["linear"](x) + residual)


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
def test_norm_of_linear_and_residual(proof, rows: int, inputs: int, outputs: int) -> None:
    given = block(inputs, outputs), torch.randn(rows, inputs), torch.randn(rows, outputs)
    proof.equal(in_one(), one_by_one, *given)
    if outputs > 3:  # of three numbers' norm hardly a gradient is left
        proof.close_in_bf16(in_one(), one_by_one, *given)


def test_bits_do_not_depend_on_threads(proof) -> None:
    given = block(24, 40), torch.randn(67, 24), torch.randn(67, 40)
    proof.steady(in_one(0.1), *given, products=("linear.weight",))
    proof.steady(fused("gelu"), nn.Linear(24, 40), torch.randn(67, 24), products=("weight",))


def test_dropout_is_the_same_in_both_directions(kernels) -> None:
    """Of ones through an identity, what was dropped lies below the mean; nothing may flow back there."""
    parts = block(64, 64)
    with torch.no_grad():
        parts["linear"].weight.copy_(torch.eye(64)), parts["linear"].bias.zero_()
        parts["norm"].weight.fill_(1), parts["norm"].bias.zero_()
    x = torch.ones(500, 64, requires_grad=True)
    residual = torch.zeros(500, 64, requires_grad=True)
    y = in_one(0.25)(parts, x, residual)
    y.backward(torch.randn(500, 64))
    dropped = y.detach() < 0
    assert dropped.float().mean() == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 32_000) ** 0.5)
    assert torch.equal(x.grad == 0, dropped)
    torch.testing.assert_close(x.grad[~dropped], residual.grad[~dropped] / 0.75)
    torch.testing.assert_close(parts["linear"].bias.grad, x.grad.sum(0))
    whole = x.grad.sum(0)[:, None].expand(64, 64)
    torch.testing.assert_close(parts["linear"].weight.grad, whole, rtol=1e-5, atol=1e-4)
    assert not torch.equal(in_one(0.25)(parts, x, residual), y)
