"""`acclimate init`: a commented recipe for your own files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def init(
    text: Annotated[
        Path | None, typer.Option(help="Text to learn from: a file, a folder, or a glob.", show_default=False)
    ] = None,
    task: Annotated[Path | None, typer.Option(help="Labelled examples, a file.", show_default=False)] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Labelled examples to judge by, if they are in a file of their own.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the runs; the text's unless given.", show_default=False)
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Size of the model; mini unless given.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe to write.")] = Path(
        "recipe.yaml"
    ),
) -> None:
    """Write a recipe for your own text, and for a task if you have one. Asks for what is missing, on a terminal."""
    from acclimate.artifacts.durable import write_text
    from acclimate.cli.output import put
    from acclimate.cli.starting_recipe import starting_recipe
    from acclimate.errors import UserError

    if output.exists():
        raise UserError(f"{output} is there already; choose another --output")
    if text is None:
        if not sys.stdin.isatty():
            raise UserError(
                "expected --text PATH, the text to learn from (and --task FILE, if you have labelled examples)"
            )
        text = Path(typer.prompt("Text to learn from (file, folder or glob)", err=True))
        if task is None:
            answer = typer.prompt(
                "Labelled examples (file; empty for none)", default="", show_default=False, err=True
            )
            task = Path(answer) if answer.strip() else None
        if task is not None and test is None:
            answer = typer.prompt(
                "Examples to test on, if in a file of their own (empty: a part is held out)",
                default="",
                show_default=False,
                err=True,
            )
            test = Path(answer) if answer.strip() else None
        size = size or typer.prompt(
            "Size of the model (tiny, mini, small, medium, base, large)", default="mini", err=True
        )
    if test is not None and task is None:
        raise UserError("--test goes with --task, the examples to learn from")
    written = starting_recipe(text, task=task, test=test, name=name, size=size or "mini", recipe=output)
    write_text(output, written)
    problems = _problems(output)
    shown = os.fspath(output)
    put(f"wrote {shown}")
    if problems:
        raise UserError(f"{shown} needs your hand in these places:\n{problems}")
    put(f"next: acclimate run {shown}")


def _problems(path: Path) -> str:
    """What `acclimate check` will say of the recipe."""
    from acclimate.recipe.checking import require_sound
    from acclimate.recipe.loading import load_recipe
    from acclimate.recipe.problems import RecipeError

    try:
        require_sound(load_recipe(path))
    except RecipeError as error:
        return str(error)
    return ""
