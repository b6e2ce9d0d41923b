"""What a valid recipe can still get wrong, found without torch: files, columns, lengths that do not fit together.

A component that can look at its own input has a method `check()` that returns problems: strings, or pairs
(path below the component, message). A reader's check belongs to what it builds. What concerns several parts of a
recipe is a function of the recipe, listed in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from acclimate.errors import UserError
from acclimate.recipe.loading import LoadedRecipe
from acclimate.recipe.paths import fallbacks, resolve_path
from acclimate.recipe.problems import Path, Problem
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import Component, Settings, nearest
from acclimate.recipe.task_order import in_order
from acclimate.recipe.walking import directly_below, groups

Finding = tuple[Path, str]
_BUILT_TO_CHECK = ("reader",)
"""Roles whose components are checked by what `build()` gives, which takes no argument and reads nothing yet."""


def check_recipe(loaded: LoadedRecipe) -> list[Problem]:
    """Every deeper problem with its place, in the order of the recipe; empty when there is none."""
    return problems_of(loaded, findings(loaded.recipe))


def problems_of(loaded: LoadedRecipe, found: Iterable[Finding]) -> list[Problem]:
    found = _with_variables(loaded, found)
    return [Problem(loaded.positions.place(path), path, message) for path, message in dict.fromkeys(found)]


def require_sound(loaded: LoadedRecipe, sections: Collection[str] | None = None) -> None:
    """Raises RecipeError with every deeper problem, if there is one; of these sections alone, if they are named."""
    found = list(dict.fromkeys(findings(loaded.recipe)))
    if sections is not None:
        found = [one for one in found if one[0][:1] and one[0][0] in sections]
    if found:
        raise loaded.error(_with_variables(loaded, found))


def _with_variables(loaded: LoadedRecipe, found: Iterable[Finding]) -> Iterator[Finding]:
    """The same; of a path that is not there, and that a variable's default is part of, it is said."""
    defaults = {
        resolve_path(text, {"base": loaded.path.parent}): words
        for text in _strings(loaded.raw)
        if (words := fallbacks(text))
    }
    for path, message in found:
        for place, words in defaults.items():
            if place in message and not FilePath(place).exists():
                message = "; ".join([message, *words])
                break
        yield path, message


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(one)


def findings(recipe: Recipe) -> Iterator[Finding]:
    """(path, message) of every deeper problem."""
    yield from _own_checks(recipe, ())
    for check in CHECKS:
        yield from check(recipe)


def _own_checks(settings: Settings, path: Path) -> Iterator[Finding]:
    """What components say of themselves. One that has a check answers for all below it."""
    for group in directly_below(settings, path):
        checker = _checker(group.settings)
        if checker is None:
            yield from _own_checks(group.settings, group.path)
            continue
        try:
            said = list(checker())
        except UserError as error:
            said = [str(error)]
        for one in said:
            below, message = ((), one) if isinstance(one, str) else one
            yield (*group.path, *below), message


def _checker(settings: Settings) -> Callable[[], Iterable[Any]] | None:
    check = getattr(settings, "check", None)
    if check is None and isinstance(settings, Component) and settings.registered_as[0] in _BUILT_TO_CHECK:

        def built() -> Iterable[Any]:
            made = settings.build()
            return made.check() if hasattr(made, "check") else ()

        return built
    return check if callable(check) else None


def _fits_the_model(recipe: Recipe) -> Iterator[Finding]:
    """No sequence may be longer than the model has positions."""
    most = getattr(recipe.model, "max_positions", lambda: None)()
    if most is None:
        return
    for group in groups(recipe):
        length = getattr(group.settings, "sequence_length", None)
        if isinstance(length, int) and length > most:
            message = f"{length} is longer than the model's {most} positions; at most {most} fit"
            yield (*group.path, "sequence_length"), message


def _takes_the_pictures(recipe: Recipe) -> Iterator[Finding]:
    """Pictures must be as large as the model takes them."""
    try:
        side = getattr(recipe.model, "image_side", lambda: None)()
    except UserError:
        return  # the model's own check tells
    for group in groups(recipe):
        given = getattr(group.settings, "image_size", None)
        if side is not None and given is not None and group.path[:1] == ("pretrain",) and given != side:
            message = (
                f"pictures of {given} pixels, and the model takes {side}; say the same in `model.image_size`"
            )
            yield (*group.path, "image_size"), message


def _holds_a_sequence(recipe: Recipe) -> Iterator[Finding]:
    """A batch counted in tokens must hold at least one sequence of full length."""
    longest = 0
    for group in groups(recipe):
        length = getattr(group.settings, "sequence_length", None)
        batch = getattr(group.settings, "batch", None)
        if not isinstance(length, int) or batch is None:
            continue
        longest = max(longest, length)
        if batch.unit == "tokens" and batch.amount < length:
            message = f"'{batch}' cannot hold one sequence of {length} tokens (sequence_length)"
            yield (*group.path, "batch"), message
    micro = recipe.hardware.micro_batch
    if micro is not None and micro.unit == "tokens" and micro.amount < longest:
        message = f"'{micro}' cannot hold one sequence of {longest} tokens (sequence_length)"
        yield ("hardware", "micro_batch"), message


def _has_validation(recipe: Recipe) -> Iterator[Finding]:
    """What pretraining did is measured on text held out for validation, before and after."""
    if recipe.pretrain is None or recipe.corpus.split.validation or recipe.corpus.validation:
        return
    message = "pretraining is measured on held-out text; expected more than 0%, for example 2%"
    yield ("corpus", "split", "validation"), message


def _fits_the_checkpoint(recipe: Recipe) -> Iterator[Finding]:
    """A checkpoint's embeddings belong to its own tokens; they can be adapted, not exchanged."""
    start = getattr(recipe.model, "starts_from", None)
    part = recipe.tokenizer
    if getattr(part, "of_checkpoint", False):
        if not start:
            yield (
                ("tokenizer", "adapt"),
                "adapts the vocabulary of a checkpoint; name one in `model.checkpoint`",
            )
    elif start and getattr(part, "reads_corpus", False):
        message = f"model and tokenizer do not fit together: {start} has embeddings for its own tokens, not for newly "
        yield (
            ("tokenizer",),
            message
            + "trained ones; leave `tokenizer` out to take the checkpoint's own, or change it by `adapt`",
        )


def _names_a_task(recipe: Recipe) -> Iterator[Finding]:
    """A selection whose target is a task needs one of the recipe's."""
    select: Any = recipe.corpus.select
    task = getattr(select, "task", None)
    if task is None or task in recipe.tasks:
        return
    known = nearest(task, recipe.tasks) if recipe.tasks else "the recipe has no tasks"
    yield ("corpus", "select", select.registered_as[1], "task"), f"there is no task {task!r}; {known}"


def _weighs_every_source(recipe: Recipe) -> Iterator[Finding]:
    """A mix by weights needs one for each source, and none for others."""
    from acclimate.recipe.weighing import weights_of

    mix = recipe.corpus.mix
    if mix is None or mix.weights is None:
        return
    try:
        weights_of(mix.weights, [source.build().name for source in recipe.corpus.sources])
    except UserError as error:
        yield ("corpus", "mix", "weights"), str(error)


def _tasks_follow(recipe: Recipe) -> Iterator[Finding]:
    """Tasks that start from the models of others, or from a pretraining on their own texts."""
    try:
        in_order(recipe.tasks)
    except UserError as error:
        yield ("tasks",), str(error)
    for name, task in recipe.tasks.items():
        transfer: Any = getattr(task, "transfer", None)
        own = None if transfer is None else transfer.own_text()
        if own is None or recipe.model is None:
            continue
        path = ("tasks", name, task.registered_as[1], "transfer")
        objective, family = own.objective.registered_as[1], recipe.model.registered_as[1]
        if own.objective.kind not in recipe.model.kinds:  # type: ignore[attr-defined]
            yield path, f"tapt: the family {family} cannot learn by {objective}: it has no head for it"
        if getattr(recipe.tokenizer, "of_checkpoint", False):
            yield path, "tapt: goes with the checkpoint's own vocabulary, which `tokenizer.adapt` changes"


def _has_the_blocks(recipe: Recipe) -> Iterator[Finding]:
    """Blocks that a way of transfer names must be there, and their time; of a checkpoint only its file tells."""
    model: Any = recipe.model
    if not getattr(model, "layer_lists", None) or model.starts_from is not None:
        return
    for name, task in recipe.tasks.items():
        transfer: Any = getattr(task, "transfer", None)
        try:
            if transfer is not None:
                transfer.require_blocks(model.depth())
                transfer.require_length(model.depth(), task.length)  # type: ignore[attr-defined]
        except UserError as error:
            yield ("tasks", name, task.registered_as[1], "transfer"), str(error)


CHECKS: tuple[Callable[[Recipe], Iterable[Finding]], ...] = (
    _fits_the_model,
    _takes_the_pictures,
    _holds_a_sequence,
    _has_validation,
    _fits_the_checkpoint,
    _names_a_task,
    _weighs_every_source,
    _tasks_follow,
    _has_the_blocks,
)
