"""Transformer-XL (Dai et al. 2019), and TLM-XL: a larger causal model with the same memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.family import Family, Vocabulary
from acclimate.models.kinds import Kind
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch
    from acclimate.models.onward import Memory, Onward

_MODELLING = "acclimate.models.families.transformer_xl.modelling"


def _size(layers: int, hidden: int, heads: int, between: int, vocabulary: int, memory: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": between,
        "vocab_size": vocabulary,
        "memory_length": memory,
    }


class TransformerXL(Family):
    """Transformer-XL: a causal Transformer whose attention reaches back over what it remembers of the text before, and
    knows distances, not places: score (q+u)·k + (q+v)·r_{i−j}.

    Post-norm layers with ReLU, embeddings times √hidden, head tied to them. Memory is carried by the objective
    `clm_stream`; by `clm` each sequence stands alone. Without a limit of length.
    Source: Dai et al. 2019, "Transformer-XL: Attentive Language Models beyond a Fixed-Length Context". Sizes 12l and
    24l are those of enwik8 (204 bytes; 41,055,436 and 277,231,820 parameters), wt103-base that of WikiText-103 with a
    full softmax instead of the paper's adaptive one; mini is ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "transformer-xl")
    model_types: ClassVar[tuple[str, ...]] = ("acclimate_transformer_xl",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": _size(4, 256, 4, 1024, 204, 128),
        "12l": _size(12, 512, 8, 2048, 204, 512),
        "24l": _size(24, 1024, 8, 3072, 204, 768),
        "wt103-base": _size(16, 410, 10, 2100, 267_735, 150),
    }
    default_size: ClassVar[str] = "mini"
    preset: ClassVar[Mapping[str, Any]] = {"activation": "relu", "pre_norm": False, "shared_biases": True}
    kinds: ClassVar[Mapping[Kind, str]] = {
        "encoder": f"{_MODELLING}:TransformerXLModel",
        "clm": f"{_MODELLING}:TransformerXLForCausalLM",
        "classification": f"{_MODELLING}:TransformerXLForSequenceClassification",
    }
    causal: ClassVar[bool] = True
    packed: ClassVar[bool] = False
    position_input: ClassVar[str | None] = None
    token_inputs: ClassVar[Mapping[str, str]] = {}
    remembers: ClassVar[bool] = True
    lacks: ClassVar[tuple[str, ...]] = ("positions",)

    size: Literal["mini", "12l", "24l", "wt103-base"] | None = None
    """Layers/hidden/heads/between: mini 4/256/4/1024, 12l 12/512/8/2048, 24l 24/1024/8/3072, wt103-base 16/410/10/2100.
    Mini when nothing is given."""
    memory: int | None = Field(default=None, ge=0)
    """How many places before a stretch are remembered (in training the paper takes the stretch's own length); that of
    the size unless given: mini 128, 12l 512, 24l 768, wt103-base 150."""
    attention_dropout: Share = 0.0
    """Share of attention weights zeroed in training (the paper: 0% on enwik8 and WikiText-103 base)."""

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        return super().of_vocabulary(vocabulary) | vocabulary.ends_of_config()

    def changes(self) -> dict[str, Any]:
        return {
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            **({} if self.memory is None else {"memory_length": self.memory}),
        }

    @classmethod
    def flops(cls, model: PreTrainedModel, length: int) -> int:
        """Without memory; distances are scored as contents are."""
        from acclimate.models.sizes import forward_flops

        config = model.config
        return forward_flops(model, length) + 2 * length * config.num_hidden_layers * config.hidden_size

    @classmethod
    def onward(cls, model: PreTrainedModel, batch: PackedBatch, memory: Memory | None) -> Onward:
        from acclimate.models.onward import Onward

        streams = len(batch.cu_seqlens) - 1
        out = model.base_model(batch.tokens.view(streams, -1), memory=memory, remember=True)
        return Onward(out.last_hidden_state.flatten(0, 1), out.memory)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """The output at each sequence's last token, which alone has seen all."""
        return hidden.index_select(0, batch.cu_seqlens[1:] - 1)


class TlmXL(TransformerXL):
    """TLM-XL: the larger causal model of this project, Transformer-XL's memory in layers as GPT-2 has them: pre-norm
    with a norm at the end, GELU (tanh form), u and v of each layer its own.

    Source: Dai et al. 2019 for memory and distances, Radford et al. 2019 for the layers; size large has the shape of
    Dai et al.'s largest model of WikiText-103, with GPT-2's vocabulary as in all sizes.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "tlm-xl")
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2, 512, 50_257, 64),
        "mini": _size(4, 256, 4, 1024, 50_257, 128),
        "small": _size(6, 512, 8, 2048, 50_257, 256),
        "base": _size(12, 768, 12, 3072, 50_257, 512),
        "large": _size(18, 1024, 16, 4096, 50_257, 384),
        "xl": _size(36, 1280, 20, 5120, 50_257, 512),
    }
    default_size: ClassVar[str] = "base"
    preset: ClassVar[Mapping[str, Any]] = {
        "activation": "gelu_new",
        "pre_norm": True,
        "shared_biases": False,
    }

    size: Literal["tiny", "mini", "small", "base", "large", "xl"] | None = None  # type: ignore[assignment]
    """Layers/hidden/heads/between: tiny 2/128/2/512, mini 4/256/4/1024, small 6/512/8/2048, base 12/768/12/3072, large
    18/1024/16/4096, xl 36/1280/20/5120. Base when nothing is given."""
    memory: int | None = Field(default=None, ge=0)
    """How many places before a stretch are remembered; that of the size unless given: tiny 64, mini 128, small 256,
    base 512, large 384, xl 512."""
