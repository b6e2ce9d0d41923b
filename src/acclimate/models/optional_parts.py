"""Parts of a model that some families let a recipe choose, or offer; a family that does not says so by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acclimate.recipe.registry import registry
from acclimate.recipe.settings import problem

OPTIONS = (
    "activation",
    "normalisation",
    "norm_place",
    "position_encoding",
    "direction",
    "window",
    "block",
    "share",
    "projection",
    "layerdrop",
    "bias",
)


def refuse_options(family: Any, data: Any) -> None:
    """Raises ValidationError for settings that name an option which the family does not have."""
    for name in OPTIONS if isinstance(data, Mapping) else ():
        if name in data and name not in family.key_names():
            raise problem(
                f"{family.registered_as[1]} has no option {name!r}: that part of it is as published; "
                f"families that take it: {', '.join(_taking(name))}",
                at=(name,),
                key=True,
            )


def require_suitable(family: Any) -> None:
    """Raises ValidationError for an initialiser that needs what these models do not have."""
    initialise = getattr(family, "initialise", None)
    needs = getattr(initialise, "needs", None)
    if needs is not None and needs[0] not in family.offers:
        words = (
            f"{initialise.registered_as[1]} needs {needs[0]}, which {family.registered_as[1]} has not here"  # type: ignore[union-attr]
        )
        raise problem(f"{words}; nearest: {needs[1]}", at=("initialise",))


def _taking(option: str) -> list[str]:
    """Names of the families that have the option."""
    families: dict[str, Any] = {name: registry.get("family", name) for name in registry.names("family")}
    return [name for name, family in families.items() if option in family.key_names()]
