"""Linear layers equal torch's, and the copies of weights follow the weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acclimate.kernels import native, products
from acclimate.kernels.products import computed, linear, sum_of_rows
from acclimate.optim.gradients import Gradients
from acclimate.optim.quick_adamw import QuickAdamW


def ours(layer: nn.Linear, x: Tensor) -> Tensor:
    return linear(x, layer.weight, layer.bias)


def plain(layer: nn.Linear, x: Tensor) -> Tensor:
    return functional.linear(x, layer.weight, layer.bias)


SHAPES = [((5, 24), 40), ((1, 7), 3), ((2, 3, 33), 65), ((130, 16), 1), ((0, 8), 4)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("shape", "out"), SHAPES)
def test_linear_equals_torch(proof, shape: tuple[int, ...], out: int, bias: bool) -> None:
    layer, x = nn.Linear(shape[-1], out, bias=bias), torch.randn(shape)
    proof.equal(ours, plain, layer, x)
    proof.close_in_bf16(ours, plain, layer, x)


def test_one_row_without_a_batch(proof) -> None:
    proof.equal(ours, plain, nn.Linear(8, 4), torch.randn(8))


def test_without_onednn_and_kernels_the_same(proof, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(native, "available", lambda: False)
    layer, x = nn.Linear(24, 40), torch.randn(5, 24)
    proof.equal(ours, plain, layer, x)
    proof.close_in_bf16(ours, plain, layer, x)


def test_only_what_is_wanted_gets_a_gradient(proof) -> None:
    layer = nn.Linear(8, 4)
    layer.weight.requires_grad_(False)
    x = torch.randn(3, 8)
    ours(layer, x).sum().backward()
    assert layer.weight.grad is None and x.grad is None
    assert torch.equal(layer.bias.grad, torch.full((4,), 3.0))


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_of_rows_and_their_order(kernels, rows: int, dtype: torch.dtype) -> None:
    x = torch.randn(rows, 301).to(dtype)
    sums = []
    for threads in (1, 2, 3, 7):
        torch.set_num_threads(threads)
        sums.append(sum_of_rows(x))
    torch.testing.assert_close(sums[0].double(), x.double().sum(0), rtol=1e-5, atol=1e-5)
    assert all(torch.equal(sums[0], one) for one in sums)


def changed_by_hand(weight: nn.Parameter) -> None:
    with torch.no_grad():
        weight.mul_(-3)


def changed_by_our_step(weight: nn.Parameter) -> None:
    weight.grad = torch.randn_like(weight)
    QuickAdamW([weight], lr=0.5).step()


def changed_by_torchs_step(weight: nn.Parameter) -> None:
    weight.grad = torch.randn_like(weight)
    torch.optim.AdamW([weight], lr=0.5).step()


def changed_by_a_fused_step(weight: nn.Parameter) -> None:
    """Which torch does not count as a change: the engine's part."""
    optimizer = torch.optim.AdamW([weight], lr=0.5, fused=True)
    weight.grad = torch.randn_like(weight)
    Gradients([("weight", weight)]).hand_over(optimizer)
    optimizer.step()


def changed_by_loading(weight: nn.Parameter) -> None:
    holder = nn.Module()
    holder.weight = weight
    holder.load_state_dict({"weight": torch.randn_like(weight)})


def changed_by_data(weight: nn.Parameter) -> None:
    weight.data = torch.randn_like(weight)
    products.forget_copies()  # the engine's part: torch keeps no account of this


CHANGES = [
    changed_by_hand,
    changed_by_our_step,
    changed_by_torchs_step,
    changed_by_a_fused_step,
    changed_by_loading,
    changed_by_data,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_copies_follow_the_weight(kernels, change: Callable[[nn.Parameter], None]) -> None:
    weight = nn.Parameter(torch.randn(37, 50))
    for _ in range(3):
        straight = computed(weight, torch.bfloat16)
        assert torch.equal(straight, weight.detach().bfloat16())
        assert computed(weight, torch.bfloat16) is straight
        before = weight.detach().clone()
        change(weight)
        assert not torch.equal(weight, before)
    assert torch.equal(computed(weight, torch.bfloat16), weight.detach().bfloat16())


def test_what_validation_copied_training_can_use(kernels) -> None:
    layer = nn.Linear(8, 4)
    with torch.autocast("cpu", torch.bfloat16):
        with torch.inference_mode():
            ours(layer, torch.randn(3, 8))
        ours(layer, torch.randn(3, 8)).sum().backward()
    assert layer.weight.grad is not None


def test_weights_made_in_inference_mode_are_not_kept(kernels) -> None:
    with torch.inference_mode():
        weight = torch.randn(4, 8)
        computed(weight, torch.bfloat16)
        weight.fill_(2)
        assert torch.equal(computed(weight, torch.bfloat16), torch.full((4, 8), 2.0).bfloat16())


def test_copies_go_with_their_weights(kernels) -> None:
    before = len(products._copies)
    weight = nn.Parameter(torch.randn(4, 8))
    computed(weight, torch.bfloat16)
    assert len(products._copies) == before + 1
    del weight
    assert len(products._copies) == before
