"""Whether a recipe's trainings find in their models what they name or need, told before anything is read or drawn.

A model is built without weights, and only where the recipe asks for something that its settings alone cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.pipeline.dry_model import CLASSES, TrainedPart, trained_parts
from acclimate.recipe.loading import LoadedRecipe
from acclimate.recipe.problems import Path
from acclimate.recipe.sections import Recipe
from acclimate.transfer.methods.blocks import EMBEDDINGS, HEAD, Blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.transfer.methods.auxiliary import Auxiliary


def require_trainable(loaded: LoadedRecipe) -> None:
    """Raises RecipeError with every pattern that matches no parameter, every layer that is not there, and every mixout
    of a body that holds still."""
    found = list(dict.fromkeys(problems(loaded.recipe)))
    if found:
        raise loaded.error(found)


def problems(recipe: Recipe) -> Iterator[tuple[Path, str]]:
    """(path, message) of each training that asks for what its model lacks; models that a hub alone knows are passed
    over."""
    if recipe.model is None:
        return
    together = recipe.together
    shared = [] if together is None else [f"tasks.{name}" for name in together.tasks or recipe.tasks]
    parts = list(trained_parts(recipe))
    for part in parts:
        if part.name not in shared and _asks_for_something(recipe, part):
            model = _outline(recipe, part)
            if model is not None:
                yield from _of(part, model)
    if together is not None and together.optimizer.overrides:  # type: ignore[attr-defined]
        models = [_outline(recipe, part) for part in parts if part.name in shared]
        yield from _of_all(together, [one for one in models if one is not None])


def _of_all(together: Any, models: list[PreTrainedModel]) -> Iterator[tuple[Path, str]]:
    """What is wrong with the training that these models share."""
    if not models:
        return
    from acclimate.transfer.together import Member, Sharing

    members: list[Any] = [Member(str(number), one, None, None) for number, one in enumerate(models)]  # type: ignore[arg-type]
    try:
        together.optimizer.groups(Sharing(members, together.share), lr=1.0, weight_decay=0.0)
    except UserError as error:
        yield ("together", "optimizer"), str(error)


def _asks_for_something(recipe: Recipe, part: TrainedPart) -> bool:
    """Whether parameters are named; or layers, of a checkpoint, whose number only its file tells; or what trains must
    be known."""
    named = part.settings.transfer.named() if part.is_task else ()
    of_checkpoint = recipe.model.starts_from is not None  # type: ignore[attr-defined]
    patterns = any(isinstance(one, str) and one not in (EMBEDDINGS, HEAD) for one in named)
    return bool(
        part.optimizer.overrides
        or patterns
        or (named and of_checkpoint)
        or _mixout(part) is not None
        or _auxiliary(part)
    )


def _auxiliary(part: TrainedPart) -> list[Auxiliary]:
    """The auxiliary heads, where not all of the model trains."""
    from acclimate.transfer.methods.auxiliary import Auxiliary
    from acclimate.transfer.methods.method import chain

    methods = chain(part.settings.transfer) if part.is_task else []
    if not methods or methods[-1].registered_as[1] == "full":
        return []
    return [one for one in methods if isinstance(one, Auxiliary)]


def _mixout(part: TrainedPart) -> int | None:
    """The number of the regulariser mixout, where not all of the model trains."""
    if not part.is_task or part.settings.transfer.registered_as[1] == "full":
        return None
    names = [one.registered_as[1] for one in part.settings.regularise]
    return names.index("mixout") if "mixout" in names else None


def _outline(recipe: Recipe, part: TrainedPart) -> PreTrainedModel | None:
    """The model that the part trains, its head with it, without weights; None where it cannot be told, and of what is
    wrong with a checkpoint its own check tells."""
    from acclimate.models.sizes import outline
    from acclimate.pipeline.pretrain import objective_labels

    family: Any = recipe.model
    settings = part.settings
    kind = settings.kind if part.is_task else settings.objective.kind
    labels = settings.labels(CLASSES) if part.is_task else objective_labels(settings.objective)
    try:
        model = outline(family, kind, labels)
    except UserError:
        return None
    if model is not None and part.is_task:
        settings.furnish(model, names=CLASSES, seed=recipe.seed)
    elif model is not None:
        settings.objective.furnish(model, recipe.seed)
    return model


def _of(part: TrainedPart, model: PreTrainedModel) -> Iterator[tuple[Path, str]]:
    """What is wrong with one training of this model."""
    if part.is_task:
        try:
            _hold(part, model)
        except UserError as error:
            yield (*part.path, "transfer"), str(error)
            return
    try:
        part.optimizer.groups(model, lr=1.0, weight_decay=0.0)
    except UserError as error:
        yield (*part.path, "optimizer"), str(error)
    number = _mixout(part)
    if number is not None and not _layers_move(model):
        words = "no weight matrix of the model's layers trains by"
        yield (
            (*part.path, "regularise", number),
            f"mixout: {words} {part.settings.transfer.registered_as[1]}; leave one of them out",
        )


def _hold(part: TrainedPart, model: PreTrainedModel) -> None:
    """Let train what the way of transfer lets train. Raises UserError for what does not fit the model."""
    from acclimate.transfer.methods.method import chain

    settings: Any = part.settings
    settings.transfer.require_blocks(Blocks(model).number)
    # What comes before the last method changes numbers, not names.
    steps = chain(settings.transfer)
    plan = steps[-1].build(model=model, length=settings.length, seed=0)
    everything = any(one.trains_all_first for one in steps)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(everything or name in plan.trained)
    for one in _auxiliary(part):
        one.require_learning(Blocks(model), plan.trained)


def _layers_move(model: PreTrainedModel) -> bool:
    """Whether mixout has something to act on besides a pooler."""
    from acclimate.objectives.mixout import mixed_weights
    from acclimate.optim.parameter_groups import in_block

    mixed = mixed_weights(model)
    return any(map(in_block, mixed)) if Blocks(model).number else bool(mixed)
