"""Making a model with random weights and packed attention. The global generator is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from acclimate.models.packed_attention import register
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Kind = Literal["mlm", "classification", "encoder"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator from this seed inside, as it was outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def auto_class(kind: Kind) -> Any:
    """The Transformers Auto class that builds this kind."""
    from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

    classes = {
        "mlm": AutoModelForMaskedLM,
        "classification": AutoModelForSequenceClassification,
        "encoder": AutoModel,
    }
    return classes[kind]


@dataclass(frozen=True)
class Labels:
    """What a classification head tells apart; it is written into the model's configuration."""

    names: tuple[str, ...]
    multi_label: bool = False
    """Any number of labels at once, instead of exactly one."""

    def write_into(self, config: Any) -> None:
        config.num_labels = len(self.names)
        config.id2label = dict(enumerate(self.names))
        config.label2id = {name: number for number, name in enumerate(self.names)}
        config.problem_type = (
            "multi_label_classification" if self.multi_label else "single_label_classification"
        )


def fresh_model(
    config: Any, kind: Kind, *, initialise: Component, seed: int, labels: Labels | None = None
) -> PreTrainedModel:
    """Steps: build (Transformers' own initialisation), overwrite it by the recipe's, both from the seed."""
    if labels is not None:
        labels.write_into(config)
    with seeded(seed):
        model = auto_class(kind).from_config(config, attn_implementation=register(), dtype=torch.float32)
    initialise.build(generator=torch.Generator().manual_seed(seed))(model)
    return model
