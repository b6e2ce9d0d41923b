"""`--set a.b.c=value`: one value of a recipe from the command line.

The value is read as YAML. What the path goes through and the recipe leaves to its default, or writes in a
short form, is spelt out first, so that `--set pretrain.optimizer.adamw.lr=1e-4` changes that one number only.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from acclimate.recipe.problems import Path, Place, Problem
from acclimate.recipe.source import read_source
from acclimate.recipe.wording import found, nearest


@dataclass
class Applied:
    """A recipe's plain data after the overrides."""

    data: Any
    places: dict[Path, Place] = field(default_factory=dict)
    """Path of an override → how messages name it."""
    problems: list[Problem] = field(default_factory=list)


def apply_overrides(data: Any, overrides: Sequence[str], full: Any = None) -> Applied:
    """`data` with the overrides in their order; the argument stays as it is.

    `full` is the same recipe with every default spelt out, where it could be resolved without the overrides.
    """
    applied = Applied(copy.deepcopy(data))
    for override in overrides:
        name, equals, text = override.partition("=")
        keys = name.strip().split(".")
        place = Place(override=f"--set {name.strip()}")
        if not equals or not all(keys):
            message = f"expected --set a.b.c=value, found {override!r}"
            applied.problems.append(Problem(Place(override="--set"), (), message))
            continue
        source = read_source(text if text.strip() else "null")
        if source.problems:
            for problem in source.problems:
                applied.problems.append(Problem(place, tuple(keys), f"{problem.message} (in {text!r})"))
            continue
        try:
            path = _set(applied, keys, source.data, full)
        except _NoSuchPlace as error:
            applied.problems.append(Problem(place, error.path, str(error)))
        else:
            applied.places[path] = place
    return applied


class _NoSuchPlace(Exception):
    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def _set(applied: Applied, keys: list[str], value: Any, full: Any) -> Path:
    """Put the value in and return its path, list indices as numbers."""
    holder: Any = {"": applied.data}
    slot: Any = ""
    path: Path = ()
    for key in keys:
        node = holder[slot] if not isinstance(holder, list) or slot < len(holder) else None
        node = _spelt_out(node, full, key, path)
        if isinstance(holder, list) and slot == len(holder):
            holder.append(node)
        else:
            holder[slot] = node
        holder, slot = node, _slot(node, key, path)
        path = (*path, slot)
        full = _below(full, slot)
        if isinstance(holder, dict):
            holder.setdefault(slot)
    if isinstance(holder, list) and slot == len(holder):
        holder.append(value)
    else:
        holder[slot] = value
    return path


def _spelt_out(node: Any, full: Any, key: str, path: Path) -> Any:
    """The node as something that has a place for the key: itself, its full form, or a new mapping."""
    if isinstance(node, dict) and (key in node or not isinstance(full, list)):
        return node
    if isinstance(node, list):
        return node
    if isinstance(full, (dict, list)):
        return copy.deepcopy(full)
    if node is None:
        return {}
    if node == key:
        return {key: None}
    raise _NoSuchPlace((*path, key), f"there is no place {key!r} below {found(node)}")


def _slot(node: Any, key: str, path: Path) -> str | int:
    if not isinstance(node, list):
        return key
    if not key.isdecimal():
        raise _NoSuchPlace((*path, key), f"this is a list of {len(node)}: {key!r} is no index; count from 0")
    if int(key) > len(node):
        choices = [str(index) for index in range(len(node) + 1)]
        raise _NoSuchPlace((*path, key), f"the list has {len(node)} entries; {nearest(key, choices)}")
    return int(key)


def _below(full: Any, slot: str | int) -> Any:
    if isinstance(full, dict):
        return full.get(slot)
    if isinstance(full, list) and isinstance(slot, int) and slot < len(full):
        return full[slot]
    return None
