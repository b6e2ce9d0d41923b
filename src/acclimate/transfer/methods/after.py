"""An intermediate task: the body comes from a model that was tuned to another task of the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from acclimate.errors import UserError
from acclimate.transfer.methods.method import Prelude

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
    """Name of the other task of the recipe, which has at least as many seeds."""

    def earlier_task(self) -> str | None:
        return self.task


def take_body(model: Any, folder: Path) -> None:
    """Give the model the body of the one in the folder; its head stays as it is.

    Raises UserError where the two are of different shapes.
    """
    from acclimate.models.loading import load_model

    body = load_model(folder, "encoder").state_dict()
    own = model.base_model.state_dict()
    odd = [name for name, one in own.items() if name in body and body[name].shape != one.shape]
    if odd:
        raise UserError(f"{folder}: its weights {odd[0]} have another shape than this task's model")
    model.base_model.load_state_dict(body, strict=False)
