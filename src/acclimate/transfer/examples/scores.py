"""Rows with a number: what a cell says, and how the numbers spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import Dropped, Record, comparable
from acclimate.corpus.full_width import plain
from acclimate.transfer.examples.rows import Row, cell, identity

if TYPE_CHECKING:
    from acclimate.transfer.examples.preparing import Examples

Column = str | int


def scored_row(record: Record, *, text: Column, pair: Column | None, score: Column) -> Row | Dropped:
    """The row of these columns; its number is `more["score"]`."""
    first = cell(record, text)
    second = None if pair is None else cell(record, pair)
    if not first or (pair is not None and not second):
        return Dropped("no_text", record.place, f"{text if not first else pair!r} is empty")
    value = number(cell(record, score))
    if value is None:
        return Dropped("no_number", record.place, f"{score!r} is {cell(record, score)!r}, no finite number")
    key = comparable(first), comparable(second or "")
    return Row(identity(record), record.place, first, second, (), key, {"score": value})


def number(said: str | None) -> float | None:
    """The finite number that a cell says, in digits of any width; None where it says none. Marks between digits, as in
    1,000 or 1_000, mean different things to different people, and are none of a number's."""
    narrow = plain(said or "")
    try:
        value = float("" if "_" in narrow else narrow)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, deviation and range."""
    found = np.array(values)
    about = {"mean": found.mean(), "deviation": found.std(), "least": found.min(), "most": found.max()}
    return {name: round(float(one), 6) for name, one in about.items()}


def scores_of(examples: Examples) -> NDArray[np.float64]:
    """[N] the number of each."""
    return np.array([one["score"] for one in examples.more], dtype=np.float64)
