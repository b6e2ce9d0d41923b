"""AdamW in one pass is torch's AdamW: steps, clipping, checkpoints; and torch's own where it does not fit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from acclimate.kernels import native
from acclimate.kernels.products import computed
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.gradients import Gradients, apply_all
from acclimate.optim.quick_adamw import QuickAdamW

needs_kernels = pytest.mark.skipif(not native.available(), reason="the kernels cannot be built here")


class Parts(nn.Module):
    """Shapes that fill no vector, a scalar, one that never gets a gradient, one that does not learn."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.matrix = nn.Parameter(torch.randn(37, 19))
        self.vector = nn.Parameter(torch.randn(7))
        self.scalar = nn.Parameter(torch.randn(()))
        self.idle = nn.Parameter(torch.randn(5))
        self.frozen = nn.Parameter(torch.randn(5), requires_grad=False)

    def groups(self) -> list[dict[str, Any]]:
        return [
            {"params": [self.matrix, self.idle], "weight_decay": 0.1},
            {"params": [self.vector, self.scalar], "weight_decay": 0.0, "lr": 3e-3},
        ]


SETTINGS = {"lr": 1e-2, "betas": (0.9, 0.98), "eps": 1e-6, "fused": True}


def gradients(model: Parts, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for p in (model.matrix, model.vector, model.scalar):
        p.grad = 10 ** (step % 5 - 2) * torch.randn(p.shape, generator=generator)
    if step == 4:
        model.vector.grad = None


def advance(model: Parts, optimizer: torch.optim.Optimizer, steps: range, clip: float | None = None) -> None:
    for step in steps:
        gradients(model, step)
        if clip and isinstance(optimizer, QuickAdamW):
            ours = Gradients(model.named_parameters())
            apply_all([ClipNorm(max_norm=clip).build()], ours)
            ours.hand_over(optimizer)
        elif clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        for group in optimizer.param_groups:
            group["lr"] *= 0.97
        optimizer.step()
        optimizer.zero_grad()


def assert_equal(ours: Parts, theirs: nn.Module, limit: float = 1e-6) -> None:
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        error = float((p.detach().double() - q.detach().double()).norm() / q.detach().double().norm())
        assert error < limit, f"{name}: {error:.2g}"


@needs_kernels
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("betas", [(0.9, 0.98), (0.0, 0.5), (0.9, 0.0)])
def test_fifty_steps_equal_torchs(clip: float | None, betas: tuple[float, float]) -> None:
    ours, theirs = Parts(), Parts()
    settings = SETTINGS | {"betas": betas}
    advance(ours, QuickAdamW(ours.groups(), **settings), range(50), clip)
    advance(theirs, torch.optim.AdamW(theirs.groups(), **settings), range(50), clip)
    assert_equal(ours, theirs)
    fresh = Parts()
    assert torch.equal(ours.idle, fresh.idle) and torch.equal(ours.frozen, fresh.frozen)
    assert not torch.equal(ours.matrix, fresh.matrix)


@needs_kernels
@pytest.mark.parametrize("first", [QuickAdamW, torch.optim.AdamW])
def test_checkpoints_pass_between_the_two(first: type) -> None:
    second = torch.optim.AdamW if first is QuickAdamW else QuickAdamW
    straight, changed = Parts(), Parts()
    whole = torch.optim.AdamW(straight.groups(), **SETTINGS)
    advance(straight, whole, range(20))
    before = first(changed.groups(), **SETTINGS)
    advance(changed, before, range(10))
    saved = copy.deepcopy(before.state_dict())
    after = second(changed.groups(), **SETTINGS)
    after.load_state_dict(saved)
    advance(changed, after, range(10, 20))
    assert_equal(changed, straight)
    for one, other in zip(after.state.values(), whole.state.values(), strict=True):
        assert one.keys() == other.keys()
        assert all(
            one[name].dtype == other[name].dtype and one[name].shape == other[name].shape for name in one
        )
        assert one["step"] == other["step"]


@needs_kernels
def test_bits_do_not_depend_on_threads_and_copies_are_written() -> None:
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        model = Parts()
        for _ in range(2):
            computed(model.matrix, torch.bfloat16)
            advance(model, QuickAdamW(model.groups(), **SETTINGS), range(3))
        found.append(model)
        assert torch.equal(computed(model.matrix, torch.bfloat16), model.matrix.detach().bfloat16())
    torch.set_num_threads(before)
    for model in found[1:]:
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), found[0].parameters(), strict=True))


@needs_kernels
@pytest.mark.parametrize("fault", [torch.nan, torch.inf])
def test_a_fault_shows(fault: float) -> None:
    model = Parts()
    gradients(model, 1)
    model.matrix.grad[3, 3] = fault
    QuickAdamW(model.groups(), **SETTINGS).step()
    assert model.matrix[3, 3].isnan() and int(model.matrix.isnan().sum()) == 1


@needs_kernels
def test_gradients_that_lie_otherwise_in_memory() -> None:
    across, straight = Parts(), Parts()
    across.matrix.grad = torch.randn(19, 37, generator=torch.Generator().manual_seed(3)).t()
    straight.matrix.grad = across.matrix.grad.contiguous()
    for model in (across, straight):
        QuickAdamW(model.groups(), **SETTINGS).step()
    assert torch.equal(across.matrix, straight.matrix)


@pytest.fixture(params=["no kernels", "amsgrad", "maximize", "bf16", "rows apart"])
def plain_case(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, dict[str, Any]]]:
    if request.param == "no kernels":
        monkeypatch.setattr(native, "available", lambda: False)
    else:
        monkeypatch.setattr(native, "call", lambda *a: pytest.fail("the kernel was asked"))
    yield (
        request.param,
        SETTINGS | ({request.param: True} if request.param in ("amsgrad", "maximize") else {}),
    )


def test_where_the_kernel_does_not_fit_it_is_torchs(plain_case: tuple[str, dict[str, Any]]) -> None:
    case, settings = plain_case
    ours, theirs = Parts(), Parts()
    for model in (ours, theirs):
        if case == "bf16":
            model.to(torch.bfloat16)
        if case == "rows apart":
            model.matrix = nn.Parameter(model.matrix.detach().t().contiguous().t())
    optimizers = QuickAdamW(ours.groups(), **settings), torch.optim.AdamW(theirs.groups(), **settings)
    for model, optimizer in zip((ours, theirs), optimizers, strict=True):
        gradients_in(model)
        if isinstance(optimizer, QuickAdamW):
            optimizer.gradient_factor = 0.25
        else:
            torch._foreach_mul_([p.grad for p in model.parameters() if p.grad is not None], 0.25)
        optimizer.step()
        optimizer.step()
    assert optimizers[0].gradient_factor == 1.0
    assert_equal(ours, theirs)


def gradients_in(model: Parts) -> None:
    for number, p in enumerate((model.matrix, model.vector)):
        p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(number)).to(p.dtype)


def test_a_closure_is_torchs_affair() -> None:
    model = Parts()
    optimizer = QuickAdamW(model.groups(), **SETTINGS)
    calls = []

    def closure() -> torch.Tensor:
        calls.append(1)
        gradients(model, 1)
        return torch.tensor(3.0)

    assert optimizer.step(closure) == 3.0 and calls == [1]
