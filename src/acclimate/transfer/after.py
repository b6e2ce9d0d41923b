"""An intermediate task: the body comes from a model that was tuned to another task of the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from acclimate.errors import UserError
from acclimate.recipe.settings import nearest
from acclimate.transfer.method import Prelude, chain

if TYPE_CHECKING:
    from pathlib import Path


class After(Prelude):
    """The model starts from the one that was tuned to another task, of the same arm and number of seed; that one's head
    is dropped, and this task's is drawn as it would be without.

    Source: Phang et al. 2018, "Sentence Encoders on STILTs". Best where the other task has more examples and asks for
    reasoning of a like kind (Pruksachatkun et al. 2020).
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "after")
    bare: ClassVar[str | None] = "task"

    task: str
    """Name of the other task, which has at least as many seeds."""


def earlier_task(task: Any) -> str | None:
    """The task whose models a task's models start from."""
    return next((one.task for one in chain(task.transfer) if isinstance(one, After)), None)


def order_of(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks' names, each after the one whose models it starts from.

    Raises UserError where tasks wait for each other, one is not there, or has fewer seeds.
    """
    done: list[str] = []

    def visit(name: str, waiting: tuple[str, ...]) -> None:
        if name in waiting:
            raise UserError(f"tasks.{name}: transfer.after: {' waits for '.join([*waiting, name])}")
        earlier = earlier_task(tasks[name])
        if earlier is not None:
            if earlier not in tasks:
                raise UserError(
                    f"tasks.{name}: transfer.after: there is no task {earlier!r}; {nearest(earlier, tasks)}"
                )
            if tasks[earlier].seeds < tasks[name].seeds:
                words = f"{earlier} has {tasks[earlier].seeds} seeds, this task {tasks[name].seeds}"
                raise UserError(f"tasks.{name}: transfer.after: {words}, and they go in pairs")
            visit(earlier, (*waiting, name))
        if name not in done:
            done.append(name)

    for name in tasks:
        visit(name, ())
    return done


def take_body(model: Any, folder: Path) -> None:
    """Give the model the body of the one in the folder; its head stays as it is."""
    from acclimate.models.loading import load_model

    body = load_model(folder, "encoder").state_dict()
    own = model.base_model.state_dict()
    odd = [name for name, one in own.items() if name in body and body[name].shape != one.shape]
    if odd:
        raise UserError(f"{folder}: its weights {odd[0]} have another shape")
    model.base_model.load_state_dict(body, strict=False)
