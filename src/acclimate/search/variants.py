"""The runs of a study: every variant with every seed, each a recipe of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acclimate.artifacts.hashing import digest_json
from acclimate.errors import UserError
from acclimate.pipeline.plan import plan
from acclimate.pipeline.trainable import require_trainable
from acclimate.recipe.checking import require_sound
from acclimate.recipe.loading import LoadedRecipe, load_recipe
from acclimate.recipe.problems import Path as Place
from acclimate.recipe.problems import Problem, RecipeError, dotted
from acclimate.recipe.resolving import resolved

BASE = "base"


@dataclass(frozen=True)
class Trial:
    """One run of a study."""

    variant: str
    seed: int
    loaded: LoadedRecipe

    def digest(self, digests: Callable[[Path], str]) -> str:
        """Of all that decides what comes out: the resolved recipe, what it reads from outside, and the versions of its
        stages. `digests` names the content of a file."""
        recipe = self.loaded.recipe
        stages = [[one.name, one.version, dict(one.outside)] for one in plan(recipe, digests)]
        return digest_json({"recipe": resolved(recipe), "stages": stages})


def trials(path: Path, overrides: Sequence[str] = ()) -> tuple[LoadedRecipe, list[Trial]]:
    """The study's recipe, and its runs: seed by seed, the base first, so that pairs are there early.

    Raises UserError for a recipe without a study, RecipeError with all problems of all variants.
    """
    loaded = load_recipe(path, overrides)
    study = loaded.recipe.study
    if study is None:
        raise UserError(f"{path}: no `study:` section; `acclimate run` runs a recipe as it stands")
    if BASE in study.variants:
        words = f"`{BASE}` is the recipe as it stands; name the variant otherwise"
        raise loaded.error([(("study", "variants", BASE), words)])
    first = study.seeds[0]
    begun = [Trial(BASE, first, _varied(path, overrides, loaded, first, BASE, {}))]
    wrong: list[tuple[Place, str]] = []
    for name, changes in study.variants.items():
        try:
            begun.append(Trial(name, first, _varied(path, overrides, loaded, first, name, changes)))
        except RecipeError as error:
            wrong += [_of_variant(name, changes, one) for one in error.problems]
    if wrong:
        raise loaded.error(wrong)
    # Nothing of a recipe that is looked at, or filled in, hangs on its seed.
    return loaded, [
        replace(one, seed=seed, loaded=_seeded(one, seed)) for seed in study.seeds for one in begun
    ]


def _varied(
    path: Path,
    overrides: Sequence[str],
    of: LoadedRecipe,
    seed: int,
    variant: str,
    changes: Mapping[str, Any],
) -> LoadedRecipe:
    """The recipe of one variant, sound. Raises RecipeError."""
    own = [f"{place}={json.dumps(value, ensure_ascii=False)}" for place, value in changes.items()]
    name = f"name={of.recipe.name[:40]}-{_slug(variant)}"
    loaded = load_recipe(path, [*overrides, "study=null", f"seed={seed}", name, *own])
    require_sound(loaded)
    require_trainable(loaded)
    return loaded


def _seeded(trial: Trial, seed: int) -> LoadedRecipe:
    loaded = trial.loaded
    return replace(loaded, recipe=loaded.recipe.model_copy(update={"seed": seed}))


def _of_variant(name: str, changes: Mapping[str, Any], wrong: Problem) -> tuple[Place, str]:
    """Where a variant's problem stands in the study's own section, and its message."""
    override = (wrong.place.override or "").removeprefix("--set ")
    path = dotted(wrong.path)
    told = wrong.message if path in ("", override) else f"{path}: {wrong.message}"
    return ("study", "variants", name, *([override] if override in changes else [])), told


def _slug(variant: str) -> str:
    """A name for the folder of a variant's runs, of its own."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", variant).strip("-.") or "variant"
    return slug if slug == variant and len(slug) <= 18 else f"{slug[:14]}-{digest_json(variant)[:8]}"
