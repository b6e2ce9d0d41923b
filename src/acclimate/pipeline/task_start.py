"""What a task's models start from, in each arm: with the domain pretraining and without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from acclimate.pipeline.own_text import own_text, tapt_stage_name
from acclimate.pipeline.pretrain import MODEL, require_same_vocabulary
from acclimate.pipeline.stage import Work
from acclimate.pipeline.starting_point import adapts, with_adapted_checkpoint
from acclimate.recipe.sections import Recipe
from acclimate.recipe.task_order import earlier_task, waited_for

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.building import Labels

Arm = Literal["with", "without"]


def arms(recipe: Recipe, name: str) -> tuple[Arm, ...]:
    """With the domain pretraining, and without it unless the task asks for no baseline."""
    task: Any = recipe.tasks[name]
    if recipe.pretrain is None:
        return ("without",)
    return ("with", "without") if task.baseline else ("with",)


def task_stage_name(name: str, arm: Arm, number: int) -> str:
    return f"task-{name}-{arm}-{number}"


def adapted(recipe: Recipe, arm: Arm) -> bool:
    """Whether the arm starts from the adapted checkpoint without further training."""
    return adapts(recipe) and arm == "without" and recipe.pretrain is None


def as_it_was(recipe: Recipe, arm: Arm) -> bool:
    """Whether the arm starts from the checkpoint with its own vocabulary, to compare with an adapted one."""
    return adapts(recipe) and arm == "without" and recipe.pretrain is not None


def keeps_model(recipe: Recipe, name: str, arm: Arm) -> bool:
    """Only models of the first arm may be delivered; others are kept where another task starts from them."""
    return arm == arms(recipe, name)[0] or waited_for(recipe.tasks, name)


def stages_before(recipe: Recipe, name: str, arm: Arm, number: int) -> dict[str, str]:
    """The stages besides the recipe's pretraining that a tuning starts from: `tapt`, `task`."""
    earlier = earlier_task(recipe.tasks[name])
    found = {} if own_text(recipe, name) is None else {"tapt": tapt_stage_name(name, arm)}
    return found if earlier is None else {**found, "task": task_stage_name(earlier, arm, number)}


def start_model(
    recipe: Recipe, name: str, arm: Arm, work: Work, tokenizer: Any, labels: Labels | None, number: int
) -> PreTrainedModel:
    from acclimate.transfer.methods.after import take_body

    before = stages_before(recipe, name, arm, number)
    own = work.inputs[before["tapt"]].folder / MODEL if "tapt" in before else None
    model = _origin(recipe, name, arm, work, tokenizer, labels, recipe.seed + number, own)
    if "task" in before:
        take_body(model, work.inputs[before["task"]].folder / MODEL)
    return model


def _origin(
    recipe: Recipe,
    name: str,
    arm: Arm,
    work: Work,
    tokenizer: Any,
    labels: Labels | None,
    seed: int,
    own: Path | None,
) -> PreTrainedModel:
    """The model with a new head. own: the folder of the one that learnt from the task's own texts."""
    from acclimate.models.family import Vocabulary
    from acclimate.models.loading import load_model

    vocabulary = Vocabulary.of(tokenizer)
    task: Any = recipe.tasks[name]
    family: Any = type(recipe.model)
    if arm == "with" or own is not None:
        folder = own or work.inputs["pretrain"].folder / MODEL
        return load_model(folder, task.kind, vocabulary=vocabulary, labels=labels, seed=seed, family=family)
    if adapted(recipe, arm):
        recipe = with_adapted_checkpoint(recipe, work.inputs)
    require_same_vocabulary(recipe, tokenizer)
    return recipe.model.build(vocabulary=vocabulary, seed=seed, kind=task.kind, labels=labels)
