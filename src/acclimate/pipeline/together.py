"""The stages in which tasks are learnt together, and what each task takes from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from acclimate.pipeline.task_start import Arm
    from acclimate.pipeline.tasks import Prepared
    from acclimate.transfer.together import Member


def learnt_together(recipe: Recipe) -> list[str]:
    """Names of the tasks that share a training."""
    if recipe.together is None:
        return []
    return recipe.together.tasks or list(recipe.tasks)


def stage_name(arm: str, number: int) -> str:
    return f"together-{arm}-{number}"


def together_stage(
    recipe: Recipe,
    arm: Arm,
    number: int,
    *,
    prepared: Callable[[str, Work], Prepared],
    keeps: bool,
    needs: tuple[str, ...],
    settings: dict[str, Any],
    outside: dict[str, Any],
) -> Stage:
    """One training of all its tasks, from the same start: for each a folder as its own stage would have it.

    prepared: a task's model, lessons and examples. keeps: whether its models may be delivered.
    """
    names = learnt_together(recipe)
    together: Any = recipe.together
    seed = recipe.seed + number

    def run(work: Work) -> None:
        from acclimate.pipeline.training_log import TrainingLog
        from acclimate.transfer.together import Member, settle, tune_together
        from acclimate.transfer.tuning import Around

        tasks = {name: prepared(name, work) for name in names}
        members = [
            Member(name, one.model, one.lesson(one.learnt), one.lesson(one.validation))
            for name, one in tasks.items()
        ]
        machine = tasks[names[0]].machine
        with TrainingLog(work, together.length) as log:
            around = Around(machine.precision, machine.device, work.hardware.micro_batch, watch=log.write)
            tuned = tune_together(together, members, seed=seed, around=around)
            log.copy_to(work.folder)
        for member in members:
            settle(member)
            _write(tasks[member.name], member, asdict(tuned), work.folder / member.name, arm, seed, keeps)

    return Stage(
        name=stage_name(arm, number),
        kind="together",
        version=2,
        settings={
            **settings,
            "together": together.model_dump(mode="json"),
            "tasks": {name: recipe.tasks[name].training_settings() for name in names},  # type: ignore[attr-defined]
            "seed": seed,
            "keeps_models": keeps,
        },
        outside=outside,
        needs=needs,
        packages=("torch", "transformers"),
        run=run,
    )


def _write(
    one: Prepared, member: Member, tuned: dict[str, Any], folder: Path, arm: str, seed: int, keeps: bool
) -> None:
    from acclimate.artifacts.durable import new_folder

    outcome = {**tuned, "validation_loss": member.best_loss, "seed": seed, "arm": arm}
    one.finish()
    one.write(new_folder(folder), outcome, keeps=keeps)


def take(work: Work, name: str, stage: str) -> None:
    """Make the task's own artifact of its part of the shared training."""
    from acclimate.artifacts.durable import link_tree

    link_tree(work.inputs[stage].folder / name, work.folder)
