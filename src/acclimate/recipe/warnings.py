"""What a sound recipe is to be warned of: parts that had better not be used, and parts that come to nothing.

The second are no errors, for a recipe that is made short to be tried has them too.
"""

from __future__ import annotations

from acclimate.recipe.durations import come_to_nothing
from acclimate.recipe.problems import dotted
from acclimate.recipe.sections import Recipe
from acclimate.recipe.walking import groups


def warnings_of(recipe: Recipe) -> list[str]:
    """A line for each, with its place."""
    found = [
        (group.path, warning)
        for group in groups(recipe)
        if (warning := getattr(group.settings, "warning", None))
    ]
    return [f"{dotted(path)}: {message}" for path, message in [*found, *come_to_nothing(recipe)]]
