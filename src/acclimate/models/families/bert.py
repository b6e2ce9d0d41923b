"""BERT (Devlin et al. 2019) in the sizes of the original release and of Turc et al. (2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.family import Family
from acclimate.models.kinds import Kind
from acclimate.models.options import TakesActivation

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def _size(layers: int, hidden: int, heads: int, vocabulary: int = 30522) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "vocab_size": vocabulary,
    }


class Bert(TakesActivation):
    """BERT: a bidirectional Transformer encoder with learnt positions, GELU (erf form) and post-norm layers.

    Source: Devlin et al. 2019, "BERT"; sizes tiny, mini, small, medium: Turc et al. 2019, "Well-Read Students Learn
    Better".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "bert")
    model_types: ClassVar[tuple[str, ...]] = ("bert",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2),
        "mini": _size(4, 256, 4),
        "small": _size(4, 512, 8),
        "medium": _size(8, 512, 8),
        "base": _size(12, 768, 12),
        "base-cased": _size(12, 768, 12, 28996),
        "base-zh": _size(12, 768, 12, 21128),
        "base-multilingual": _size(12, 768, 12, 119547),
        "large": _size(24, 1024, 16),
    }
    default_size: ClassVar[str] = "mini"
    layer_lists: ClassVar[Mapping[str, str]] = {"encoder.layer": "num_hidden_layers"}
    preset: ClassVar[Mapping[str, Any]] = {
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    }
    kinds: ClassVar[Mapping[Kind, str]] = {
        **Family.kinds,
        "pretraining": "acclimate.models.families.bert_pretraining:BertForPreTraining",
    }

    size: (
        Literal[
            "tiny", "mini", "small", "medium", "base", "base-cased", "base-zh", "base-multilingual", "large"
        ]
        | None
    ) = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, small 4/512/8, medium 8/512/8, base 12/768/12,
    large 24/1024/16. Mini when nothing is given. The other kinds of base differ in their published vocabulary alone."""

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        return "output.LayerNorm"

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.cls.predictions.transform(hidden)

    @classmethod
    def pair_scores(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.cls.seq_relationship(pooled)
