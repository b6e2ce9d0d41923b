"""Weights of a corpus's sources, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from acclimate.errors import UserError
from acclimate.recipe.wording import nearest


def weights_of(weights: Mapping[str, float], sources: Sequence[str]) -> list[float]:
    """The weight of each source. Raises UserError unless every source is named, and nothing else."""
    for name in weights:
        if name not in sources:
            raise UserError(f"there is no source {name!r}; {nearest(name, sources)}")
        if sources.count(name) > 1:
            raise UserError(
                f"{sources.count(name)} sources are called {name!r}; use `alpha` instead of weights"
            )
    for name in sources:
        if name not in weights:
            raise UserError(f"the source {name!r} has no weight; give it one, perhaps 0")
    return [weights[name] for name in sources]
