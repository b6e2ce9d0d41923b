"""What is wrong with a recipe: every problem with its place in the file, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from acclimate.errors import UserError

Path = tuple[str | int, ...]
"""Keys and list indices from the top of the recipe down to a value."""


def dotted(path: Path) -> str:
    """`pretrain.optimizer.adamw.lr`; list indices count from 0."""
    return ".".join(map(str, path))


@dataclass(frozen=True)
class Place:
    """Where a value was written: line and column of the file from 1, or the override that set it."""

    line: int = 1
    column: int = 1
    override: str | None = None
    """`--set a.b.c`, for a value that did not come from the file."""


@dataclass(frozen=True)
class Problem:
    """One thing to mend."""

    place: Place
    path: Path
    message: str

    def line(self, file: str) -> str:
        """`file:line:col: path: what is wrong`."""
        where = self.place.override or f"{file}:{self.place.line}:{self.place.column}"
        path = dotted(self.path)
        told = not path or self.place.override == f"--set {path}"
        return f"{where}: {self.message}" if told else f"{where}: {path}: {self.message}"


class RecipeError(UserError):
    """All problems of a recipe. `str` gives a line each, in the order of the file; overrides come last."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = sorted(
            dict.fromkeys(problems),
            key=lambda one: (one.place.override or "", one.place.line, one.place.column, dotted(one.path)),
        )
        # A message of several lines would break "a line each".
        super().__init__("\n".join(" ".join(one.line(file).split("\n")) for one in self.problems))
