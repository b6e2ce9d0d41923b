"""How the parts of a family's models are called on packed rows.

Legend: T tokens in the row, B sequences, M targets, H hidden size, E width of the embedding, V vocabulary, C classes.

What stands here does for a plain Transformers encoder; a family whose models are called otherwise says so in its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from acclimate.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch
    from acclimate.models.onward import Memory, Onward


class Calls:
    """The calls of a family; class attributes say what its models are given."""

    registered_as: ClassVar[tuple[str, str]]
    packed: ClassVar[bool] = True
    """Whether its attention goes through Transformers' attention interface, so that rows need no padding; else
    sequences of similar length are padded together."""
    first_position: ClassVar[int] = 0
    """Row of the position table that a sequence's first token has."""
    position_input: ClassVar[str | None] = "position_ids"
    """Name of the model's input for positions; None where it counts them itself."""
    token_inputs: ClassVar[Mapping[str, str]] = {"segments": "token_type_ids"}
    """The batch's values for each token → name of the model's input. `segments`, and what stands in `by_token`."""

    @classmethod
    def inputs(cls, batch: PackedBatch) -> dict[str, Tensor]:
        """What the model is given of each token, by the names of its inputs: [T, …] each."""
        found = {"input_ids": batch.tokens}
        if cls.position_input is not None:
            found[cls.position_input] = batch.positions + cls.first_position
        for ours, theirs in cls.token_inputs.items():
            found[theirs] = batch.segments if ours == "segments" else batch.by_token[ours]
        return found

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        """[T, H] the last layer's output; of an encoder-decoder that of the decoder, [decoder's T, H]."""
        from acclimate.models.rows import packed_output, padded_output

        run = packed_output if cls.packed else padded_output
        return run(model.base_model, cls.inputs(batch), batch.cu_seqlens)

    @classmethod
    def encode_last(cls, model: PreTrainedModel, batch: PackedBatch, number: int) -> Tensor:
        """[T, number · H] the output of the last so many layers side by side, the last one at the end.

        Raises UserError where the family gives its last layer only, or the model has fewer layers.
        """
        from acclimate.models.rows import last_layers, packed_output, padded_output

        if cls.encode.__func__ is not Calls.encode.__func__:  # type: ignore[attr-defined]
            raise UserError(f"the family {cls.registered_as[1]} gives the output of its last layer alone")
        depth = int(model.config.num_hidden_layers)
        if number > depth:
            raise UserError(f"the model has {depth} layers, asked for the last {number}")
        run = packed_output if cls.packed else padded_output
        inputs, read = cls.inputs(batch), last_layers(number)
        return run(model.base_model, inputs, batch.cu_seqlens, read, output_hidden_states=True)

    @classmethod
    def onward(cls, model: PreTrainedModel, batch: PackedBatch, memory: Memory | None) -> Onward:
        """The next stretch of B streams, equally long; `memory` is what the stretch before left, None at the start."""
        raise NotImplementedError(f"{cls.registered_as[1]} does not remember")

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        """[M, H] → [M, E]: the language model's head but for its projection."""
        return hidden

    @classmethod
    def vocabulary(cls, model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
        """[V, E] and [V] or None: the projection."""
        decoder = model.get_output_embeddings()
        return decoder.weight, decoder.bias  # type: ignore[return-value, union-attr]

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """[T, H] → [B, H]: one vector a sequence, as the family's own pooler makes it; its first token without one."""
        first = hidden.index_select(0, batch.cu_seqlens[:-1])
        pooler = getattr(model.base_model, "pooler", None)
        return first if pooler is None else pooler(first.unsqueeze(1))

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        """[B, H] → [B, C]"""
        return model.classifier(model.dropout(pooled))

    @classmethod
    def classify_tokens(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        """[M, H] → [M, C]"""
        return model.classifier(model.dropout(hidden))

    @classmethod
    def find_spans(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        """[T, H] → [T, 2]: how far an answer begins at each token, and ends there, of models of the kind `spans`."""
        return model.qa_outputs(hidden)

    @classmethod
    def replaced(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        """[T, H] → [T]: logits of a token's not being the original one, of models of the kind `rtd`."""
        raise NotImplementedError(f"{cls.registered_as[1]} has no head for replaced tokens")

    @classmethod
    def pair_scores(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        """[B, H] → [B, 2 or 3]: the head over pairs of texts, of models of the kind `pretraining`."""
        raise NotImplementedError(f"{cls.registered_as[1]} has no head over pairs")
