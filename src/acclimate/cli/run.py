"""`acclimate run RECIPE`: every stage of a recipe brought up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from acclimate.cli.options import JsonOption, OutputOption, SetOption


def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    overrides: Annotated[list[str] | None, SetOption] = None,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Run a recipe: what is up to date is skipped, what was interrupted goes on.

    Ctrl-C and SIGTERM save everything; the same command goes on from there.
    """
    run_and_tell(recipe, overrides or [], output, json)


def run_and_tell(recipe: Path, overrides: list[str], output: Path, json: bool) -> None:
    """Check the recipe, run it with its progress shown, then print its figures."""
    from acclimate.cli.output import chatter_to_stderr, put_json
    from acclimate.cli.run_console import RunConsole
    from acclimate.cli.summary import summary
    from acclimate.errors import UserError
    from acclimate.recipe.checking import require_sound
    from acclimate.recipe.loading import load_recipe

    loaded = load_recipe(recipe, overrides)
    if loaded.recipe.study is not None:
        raise UserError(
            f"{recipe} holds a study: `acclimate study {recipe}` runs it; "
            "its recipe alone: acclimate run --set study=null"
        )
    require_sound(loaded)
    with chatter_to_stderr():
        from acclimate.pipeline.run import run_recipe
        from acclimate.pipeline.trainable import require_trainable

        require_trainable(loaded)

        with RunConsole() as console:
            metrics = run_recipe(loaded, output=output, listener=console)
    if json:
        put_json(metrics)
    summary(metrics, sys.stderr if json else sys.stdout)
