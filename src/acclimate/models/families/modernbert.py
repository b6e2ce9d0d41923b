"""ModernBERT (Warner et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.options import TakesActivation
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch


def _size(layers: int, hidden: int, heads: int, inner: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": inner,
    }


class ModernBert(TakesActivation):
    """ModernBERT: rotary positions, GeGLU, pre-norm, no biases; every third layer looks at all, the others 64 aside.

    Source: Warner et al. 2024, "Smarter, Better, Faster, Longer"; sizes tiny and mini are ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "modernbert")
    model_types: ClassVar[tuple[str, ...]] = ("modernbert",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(3, 128, 2, 192),
        "mini": _size(6, 256, 4, 384),
        "base": _size(22, 768, 12, 1152),
        "large": _size(28, 1024, 16, 2624),
    }
    activation_key: ClassVar[str] = "hidden_activation"
    default_size: ClassVar[str] = "base"
    layer_lists: ClassVar[Mapping[str, str]] = {"layers": "num_hidden_layers"}
    preset: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50368,
        "max_position_embeddings": 8192,
        "local_attention": 128,
        "classifier_pooling": "mean",
    }
    token_inputs: ClassVar[Mapping[str, str]] = {}

    size: Literal["tiny", "mini", "base", "large"] | None = None
    """Layers/hidden/heads/feed-forward: tiny 3/128/2/192, mini 6/256/4/384, base 22/768/12/1152, large
    28/1024/16/2624. Base when nothing is given."""
    positions: int = Field(default=8192, ge=16)
    """Longest sequence that the model can take, in tokens; there is no table, so more cost nothing."""
    dropout: Share = 0.0
    """Share of hidden values zeroed in training, everywhere but in attention; the authors train without."""
    attention_dropout: Share = 0.0
    """Share of attention weights, and of attention's output, zeroed in training."""

    def changes(self) -> dict[str, Any]:
        return {
            "embedding_dropout": self.dropout,
            "mlp_dropout": self.dropout,
            "classifier_dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
        }

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.head(hidden)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        from acclimate.models.forward import means

        if model.config.classifier_pooling == "mean":
            return means(hidden, batch).to(hidden.dtype)
        return super().pooled(model, hidden, batch)

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.classifier(model.drop(model.head(pooled)))

    @classmethod
    def classify_tokens(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.classifier(model.drop(model.head(hidden)))

    @classmethod
    def find_spans(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return cls.classify_tokens(model, hidden)
