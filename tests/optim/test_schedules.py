"""Schedule values at points computed by hand, and against Transformers' own."""

from __future__ import annotations

import math

import pytest
import torch
import transformers

from acclimate.optim.schedules import Constant, Cosine, Linear
from acclimate.recipe.units import Length, Progress


def at(step: int) -> Progress:
    return Progress(steps=step, tokens=step * 100, sequences=step * 4, epochs=step / 50, seconds=step * 0.5)


@pytest.mark.parametrize("unit", ["100 steps", "10k tokens", "400 sequences", "2 epochs", "50 seconds"])
def test_linear_points_in_every_unit(unit: str) -> None:
    factor = Linear(warmup="10%").build(length=Length.parse(unit))
    expected = {0: 0.0, 5: 0.5, 10: 1.0, 55: 0.5, 100: 0.0, 130: 0.0}
    for step, value in expected.items():
        assert factor(at(step)) == pytest.approx(value, abs=1e-12)


def test_warmup_in_a_unit_of_its_own() -> None:
    factor = Linear(warmup="10 steps").build(length=Length.parse("10k tokens"))
    assert [factor(at(s)) for s in (0, 5, 10, 55, 100)] == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_cosine_and_constant_points() -> None:
    cosine = Cosine(warmup="20%", final=0.1).build(length=Length.parse("100 steps"))
    assert [cosine(at(s)) for s in (0, 10, 20, 60, 100)] == pytest.approx([0, 0.5, 1, 0.55, 0.1])
    constant = Constant(warmup="10%").build(length=Length.parse("100 steps"))
    assert [constant(at(s)) for s in (0, 5, 10, 99)] == pytest.approx([0, 0.5, 1, 1])


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_equal_to_transformers(kind: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = transformers.get_scheduler(kind, optimizer, num_warmup_steps=12, num_training_steps=90)
    ours = {"linear": Linear, "cosine": Cosine}[kind](warmup="12 steps").build(
        length=Length.parse("90 steps")
    )
    for step in range(90):
        assert ours(at(step)) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_never_outside_zero_and_one() -> None:
    for schedule in (Linear(warmup="37%"), Cosine(warmup="100%"), Constant(), Linear(warmup="500 steps")):
        factor = schedule.build(length=Length.parse("100 steps"))
        for step in range(120):
            assert 0 <= factor(at(step)) <= 1 and math.isfinite(factor(at(step)))
