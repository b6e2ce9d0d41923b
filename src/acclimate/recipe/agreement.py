"""Whether the sections of a recipe fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acclimate.recipe.settings import problem


def require_heads(recipe: Any) -> None:
    """Raises ValidationError for a family that has no head for a task, or for the objective."""
    family = recipe.model
    if family is None:
        return
    name = family.registered_as[1]
    for task, settings in recipe.tasks.items():
        if settings.kind not in family.kinds:
            words = f"the family {name} has no head for {settings.registered_as[1]}"
            raise problem(words, at=("tasks", task))
    if recipe.pretrain is None:
        return
    objective = recipe.pretrain.objective
    if objective.kind not in family.kinds or not _takes(family, objective):
        fitting = [one for one, kind, cls in _objectives() if kind in family.kinds and _takes(family, cls)]
        lacks = "it has no head for it"
        if objective.kind in family.kinds:
            lacks = f"its models take no {' and no '.join(objective.gives)}"
        raise problem(
            f"the family {name} cannot learn by {objective.registered_as[1]}: {lacks}; "
            f"{name} takes: {', '.join(fitting)}",
            at=("pretrain", "objective"),
        )
    if reason := family.refuses(objective.kind):
        raise problem(reason, at=("model",))


def require_streams(recipe: Any) -> None:
    """Raises ValidationError where an objective reads text in streams, and something else does not go with that."""
    pretrain, hardware = recipe.pretrain, recipe.hardware
    if pretrain is None or recipe.model is None or not pretrain.objective.in_streams:
        return
    name = pretrain.objective.registered_as[1]
    if not recipe.model.remembers:
        family = recipe.model.registered_as[1]
        words = f"{name} carries on what a model remembers, and the family {family} remembers nothing"
        raise problem(f"{words}; {', '.join(_remembering())} do", at=("pretrain", "objective"))
    if pretrain.batch.unit != "sequences":
        words = f"{name} reads as many streams side by side as a batch has sequences; expected a number of sequences"
        raise problem(
            f"{words}, for example '20 sequences', found '{pretrain.batch}'", at=("pretrain", "batch")
        )
    if pretrain.curriculum is not None:
        raise problem(f"{name} reads the text in its own order; leave it out", at=("pretrain", "curriculum"))
    if hardware.ranks > 1:
        words = f"{name} carries on what a model remembers, which ranks cannot share; expected 1"
        raise problem(f"{words}, found {hardware.ranks}", at=("hardware", "ranks"))
    if hardware.micro_batch is not None:
        words = f"{name} takes all streams of a batch at once; leave it out"
        raise problem(words, at=("hardware", "micro_batch"))


def _remembering() -> list[str]:
    from acclimate.recipe.registry import registry

    families: list[tuple[str, Any]] = [
        (name, registry.get("family", name)) for name in registry.names("family")
    ]
    return [name for name, family in families if family.remembers]


def _takes(family: Any, objective: Any) -> bool:
    """Whether the family's models take what the objective gives besides tokens."""
    return set(getattr(objective, "gives", ())) <= set(getattr(family, "token_inputs", ()))


def _objectives() -> Iterator[tuple[str, str, Any]]:
    """(name, kind of model that it trains, class) of every objective whose settings do not decide it."""
    from acclimate.recipe.registry import registry

    for name in registry.names("objective"):
        objective: Any = registry.get("objective", name)
        if hasattr(objective, "trains"):
            yield name, objective.trains, objective


def require_marks(pretrain: Any) -> None:
    """Raises ValidationError for an objective that asks where words start, of tokens that are drawn."""
    if pretrain.segmentation is not None and pretrain.objective.marks:
        words = (
            "this objective asks where words or sentences start, which drawn tokens do not tell; leave it out"
        )
        raise problem(words, at=("segmentation",))
