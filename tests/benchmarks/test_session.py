"""What a round counts and what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from session import LEAST, UNTIMED, WARM_UP, Ended, Steps


def driven(line: Any, *, multiple: int = 1, tokens: int = 10) -> int:
    """Steps that a candidate does before it is told to end."""
    steps = Steps(line, multiple=multiple)
    done = 0
    with pytest.raises(Ended):
        for done in range(1, 1000):
            steps.step(tokens, loss=float(done))
    return done


def test_warm_up_and_each_rounds_first_steps_are_not_counted(line: Any) -> None:
    end = line({"steps": 5}, {"steps": 3})
    assert driven(end) == WARM_UP + (UNTIMED + 5) + (UNTIMED + 3)
    ready, first, second = end.answers
    assert ready == {"ready": True}
    assert (first["steps"], first["tokens"]) == (5, 50)
    assert (second["steps"], second["tokens"]) == (3, 30)
    assert first["seconds"] > 0 and first["cpu_seconds"] >= 0


def test_a_round_in_seconds_has_some_steps_all_the_same(line: Any) -> None:
    end = line({"seconds": 0})
    driven(end)
    assert end.answers[1]["steps"] == LEAST


def test_a_round_ends_with_a_whole_cycle(line: Any) -> None:
    end = line({"seconds": 0})
    driven(end, multiple=6)
    assert end.answers[1]["steps"] == 6


def test_losses_are_those_of_the_steps_after_warm_up(line: Any) -> None:
    end = line({"losses": 4})
    driven(end)
    assert end.answers[1]["losses"] == [WARM_UP + n for n in (1.0, 2.0, 3.0, 4.0)]
