"""Schedule values at points computed by hand, and against Transformers' own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import transformers
from pydantic import ValidationError

from acclimate.optim.schedules import (
    Constant,
    Cosine,
    InverseSqrt,
    Linear,
    Noam,
    Polynomial,
    Restarts,
    SlantedTriangular,
    Triangle,
    Wsd,
)
from acclimate.recipe.registry import registry
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


def points(schedule: Any, *steps: int, length: str = "100 steps") -> list[float]:
    factor = schedule.build(length=Length.parse(length))
    return [factor(at(step)) for step in steps]


def test_polynomial_points() -> None:
    assert points(Polynomial(power=2, final=0.1), 0, 50, 100) == pytest.approx([1, 0.325, 0.1])
    assert points(Polynomial(power=1, warmup="10%"), 5, 55, 100) == pytest.approx([0.5, 0.5, 0])


def test_polynomial_equals_transformers() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = transformers.get_polynomial_decay_schedule_with_warmup(
        optimizer, 10, 100, lr_end=0.05, power=3.0
    )
    ours = Polynomial(warmup="10%", power=3, final=0.05).build(length=Length.parse("100 steps"))
    for step in range(100):
        assert ours(at(step)) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_warmup_stable_decay_points() -> None:
    steps = (0, 5, 10, 50, 80, 90, 100)
    assert points(
        Wsd(warmup="10 steps", decay="20%", shape="linear"), 5, 10, 50, 82, 91, 100
    ) == pytest.approx([0.5, 1, 1, 1, 0.5, 0])
    assert points(Wsd(decay="20%"), *steps) == pytest.approx([1, 1, 1, 1, 1, 1 - math.sqrt(0.5), 0])
    assert points(Wsd(decay="20%", shape="cosine", final=0.1), 90, 100) == pytest.approx([0.55, 0.1])
    assert points(Wsd(decay="0%"), 0, 99, 100) == [1, 1, 1]


def test_restarts_equal_torch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2, eta_min=0.1)
    ours = Restarts(cycles=3, growth=2, final=0.1).build(length=Length.parse("70 steps"))  # 10 + 20 + 40
    for step in range(70):
        assert ours(at(step)) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()
    assert ours(at(70)) == pytest.approx(0.1)


def test_triangle_points() -> None:
    assert points(Triangle(), 0, 25, 50, 75, 100) == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert points(Triangle(peak="25%"), 0, 25, 100) == pytest.approx([0, 1, 0])


def test_slanted_triangular_points_of_the_paper() -> None:
    assert points(SlantedTriangular(), 0, 10, 55, 100) == pytest.approx([1 / 32, 1, 0.515625, 1 / 32])


def test_inverse_square_root_points() -> None:
    assert points(InverseSqrt(warmup="10 steps"), 0, 5, 10, 40, 90) == pytest.approx([0, 0.5, 1, 0.5, 1 / 3])
    assert points(InverseSqrt(warmup="10%", flat=True), 0, 5, 10, 40) == pytest.approx([1, 1, 1, 0.5])
    # T5: 1/√max(t, 10⁴), times an lr of 0.01
    t5 = points(InverseSqrt(warmup="10k steps", flat=True), 1, 10_000, 250_000, length="1M steps")
    assert [0.01 * factor for factor in t5] == pytest.approx([0.01, 0.01, 0.002])
    with pytest.raises(ValidationError, match="more than nothing"):
        InverseSqrt(warmup="0%")


def test_inverse_square_root_equals_transformers() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = transformers.get_inverse_sqrt_schedule(optimizer, 10)
    ours = InverseSqrt(warmup="10 steps").build(length=Length.parse("100 steps"))
    for step in range(100):
        assert ours(at(step)) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_noam_peak_of_the_paper() -> None:
    steps = [0, 1, 4000, 16_000]
    found = points(Noam(), *steps, length="100k steps")
    assert found == pytest.approx([0, 512**-0.5 * 4000**-1.5, 6.988e-4, 6.988e-4 / 2], rel=1e-3)


@pytest.mark.parametrize("name", sorted(registry.names("schedule")))
def test_every_schedule_stays_between_nothing_and_the_peak(name: str) -> None:
    schedule = registry.get("schedule", name)()
    assert all(0 <= factor <= 1 for factor in points(schedule, *range(0, 111, 3)))
