"""NT-ASGD: a hand-computed sequence, the moment of the switch, and what is validated, kept and delivered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from acclimate.engine.checkpoint import Checkpoints
from acclimate.engine.fit import Surroundings, fit
from acclimate.engine.measure import Measured
from acclimate.engine.state import TrainState
from acclimate.optim.averaging import Trigger
from acclimate.optim.nt_asgd import NtAsgd
from acclimate.recipe.units import Length


class One(nn.Module):
    """One weight, loss ½·w²·c for the gradient c·w."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[4.0]]))


def stepped(optimizer: Any, model: One) -> float:
    model.weight.grad = model.weight.detach().clone()
    optimizer.step()
    return float(model.weight.detach())


def test_a_sequence_by_hand() -> None:
    """lr ½, decay 0.2: w ← w − ½·(w + 0.2·w) = 0.4·w. Averaged from the third step on."""
    model = One()
    optimizer = NtAsgd(lr=0.5, l2=0.2, n=1).build(model=model)
    assert [stepped(optimizer, model) for _ in range(2)] == pytest.approx([1.6, 0.64])
    for loss in (3.0, 2.0, 5.0):  # the third is above the best of those more than one back
        optimizer.trigger.observe(loss)
    seen = [stepped(optimizer, model) for _ in range(3)]
    assert seen == pytest.approx([0.256, 0.1024, 0.04096])
    with optimizer.averaged():
        assert float(model.weight.detach()) == pytest.approx(sum(seen) / 3)
    assert float(model.weight.detach()) == pytest.approx(0.04096)
    optimizer.settle()
    assert float(model.weight.detach()) == pytest.approx(sum(seen) / 3)


def test_without_a_switch_it_is_torchs_sgd() -> None:
    ours, theirs = One(), One()
    optimizer = NtAsgd(lr=0.3, l2=1e-2).build(model=ours)
    other = torch.optim.SGD(theirs.parameters(), lr=0.3, weight_decay=1e-2)
    for _ in range(5):
        assert stepped(optimizer, ours) == pytest.approx(stepped(other, theirs))
    with optimizer.averaged():
        assert float(ours.weight.detach()) == pytest.approx(float(theirs.weight.detach()))


@pytest.mark.parametrize(
    ("n", "losses", "pulled_at"),
    [
        (5, [9, 8, 7, 6, 5, 4, 3, 2, 1], None),
        (5, [5, 6, 7, 8, 9, 10], None),  # none lies more than five back
        (5, [5, 6, 7, 8, 9, 10, 11], 6),
        (2, [5, 4, 3, 4, 3.5, 3.2], 5),
        (2, [5, 4, 3, 3, 3, 3], None),  # as good as the best is not worse
        (1, [5, 4, 6, 1], 2),
    ],
)
def test_the_switch_is_not_monotonic(n: int, losses: list[float], pulled_at: int | None) -> None:
    trigger, found = Trigger(n), None
    for number, loss in enumerate(losses):
        trigger.observe(loss)
        if trigger.pulled and found is None:
            found = number
    assert found == pulled_at
    again = Trigger(n)
    again.load_state_dict(trigger.state_dict())
    assert again.state_dict() == trigger.state_dict()


@pytest.fixture
def losing(make: Callable[..., Any]) -> Callable[..., Any]:
    """losing() → (training, state, surroundings, weights at each validation): the loss rises at every validation."""

    def build(**around: Any) -> Any:
        training, state = make("12 steps", dropout=0.0)
        state = TrainState(state.model, NtAsgd(lr=0.1, n=1).build(model=state.model), [])
        seen: list[torch.Tensor] = []

        def validate() -> Measured:
            seen.append(next(state.model.parameters()).detach().clone())
            return Measured(np.arange(1), np.array([float(len(seen))]), np.ones(1))

        surroundings = Surroundings(validate=validate, validate_every=Length.parse("2 steps"), **around)
        return training, state, surroundings, seen

    return build


def test_averages_are_validated_and_delivered(losing: Callable[..., Any]) -> None:
    training, state, around, seen = losing()
    weights = [
        next(state.model.parameters()).detach().clone()
        for record in fit(training, state, around)
        if type(record).__name__ == "StepRecord"
    ]
    assert state.optimizer.trigger.pulled
    # Heard at steps 2, 4, 6: the loss of the third is above that of the first, so steps 7 to 12 are averaged.
    for validation, steps in ((0, (2,)), (2, (6,)), (3, (7, 8)), (5, range(7, 13))):
        mean = torch.stack([weights[step - 1] for step in steps]).mean(0)
        torch.testing.assert_close(seen[validation], mean)
    torch.testing.assert_close(next(state.model.parameters()).detach(), seen[-1])
    assert not torch.allclose(seen[-1], weights[-1])


def test_the_best_weights_are_those_that_were_measured(losing: Callable[..., Any], tmp_path: Any) -> None:
    training, state, around, seen = losing(
        best=Checkpoints(tmp_path), take_best=True, checkpoints=Checkpoints(tmp_path)
    )
    list(fit(training, state, around))
    assert state.best_step == 2
    torch.testing.assert_close(next(state.model.parameters()).detach(), seen[0])


def test_it_resumes_bit_by_bit(losing: Callable[..., Any], tmp_path: Any) -> None:
    training, whole, around, _ = losing()
    list(fit(training, whole, around))

    kept = Checkpoints(tmp_path)
    training, half, around, _ = losing(checkpoints=kept, checkpoint_every=Length.parse("3 steps"))
    for record in fit(training, half, around):
        if type(record).__name__ == "CheckpointRecord" and record.step == 9:
            break
    training, again, around, seen = losing()
    seen.extend([torch.zeros(1)] * 4)  # so that the next validations lose as before
    assert kept.resume(again) is not None and again.optimizer.trigger.pulled
    list(fit(training, again, around))
    ours, theirs = again.tensors(), whole.tensors()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert again.scalars()["listeners"] == whole.scalars()["listeners"]
