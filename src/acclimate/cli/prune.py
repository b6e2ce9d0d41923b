"""`acclimate prune MODEL --to FOLDER`: a model with every second of its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acclimate.cli.options import JsonOption, OutputOption


def prune(
    model: Annotated[
        str, typer.Argument(help="A run (its folder, its name, or `latest`) or a model folder.")
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write, new or empty.")],
    every: Annotated[int, typer.Option(min=2, help="Of every so many layers the first is kept.")] = 2,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Leave out whole layers of a model that was trained with LayerDrop; it is written beside, its tokenizer too."""
    from acclimate.cli.output import chatter_to_stderr, put, put_json

    place = Path(model)
    if not place.is_dir():
        from acclimate.pipeline.run_folder import find_run

        place = find_run(model, output)
    if not (place / "config.json").is_file() and (place / "model" / "config.json").is_file():
        place = place / "model"
    with chatter_to_stderr():
        from acclimate.models.pruning import prune as prune_model

        done = prune_model(place, to, every=every)
    if json:
        put_json({"folder": str(to), "layers": done.layers, "parameters": done.parameters})
        return
    layers = ", ".join(f"{key} {before} → {after}" for key, (before, after) in done.layers.items())
    put(f"{to}: {layers}; parameters {done.parameters[0]:,} → {done.parameters[1]:,}")
