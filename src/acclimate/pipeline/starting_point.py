"""Which checkpoint a training starts from: the recipe's own, or the one whose vocabulary the run has adapted."""

from __future__ import annotations

from collections.abc import Mapping

from acclimate.artifacts.store import Artifact
from acclimate.recipe.sections import Recipe

VOCABULARY, ADAPTED = "vocabulary", "model"
"""The stage that adapts, and the folder of the checkpoint in its artifact."""


def adapts(recipe: Recipe) -> bool:
    """Whether the recipe changes its checkpoint's vocabulary."""
    return bool(getattr(recipe.tokenizer, "of_checkpoint", False))


def with_adapted_checkpoint(recipe: Recipe, inputs: Mapping[str, Artifact]) -> Recipe:
    """The recipe as it is, or, where the vocabulary was adapted, with that model as its checkpoint."""
    if not adapts(recipe):
        return recipe
    place = inputs[VOCABULARY].folder / ADAPTED
    family = recipe.model.model_copy(update={"checkpoint": str(place)})
    return recipe.model_copy(update={"model": family})
