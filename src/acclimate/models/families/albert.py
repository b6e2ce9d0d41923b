"""ALBERT (Lan et al. 2020) in its four sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.models.family import Family
from acclimate.models.kinds import Kind
from acclimate.models.options import TakesActivation
from acclimate.recipe.settings import problem

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch


def _size(layers: int, hidden: int, heads: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
    }


class Albert(TakesActivation):
    """ALBERT: BERT whose layers share one set of weights, with embeddings of 128 values that a projection widens.

    GELU is the tanh form, as in the released models. Source: Lan et al. 2020, "ALBERT: A Lite BERT".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "albert")
    model_types: ClassVar[tuple[str, ...]] = ("albert",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2),
        "mini": _size(4, 256, 4),
        "base": _size(12, 768, 12),
        "large": _size(24, 1024, 16),
        "xlarge": _size(24, 2048, 16),
        "xxlarge": _size(12, 4096, 64),
    }
    default_size: ClassVar[str] = "mini"
    preset: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 30000,
        "embedding_size": 128,
        "hidden_act": "gelu_new",
    }
    kinds: ClassVar[Mapping[Kind, str]] = {**Family.kinds, "pretraining": "AutoModelForPreTraining"}

    size: Literal["tiny", "mini", "base", "large", "xlarge", "xxlarge"] | None = None
    """Layers/hidden/heads: base 12/768/12, large 24/1024/16, xlarge 24/2048/16, xxlarge 12/4096/64; tiny 2/128/2 and
    mini 4/256/4 are ours, after BERT's of these names. Mini when nothing is given."""

    share: int | None = Field(default=None, ge=1)
    """How many neighbouring layers share their weights; all of them unless given."""
    projection: int | None = Field(default=None, ge=1)
    """Width of the embeddings, which a projection widens to the hidden size; 128 unless given."""

    @model_validator(mode="after")
    def _parts_evenly(self) -> Albert:
        layers = self.sizes[self.size or self.default_size]["num_hidden_layers"]
        if not self.checkpoint and self.share is not None and layers % self.share:
            fitting = [one for one in range(1, layers + 1) if not layers % one]
            nearest = min(fitting, key=lambda one: abs(one - (self.share or 1)))
            raise problem(
                f"{layers} layers do not part into groups of {self.share}; nearest: {nearest}", at=("share",)
            )
        return self

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        return (*super().of_random_weights(), "share", "projection")

    def chosen(self) -> dict[str, Any]:
        layers = self.sizes[self.size or self.default_size]["num_hidden_layers"]
        own = {} if self.share is None else {"num_hidden_groups": layers // self.share}
        return (
            super().chosen() | own | ({} if self.projection is None else {"embedding_size": self.projection})
        )

    def changes(self) -> dict[str, Any]:
        return {**super().changes(), "classifier_dropout_prob": self.dropout}

    @classmethod
    def flops(cls, model: PreTrainedModel, length: int) -> int:
        from acclimate.models.sizes import forward_flops

        config = model.config
        shared = sum(
            one.numel() for one in model.base_model.encoder.albert_layer_groups.parameters() if one.dim() > 1
        )
        uses = config.num_hidden_layers / config.num_hidden_groups
        return forward_flops(model, length) + round(2 * shared * (uses - 1))

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        head = model.predictions
        return head.LayerNorm(head.activation(head.dense(hidden)))

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        body = model.base_model
        first = hidden.index_select(0, batch.cu_seqlens[:-1])
        return first if body.pooler is None else body.pooler_activation(body.pooler(first))

    @classmethod
    def pair_scores(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.sop_classifier(pooled)
