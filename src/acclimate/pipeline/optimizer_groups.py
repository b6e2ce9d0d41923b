"""Which parameters of a recipe's models an optimizer gets, in which groups: what decays and what does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.pipeline.dry_model import TrainedPart, dry_model, dry_tokenizer, trained_parts
from acclimate.recipe.problems import dotted
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def optimizer_groups(recipe: Recipe) -> list[dict[str, Any]]:
    """Each training of the recipe with its optimizer's groups, as it will be built.

    A group has `weight_decay`, `lr`, `tensors`, `parameters` and `names` (name → shape); what does not train stands
    under `frozen`. A model that grows is told of in each of its phases. Raises UserError for a recipe that trains
    nothing, or whose model cannot be had.
    """
    found = []
    tokenizer = None
    for part in trained_parts(recipe):
        tokenizer = tokenizer or dry_tokenizer(recipe)
        model = dry_model(recipe, tokenizer, part)
        for rate, phase in _phases(part, model):
            optimizer = part.optimizer.build(model=model)
            groups = [
                {
                    "weight_decay": group["weight_decay"],
                    "lr": group["lr"] * rate,
                    **_counted(zip(group["names"], group["params"], strict=True)),
                }
                for group in optimizer.param_groups
            ]
            frozen = [(name, one) for name, one in model.named_parameters() if not one.requires_grad]
            found.append(
                {
                    "part": part.name,
                    "path": dotted((*part.path, "optimizer")),
                    **phase,
                    "optimizer": part.settings.optimizer.registered_as[1],
                    "groups": groups,
                    "frozen": _counted(frozen),
                }
            )
    if not found:
        raise UserError("the recipe trains nothing: it has neither `pretrain` nor `tasks`")
    return found


def _phases(part: TrainedPart, model: PreTrainedModel) -> Iterator[tuple[float, dict[str, int]]]:
    """(what the rate is multiplied by, phase, phases and layers) of each phase of a model that grows, which is then in
    that phase; (1, nothing) of one that does not."""
    from acclimate.models.growing import Stacks

    grow = None if part.is_task else part.settings.grow
    if grow is None:
        yield 1.0, {}
        return
    stacks = Stacks(model)
    phases = grow.plan(stacks.depth, part.settings.length)
    for number, phase in enumerate(phases, start=1):
        stacks.use(phase.layers)
        stacks.train_from(phase.first)
        yield phase.rate, {"phase": number, "phases": len(phases), "layers": phase.layers}


def _counted(named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    parameters = dict(named)
    return {
        "tensors": len(parameters),
        "parameters": sum(one.numel() for one in parameters.values()),
        "names": {name: list(one.shape) for name, one in parameters.items()},
    }


def gathered(names: dict[str, list[int]]) -> dict[str, tuple[int, list[int]]]:
    """Names that differ in a layer's number alone as one, `….layer.*.…`: name → (how many, shape of each)."""
    found: dict[str, tuple[int, list[int]]] = {}
    for name, shape in names.items():
        key = _NUMBER.sub("*", name)
        if key in found and found[key][1] != shape:
            key = name  # layers of several widths are shown one by one
        found[key] = (found.get(key, (0, shape))[0] + 1, shape)
    return found
