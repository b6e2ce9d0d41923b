"""GPT-2 (Radford et al. 2019): a Transformer decoder that predicts the next token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.family import INITIALISER, Vocabulary
from acclimate.models.kinds import AUTO_CLASSES, Kind
from acclimate.models.options import TakesActivation
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch


def size(layers: int, hidden: int, heads: int) -> dict[str, int]:
    """Values of the configuration."""
    return {"n_layer": layers, "n_embd": hidden, "n_head": heads, "vocab_size": 50257}


class Gpt2(TakesActivation):
    """GPT-2: a causal Transformer decoder with learnt positions, GELU (tanh form), pre-norm layers and a norm after
    the last one; the head is the table of tokens.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; `distil` is DistilGPT2 (Sanh
    et al. 2019); sizes tiny and mini are ours, after BERT's of these names.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "gpt2")
    model_types: ClassVar[tuple[str, ...]] = ("gpt2",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": size(2, 128, 2),
        "mini": size(4, 256, 4),
        "distil": size(6, 768, 12),
        "small": size(12, 768, 12),
        "medium": size(24, 1024, 16),
        "large": size(36, 1280, 20),
        "xl": size(48, 1600, 25),
    }
    activation_key: ClassVar[str] = "activation_function"
    default_size: ClassVar[str] = "mini"
    layer_lists: ClassVar[Mapping[str, str]] = {"h": "n_layer"}
    preset: ClassVar[Mapping[str, Any]] = {"n_positions": 1024}
    kinds: ClassVar[Mapping[Kind, str]] = {
        one: AUTO_CLASSES[one] for one in ("encoder", "clm", "classification", "tokens", "spans")
    }
    causal: ClassVar[bool] = True
    token_inputs: ClassVar[Mapping[str, str]] = {}

    size: Literal["tiny", "mini", "distil", "small", "medium", "large", "xl"] | None = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, distil 6/768/12, small 12/768/12, medium 24/1024/16,
    large 36/1280/20, xl 48/1600/25. Mini when nothing is given."""
    initialise: Annotated[Component, INITIALISER] = Field(default="gpt2")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept."""

    def changes(self) -> dict[str, Any]:
        return {
            "embd_pdrop": self.dropout,
            "resid_pdrop": self.dropout,
            "attn_pdrop": self.attention_dropout,
            "classifier_dropout": self.dropout,
        }

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        return super().of_vocabulary(vocabulary) | vocabulary.ends_of_config()

    def positioned(self) -> dict[str, Any]:
        return {"n_positions": self.positions}

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        from acclimate.models.rows import packed_output, padded_output

        run = packed_output if cls.packed else padded_output
        return run(model.base_model, cls.inputs(batch), batch.cu_seqlens, use_cache=False)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """[T, H] → [B, H]: each sequence's last token, which alone has seen the others."""
        return hidden.index_select(0, batch.cu_seqlens[1:] - 1)

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.score(pooled)
