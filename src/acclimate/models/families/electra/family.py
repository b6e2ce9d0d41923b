"""ELECTRA (Clark et al. 2020): a discriminator that tells which tokens a small generator has replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.family import Family
from acclimate.models.kinds import Kind

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def _size(layers: int, hidden: int, heads: int, embedding: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "embedding_size": embedding,
    }


class Electra(Family):
    """ELECTRA: encoders like BERT without pooler, whose embeddings a projection widens where they are narrower.

    For the objective `rtd` two are built: the discriminator, and a generator of the same depth and a part of its width.
    They share the embedding layer, whole, as the published code does (the paper names its tokens and positions). Saved,
    the folder is the discriminator's, plain ELECTRA, and the generator stands in `generator/`. For any other objective
    one encoder is built, of any of the sizes.
    Source: Clark et al. 2020, "ELECTRA"; sizes mini and tiny have the layers of the BERTs of these names.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "electra")
    model_types: ClassVar[tuple[str, ...]] = ("electra",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2, 128),
        "mini": _size(4, 256, 4, 128),
        "small": _size(12, 256, 4, 128),
        "base": _size(12, 768, 12, 768) | {"generator_width": 1 / 3},
        "large": _size(24, 1024, 16, 1024),
        "small-discriminator": _size(12, 256, 4, 128),
        "small-generator": _size(12, 64, 1, 128),
        "base-discriminator": _size(12, 768, 12, 768) | {"generator_width": 1 / 3},
        "base-generator": _size(12, 256, 4, 768),
        "large-discriminator": _size(24, 1024, 16, 1024),
        "large-generator": _size(24, 256, 4, 1024),
    }
    default_size: ClassVar[str] = "mini"
    preset: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 30522,
        "layer_norm_eps": 1e-12,
        "generator_width": 1 / 4,
    }
    kinds: ClassVar[Mapping[Kind, str]] = {
        **Family.kinds,
        "rtd": "acclimate.models.families.electra.modelling:ElectraPair",
    }

    size: (
        Literal[
            "tiny",
            "mini",
            "small",
            "base",
            "large",
            "small-discriminator",
            "small-generator",
            "base-discriminator",
            "base-generator",
            "large-discriminator",
            "large-generator",
        ]
        | None
    ) = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, small 12/256/4, base 12/768/12, large 24/1024/16; the published
    discriminators have these too, the generators 12/64/1, 12/256/4 and 24/256/4. Mini when nothing is given."""
    generator_width: float | None = Field(default=None, gt=0, le=1)
    """Width of the generator as a share of the discriminator's; as published unless given: a third for base, else a
    quarter."""

    def changes(self) -> dict[str, Any]:
        width = {} if self.generator_width is None else {"generator_width": self.generator_width}
        return {**super().changes(), **width}

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.generator_predictions(hidden)

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.classifier(pooled.unsqueeze(1))

    @classmethod
    def replaced(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.discriminator.discriminator_predictions(hidden)
