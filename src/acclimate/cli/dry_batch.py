"""What `acclimate check --dry-batch` says: time and memory of one step of every training in a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acclimate.recipe.loading import LoadedRecipe


def dry_batches(loaded: LoadedRecipe) -> list[dict[str, Any]]:
    """Measure. Raises RecipeError with what does not work, each problem in its place."""
    from acclimate.cli.boundary import say
    from acclimate.cli.output import chatter_to_stderr
    from acclimate.pipeline import dry_batch

    with chatter_to_stderr():
        batches, problems = dry_batch.dry_batches(loaded.recipe, lambda part: say(f"dry batch: {part} …"))
    if problems:
        raise loaded.error(problems)
    return [one.as_dict() for one in batches]


def lines(batches: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The measurements as lines of text."""
    if not batches:
        yield "dry batch: the recipe trains nothing"
        return
    first = batches[0]
    yield (
        f"dry batch on {first['device']} in {first['precision']} ({first['threads']} threads), random tokens:"
    )
    width = max(len(one["part"]) for one in batches)
    for one in batches:
        yield f"  {one['part']:<{width}}  {_step(one)}"
        yield f"  {'':<{width}}  {_whole(one)}"


def _step(one: Mapping[str, Any]) -> str:
    from acclimate.cli.run_console import count

    device = one["device_memory_bytes"]
    memory = f"{count(one['peak_memory_bytes'])}B of memory" + (
        "" if device is None else f", {count(device)}B of the accelerator's"
    )
    return (
        f"{one['sequences']:,} sequences, {one['tokens']:,} tokens in {one['seconds']:.3g} s: "
        f"{count(one['tokens_per_second'])} tokens/s, at most {memory}"
    )


def _whole(one: Mapping[str, Any]) -> str:
    """How long the training takes, as far as it can be told before the text was read."""
    from acclimate.cli.run_console import count, duration

    times = "" if one["trainings"] == 1 else f"; {one['trainings']} trainings of this kind"
    seconds, length = one["seconds_in_all"], one["length"]
    if seconds is None:
        return f"{length}: about {duration(one['seconds_per_million_tokens'])} for each 1M tokens{times}"
    if length.split()[-1] in ("seconds", "minutes", "hours"):
        return f"{length}: about {count(seconds * one['tokens_per_second'])} tokens{times}"
    return f"{length}: about {duration(seconds)}{times}"
