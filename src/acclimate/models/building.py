"""Making a model with random weights and packed attention. The global generator is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from acclimate.errors import UserError
from acclimate.models.kinds import AUTO_CLASSES, Kind
from acclimate.models.packed_attention import register
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.family import Family


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator from this seed inside, as it was outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def model_class(kind: Kind, family: type[Family] | None = None) -> Any:
    """The class that builds this kind: the family's, else Transformers' Auto class. Raises UserError without one."""
    if family is not None and kind not in family.kinds:
        raise UserError(
            f"the family {family.registered_as[1]} has no head for {kind}; it has: {', '.join(family.kinds)}"
        )
    name = AUTO_CLASSES[kind] if family is None else family.kinds[kind]
    module, _, own = name.partition(":")
    return getattr(import_module(module), own) if own else getattr(import_module("transformers"), name)


@dataclass(frozen=True)
class Labels:
    """What a classification head tells apart; it is written into the model's configuration."""

    names: tuple[str, ...]
    multi_label: bool = False
    """Any number of labels at once, instead of exactly one."""
    numbers: bool = False
    """Each is a number that the head gives, instead of a class."""

    def write_into(self, config: Any) -> None:
        config.num_labels = len(self.names)
        config.id2label = dict(enumerate(self.names))
        config.label2id = {name: number for number, name in enumerate(self.names)}
        several = "multi_label_classification" if self.multi_label else "single_label_classification"
        config.problem_type = "regression" if self.numbers else several


def fresh_model(
    config: Any,
    kind: Kind,
    *,
    initialise: Component,
    seed: int,
    family: type[Family] | None = None,
    labels: Labels | None = None,
) -> PreTrainedModel:
    """Steps: build (Transformers' own initialisation), overwrite it by the recipe's, both from the seed."""
    if labels is not None:
        labels.write_into(config)
    built = model_class(kind, family)
    make = built.from_config if hasattr(built, "from_config") else built._from_config
    packed = {} if family is not None and not family.packed else {"attn_implementation": register()}
    with seeded(seed):
        model = make(config, dtype=torch.float32, **packed)
    initialise.build(generator=torch.Generator().manual_seed(seed))(model)
    return model  # type: ignore[no-any-return]
