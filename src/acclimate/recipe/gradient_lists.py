"""Which gradient transforms go together, and with what else of a recipe."""

from __future__ import annotations

from typing import Any

from acclimate.recipe.settings import Component, problem


def once_each(parts: list[Component]) -> list[Component]:
    """The list. Raises ValueError where one stands twice, or two do what is to be done once."""
    done: dict[str, str] = {}
    for part in parts:
        name = part.registered_as[1]
        what = part.one_of or name
        if what in done:
            twice = f"{what} twice" if part.one_of else "it stands twice"
            both = f"{done[what]} and {name}" if done[what] != name or part.one_of else name
            raise ValueError(f"{both}: {twice}; leave one of them out")
        done[what] = name
    fused = next((part for part in parts if getattr(part, "by_layer", False)), None)
    for part in parts:
        if fused is not None and part is not fused and not getattr(part, "by_parameter", False):
            name = fused.registered_as[1]
            raise ValueError(
                f"{name} and {part.registered_as[1]}: the one frees each gradient as it comes, the other needs all of "
                f"them at once; leave one of them out{_or_unfused(fused)}"
            )
    return parts


def _or_unfused(part: Any) -> str:
    """What else helps a part that steps in the backward pass; one that does nothing besides cannot do without."""
    return ", or set `fused: false`" if part.share else ""


def require_gradients(recipe: Any) -> None:
    """Raises ValidationError where gradients do not go with the objective, the tasks or the hardware."""
    for place, training in _trainings(recipe):
        for number, part in enumerate(getattr(training, "gradients", ())):
            of_tasks = place[0] in ("tasks", "together")
            reason = _refused(part, recipe, training, is_task=of_tasks)
            reason = reason or _refused_of_several(part, training, several=place[0] == "together")
            if reason:
                raise problem(f"{part.registered_as[1]}: {reason}", at=(*place, "gradients", number))


def _trainings(recipe: Any) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    found += [] if recipe.pretrain is None else [(("pretrain",), recipe.pretrain)]
    found += [] if recipe.together is None else [(("together",), recipe.together)]
    return found + [(("tasks", name, task.registered_as[1]), task) for name, task in recipe.tasks.items()]


def _refused(part: Any, recipe: Any, training: Any, *, is_task: bool) -> str | None:
    """Why the part cannot be used there; None: it can."""
    objective = None if is_task else training.objective
    hardware = recipe.hardware
    ranks = 1 if is_task else hardware.ranks
    if getattr(part, "by_layer", False):
        if hardware.micro_batch is not None:
            words = "a fused step takes a batch at once; leave hardware.micro_batch out"
            return f"{words}{_or_unfused(part)}"
        if hardware.precision == "fp16":
            return "in fp16 a step may be skipped for its gradients, which a fused step knows too late; nearest: bf16"
        if ranks > 1:
            return f"ranks sum their gradients before a step; expected hardware.ranks 1, found {ranks}"
    if getattr(part, "by_sequence", False):
        if regularisers := [one.registered_as[1] for one in getattr(training, "regularise", ())]:
            return f"{regularisers[0]} leaves no loss for each sequence by itself; leave one of the two out"
        if objective is not None and not objective.by_sequence:
            name = objective.registered_as[1]
            return (
                f"{name} has no loss for each sequence by itself; it goes with: {', '.join(_by_sequence())}"
            )
        if ranks > 1:
            return f"ranks do not share the losses of its threshold; expected hardware.ranks 1, found {ranks}"
    if getattr(part, "of_several", False) and ranks > 1:
        return f"ranks do not share each task's gradient; expected hardware.ranks 1, found {ranks}"
    if getattr(part, "wants_reference", False):
        if objective is None:
            return "a task has no objective for reference texts; it is for pretrain"
        if objective.brings_data or objective.knows_sources or objective.in_streams:
            return f"reference texts are sequences by themselves, which {objective.registered_as[1]} does not take"
        if ranks > 1:
            return (
                f"the reference's gradient is not shared by ranks; expected hardware.ranks 1, found {ranks}"
            )
    return None


def _refused_of_several(part: Any, training: Any, *, several: bool) -> str | None:
    """Why the part does not go with so many tasks or objectives; None: it does."""
    if several and getattr(part, "by_sequence", False):
        return (
            "the loss of several tasks has no threshold of its own; it is for a task that is learnt by itself"
        )
    if not getattr(part, "of_several", False):
        return None
    objective = getattr(training, "objective", None)
    if not several and (objective is None or objective.registered_as[1] != "mix"):
        return "nothing conflicts where one thing is learnt; it is for `together`, and for the objective mix"
    if any(one.registered_as[1] == "accumulate_by_layer" for one in training.gradients):
        return "it needs the whole gradient of each task, which accumulate_by_layer uses up; leave one of them out"
    return None


def _by_sequence() -> list[str]:
    from acclimate.recipe.registry import registry

    found: list[tuple[str, Any]] = [
        (name, registry.get("objective", name)) for name in registry.names("objective")
    ]
    return [name for name, one in found if getattr(one, "by_sequence", False)]
