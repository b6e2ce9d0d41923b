"""Parts of a training that would come to nothing within its length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from acclimate.recipe.problems import Path
from acclimate.recipe.sections import Recipe
from acclimate.recipe.units import Length
from acclimate.recipe.walking import groups

Finding = tuple[Path, str]


def come_to_nothing(recipe: Recipe) -> Iterator[Finding]:
    """(path, message) of what ends, begins or listens too late, where the lengths are counted in one unit."""
    for group in groups(recipe):
        length = getattr(group.settings, "length", None)
        if not isinstance(length, Length) or getattr(group.settings, "optimizer", None) is None:
            continue
        training: Any = group.settings
        for path, message in (
            *_warm_up(training, length),
            *_in_steps(training, length),
            *_listening(training, length, _validations(training, length, group.path)),
        ):
            yield (*group.path, *path), message


def _warm_up(training: Any, length: Length) -> Iterator[Finding]:
    schedule = getattr(training, "schedule", None)
    warmup = getattr(schedule, "warmup", None)
    if not isinstance(warmup, Length) or getattr(schedule, "flat", False):
        return
    times = warmup.times(length)
    if times is not None and times > 1:
        words = f"the training is over after '{length}', before the rate has reached its peak"
        path = ("schedule", schedule.registered_as[1], "warmup")  # type: ignore[union-attr]
        yield path, f"{words}; expected '{length}' at most, found '{warmup}'"


def _in_steps(training: Any, length: Length) -> Iterator[Finding]:
    """What counts steps by itself, of a training that is as many steps long."""
    if length.unit != "steps":
        return
    steps = int(length.amount)
    for number, part in enumerate(getattr(training, "gradients", ())):
        if part.registered_as[1] == "mask_loss" and part.warmup >= steps:
            words = f"nothing would be left out within '{length}'; expected less than {steps}"
            yield ("gradients", number, "mask_loss", "warmup"), f"{words}, found {part.warmup}"
    average = getattr(training, "average", None)
    every, start = getattr(average, "every", None), getattr(average, "start", 0.0)
    if every is not None and steps // every * every < max(1, start * steps):
        most = max(1, math.floor(steps * (1 - start)))
        words = f"no such step comes in the last {1 - start:.0%} of '{length}'; expected {most} at most"
        yield ("average", average.registered_as[1], "every"), f"{words}, found {every}"  # type: ignore[union-attr]


def _validations(training: Any, length: Length, path: Path) -> int | None:
    """How many validations come before the last step; None where that hangs on the text."""
    validate = getattr(training, "validate_", None)
    if validate is None and path[:1] not in (("tasks",), ("together",)):
        return None
    every = Length(1, "epochs") if validate is None else validate.every
    times = length.times(every)
    return None if times is None else math.ceil(times) - 1


def _listening(training: Any, length: Length, heard: int | None) -> Iterator[Finding]:
    """What waits for validations, of which the one at the end comes too late."""
    if heard is None:
        return
    schedule, optimizer = getattr(training, "schedule", None), training.optimizer
    told = f"of '{length}' there are {heard} before the end"
    if schedule is not None and schedule.registered_as[1] == "plateau" and heard <= schedule.patience:
        words = f"the rate falls after {schedule.patience + 1} validations at the earliest, and {told}"
        yield ("schedule", "plateau"), f"{words}; validate more often, or train for longer"
    if optimizer.registered_as[1] == "nt_asgd" and heard < optimizer.n + 2:
        words = f"averaging begins at the validation {optimizer.n + 2} at the earliest, and {told}"
        most = f"expected {heard - 2} at most" if heard > 2 else "validate more often, or train for longer"
        yield ("optimizer", "nt_asgd", "n"), f"{words}; {most}, found {optimizer.n}"
