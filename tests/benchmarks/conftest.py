"""The programs in benchmarks/ import one another by their bare names, as scripts do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))


class Line:
    """A session's other end: hands out commands from a list, keeps the answers, ends when the list is empty."""

    def __init__(self, *commands: dict[str, object]) -> None:
        self.commands = list(commands)
        self.answers: list[dict[str, object]] = []

    def command(self) -> dict[str, object]:
        from session import Ended

        if not self.commands:
            raise Ended
        return self.commands.pop(0)

    def answer(self, **figures: object) -> None:
        self.answers.append(figures)


@pytest.fixture
def line() -> type[Line]:
    return Line
