"""Averages of weights: their formulas, what is judged and delivered, and that they resume with the state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acclimate.optim.running_average import Ema, RunningAverage, Swa
from acclimate.recipe.units import Length, Progress

STEPS = Length(10, "steps")


def walk(average: RunningAverage, model: nn.Linear, steps: int, first: int = 1) -> list[torch.Tensor]:
    """Weights after each of the steps."""
    seen = []
    for step in range(first, first + steps):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.step(Progress(steps=step))
        seen.append(model.weight.detach().clone())
    return seen


def test_ema_is_its_recursion() -> None:
    model = nn.Linear(2, 2)
    nn.init.constant_(model.weight, 3.0)
    average = Ema(decay=0.6).build(model=model, length=STEPS)
    value = 3.0
    for taken, weight in enumerate(walk(average, model, 8)):
        decay = min(0.6, (1 + taken) / (10 + taken))
        value = decay * value + (1 - decay) * float(weight[0, 0])
    with average.averaged():
        assert float(model.weight[0, 0]) == pytest.approx(value, rel=1e-6)
    assert float(model.weight[0, 0]) == 8.0
    average.settle()
    assert float(model.weight[0, 0]) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(("start", "every", "expected"), [(0.5, 1, 7.5), (0.5, 2, 8.0), (0.0, 1, 5.5)])
def test_swa_is_the_mean_of_the_last_part(start: float, every: int, expected: float) -> None:
    """Of steps 5 to 10; of 6, 8, 10; of all."""
    model = nn.Linear(2, 2)
    average = Swa(start=start, every=every).build(model=model, length=STEPS)
    walk(average, model, 10)
    average.settle()
    assert float(model.weight[0, 0]) == pytest.approx(expected)


def test_before_there_is_an_average_the_weights_are_the_trained_ones() -> None:
    model = nn.Linear(2, 2)
    average = Swa(start=0.75).build(model=model, length=STEPS)
    walk(average, model, 5)
    with average.averaged():
        assert float(model.weight[0, 0]) == 5.0
    average.settle()
    assert float(model.weight[0, 0]) == 5.0


def test_it_goes_on_where_it_was() -> None:
    whole, parted = nn.Linear(2, 2), nn.Linear(2, 2)
    for settings in (Ema(decay=0.9), Swa(start=0.2)):
        with torch.no_grad():
            parted.weight.copy_(whole.weight), parted.bias.copy_(whole.bias)
        one = settings.build(model=whole, length=STEPS)
        walk(one, whole, 10)
        first = settings.build(model=parted, length=STEPS)
        walk(first, parted, 4)
        kept = {name: tensor.clone() for name, tensor in first.carried().items()}
        second = settings.build(model=parted, length=STEPS)
        second.carry(kept)
        walk(second, parted, 6, first=5)
        for name, tensor in one.carried().items():
            if "bias" not in name:
                assert torch.equal(tensor, second.carried()[name]), name


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing would be averaged"):
        Swa(start=1.0)
    with pytest.raises(ValueError, match="less than 1"):
        Ema(decay=1.0)
