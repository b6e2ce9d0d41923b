"""The registry: which components there are, by role and name. Small, explicit, lazy.

Targets are strings, imported only when asked for. No recipe can name an import path: it names what is listed
in `parts.py` or what an installed package offers through the entry-point group `acclimate.components`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module, metadata
from types import MappingProxyType
from typing import get_args

from acclimate.errors import UserError
from acclimate.recipe.parts import PARTS
from acclimate.recipe.settings import Component, nearest

ENTRY_POINTS = "acclimate.components"


class Registry:
    """(role, name) → "module:Class"."""

    def __init__(self, parts: Iterable[tuple[str, str, str]] = ()) -> None:
        self._targets: dict[str, dict[str, str]] = {}
        for role, name, target in parts:
            self.add(role, name, target)

    def add(self, role: str, name: str, target: str) -> None:
        """List one component. Raises ValueError when the name is taken in its role."""
        known = self._targets.setdefault(role, {})
        if name in known:
            raise ValueError(f"{role} {name!r} is registered twice: {known[name]} and {target}")
        known[name] = target

    def add_entry_points(self) -> None:
        """List what installed packages offer: an entry point `role.name = module:Class` each."""
        for point in metadata.entry_points(group=ENTRY_POINTS):
            role, _, name = point.name.partition(".")
            if not name:
                raise UserError(f"entry point {point.name!r} of group {ENTRY_POINTS}: expected ROLE.NAME")
            self.add(role, name, point.value)

    def roles(self) -> list[str]:
        return sorted(self._targets)

    def names(self, role: str) -> Mapping[str, str]:
        """Name → target of a role; empty for a role that nobody registered."""
        return MappingProxyType(self._targets.get(role, {}))

    def get(self, role: str, name: str) -> type[Component]:
        """The settings class. Raises UserError with the nearest spelling for an unknown name."""
        names = self.names(role)
        if name not in names:
            raise UserError(f"unknown {role} {name!r}; {nearest(name, names)}")
        module, _, attribute = names[name].partition(":")
        cls = getattr(import_module(module), attribute)
        if cls.registered_as != (role, name):
            raise ValueError(
                f"{names[name]} calls itself {cls.registered_as}, it is listed as {(role, name)}"
            )
        return cls  # type: ignore[no-any-return]

    def component_that_takes(self, role: str, word: object) -> str | None:
        """The name of the component whose short form takes the word, as `adapters` does `lora`; None: there is none."""
        for name in sorted(self.names(role)):
            cls = self.get(role, name)
            if cls.bare is not None and word in get_args(cls.model_fields[cls.bare].annotation):
                return name
        return None


registry = Registry(PARTS)
registry.add_entry_points()
