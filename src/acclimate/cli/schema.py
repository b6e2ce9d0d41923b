"""`acclimate schema`: the JSON Schema of a recipe, for editors."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema of a recipe; editors complete and check recipes by it.

    With yaml-language-server, put `# yaml-language-server: $schema=PATH` at the top of a recipe.
    """
    from acclimate.cli.output import put_json
    from acclimate.recipe.jsonschema import recipe_schema

    put_json(recipe_schema())
