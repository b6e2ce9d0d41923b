"""Projection onto a reference gradient: never against it, untouched where it was not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acclimate.optim.gradients import Gradients
from acclimate.optim.project_negative import Projector


def model(seed: int) -> nn.Module:
    layers = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))
    for number, p in enumerate(layers.parameters()):
        p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(50 * seed + number))
    return layers


def flat(layers: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in layers.parameters()]).double()


@pytest.mark.parametrize("seed", range(8))
def test_a_gem_by_its_formula(seed: int) -> None:
    reference, own = model(100 + seed), model(seed)
    r, g = flat(reference), flat(own)
    projector = Projector()
    projector.learn(reference.named_parameters())
    gradients = Gradients(own.named_parameters())
    norm = gradients.norm()
    figures = projector(gradients)
    expected = g - min(0.0, float(g @ r / (r @ r))) * r
    torch.testing.assert_close(flat(own), expected, rtol=1e-5, atol=1e-6)
    assert float(flat(own) @ r) >= -1e-5 * float(g.norm() * r.norm())
    assert figures == {"projected": float(g @ r < 0)}
    if g @ r >= 0:
        assert torch.equal(flat(own), g) and gradients.norm() == norm
    else:
        assert gradients.norm() == pytest.approx(float(expected.norm()), rel=1e-5) and gradients.norm() < norm


def test_both_sides_happen() -> None:
    signs = {float(flat(model(100 + seed)) @ flat(model(seed))) < 0 for seed in range(8)}
    assert signs == {True, False}


def test_opposites_leave_nothing_and_no_reference_leaves_all() -> None:
    own = model(1)
    opposite = model(1)
    for p in opposite.parameters():
        p.grad.neg_()
    projector = Projector()
    projector.learn(opposite.named_parameters())
    projector(Gradients(own.named_parameters()))
    assert float(flat(own).abs().max()) < 1e-6
    other, before = model(2), flat(model(2))
    for p in opposite.parameters():
        p.grad.zero_()
    projector.learn(opposite.named_parameters())
    projector(Gradients(other.named_parameters()))
    assert torch.equal(flat(other), before)


def test_parameters_that_the_reference_does_not_touch_keep_their_gradient() -> None:
    own, reference = model(3), model(3)
    for p in reference.parameters():
        p.grad.neg_()
    reference[1].weight.grad = None
    projector = Projector()
    projector.learn(reference.named_parameters())
    projector(Gradients(own.named_parameters()))
    assert torch.equal(own[1].weight.grad, model(3)[1].weight.grad)
    assert float(own[0].weight.grad.abs().max()) < 1e-6


def test_a_reference_serves_so_many_steps_and_is_saved_while_it_does() -> None:
    projector = Projector(every=3)
    due = []
    for step in range(7):
        due.append(projector.due)
        if projector.due:
            projector.learn(model(step).named_parameters())
        projector(Gradients(model(20 + step).named_parameters()))
        assert bool(projector.carried()) == (step % 3 != 2)
    assert due == [True, False, False, True, False, False, True]
    again = Projector(every=3)
    again.load_state_dict(projector.state_dict())
    again.carry(projector.carried())
    assert not again.due
    one, two = model(40), model(40)
    projector(Gradients(one.named_parameters()))
    again(Gradients(two.named_parameters()))
    assert torch.equal(flat(one), flat(two))
