"""The runs of a study: every variant with every seed, each a recipe of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.artifacts.hashing import digest_json
from acclimate.errors import UserError
from acclimate.pipeline.trainable import require_trainable
from acclimate.recipe.checking import require_sound
from acclimate.recipe.loading import LoadedRecipe, load_recipe
from acclimate.recipe.problems import RecipeError
from acclimate.recipe.resolving import resolved
from acclimate.recipe.study import Study

BASE = "base"


@dataclass(frozen=True)
class Trial:
    """One run of a study."""

    variant: str
    seed: int
    loaded: LoadedRecipe

    @property
    def digest(self) -> str:
        """Of the whole resolved recipe."""
        return digest_json(resolved(self.loaded.recipe))


def trials(path: Path, overrides: Sequence[str] = ()) -> tuple[LoadedRecipe, list[Trial]]:
    """The study's recipe, and its runs: seed by seed, the base first, so that pairs are there early.

    Raises UserError for a recipe without a study, RecipeError for a variant that is no sound recipe.
    """
    loaded = load_recipe(path, overrides)
    study = loaded.recipe.study
    if study is None:
        raise UserError(f"{path}: no `study:` section; `acclimate run` runs a recipe as it stands")
    if BASE in study.variants:
        raise UserError(
            f"{path}: study.variants: `{BASE}` is the recipe as it stands; name the variant otherwise"
        )
    return loaded, list(_every(path, overrides, study))


def _every(path: Path, overrides: Sequence[str], study: Study) -> Iterator[Trial]:
    of_recipe = load_recipe(path, overrides).recipe.name[:40]
    names = [BASE, *study.variants]
    for seed in study.seeds:
        for name in names:
            changes = study.variants.get(name, {})
            own = [f"{place}={json.dumps(value, ensure_ascii=False)}" for place, value in changes.items()]
            name_of_run = f"name={of_recipe}-{_slug(name)}"
            try:
                loaded = load_recipe(path, [*overrides, "study=null", f"seed={seed}", name_of_run, *own])
                if seed == study.seeds[0]:  # nothing that is looked at hangs on the seed
                    require_sound(loaded)
                    require_trainable(loaded)
            except RecipeError as error:
                if name == BASE:
                    raise
                raise UserError(f"study.variants.{name}: {error}") from None
            yield Trial(name, seed, loaded)


def _slug(variant: str) -> str:
    """A name for the folder of a variant's runs."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", variant).strip("-.") or "variant"
    number = "" if slug == variant else f"-{digest_json(variant)[:4]}"
    return f"{slug[:18]}{number}"
