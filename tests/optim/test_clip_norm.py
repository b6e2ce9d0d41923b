"""clip_norm equals torch's own clipping and leaves small gradients alone."""

from __future__ import annotations

import pytest
import torch

from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.gradients import Gradients, apply_all


def model_with_gradients(scale: float) -> torch.nn.Module:
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 2))
    for number, p in enumerate(model.parameters()):
        p.grad = scale * torch.randn(p.shape, generator=torch.Generator().manual_seed(number))
    return model


@pytest.mark.parametrize("scale", [0.001, 0.3, 1.0, 1e4])
def test_equals_torch(scale: float) -> None:
    ours, theirs = model_with_gradients(scale), model_with_gradients(scale)
    gradients = Gradients(ours.named_parameters())
    norm = gradients.norm()
    figures = apply_all([ClipNorm(max_norm=0.7).build()], gradients)
    gradients.tensors()  # multiplied when they are looked at
    expected = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.7)
    assert norm == pytest.approx(float(expected))
    assert figures == {"clipped": float(norm > 0.7)}
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert gradients.norm() == pytest.approx(
        float(torch.nn.utils.get_total_norm(gradients.tensors())), rel=1e-5
    )


def test_the_known_norm_is_forgotten_when_gradients_change_by_hand() -> None:
    gradients = Gradients(model_with_gradients(1.0).named_parameters())
    before = gradients.norm()
    gradients.tensors()[0].zero_()
    assert gradients.norm() == before
    gradients.changed()
    assert gradients.norm() < before


def test_state_of_another_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="no state"):
        ClipNorm().build().load_state_dict({"history": [1.0]})
