"""`acclimate fill RECIPE`: a recipe with everything that it leaves to defaults written out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fill(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    write: Annotated[
        bool, typer.Option("--write", "-w", help="Change the file itself instead of printing.")
    ] = False,
) -> None:
    """Complete a recipe: every key it could have, with its default and what it means. Your own lines stay."""
    from acclimate.artifacts.durable import write_text
    from acclimate.cli.output import put
    from acclimate.recipe.filling import fill as filled
    from acclimate.recipe.loading import load_recipe

    loaded = load_recipe(recipe)
    text = filled(loaded)
    if write:
        write_text(loaded.path, text)
    else:
        put(text)
