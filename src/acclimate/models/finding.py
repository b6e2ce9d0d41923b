"""Which family a model is of, by its configuration."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.recipe.registry import registry

if TYPE_CHECKING:
    from acclimate.models.family import Family


def family_of(config: Any) -> type[Family]:
    """The family that runs models of this configuration; of several the first registered. Raises UserError."""
    known = _by_type()
    kind = config.model_type
    if kind not in known:
        raise UserError(f"models of type {kind!r} are not supported; supported: {', '.join(sorted(known))}")
    return known[kind]


@cache
def _by_type() -> dict[str, type[Family]]:
    found: dict[str, type[Any]] = {}
    for name in registry.names("family"):
        family: Any = registry.get("family", name)
        for kind in family.model_types:
            found.setdefault(kind, family)
    return found
