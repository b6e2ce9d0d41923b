"""Whether a task's way of transfer goes with the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acclimate.recipe.settings import problem
from acclimate.transfer.methods.method import chain

if TYPE_CHECKING:
    from acclimate.transfer.task import TaskSettings


def require_fitting(task: TaskSettings) -> None:
    """Raises ValidationError where it does not."""
    own = task.registered_as[1]
    steps = chain(task.transfer)
    keep: Any = task.keep
    idle = not steps[-1].by_gradient and not any(one.trains_all_first for one in steps)
    if idle and getattr(task.optimizer, "overrides", None):
        words = f"{steps[-1].registered_as[1]} trains nothing by gradients; leave them out"
        raise problem(f"overrides: {words}", at=("optimizer", "overrides"))
    for one in steps:
        name = one.registered_as[1]
        if one.kinds and task.purpose not in one.kinds:
            raise problem(f"{name}: classifies whole texts, which {own} does not", at=("transfer",))
        if getattr(task, "multi_label", False) and one.kinds:
            words = "takes one class for each text; leave it or `multi_label` out"
            raise problem(f"{name}: {words}", at=("transfer",))
        if name == "discriminative" and getattr(task.optimizer, "layer_decay", 1.0) != 1.0:
            words = "is the optimizer's `layer_decay`; give one of them"
            raise problem(f"discriminative: {words}", at=("transfer",))
        if one.reads_rows and not task.one_row:
            words = "takes sequences that are of one example each, and the model's own rows, which"
            raise problem(f"{name}: {words} those of {own} are not", at=("transfer",))
        if name == "adapters" and keep is not None and keep.registered_as[1] == "ewc":
            words = "each period draws its additions anew, for which what `keep: ewc` measured of others means nothing"
            raise problem(f"adapters: {words}", at=("transfer",))
        if one.trains_all_first and keep is not None and keep.goes_alone:
            words = "trains by a loss of its own first, which `keep: "
            words += f"{keep.registered_as[1]}` cannot take apart; leave one of them out"
            raise problem(f"{name}: {words}", at=("transfer",))
        if task.before and not one.by_gradient:
            words = "nothing is learnt by gradients, which `before` needs"
            raise problem(f"{name}: {words}", at=("transfer",))
