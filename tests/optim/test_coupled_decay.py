from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from acclimate.optim.adamw import AdamW
from acclimate.optim.coupled_decay import CoupledDecay
from acclimate.optim.gradients import Gradients, apply_all
from acclimate.optim.sgd import Sgd
from acclimate.recipe.settings import Part

ALPHA = 0.03


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.ReLU(), nn.Linear(7, 3))


def loss_of(net: nn.Module, seed: int) -> Tensor:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    return net(x).pow(2).mean()  # type: ignore[no-any-return]


def trained(optimizer: AdamW | Sgd, *, coupled: bool = False, steps: int = 5) -> dict[str, Tensor]:
    net = model()
    made = optimizer.build(model=net)
    for step in range(steps):
        loss_of(net, step).backward()
        gradients = Gradients(net.named_parameters())
        apply_all([CoupledDecay(alpha=ALPHA).build()] if coupled else [], gradients)
        gradients.hand_over(made)
        made.step()
        made.zero_grad()
    return {name: one.detach().clone() for name, one in net.named_parameters()}


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_it_is_the_gradient_of_the_loss_term() -> None:
    net = model()
    written = copy.deepcopy(net)
    loss_of(net, 0).backward()
    gradients = Gradients(net.named_parameters())
    before = gradients.norm()
    CoupledDecay(alpha=ALPHA).build()(gradients)
    matrices = [one for one in written.parameters() if one.ndim > 1]
    (loss_of(written, 0) + ALPHA * sum(one.pow(2).sum() for one in matrices)).backward()
    for (name, ours), theirs in zip(net.named_parameters(), written.parameters(), strict=True):
        assert ours.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-7, msg=name)
    assert gradients.norm() != before
    expected = torch.stack([one.grad.norm() for one in written.parameters() if one.grad is not None]).norm()
    assert gradients.norm() == pytest.approx(float(expected), rel=1e-6)


def test_under_sgd_it_is_decoupled_decay_and_under_adamw_it_is_not() -> None:
    plain, coupled = trained(Sgd(lr=0.1)), trained(Sgd(lr=0.1), coupled=True)
    assert apart(coupled, trained(Sgd(lr=0.1, l2=2 * ALPHA))) < 1e-6 < apart(coupled, plain)
    # w ← w − lr·(g + 2αw) by hand: what decoupled decay of 2α does.
    net = model()
    for step in range(5):
        loss_of(net, step).backward()
        with torch.no_grad():
            for one in net.parameters():
                decay = 2 * ALPHA if one.ndim > 1 else 0.0
                one.mul_(1 - 0.1 * decay).sub_(0.1 * one.grad)
        net.zero_grad()
    assert apart(coupled, {name: one.detach() for name, one in net.named_parameters()}) < 1e-6

    decoupled = trained(AdamW(lr=0.01, weight_decay=2 * ALPHA))
    coupled = trained(AdamW(lr=0.01, weight_decay=0), coupled=True)
    assert apart(coupled, decoupled) > 1e-3


def test_settings() -> None:
    assert Part("gradient").parse({"coupled_decay": 0.01}).alpha == 0.01  # type: ignore[attr-defined]
    assert CoupledDecay().build().state_dict() == {}
    with pytest.raises(ValidationError):
        CoupledDecay(alpha=0)
