"""A schedule that hears validations: torch's rule, resuming, and a training that follows it."""

from __future__ import annotations

import pytest
import torch

from acclimate.optim.plateau import Plateau
from acclimate.recipe.units import Length, Progress

LOSSES = [5.0, 4.0, 4.0, 4.1, 3.9999999, 3.5, 3.6, 3.6, 3.6, 3.6, 3.4, 3.4, 3.4]


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_it_is_torch_s_rule(patience: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience - 1, threshold=1e-4, min_lr=0.1
    )
    ours = Plateau(by=0.5, patience=patience, least=0.1).build(length=Length.parse("100 steps"))
    for loss in LOSSES:
        ours.observe(loss)
        theirs.step(loss)
        assert ours(Progress(steps=50)) == optimizer.param_groups[0]["lr"]


def test_it_goes_on_from_its_state() -> None:
    settings, length = Plateau(by=0.5, patience=2, warmup="10 steps"), Length.parse("100 steps")
    whole, first = settings.build(length=length), settings.build(length=length)
    for number, loss in enumerate(LOSSES):
        if number == 6:
            state = first.state_dict()
            first = settings.build(length=length)
            first.load_state_dict(state)
        whole.observe(loss)
        first.observe(loss)
        for step in (0, 5, 50):
            assert first(Progress(steps=step)) == whole(Progress(steps=step))
    assert whole(Progress(steps=5)) == pytest.approx(whole(Progress(steps=50)) / 2)
