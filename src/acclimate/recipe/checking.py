"""What a valid recipe can still get wrong, found without torch: files, columns, lengths that do not fit together.

A component that can look at its own input has a method `check()` that returns problems: strings, or pairs
(path below the component, message). A reader's check belongs to what it builds. What concerns several parts of a
recipe is a function of the recipe, listed in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from acclimate.errors import UserError
from acclimate.recipe.loading import LoadedRecipe
from acclimate.recipe.problems import Path, Problem
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import Component, Settings
from acclimate.recipe.walking import directly_below, groups

Finding = tuple[Path, str]
_BUILT_TO_CHECK = ("reader",)
"""Roles whose components are checked by what `build()` gives, which takes no argument and reads nothing yet."""


def check_recipe(loaded: LoadedRecipe) -> list[Problem]:
    """Every deeper problem with its place, in the order of the recipe; empty when there is none."""
    return problems_of(loaded, findings(loaded.recipe))


def problems_of(loaded: LoadedRecipe, found: Iterable[Finding]) -> list[Problem]:
    return [Problem(loaded.positions.place(path), path, message) for path, message in dict.fromkeys(found)]


def require_sound(loaded: LoadedRecipe) -> None:
    """Raises RecipeError with every deeper problem, if there is one."""
    found = list(dict.fromkeys(findings(loaded.recipe)))
    if found:
        raise loaded.error(found)


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
    if recipe.pretrain is None or recipe.corpus.split.validation:
        return
    message = "pretraining is measured on held-out text; expected more than 0%, for example 2%"
    yield ("corpus", "split", "validation"), message


def _trains_no_tokenizer_for_a_checkpoint(recipe: Recipe) -> Iterator[Finding]:
    """A checkpoint's embeddings belong to its own tokens."""
    start = getattr(recipe.model, "starts_from", None)
    if start and recipe.tokenizer is not None and getattr(recipe.tokenizer, "reads_corpus", False):
        message = f"model and tokenizer do not fit together: {start} has embeddings for its own tokens, not for newly "
        yield ("tokenizer",), message + "trained ones; leave `tokenizer` out to take the checkpoint's own"


CHECKS: tuple[Callable[[Recipe], Iterable[Finding]], ...] = (
    _fits_the_model,
    _holds_a_sequence,
    _has_validation,
    _trains_no_tokenizer_for_a_checkpoint,
)
