"""Gradients are multiplied when somebody looks, once, or by the optimizer that offers to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acclimate.optim.gradients import Gradients
from acclimate.optim.quick_adamw import QuickAdamW


@pytest.fixture
def layer() -> nn.Linear:
    layer = nn.Linear(3, 2)
    layer.weight.grad, layer.bias.grad = torch.full((2, 3), 3.0), torch.full((2,), 4.0)
    return layer


def test_no_pass_until_somebody_looks_and_then_one(layer: nn.Linear) -> None:
    gradients = Gradients(layer.named_parameters())
    norm = gradients.norm()
    gradients.scale(0.5)
    gradients.scale(0.5)
    assert layer.weight.grad[0, 0] == 3.0
    assert gradients.norm() == pytest.approx(norm / 4)
    assert gradients.tensors()[0][0, 0] == 0.75
    assert gradients.tensors()[1][0] == 1.0  # looking again changes nothing
    gradients.changed()
    assert gradients.norm() == pytest.approx(norm / 4)


def test_a_norm_that_is_not_known_is_that_of_the_scaled(layer: nn.Linear) -> None:
    gradients = Gradients(layer.named_parameters())
    gradients.scale(2.0)
    assert gradients.norm() == pytest.approx(2 * (6 * 9 + 2 * 16) ** 0.5)


def test_the_optimizer_multiplies_where_it_offers_to(layer: nn.Linear) -> None:
    gradients, optimizer = Gradients(layer.named_parameters()), QuickAdamW(layer.parameters())
    gradients.scale(0.5)
    gradients.hand_over(optimizer)
    assert optimizer.gradient_factor == 0.5 and layer.weight.grad[0, 0] == 3.0
    optimizer.step()
    assert optimizer.gradient_factor == 1.0
    gradients.hand_over(optimizer)
    assert optimizer.gradient_factor == 1.0  # it was handed over, and is not twice


def test_other_optimizers_get_the_product(layer: nn.Linear) -> None:
    gradients, optimizer = Gradients(layer.named_parameters()), torch.optim.SGD(layer.parameters(), lr=1.0)
    before = layer.weight.detach().clone()
    gradients.scale(0.5)
    gradients.hand_over(optimizer)
    optimizer.step()
    torch.testing.assert_close(before - layer.weight.detach(), torch.full((2, 3), 1.5))


def test_parameters_without_gradient_are_left_out(layer: nn.Linear) -> None:
    layer.bias.grad = None
    gradients = Gradients(layer.named_parameters())
    assert [name for name, _ in gradients.parameters] == ["weight"]
    assert Gradients([]).norm() == 0.0
