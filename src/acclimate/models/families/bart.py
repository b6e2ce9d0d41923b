"""BART (Lewis et al. 2020): a Transformer that reads a damaged text and writes the whole one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.encoder_decoder import EncoderDecoder
from acclimate.models.family import Vocabulary
from acclimate.models.options import TakesActivation
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch, Row


def size(layers: int, hidden: int, heads: int, vocabulary: int = 50265) -> dict[str, int]:
    """Values of the configuration, the same for both stacks."""
    both = {f"{stack}_{name}" for stack in ("encoder", "decoder") for name in ("layers", "ffn_dim")}
    return {
        "d_model": hidden,
        "vocab_size": vocabulary,
        **{name: layers if name.endswith("layers") else 4 * hidden for name in sorted(both)},
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
    }


class Bart(TakesActivation, EncoderDecoder):
    """BART: encoder and decoder with learnt positions, GELU (erf form), post-norm layers and a norm after the
    embeddings; one table of tokens for both stacks and the head.

    Source: Lewis et al. 2020, "BART"; sizes tiny and mini are ours, after BERT's of these names.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "bart")
    model_types: ClassVar[tuple[str, ...]] = ("bart",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": size(2, 128, 2),
        "mini": size(4, 256, 4),
        "base": size(6, 768, 12),
        "large": size(12, 1024, 16),
    }
    activation_key: ClassVar[str] = "activation_function"
    default_size: ClassVar[str] = "mini"
    layer_lists: ClassVar[Mapping[str, str]] = {
        "encoder.layers": "encoder_layers",
        "decoder.layers": "decoder_layers",
    }
    preset: ClassVar[Mapping[str, Any]] = {"max_position_embeddings": 1024}

    size: Literal["tiny", "mini", "base", "large"] | None = None
    """Layers (of each stack)/hidden/heads: tiny 2/128/2, mini 4/256/4, base 6/768/12, large 12/1024/16. Mini when
    nothing is given."""

    layerdrop: Share = 0.0
    """Share of layers left out at each step of training, each as a whole and without rescaling (Fan et al. 2020: 0.2);
    such a model can be pruned: `acclimate prune`."""

    def changes(self) -> dict[str, Any]:
        return {
            "encoder_layerdrop": self.layerdrop,
            "decoder_layerdrop": self.layerdrop,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "classifier_dropout": self.dropout,
        }

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        return super().of_vocabulary(vocabulary) | {"forced_eos_token_id": vocabulary.ends[1]}

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        return "final_layer_norm"

    @classmethod
    def decoder_start(cls, vocabulary: Vocabulary) -> int | None:
        return vocabulary.ends[1]

    @classmethod
    def packed_decoder_output(cls, body: Any, batch: PackedBatch, row: Row) -> Tensor:
        from acclimate.models.packing import Packing

        read = _embedded(body.encoder, batch.tokens, batch.positions)
        packing = Packing(batch.cu_seqlens)
        for layer in _layers(body.encoder):
            read = layer(read, None, packing=packing)
        read = _closed(body.encoder, read)
        hidden = _embedded(body.decoder, row.tokens, row.positions)
        packing = Packing(row.cu_seqlens, sources=batch.cu_seqlens)
        for layer in _layers(body.decoder):
            hidden = layer(hidden, None, read, packing=packing, use_cache=False)
        return _closed(body.decoder, hidden).squeeze(0)

    @classmethod
    def vocabulary(cls, model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
        """The table of tokens, and the bias that Transformers keeps beside it (zeros, and never trained)."""
        return model.lm_head.weight, model.final_logits_bias.squeeze(0)


def _embedded(stack: Any, tokens: Tensor, positions: Tensor) -> Tensor:
    """[1, T, H]: what the stack's first layer gets. The stack itself would count positions over the whole row."""
    from torch.nn import functional

    summed = stack.embed_tokens(tokens)[None] + stack.embed_positions(tokens, position_ids=positions)
    return functional.dropout(stack.layernorm_embedding(summed), p=stack.dropout, training=stack.training)


def _layers(stack: Any) -> Iterator[Any]:
    """The stack's layers; in training each is left out with the configuration's probability (LayerDrop)."""
    import torch

    for layer in stack.layers:
        if not (stack.training and stack.layerdrop and torch.rand([]) < stack.layerdrop):
            yield layer


def _closed(stack: Any, hidden: Tensor) -> Tensor:
    """mBART has a norm after the last layer."""
    norm = getattr(stack, "layer_norm", None)
    return hidden if norm is None else norm(hidden)  # type: ignore[no-any-return]
