"""T5 (Raffel et al. 2020): a Transformer that reads text and writes text, with positions by distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.encoder_decoder import EncoderDecoder
from acclimate.models.family import INITIALISER, Vocabulary
from acclimate.models.kinds import Kind
from acclimate.models.options import FUNCTIONS, TakesActivation
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch, Row
    from acclimate.models.packing import Packing


def _size(layers: int, hidden: int, heads: int, inner: int, head_size: int = 64) -> dict[str, int]:
    return {
        "num_layers": layers,
        "d_model": hidden,
        "num_heads": heads,
        "d_ff": inner,
        "d_kv": head_size,
        "vocab_size": 32128,
    }


class T5(TakesActivation, EncoderDecoder):
    """T5: encoder and decoder with RMS norms before each part, no biases, ReLU, and positions as a learnt number for
    each head and range of distances, added to the scores of attention; no limit to the length.

    One table of tokens for both stacks and the head, which scales its input by 1/√hidden.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer";
    sizes tiny and mini are ours, after BERT's of these names.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "t5")
    model_types: ClassVar[tuple[str, ...]] = ("t5",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2, 512),
        "mini": _size(4, 256, 4, 1024),
        "small": _size(6, 512, 8, 2048),
        "base": _size(12, 768, 12, 3072),
        "large": _size(24, 1024, 16, 4096),
        "3b": _size(24, 1024, 32, 16384, 128),
        "11b": _size(24, 1024, 128, 65536, 128),
    }
    default_size: ClassVar[str] = "mini"
    layer_lists: ClassVar[Mapping[str, str]] = {
        "encoder.block": "num_layers",
        "decoder.block": "num_decoder_layers",
    }
    lacks: ClassVar[tuple[str, ...]] = ("positions", "attention_dropout")

    size: Literal["tiny", "mini", "small", "base", "large", "3b", "11b"] | None = None
    """Layers (of each stack)/hidden/heads: tiny 2/128/2, mini 4/256/4, small 6/512/8, base 12/768/12,
    large 24/1024/16, 3b 24/1024/32, 11b 24/1024/128. Mini when nothing is given."""
    initialise: Annotated[Component, INITIALISER] = Field(default="t5")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept."""

    def chosen(self) -> dict[str, Any]:
        if self.activation is None:
            return super().chosen()
        gated = str(self.preset.get("feed_forward_proj", "")).startswith("gated")
        # By `gated-gelu` Transformers means the tanh form.
        name = "gelu_python" if gated and self.activation == "gelu" else FUNCTIONS[self.activation]
        return super().chosen() | {"feed_forward_proj": f"gated-{name}" if gated else name}

    def changes(self) -> dict[str, Any]:
        """One rate of dropout for all, attention too."""
        return {"dropout_rate": self.dropout, "classifier_dropout": self.dropout}

    @classmethod
    def decoder_start(cls, vocabulary: Vocabulary) -> int | None:
        return vocabulary.pad_id

    @classmethod
    def packed_decoder_output(cls, body: Any, batch: PackedBatch, row: Row) -> Tensor:
        from acclimate.models.packing import Packing

        read = _through(body.encoder, batch.tokens, Packing(batch.cu_seqlens))
        packing = Packing(row.cu_seqlens, sources=batch.cu_seqlens)
        return _through(body.decoder, row.tokens, packing, read).squeeze(0)

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        scales = model.config.scale_decoder_outputs
        return hidden * model.config.d_model**-0.5 if scales else hidden


def _through(stack: Any, tokens: Tensor, packing: Packing, read: Tensor | None = None) -> Tensor:
    """[1, T, H]: the tokens' way through a stack. The stack itself would compare all places of the row."""
    bias = _by_distance(stack.block[0].layer[0].SelfAttention, packing.longest)
    hidden = stack.dropout(stack.embed_tokens(tokens)[None])
    for block in stack.block:
        hidden, *_ = block(hidden, None, bias, read, None, bias.new_empty(0), packing=packing)
    return stack.dropout(stack.final_layer_norm(hidden))  # type: ignore[no-any-return]


def _by_distance(attention: Any, longest: int) -> Tensor:
    """[heads, 2R+1]: what is added to the scores of a key, by its place less the query's, from -R to R."""
    import torch

    table = attention.relative_attention_bias.weight
    ranges = attention._relative_position_bucket(
        torch.arange(1 - longest, longest, device=table.device),
        bidirectional=not attention.is_decoder,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=attention.relative_attention_max_distance,
    )
    return table[ranges].t()  # type: ignore[no-any-return]


class T511(T5):
    """T5 1.1: T5 with a gated GELU (GEGLU, tanh form) between the layers' projections, and a head of its own.

    Source: Shazeer 2020, "GLU Variants Improve Transformer"; the released `t5.1.1` checkpoints; sizes tiny and mini
    are ours. Transformers shares the table with the head whatever is said; the models here do not, and their folders
    hold both, which Transformers then loads apart.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "t5.1.1")
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2, 344),
        "mini": _size(4, 256, 4, 680),
        "small": _size(8, 512, 6, 1024),
        "base": _size(12, 768, 12, 2048),
        "large": _size(24, 1024, 16, 2816),
    }
    preset: ClassVar[Mapping[str, Any]] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    kinds: ClassVar[Mapping[Kind, str]] = {
        **T5.kinds,
        "seq2seq": "acclimate.models.untied_t5:T5ForConditionalGeneration",
    }

    size: Literal["tiny", "mini", "small", "base", "large"] | None = None  # type: ignore[assignment]
    """Layers (of each stack)/hidden/heads: tiny 2/128/2, mini 4/256/4, small 8/512/6, base 12/768/12,
    large 24/1024/16. Mini when nothing is given."""
