"""The rate falls in steps, at the epochs of Zaremba et al."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from acclimate.optim.step_decay import StepDecay
from acclimate.recipe.units import Length, Progress


@pytest.mark.parametrize(("hold", "by"), [(4, 2.0), (6, 1.2), (14, 1.15)])
def test_it_is_the_published_rule(hold: int, by: float) -> None:
    """Their epoch e, counted from 1, has by^−max(e − hold, 0) of the rate."""
    factor = StepDecay(hold=Length(hold, "epochs"), by=by).build(length=Length.parse("55 epochs"))
    for epoch in range(1, 56):
        expected = by ** -max(epoch - hold, 0)
        for within in (0.0, 0.3, 0.999):
            assert factor(Progress(epochs=epoch - 1 + within)) == pytest.approx(expected)


def test_steps_may_be_longer_and_counted_otherwise() -> None:
    settings = StepDecay.model_validate({"hold": "100 steps", "by": 10, "every": "50 steps"})
    factor = settings.build(length=Length.parse("1000 steps"))
    assert [factor(Progress(steps=one)) for one in (0, 99, 100, 149, 150, 200)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.001]
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hold": "4 epochs", "every": "10 steps"}, "counted in epochs, every in steps"),
        ({"every": "0 epochs"}, "more than nothing"),
        ({"by": 1}, "expected more than 1"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        StepDecay.model_validate(settings)
