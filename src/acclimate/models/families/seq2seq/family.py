"""Sequence to sequence: an encoder, and a decoder with attention, of recurrent cells or of Transformer layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.models.encoder_decoder import EncoderDecoder
from acclimate.models.family import INITIALISER, Vocabulary
from acclimate.models.kinds import Kind
from acclimate.recipe.settings import Component, problem
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch, Row

_MODELLING = "acclimate.models.families.seq2seq.modelling"


def _size(layers: int, hidden: int, heads: int, vocabulary: int = 37_000) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "vocab_size": vocabulary,
    }


class Seq2Seq(EncoderDecoder):
    """Sequence to sequence with attention. `cell` says what encoder and decoder are made of: layers of lstm or gru, the
    decoder attending token by token, or the Transformer.

    One table of embeddings serves both sides and the head. Recurrent: embeddings as wide as the states; the encoder
    reads in both directions, half of the state each; the decoder begins with a projection of the encoder's end.
    Transformer: sinusoidal positions, embeddings times √hidden, ReLU, 4·hidden between the projections.
    Source: Sutskever et al. 2014; Bahdanau et al. 2015 and Luong et al. 2015 (attention); Vaswani et al. 2017, whose
    base model size base is; others are ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "seq2seq")
    model_types: ClassVar[tuple[str, ...]] = ("acclimate_seq2seq",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2),
        "small": _size(3, 256, 4),
        "base": _size(6, 512, 8),
    }
    default_size: ClassVar[str] = "small"
    kinds: ClassVar[Mapping[Kind, str]] = {
        "encoder": f"{_MODELLING}:Seq2SeqModel",
        "seq2seq": f"{_MODELLING}:Seq2SeqForConditionalGeneration",
    }
    lacks: ClassVar[tuple[str, ...]] = ("positions",)

    size: Literal["tiny", "small", "base"] | None = None
    """Layers (of each, encoder and decoder)/hidden/heads: tiny 2/128/2, small 3/256/4, base 6/512/8. Small when nothing
    is given; a recurrent cell has no heads."""
    cell: Literal["transformer", "lstm", "gru"] = "transformer"
    """What the layers are."""
    attention: Literal["bahdanau", "luong"] | None = None
    """How a recurrent decoder attends: bahdanau (additive, the state before the token asks; the default) or luong (the
    state after it asks, and what is written is fed back)."""
    score: Literal["dot", "general", "concat"] | None = None
    """Luong's score of a state s and a place h of the source: dot s·h, general s·W·h (the default), concat
    v·tanh(W·[s; h])."""
    bidirectional: bool | None = None
    """Whether a recurrent encoder reads in both directions; yes unless given."""
    norm: Literal["pre", "post"] | None = None
    """Where norms of a Transformer stand: behind each branch (post, the paper's and the default), or before it, with
    one more at the end of each stack."""
    attention_dropout: Share | None = None  # type: ignore[assignment]
    """Share of a Transformer's attention weights zeroed in training; 0% unless given."""
    initialise: Annotated[Component, INITIALISER] = Field(default="truncated_normal")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept. Unless given, recurrent cells begin uniform in
    ±0.1 (Luong et al.): with 0.02 what they read hardly reaches the output."""

    @model_validator(mode="before")
    @classmethod
    def _drawn_for_the_cell(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("cell") in ("lstm", "gru") and not data.get("checkpoint"):
            return {"initialise": "uniform", **data}
        return data

    @model_validator(mode="after")
    def _of_the_cell(self) -> Seq2Seq:
        recurrent = self.cell != "transformer"
        for name in ("attention", "score", "bidirectional"):
            if getattr(self, name) is not None and not recurrent:
                raise problem(
                    f"{name}: has no effect on the cell transformer; it is for lstm and gru", at=(name,)
                )
        for name in ("norm", "attention_dropout"):
            if getattr(self, name) is not None and recurrent:
                raise problem(
                    f"{name}: has no effect on the cell {self.cell}; it is for transformer", at=(name,)
                )
        if self.score is not None and self.attention != "luong":
            raise problem("score: has an effect with `attention: luong` only", at=("score",))
        return self

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        return (*super().of_random_weights(), "cell", "attention", "score", "bidirectional", "norm")

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        config = super().config(vocabulary)
        config.cell = self.cell
        config.attention = self.attention or "bahdanau"
        config.score = self.score or "general"
        config.bidirectional = self.bidirectional is not False
        config.pre_norm = self.norm == "pre"
        return config

    def changes(self) -> dict[str, Any]:
        return {"dropout": self.dropout, "attention_dropout": self.attention_dropout or 0.0}

    @classmethod
    def decoder_start(cls, vocabulary: Vocabulary) -> int | None:
        return vocabulary.ends[0]

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        if cls.packed and model.config.cell != "transformer":
            from acclimate.models.rows import padded_decoder_output

            row = cls.read_again(model.config, batch) if batch.decoder is None else batch.decoder
            return padded_decoder_output(model.base_model, cls.inputs(batch), batch.cu_seqlens, row)
        return super().encode(model, batch)

    @classmethod
    def packed_decoder_output(cls, body: Any, batch: PackedBatch, row: Row) -> Tensor:
        from acclimate.models.packing import Packing

        read = body.encoder(
            batch.tokens[None], position_ids=batch.positions[None], packing=Packing(batch.cu_seqlens)
        ).last_hidden_state
        packing = Packing(row.cu_seqlens, sources=batch.cu_seqlens)
        out = body.decoder(
            row.tokens[None],
            encoder_hidden_states=read,
            position_ids=row.positions[None],
            packing=packing,
        )
        return out.last_hidden_state.squeeze(0)  # type: ignore[no-any-return]
