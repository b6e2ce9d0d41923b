"""The section of a recipe that names variants of it, to be compared."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from acclimate.recipe.settings import Settings
from acclimate.recipe.units import Length
from acclimate.recipe.wording import Called


def _named(name: str) -> str:
    if not name.strip() or len(name) > 80 or not name.isprintable():
        raise ValueError(f"expected a name of at most 80 characters in one line, found {name!r}")
    return name


_OWN = ("name", "seed", "study")


def _place(place: str) -> str:
    if place.split(".")[0] in _OWN:
        raise ValueError(f"a study gives each run its own {place.split('.')[0]}; a variant changes the rest")
    return place


Changed = Annotated[str, AfterValidator(_place), Called("place in a recipe")]
Changes = Annotated[dict[Changed, Any], Called("mapping of places to values")]
"""Places in a recipe, such as `pretrain.optimizer`, and what is to stand there."""
VariantName = Annotated[str, AfterValidator(_named), Called("name of a variant")]


def _time(length: Length) -> Length:
    if length.unit not in ("seconds", "minutes", "hours"):
        raise ValueError(f"expected a time such as '4 hours', found '{length}'")
    if not length.amount:
        raise ValueError(f"expected more than nothing, found '{length}'")
    return length


class Study(Settings):
    """What a change brings: the recipe as it stands (the base) and variants of it, each run with the same seeds.

    `acclimate study` runs them; each is an ordinary run, and stages that are equal are made once. A difference is taken
    between runs of the same seed; its interval is Student's over the seeds.
    """

    variants: dict[VariantName, Changes] = Field(min_length=1)
    """Name → what it changes: places in the recipe and their values, as `--set` takes them."""
    seeds: list[int] = Field(default=[1, 2, 3, 4, 5], min_length=1)
    """Seeds of the recipe; all variants run with each."""
    budget: Annotated[Length, AfterValidator(_time)] | None = None
    """No run starts that would end, by the runs before it, after this time in all, where the times of runs side by side
    count together; what was not run is said."""

    at_once: int = Field(default=1, ge=1, le=64)
    """How many runs go side by side on this machine. Their times are then those of a machine that is shared; give each
    its part by `hardware.threads`."""

    @field_validator("seeds")
    @classmethod
    def _once(cls, value: list[int]) -> list[int]:
        for seed in value:
            if not 0 <= seed < 2**32:
                raise ValueError(f"expected seeds from 0 to {2**32 - 1}, found {seed}")
        if len(set(value)) < len(value):
            raise ValueError("a seed stands twice")
        return value
