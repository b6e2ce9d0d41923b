"""LLaMA (Touvron et al. 2023) and small models of its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.family import INITIALISER
from acclimate.models.kinds import Kind
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def _size(layers: int, hidden: int, heads: int, inner: int, key_heads: int | None = None) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads or heads,
        "intermediate_size": inner,
    }


class Llama(Gpt2):
    """LLaMA: a decoder with RMSNorm before each part, rotary positions, SwiGLU, and neither biases nor dropout.

    Source: Touvron et al. 2023, "LLaMA"; heads that share keys: Ainslie et al. 2023, as in TinyLlama (Zhang et al.
    2024) and SmolLM2 (Allal et al. 2025).
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "llama")
    model_types: ClassVar[tuple[str, ...]] = ("llama",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2, 352),
        "mini": _size(4, 256, 4, 704),
        "smollm-135m": {
            **_size(30, 576, 9, 1536, 3),
            "vocab_size": 49152,
            "tie_word_embeddings": True,
            "max_position_embeddings": 8192,
            "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
            "rms_norm_eps": 1e-5,
        },
        "tinyllama-1.1b": {**_size(22, 2048, 32, 5632, 4), "rms_norm_eps": 1e-5},
        "7b": _size(32, 4096, 32, 11008),
        "13b": _size(40, 5120, 40, 13824),
    }
    activation_key: ClassVar[str] = "hidden_act"
    # Transformers' own head for spans calls its body by another name than every other of its models.
    kinds: ClassVar[Mapping[Kind, str]] = {kind: Gpt2.kinds[kind] for kind in Gpt2.kinds if kind != "spans"}
    layer_lists: ClassVar[Mapping[str, str]] = {"layers": "num_hidden_layers"}
    default_size: ClassVar[str] = "mini"
    preset: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 32000,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
    }
    lacks: ClassVar[tuple[str, ...]] = ("dropout",)

    size: Literal["tiny", "mini", "smollm-135m", "tinyllama-1.1b", "7b", "13b"] | None = None  # type: ignore[assignment]
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, smollm-135m 30/576/9 (3 of keys), tinyllama-1.1b 22/2048/32 (4
    of keys), 7b 32/4096/32, 13b 40/5120/40. Mini when nothing is given."""
    positions: int = 2048
    """Longest sequence that the model can take, in tokens; a checkpoint brings its own."""
    attention_dropout: Share = 0.0
    """Share of attention weights zeroed in training; the published models have none."""

    initialise: Annotated[Component, INITIALISER] = Field(default="truncated_normal")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept."""

    def changes(self) -> dict[str, Any]:
        return {"attention_dropout": self.attention_dropout, "classifier_dropout": 0.0}

    def positioned(self) -> dict[str, Any]:
        return {"max_position_embeddings": self.positions}

    @classmethod
    def classify_tokens(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.score(model.dropout(hidden))
