"""In which order the tasks of a recipe are tuned, where some start from the models of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acclimate.errors import UserError
from acclimate.recipe.settings import nearest


def earlier_task(task: Any) -> str | None:
    """The task whose models a task's models start from."""
    transfer = getattr(task, "transfer", None)
    name: str | None = None if transfer is None else transfer.earlier_task()
    return name


def waited_for(tasks: Mapping[str, Any], name: str) -> bool:
    """Whether some task starts from this one's models."""
    return any(earlier_task(task) == name for task in tasks.values())


def in_order(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks' names, each after the one whose models it starts from.

    Raises UserError where tasks wait for each other, or the other one is not there or has fewer seeds or arms.
    """
    done: list[str] = []

    def visit(name: str, waiting: tuple[str, ...]) -> None:
        if name in waiting:
            raise UserError(f"tasks that wait for each other: {' after '.join([*waiting, name])}")
        earlier = earlier_task(tasks[name])
        if earlier is not None:
            _require(tasks, name, earlier)
            visit(earlier, (*waiting, name))
        if name not in done:
            done.append(name)

    for name in tasks:
        visit(name, ())
    return done


def _require(tasks: Mapping[str, Any], name: str, earlier: str) -> None:
    at = f"tasks.{name}: transfer.after"
    if earlier not in tasks:
        raise UserError(f"{at}: there is no task {earlier!r}; {nearest(earlier, tasks)}")
    ours, theirs = tasks[name], tasks[earlier]
    if theirs.seeds < ours.seeds:
        raise UserError(
            f"{at}: {earlier} has {theirs.seeds} seeds, this task {ours.seeds}, and they go in pairs"
        )
    if ours.baseline and not theirs.baseline:
        raise UserError(f"{at}: {earlier} has no baseline, which this task's would start from")
    if not theirs.transfer.by_gradient:
        raise UserError(f"{at}: {earlier} trains no body to start from")
