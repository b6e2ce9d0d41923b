"""`acclimate check RECIPE`: every problem of a recipe, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli.options import JsonOption, SetOption

if TYPE_CHECKING:
    from acclimate.recipe.loading import LoadedRecipe


def check(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    overrides: Annotated[list[str] | None, SetOption] = None,
    dry_batch: Annotated[
        bool,
        typer.Option("--dry-batch", help="Also train on a full batch of random tokens: time and memory."),
    ] = False,
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Look for problems in a recipe and in the data it names; exit code 2 when there are any."""
    from acclimate.cli.dry_batch import dry_batches, lines
    from acclimate.cli.output import chatter_to_stderr, put, put_json
    from acclimate.pipeline.trainable import require_trainable
    from acclimate.recipe.checking import require_sound
    from acclimate.recipe.loading import load_recipe
    from acclimate.recipe.sections import recipe_or_corpus
    from acclimate.recipe.warnings import warnings_of

    loaded = load_recipe(recipe, overrides or [], recipe_or_corpus)
    require_sound(loaded)
    with chatter_to_stderr():
        require_trainable(loaded)
    sizes, warnings = sizes_of(loaded), warnings_of(loaded.recipe)
    if loaded.recipe.study is not None:
        from acclimate.search.variants import trials

        sizes["study"] = f"{len(trials(recipe, overrides or [])[1])} runs"
    measured = dry_batches(loaded) if dry_batch else None
    if json:
        told = {"ok": True, "recipe": str(loaded.path), "warnings": warnings, "sizes": sizes}
        put_json(told if measured is None else {**told, "dry_batch": measured})
        return
    put(f"OK: {recipe}")
    for line in warnings:
        put(f"  warning: {line}")
    width = max(map(len, sizes))
    for name, value in sizes.items():
        put(f"  {name:<{width}}  {value}")
    for line in lines(measured) if measured is not None else ():
        put(line)


def sizes_of(loaded: LoadedRecipe) -> dict[str, Any]:
    """What the recipe amounts to, in words, as far as it can be said without reading the text."""
    from acclimate.recipe.units import show_share

    recipe = loaded.recipe
    sizes: dict[str, Any] = {}
    for number, source in enumerate(recipe.corpus.sources):
        sizes[f"source {number}"] = _source(source)
    parts = ("validation", recipe.corpus.validation), ("test", recipe.corpus.test)
    for part, sources in parts:
        for number, source in enumerate(sources):
            sizes[f"{part} {number}"] = _source(source)
    shares = zip(recipe.corpus.held_out_shares, parts, strict=True)
    held_out = [f"{show_share(share)} for {part}" for share, (part, sources) in shares if not sources]
    if held_out:
        sizes["held out"] = ", ".join(held_out)
    if recipe.tokenizer is not None:
        sizes["tokenizer"] = _named(recipe.tokenizer)
    sizes["model"] = "none; a recipe for `acclimate corpus`" if recipe.model is None else _named(recipe.model)
    if recipe.pretrain is not None:
        pretrain = recipe.pretrain
        sizes["pretraining"] = (
            f"{pretrain.length}, {pretrain.batch} a step, sequences of up to {pretrain.sequence_length} tokens"
        )
    for name, task in recipe.tasks.items():
        sizes[f"task {name}"] = _named(task)
    return sizes


def _source(source: Any) -> str:
    """Name and size of a source; a reader that cannot tell its size is named only."""
    from acclimate.cli.run_console import count

    reader = source.build()
    total = reader.bytes_total() if hasattr(reader, "bytes_total") else None
    files = len(reader.files()) if hasattr(reader, "files") else None
    parts = [source.registered_as[1]]
    if files is not None:
        parts.append(f"{files} file{'s' if files != 1 else ''}")
    if total is not None:
        parts.append(f"{count(total)}B")
    return ", ".join(parts)


def _named(component: Any) -> str:
    """A component with those of its settings that are plain and differ from their defaults."""
    fields = type(component).model_fields
    shown = [
        f"{name}={getattr(component, name)}"
        for name, field in fields.items()
        if isinstance(value := getattr(component, name), (str, int, float)) and value != field.default
    ]
    return " ".join([component.registered_as[1], *shown])
