"""What differs between two sets of values, key by key, each by its dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from acclimate.recipe.problems import Path, dotted


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Any = _Absent()
"""Stands for a value that only the other side has."""


@dataclass(frozen=True)
class Difference:
    """One path at which two sides differ."""

    path: str
    left: Any
    right: Any


def differences(left: Any, right: Any) -> list[Difference]:
    """The differing leaves of two trees of plain data; a side without the leaf has ABSENT there."""
    return [Difference(dotted(path), one, other) for path, one, other in _compared(left, right, ())]


def _compared(left: Any, right: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys: list[Any] = list(dict.fromkeys([*left, *right]))
        for key in keys:
            yield from _compared(left.get(key, ABSENT), right.get(key, ABSENT), (*path, key))
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            one = left[index] if index < len(left) else ABSENT
            other = right[index] if index < len(right) else ABSENT
            yield from _compared(one, other, (*path, index))
    elif left is ABSENT and isinstance(right, (Mapping, list)) and right:
        yield from _compared(type(right)(), right, path)
    elif right is ABSENT and isinstance(left, (Mapping, list)) and left:
        yield from _compared(left, type(left)(), path)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield path, left, right
