"""`acclimate schema`: the JSON Schema of a recipe, for editors, or the reference, for people."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    reference: Annotated[
        bool,
        typer.Option("--reference", help="Print the reference instead: every key in words, as Markdown."),
    ] = False,
) -> None:
    """Print the JSON Schema of a recipe; editors complete and check recipes by it.

    With yaml-language-server, put `# yaml-language-server: $schema=PATH` at the top of a recipe.
    """
    from acclimate.cli.output import put, put_json

    if reference:
        from acclimate.recipe.reference import render_reference

        put(render_reference())
        return
    from acclimate.recipe.jsonschema import recipe_schema

    put_json(recipe_schema())
