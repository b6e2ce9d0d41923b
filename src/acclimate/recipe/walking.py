"""A recipe as a tree: every group of settings in it with the path by which the recipe names it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from acclimate.recipe.problems import Path
from acclimate.recipe.settings import Component, Part, Settings


@dataclass(frozen=True)
class Group:
    """One group of settings in its place."""

    path: Path
    """Where its keys stand: for a named component the name is the last step."""
    settings: Settings


def part_of(field: FieldInfo) -> Part | None:
    """The choice of a component that a field holds, alone, in a list, in a mapping, or left out."""
    for one in field.metadata:
        if isinstance(one, Part):
            return one
    return _part_in(field.annotation)


def _part_in(annotation: Any) -> Part | None:
    for one in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        found = one if isinstance(one, Part) else _part_in(one)
        if found is not None:
            return found
    return None


def settings_in(annotation: Any) -> type[Settings] | None:
    """The group of settings that a field holds, alone or optionally; components are chosen, not held."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, Settings) and not issubclass(one, Component):
            return one
    return None


def groups(settings: Settings, path: Path = ()) -> Iterator[Group]:
    """The settings themselves and all below them, in the order of the recipe."""
    yield Group(path, settings)
    for below in directly_below(settings, path):
        yield from groups(below.settings, below.path)


def directly_below(settings: Settings, path: Path = ()) -> Iterator[Group]:
    """The groups of settings that the fields of this one hold."""
    cls = type(settings)
    for key, name in cls.key_names().items():
        yield from _held(getattr(settings, name), (*path, key), part_of(cls.model_fields[name]))


def _held(value: Any, path: Path, part: Part | None) -> Iterator[Group]:
    if isinstance(value, Component) and part is not None:
        yield Group((*path, *part.steps(value)), value)
    elif isinstance(value, Settings):
        yield Group(path, value)
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from _held(one, (*path, index), part)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _held(one, (*path, key), part)
