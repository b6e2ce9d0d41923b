"""RoBERTa (Liu et al. 2019), and DistilRoBERTa (Sanh et al. 2019) as one of its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.family import Vocabulary
from acclimate.models.options import TakesActivation

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch


def roberta_size(layers: int, hidden: int, heads: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
    }


class Roberta(TakesActivation):
    """RoBERTa: BERT without segments and pairs of sentences; the position table has rows for padding at its start.

    A sequence's first token has the position after the id of the padding token: 2 in the published models, whose
    padding token has id 1. Source: Liu et al. 2019, "RoBERTa"; size distil: Sanh et al. 2019, "DistilBERT";
    tiny and mini are ours, with BERT's shapes of these names.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "roberta")
    model_types: ClassVar[tuple[str, ...]] = ("roberta",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": roberta_size(2, 128, 2),
        "mini": roberta_size(4, 256, 4),
        "distil": roberta_size(6, 768, 12),
        "base": roberta_size(12, 768, 12),
        "large": roberta_size(24, 1024, 16),
    }
    default_size: ClassVar[str] = "base"
    layer_lists: ClassVar[Mapping[str, str]] = {"encoder.layer": "num_hidden_layers"}
    preset: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }
    token_inputs: ClassVar[Mapping[str, str]] = {}

    size: Literal["tiny", "mini", "distil", "base", "large"] | None = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, distil 6/768/12, base 12/768/12, large 24/1024/16. Base when
    nothing is given."""

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        return "output.LayerNorm"

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        config = super().config(vocabulary)
        if vocabulary is not None:
            config.max_position_embeddings = self.positions + _first_position(config)
        return config

    @classmethod
    def max_length(cls, config: Any) -> int | None:
        return int(config.max_position_embeddings) - _first_position(config)

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        return super().encode(
            model, replace(batch, positions=batch.positions + _first_position(model.config))
        )

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        from torch.nn.functional import gelu

        return model.lm_head.layer_norm(gelu(model.lm_head.dense(hidden)))

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.classifier(pooled.unsqueeze(1))


def _first_position(config: Any) -> int:
    """Row of the position table that a sequence's first token has."""
    return int(config.pad_token_id) + 1
